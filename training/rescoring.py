"""Scoring every face with a new version, in shares that all trainer-workers do together.

A share is a range of buckets: the bucket of a picture is the same on every machine, the rows of a matrix are not. Each
worker scores the faces of its buckets from its own matrix and leaves a file; the trainer, which holds the trainer lease
and does shares itself meanwhile, puts the files together. What is said of a face does not depend on the faces scored
beside it (see `training.gallery.GRID`), so the result is the same, bit for bit, as that of one process alone.
"""

from __future__ import annotations

import io
import logging
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from personas.entities import Job, JobStatus, Share, ShareStatus
from personas.errors import FaceProjectError, TransientError
from personas.face_arrays import FaceKeys, RankedFaces
from personas.lease import Lease, LeaseBusyError, LeaseLostError
from personas.media import MediaFolder, MediaMissingError
from personas.shares import MAX_ATTEMPTS, do_share, n_done, wait_again, waiting
from personas.store.base import Store
from training.champion import recogniser_from
from training.matrix import EmbeddingMatrix, Rows
from training.publication import Inputs
from training.scoring import Claimed, Scores, score_matrix
from training.settled import Settled

logger = logging.getLogger(__name__)

#: Kind of the job.
RESCORE = "rescore"
#: Folder of results below MEDIA_ROOT; one folder a job in it.
SHARES = "shares"
#: Between two looks while other workers are at the last shares.
POLL_SECONDS = 0.2


class RescoreFailedError(FaceProjectError):
    """Some faces could not be scored, so the version cannot be published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescoring:
    """What workers and trainer need to score a version together."""

    store: Store
    media_root: Path
    open_matrix: Callable[[str], EmbeddingMatrix]
    clock: Callable[[], datetime]

    # ---- the trainer's side ------------------------------------------------------------------------------------------

    def score(
        self,
        inputs: Inputs,
        matrix: EmbeddingMatrix,
        rows: Rows,
        lease: Lease,
        *,
        share_faces: int,
        actor: str,
        asked: bool,
        on_progress: Callable[[int, int], None],
    ) -> Scores:
        """Score these rows of the matrix, shared with whoever helps. Shares that are done already are not done again.

        asked: by a person, so begin shares anew that ended their workers too often. Raises RescoreFailedError when one
        did, LeaseLostError when the trainer lease is lost.
        """
        job = self._job(inputs, matrix, rows, lease, share_faces=share_faces, actor=actor, asked=asked)

        def report(done: int) -> None:
            lease.require()
            self.store.put_job(replace(job, done=done, updated_at=self.clock()))
            on_progress(done, job.total)

        try:
            while True:
                shares = self._all_done(job, lease, report)
                results = [(share, self._result(share)) for share in shares]
                lost = [share for share, scores in results if scores is None]
                if not lost:
                    return Scores.joined([scores for _, scores in results if scores is not None])
                logger.warning("results of shares are not there", extra={"job": job.job_id, "shares": len(lost)})
                self._wait_again(lost)
        except RescoreFailedError as error:
            self._end(job, JobStatus.FAILED, str(error))
            raise

    def finish(self, inputs: Inputs) -> None:
        """After the pages are written: the job is done, and its files are not needed any more."""
        job = self.store.job(job_id_of(inputs))
        if job is not None and not job.status.ended:
            message = f"Version {inputs.version} has scored {job.total:,} faces."
            self._end(replace(job, done=job.total), JobStatus.DONE, message)
        shutil.rmtree(self.media_root / SHARES, ignore_errors=True)  # of attempts that were given up, too

    def give_up_others(self, inputs: Inputs | None, lease: Lease) -> None:
        """End jobs of versions that are not published any more, so that nobody works for them.

        Raises LeaseLostError: the job may be what the new holder is at.
        """
        for job in self.store.unfinished_jobs():
            if job.kind == RESCORE and (inputs is None or job.job_id != job_id_of(inputs)):
                lease.require()
                self._end(job, JobStatus.FAILED, "This publication was given up; a later one takes its place.")

    def _job(
        self,
        inputs: Inputs,
        matrix: EmbeddingMatrix,
        rows: Rows,
        lease: Lease,
        *,
        share_faces: int,
        actor: str,
        asked: bool,
    ) -> Job:
        """The job of these inputs, as a killed attempt left it or new."""
        job = self.store.job(job_id_of(inputs))
        if job is not None and not job.status.ended:
            return job
        if job is not None and job.status is JobStatus.FAILED and not asked:
            raise RescoreFailedError(job.message)
        lease.require()
        now = self.clock()
        left = self.store.shares(job.job_id) if job is not None and job.status is JobStatus.FAILED else ()
        if job is not None and left:  # of one that failed long ago, none: it begins anew
            wait_again(self.store, left, at=now)
            job = replace(job, status=JobStatus.RUNNING, updated_at=now, message="")
        else:
            shares = shares_of(inputs, matrix, rows, self.store.layout().n_buckets, share_faces=share_faces, at=now)
            self.store.put_shares(shares)
            job = Job(
                job_id=job_id_of(inputs),
                kind=RESCORE,
                status=JobStatus.RUNNING,
                created_at=now,
                updated_at=now,
                actor=actor,
                total=len(rows),
                message=f"scoring faces with version {inputs.version}",
                detail={"version": inputs.version},
            )
        self.store.put_job(job)
        return job

    def _all_done(self, job: Job, lease: Lease, report: Callable[[int], None]) -> Sequence[Share]:
        """Do shares from the end, as others begin at the front, until none waits.

        Raises LeaseLostError also when the job was ended by somebody else: only a holder of the trainer lease does.
        """
        reported = -1
        while True:
            now = self.store.job(job.job_id)
            if now is None or now.status.ended:
                raise LeaseLostError("Somebody else ended this scoring; it is begun again if it is still wanted.")
            shares = self.store.shares(job.job_id)
            self._try_failed_again(shares)
            if n_done(shares) != reported:
                reported = n_done(shares)
                report(reported)
            lease.require()
            if all(share.status is ShareStatus.DONE for share in shares):
                return shares
            if not any(self._did(share) for share in reversed(waiting(shares))):
                time.sleep(POLL_SECONDS)

    def _did(self, share: Share) -> bool:
        try:
            return self.do_share(share.job_id, share.number) is not None
        except (LeaseBusyError, LeaseLostError):
            return False  # another worker is at it

    def _try_failed_again(self, shares: Sequence[Share]) -> None:
        """A worker that cannot do its share (no such folder there) must not end the publication: others may."""
        for share in shares:
            if share.status is ShareStatus.FAILED:
                if share.attempts >= MAX_ATTEMPTS:
                    raise RescoreFailedError(
                        f"{share.total:,} faces could not be scored: {share.message} "
                        "Have it tried again: `manage.py jobs retry trainer`, or `manage.py train`."
                    )
                logger.warning("a share failed and is tried again", extra={"job": share.job_id, "share": share.number})
                self._wait_again([share])

    def _wait_again(self, shares: Sequence[Share]) -> None:
        """With the attempts they had: three are enough for whatever keeps going wrong."""
        now = self.clock()
        self.store.put_shares([replace(share, status=ShareStatus.WAITING, updated_at=now) for share in shares])

    def _result(self, share: Share) -> Scores | None:
        """Of a share that is done; None when its file is lost or damaged (an .npz has checksums)."""
        results, sha256 = self._results(share.job_id), str(share.result["file"])
        try:
            return scores_from_bytes(results.read(sha256))
        except MediaMissingError:
            return None
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError):
            results.drop(sha256)
            return None

    def _end(self, job: Job, status: JobStatus, message: str) -> None:
        self.store.put_job(replace(job, status=status, message=message, updated_at=self.clock()))

    # ---- every worker's side -----------------------------------------------------------------------------------------

    def do_share(self, job_id: str, number: int) -> Share | None:
        """Do a waiting share; see `personas.shares.do_share`."""
        return do_share(self.store, job_id, number, do=self._score_share, clock=self.clock)

    def _score_share(self, share: Share, lease: Lease) -> Mapping[str, Any]:
        inputs, (first, last), n_buckets = (
            Inputs(**share.work["inputs"]),
            share.work["buckets"],
            share.work["n_buckets"],
        )
        settled = Settled.from_bytes(MediaFolder(self.media_root, "settled").read(inputs.settled))
        recogniser = recogniser_from(inputs.version, inputs.embedder, inputs.artefact, self.media_root)
        matrix = self.open_matrix(inputs.embedder)
        if matrix.through_seq < inputs.through_seq:
            raise TransientError("This worker's copy of the embeddings is behind; another one goes on.")
        rows = matrix.in_buckets(first, last, n_buckets, through=inputs.through_seq)
        scores = score_matrix(recogniser, matrix, rows=rows, settled=settled)
        lease.require()
        return {"file": self._results(share.job_id).put(scores_to_bytes(scores)), "n_faces": len(rows)}

    def _results(self, job_id: str) -> MediaFolder:
        return MediaFolder(self.media_root / SHARES, job_id)


def job_id_of(inputs: Inputs) -> str:
    """The same inputs, the same job: whoever comes after a killed trainer finds what is done."""
    return f"{RESCORE}-{inputs.version}-{inputs.digest()[:12]}"


def shares_of(
    inputs: Inputs, matrix: EmbeddingMatrix, rows: Rows, n_buckets: int, *, share_faces: int, at: datetime
) -> list[Share]:
    """Equal ranges of buckets, of about `share_faces` faces each."""
    n_shares = min(max(-(-len(rows) // max(share_faces, 1)), 1), n_buckets)
    bounds = np.linspace(0, n_buckets, n_shares + 1).astype(np.int64)
    in_bucket = np.bincount(matrix.buckets(n_buckets)[rows], minlength=n_buckets)
    described = {field: getattr(inputs, field) for field in inputs.__dataclass_fields__}
    return [
        Share(
            job_id=job_id_of(inputs),
            number=number,
            status=ShareStatus.WAITING,
            updated_at=at,
            total=int(in_bucket[first:last].sum()),
            work={"inputs": described, "buckets": [first, last], "n_buckets": n_buckets},
        )
        for number, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    ]


def scores_to_bytes(scores: Scores) -> bytes:
    """An .npz without pickle; the same scores give the same bytes."""
    packed = io.BytesIO()
    members: dict[str, Any] = {}
    for name, claimed in (("predicted", scores.predicted), ("review", scores.review)):
        members[f"{name}_persona"] = claimed.persona
        members[f"{name}_keys"] = claimed.faces.face_keys.packed
        members[f"{name}_probability"] = claimed.faces.probabilities
    np.savez(packed, allow_pickle=False, **members)
    return packed.getvalue()


def scores_from_bytes(content: bytes) -> Scores:
    """Inverse of `scores_to_bytes`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as members:
        predicted, review = (
            Claimed(
                persona=members[f"{name}_persona"],
                faces=RankedFaces(FaceKeys(members[f"{name}_keys"]), members[f"{name}_probability"]),
            )
            for name in ("predicted", "review")
        )
    return Scores(predicted=predicted, review=review)
