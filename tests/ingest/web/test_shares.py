"""A list of addresses as a job in shares, end to end: looked at, fetched, taken in, and done again."""

from __future__ import annotations

import io
import json
import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ingest.known_paths import known_among
from ingest.pool import InlinePool
from ingest.rejections import BUSY_SERVER, DISALLOWED, FORBIDDEN_ADDRESS, NOT_A_PICTURE, TOO_MANY_PICTURES
from ingest.report import rejected_by
from ingest.settling import settled
from ingest.shares import LISTING, do_ingest_share, queue_web_ingest
from ingest.uploads import receiving_folder
from ingest.web.turns import StoreTurns
from ingest.web_shares import UnableToFetchError, addresses_of
from personas.entities import ImagePath, Job, JobStatus, Share, ShareStatus
from personas.errors import TransientError
from personas.store.base import Store
from personas.watchdog import Watchdog
from tests.ingest.conftest import now
from tests.ingest.drawing import draw
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.states import state_of
from tests.ingest.web.conftest import NoTurns, local
from tests.ingest.web.server import Site, content, page, redirect

MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, settings: Any, folder: Path, site: Site) -> None:
    """Pictures are read here, a few a share, from this machine, and nobody waits for a turn."""
    monkeypatch.setattr("ingest.web_shares.warm_pool", lambda order: closing(InlinePool(order)))
    monkeypatch.setattr("ingest.web_shares.StoreTurns", lambda *args, **options: NoTurns())
    monkeypatch.setattr("ingest.web_shares.resolve", local)
    monkeypatch.setattr("ingest.web_shares.SHARE_PICTURES", 2)
    monkeypatch.setattr("ingest.web_shares.LOOKED_AT_ONCE", 3)
    settings.CRAWLER_ALLOWED_NETWORKS = ["127.0.0.1"]
    settings.CRAWLER_ALLOWED_PORTS = [80, site.port]


@pytest.fixture
def album(site: Site, tmp_path: Path) -> str:
    """A list: a page with four pictures (one of them listed as well), a picture, and what cannot be taken."""
    for number, colour in enumerate((RED, GREEN, BLUE, RED, GREEN)):
        picture = draw(tmp_path / f"{number}.png", [(20, 20, 80, colour)], shade=60 + number).read_bytes()
        site.answers[f"/{number}.png"] = content(picture, Last_Modified=MODIFIED)
    site.answers["/page"] = page("".join(f'<img src="/{number}.png">' for number in range(4)))
    site.answers["/robots.txt"] = content(b"User-agent: *\nDisallow: /secret\n", "text/plain")
    site.answers["/inside"] = redirect("http://169.254.169.254/latest/meta-data/")
    site.answers["/text"] = content(b"hello", "text/plain")
    places = ("/page", "/4.png", "/secret/a.png?token=hush", "/inside", "/0.png", "/text")
    return "\n".join(["# mine", *map(site.url, places), "https://ada:hush@site.test/a.png"])


def queue(store: Store, text: str) -> Job:
    return queue_web_ingest(store=store, text=text, actor="eve", at=now())


def do(store: Store, job: Job, number: int) -> Share | None:
    return do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now)


def do_all(store: Store, job: Job) -> tuple[Share, ...]:
    do(store, job, LISTING)
    for share in store.shares(job.job_id):
        do(store, job, share.number)
    return store.shares(job.job_id)


def paths(store: Store) -> list[ImagePath]:
    return list(store.known_paths("web").items)


def reasons(store: Store, job: Job) -> dict[str, str]:
    return {each.path: each.reason for each in rejected_by(store, job)}


def test_a_list_is_taken_in_and_what_is_not_is_told(store: Store, site: Site, album: str) -> None:
    job = queue(store, album)
    ended = settled(job, do_all(store, job), now())
    assert ended.status is JobStatus.DONE
    assert (ended.done, ended.total) == (5, 5)
    assert {name: ended.detail[name] for name in ("pictures", "new", "faces", "n_rejected")} == {
        "pictures": 5,
        "new": 5,
        "faces": 5,
        "n_rejected": 4,
    }
    assert [path.path for path in paths(store)] == [site.url(f"/{number}.png") for number in range(5)]
    assert reasons(store, job) == {
        site.url("/secret/a.png?token=hush"): DISALLOWED,
        site.url("/inside"): FORBIDDEN_ADDRESS,
        site.url("/text"): NOT_A_PICTURE,
        "https://site.test/a.png": "bad_address",
    }
    assert "/secret/a.png?token=hush" not in site.asked()
    assert list(receiving_folder().iterdir()) == []


