"""A share of Azure Files as a source: listed, paired, read and refused as a folder is."""

from __future__ import annotations

import base64
import pickle
import shutil
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from ingest.allowed_folders import FolderNotAllowedError, is_allowed, require_allowed
from ingest.azure_share import AzureFilesError, ShareAccess, ShareAddress
from ingest.pool import InlinePool
from ingest.rejections import READ_FAILED, UNREADABLE, VANISHED, RejectedError, Rejection
from ingest.services import folder_source, source_named
from ingest.settling import settled
from ingest.shares import LISTING, do_ingest_share, queue_allowed_folder
from ingest.sources.azure_files import AzureFilesSource
from ingest.sources.base import SourcePicture
from personas.entities import JobStatus
from personas.errors import NotFoundError, TransientError
from personas.state_hash import state_hash
from personas.store.base import Store
from tests.azure_double.files import FilesDouble
from tests.ingest.conftest import Ingest, now, reasons
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.states import state_of
from tests.ingest.test_shares import empty

ADDRESS = "azurefiles://fpstorage/faces/training"


@pytest.fixture(autouse=True)
def reached(files: FilesDouble, settings: Any) -> None:
    """The product's settings lead to the double."""
    settings.AZURE_STORAGE_ENDPOINT = files.url
    settings.AZURE_STORAGE_KEY = files.key
    settings.AZURE_CA_BUNDLE = str(files.bundle)


