"""Death before and after every single write of a run: what follows always ends in the same state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from ingest.services import folder_source, ingest_source
from personas.store.base import Store
from tests.ingest.conftest import now
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.states import state_of

WRITES = {"save_extracted", "add_paths", "record", "put_truths"}


class Killed(BaseException):
    """Nothing that the product catches."""


class MortalStore:
    """The store, until its n-th write: dies before it is made, or after it was made and before anybody hears of it."""

    def __init__(self, store: Store, *, dies_at: int, made: bool) -> None:
        self._store = store
        self._left = dies_at
        self._made = made

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in WRITES:
            return method

        def write(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._made:
                raise Killed
            result = method(*args, **options)
            if self._left == 0:
                raise Killed
            return result

        return write


def take_in(store: Any, folder: Path) -> None:
    ingest_source(store=store, source=folder_source(folder), workers=0, actor="test", clock=now)


def empty(store: Store) -> None:
    for model in apps.get_app_config("sqlstore").get_models():
        model._default_manager.all().delete()
    store.close()


def test_death_at_any_write_is_made_good_by_the_next_run(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.pipeline.BATCH_PICTURES", 4)
    for number in range(8):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(folder / f"{number}.png", [(20, 20, 80, colour), (200, 150, 30, BLUE)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0)
    draw(folder / "again.png", [(20, 20, 80, RED), (200, 150, 30, BLUE)], shade=60)
    draw(folder / "none.png", [])
    take_in(store, folder)
    expected = state_of(store)
    deaths = 0
    for made in (False, True):
        for dies_at in range(1, 100):
            empty(store)
            try:
                take_in(MortalStore(store, dies_at=dies_at, made=made), folder)
                break
            except Killed:
                deaths += 1
            take_in(store, folder)
            assert state_of(store) == expected, f"write {dies_at}, made: {made}"
    assert deaths > 20
