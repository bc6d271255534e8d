"""The page that brings pictures in: folders, addresses, sources, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from ingest.settling import settled
from ingest.shares import do_ingest_share, queue_ingest, queue_web_ingest, record_ingest
from ingest.sources_read import sources_read
from ingest.uploads import MAX_PATH_BYTES, incoming_folder, safe_path
from personas import sign_in
from personas.entities import Job, JobStatus
from personas.store.base import Store
from tests.ingest.conftest import Ingest, now
from tests.ingest.drawing import draw

HTMX = {"HX-Request": "true"}


@pytest.fixture
def web(client: Client, store: Store, folder: Path) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def allowed(settings: Any, tmp_path: Path) -> Path:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    settings.INGEST_FOLDERS = [str(allowed)]
    return allowed


def said(response: Any) -> str:
    return " ".join(response.content.decode().split())


# ---- folders that are dropped ----------------------------------------------------------------------------------------
def received(store: Store) -> list[str]:
    (job,) = store.jobs().items
    folder = incoming_folder() / job.job_id
    return sorted(
        str(path.relative_to(folder)).partition("/")[2]
        for path in folder.rglob("*")
        if path.is_file() and path.parent != folder
    )


def test_files_of_a_folder_keep_its_name(web: Client, store: Store) -> None:
    files = {f"file-{number}": SimpleUploadedFile("a.png", bytes([number])) for number in range(3)}
    paths = {"path-0": "Holiday/Rome/a.png", "path-1": "a.png"}
    response = web.post(reverse("upload"), {**files, **paths}, headers=HTMX)
    assert response.status_code == 200
    assert received(store) == ["Holiday/Rome/a.png", "a.png", "a.png"]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\pictures\\a.png", "C:/pictures/a.png"),
        (".hidden/.a.png", "hidden/a.png"),
        ("a//./b.png", "a/b.png"),
        ("x.part/a.png", "x.part_/a.png"),
        ("", "picture"),
        ("..", "picture"),
        ("a\0b/c\n.png", "a_b/c_.png"),
    ],
)
def test_a_path_from_a_browser_stays_below_where_it_is_put(path: str, kept: str) -> None:
    assert safe_path(path) == kept


def test_of_a_path_that_is_too_long_the_end_is_kept() -> None:
    kept = safe_path("/".join(["folder" * 20] * 30) + "/a.png")
    assert kept.endswith("/a.png")
    assert len(kept.encode()) <= MAX_PATH_BYTES


def test_the_same_bytes_as_a_file_and_below_a_folder_of_its_name(web: Client, store: Store) -> None:
    files = {f"file-{number}": SimpleUploadedFile("a.png", b"same") for number in range(3)}
    paths = {"path-0": "a.png", "path-1": "a.png/b.png", "path-2": "a.png/b.png/c.png"}
    assert web.post(reverse("upload"), {**files, **paths}, headers=HTMX).status_code == 200
    assert received(store) == ["a.png", "a.png_b.png", "a.png_b.png_c.png"]


# ---- folders of the server -------------------------------------------------------------------------------------------
def test_an_allowed_folder_becomes_a_job(web: Client, store: Store, allowed: Path) -> None:
    (allowed / "album").mkdir()
    response = web.post(reverse("ingest-folder"), {"folder": f" {allowed}/album "})
    assert (response.status_code, response["Location"]) == (303, reverse("upload"))
    (job,) = store.jobs().items
    assert (job.kind, job.detail["folder"], job.actor) == ("ingest", str(allowed / "album"), "owner")
    assert "Ingest of a folder" in said(web.get(reverse("upload")))


@pytest.mark.parametrize("folder", ["{allowed}/..", "/etc", "{allowed}-beside", "{allowed}/link", "album", "", "/a\0b"])
def test_no_other_folder_is_read_wherever_links_lead(
    web: Client, store: Store, allowed: Path, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "allowed-beside").mkdir()
    (allowed / "link").symlink_to(tmp_path)
    response = web.post(reverse("ingest-folder"), {"folder": folder.format(allowed=allowed)})
    assert response.status_code == 422
    assert store.jobs().items == ()


def test_without_allowed_folders_the_page_says_so_and_none_is_read(
    web: Client, store: Store, settings: Any, tmp_path: Path
) -> None:
    settings.INGEST_FOLDERS = []
    assert "INGEST_FOLDERS" in said(web.get(reverse("upload")))
    assert web.post(reverse("ingest-folder"), {"folder": str(tmp_path)}).status_code == 422
    assert store.jobs().items == ()


# ---- addresses -------------------------------------------------------------------------------------------------------
def test_addresses_become_a_job_and_its_card(web: Client, store: Store) -> None:
    response = web.post(reverse("ingest-web"), {"addresses": "https://a.example/\nhttps://b.example/"}, headers=HTMX)
    card = said(response)
    assert card.startswith("<article")
    assert "Pictures of the web" in card
    assert "https://a.example/ and 1 more" in card
    (job,) = store.jobs().items
    assert (job.status, job.detail["n_addresses"]) == (JobStatus.QUEUED, 2)


def test_no_addresses_are_told(web: Client, store: Store) -> None:
    response = web.post(reverse("ingest-web"), {"addresses": " \n"})
    assert response.status_code == 422
    assert "one a line" in said(response)


def test_a_picture_may_be_brought_in_by_who_may_upload_only(client: Client, db: None, allowed: Path) -> None:
    client.force_login(User.objects.create_user("viewer"))
    forms: dict[str, dict[str, str]] = {
        reverse("ingest-web"): {"addresses": "https://a.example/"},
        reverse("ingest-folder"): {"folder": str(allowed)},
        reverse("ingest-again", args=["x"]): {},
    }
    for address, form in forms.items():
        assert client.post(address, form).status_code == 403
        assert client.get(address).status_code == 405


# ---- sources ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def read(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`read(job)` does a job of a folder to its end."""
    from contextlib import closing

    from ingest.pool import InlinePool

    monkeypatch.setattr("ingest.shares.warm_pool", lambda order: closing(InlinePool(order)))

    def to_its_end(job: Job) -> None:
        do_ingest_share(store=store, job_id=job.job_id, number=0, clock=now)
        for share in store.shares(job.job_id):
            do_ingest_share(store=store, job_id=job.job_id, number=share.number, clock=now)
        store.put_job(settled(job, store.shares(job.job_id), now()))

    yield to_its_end


