"""Faces with what humans and the champion say of them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from personas.entities import (
    DELETED,
    SET_ASIDE,
    Face,
    FaceKey,
    Image,
    ImagePath,
    ImageStatus,
    Label,
    Persona,
    Prediction,
    Slice,
)
from personas.errors import NotFoundError
from personas.recogniser import Recogniser, current_recogniser
from personas.services.labelling import DELETED_ALREADY
from personas.store.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceView:
    """A face, who a human says it is, who it is not, and (only where no human named it) what the champion says."""

    face: Face
    label: Label | None
    rejections: tuple[Label, ...]
    prediction: Prediction | None

    @property
    def rejected_ids(self) -> frozenset[str]:
        return frozenset(label.persona_id for label in self.rejections)

    @property
    def is_set_aside(self) -> bool:
        """Somebody said that it is not worth a name, or no face."""
        return self.label is not None and self.label.persona_id in SET_ASIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """A picture with its faces and the personas they mention, by id."""

    image: Image
    paths: tuple[ImagePath, ...]
    faces: tuple[FaceView, ...]
    personas: dict[str, Persona]

    @property
    def present(self) -> tuple[FaceView, ...]:
        """The faces that are worth a look."""
        return tuple(face for face in self.faces if not face.is_set_aside)

    @property
    def set_aside(self) -> tuple[FaceView, ...]:
        return tuple(face for face in self.faces if face.is_set_aside)


def view_image(store: Store, image_id: str, *, n_candidates: int = 3) -> ImageView:
    """Raises NotFoundError."""
    image = shown_image(store, image_id)
    faces = store.faces_of([image_id]).get(image_id, ())
    views = view_faces(store, faces, n_candidates=n_candidates)
    return ImageView(
        image=image,
        paths=store.paths_of([image_id]).get(image_id, ()),
        faces=tuple(views),
        personas=store.personas_by_id(mentioned(views)),
    )


def shown_images(store: Store, *, cursor: str | None = None, limit: int = 60) -> Slice[Image]:
    """Pictures that were not deleted, by id. The cursor is the store's; a page may be short, and yet not the last."""
    found = store.images(cursor=cursor, limit=limit)
    items = tuple(image for image in found.items if image.status is not ImageStatus.DELETED)
    return Slice(items=items, next_cursor=found.next_cursor)


def shown_image(store: Store, image_id: str) -> Image:
    """Raises NotFoundError, for a deleted picture too."""
    image = store.images_by_id([image_id]).get(image_id)
    if image is None:
        raise NotFoundError("There is no such picture.")
    if image.status is ImageStatus.DELETED:
        raise NotFoundError(DELETED_ALREADY)
    return image


def mentioned(views: Iterable[FaceView]) -> set[str]:
    """Ids of every persona that labels, rejections, predictions or candidates speak of."""
    ids: set[str] = set()
    for view in views:
        ids.update(view.rejected_ids)
        if view.label:
            ids.add(view.label.persona_id)
        if view.prediction:
            ids.update(persona_id for persona_id, _ in view.prediction.candidates)
            if view.prediction.persona_id:
                ids.add(view.prediction.persona_id)
    return ids


def view_faces(store: Store, faces: Sequence[Face], *, n_candidates: int = 0) -> list[FaceView]:
    """Labels of all faces, and predictions of those no human named; one read each."""
    return _views(store, faces, current_recogniser(), n_candidates=n_candidates)


def _views(
    store: Store, faces: Sequence[Face], recogniser: Recogniser | None, *, n_candidates: int = 0
) -> list[FaceView]:
    labels = store.labels_of_images({face.image_id for face in faces})
    views = []
    named = {key for key, said in labels.items() if any(label.belongs for label in said)}
    unnamed = [face.key for face in faces if face.key not in named]
    predictions = _predictions(store, unnamed, recogniser, labels=labels, n_candidates=n_candidates)
    for face in faces:
        said = labels.get(face.key, ())
        views.append(
            FaceView(
                face=face,
                label=next((label for label in said if label.belongs), None),
                rejections=tuple(label for label in said if not label.belongs),
                prediction=predictions.get(face.key),
            )
        )
    return views


def predict_faces(
    store: Store,
    keys: Sequence[FaceKey],
    *,
    labels: dict[FaceKey, tuple[Label, ...]],
    n_candidates: int = 0,
    recogniser: Recogniser | None = None,
) -> dict[FaceKey, Prediction]:
    """What the champion says of faces, with rejections honoured; empty before the first version."""
    return _predictions(store, keys, recogniser or current_recogniser(), labels=labels, n_candidates=n_candidates)


