"""Fixtures of all tests, and what the run says about skipped tests.

With REQUIRE_ALL=1 every skip is a failure, except one whose reason begins with "no data:" while the shared data folder
is absent: a machine that is meant to have everything shall not pass by leaving things out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "tests.azure_double.files_fixtures",
    "tests.cassandra_node.fixtures",
    "tests.chromium",
    "tests.servers",
]
REPOSITORY = Path(__file__).resolve().parent.parent
NO_DATA = "no data:"


def data_folder() -> Path:
    """Where the shared data sets lie: FACEPROJECT_DATA, else ../shared/data beside the checkout."""
    return Path(os.environ.get("FACEPROJECT_DATA") or REPOSITORY.parent / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def seed_data() -> Callable[[str], Path]:
    """`seed_data("presidents")` is that folder of the shared data; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        folder = data_folder() / name
        if not folder.is_dir():
            pytest.skip(f"{NO_DATA} {folder} (set FACEPROJECT_DATA)")
        return folder

    return find


@pytest.fixture
def child_environment(transactional_db: None) -> dict[str, str]:
    """Environment of processes that shall work on the test database. Tests that use it see committed state only."""
    from django.db import connection

    settings = connection.settings_dict
    if settings["ENGINE"] != "django.db.backends.sqlite3":
        pytest.skip("processes are tested on SQLite")
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"sqlite:///{settings['NAME']}",
        "PYTHONPATH": str(REPOSITORY),
    }


# ---- who runs where --------------------------------------------------------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `--dist loadgroup`: heavy tests run on one worker, one at a time, and first: their group is the largest.

    Tests that start processes or read the shared data stay together by file: their modules prepare much, once.

    With RERUN_PROCESSES=1 (CI) a test of processes or of the browser that fails is run once more, and the summary names
    it: whether a machine shared by many gives a process its turn in time is not the product's to promise. What fails
    twice fails.
    """
    again = os.environ.get("RERUN_PROCESSES", "") not in ("", "0")
    for item in items:
        if again and any(item.get_closest_marker(name) for name in ("heavy", "kill", "browser")):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if item.get_closest_marker("heavy"):
            item.add_marker(pytest.mark.xdist_group("heavy"))
        elif item.get_closest_marker("kill") or item.get_closest_marker("seed_data"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


# ---- skips -----------------------------------------------------------------------------------------------------------


def _require_all() -> bool:
    return os.environ.get("REQUIRE_ALL", "") not in ("", "0")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def _excused(reason: str) -> bool:
    return reason.startswith(NO_DATA) and not data_folder().is_dir()


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and _require_all()
        and not _excused(reason := _reason(report))
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped although REQUIRE_ALL is set: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None, None, None]:
    """Says, after everything else, what was skipped and why."""
    yield
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.write_line(f"FAILED ONCE, run again: {report.nodeid}", yellow=True, bold=True)
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = _reason(report)
        reasons[reason] = reasons.get(reason, 0) + 1
    if not reasons:
        terminalreporter.write_line("Nothing was skipped.")
        return
    terminalreporter.write_line(f"SKIPPED {sum(reasons.values())} tests:", yellow=True, bold=True)
    for reason, number in sorted(reasons.items()):
        terminalreporter.write_line(f"  {number} x {reason}", yellow=True)