def test_sources_are_told_with_their_pictures_and_read_again(
    web: Client, store: Store, allowed: Path, read: Any
) -> None:
    draw(allowed / "a.png")
    assert sources_read(store) == []
    read(queue_ingest(store=store, folder=allowed, actor="eve", at=now()))
    queue_web_ingest(store=store, text="https://a.example/\nhttps://b.example/", actor="eve", at=now())
    page = said(web.get(reverse("upload")))
    assert "1 picture," in page
    assert page.count("Read again") == 1  # the list is not read yet
    (source,) = [source for source in sources_read(store) if source.kind == "folder"]
    response = web.post(reverse("ingest-again", args=[source.job_id]), headers=HTMX)
    assert "Ingest of a folder" in said(response)
    assert len(store.jobs().items) == 3
    again = {each.kind: each for each in sources_read(store)}
    assert (again["folder"].n_pictures, again["folder"].may_read_again) == (1, False)
    assert (again["web"].n_pictures, again["web"].n_more) == (None, 1)


def test_a_list_is_read_again_as_it_was(web: Client, store: Store, folder: Path) -> None:
    text = "https://a.example/x?y=1\nnonsense"
    job = queue_web_ingest(store=store, text=text, actor="eve", at=now())
    assert web.post(reverse("ingest-again", args=[job.job_id])).status_code == 303
    first, second = store.jobs().items
    assert first.detail == second.detail
    assert len(sources_read(store)) == 1


def test_a_folder_that_is_allowed_no_more_is_not_read_again(
    web: Client, store: Store, allowed: Path, settings: Any
) -> None:
    job = queue_ingest(store=store, folder=allowed, actor="eve", at=now())
    settings.INGEST_FOLDERS = []
    assert web.post(reverse("ingest-again", args=[job.job_id])).status_code == 422
    assert web.post(reverse("ingest-again", args=["nothing"])).status_code == 404
    assert len(store.jobs().items) == 1


def test_an_ingest_without_workers_stands_among_the_sources_too(store: Store, folder: Path, ingest: Ingest) -> None:
    draw(folder / "a.png")
    (folder / "bad.jpg").write_text("no picture")
    job = record_ingest(store=store, summary=ingest(), actor="ingest", at=now())
    assert (job.status, job.done, job.total) == (JobStatus.DONE, 1, 1)
    assert job.message == "1 picture with 1 face taken in; 1 file rejected."
    (source,) = sources_read(store)
    assert (source.name, source.n_pictures) == (str(folder), 1)
