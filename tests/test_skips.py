"""A skip is a failure where everything is meant to be there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SKIPPING = "import pytest\n\ndef test_it(): pytest.skip({reason!r})\n"


def run(tmp_path: Path, reason: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs one skipping test under the hooks of tests/conftest.py."""
    file = tmp_path / "test_skipping.py"
    file.write_text(SKIPPING.format(reason=reason))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", str(REPOSITORY / "pyproject.toml")]
    return subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(file)],
        cwd=REPOSITORY,
        env={"PATH": "", "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("reason", "data_is_there", "passes"),
    [
        ("no browser", True, False),
        ("no browser", False, False),
        ("no data: x", True, False),
        ("no data: x", False, True),
    ],
)
def test_with_require_all_only_absent_data_excuses(
    tmp_path: Path, reason: str, data_is_there: bool, passes: bool
) -> None:
    folder = tmp_path if data_is_there else tmp_path / "absent"
    ran = run(tmp_path, reason, REQUIRE_ALL="1", FACEPROJECT_DATA=str(folder))
    assert (ran.returncode == 0) is passes, ran.stdout + ran.stderr


def test_without_it_skips_pass_and_are_told_last(tmp_path: Path) -> None:
    ran = run(tmp_path, "no browser")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "SKIPPED 1 tests:\n  1 x no browser" in ran.stdout
