"""`manage.py ingest`: exit codes, JSON, and what it says to people."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ingest.progress import progress_bar
from ingest.summary import Progress
from personas.entities import JobStatus
from personas.store.base import Store
from tests.ingest.drawing import draw, sidecar


def run(folder: Path, *options: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("ingest", str(folder), "--workers", "0", *options, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_it_says_what_was_taken_in(store: Store, folder: Path) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    draw(folder / "b.png", [])
    code, said = run(folder)
    assert code == 0
    assert "2 pictures" in said
    assert "2 new, 0 known" in said
    assert "1 labels" in said


def test_rejections_are_listed_and_give_exit_code_3(store: Store, folder: Path) -> None:
    for number in range(25):
        (folder / f"{number:02}.jpg").write_text("no picture")
    code, said = run(folder)
    assert code == 3
    assert "25 rejected: 25 not_a_picture" in said
    assert "00.jpg: not_a_picture." in said
    assert "and 5 more" in said


def test_json_holds_the_whole_summary(store: Store, folder: Path) -> None:
    draw(folder / "a.png")
    (folder / "bad.jpg").write_text("no picture")
    code, said = run(folder, "--json")
    summary: dict[str, Any] = json.loads(said)
    assert code == 3
    assert summary["source"] == str(folder)
    assert (summary["pictures"], summary["new"], summary["known"], summary["faces"]) == (1, 1, 0, 1)
    assert [sorted(each) for each in summary["rejected"]] == [["message", "path", "reason"]]
    assert summary["seconds"] > 0


def test_a_source_that_is_not_there_is_an_error(store: Store, folder: Path) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        run(folder / "absent")


def test_queued_it_answers_with_a_job_at_once(store: Store, folder: Path) -> None:
    draw(folder / "a.png")
    out = io.StringIO()
    call_command("ingest", str(folder), "--queue", "--json", stdout=out)
    job = store.job(json.loads(out.getvalue())["job_id"])
    assert job is not None
    assert (job.kind, job.status, job.detail["folder"]) == ("ingest", JobStatus.QUEUED, str(folder))
    assert store.images().items == ()
    call_command("ingest", str(folder), "--queue", stdout=out)
    assert "Queued as job" in out.getvalue()


@pytest.mark.parametrize("options", [("--queue",), ("--queue", "--workers=2")])
def test_what_cannot_be_queued_is_an_error(store: Store, folder: Path, options: tuple[str, ...]) -> None:
    place = folder if len(options) > 1 else folder / "absent"
    with pytest.raises(CommandError, match=r"does not exist|not allowed with"):
        call_command("ingest", str(place), *options)
    assert store.unfinished_jobs() == ()


@pytest.mark.parametrize("workers", ["-1", "many", "1000"])
def test_a_silly_number_of_workers_is_wrong_usage(store: Store, folder: Path, workers: str) -> None:
    with pytest.raises(CommandError, match="workers"):
        call_command("ingest", str(folder), f"--workers={workers}")


def test_the_bar_moves_and_is_only_there_when_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Pictures", shown=False) as moved:
        assert moved is None
    with progress_bar("Pictures", shown=True) as moved:
        assert moved is not None
        moved(Progress(done=3, total=None, new=3, rejected=0))
        moved(Progress(done=7, total=7, new=6, rejected=1))
    assert "7/7" in capsys.readouterr().err
