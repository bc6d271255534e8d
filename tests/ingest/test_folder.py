from __future__ import annotations

import errno
import os
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest

from ingest.rejections import (
    BROKEN_LINK,
    DEVICE_OR_PIPE,
    LINK_OUT_OF_SOURCE,
    SIDECAR_OF_SEVERAL,
    SIDECAR_WITHOUT_PICTURE,
    UNREADABLE,
    VANISHED,
    RejectedError,
    Rejection,
)
from ingest.sources.base import SourcePicture
from ingest.sources.folder import FolderSource
from personas.errors import NotFoundError


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def pictures(root: Path) -> dict[str, SourcePicture]:
    return {item.file.path: item for item in FolderSource.at(root).pictures() if isinstance(item, SourcePicture)}


def rejections(root: Path) -> dict[str, str]:
    return {item.path: item.reason for item in FolderSource.at(root).pictures() if isinstance(item, Rejection)}


def test_walks_in_the_order_of_whole_paths(tmp_path: Path) -> None:
    put(tmp_path, "b.jpg", "a/z.jpg", "a.jpg", "a/b/c.jpg", "a-1.jpg", "é.jpg", "Z.jpg")
    found = list(pictures(tmp_path))
    assert found == sorted(found, key=str.encode)
    assert len(found) == 7


def test_behind_any_path_comes_what_comes_behind_it_in_the_whole_listing(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.json", "a.png", "a/z.jpg", "a-1.jpg", "b.1/x.jpg", "b.2/y.JPG", "b.2/y.json", "b/c/d.jpg")
    put(tmp_path, "b/c.gif", "é.jpg")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9/\xff.jpg")).write_bytes(b"content")
    source = FolderSource.at(tmp_path)
    whole = list(pictures(tmp_path).values())
    assert len(whole) == 10
    for place, picture in enumerate(whole):
        rest = [each for each in source.pictures(after=picture.file.path) if isinstance(each, SourcePicture)]
        assert rest == whole[place + 1 :]


def test_what_lies_before_a_path_is_neither_entered_nor_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, *(f"2024-{month:02}/{number:02}.jpg" for month in range(1, 13) for number in range(20)))
    really = os.stat
    looked_at: list[bytes] = []

    def stat(name: Any, **options: Any) -> os.stat_result:
        if isinstance(name, bytes):
            looked_at.append(name)
        return really(name, **options)

    monkeypatch.setattr("ingest.sources.folder.os.stat", stat)
    rest = list(FolderSource.at(tmp_path).pictures(after="2024-11/17.jpg"))
    assert len(rest) == 22
    assert len(looked_at) == 2 + 3 + 20  # folders from 2024-11 on, its files from 17 on, and those of 2024-12


