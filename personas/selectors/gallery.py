"""The persona grid and a persona's page: labelled, predicted and rejected faces, keyset-paged."""

from __future__ import annotations

import heapq
import logging
from base64 import b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from personas.entities import (
    DELETED,
    NOBODY,
    Face,
    FaceKey,
    Label,
    Persona,
    PersonaSummary,
    RankedFace,
    RankedKind,
    Slice,
)
from personas.errors import AmbiguousError, NotFoundError
from personas.media import MediaMissingError
from personas.names import loose, normal
from personas.selectors.counts import is_settled, predicted_counts
from personas.selectors.faces import LOOKED_AT_ONCE, LOOKED_THROUGH, faces_by_key
from personas.store.base import Store
from personas.version_metrics import metrics_of

logger = logging.getLogger(__name__)

#: Characters of a name by which people are sorted: as many as always fit into a cursor.
SORTED_BY: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedFace:
    """A face that a version names, not labelled or rejected for that persona."""

    face: Face
    probability: float
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFace:
    face: Face
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class People(Slice[PersonaSummary]):
    """A page of the grid."""

    n_hidden: int  #: people who are hidden from the grid, of whatever name


def all_personas(store: Store) -> Iterator[Persona]:
    cursor: str | None = None
    while True:
        page = store.personas(cursor=cursor, limit=5000)
        yield from page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _by_name(persona: Persona) -> tuple[str, str]:
    return persona.name.casefold()[:SORTED_BY], persona.persona_id


def persona_grid(
    store: Store, *, search: str = "", hidden: bool = False, cursor: str | None = None, limit: int = 60
) -> People:
    """Personas by name, those whose name holds every word of `search`.

    The cursor holds the place of the last one seen, so reading goes on behind it though it was renamed, merged or
    deleted meanwhile. Raises NotFoundError for a cursor that no page gave.
    """
    everyone = list(all_personas(store))
    ordered = _called(everyone, search, hidden=hidden)
    start = bisect_right(ordered, _place(cursor), key=_by_name) if cursor else 0
    page = ordered[start : start + limit]
    more = start + limit < len(ordered)
    return People(
        items=tuple(summarise(store, page)),
        next_cursor=_cursor_behind(page[-1]) if more else None,
        n_hidden=sum(persona.hidden for persona in everyone),
    )


def _cursor_behind(persona: Persona) -> str:
    name, persona_id = _by_name(persona)
    return f"{persona_id}~{urlsafe_b64encode(name.encode()).decode()}"


def _place(cursor: str) -> tuple[str, str]:
    """As `_by_name` gives it."""
    try:
        persona_id, name = cursor.split("~")
        return b64decode(name, altchars="-_", validate=True).decode(), persona_id
    except ValueError as error:
        raise NotFoundError("This page's address is not one the product made; go back to the people.") from error


def find_personas(store: Store, search: str = "") -> list[Persona]:
    """Personas shown in the grid whose name holds every word of `search`, by name; all of them for an empty one."""
    return _called(all_personas(store), search, hidden=False)


def _called(personas: Iterable[Persona], search: str, *, hidden: bool) -> list[Persona]:
    words = loose(search).split()
    found = (p for p in personas if p.hidden is hidden and all(word in loose(p.name) for word in words))
    return sorted(found, key=_by_name)


def personas_called(store: Store, name: str) -> tuple[Persona, ...]:
    """Who a typed name can mean: personas of exactly this name, or else those that differ in case only."""
    wanted = normal(name)
    exact = store.personas_named(wanted)
    if exact or not wanted:
        return exact
    return tuple(sorted((p for p in all_personas(store) if loose(p.name) == loose(wanted)), key=_by_name))


def the_persona_called(store: Store, name: str, *, but: str = "") -> Persona:
    """but: who is not meant. Raises NotFoundError, AmbiguousError."""
    called = tuple(persona for persona in personas_called(store, name) if persona.persona_id != but)
    if not called:
        raise NotFoundError(f"Nobody is called {name}. Type the name as it stands in the grid of people.")
    if len(called) > 1:
        raise AmbiguousError(
            f"{len(called)} people are called {called[0].name}. Open the one you mean and begin there.",
            tuple(persona.persona_id for persona in called),
        )
    return called[0]


def summarise(store: Store, personas: list[Persona]) -> list[PersonaSummary]:
    """Covers and counts of some personas; a fixed number of reads, and one more for each that has predictions only."""
    ids = [persona.persona_id for persona in personas]
    labelled = store.label_counts(ids)
    predicted = predicted_counts(store)
    covers = covers_of(store, [p.persona_id for p in personas if p.cover is None])
    return [
        PersonaSummary(
            persona=persona,
            cover=persona.cover
            or covers.get(persona.persona_id)
            or (_first_predicted(store, persona.persona_id) if predicted.get(persona.persona_id) else None),
            n_labelled=labelled.get(persona.persona_id, (0, 0))[0],
            n_rejected=labelled.get(persona.persona_id, (0, 0))[1],
            n_predicted=predicted.get(persona.persona_id, 0),
        )
        for persona in personas
    ]


