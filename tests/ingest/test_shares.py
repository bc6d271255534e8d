"""Ingest in shares: listed once, taken in by whoever comes, in the end the same as a direct ingest."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from ingest.manifest import FIRST_PICTURES, pack, slices, unpack
from ingest.pool import InlinePool
from ingest.report import SHOWN_A_SHARE, SHOWN_CHARACTERS, rejected_by
from ingest.settling import MAX_CATEGORIES, settled
from ingest.shares import KIND, LISTING, do_ingest_share, queue_ingest
from ingest.sources import folder as folders
from ingest.sources.base import Content, SourceFile, SourcePicture
from ingest.sources.folder import FolderSource
from personas.entities import Job, JobStatus, JobWish, Share, ShareStatus
from personas.errors import NotFoundError, TransientError
from personas.lease import Lease, LeaseBusyError, LeaseLostError
from personas.services.jobs import retry_failed
from personas.shares import lease_of
from personas.state_hash import state_hash
from personas.store.base import Store
from personas.watchdog import Watchdog
from tests.ingest.conftest import Ingest, now
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.states import state_of

WRITES = {"save_extracted", "add_paths", "record", "put_truths", "put_shares"}


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Pictures are read here, a few a share."""
    monkeypatch.setattr("ingest.shares.warm_pool", lambda order: closing(InlinePool(order)))
    settings.INGEST_SHARE_PICTURES = 3


def empty(store: Store) -> None:
    for model in apps.get_app_config("sqlstore").get_models():
        model._default_manager.all().delete()
    store.close()


@pytest.fixture
def pictures(folder: Path) -> Path:
    """Pictures with sidecars of every kind, copies, one without a face, and what cannot be taken in."""
    for number in range(10):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(folder / f"{number % 3}" / f"{number}.png", [(20, 20, 80, colour)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0, category=f"c{number % 2}")
    shutil.copy(folder / "0" / "0.png", folder / "again.png")
    draw(folder / "none.png", [])
    (folder / "bad.jpg").write_text("not a picture")
    (folder / "alone.json").write_text("{}")
    return folder


def queue(store: Store, folder: Path) -> Job:
    return queue_ingest(store=store, folder=folder, actor="eve", at=now())


def do(store: Store, job: Job, number: int) -> Share | None:
    return do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now)


def do_all(store: Store, job: Job) -> tuple[Share, ...]:
    do(store, job, LISTING)
    for share in store.shares(job.job_id):
        do(store, job, share.number)
    return store.shares(job.job_id)


def test_in_shares_the_state_is_that_of_a_direct_ingest(store: Store, pictures: Path, ingest: Ingest) -> None:
    summary = ingest()
    expected, hashed = state_of(store), state_hash(store)
    empty(store)
    job = queue(store, pictures)
    assert (job.kind, job.status, job.detail["folder"]) == (KIND, JobStatus.QUEUED, str(pictures))
    shares = do_all(store, job)
    assert [share.total for share in shares] == [0, 3, 3, 3, 3, 1]
    assert state_of(store) == expected
    assert state_hash(store) == hashed
    done = settled(job, shares, now())
    assert (done.status, done.done, done.total) == (JobStatus.DONE, 13, 13)
    for name in ("pictures", "new", "known", "labels", "truths", "categories", "reasons"):
        assert done.detail[name] == getattr(summary, name), name
    assert sorted(rejected_by(store, job), key=lambda each: each.path) == list(summary.rejected)
    assert "12 pictures with" in done.message
    assert "2 files rejected." in done.message


def test_done_twice_nothing_is_new(store: Store, pictures: Path) -> None:
    do_all(store, queue(store, pictures))
    expected = state_of(store)
    again = settled(job := queue(store, pictures), do_all(store, job), now())
    assert (again.detail["new"], again.detail["known"], again.detail["labels"]) == (0, 12, 0)
    assert state_of(store) == expected


