"""The init role: prepares once, whoever else does the same, and says by its exit code what happened."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import initialise
from orchestration.initialise import DONE, ENDED
from personas.errors import TransientError
from personas.store import get_store
from tests.installation import STORES, store_settings
from tests.orchestration.role_home import REPO, RoleHome
from tests.processes import wait_until

FITTED = "first attempt ended"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RoleHome]:
    made = RoleHome(tmp_path)
    yield made
    made.end()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three portraits of each of two persons."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for person in ("grace-hopper", "eileen-collins"):
        for number in (1, 2, 3):
            for suffix in (".jpg", ".json"):
                shutil.copy(REPO / "sample_data" / f"{person}-portrait-{number:02d}{suffix}", folder)
    return folder


@pytest.fixture
def home_on(request: pytest.FixtureRequest, home: RoleHome) -> Iterator[RoleHome]:
    """On the store that the test names."""
    with store_settings(request.param, request) as settings:
        home.settings.update(settings)
        yield home
        home.end()


@pytest.mark.kill
@pytest.mark.parametrize("home_on", STORES, indirect=True)
def test_two_at_once_prepare_one_installation_and_a_third_finds_it_prepared(home_on: RoleHome, pictures: Path):
    home = home_on
    both = [home.start("init", INIT_SOURCE=str(pictures)) for _ in range(2)]
    assert [each.exit_code() for each in both] == [DONE, DONE]
    again = home.init(INIT_SOURCE=str(pictures))
    assert again.exit_code() == DONE
    fitted = [record for each in home.started for record in each.records() if record["message"] == FITTED]
    assert len(fitted) == 1
    assert fitted[0]["promoted"] is True
    new = [record["new"] for each in home.started for record in each.records() if "new" in record]
    assert sorted(new) == [0, 0, 6]
    assert [version["version"] for version in home.manage("models")["versions"]] == [1]


@pytest.mark.kill
def test_told_to_end_it_stops_between_two_steps_and_can_be_run_again(home: RoleHome, pictures: Path):
    started = home.start("init", INIT_SOURCE=str(pictures))
    wait_until(lambda: "init step" in started.said(), "a step has begun", logs=started.said)
    assert started.end() == ENDED
    assert home.init(INIT_SOURCE=str(pictures)).exit_code() == DONE


@pytest.mark.kill
def test_a_folder_that_is_not_there_is_an_error_with_what_to_do(home: RoleHome):
    ended = home.init(INIT_SOURCE=str(home.folder / "nothing"))
    assert ended.exit_code() == 1
    assert "nothing" in ended.said()


# ---- its steps -------------------------------------------------------------------------------------------------------
@pytest.fixture
def ending() -> threading.Event:
    return threading.Event()


def test_a_server_that_is_not_up_yet_is_waited_for(monkeypatch, ending):
    monkeypatch.setattr(initialise, "RETRY_SECONDS", 0.0)
    tries = []

    def step() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise TransientError("The database is not up yet.")

    assert initialise._take(initialise._patiently([("database", step)], ending), ending)
    assert len(tries) == 3


def test_a_server_that_never_comes_up_is_an_error(monkeypatch, ending):
    monkeypatch.setattr(initialise, "WAIT_SECONDS", 0.0)

    def step() -> None:
        raise TransientError("The database is not up.")

    with pytest.raises(TransientError, match="not up"):
        initialise._take(initialise._patiently([("database", step)], ending), ending)


def test_told_to_end_no_further_step_is_begun(ending):
    done = []
    steps = [("first", ending.set), ("second", lambda: done.append("second"))]
    assert not initialise._take(steps, ending)
    assert done == []


@pytest.mark.django_db
def test_without_a_folder_nothing_is_taken_in(settings, ending):
    settings.INIT_SOURCE = ""
    assert initialise.initialise(ending) == DONE
    assert get_store().count_images()["faces_total"] == 0
