"""The double of Azure Files, through the package that speaks to the real one."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.fileshare import ContentSettings, ShareClient

from ingest.azure_share import ShareAccess, open_share
from tests.azure_double.files import FilesDouble


@pytest.fixture
def share(access: ShareAccess) -> ShareClient:
    return open_share(access, "faces", connections=2)


def mount(files: FilesDouble) -> Path:
    return files.folder / "faces"


def test_shares_are_made_once_and_listed(access: ShareAccess, files: FilesDouble) -> None:
    other = open_share(access, "other", connections=1)
    other.create_share()
    with pytest.raises(ResourceExistsError):
        other.create_share()
    assert other.get_share_properties().name == "other"
    other.delete_share()
    assert not (files.folder / "other").exists()
    with pytest.raises(ResourceNotFoundError) as caught:
        other.get_share_properties()
    assert caught.value.error_code == "ShareNotFound"


def test_directories_need_their_parents_and_are_deleted_empty_only(share: ShareClient, files: FilesDouble) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        share.create_directory("a/b")
    assert caught.value.error_code == "ParentNotFound"
    share.create_directory("a")
    with pytest.raises(ResourceExistsError):
        share.create_directory("a")
    share.create_directory("a/b")
    assert (mount(files) / "a" / "b").is_dir()
    with pytest.raises(HttpResponseError) as refused:
        share.delete_directory("a")
    assert refused.value.error_code == "DirectoryNotEmpty"
    share.delete_directory("a/b")
    assert not share.get_directory_client("a/b").exists()
    assert share.get_directory_client("a").exists()


def test_a_file_is_created_filled_by_ranges_and_read_back(share: ShareClient, files: FilesDouble) -> None:
    content = bytes(range(256)) * 20_000  # more than one request takes
    file = share.get_file_client("big.bin")
    file.upload_file(content, metadata={"origin": "test"}, max_concurrency=2)
    assert (mount(files) / "big.bin").read_bytes() == content
    assert file.download_file().readall() == content
    assert file.download_file(offset=1000, length=10).readall() == content[1000:1010]
    found = file.get_file_properties()
    assert (found.size, found.metadata, found.content_settings.content_md5) == (len(content), {"origin": "test"}, None)
    md5 = hashlib.md5(content).digest()
    file.set_http_headers(ContentSettings(content_md5=bytearray(md5)))
    assert file.get_file_properties().content_settings.content_md5 == md5
    assert file.download_file(offset=0, length=10).properties.content_settings.content_md5 == md5
    file.clear_range(offset=0, length=512)
    assert (mount(files) / "big.bin").read_bytes()[:513] == bytes(512) + content[512:513]
    file.delete_file()
    with pytest.raises(ResourceNotFoundError):
        file.download_file()


def test_a_file_created_with_its_content_takes_one_request(share: ShareClient, files: FilesDouble) -> None:
    said = share.get_file_client("one.bin").create_file(3, data=b"abc")
    assert (mount(files) / "one.bin").read_bytes() == b"abc"
    assert (files.counted("create file"), files.counted("put range")) == (1, 0)
    assert said["content_md5"] == hashlib.md5(b"abc").digest()


def test_an_empty_file_can_be_read(share: ShareClient) -> None:
    share.get_file_client("empty").create_file(0)
    assert share.get_file_client("empty").download_file().readall() == b""
    with pytest.raises(HttpResponseError) as caught:  # which range it is does not matter
        share.get_file_client("empty").download_file(offset=0, length=10)
    assert caught.value.status_code == 416


def test_a_range_beyond_the_end_is_refused(share: ShareClient) -> None:
    file = share.get_file_client("short")
    file.create_file(4)
    with pytest.raises(HttpResponseError) as caught:
        file.upload_range(b"12345", offset=0, length=5)
    assert (caught.value.status_code, caught.value.error_code) == (416, "InvalidRange")


def test_listings_come_by_pages_and_by_prefix(share: ShareClient, files: FilesDouble) -> None:
    for number in range(20):
        share.get_file_client(f"file-{number:02} & more.txt").create_file(number)
    share.create_directory("folder")
    listed = list(share.list_directories_and_files(include=["Etag", "timestamps"]))
    assert [each.name for each in listed if not each.is_directory] == [f"file-{n:02} & more.txt" for n in range(20)]
    assert [each.name for each in listed if each.is_directory] == ["folder"]
    assert files.counted("list") == 3
    assert listed[5].etag == share.get_file_client(listed[5].name).get_file_properties().etag
    assert len(list(share.list_directories_and_files(name_starts_with="file-1"))) == 10


def test_what_the_mount_changes_has_another_etag_and_the_old_md5(share: ShareClient, files: FilesDouble) -> None:
    file = share.get_file_client("seen.txt")
    md5 = bytearray(hashlib.md5(b"old").digest())
    etag = file.create_file(3, data=b"old", content_settings=ContentSettings(content_md5=md5))["etag"]
    (mount(files) / "seen.txt").write_bytes(b"new")
    found = file.get_file_properties()
    assert found.etag != etag
    assert found.content_settings.content_md5 == md5
    assert file.download_file().readall() == b"new"


def test_names_that_differ_in_case_are_one_file(share: ShareClient, files: FilesDouble) -> None:
    share.get_file_client("Face.jpg").create_file(1, data=b"1")
    share.get_file_client("face.JPG").create_file(1, data=b"2")
    assert [each.name for each in mount(files).iterdir()] == ["Face.jpg"]
    assert share.get_file_client("FACE.jpg").download_file().readall() == b"2"


@pytest.mark.parametrize("path", ["a:b", "what?", "a|b"])
def test_names_that_windows_refuses_are_refused(share: ShareClient, path: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        share.get_file_client(path).create_file(1)
    assert caught.value.error_code == "InvalidResourceName"


def test_paths_of_any_letters_are_signed_alike_on_both_sides(share: ShareClient, files: FilesDouble) -> None:
    share.create_directory("Zürich (2) ~ 100%")
    share.get_file_client("Zürich (2) ~ 100%/été+1 #3.jpg").create_file(1, data=b"x")
    assert (mount(files) / "Zürich (2) ~ 100%" / "été+1 #3.jpg").read_bytes() == b"x"


def test_another_key_is_refused(access: ShareAccess) -> None:
    wrong = replace(access, key=base64.b64encode(b"another").decode())
    with pytest.raises(ClientAuthenticationError) as caught:
        open_share(wrong, "faces", connections=1).create_directory("a")
    assert caught.value.error_code == "AuthenticationFailed"


def test_a_token_is_let_in_and_another_one_is_not(access: ShareAccess) -> None:
    signed_in = replace(access, key="", token="a token")
    open_share(signed_in, "faces", connections=1).create_directory("a")
    with pytest.raises(ClientAuthenticationError):
        open_share(replace(signed_in, token="another"), "faces", connections=1).create_directory("b")


def test_faults_meet_the_request_they_are_meant_for(share: ShareClient, files: FilesDouble) -> None:
    files.faults.add("ServerBusy", what="create directory", after=1)
    files.faults.add("drop", path="dropped")
    files.faults.add("drop_after", path="again")
    share.create_directory("first")
    share.create_directory("busy")  # tried again, no sooner than was asked for
    share.get_file_client("dropped").create_file(1, data=b"1")
    share.get_file_client("again").create_file(1, data=b"2")
    assert files.counted("create directory") == 3
    assert files.counted("create file") == 4