def test_hostile_answers_end_no_job(store: Store, site: Site, album: str) -> None:
    site.answers["/declared"] = content(b"<html><![foo]><img src=/0.png>", "text/html; charset=punycode")
    site.answers["/long"] = page(f'<img src="/{"ä" * 2000}.png"><img src="/1.png">')
    site.answers["/busy"] = content(b"", status=503, Retry_After="Fri, 31 Dec 9999 23:59:59 -1200")
    job = queue(store, "\n".join(map(site.url, ("/declared", "/long", "/busy"))))
    ended = settled(job, do_all(store, job), now())
    assert (ended.status, ended.detail["pictures"]) == (JobStatus.DONE, 2)
    assert reasons(store, job) == {site.url("/busy"): BUSY_SERVER}


def test_a_second_time_servers_are_only_asked_whether_pictures_have_changed(
    store: Store, site: Site, album: str, tmp_path: Path
) -> None:
    do_all(store, queue(store, album))
    expected = state_of(store)
    changed = draw(tmp_path / "changed.png", [(20, 20, 80, BLUE)], shade=90).read_bytes()
    again = settled(job := queue(store, album), do_all(store, job), now())
    assert (again.detail["new"], again.detail["known"]) == (0, 5)
    assert state_of(store) == expected
    assert site.headers_of("/2.png")[-1]["If-Modified-Since"] == MODIFIED
    site.answers["/2.png"] = content(changed, Last_Modified="Thu, 22 Oct 2015 07:28:00 GMT")
    third = settled(job := queue(store, album), do_all(store, job), now())
    assert (third.detail["new"], third.detail["known"]) == (1, 4)


def test_what_another_extractor_has_read_is_fetched_anew(store: Store, site: Site, album: str, settings: Any) -> None:
    do_all(store, queue(store, album))
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.newer_squares"
    do_all(store, queue(store, album))
    assert "If-Modified-Since" not in site.headers_of("/2.png")[-1]
    assert {path.extractor for path in paths(store)} == {"squares 2, colour 1"}


