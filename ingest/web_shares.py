"""Ingest of a list of web addresses in shares, as of a folder (`ingest.shares`).

The first share looks at the addresses of the list, some at a time, and writes a share for every few pictures found
there; the others fetch and take in. Both may be done again: what was taken in is known by its address, and its server
is only asked whether it has changed.
"""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from ingest.job_files import manifests_of
from ingest.known_paths import KnownAmong, known_among
from ingest.manifest import pack, unpack
from ingest.pipeline import IngestRun
from ingest.rejections import TOO_MANY_PICTURES, Rejection
from ingest.report import rejected_in, report_of, result_of
from ingest.services import work_order
from ingest.sources.base import SourcePicture
from ingest.sources.web import WEB, FetchedFolder, WebSource, listed_as, looked_at
from ingest.uploads import receiving_folder
from ingest.warm import warm_pool
from ingest.web.addresses import Address, lines_of, mixed, redacted
from ingest.web.crawler import MAX_PICTURES_A_PAGE, Crawler, CrawlRules
from ingest.web.networks import Networks, resolve
from ingest.web.turns import StoreTurns
from personas.entities import Job, JobStatus, Share, ShareStatus
from personas.errors import FaceProjectError, TransientError
from personas.lease import Lease
from personas.media import MediaFolder
from personas.patience import patiently
from personas.store.base import Store
from personas.watchdog import WATCHDOG

#: Where a job's detail names the file with its list of addresses.
ADDRESSES: Final = "addresses"
#: Addresses in one list.
MAX_ADDRESSES = 10_000
#: Addresses looked at, and pictures fetched, in one go: with a minute between two requests, half an hour.
LOOKED_AT_ONCE, SHARE_PICTURES = 25, 25
#: Part of the time limit after which looking at a list goes on in another task.
TURN: Final = 0.5


class UnableToFetchError(FaceProjectError):
    """A list of addresses that cannot be taken, as a whole."""


def queue_addresses(*, store: Store, text: str, actor: str, at: datetime, kind: str) -> Job:
    """Have the ingest-workers take in the pictures at a list of addresses, a line each. Raises UnableToFetchError."""
    lines = lines_of(text)
    if not lines:
        raise UnableToFetchError("The list holds no address. Give the address of a picture or a page, one a line.")
    if len(lines) > MAX_ADDRESSES:
        raise UnableToFetchError(f"A list may hold {MAX_ADDRESSES:,} addresses; this one has {len(lines):,}. Split it.")
    content = gzip.compress("\n".join(lines).encode(), mtime=0)
    detail = {ADDRESSES: address_lists().put(content), "n_addresses": len(lines), "first": redacted(lines[0])[:200]}
    job = Job(
        job_id=str(uuid.uuid4()),
        kind=kind,
        status=JobStatus.QUEUED,
        created_at=at,
        updated_at=at,
        actor=actor,
        message="Waiting for an ingest-worker.",
        detail=detail,
    )
    patiently(store.put_shares, [Share(job_id=job.job_id, number=0, status=ShareStatus.WAITING, updated_at=at)])
    patiently(store.put_job, job)
    return job


def address_lists() -> MediaFolder:
    """Where lists lie as they were given. They stay: whoever gave one may have it read again at any time."""
    return MediaFolder(Path(settings.MEDIA_ROOT), "addresses")


def addresses_of(job: Job) -> str:
    """The list a job was made of, a line each. Raises MediaMissingError."""
    return gzip.decompress(address_lists().read(str(job.detail[ADDRESSES]))).decode()


def crawl_rules() -> CrawlRules:
    """What the settings say. Raises ValueError, which a system check says first."""
    return CrawlRules(
        user_agent=settings.CRAWLER_USER_AGENT,
        networks=Networks.of(allowed=settings.CRAWLER_ALLOWED_NETWORKS, ports=settings.CRAWLER_ALLOWED_PORTS),
        delay=settings.CRAWLER_DELAY_SECONDS,
        seconds=settings.CRAWLER_TIMEOUT_SECONDS,
        max_bytes=settings.MAX_IMAGE_BYTES,
        tls_ca=settings.CRAWLER_TLS_CA,
    )


def _crawler(store: Store, clock: Callable[[], datetime]) -> Crawler:
    return Crawler(crawl_rules(), turns=StoreTurns(store, clock=clock, pause=_pause), resolver=resolve, clock=clock)


def _pause(seconds: float) -> None:
    _require_time()
    time.sleep(seconds)


def _require_time() -> None:
    if WATCHDOG.stopping:
        raise TransientError("This worker was told to end; another one goes on with what it had in hand.")


