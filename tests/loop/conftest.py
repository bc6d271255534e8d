"""The product on each store, every role a process of its own, Redis between them; what happens to it, step by step.

Each step is a fixture of the module that builds on the one before, so that tests may run in any order.
"""

from __future__ import annotations

import csv
import json
import shutil
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.chromium import Complaints
from tests.installation import SCORER_TOKEN, STORES, Installation, on_redis, store_settings
from tests.processes import PATIENCE_SECONDS
from tests.servers import RedisServer

#: Labels of the hard look given to each persona.
LABELS_EACH = 3
#: Pictures that are kept back from the folder and come by the upload page, of a persona that is easy to recognise.
UPLOADED = 3

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The presidents, apart from those that are uploaded later."""

    folder: Path
    later: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What a step with labels led to: the champion before and after, and how each does on ground truth."""

    before: Report
    after: Report
    revision_before: int
    revision_after: int


@pytest.fixture(scope="session")
def pictures(seed_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    source = seed_data("presidents")
    root = tmp_path_factory.mktemp("presidents")
    shutil.copytree(source, root / "folder")
    later = []
    (root / "later").mkdir()
    for picture in sorted((root / "folder").glob("hugo-chavez-*.jpg"))[::-1]:
        said = json.loads(picture.with_suffix(".json").read_text())
        if said["category"] == "presidential" and not said["labeled"] and len(later) < UPLOADED:
            picture.with_suffix(".json").unlink()
            later.append(picture.rename(root / "later" / picture.name))
    assert len(later) == UPLOADED
    return Pictures(folder=root / "folder", later=tuple(later))


@pytest.fixture(scope="module", params=STORES)
def store_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def installation(
    store_name: str,
    pictures: Pictures,  # first: without them nothing is started
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """Web, workers and dispatcher, running on an empty store."""
    home = tmp_path_factory.mktemp(f"loop-{store_name}") / "home"
    with (
        store_settings(store_name, request) as store,
        Installation(home, {**store, **on_redis(redis_server)}) as opened,
    ):
        opened.prepare()
        opened.start("web", "ingest-worker", "trainer-worker", "dispatcher")
        opened.wait_for("web")
        yield opened


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    job: Report
    images: Mapping[str, int]
    evaluation: Report


@pytest.fixture(scope="module")
def first(installation: Installation, pictures: Pictures) -> First:
    """The folder is in, what its sidecars say is learnt, and the version that learnt it is in use."""
    job_id = installation.manage("ingest", pictures.folder, "--queue")["job_id"]
    installation.wait_until(installation.is_quiet, "the sidecars' labels are learnt and every face is scored")
    assert installation.ask("progress")["learnt"] > 0
    return First(
        job=installation.ask("job", job_id=job_id),
        images=installation.ask("images"),
        evaluation=installation.manage("evaluate"),
    )


@pytest.fixture(scope="module")
def corrected(first: First, installation: Installation, pictures: Pictures) -> Corrected:
    """Three labels a persona of pictures with covered eyes; the dispatcher sees them and the trainer learns."""
    before = installation.ask("progress")
    chosen, given = [], Counter()
    for sidecar in sorted(pictures.folder.glob("*.json")):
        said = json.loads(sidecar.read_text())
        if said["category"] == "non-presidential" and given[said["persona"]] < LABELS_EACH:
            given[said["persona"]] += 1
            chosen.append((sidecar.with_suffix(".jpg").name, said["persona"], "true"))
    labels = installation.home.with_name("labels.csv")
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "persona", "belongs"), *chosen])
    assert installation.manage("label", labels)["n_changed"] == len(chosen)
    installation.wait_until(installation.is_quiet, "the labels of the hard look are learnt")
    return Corrected(
        before=first.evaluation,
        after=installation.manage("evaluate"),
        revision_before=before["revision"],
        revision_after=installation.ask("progress")["revision"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    job: Report
    persona_id: str
    faces: frozenset[str]  #: of the pictures uploaded
    version_before: int
    version_after: int
    predicted: frozenset[str]  #: faces on the persona's page


@pytest.fixture(scope="module")
def uploaded(corrected: Corrected, installation: Installation, pictures: Pictures) -> Uploaded:
    """Pictures sent by the upload page, taken in by the ingest-worker and scored without a fit."""
    before = installation.ask("progress")["champion"]
    job_id = installation.visitor().upload(pictures.later)
    job = installation.wait_until(
        lambda: found if (found := installation.ask("job", job_id=job_id))["status"] in ("done", "failed") else None,
        "the upload is processed",
    )
    installation.wait_until(installation.is_quiet, "the uploaded faces are scored")
    persona_id = installation.ask("personas")["Hugo Chavez"]
    keys = installation.ask("faces", names=[picture.name for picture in pictures.later])
    return Uploaded(
        job=job,
        persona_id=persona_id,
        faces=frozenset(key for faces in keys.values() for key in faces),
        version_before=before,
        version_after=installation.ask("progress")["champion"],
        predicted=frozenset(key for key, _ in installation.ask("ranked", persona_id=persona_id)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What an installation knows after the same pictures and labels, without what depends on when it learnt them."""

    state: Report
    predictions: list[Report]
    promoted: bool


@pytest.fixture(scope="module")
def ended(uploaded: Uploaded, installation: Installation, endings: dict[str, Ended], store_name: str) -> Ended:
    """After one more training on everything."""
    outcome = installation.manage("train")
    predictions = [{**line, "version": None} for line in installation.export("predictions")]
    endings[store_name] = Ended(
        state=installation.ask("state"), predictions=predictions, promoted=outcome["promoted"] or not outcome["reasons"]
    )
    return endings[store_name]


@pytest.fixture(scope="session")
def endings() -> dict[str, Ended]:
    """Of the stores that have come to their end in this session."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """A person's visit in a browser: predictions of one persona confirmed and rejected."""

    persona_id: str
    confirmed: str
    rejected: str
    listed: frozenset[str]  #: faces on the persona's page once that was learnt
    complaints: list[str]


@pytest.fixture(scope="module")
def walked(ended: Ended, chromium: Any, installation: Installation) -> Walked:
    """Sign in, see whom the version in use predicts, confirm the first and reject the last shown."""
    persona_id = installation.ask("personas")["George W Bush"]
    complaints = Complaints()
    context = chromium.new_context(base_url=installation.base_url)
    try:
        context.set_default_timeout(1000 * PATIENCE_SECONDS)
        page = context.new_page()
        complaints.watch(page, urlsplit(installation.base_url).netloc)
        page.goto(installation.manage("sign_in_link", "--url", installation.base_url)["link"])
        page.goto(f"/personas/{persona_id}/?show=predicted")
        faces = page.locator(".tile-predicted form.choices:not(.naming) input[name=faces]")
        faces.first.wait_for(state="attached")
        shown = faces.evaluate_all("inputs => inputs.map(input => input.value)")
        confirmed, rejected = shown[0], shown[-1]
        for face, button in ((confirmed, "Yes, this is George W Bush"), (rejected, "No, this is not George W Bush")):
            tile = page.locator(f'.tile:has(input[value="{face}"])')
            tile.get_by_role("button", name=button).click()
            tile.wait_for(state="detached")
    finally:
        context.close()
    installation.wait_until(installation.is_quiet, "what was said in the browser is learnt")
    return Walked(
        persona_id=persona_id,
        confirmed=confirmed,
        rejected=rejected,
        listed=frozenset(key for key, _ in installation.ask("ranked", persona_id=persona_id)),
        complaints=complaints.found,
    )


@pytest.fixture(scope="module")
def scored(ended: Ended, installation: Installation, pictures: Pictures) -> Report:
    """What the scorer, a process of its own, answers to a picture of a president."""
    installation.start("scorer")
    installation.wait_for("scorer")
    address = f"http://127.0.0.1:{installation.scorer_port}/v1/score"
    headers = {"Authorization": f"Bearer {SCORER_TOKEN}", "Content-Type": "image/jpeg"}
    request = urllib.request.Request(address, data=pictures.later[0].read_bytes(), headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answered:
        answer: Report = json.load(answered)
    return answer
