"""The web needs no broker: pages, labels and uploads with a Redis that nobody can reach."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.role_home import REPO, RoleHome, ask
from tests.processes import free_port, wait_until
from tests.visitor import Visitor

pytestmark = pytest.mark.kill
#: TEST-NET-1 (RFC 5737): leads nowhere, so that asking for it would take until a time-out.
UNROUTABLE = "redis://192.0.2.1:6379/0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleHome]:
    """A picture of two persons each, taken in by `init`."""
    folder = tmp_path_factory.mktemp("alone")
    pictures = folder / "pictures"
    pictures.mkdir()
    for name in ("grace-hopper-portrait-01", "eileen-collins-portrait-01"):
        for suffix in (".jpg", ".json"):
            shutil.copy(REPO / "sample_data" / f"{name}{suffix}", pictures)
    made = RoleHome(folder, {"REDIS_URL": UNROUTABLE})
    try:
        assert made.init(INIT_SOURCE=str(pictures)).exit_code() == 0
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def visitor(home: RoleHome) -> Visitor:
    port = free_port()
    started = home.start("web", "--port", str(port))
    wait_until(lambda: ask(port, "/readyz")[0] == 200, "the web is ready", logs=started.said)
    base_url = f"http://127.0.0.1:{port}"
    signed_in = Visitor(base_url)
    signed_in.follow(home.manage("sign_in_link", "--url", base_url)["link"])
    return signed_in


def test_pages_and_probes_answer(visitor: Visitor):
    assert "Grace Hopper" in visitor.get("/").text
    assert visitor.get("/images/").status == 200
    assert '"database": "ok"' in visitor.get("/readyz").text
    assert "broker" not in visitor.get("/readyz").text


def test_a_face_is_labelled(visitor: Visitor, home: RoleHome, tmp_path: Path):
    listed = tmp_path / "faces.jsonl"
    home.manage("export", "faces", "--output", str(listed))
    face = json.loads(listed.read_text().splitlines()[0])
    visitor.label([f"{face['image_id']}:{face['face']}"], name="Somebody New")
    assert "Somebody New" in visitor.get("/").text


def test_pictures_are_uploaded_and_wait_for_a_worker(visitor: Visitor):
    job_id = visitor.upload([REPO / "sample_data" / "grace-hopper-portrait-02.jpg"])
    assert "waiting for a worker" in visitor.get(f"/jobs/{job_id}/").text