# ---- looking ---------------------------------------------------------------------------------------------------------
def list_addresses(store: Store, job: Job, lease: Lease, clock: Callable[[], datetime]) -> Mapping[str, Any]:
    """Write shares for the pictures at each address, behind those whose pictures are in shares already.

    Raises TransientError when it is time to let go; the next turn goes on.
    """
    until = time.monotonic() + settings.TASK_LIMIT_SECONDS["ingest"] * TURN
    before = store.shares(job.job_id)[1:]
    n_looked = max((int(share.work["looked"]) for share in before), default=0)
    reports = [share.work.get("refused", {}) for share in before]
    refused = dict.fromkeys(each for report in reports for each in rejected_in(report, job_id=job.job_id))
    lines = addresses_of(job).splitlines()
    crawler, seen = _crawler(store, clock), _listed(before)
    number, n_pictures = len(before) + 1, sum(share.total for share in before)
    while n_looked < len(lines):
        some = lines[n_looked : n_looked + LOOKED_AT_ONCE]
        found, fresh = _pictures_at(some, crawler, end=store.close)
        new = [listed_as(address) for address in mixed(found) if address.path not in seen]
        seen.update(picture.file.path for picture in new)
        shares = _shares(job, number, new, at=clock(), looked=(n_looked, n_looked + len(some)), refused=fresh)
        lease.require()
        patiently(store.put_shares, shares)
        refused.update(fresh)
        number, n_pictures, n_looked = number + len(shares), n_pictures + len(new), n_looked + len(some)
        if n_looked < len(lines) and time.monotonic() >= until:
            raise TransientError("Looking at the addresses goes on in another turn.")
    return {"listed": n_pictures, **report_of(tuple(refused), job_id=job.job_id)}


def _listed(shares: Iterable[Share]) -> set[str]:
    """Paths that are in shares already."""
    contents = (manifests_of(share.job_id).read(str(share.work["manifest"])) for share in shares)
    return {each.file.path for content in contents for each in unpack(content)}


def _pictures_at(
    lines: Sequence[str], crawler: Crawler, *, end: Callable[[], None]
) -> tuple[list[Address], dict[Rejection, None]]:
    found: dict[Address, None] = {}
    refused: dict[Rejection, None] = {}
    for line, outcome in looked_at(lines, crawler, go_on=_require_time, end=end):
        if isinstance(outcome, Rejection):
            refused[outcome] = None
            continue
        found.update(dict.fromkeys(outcome[:MAX_PICTURES_A_PAGE]))
        if len(outcome) > MAX_PICTURES_A_PAGE:
            message = (
                f"The page has {len(outcome):,} pictures; the first {MAX_PICTURES_A_PAGE} are taken. "
                "List the others by their own addresses."
            )
            refused[Rejection(path=redacted(line), reason=TOO_MANY_PICTURES, message=message)] = None
    return list(found), refused


def _shares(
    job: Job,
    number: int,
    pictures: Sequence[SourcePicture],
    *,
    at: datetime,
    looked: tuple[int, int],
    refused: Mapping[Rejection, None],
) -> list[Share]:
    """Shares of these pictures; one at least, to say how far the list is. looked: addresses done before and with these.

    The last share alone says that all are done: a listing that is killed between them looks at these addresses again.
    """
    made: list[Share] = []
    for begin in range(0, max(len(pictures), 1), SHARE_PICTURES):
        some = pictures[begin : begin + SHARE_PICTURES]
        is_last = begin + SHARE_PICTURES >= len(pictures)
        work: dict[str, Any] = {
            "manifest": manifests_of(job.job_id).put(pack(some)),
            "last": some[-1].file.path if some else "",
            "looked": looked[is_last],
        }
        if is_last and refused:
            work["refused"] = report_of(tuple(refused), job_id=job.job_id)
        made.append(
            Share(
                job_id=job.job_id,
                number=number + len(made),
                status=ShareStatus.WAITING,
                updated_at=at,
                total=len(some),
                work=work,
            )
        )
    return made


# ---- taking in -------------------------------------------------------------------------------------------------------
def take_in_addresses(
    store: Store, job: Job, share: Share, lease: Lease, clock: Callable[[], datetime]
) -> Mapping[str, Any]:
    """Fetch the pictures of a share and take them in."""
    listed = unpack(manifests_of(job.job_id).read(str(share.work["manifest"])))
    fetched = FetchedFolder(folder=receiving_folder())

    def go_on(_: object = None) -> None:
        lease.require()
        _require_time()

    with warm_pool(work_order(fetched)) as pool:
        known = known_among(store, WEB, [each.file.path for each in listed], extractor=str(pool.tags()))
        source = WebSource(
            listed=listed,
            crawler=_crawler(store, clock),
            fetched=fetched,
            known=known,
            go_on=go_on,
            end=store.close,
        )
        with source:
            summary = IngestRun(
                store=store,
                source=source,
                pool=pool,
                actor=job.actor,
                clock=clock,
                progress=go_on,
                known=KnownAmong(known),
            ).run()
    return result_of(summary, job_id=job.job_id)
