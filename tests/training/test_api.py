"""Model versions by API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from personas.entities import Champion
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.api import CURATOR, Api, problem_in, token_of, user_with
from tests.api_world import World, fill
from tests.web import champions
from training.promotion import UnableToPromoteError

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Iterator[Store]:
    with champions():
        yield get_store()


@pytest.fixture
def world(store: Store) -> World:
    return fill(store)


@pytest.fixture
def api() -> Api:
    return Api(token_of(user_with(*CURATOR)))


class Switches:
    """Stands for the trainer, which loads artefacts; says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refusal: Exception | None = None

    def __call__(self, **command: Any) -> Champion:
        self.asked.append({name: command[name] for name in command.keys() - {"store", "at"}})
        if self.refusal:
            raise self.refusal
        return Champion(version=command.get("version", 1), revision=3, at=factories.NOW, actor=command["actor"])


@pytest.fixture
def switches(monkeypatch: pytest.MonkeyPatch) -> Switches:
    switches = Switches()
    monkeypatch.setattr("training.api.promote", switches)
    monkeypatch.setattr("training.api.rollback", switches)
    return switches


def test_versions_are_listed_newest_first_with_the_one_in_use(api: Api, world: World) -> None:
    assert [(each["version"], each["champion"]) for each in api.all("/models?limit=1")] == [(2, True), (1, False)]


def test_one_version_is_read_with_what_the_gate_said_in_names(api: Api, world: World, store: Store) -> None:
    persona_id = factories.command_id()
    store.record("labels", [factories.persona_added(persona_id, "Grace")])
    store.add_model_version(factories.model_version(reasons=(f"{persona_id} is found less often.",)))
    said = api.get("/models/3").json()
    assert said["reasons"] == ["Grace is found less often."]
    assert (said["champion"], said["metrics"]) == (False, {"macro_f1": 0.5})


@pytest.mark.parametrize("path", ["/models/99", "/models/champions", "/models/-1"])
def test_a_version_that_is_not_there_is_not_found(api: Api, world: World, path: str) -> None:
    problem_in(api.get(path), 404, "not_found")


def test_a_number_that_no_version_can_have_is_not_valid(api: Api) -> None:
    problem_in(api.get(f"/models/{10**20}"), 422, "invalid")


def test_the_version_in_use_is_told(api: Api, world: World) -> None:
    said = api.get("/models/champion").json()
    assert (said["version"], said["revision"], said["actor"]) == (2, 2, "trainer")


def test_before_the_first_version_there_is_none_in_use(api: Api, store: Store) -> None:
    problem_in(api.get("/models/champion"), 404, "not_found")
    assert api.get("/models").json() == {"items": [], "next_cursor": None}


def test_a_version_is_put_in_use_by_who_asks(api: Api, switches: Switches) -> None:
    said = api.send("/models/1/promote", {"expected": 2}).json()
    assert (said["version"], said["revision"]) == (1, 3)
    assert switches.asked == [{"version": 1, "actor": "grace", "expected_version": 2}]


def test_the_version_before_is_put_in_use_again(api: Api, switches: Switches) -> None:
    assert api.send("/models/rollback").json()["version"] == 1
    assert switches.asked == [{"actor": "grace", "expected_version": None}]


def test_a_switch_that_cannot_be_made_says_why(api: Api, switches: Switches) -> None:
    switches.refusal = UnableToPromoteError("Version 1 is in use already.")
    assert problem_in(api.send("/models/1/promote", {}), 422, "unable")["detail"] == "Version 1 is in use already."


def test_a_version_that_does_not_exist_is_not_put_in_use(api: Api, world: World) -> None:
    problem_in(api.send("/models/99/promote", {}), 404, "not_found")


@pytest.mark.parametrize("body", [{"expected": 0}, {"expected": "x"}, {"expecting": 1}, [], "2"])
def test_a_switch_that_cannot_be_read_is_not_made(api: Api, switches: Switches, body: Any) -> None:
    problem_in(api.send("/models/rollback", body), 422, "invalid")
    assert switches.asked == []
