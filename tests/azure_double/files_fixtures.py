"""The double of Azure Files, and what it takes to reach it, for tests of all apps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.azure_share import ShareAccess
from tests.azure_double.files import FilesDouble
from tests.azure_double.https import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Of this run."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Iterator[FilesDouble]:
    """An account with the share `faces`; pages of its listings are short."""
    with FilesDouble(tmp_path / "account", authority, token="a token", most_a_page=7) as double:
        double.create_share("faces")
        yield double


@pytest.fixture
def access(files: FilesDouble) -> ShareAccess:
    """By the account's key."""
    return access_to(files)


def access_to(files: FilesDouble) -> ShareAccess:
    """By the account's key."""
    return ShareAccess(account=files.account, endpoint=files.url, key=files.key, authority_bundle=str(files.bundle))