def _predictions(
    store: Store,
    keys: Sequence[FaceKey],
    recogniser: Recogniser | None,
    *,
    labels: dict[FaceKey, tuple[Label, ...]],
    n_candidates: int,
) -> dict[FaceKey, Prediction]:
    if recogniser is None or not keys:
        return {}
    embeddings = store.embeddings_of(keys, embedder=recogniser.embedder)
    present = [key for key in keys if key in embeddings]
    if not present:
        return {}
    said = recogniser.predict(
        present,
        np.stack([embeddings[key] for key in present]),
        rejected=rejections(labels),
        n_candidates=n_candidates,
    )
    return {prediction.key: prediction for prediction in _of_people_there_are(store, said)}


def _of_people_there_are(store: Store, said: Sequence[Prediction]) -> Iterator[Prediction]:
    """A version may know personas that were merged or deleted since: what it said of those it did not say."""
    named = {prediction.persona_id for prediction in said if prediction.persona_id}
    named |= {persona_id for prediction in said for persona_id, _ in prediction.candidates}
    gone = named - store.personas_by_id(named).keys() if named else set()
    for prediction in said:
        candidates = tuple(candidate for candidate in prediction.candidates if candidate[0] not in gone)
        if prediction.persona_id in gone:
            yield replace(prediction, persona_id=None, probability=None, candidates=candidates)
        else:
            yield replace(prediction, candidates=candidates) if gone else prediction


def rejections(labels: Mapping[FaceKey, tuple[Label, ...]]) -> dict[FaceKey, frozenset[str]]:
    """Personas that each face was said not to be."""
    found = {key: frozenset(label.persona_id for label in said if not label.belongs) for key, said in labels.items()}
    return {key: personas for key, personas in found.items() if personas}


def faces_by_key(store: Store, keys: Collection[FaceKey]) -> dict[FaceKey, Face]:
    """The faces that exist among these."""
    wanted = set(keys)
    found = store.faces_of({key.image_id for key in wanted})
    return {face.key: face for faces in found.values() for face in faces if face.key in wanted}


class FaceStatus(enum.StrEnum):
    """How a face stands."""

    LABELLED = "labelled"
    PREDICTED = "predicted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


#: Faces looked through for one page of `faces_where`, about: a page may be short, or empty, and yet not the last.
LOOKED_THROUGH = 2000
#: Faces read at once while looking for more of a status.
LOOKED_AT_ONCE = 500


def faces_with_status(
    store: Store, status: FaceStatus | None = None, *, cursor: str | None = None, limit: int = 60
) -> Slice[FaceView]:
    """All faces of pictures that were not deleted, or those of a status, by key. The cursor is the store's."""

    def places(views: Sequence[FaceView]) -> list[int]:
        return [
            place
            for place, view in enumerate(views)
            if not is_deleted(view) and (status is None or status_of(view) is status)
        ]

    return faces_where(store, places, cursor=cursor, limit=limit)


def faces_where(
    store: Store, wanted_of: Callable[[Sequence[FaceView]], list[int]], *, cursor: str | None, limit: int
) -> Slice[FaceView]:
    """As `faces_with_status`, of the faces at the places that `wanted_of` picks from what is read, ascending."""
    recogniser = current_recogniser()  # one for the whole page, whatever is promoted meanwhile
    found: list[FaceView] = []
    looked, at_once = 0, limit
    while True:
        page = store.faces(cursor=cursor, limit=at_once)
        views = _views(store, page.items, recogniser)
        places = wanted_of(views)
        wanted = places[: limit - len(found)]
        found += [views[place] for place in wanted]
        if len(wanted) < len(places):  # the page is full in the middle of what was read: the next begins right there
            following = store.faces(cursor=cursor, limit=wanted[-1] + 1).next_cursor
            return Slice(items=tuple(found), next_cursor=following)
        looked += len(page.items)
        cursor = page.next_cursor
        if cursor is None or len(found) >= limit or looked >= LOOKED_THROUGH:
            return Slice(items=tuple(found), next_cursor=cursor)
        at_once = LOOKED_AT_ONCE


def is_deleted(view: FaceView) -> bool:
    """Whether the face's picture was deleted."""
    return view.label is not None and view.label.persona_id == DELETED


def status_of(view: FaceView) -> FaceStatus:
    """A label outweighs a prediction, and a prediction a rejection of somebody else."""
    if view.label:
        return FaceStatus.LABELLED
    if view.prediction and view.prediction.persona_id:
        return FaceStatus.PREDICTED
    return FaceStatus.REJECTED if view.rejections else FaceStatus.UNKNOWN


def view_keys(store: Store, keys: Sequence[FaceKey]) -> list[FaceView]:
    """These faces in this order, those that exist."""
    faces = faces_by_key(store, keys)
    return view_faces(store, [faces[key] for key in keys if key in faces])
