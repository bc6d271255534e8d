"""What tests of services and commands share: the store of the settings, empty, and a champion that can be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from personas import recogniser, sign_in
from personas.entities import FaceKey, FloatArray, Prediction
from personas.store import get_store
from personas.store.base import Store
from tests import factories as make
from tests.api import LABELLER, Api, token_of, user_with
from tests.api_world import World, fill
from tests.web import add_pictures, champions, publish


@pytest.fixture
def store(db: None) -> Store:
    return get_store()


@pytest.fixture
def web_store(db: None) -> Iterator[Store]:
    """The store of the settings, with champions as `tests.web.publish` makes them."""
    with champions():
        yield get_store()


@pytest.fixture
def world(web_store: Store, settings: Any, tmp_path: Path) -> World:
    """What programs read by API, in a media folder of its own: some tests take a file out of it."""
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    return fill(web_store)


@pytest.fixture
def api(db: None) -> Api:
    """A program that may label and upload."""
    return Api(token_of(user_with(*LABELLER)))


@pytest.fixture
def web(client: Client) -> Client:
    """Signed in as the owner."""
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def ada(web_store: Store) -> list[FaceKey]:
    """Ada has one labelled face of six and four predicted ones; the last face is unknown."""
    keys = add_pictures(web_store, 6)
    make.add_personas(web_store, "Ada")
    make.label(web_store, "ada", keys[0])
    publish(web_store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(keys[1:5])})
    return keys


class ToldRecogniser:
    """Says of each face what `says` says; a rejected persona is never named."""

    def __init__(self) -> None:
        self.version = 7
        self.embedder = make.EMBEDDER
        self.says: dict[FaceKey, tuple[str, float]] = {}

    def predict(
        self,
        keys: Sequence[FaceKey],
        embeddings: FloatArray,
        *,
        rejected: Mapping[FaceKey, frozenset[str]],
        n_candidates: int = 0,
    ) -> list[Prediction]:
        assert embeddings.shape == (len(keys), 128)
        return [self._predict(key, rejected.get(key, frozenset())) for key in keys]

    def _predict(self, key: FaceKey, rejected: frozenset[str]) -> Prediction:
        persona_id, probability = self.says.get(key, (None, None))
        if persona_id in rejected:
            persona_id = probability = None
        return Prediction(key=key, persona_id=persona_id, probability=probability, version=self.version)


@pytest.fixture
def champion(monkeypatch: pytest.MonkeyPatch) -> Iterator[ToldRecogniser]:
    """A champion whose predictions the test sets."""
    told = ToldRecogniser()
    monkeypatch.setattr(recogniser, "_champion", lambda: told)
    yield told


@pytest.fixture
def no_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser, "_champion", lambda: None)
