"""One number for what the product knows: two stores of the same state hash hold the same pictures and labels.

Covered: images, those erased, faces, boxes, personas, labels, rejections, covers. Left out, because they depend on when
and in what order things happened, or on which machine: sequence numbers, times, paths, model versions, audit, and the
tags of the detector and embedder. Pure over the store port.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from personas.entities import Box
from personas.store.base import Store
from personas.store.paging import every

PAGE = 5000
#: Digits behind the point of a box in pixels: extraction on another processor may differ far behind it.
BOX_DIGITS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StateHash:
    state_hash: str
    counts: dict[str, int]  #: lines hashed, a section
    sections: dict[str, str]  #: hash of each section, to see where two states differ


class UnorderedHash:
    """Sum of the lines' SHA-256 modulo 2**256: independent of their order and without keeping them (Bellare and
    Micciancio 1997, AdHash). Not meant to withstand somebody who searches for collisions."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, line: str) -> None:
        self.count += 1
        self._sum += int.from_bytes(hashlib.sha256(line.encode()).digest(), "big")

    def hexdigest(self) -> str:
        return f"{self._sum % 2**256:064x}"


def state_hash(store: Store) -> StateHash:
    """Streams over the whole store; memory does not grow with it."""
    counts, sections = {}, {}
    for name, lines in _sections(store):
        hashed = UnorderedHash()
        for line in lines:
            hashed.add(line)
        counts[name], sections[name] = hashed.count, hashed.hexdigest()
    whole = hashlib.sha256("".join(f"{name} {counts[name]} {sections[name]}\n" for name in sorted(sections)).encode())
    return StateHash(state_hash=whole.hexdigest(), counts=counts, sections=sections)


def _sections(store: Store) -> Iterator[tuple[str, Iterable[str]]]:
    yield "images", _images(store)
    yield "faces", _faces(store)
    yield "personas", _personas(store)
    yield "labels", _labels(store)


def _images(store: Store) -> Iterator[str]:
    for image in every(lambda cursor: store.images(cursor=cursor, limit=PAGE)):
        size = f"{image.width}x{image.height} {image.n_bytes}"
        yield f"{image.image_id} {size} {image.format} {image.status.value} {image.n_faces}"
    for erased in every(lambda cursor: store.erased_images(cursor=cursor, limit=PAGE)):
        yield f"{erased.image_id} erased"


def _faces(store: Store) -> Iterator[str]:
    for face in every(lambda cursor: store.faces(cursor=cursor, limit=PAGE)):
        yield f"{face.key} {_rounded(face.box)}"


def _personas(store: Store) -> Iterator[str]:
    for persona in every(lambda cursor: store.personas(cursor=cursor, limit=PAGE)):
        yield f"{persona.persona_id} {persona.name!r} cover={persona.cover or ''} hidden={persona.hidden}"


def _labels(store: Store) -> Iterator[str]:
    for label in store.all_labels():
        yield f"{label.key} {label.persona_id} {label.belongs}"


def _rounded(box: Box) -> str:
    return " ".join(f"{round(value, BOX_DIGITS) + 0.0:.{BOX_DIGITS}f}" for value in box)  # + 0.0: no "-0.00"