def test_threads_take_their_turns_from_the_store(
    transactional_db: None, store: Store, album: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr("ingest.web_shares.StoreTurns", StoreTurns)
    settings.CRAWLER_DELAY_SECONDS = 0.01
    ended = settled(job := queue(store, album), do_all(store, job), now())
    assert (ended.status, ended.detail["new"], ended.detail["n_rejected"]) == (JobStatus.DONE, 5, 4)
    assert store.lease_until("crawl:site.test") is not None


def test_a_path_is_known_where_the_store_has_its_picture_too(store: Store, site: Site, album: str) -> None:
    do_all(store, queue(store, album))
    first = paths(store)[0]
    store.add_paths(
        [replace(first, path="https://lost.test/a.png", image_id="f" * 64), replace(first, source="upload")]
    )
    wanted = ["https://lost.test/a.png", first.path, "https://never.test/"]
    assert known_among(store, "web", wanted, extractor=first.extractor) == {first.path: first}
    assert known_among(store, "web", wanted, extractor="another") == {}
    assert known_among(store, "upload", wanted, extractor=first.extractor) == {
        first.path: replace(first, source="upload")
    }


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_listing_that_was_killed_goes_on_and_lists_nothing_twice(
    store: Store, site: Site, album: str, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    whole = queue(store, album)
    do(store, whole, LISTING)
    expected = [share.total for share in store.shares(whole.job_id)]
    job = queue(store, album)
    left = [dies_at]

    class Killed(BaseException):
        pass

    def put(shares: list[Share]) -> None:
        if shares[0].number:
            left[0] -= 1
            if left[0] == 0:
                store.put_shares(shares[:1])  # killed in the middle
                raise Killed
        store.put_shares(shares)

    class Dying:
        def __getattr__(self, name: str) -> Any:
            return put if name == "put_shares" else getattr(store, name)

    with pytest.raises(Killed):
        do_ingest_share(store=Dying(), job_id=job.job_id, number=LISTING, clock=now)  # type: ignore[arg-type]
    do(store, job, LISTING)
    listing = store.share(job.job_id, LISTING)
    assert listing is not None
    assert (listing.status, listing.result["listed"]) == (ShareStatus.DONE, sum(expected))
    ended = settled(job, do_all(store, job), now())
    assert (ended.detail["new"], ended.detail["n_rejected"]) == (5, 4)


def test_a_share_whose_worker_was_killed_is_done_again_with_the_same_end(
    store: Store, site: Site, album: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue(store, album)
    do(store, job, LISTING)

    class Killed(BaseException):
        pass

    def dying(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("ingest.pipeline.IngestRun._flush", dying)
        with pytest.raises(Killed):
            do(store, job, 1)
    share = store.share(job.job_id, 1)
    assert share is not None
    assert (share.status, share.attempts) == (ShareStatus.WAITING, 1)
    ended = settled(job, do_all(store, job), now())
    assert (ended.status, ended.detail["new"]) == (JobStatus.DONE, 5)
    assert list(receiving_folder().iterdir()) == []


def test_a_worker_that_is_told_to_end_hands_its_share_back(
    store: Store, site: Site, album: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue(store, album)
    watchdog = Watchdog()
    watchdog.stop_within(8)
    with monkeypatch.context() as patched:
        patched.setattr("ingest.web_shares.WATCHDOG", watchdog)
        with pytest.raises(TransientError, match="told to end"):
            do(store, job, LISTING)
    do(store, job, LISTING)
    with monkeypatch.context() as patched:
        patched.setattr("ingest.web_shares.WATCHDOG", watchdog)
        with pytest.raises(TransientError, match="told to end"):
            do(store, job, 1)
    share = store.share(job.job_id, 1)
    assert share is not None
    assert (share.status, share.attempts) == (ShareStatus.WAITING, 0)


def test_a_long_list_goes_on_in_other_turns_even_where_nothing_is_found(
    store: Store, site: Site, settings: Any
) -> None:
    settings.TASK_LIMIT_SECONDS = {"ingest": 0.0}
    job = queue(store, "\n".join(site.url(f"/missing-{number}") for number in range(7)))
    for _ in range(2):
        with pytest.raises(TransientError, match="another turn"):
            do(store, job, LISTING)
    ended = settled(job, do_all(store, job), now())
    assert (ended.status, ended.detail["n_rejected"]) == (JobStatus.DONE, 7)
    assert len(site.asked()) == 7


def test_of_a_page_with_too_many_pictures_the_first_are_taken(
    store: Store, site: Site, album: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.web_shares.MAX_PICTURES_A_PAGE", 3)
    job = queue(store, site.url("/page"))
    do_all(store, job)
    assert reasons(store, job) == {site.url("/page"): TOO_MANY_PICTURES}
    assert len(paths(store)) == 3


def test_logs_hold_no_password_and_no_query(
    store: Store, site: Site, album: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # as the settings have it
    job = queue(store, album + "\n" + site.url("/0.png?key=hush"))
    do_all(store, job)
    assert "hush" not in caplog.text
    assert "hush" not in str([vars(record) for record in caplog.records])
    assert "hush" not in job.detail["first"]


def test_a_list_must_hold_something_and_not_too_much(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnableToFetchError, match="no address"):
        queue(store, "# nothing\n\n")
    monkeypatch.setattr("ingest.web_shares.MAX_ADDRESSES", 1)
    with pytest.raises(UnableToFetchError, match="Split it"):
        queue(store, "https://a.example/\nhttps://b.example/")
    assert store.jobs().items == ()


def test_a_job_keeps_its_list(store: Store) -> None:
    assert addresses_of(queue(store, "https://a.example/ä\n# no\nnonsense")) == "https://a.example/ä\nnonsense"


# ---- the command -----------------------------------------------------------------------------------------------------
def run(*options: str) -> tuple[int, Any]:
    out = io.StringIO()
    code = 0
    try:
        call_command("ingest", "--json", *options, stdout=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, json.loads(out.getvalue())


def test_the_command_takes_a_list_in_and_says_what_was_rejected(
    store: Store, site: Site, album: str, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("\ufeff" + album)
    code, said = run("--urls", str(tmp_path / "list.txt"))
    assert code == 3
    assert (said["source"], said["pictures"], said["new"], len(said["rejected"])) == ("web", 5, 5, 4)
    (job,) = store.jobs().items
    assert job.status is JobStatus.DONE


def test_the_command_queues_a_list(store: Store, site: Site, album: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(album)
    code, said = run("--urls", str(tmp_path / "list.txt"), "--queue")
    assert (code, said["n_addresses"]) == (0, 7)
    found = store.job(said["job_id"])
    assert found is not None
    assert found.status is JobStatus.QUEUED
    assert site.requests == []


@pytest.mark.parametrize(
    "options", [[], ["folder", "--urls", "{list}"], ["--urls", "{list}", "--workers", "2"], ["--urls", "/no/such/file"]]
)
def test_the_command_takes_a_folder_or_a_list(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("https://a.example/")
    with pytest.raises(CommandError) as caught:
        call_command("ingest", *[option.format(list=tmp_path / "list.txt") for option in options])
    assert caught.value.returncode == 2 or "cannot be read" in str(caught.value)