def test_the_count_is_that_of_the_pictures(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.json", "b/c.png", ".hidden/d.jpg", "e.part")
    assert FolderSource.at(tmp_path).count() == len(pictures(tmp_path)) == 2


def test_pairs_by_stem_whatever_the_case_of_the_extension(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.json", "b.JPG", "b.JSON", "c.Jpeg", "sub/a.png")
    paired = {path: picture.sidecar.path if picture.sidecar else None for path, picture in pictures(tmp_path).items()}
    assert paired == {"a.jpg": "a.json", "b.JPG": "b.JSON", "c.Jpeg": None, "sub/a.png": None}


def test_a_sidecar_without_its_picture_is_reported(tmp_path: Path) -> None:
    put(tmp_path, "a.json", "sub/a.jpg", "B.json", "b.jpg")
    assert rejections(tmp_path) == {"a.json": SIDECAR_WITHOUT_PICTURE, "B.json": SIDECAR_WITHOUT_PICTURE}


def test_a_sidecar_of_two_pictures_is_reported_and_used_for_neither(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.png", "a.json")
    assert rejections(tmp_path) == {"a.json": SIDECAR_OF_SEVERAL}
    assert [picture.sidecar for picture in pictures(tmp_path).values()] == [None, None]


def test_two_sidecars_of_one_picture_are_reported(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.json", "a.JSON")
    assert set(rejections(tmp_path).values()) == {SIDECAR_OF_SEVERAL}


def test_a_film_beside_a_picture_does_not_take_its_sidecar(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "a.mov", "a.json")
    found = pictures(tmp_path)
    assert found["a.jpg"].sidecar is not None
    assert found["a.mov"].sniff


def test_hidden_and_unfinished_files_and_notes_are_not_looked_at(tmp_path: Path) -> None:
    put(tmp_path, ".a.jpg", ".git/b.jpg", "c.jpg.part", "d.PART", "README.md", "e.jpg")
    assert list(pictures(tmp_path)) == ["e.jpg"]
    assert rejections(tmp_path) == {}


def test_a_link_that_leads_out_is_rejected(tmp_path: Path) -> None:
    source = tmp_path / "source"
    put(tmp_path, "secret.jpg", "secrets/x.jpg", "source/a.jpg")
    (source / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (source / "up.jpg").symlink_to("../secret.jpg")
    (source / "folder").symlink_to(tmp_path / "secrets")
    (source / "root").symlink_to("/")
    put(tmp_path, "source-2/x.jpg")
    (source / "namesake.jpg").symlink_to(tmp_path / "source-2" / "x.jpg")
    assert list(pictures(source)) == ["a.jpg"]
    assert set(rejections(source).values()) == {LINK_OUT_OF_SOURCE}
    assert set(rejections(source)) == {"out.jpg", "up.jpg", "folder", "root", "namesake.jpg"}


def test_a_link_within_is_skipped_for_its_target_is_found_anyway(tmp_path: Path) -> None:
    put(tmp_path, "a/b.jpg")
    (tmp_path / "link.jpg").symlink_to("a/b.jpg")
    (tmp_path / "a" / "loop").symlink_to("..")
    assert list(pictures(tmp_path)) == ["a/b.jpg"]
    assert rejections(tmp_path) == {}


def test_a_link_to_nothing_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    assert rejections(tmp_path) == {"gone.jpg": BROKEN_LINK}  # the other points within, to itself
    assert pictures(tmp_path) == {}


def test_devices_pipes_and_sockets_are_rejected_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jpg")
        (tmp_path / "zero.jpg").symlink_to("/dev/zero")
        assert rejections(tmp_path) == {
            "pipe.jpg": DEVICE_OR_PIPE,
            "socket.jpg": DEVICE_OR_PIPE,
            "zero.jpg": LINK_OUT_OF_SOURCE,
        }


def test_a_file_that_turned_into_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    source = FolderSource.at(tmp_path)
    file = pictures(tmp_path)["a.jpg"].file
    (tmp_path / "a.jpg").unlink()
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(RejectedError) as caught:
        source.read(file, limit=10)
    assert caught.value.reason == DEVICE_OR_PIPE


def test_a_folder_that_turned_into_a_link_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "source/sub/a.jpg", "outside/a.jpg")
    source = FolderSource.at(tmp_path / "source")
    file = pictures(tmp_path / "source")["sub/a.jpg"].file
    (tmp_path / "source" / "sub" / "a.jpg").unlink()
    (tmp_path / "source" / "sub").rmdir()
    (tmp_path / "source" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(RejectedError) as caught:
        source.read(file, limit=10)
    assert caught.value.reason in (VANISHED, DEVICE_OR_PIPE)


def test_a_file_that_vanished_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    file = pictures(tmp_path)["a.jpg"].file
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(RejectedError) as caught:
        FolderSource.at(tmp_path).read(file, limit=10)
    assert caught.value.reason == VANISHED


def test_what_may_not_be_read_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, whom permissions do not stop; so the kernel's answer is put in its place."""
    put(tmp_path, "open/a.jpg", "closed/b.jpg")
    really = os.open

    def guarded(path: Any, *args: Any, **options: Any) -> int:
        if path in (b"closed", b"a.jpg"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return really(path, *args, **options)

    file = pictures(tmp_path)["open/a.jpg"].file
    monkeypatch.setattr(os, "open", guarded)
    assert rejections(tmp_path) == {"closed": UNREADABLE}
    with pytest.raises(RejectedError) as caught:
        FolderSource.at(tmp_path).read(file, limit=10)
    assert caught.value.reason == UNREADABLE


def test_names_that_are_not_utf8_are_shown_with_escapes_and_can_be_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9/\xff.jpg")).write_bytes(b"content")
    (tmp_path / os.fsdecode(b"caf\xe9/\xff.json")).write_bytes(b"{}")
    source = FolderSource.at(tmp_path)
    picture = pictures(tmp_path)["caf\\xe9/\\xff.jpg"]
    assert picture.file.path.encode()
    assert picture.sidecar is not None
    assert source.read(picture.file, limit=100).content == b"content"


def test_a_read_stops_at_its_limit_and_tells_the_size(tmp_path: Path) -> None:
    put(tmp_path, "abcdefgh.jpg")
    read = FolderSource.at(tmp_path).read(pictures(tmp_path)["abcdefgh.jpg"].file, limit=3)
    assert (read.content, read.size) == (b"abc", 12)


def test_folders_deeper_than_a_path_may_be_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(40):
        Path("d" * 120).mkdir()
        os.chdir("d" * 120)
    Path("a.jpg").write_bytes(b"deep")
    found = pictures(tmp_path)
    assert len(found) == 1
    assert FolderSource.at(tmp_path).read(next(iter(found.values())).file, limit=9).content == b"deep"


def test_our_own_state_inside_the_source_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "var/media/b.jpg")
    source = FolderSource.at(tmp_path, exclude=(tmp_path / "var", tmp_path / "absent"))
    assert [item.file.path for item in source.pictures() if isinstance(item, SourcePicture)] == ["a.jpg"]
    assert source.count() == 1


def test_the_source_is_named_by_its_real_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert FolderSource.at("link").name == str(Path(os.path.realpath(tmp_path)) / "real")


@pytest.mark.parametrize("name", ["absent", "file.jpg"])
def test_a_source_that_is_no_folder_is_told(tmp_path: Path, name: str) -> None:
    put(tmp_path, "file.jpg")
    with pytest.raises(NotFoundError, match=name):
        FolderSource.at(tmp_path / name)


def test_a_source_travels_into_a_worker(tmp_path: Path) -> None:
    source = FolderSource.at(tmp_path)
    assert pickle.loads(pickle.dumps(source)) == source
