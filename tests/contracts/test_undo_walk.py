"""Anything that people may do, in any order: undoing all of it leads back to the very state there was."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest

from personas.entities import IGNORED, NOBODY, NOT_A_FACE, STRANGER, FaceKey, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.services import curation, undo
from personas.services import personas as people
from personas.state_hash import state_hash
from personas.store.base import Store
from tests import factories as make
from tests.contracts.acts import by, label, take_back

#: Operations of the random walk; 10,000 take some minutes a store.
OPERATIONS = int(os.environ.get("UNDO_OPERATIONS", "150"))
#: Commands between two looks at all labels, which read every partition; a long walk looks as often as a short one.
LOOK_EVERY = max(OPERATIONS // 150, 1)


@dataclass
class Walk:
    """Random actions of people, and the order in which they were done."""

    store: Store
    faces: list[FaceKey]
    chance: random.Random
    personas: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def step(self) -> None:
        acts = [self._label, self._label, self._label, self._add, self._look, self._curate, self._undo]
        command = by(f"step {len(self.done)} {self.chance.random()}")
        try:
            self.chance.choice(acts)(command)
        except FaceProjectError:
            return  # nobody of that id any more, or changed since: refused, and nothing was done
        self.done.append(str(command["command_id"]))
        if len(self.done) % LOOK_EVERY == 0:
            self.look_at_all_labels()

    def look_at_all_labels(self) -> None:
        """Nothing is said of anybody who is gone."""
        known = {persona.persona_id for persona in self.store.personas(limit=10_000).items}
        assert {label.persona_id for label in self.store.all_labels()} <= known | NOBODY.keys()

    def _some(self) -> list[FaceKey]:
        return self.chance.sample(self.faces, self.chance.randint(1, 4))

    def _someone(self) -> str:
        return self.chance.choice(sorted(p.persona_id for p in self.store.personas(limit=10_000).items) or ["nobody"])

    def _label(self, command: dict[str, object]) -> None:
        persona_id = self.chance.choice([self._someone()] * 4 + [STRANGER, IGNORED, NOT_A_FACE])
        label(self.store, persona_id, *self._some(), verdict=self.chance.choice(list(Verdict)), **command)

    def _add(self, command: dict[str, object]) -> None:
        faces = self._some() if self.chance.random() < 0.5 else ()
        people.add_persona(store=self.store, name=self.chance.choice("ABCDE"), faces=faces, **command)  # type: ignore[arg-type]

    def _look(self, command: dict[str, object]) -> None:
        common = {"store": self.store, "persona_id": self._someone(), **command}
        match self.chance.randrange(3):
            case 0:
                people.rename_persona(name=self.chance.choice("ABCDE"), **common)  # type: ignore[arg-type]
            case 1:
                people.choose_cover(cover=self.chance.choice([None, *self.faces]), **common)  # type: ignore[arg-type]
            case _:
                people.hide_persona(hidden=self.chance.random() < 0.5, **common)  # type: ignore[arg-type]

    def _curate(self, command: dict[str, object]) -> None:
        match self.chance.randrange(3):
            case 0:
                into = self._someone()
                curation.merge_personas(store=self.store, persona_id=self._someone(), into=into, **command)  # type: ignore[arg-type]
            case 1:
                curation.delete_persona(store=self.store, persona_id=self._someone(), **command)  # type: ignore[arg-type]
            case _:
                ids = {key.image_id for key in self._some()}
                curation.delete_images(store=self.store, image_ids=ids, **command)  # type: ignore[arg-type]

    def _undo(self, command: dict[str, object]) -> None:
        if not self.done:
            raise NotFoundError("Nothing was done yet.")
        chosen = self.chance.choice(self.done)
        if not undo.standing_of(self.store, [chosen])[chosen].stands:
            raise NotFoundError("This is taken back.")
        command["command_id"] = take_back(self.store, chosen).command_id

    def take_all_back(self) -> None:
        for command_id in reversed(self.done):
            take_back(self.store, command_id)


@pytest.mark.parametrize("seed", range(2))
def test_undoing_everything_leads_back_to_the_start(store: Store, seed: int) -> None:
    faces = make.save_pictures(store, 12, faces=2)
    make.add_personas(store, "Ann", "Bob", "Cid")
    label(store, "ann", *faces[:3])
    label(store, "bob", faces[5], verdict=Verdict.REJECTED)
    before = state_hash(store)
    walk = Walk(store, faces, random.Random(seed))
    for _ in range(OPERATIONS):
        walk.step()
    walk.look_at_all_labels()
    assert state_hash(store) != before
    assert len(walk.done) > OPERATIONS / 3
    walk.take_all_back()
    assert state_hash(store) == before
