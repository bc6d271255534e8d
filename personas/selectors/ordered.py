"""A persona's faces and pictures in an order that no store keeps: sorted in memory, and so a bounded number of them.

A page begins behind the place of the last item seen, not at a number of items, so that what was labelled meanwhile
moves nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from personas.entities import Image, ImageStatus
from personas.errors import NotFoundError
from personas.selectors.faces import faces_by_key
from personas.selectors.gallery import LabelledFace, persona_predicted
from personas.store.base import Store

T = TypeVar("T")

#: Labels, and predictions, of a persona that are sorted. Whoever has more is shown the first by key, the most probable.
SORTED_AT_MOST = 2000


class LabelOrder(enum.StrEnum):
    DATE = "date"  #: said last first
    QUALITY = "quality"  #: the clearest faces first


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered(Generic[T]):
    """One page. is_cut: there are more than SORTED_AT_MOST, and some of them are on no page of this order."""

    items: tuple[T, ...]
    next_cursor: str | None
    is_cut: bool = False


def labelled_in_order(
    store: Store, persona_id: str, order: LabelOrder, *, belongs: bool, cursor: str | None = None, limit: int = 60
) -> Ordered[LabelledFace]:
    """Labelled faces (belongs) or rejected ones (not belongs) of a persona. Raises NotFoundError (the cursor)."""
    labels = store.labels_of_persona(persona_id, belongs=belongs, limit=SORTED_AT_MOST)
    if order is LabelOrder.DATE:
        places = [(-label.at.timestamp(), str(label.key), label) for label in labels.items]
    else:
        faces = faces_by_key(store, [label.key for label in labels.items])
        known = [label for label in labels.items if label.key in faces]
        places = [(-faces[label.key].quality, str(label.key), label) for label in known]
    part, following = _page(places, cursor, limit)
    faces = faces_by_key(store, [label.key for label in part])
    return Ordered(
        items=tuple(LabelledFace(face=faces[label.key], label=label) for label in part if label.key in faces),
        next_cursor=following,
        is_cut=labels.next_cursor is not None,
    )


def persona_pictures(store: Store, persona_id: str, *, cursor: str | None = None, limit: int = 60) -> Ordered[Image]:
    """Pictures that show a persona, by a label or a prediction, each once, the newest first. Raises NotFoundError."""
    labelled = store.labels_of_persona(persona_id, belongs=True, limit=SORTED_AT_MOST)
    predicted = persona_predicted(store, persona_id, limit=SORTED_AT_MOST)
    ids = {label.image_id for label in labelled.items} | {item.face.image_id for item in predicted.items}
    images = [image for image in store.images_by_id(ids).values() if image.status is not ImageStatus.DELETED]
    places = [(-image.ingested_at.timestamp(), image.image_id, image) for image in images]
    part, following = _page(places, cursor, limit)
    is_cut = labelled.next_cursor is not None or predicted.next_cursor is not None
    return Ordered(items=tuple(part), next_cursor=following, is_cut=is_cut)


def _page(places: Sequence[tuple[float, str, T]], cursor: str | None, limit: int) -> tuple[list[T], str | None]:
    """What comes behind the cursor, in the order of (number, name). Returns the items, and the cursor of the next."""
    behind = _reader(cursor)
    ordered = sorted((place for place in places if behind((place[0], place[1]))), key=lambda place: place[:2])
    part = ordered[:limit]
    following = f"{part[-1][0]!r}~{part[-1][1]}" if len(ordered) > limit else None
    return [item for _, _, item in part], following


def _reader(cursor: str | None) -> Callable[[tuple[float, str]], bool]:
    if cursor is None:
        return lambda place: True
    number, mark, name = cursor.partition("~")
    try:
        last = (float(number), name)
    except ValueError:
        mark = ""
    if not mark:
        raise NotFoundError("This page's address is not one the product made; go back to the persona.")
    return lambda place: place > last