# ---- listing ---------------------------------------------------------------------------------------------------------
def test_a_listing_that_was_killed_goes_on_behind_its_last_slice(
    store: Store, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = queue(store, pictures)
    do(store, whole, LISTING)
    expected = [share.work for share in store.shares(whole.job_id)[1:]]
    for dies_at, made in itertools.product(range(1, 6), (False, True)):
        job = queue(store, pictures)
        with pytest.raises(Killed):
            do_ingest_share(store=dying(store, dies_at, made, {"put_shares"}), job_id=job.job_id, number=0, clock=now)
        do(store, job, LISTING)
        assert [share.work for share in store.shares(job.job_id)[1:]] == expected, (dies_at, made)
        listing = store.share(job.job_id, LISTING)
        assert listing is not None
        assert (listing.result["listed"], listing.result["n_rejected"]) == (13, 1)


@pytest.mark.parametrize("stopping", [False, True])
def test_a_listing_longer_than_a_task_may_take_goes_on_in_other_turns(
    store: Store, pictures: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, stopping: bool
) -> None:
    for folder in ("0", "1", "2"):
        (pictures / folder / "gone.jpg").symlink_to("nowhere.jpg")
    whole = queue(store, pictures)
    expected = do(store, whole, LISTING)
    assert expected is not None
    assert expected.result["n_rejected"] == 4
    if stopping:
        watchdog = Watchdog()
        watchdog.stop_within(8)
        monkeypatch.setattr("ingest.shares.WATCHDOG", watchdog)
    else:
        settings.TASK_LIMIT_SECONDS = {"ingest": 0.0}
    job = queue(store, pictures)
    for turn in range(1, 6):
        with pytest.raises(TransientError, match="another turn"):
            do(store, job, LISTING)
        left = store.share(job.job_id, LISTING)
        assert left is not None
        assert (len(store.shares(job.job_id)), left.attempts) == (1 + turn, 0)
    listing = do(store, job, LISTING)
    assert listing is not None
    assert (listing.status, listing.result) == (ShareStatus.DONE, expected.result)
    works = [[share.work for share in store.shares(each.job_id)] for each in (job, whole)]
    assert works[0] == works[1]


def test_a_source_that_goes_away_during_the_listing_is_waited_for(
    store: Store, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = queue(store, pictures)
    do(store, whole, LISTING)
    job = queue(store, pictures)
    opened = folders._opened
    with monkeypatch.context() as patched:

        def opening(root: Path, location: bytes, flags: int) -> Any:
            if location == b"1":
                patched.setattr("ingest.sources.folder.os.open", failing)
                patched.setattr("ingest.sources.folder.os.scandir", failing)
            return opened(root, location, flags)

        def failing(*args: Any, **options: Any) -> Any:
            raise OSError(errno.EHOSTDOWN, "Host is down")

        patched.setattr(folders, "_opened", opening)
        with pytest.raises(TransientError, match="away for a while"):
            do(store, job, LISTING)
    do(store, job, LISTING)
    works = [[share.work for share in store.shares(each.job_id)] for each in (job, whole)]
    assert works[0] == works[1]


def test_shares_are_small_at_first_and_never_too_large() -> None:
    listing = [picture(number) for number in range(10_000)]
    sizes = [len(each) for each in slices(listing, listed=0, most=500)]
    assert sum(sizes) == len(listing)
    assert sizes[:8] == [FIRST_PICTURES] * 8
    assert max(sizes) == 500
    assert [len(each) for each in slices(listing[:40], listed=0, most=500)] == [32, 8]
    assert list(slices([], listed=0, most=500)) == []


def test_a_listing_is_taken_as_it_comes() -> None:
    endless = (picture(number) for number in itertools.count())
    assert [len(each) for each in itertools.islice(slices(endless, listed=10**6, most=500), 3)] == [500] * 3


def test_a_manifest_gives_back_what_was_listed_and_the_same_bytes_each_time() -> None:
    strange = SourceFile(path="caf\\xe9.jpg", location=b"caf\xe9.jpg", size=3, mtime_ns=2**62)
    sidecar_file = SourceFile(path="a\n.json", location=b"a\n.json", size=1, mtime_ns=5)
    listed = [
        picture(1),
        SourcePicture(file=strange, sniff=True),
        SourcePicture(file=replace(sidecar_file, path="a\n.jpg", location=b"a\n.jpg"), sidecar=sidecar_file),
    ]
    assert unpack(pack(listed)) == listed
    assert pack(listed) == pack(listed)
    assert len(pack([picture(number) for number in range(500)])) < 20_000


def picture(number: int) -> SourcePicture:
    path = f"folder/{number:08}.jpg"
    return SourcePicture(file=SourceFile(path=path, location=path.encode(), size=number, mtime_ns=number))


# ---- what goes wrong -------------------------------------------------------------------------------------------------
def test_a_worker_that_does_not_see_the_folder_fails_the_share_and_a_retry_takes_it_in(
    store: Store, pictures: Path
) -> None:
    job = queue(store, pictures)
    do(store, job, LISTING)
    away = pictures.rename(pictures.with_name("unmounted"))
    failed = do(store, job, 2)
    assert failed is not None
    assert (failed.status, "does not see the folder" in failed.message) == (ShareStatus.FAILED, True)
    pictures.mkdir()
    empty_mount = do(store, job, 3)
    assert empty_mount is not None
    assert (empty_mount.status, "Is it mounted there?" in empty_mount.message) == (ShareStatus.FAILED, True)
    pictures.rmdir()
    away.rename(pictures)
    shares = do_all(store, job)
    done = settled(job, shares, now())
    assert (done.status, done.done) == (JobStatus.FAILED, 7)
    assert done.message.startswith("2 of 5 parts failed: The ingest-worker on")
    store.put_job(done)
    retry_failed(store=store, job_id=job.job_id, actor="eve", at=now())
    shares = do_all(store, job)
    assert settled(job, shares, now()).status is JobStatus.DONE


@pytest.mark.parametrize("number", [errno.EHOSTDOWN, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EACCES])
def test_a_source_that_goes_away_during_a_share_is_waited_for(
    store: Store, pictures: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = queue(store, pictures)
    do(store, job, LISTING)
    with monkeypatch.context() as patched:
        readable_for(patched, reads=2, error=OSError(number, os.strerror(number)), lists=False)
        with pytest.raises(TransientError, match="away for a while"):
            do(store, job, 2)
    left = store.share(job.job_id, 2)
    assert left is not None
    assert (left.status, left.attempts) == (ShareStatus.WAITING, 0)
    assert (taken := do(store, job, 2)) is not None
    assert taken.result["pictures"] == 3


def test_a_share_none_of_which_can_be_read_fails_and_may_be_retried(
    store: Store, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue(store, pictures)
    do(store, job, LISTING)
    with monkeypatch.context() as patched:
        readable_for(patched, reads=0, error=OSError(errno.EIO, "Input/output error"), lists=True)
        failed = do(store, job, 2)
    assert failed is not None
    assert (failed.status, "Is it mounted there?" in failed.message) == (ShareStatus.FAILED, True)


def test_a_share_whose_only_picture_is_damaged_is_done(store: Store, folder: Path) -> None:
    content = draw(folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(content[:60] + bytes(100) + content[160:])
    job = queue(store, folder)
    shares = do_all(store, job)
    assert (shares[1].status, shares[1].result["reasons"]) == (ShareStatus.DONE, {"unreadable": 1})


def readable_for(patched: pytest.MonkeyPatch, *, reads: int, error: OSError, lists: bool) -> None:
    """The source answers so many reads; then each fails, and unless it `lists`, so does looking for what is in it."""
    really, scandir = FolderSource.read, os.scandir
    left = reads

    def read(source: FolderSource, file: SourceFile, *, limit: int) -> Content:
        nonlocal left
        left -= 1
        if left < 0:
            patched.setattr("ingest.sources.folder.os.fstat", failing)
        return really(source, file, limit=limit)

    def failing(*args: Any) -> Any:
        raise error

    patched.setattr(FolderSource, "read", read)
    patched.setattr("ingest.sources.folder.os.scandir", scandir if lists else failing)


def test_a_listing_that_fails_fails_the_job(store: Store, pictures: Path) -> None:
    job = queue(store, pictures)
    pictures.rename(pictures.with_name("away"))
    do(store, job, LISTING)
    done = settled(job, store.shares(job.job_id), now())
    assert done.status is JobStatus.FAILED
    assert done.message.startswith("The listing failed: The ingest-worker on")


def test_a_folder_that_is_not_there_is_named_before_anything_is_queued(store: Store, folder: Path) -> None:
    with pytest.raises(NotFoundError):
        queue(store, folder / "absent")
    assert store.unfinished_jobs() == ()


def test_a_paused_job_begins_no_share(store: Store, pictures: Path) -> None:
    job = queue(store, pictures)
    do(store, job, LISTING)
    store.set_wish(job.job_id, JobWish.PAUSE)
    assert do(store, job, 1) is None
    store.set_wish(job.job_id, JobWish.NONE)
    share = do(store, job, 1)
    assert share is not None
    assert share.status is ShareStatus.DONE


def test_another_worker_at_a_share_is_left_alone(store: Store, pictures: Path) -> None:
    job = queue(store, pictures)
    store.acquire_lease(lease_of(job.job_id, LISTING), owner="another", seconds=60, now=now())
    with pytest.raises(LeaseBusyError):
        do(store, job, LISTING)


def test_a_worker_that_lost_its_lease_stops_writing(store: Store, pictures: Path, monkeypatch: Any) -> None:
    job = queue(store, pictures)
    do(store, job, LISTING)
    monkeypatch.setattr("personas.lease.Lease.require", lost)
    with pytest.raises(LeaseLostError):
        do(store, job, 1)
    share = store.share(job.job_id, 1)
    assert share is not None
    assert share.status is ShareStatus.WAITING


def lost(lease: Lease) -> None:
    raise LeaseLostError("lost")


def test_an_unknown_job_is_told(store: Store, folder: Path) -> None:
    with pytest.raises(NotFoundError, match="no ingest"):
        do_ingest_share(store=store, job_id="absent", number=1, clock=now)


def test_all_that_was_rejected_can_be_had_and_the_rows_stay_small(store: Store, folder: Path, settings: Any) -> None:
    settings.INGEST_SHARE_PICTURES = 500
    for number in range(30):
        (folder / f"{number:02}{'x' * 200}.jpg").write_text("no picture")
    job = queue(store, folder)
    shares = do_all(store, job)
    assert max(len(share.result["rejected"]) for share in shares) == SHOWN_A_SHARE
    assert [each.path[:2] for each in rejected_by(store, job)] == [f"{number:02}" for number in range(30)]
    done = settled(job, shares, now())
    assert (done.status, done.detail["n_rejected"], done.detail["reasons"]) == (
        JobStatus.DONE,
        30,
        {"not_a_picture": 30},
    )


def test_what_anybody_may_write_does_not_make_rows_large(store: Store, folder: Path, settings: Any) -> None:
    settings.INGEST_SHARE_PICTURES = 500
    for number in range(60):
        sidecar(draw(folder / f"{number:02}.png", [], shade=60 + number), category=f"{number:02}" + "x" * 98)
    (folder / ("y" * 250)).write_text("no picture")
    long_way = folder.joinpath(*["z" * 200] * 4, "a.jpg")
    long_way.parent.mkdir(parents=True)
    long_way.write_text("no picture")
    job = queue(store, folder)
    done = settled(job, do_all(store, job), now())
    assert len(done.detail["categories"]) == MAX_CATEGORIES
    assert max(len(each["path"]) for each in done.detail["rejected"]) == SHOWN_CHARACTERS
    assert sorted(len(each.path) for each in rejected_by(store, job)) == [250, 809]


# ---- killed at any write ---------------------------------------------------------------------------------------------
class Killed(BaseException):
    """Nothing that the product catches."""


def dying(store: Store, dies_at: int, made: bool, writes: set[str] = WRITES) -> Any:
    """The store until its n-th write."""
    left = dies_at

    class Dying:
        def __getattr__(self, name: str) -> Any:
            method = getattr(store, name)
            if name not in writes:
                return method

            def write(*args: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0 and not made:
                    raise Killed
                result = method(*args, **options)
                if left == 0:
                    raise Killed
                return result

            return write

    return Dying()


def test_killed_at_any_write_the_next_workers_end_in_the_same_state(
    store: Store, pictures: Path, ingest: Ingest
) -> None:
    ingest()
    expected, hashed = state_of(store), state_hash(store).state_hash
    deaths = 0
    for made in (False, True):
        for dies_at in itertools.count(1, 3):
            empty(store)
            job = queue(store, pictures)
            mortal = dying(store, dies_at, made)
            try:
                do_all(mortal, job)
                break
            except Killed:
                deaths += 1
            shares = do_all(store, job)
            assert state_of(store) == expected, f"write {dies_at}, made: {made}"
            assert state_hash(store).state_hash == hashed
            assert settled(job, shares, now()).status is JobStatus.DONE
            assert settled(job, shares, now()).done == 13
    assert deaths > 20


def test_a_worker_that_is_told_to_end_hands_its_part_back(
    store: Store, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue(store, pictures)
    do(store, job, LISTING)
    stopping = Watchdog()
    stopping.stop_within(8)
    with monkeypatch.context() as patched:
        patched.setattr("ingest.shares.WATCHDOG", stopping)
        with pytest.raises(TransientError, match="told to end"):
            do(store, job, 1)
    (share,) = [share for share in store.shares(job.job_id) if share.number == 1]
    assert (share.status, share.attempts) == (ShareStatus.WAITING, 0)
    assert do(store, job, 1) is not None
