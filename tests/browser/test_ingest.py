"""Bringing pictures in, in a browser: folders that are dropped, addresses, sources."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from ingest.uploads import incoming_folder
from personas.entities import Job, JobStatus
from personas.store.base import Store
from tests import factories
from tests.browser.waiting import until
from tests.web import draw_picture

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Any]

#: A drop as a browser makes it of a folder: entries that are read some at a time, and then no more.
DROP = """([content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const file = (name, type, parts) => ({
    isFile: true, name, fullPath: `/Holiday/${name}`,
    file: (resolve) => resolve(new File(parts, name, { type })),
  });
  const batches = [[file("a.jpg", "image/jpeg", [bytes])], [file("b.jpg", "image/jpeg", [bytes, "x"])],
    [file("notes.txt", "text/plain", ["hello"]), file("none.jpg", "image/jpeg", []),
      file(".hidden.jpg", "image/jpeg", [bytes])], []];
  const folder = {
    isFile: false, name: "Holiday", fullPath: "/Holiday",
    createReader: () => ({ readEntries: (resolve) => resolve(batches.shift()) }),
  };
  const event = new Event("drop", { bubbles: true, cancelable: true });
  event.dataTransfer = { types: ["Files"], files: [], items: [{ webkitGetAsEntry: () => folder }] };
  document.getElementById("upload").dispatchEvent(event);
}"""


def sent(store: Store) -> list[str]:
    return sorted(
        str(path.relative_to(incoming_folder())).split("/", 2)[2]
        for job in store.jobs().items
        for path in (incoming_folder() / job.job_id).rglob("*.jpg")
    )


def test_a_folder_that_is_dropped_is_sent_with_its_name_and_what_is_not_is_told(
    open_page: OpenPage, store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/upload/")
    page.evaluate(DROP, [base64.b64encode(draw_picture([factories.box()])).decode()])
    expect(page.locator(".job")).to_contain_text("0 / 2")
    expect(page.locator(".sending > p")).to_contain_text("2 files sent")
    assert sent(store) == ["Holiday/a.jpg", "Holiday/b.jpg"]
    left_out = page.locator(".left-out")
    expect(left_out.locator("summary")).to_have_text("2 not sent")
    left_out.locator("summary").click()
    expect(left_out).to_contain_text("Holiday/notes.txt It is not a picture.")
    expect(left_out).to_contain_text("Holiday/none.jpg The file is empty.")


def drop(page: Any, path: Path) -> None:
    """What the browser makes of a folder of the desktop that is dragged over the page and let go."""
    client = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        client.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": dragged})


def test_a_folder_of_the_desktop_is_dragged_onto_the_page(
    open_page: OpenPage, store: Store, expect: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "Holiday"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "deep/b.jpg", ".hidden.jpg")):
        (folder / name).write_bytes(draw_picture([factories.box()], seed=number))
    (folder / "notes.txt").write_text("hello")
    page = open_page()
    page.goto("/upload/")
    drop(page, folder)
    expect(page.locator(".job")).to_contain_text("0 / 2")
    expect(page.locator(".sending > p")).to_contain_text("2 files sent")
    expect(page.locator(".left-out summary")).to_have_text("1 not sent")
    assert sent(store) == ["Holiday/a.jpg", "Holiday/deep/b.jpg"]


def test_a_folder_that_is_chosen_is_sent_with_its_name(
    open_page: OpenPage, store: Store, expect: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "Album"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "deep/a.jpg")):
        (folder / name).write_bytes(draw_picture([factories.box()], seed=number))
    page = open_page()
    page.goto("/upload/")
    page.locator("#chosen-folder").set_input_files(folder)
    expect(page.locator(".job")).to_contain_text("0 / 2")
    assert sent(store) == ["Album/a.jpg", "Album/deep/a.jpg"]


def test_how_much_of_each_file_is_sent_is_shown(open_page: OpenPage, store: Store, expect: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(draw_picture([factories.box()]))
    page = open_page()
    page.goto("/upload/")
    held: list[Any] = []
    page.route("**/upload/", lambda route: held.append(route))
    page.get_by_label("Pictures to upload").set_input_files([file])
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("list", name="Files being sent").get_by_role("listitem")).to_have_text(["a.jpg"])
    expect(page.get_by_role("progressbar", name="Sent of a.jpg")).to_be_visible()
    until(page, lambda: bool(held))
    held[0].continue_()
    expect(page.locator(".job")).to_contain_text("0 / 1")
    expect(page.locator(".sending-files li")).to_have_count(0)


@pytest.mark.parametrize("javascript", [True, False])
def test_addresses_and_folders_of_the_server_are_queued(
    open_page: OpenPage, store: Store, expect: Any, tmp_path: Path, settings: Any, javascript: bool
) -> None:
    settings.INGEST_FOLDERS = [str(tmp_path)]
    page = open_page(javascript=javascript)
    page.goto("/upload/")
    page.get_by_label("From the web").fill("https://a.example/\nhttps://b.example/")
    page.get_by_role("button", name="Fetch").click()
    expect(page.locator(".job").first).to_contain_text("https://a.example/ and 1 more")
    if javascript:
        expect(page.get_by_label("From the web")).to_have_value("")
    page.get_by_label("From a folder on the server").fill(str(tmp_path))
    page.get_by_role("button", name="Read", exact=True).click()
    expect(page.locator(".job")).to_have_count(2)
    expect(page.locator(".job").first).to_contain_text(str(tmp_path))
    assert [job.kind for job in store.jobs().items] == ["ingest", "ingest"]


@pytest.mark.parametrize("width", [1200, 390])
def test_a_source_is_read_again_from_the_page(
    open_page: OpenPage, store: Store, expect: Any, tmp_path: Path, settings: Any, width: int
) -> None:
    settings.INGEST_FOLDERS = [str(tmp_path)]
    job = Job(
        job_id="1",
        kind="ingest",
        status=JobStatus.DONE,
        created_at=timezone.now(),
        updated_at=timezone.now(),
        actor="owner",
        detail={"folder": str(tmp_path), "pictures": 1234},
    )
    store.put_job(job)
    page = open_page(viewport={"width": width, "height": 800})
    page.goto("/upload/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator(".source")).to_contain_text("1,234 pictures")
    page.get_by_role("button", name=f"Read {tmp_path} again").click()
    expect(page.locator(".job")).to_have_count(2)
    assert len(store.jobs().items) == 2
