"""Marks of deleted pictures are read when they may say something else, and not because somebody labels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from orchestration.erasing_watch import EVENTS_AT_ONCE, LONGEST_SECONDS, PROJECTED_SECONDS, ErasingWatch
from personas.entities import LABELS, DeletedImage, ErasedImage, Event, Slice
from personas.errors import TransientError
from personas.projection import (
    FACES_LABELLED,
    IMAGES_ALLOWED,
    IMAGES_DELETED,
    IMAGES_ERASED,
    IMAGES_ERASING,
    IMAGES_RESTORED,
)
from tests import factories as make

KEPT = timedelta(days=30)
LOOK_SECONDS = 5.0


@dataclass
class Marks:
    """The part of the store that tells of deleted pictures, and how often its marks and events were read."""

    log: list[str] = field(default_factory=list)  #: kinds
    deleted: list[DeletedImage] = field(default_factory=list)
    erasing: dict[str, ErasedImage] = field(default_factory=dict)
    marks_read: int = 0
    events_read: int = 0
    is_away: bool = False

    def head(self, stream: str) -> int:
        assert stream == LABELS
        return len(self.log)

    def events(self, stream: str, *, after: int, limit: int) -> list[Event]:
        assert stream == LABELS
        if self.is_away:
            raise TransientError("the store is away")
        found = list(enumerate(self.log[after : after + limit], start=after + 1))
        self.events_read += len(found)
        return [
            Event(
                stream=LABELS, seq=seq, event_id=str(seq), kind=kind, actor="a", at=make.NOW, command_id="c", payload={}
            )
            for seq, kind in found
        ]

    def deleted_images(self, *, cursor: str | None, limit: int) -> Slice[DeletedImage]:
        self.marks_read += 1
        return Slice(items=tuple(self.deleted), next_cursor=None)

    def erased_among(self, image_ids: Collection[str]) -> dict[str, ErasedImage]:
        return {image_id: self.erasing[image_id] for image_id in image_ids if image_id in self.erasing}


class World:
    """A watch that looks every five seconds."""

    def __init__(self) -> None:
        self.store = Marks()
        self.seconds = 0.0
        store = cast(Any, self.store)
        self.watch = ErasingWatch(store, KEPT, lambda: self.seconds, lambda: make.at(self.seconds))

    def look(self, seconds: float = LOOK_SECONDS) -> bool:
        """Whether it is due at the end of this time."""
        due = False
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds += LOOK_SECONDS
            due = self.watch.is_due()
        return due

    def reads(self, seconds: float = LOOK_SECONDS) -> int:
        """How often marks are read meanwhile."""
        before = self.store.marks_read
        self.look(seconds)
        return self.store.marks_read - before


@pytest.fixture
def world() -> World:
    """It has run for a while, and nothing is deleted."""
    world = World()
    world.look(2 * PROJECTED_SECONDS)
    return world


def deleted(at: float) -> DeletedImage:
    return DeletedImage(image_id="a" * 64, deleted_at=make.at(at), command_id="c")


def test_a_restart_reads_the_marks_at_once() -> None:
    world = World()
    world.store.log = [FACES_LABELLED] * 10
    assert world.reads() == 1
    assert world.store.events_read == 0


def test_labels_cost_a_look_at_their_events_and_no_mark(world: World) -> None:
    for _ in range(20):
        world.store.log += [FACES_LABELLED] * 3
        assert world.reads() == 0
    assert world.store.events_read == 60


@pytest.mark.parametrize("kind", [IMAGES_DELETED, IMAGES_RESTORED, IMAGES_ERASING, IMAGES_ERASED])
def test_marks_are_read_for_a_while_after_an_event_that_marks_and_no_longer(world: World, kind: str) -> None:
    world.store.log += [FACES_LABELLED, kind, FACES_LABELLED]
    assert world.reads(PROJECTED_SECONDS) >= PROJECTED_SECONDS / LOOK_SECONDS - 1
    assert world.reads(PROJECTED_SECONDS) <= 1
    assert world.reads(PROJECTED_SECONDS) == 0


def test_a_mark_that_is_projected_late_is_seen(world: World) -> None:
    world.store.log.append(IMAGES_ERASING)
    assert not world.look(PROJECTED_SECONDS / 2)
    world.store.deleted = [deleted(world.seconds)]
    world.store.erasing = {"a" * 64: ErasedImage(image_id="a" * 64, erased_at=make.NOW, command_id="c")}
    assert world.look()


def test_many_new_events_are_not_looked_through(world: World) -> None:
    world.store.log += [FACES_LABELLED] * (EVENTS_AT_ONCE + 1)
    assert world.reads() == 1
    assert world.store.events_read == 0


def test_an_event_that_marks_nothing_is_no_news(world: World) -> None:
    world.store.log.append(IMAGES_ALLOWED)
    assert world.reads() == 0


def test_a_picture_falls_due_without_any_event_and_is_due_until_it_is_gone(world: World) -> None:
    world.store.deleted = [deleted(world.seconds)]
    world.store.log.append(IMAGES_DELETED)
    term = KEPT.total_seconds()
    assert not world.look(term - LOOK_SECONDS)
    assert world.look()
    assert world.reads(10 * LOOK_SECONDS) == 10
    world.store.deleted = []
    assert not world.look()
    assert world.reads(10 * LOOK_SECONDS) == 0


def test_marks_are_read_once_in_an_hour_whatever_happened(world: World) -> None:
    assert 23 <= world.reads(24 * LONGEST_SECONDS) <= 24


def test_events_that_could_not_be_read_are_read_at_the_next_look(world: World) -> None:
    world.store.log.append(IMAGES_DELETED)
    world.store.deleted = [deleted(-KEPT.total_seconds())]
    world.store.is_away = True
    with pytest.raises(TransientError):
        world.look()
    world.store.is_away = False
    assert world.look()
