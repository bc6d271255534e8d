"""The scorer as its own process, behind gunicorn."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from personas.store import get_store
from tests import factories
from tests.ingest.fakes import GREEN, RED
from tests.orchestration.scorer.world import EMBEDDER, TOKEN, artefact, colour_vector, personas_of, picture, publish
from training.model_folder import ARTEFACT, write_model_folder

REPO = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.kill
#: Guards against waiting for ever; a busy machine takes long to start a process.
SECONDS = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """The scorer behind its address, and how it is asked."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command, "--port", str(self.port)],
                cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def ask(
        self, path: str, body: bytes | None = None, kind: str = "application/json", *, port: int = 0
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def wait_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the scorer ended:\n{self.log.read_text()}"
            try:
                if condition():
                    return
            except OSError:  # it does not listen yet
                pass
            time.sleep(0.05)
        pytest.fail(f"it did not happen:\n{self.log.read_text()}")

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: self.ask("/readyz")[0] == 200)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts scorers with an environment of their own; all are ended."""
    started: list[Process] = []

    def start(*command: str, **settings: str) -> Process:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        environment = {
            **kept,
            "PYTHONPATH": str(REPO),
            "FACEPROJECT_HOME": str(tmp_path / "home"),
            "FACE_EXTRACTOR": "tests.ingest.fakes.squares",
            "SCORER_EXTRACTORS": "1",
            "SCORER_TOKEN": TOKEN,
            **settings,
        }
        entry = command or ("manage.py", "role", "scorer")
        started.append(Process(entry, environment, tmp_path / f"log-{len(started)}"))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            each.process.kill()
            each.process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    version = factories.model_version(version=5, embedder=EMBEDDER)
    names = {"red": "Red", "green": None}
    write_model_folder(tmp_path / "model", version, artefact("red", "green"), names=names, detectors=[])
    return tmp_path / "model"


#: A database that nobody can reach: whoever asks it, fails.
NO_DATABASE = {"EMBEDDED": "false", "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}


def test_an_exported_model_is_served_without_secret_and_database_and_ends_on_sigterm(start, folder, tmp_path):
    (tmp_path / "azureml-models").mkdir()
    folder.rename(tmp_path / "azureml-models" / "1")
    probes = free_port()
    scorer = start(**NO_DATABASE, AZUREML_MODEL_DIR=str(tmp_path / "azureml-models"), PROBE_PORT=str(probes))
    scorer.wait_until_ready()
    assert scorer.ask("/healthz") == (200, {"status": "ok"})
    assert scorer.ask("/readyz", port=probes)[1] == {"status": "ok", "checks": {"models": "ok"}}
    status, answer = scorer.ask("/v1/score?top_k=1", picture(RED, GREEN), "image/png")
    assert (status, answer["version"], personas_of(answer["results"][0])) == (200, 5, ["red", "green"])
    assert scorer.ask("/v1/score", b"text", "image/png")[0] == 415
    rows = json.dumps({"embeddings": [colour_vector(GREEN).tolist()], "embedder": EMBEDDER}).encode()
    assert scorer.ask("/v1/score", rows)[1]["results"][0]["persona"] == {"id": "green"}
    scorer.process.send_signal(signal.SIGTERM)
    assert scorer.process.wait(SECONDS) == 0
    log = scorer.log.read_text()
    assert "Traceback" not in log
    assert TOKEN not in log
    assert "Red" not in log


NO_WEIGHTS = {
    "FACE_EXTRACTOR": "ingest.extraction.embedded",
    "FACE_EMBEDDER_WEIGHTS": "/nowhere",
    "FACE_EMBEDDER_WEIGHTS_SHA256": "0" * 64,
}


def spoilt(folder: Path) -> None:
    (folder / ARTEFACT).write_bytes(b"spoilt")


def emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("settings", "prepare", "said"),
    [
        ({"SCORER_TOKEN": ""}, None, "Set SCORER_TOKEN"),
        ({"SCORER_TOKEN_FILE": "/nowhere"}, None, "SCORER_TOKEN_FILE cannot be read"),
        ({}, spoilt, "has SHA-256"),
        ({}, emptied, "holds no model: one manifest.json was looked for"),
        ({"SCORER_MODEL_DIR": "/nowhere"}, None, "/nowhere cannot be read (No such file or directory)"),
        ({"SCORER_MODEL_DIR": "/nowhere", "EMBEDDED": "true", "SCORER_TOKEN": ""}, None, "The model folder /nowhere"),
        (NO_WEIGHTS, None, "weights cannot be read"),
    ],
    ids=["no token", "no token file", "spoilt", "empty", "no folder", "no folder, embedded", "no weights"],
)
def test_a_scorer_that_cannot_start_ends_with_one_sentence(start, folder, settings, prepare, said):
    if prepare:
        prepare(folder)
    scorer = start(**{**NO_DATABASE, "LOG_LEVEL": "WARNING", "SCORER_MODEL_DIR": str(folder), **settings})
    assert scorer.process.wait(SECONDS) == 1
    log = scorer.log.read_text()
    assert said in log
    assert len(log.splitlines()) == 1, log


def test_requests_go_on_while_the_champion_changes_and_each_is_answered_by_one_version(
    start, child_environment, tmp_path, settings
):
    media = tmp_path / "media"
    publish(get_store(), media, "red")
    scorer = start(DATABASE_URL=child_environment["DATABASE_URL"], MEDIA_ROOT=str(media))
    scorer.wait_until_ready()
    expected = {1: ["red", None], 2: ["red", "green"]}
    answers, stop = [], threading.Event()

    def go_on_asking():
        while not stop.is_set():
            answers.append(scorer.ask("/v1/score", picture(RED, GREEN), "image/png"))

    asking = threading.Thread(target=go_on_asking)
    asking.start()
    try:
        scorer.wait_until(lambda: len(answers) > 2)
        assert publish(get_store(), media, "red", "green").version == 2
        scorer.wait_until(lambda: scorer.ask("/v1/model")[1]["version"] == 2)
        seen = len(answers)
        scorer.wait_until(lambda: len(answers) > seen + 2)
    finally:
        stop.set()
        asking.join(SECONDS)
    assert {status for status, _ in answers} == {200}
    for _, answer in answers:
        result = answer["results"][0]
        assert {face["version"] for face in result["faces"]} == {answer["version"]}
        assert personas_of(result) == expected[answer["version"]]
    versions = [answer["version"] for _, answer in answers]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}


def test_embedded_the_scorer_says_where_its_token_is(start, folder, tmp_path):
    scorer = start("-m", "orchestration.scorer", SCORER_MODEL_DIR=str(folder), SCORER_TOKEN="")
    scorer.wait_until_ready()
    path = tmp_path / "home" / "scorer_token"
    assert f"The scorer's token is in {path}" in scorer.log.read_text()
    assert scorer.ask("/v1/model")[0] == 401
    assert path.read_text() not in scorer.log.read_text()
    assert not (tmp_path / "home" / "faceproject.sqlite3").exists(), "an exported model needs no database"
