"""What tests of pages need: pictures with drawn faces in the store, and a version that names them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.test import Client
from django.urls import reverse
from PIL import Image as Pillow
from PIL import ImageDraw

from personas import recogniser
from personas.crops import originals
from personas.entities import (
    INGEST,
    LABELS,
    Box,
    FaceKey,
    FloatArray,
    ModelVersion,
    Prediction,
    RankedFace,
    RankedKind,
)
from personas.media import write_atomically
from personas.store.base import Store
from tests import factories

HTMX = {"HX-Request": "true"}
COLOURS = ("#c98d6b", "#8d5a3c", "#e3b798", "#6b4430", "#d9a07c")


def draw_picture(boxes: Sequence[Box], *, seed: int = 0) -> bytes:
    """A JPEG with a drawn face in each box."""
    picture = Pillow.new("RGB", (factories.WIDTH, factories.HEIGHT), "#7f97a8")
    pen = ImageDraw.Draw(picture)
    for number, (x, y, width, height) in enumerate(boxes):
        pen.ellipse((x, y, x + width, y + height), fill=COLOURS[(seed + number) % len(COLOURS)])
        for eye in (0.32, 0.68):
            left, top = x + width * eye, y + height * 0.4
            pen.ellipse(
                (left - width * 0.07, top - height * 0.05, left + width * 0.07, top + height * 0.05), fill="#222"
            )
        pen.arc((x + width * 0.3, y + height * 0.45, x + width * 0.7, y + height * 0.8), 20, 160, fill="#511", width=3)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def add_pictures(store: Store, count: int, *, faces: int = 1, prefix: str = "picture") -> list[FaceKey]:
    """Pictures with drawn faces, in the store and in the media folder; keys in key order."""
    keys = factories.save_pictures(store, count, faces=faces, prefix=prefix)
    for number in range(count):
        content = draw_picture([factories.box(place, 60.0) for place in range(faces)], seed=number)
        write_atomically(originals().path(factories.image_id(f"{prefix}-{number}")), content)
    return keys


class FakeRecogniser:
    """Says what it was told, and honours rejections. Whoever else it could be (`also`) comes after the first."""

    embedder = factories.EMBEDDER

    def __init__(
        self, version: int, said: Mapping[FaceKey, tuple[str, float]], also: Sequence[tuple[str, float]] = ()
    ) -> None:
        self.version = version
        self.said = said
        self.also = also

    def predict(
        self,
        keys: Sequence[FaceKey],
        embeddings: FloatArray,
        *,
        rejected: Mapping[FaceKey, frozenset[str]],
        n_candidates: int = 0,
    ) -> list[Prediction]:
        return [self._one(key, rejected.get(key, frozenset()), n_candidates) for key in keys]

    def _one(self, key: FaceKey, rejected: frozenset[str], n_candidates: int) -> Prediction:
        persona_id, probability = self.said.get(key, (None, None))
        if persona_id is None or persona_id in rejected:
            return Prediction(key=key, persona_id=None, probability=None, version=self.version)
        others = (each for each in self.also if each[0] not in rejected)
        candidates = ((persona_id, probability or 0.0), *others)[:n_candidates]
        return Prediction(
            key=key, persona_id=persona_id, probability=probability, version=self.version, candidates=candidates
        )


def publish(
    store: Store,
    said: Mapping[FaceKey, tuple[str, float]],
    *,
    also: Sequence[tuple[str, float]] = (),
    **changes: object,
) -> ModelVersion:
    """A version that says this of faces becomes champion; call it inside `champions()`."""
    values = {"label_seq": store.head(LABELS), "scored_through": store.head(INGEST), **changes}
    version = store.add_model_version(factories.model_version(**values))
    ranked: dict[str, list[RankedFace]] = {}
    for key, (persona_id, probability) in said.items():
        ranked.setdefault(persona_id, []).append(RankedFace(key, probability))
    for faces in ranked.values():
        faces.sort(key=lambda face: (-face.probability, face.key))
    store.put_ranked(version.version, RankedKind.PREDICTED, ranked)
    store.add_fresh(version.version, {}, scored_through=store.head(INGEST))
    champion = store.champion()
    store.switch_champion(
        version.version, expected_revision=champion.revision if champion else 0, actor="trainer", at=factories.NOW
    )
    store.advance_cursor("trainer", store.head(LABELS))
    said_now = FakeRecogniser(version.version, dict(said), also)
    recogniser.plug_in(lambda: said_now)
    return version


@contextmanager
def champions() -> Iterator[None]:
    """Whatever `publish` plugs in is taken out again."""
    before = recogniser._champion
    recogniser.plug_in(lambda: None)
    try:
        yield
    finally:
        recogniser.plug_in(before)


def text_of(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined,no-any-return]


def send_label(web: Client, face: FaceKey, **fields: str) -> object:
    headers = HTMX if fields.pop("htmx", "") else {}
    data = {"faces": str(face), "command_id": factories.command_id(), **fields}
    return web.post(reverse("label"), data, headers=headers)


def press_undo(web: Client, page: str) -> object:
    """What the undo of a toast on the page answers."""
    token = re.search(r'name="undo" value="([^"]+)"', page)
    assert token, "the page offers no undo"
    return web.post(reverse("undo"), {"undo": token[1]})