@pytest.fixture
def pictures(files: FilesDouble) -> Path:
    """What the mount shows: pictures with sidecars, copies, folders, and what cannot be taken in."""
    folder = files.folder / "faces" / "training"
    for number in range(10):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(folder / f"{number % 3}" / f"{number}.png", [(20, 20, 80, colour)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0, category="c")
    shutil.copy(folder / "0" / "0.png", folder / "0.d ü.png")
    draw(folder / "none.png", [])
    (folder / "bad.jpg").write_text("not a picture")
    (folder / "empty.jpg").touch()
    (folder / "alone.json").write_text("{}")
    (folder / "notes.md").write_text("about")
    (folder / "half.part").write_text("half")
    (folder / ".uploaded").mkdir()
    (folder / ".uploaded" / "page").write_text("a book")
    return folder


@pytest.fixture
def source(pictures: Path) -> AzureFilesSource:
    named = source_named(ADDRESS)
    assert isinstance(named, AzureFilesSource)
    return named


def shown(source: Any, **options: str) -> list[tuple[str, str | None, bool] | Rejection]:
    return [
        each
        if isinstance(each, Rejection)
        else (each.file.path, each.sidecar.path if each.sidecar else None, each.sniff)
        for each in source.pictures(**options)
    ]


def test_it_lists_what_a_folder_lists_by_pages(source: AzureFilesSource, pictures: Path, files: FilesDouble) -> None:
    assert shown(source) == shown(folder_source(pictures))
    assert source.count() == 14
    assert files.counted("list") > 2 * 4  # pages of seven


def test_it_goes_on_behind_any_path(source: AzureFilesSource, files: FilesDouble) -> None:
    paths = [each.file.path for each in source.pictures() if isinstance(each, SourcePicture)]
    for number, path in enumerate(paths):
        behind = [each.file.path for each in source.pictures(after=path) if isinstance(each, SourcePicture)]
        assert behind == paths[number + 1 :]
    files.requests.clear()
    list(source.pictures(after="none.jpg"))
    assert {called.path for called in files.requests} == {"training"}


def test_taken_in_it_is_as_the_folder_is(
    store: Store, pictures: Path, source: AzureFilesSource, ingest: Ingest, files: FilesDouble
) -> None:
    of_folder = ingest(source=replace(folder_source(pictures), name=source.name))
    expected, hashed = state_of(store), state_hash(store)
    empty(store)
    of_share = ingest(source=source)
    assert reasons(of_share) == reasons(of_folder)
    assert set(reasons(of_share)) == {"bad.jpg", "empty.jpg", "alone.json"}
    assert (of_share.new, of_share.labels, of_share.faces) == (of_folder.new, of_folder.labels, of_folder.faces)
    assert {**state_of(store), "paths": None} == {**expected, "paths": None}
    assert state_hash(store) == hashed
    files.requests.clear()
    again = ingest(source=source)
    assert (again.new, again.known) == (0, of_share.new + of_share.known)
    read = {called.path for called in files.requests if called.what == "get file"}
    assert {path for path in read if path.endswith(".png")} == set()


def test_what_changed_in_the_share_is_read_again(ingest: Ingest, source: AzureFilesSource, pictures: Path) -> None:
    ingest(source=source)
    draw(pictures / "0" / "0.png", [(20, 20, 80, BLUE)], shade=200)
    assert ingest(source=source).new == 1


@pytest.mark.parametrize(
    ("fault", "reason"), [("ResourceNotFound", VANISHED), ("AuthorizationFailure", UNREADABLE), ("drop", READ_FAILED)]
)
def test_a_file_that_cannot_be_read_is_rejected_and_the_others_are_not(
    ingest: Ingest, pictures: Path, files: FilesDouble, fault: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.azure_share.RETRIES", 0)
    source = source_named(ADDRESS)
    files.faults.add(fault, what="get file", path=r"none\.png", times=99)
    summary = ingest(source=source)
    assert reasons(summary)["none.png"] == reason
    assert summary.new == 10


def test_it_goes_to_processes_and_its_key_is_not_shown(source: AzureFilesSource) -> None:
    assert pickle.loads(pickle.dumps(source)) == source
    assert source.access.key not in f"{source!r} {source.name}"


# ---- jobs ------------------------------------------------------------------------------------------------------------
def test_in_shares_it_ends_as_a_direct_ingest(
    store: Store, source: AzureFilesSource, ingest: Ingest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = ingest(source=source)
    expected = state_of(store)
    empty(store)
    monkeypatch.setattr("ingest.shares.warm_pool", lambda order: closing(InlinePool(order)))
    settings.INGEST_SHARE_PICTURES = 4
    job = queue_allowed_folder(store=store, folder=ADDRESS, actor="eve", at=now())
    for number in range(5):
        do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now)
    ended = settled(job, store.shares(job.job_id), now())
    assert (ended.status, ended.detail["folder"]) == (JobStatus.DONE, ADDRESS)
    assert ended.detail["reasons"] == summary.reasons
    assert state_of(store) == expected
    assert settings.AZURE_STORAGE_KEY not in str(ended) + str(store.shares(job.job_id))


def test_a_share_that_is_away_leaves_its_part_for_later(
    store: Store, pictures: Path, files: FilesDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.azure_share.RETRIES", 0)
    job = queue_allowed_folder(store=store, folder=ADDRESS, actor="eve", at=now())
    files.faults.add("ServerBusy", times=99)
    with pytest.raises(TransientError, match="does not answer"):
        do_ingest_share(store=store, job_id=job.job_id, number=LISTING, clock=now)
    files.faults.waiting.clear()
    done = do_ingest_share(store=store, job_id=job.job_id, number=LISTING, clock=now)
    assert done is not None
    assert done.result["listed"] == 14


# ---- who may name it -------------------------------------------------------------------------------------------------
def test_the_page_takes_the_shares_that_are_allowed(settings: Any) -> None:
    settings.INGEST_FOLDERS = ["/mnt/pictures", ADDRESS]
    assert require_allowed(f" {ADDRESS}/2024 ") == f"{ADDRESS}/2024"
    assert is_allowed("azurefiles://FpStorage/faces/training/")
    for other in ("azurefiles://fpstorage/faces", f"{ADDRESS}-other", "azurefiles://fpstorage/other/training"):
        with pytest.raises(FolderNotAllowedError):
            require_allowed(other)
    with pytest.raises(AzureFilesError):
        require_allowed(f"{ADDRESS}/../secret")
    settings.INGEST_FOLDERS = ["/"]
    assert is_allowed("azurefiles://any/share")


# ---- what is missing -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["azurefiles://", "azurefiles://account", "azurefiles:///share", f"{ADDRESS}/../x"])
def test_an_address_that_names_no_share_is_refused(address: str) -> None:
    with pytest.raises(AzureFilesError, match="azurefiles://account/share/path"):
        source_named(address)


def test_neither_share_nor_folder_there_is_said(pictures: Path) -> None:
    for address in (f"{ADDRESS}/nowhere", "azurefiles://fpstorage/nowhere"):
        with pytest.raises(NotFoundError, match="Check the names"):
            source_named(address)


def test_a_wrong_key_is_said_and_not_shown(settings: Any, pictures: Path) -> None:
    settings.AZURE_STORAGE_KEY = base64.b64encode(b"another").decode()
    with pytest.raises(AzureFilesError, match="AZURE_STORAGE_KEY") as caught:
        source_named(ADDRESS)
    assert settings.AZURE_STORAGE_KEY not in str(caught.value)


def test_without_a_key_it_signs_in(settings: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import ClientAuthenticationError

    class Nobody:
        def __init__(self, *, authority: str, **options: Any) -> None:
            pass

        def get_token(self, *scopes: str, **options: Any) -> None:
            raise ClientAuthenticationError(message="nobody")

    settings.AZURE_STORAGE_KEY = ""
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Nobody)
    with pytest.raises(AzureFilesError, match="az login"):
        source_named(ADDRESS)
    settings.AZURE_STATIC_TOKEN = "a token"
    assert len(shown(source_named(ADDRESS))) == 15


def test_without_the_package_the_message_names_it(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def nothing_of_azure(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name.partition('.')[0]!r}")

    monkeypatch.setattr("importlib.util.find_spec", nothing_of_azure)
    monkeypatch.setitem(sys.modules, "azure.core.exceptions", None)
    settings.AZURE_STORAGE_KEY = "bmV3"
    with pytest.raises(AzureFilesError, match=r"requirements-azure\.txt"):
        source_named(ADDRESS)


def test_the_endpoint_of_another_account_is_refused() -> None:
    access = ShareAccess(account="one", endpoint="https://two.file.core.usgovcloudapi.net/", key="a2V5")
    with pytest.raises(AzureFilesError, match="account two"):
        AzureFilesSource.at("azurefiles://one/faces", access=access)
    assert ShareAccess(account="one").url == "https://one.file.core.windows.net"


def test_nothing_of_azure_is_imported_without_a_share() -> None:
    import subprocess

    code = "import ingest.sources.azure_files, orchestration.azure.upload, sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "ingest.azure_share" in said
    assert not [name for name in said if name.split(".")[0] in ("azure", "django", "requests")]


def test_the_command_takes_a_share(
    store: Store, pictures: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("ingest", ADDRESS, "--workers", "0")
    assert ended.value.code == 3
    assert f"12 pictures in {ADDRESS}" in capsys.readouterr().out


def test_addresses_are_told_as_they_are_compared() -> None:
    assert str(ShareAddress.parse("azurefiles://Acc/Faces//a/b/")) == "azurefiles://acc/faces/a/b"


def test_a_file_beyond_the_limit_is_cut_there(source: AzureFilesSource, pictures: Path) -> None:
    file = next(each.file for each in source.pictures() if isinstance(each, SourcePicture) and each.file.size > 100)
    content = source.read(file, limit=10)
    assert content.content == (pictures / file.path).read_bytes()[:10]
    assert (content.size, content.mtime_ns) == (file.size, file.mtime_ns)
    gone = replace(file, location=b"gone.png", path="gone.png")
    with pytest.raises(RejectedError):
        source.read(gone, limit=10)
