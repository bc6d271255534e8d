"""The training set into a share: complete, once, and again after anything that may happen meanwhile."""

from __future__ import annotations

import base64
import logging
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.azure_share import AzureFilesError, ShareAccess
from orchestration.azure.upload import Upload, UploadProgress, UploadSummary, upload_folder
from orchestration.azure.upload_book import BOOK
from orchestration.azure.upload_file import MOST_A_REQUEST
from personas.errors import NotFoundError, TransientError
from tests.azure_double.files import FilesDouble
from tests.azure_double.files_fixtures import access_to
from tests.azure_double.https import Authority
from tests.conftest import REPOSITORY
from tests.processes import PATIENCE_SECONDS, wait_until

N_FILES = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small files in folders, an empty one, and one that takes several requests."""
    chance = random.Random(1)
    for number in range(N_FILES):
        place = tmp_path / "set" / f"{number % 3}" / f"{number % 2}" / f"{number:03}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(chance.randbytes(chance.randrange(100, 4000)))
    (tmp_path / "set" / "empty.json").touch()
    (tmp_path / "set" / "large.png").write_bytes(chance.randbytes(MOST_A_REQUEST + 1000))
    return tmp_path / "set"


def to(access: ShareAccess, share: str = "faces") -> Upload:
    return Upload(
        account_url=access.endpoint,
        account=access.account,
        share=share,
        below="training",
        key=access.key,
        ca_bundle=access.authority_bundle,
    )


def up(folder: Path, access: ShareAccess, **options: Any) -> UploadSummary:
    return upload_folder(folder, to(access), **options)


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(each.relative_to(folder)): each for each in folder.rglob("*") if each.is_file()}
    return {path: each.read_bytes() for path, each in found.items() if not path.startswith(".")}


def mounted(files: FilesDouble) -> Path:
    return files.folder / "faces" / "training"


def test_all_is_there_once_and_the_second_time_nothing_is_sent(
    folder: Path, access: ShareAccess, files: FilesDouble
) -> None:
    seen: list[UploadProgress] = []
    first = up(folder, access, progress=seen.append)
    assert contents(mounted(files)) == contents(folder)
    assert (first.files, first.skipped, first.failed) == (N_FILES + 2, 0, {})
    assert first.n_bytes == sum(map(len, contents(folder).values()))
    assert [each.files for each in seen] == list(range(1, N_FILES + 3))
    assert (seen[-1].of_files, seen[-1].of_bytes) == (first.files, first.n_bytes)
    files.requests.clear()
    again = up(folder, access)
    assert (again.files, again.n_bytes, again.skipped) == (0, 0, N_FILES + 2)
    assert files.counted("create file") == 1  # the probe
    assert files.counted("get properties") == 0
    assert files.counted("create directory") == 1  # training, which is not looked for


def test_a_small_file_takes_one_request(folder: Path, access: ShareAccess, files: FilesDouble) -> None:
    up(folder, access)
    of_files = [called for called in files.requests if called.path.endswith(".jpg")]
    assert len(of_files) == N_FILES
    made = [called.path for called in files.requests if called.what == "create directory"]
    assert len(made) == len(set(made))


def test_what_changed_is_sent_again_and_nothing_else(folder: Path, access: ShareAccess, files: FilesDouble) -> None:
    up(folder, access)
    (folder / "0" / "0" / "000.jpg").write_bytes(b"shorter")
    same_size = folder / "1" / "1" / "001.jpg"
    same_size.write_bytes(bytes(reversed(same_size.read_bytes())))
    assert up(folder, access).files == 2
    assert contents(mounted(files)) == contents(folder)


def test_without_its_book_each_file_is_asked_for_its_hash(
    folder: Path, access: ShareAccess, files: FilesDouble
) -> None:
    up(folder, access)
    for page in (mounted(files) / BOOK).iterdir():
        page.write_bytes(b"0x8D no hash\nhalf a li")
    files.requests.clear()
    assert (up(folder, access).files, files.counted("get properties")) == (0, N_FILES + 2)


def test_files_that_share_an_etag_are_told_apart(
    folder: Path, access: ShareAccess, files: FilesDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_etag", lambda *of: '"0x8D"')  # made of the time: of those of one moment it is one
    up(folder, access)
    files.requests.clear()
    assert (up(folder, access).files, files.counted("get properties")) == (0, 0)


def test_a_file_cut_short_between_its_requests_is_done_again(
    folder: Path, access: ShareAccess, files: FilesDouble
) -> None:
    files.faults.add("AuthorizationFailure", what="put range", path="large", after=1)
    with pytest.raises(AzureFilesError):
        up(folder, access)
    assert (mounted(files) / "large.png").stat().st_size == (folder / "large.png").stat().st_size
    assert (mounted(files) / "large.png").read_bytes() != (folder / "large.png").read_bytes()
    up(folder, access)
    assert contents(mounted(files)) == contents(folder)


def test_an_account_that_passes_over_content_gets_it_by_ranges(
    folder: Path, tmp_path: Path, authority: Authority
) -> None:
    with FilesDouble(tmp_path / "older", authority, takes_content=False) as files:
        files.create_share("faces")
        up(folder, access_to(files))
        assert contents(mounted(files)) == contents(folder)
        assert up(folder, access_to(files)).files == 0


def test_what_cannot_be_uploaded_is_told_and_stops_nothing(
    folder: Path, access: ShareAccess, files: FilesDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents(folder)
    (folder / "link.jpg").symlink_to("large.png")
    (folder / "what?.jpg").write_bytes(b"x")
    (folder / "EMPTY.json").write_bytes(b"y")
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(b"z")
    (folder / "unfinished.part").write_bytes(b"w")
    refused = folder / "0" / "0" / "000.jpg"
    opened = Path.open

    def unreadable(self: Path, *args: object, **options: object) -> object:
        if self == refused:
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", unreadable)
    files.faults.add("SharingViolation", path="003.jpg")
    told = up(folder, access).failed
    assert set(told) == {"link.jpg", "what?.jpg", "empty.json", "\\xff.jpg", "0/0/000.jpg", "0/1/003.jpg"}
    assert "Permission denied" in told["0/0/000.jpg"]
    assert "SharingViolation" in told["0/1/003.jpg"]
    assert "EMPTY.json" in told["empty.json"]
    monkeypatch.undo()
    left = {"0/0/000.jpg", "0/1/003.jpg", "empty.json"}
    found = contents(mounted(files))
    assert found.pop("EMPTY.json") == b"y"
    assert found == {path: content for path, content in expected.items() if path not in left}


def test_a_busy_service_and_lost_answers_are_waited_out(folder: Path, access: ShareAccess, files: FilesDouble) -> None:
    files.faults.add("ServerBusy", what="create file", after=10, times=3)
    files.faults.add("drop", what="create file", after=50, times=3)
    files.faults.add("drop_after", what="create directory", times=2)
    files.faults.add("drop_after", what="create file", after=100, times=3)
    assert up(folder, access).files == N_FILES + 2
    assert contents(mounted(files)) == contents(folder)


def test_a_service_that_stays_away_ends_it_with_what_to_do(
    folder: Path, access: ShareAccess, files: FilesDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.azure_share.RETRIES", 1)
    files.faults.add("InternalError", what="create file", after=100, times=10_000)
    with pytest.raises(TransientError, match="does not answer"):
        up(folder, access)
    files.faults.waiting.clear()
    again = up(folder, access)
    assert 80 <= again.skipped < N_FILES
    assert contents(mounted(files)) == contents(folder)


def test_neither_share_nor_folder_there_is_said_so(folder: Path, access: ShareAccess) -> None:
    with pytest.raises(NotFoundError, match="ShareNotFound"):
        upload_folder(folder, to(access, share="nowhere"))
    with pytest.raises(NotFoundError, match="not a folder"):
        up(folder / "nowhere", access)


def test_the_key_is_in_no_message_and_no_log(
    folder: Path, access: ShareAccess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="azure")
    wrong = replace(access, key=base64.b64encode(b"not the key of it").decode())
    with pytest.raises(AzureFilesError, match="AZURE_STORAGE_KEY") as caught:
        up(folder, wrong)
    up(folder, access)
    said = f"{caplog.text} {caught.value} {access!r} {to(access)!r}"
    assert "training" in said
    assert access.key not in said
    assert wrong.key not in said


UPLOAD = """
import sys
from pathlib import Path
from orchestration.azure.upload import Upload, upload_folder
account, endpoint, key, bundle = sys.stdin.read().split()
to = Upload(account_url=endpoint, account=account, share="faces", below="training", key=key, ca_bundle=bundle)
upload_folder(Path(sys.argv[1]), to)
"""


def start(folder: Path, access: ShareAccess) -> subprocess.Popen[bytes]:
    """An upload in a process of its own, which imports no Django."""
    process = subprocess.Popen([sys.executable, "-c", UPLOAD, str(folder)], stdin=subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdin is not None
    said = f"{access.account} {access.endpoint} {access.key} {access.authority_bundle}"
    process.stdin.write(said.encode())
    process.stdin.close()
    return process


@pytest.mark.kill
def test_killed_again_and_again_it_ends_the_same(folder: Path, access: ShareAccess, files: FilesDouble) -> None:
    files.latency = 0.2  # so that a busy machine kills it before its end
    for at_least in (1, 40, 100):
        process = start(folder, access)
        try:
            wait_until(
                lambda: len(contents(mounted(files))) > at_least or process.poll() is not None,  # noqa: B023
                "files in the share",
                pause=0.005,
            )
            time.sleep(random.uniform(0, 0.1))
        finally:
            process.send_signal(signal.SIGKILL)
            assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL, "it ended before it was killed"
    files.latency = 0
    last = up(folder, access)
    assert last.skipped >= 100
    assert contents(mounted(files)) == contents(folder)
    assert up(folder, access).files == 0