def covers_of(store: Store, persona_ids: list[str]) -> dict[str, FaceKey]:
    """The face the champion found most typical of each persona while it is still labelled so, else any labelled one."""
    covers = store.first_labelled(persona_ids)
    champion = store.champion()
    version = store.model_version(champion.version) if champion else None
    if version is None:
        return covers
    try:
        chosen = metrics_of(version).get("covers", {})
    except MediaMissingError as error:
        logger.warning("covers fall back on any labelled face: %s", error)
        return covers
    typical = {persona_id: FaceKey.parse(chosen[persona_id]) for persona_id in covers if persona_id in chosen}
    labels = store.labels_of_images({key.image_id for key in typical.values()})
    for persona_id, key in typical.items():
        if any(label.belongs and label.persona_id == persona_id for label in labels.get(key, ())):
            covers[persona_id] = key
    return covers


def _first_predicted(store: Store, persona_id: str) -> FaceKey | None:
    champion = store.champion()
    if champion is None:
        return None
    first = store.ranked(champion.version, persona_id, RankedKind.PREDICTED, limit=1)
    return first[0].key if first else None


def get_persona(store: Store, persona_id: str) -> PersonaSummary:
    """Raises NotFoundError."""
    persona = store.personas_by_id([persona_id]).get(persona_id)
    if persona is None:
        raise NotFoundError("There is no such persona; it may have been deleted.")
    return summarise(store, [persona])[0]


def persona_predicted(
    store: Store, persona_id: str, *, at_least: float = 0.0, cursor: str | None = None, limit: int = 60
) -> Slice[PredictedFace]:
    """Most probable first, labels and rejections made since overlaid. The cursor carries its version.

    at_least: less probable faces are left out.

    A page may be short, or empty, and yet not the last: some LOOKED_THROUGH faces are looked through for it, no more.

    When the champion has changed since the cursor was made, reading goes on in the version the reader began with, as
    long as its pages are kept.
    """
    champion = store.champion()
    if champion is None:
        return Slice(items=(), next_cursor=None)
    version, after = _parse_ranked_cursor(cursor) if cursor else (champion.version, None)
    found: list[RankedFace] = []
    looked, at_once = 0, limit
    while len(found) < limit and looked < LOOKED_THROUGH:
        page = _ranked_and_fresh(store, version, persona_id, after=after, at_least=at_least, limit=at_once)
        if not page:
            break
        looked += len(page)
        at_once = max(limit, LOOKED_AT_ONCE)
        labels = store.labels_of_images({ranked.key.image_id for ranked in page})
        open_ones = [r for r in page if not is_settled(labels.get(r.key, ()), persona_id)]
        take = open_ones[: limit - len(found)]
        found.extend(take)
        after = take[-1] if len(take) < len(open_ones) else page[-1]
    faces = faces_by_key(store, [ranked.key for ranked in found])
    items = tuple(
        PredictedFace(face=faces[r.key], probability=r.probability, version=version) for r in found if r.key in faces
    )
    more = bool(page) and _ranked_and_fresh(store, version, persona_id, after=after, at_least=at_least, limit=1)
    return Slice(items=items, next_cursor=_ranked_cursor(version, after) if more and after else None)


def _ranked_and_fresh(
    store: Store, version: int, persona_id: str, *, after: RankedFace | None, at_least: float, limit: int
) -> list[RankedFace]:
    pages = store.ranked(version, persona_id, RankedKind.PREDICTED, after=after, limit=limit)
    fresh = store.fresh(version, persona_id, after=after, limit=limit)
    merged = heapq.merge(pages, fresh, key=lambda ranked: (-ranked.probability, ranked.key))
    unique = list({ranked.key: ranked for ranked in merged}.values())[:limit]
    return [ranked for ranked in unique if ranked.probability >= at_least]


def _ranked_cursor(version: int, after: RankedFace) -> str:
    return f"{version}~{after.probability!r}~{after.key}"


def _parse_ranked_cursor(cursor: str) -> tuple[int, RankedFace]:
    try:
        version, probability, key = cursor.split("~")
        return int(version), RankedFace(FaceKey.parse(key), float(probability))
    except ValueError as error:
        raise NotFoundError("This page's address is not one the product made; go back to the persona.") from error


def persona_labelled(
    store: Store, persona_id: str, *, belongs: bool = True, cursor: str | None = None, limit: int = 60
) -> Slice[LabelledFace]:
    """Labelled faces (belongs) or rejected ones (not belongs) of a persona, or of one of NOBODY, by face key.

    Rejected ones of deleted pictures are left out: such a page may be short, and yet not the last.
    """
    labels = store.labels_of_persona(persona_id, belongs=belongs, cursor=cursor, limit=limit)
    keys = [label.key for label in labels.items]
    if not belongs:
        said = store.labels_of_images({key.image_id for key in keys})
        keys = [key for key in keys if all(label.persona_id != DELETED for label in said.get(key, ()))]
    faces = faces_by_key(store, keys)
    return Slice(
        items=tuple(LabelledFace(face=faces[label.key], label=label) for label in labels.items if label.key in faces),
        next_cursor=labels.next_cursor,
    )


def persona_name(personas: Mapping[str, Persona], persona_id: str) -> str:
    """The name to show for an id."""
    if persona_id in NOBODY:
        return NOBODY[persona_id]
    return personas[persona_id].name if persona_id in personas else "(deleted)"
