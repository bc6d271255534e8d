"""A small made-up world: people with looks, strangers, pictures of them in a store, and a trainer."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
from django.utils import timezone

from personas.entities import FaceKey, FloatArray, Verdict
from personas.selectors.gallery import persona_predicted
from personas.store.base import Store
from tests.factories import add_personas, extracted, key, label, new_face, save
from training.trainer import Trainer

#: Spread of one person's faces; two of them have a cosine of about 1 / (1 + SPREAD**2).
SPREAD = 0.7


def unit(vector: FloatArray) -> FloatArray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _random(seed: str) -> FloatArray:
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    return unit(np.random.default_rng(number).standard_normal(128).astype(np.float32))


def appearance(person: str, picture: str | int) -> FloatArray:
    """A face of a person: float32 (128,), unit length, the same for the same arguments."""
    return unit(_random(person) + SPREAD * _random(f"{person} in {picture}"))


@dataclasses.dataclass
class World:
    """Takes pictures of people, labels them, trains."""

    store: Store
    folder: Path
    split_faces: int = 10**9  #: from so many faces on versions are scored in shares

    @property
    def trainer(self) -> Trainer:
        return Trainer(
            store=self.store,
            media_root=self.folder / "media",
            cache_root=self.folder / "cache",
            clock=timezone.now,
            split_faces=self.split_faces,
        )

    def photograph(self, person: str, count: int, *, first: int = 0) -> list[FaceKey]:
        """`count` pictures of one person each; keys in the order taken."""
        return self._take([(person, f"{person}-{n}") for n in range(first, first + count)])

    def crowd(self, count: int, *, first: int = 0) -> list[FaceKey]:
        """Strangers, each seen once."""
        return self._take([(f"stranger {n}", f"stranger {n}") for n in range(first, first + count)])

    def _take(self, pictures: list[tuple[str, str]]) -> list[FaceKey]:
        faces = {name: dataclasses.replace(new_face(name), embedding=appearance(who, name)) for who, name in pictures}
        save(self.store, *[extracted(name, faces=[face]) for name, face in faces.items()])
        return [key(name) for name in faces]

    def introduce(self, person: str, faces: list[FaceKey]) -> None:
        add_personas(self.store, person)
        label(self.store, person.lower(), *faces)

    def say(self, person: str, *faces: FaceKey, verdict: Verdict = Verdict.BELONGS) -> None:
        label(self.store, person.lower(), *faces, verdict=verdict)

    def train(self, *, only_new_labels: bool = False):
        return self.trainer.train(actor="tester", only_new_labels=only_new_labels, wait_seconds=0)

    def train_with(self, *keys: FaceKey):
        """The next version, from these labels of Ada more."""
        self.say("Ada", *keys)
        outcome = self.train()
        assert outcome.promoted, outcome.sentence
        return outcome.version

    def mix_up(self) -> None:
        """Ada and Bo, and then labels of each given to the other; the second version is refused for it."""
        ada, bo = self.photograph("Ada", 40), self.photograph("Bo", 40)
        self.crowd(30)
        self.introduce("Ada", ada[:30])
        self.introduce("Bo", bo[:30])
        self.train()
        self.say("Ada", *bo[:9])
        self.say("Bo", *ada[:9])
        assert not self.train().promoted

    def predicted(self, person: str) -> dict[FaceKey, float]:
        """What the persona's page lists, walked to its end."""
        found: dict[FaceKey, float] = {}
        cursor: str | None = None
        while True:
            page = persona_predicted(self.store, person.lower(), cursor=cursor, limit=7)
            for item in page.items:
                assert item.face.key not in found, "listed twice"
                found[item.face.key] = item.probability
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor
