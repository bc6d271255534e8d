"""The state hash tells states apart and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import call_command

from personas.entities import LABELS, Box, NewEvent, Truth, Verdict
from personas.projection import COVER_CHOSEN, PERSONA_RENAMED
from personas.state_hash import state_hash
from personas.store import get_store
from personas.store.base import Store
from tests import factories as make

pytestmark = pytest.mark.django_db


def tell(store: Store, kind: str, **payload: object) -> None:
    event = NewEvent(kind=kind, actor="x", at=make.NOW, command_id=make.command_id(), payload=payload)
    store.record(LABELS, [event])


def fill(store: Store) -> None:
    make.save(store, make.extracted("a", faces=2), make.extracted("b"), make.extracted("c", faces=0))
    make.add_personas(store, "Ann", "Bob")
    make.label(store, "ann", make.key("a", 0))


MEANINGFUL: dict[str, Callable[[Store], object]] = {
    "a picture": lambda store: make.save(store, make.extracted("d", faces=0)),
    "a face": lambda store: make.save(
        store, make.extracted("b", faces=[make.new_face(at_box=Box(400, 300, 50, 50))], detector="other")
    ),
    "a persona": lambda store: make.add_personas(store, "Cid"),
    "a name": lambda store: tell(store, PERSONA_RENAMED, persona_id="ann", name="Anna"),
    "a cover": lambda store: tell(store, COVER_CHOSEN, persona_id="ann", cover=[make.image_id("a"), 0]),
    "a label": lambda store: make.label(store, "bob", make.key("a", 1)),
    "a label moved": lambda store: make.label(store, "bob", make.key("a", 0)),
    "a rejection": lambda store: make.label(store, "bob", make.key("a", 0), verdict=Verdict.REJECTED),
}

MEANINGLESS: dict[str, Callable[[Store], object]] = {
    "a label said and taken back": lambda store: [
        make.label(store, "bob", make.key("b"), verdict=verdict) for verdict in (Verdict.BELONGS, Verdict.CLEARED)
    ],
    "a label said again later": lambda store: store.record(
        LABELS, [make.labelled("ann", [make.key("a", 0)], actor="other", when=make.at(9))]
    ),
    "a path": lambda store: store.add_paths([make.image_path("a", path="copy.jpg")]),
    "ground truth": lambda store: store.put_truths(
        [Truth(image_id=make.image_id("a"), face_no=1, persona="Ann", category="")]
    ),
    "a version": lambda store: store.add_model_version(make.model_version()),
}


@pytest.mark.parametrize("change", MEANINGFUL)
def test_it_changes_with(store: Store, change: str) -> None:
    fill(store)
    before = state_hash(store)
    MEANINGFUL[change](store)
    assert state_hash(store).state_hash != before.state_hash


@pytest.mark.parametrize("change", MEANINGLESS)
def test_it_stays_with(store: Store, change: str) -> None:
    fill(store)
    before = state_hash(store)
    MEANINGLESS[change](store)
    assert state_hash(store) == before


@pytest.fixture
def hash_of(transactional_db: None) -> Callable[[Callable[[Store], object]], str]:
    """The hash of what a function does to an empty store."""

    def run(build: Callable[[Store], object]) -> str:
        call_command("flush", interactive=False, verbosity=0)
        build(get_store())
        return state_hash(get_store()).state_hash

    return run


def test_the_order_in_which_things_happened_does_not_matter(
    hash_of: Callable[[Callable[[Store], object]], str],
) -> None:
    def build(pictures: str, *personas: str) -> Callable[[Store], object]:
        def run(store: Store) -> None:
            for name in pictures:
                make.save(store, make.extracted(name, faces=2))
            make.add_personas(store, *personas)
            make.label(store, "ann", *[make.key(name) for name in pictures])

        return run

    assert hash_of(build("abc", "Ann", "Bob")) == hash_of(build("cab", "Bob", "Ann"))


def test_boxes_count_to_a_hundredth_of_a_pixel(hash_of: Callable[[Callable[[Store], object]], str]) -> None:
    def build(x: float) -> Callable[[Store], object]:
        return lambda store: make.save(
            store, make.extracted("a", faces=[make.new_face(at_box=Box(x, 20.0, 30.0, 40.0))])
        )

    assert hash_of(build(10.001)) == hash_of(build(10.004))
    assert hash_of(build(10.001)) != hash_of(build(10.02))
    assert hash_of(build(-0.001)) == hash_of(build(0.001))


def test_the_command_prints_the_hash_and_what_it_covers(store: Store) -> None:
    fill(store)
    out = StringIO()
    call_command("state_hash", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["state_hash"] == state_hash(store).state_hash
    assert told["counts"] == {"images": 3, "faces": 3, "personas": 2, "labels": 1}
    out = StringIO()
    call_command("state_hash", stdout=out)
    assert told["state_hash"] in out.getvalue()
