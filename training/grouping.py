"""Grouping the faces that nobody claims: which of them show the same person, so that a name names them all.

Follows the champion and the ingest events. One run at a time, under the lease of its job; it gives way to learning,
which people wait for. The outcome is a file named by its content, and its name in the job's record; a run that ends in
the middle leaves the groups as they were.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from personas.entities import INGEST, LABELS, FaceKey, Job, JobStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.face_arrays import FaceKeys
from personas.face_groups import FaceGroups, GroupsCorruptError
from personas.lease import Lease, LeaseLostError, held_lease
from personas.media import MediaFolder, MediaMissingError
from personas.selectors.groups import GROUPS_JOB, GROUPS_KIND
from personas.selectors.learning import TRAINER_CURSOR
from personas.shares import MAX_ATTEMPTS, settling_lease
from personas.store.base import Store
from personas.words import count_of
from training.champion import recogniser_of
from training.clustering import cluster
from training.group_ids import group_ids
from training.matrix import EmbeddingMatrix, Rows
from training.promotion import Publisher
from training.scoring import score_matrix
from training.settled import Settled

logger = logging.getLogger(__name__)

#: Faces whose crop can be trusted less are not grouped: small and blurred faces resemble each other, whoever they are.
#: In data/groups, groups across pictures of different crowds fall from 30 to 2 at this.
LEAST_QUALITY = 0.4
#: Faces read from the store at a time.
FACES_AT_ONCE = 5000
#: Between two looks at the store while faces are compared: is learning waiting, who holds the lease, how far are we.
LOOK_SECONDS = 0.5
#: Groups of earlier runs are kept this long, for pages that show them.
KEEP_SECONDS = 24 * 3600.0


class PutOffError(FaceProjectError):
    """Learning goes first."""


@dataclass(frozen=True, slots=True)
class Grouper:
    """Groups the unclaimed faces of one installation."""

    publisher: Publisher

    @property
    def store(self) -> Store:
        return self.publisher.store

    def group(self, *, actor: str) -> str:
        """Group what nobody claims, unless that was done already; returns a sentence that says what came of it.

        Raises LeaseBusyError while another worker is at it.
        """
        with held_lease(self.store, settling_lease(GROUPS_JOB), clock=self.publisher.clock) as lease:
            champion = self.store.champion()
            of = [champion.revision if champion else 0, self.store.head(INGEST)]
            job = self._begin(of, actor)
            if job is None:
                return "Nothing new to group."
            try:
                return self._group(job, lease)
            except LeaseLostError:
                raise  # the job is somebody else's now
            except (PutOffError, TransientError) as error:
                with suppress(TransientError):
                    self._put(job, JobStatus.QUEUED, str(error), attempts=0)
                if isinstance(error, TransientError):
                    raise
                return str(error)
            except Exception as error:
                self._put(
                    job, JobStatus.FAILED, str(error) if isinstance(error, FaceProjectError) else type(error).__name__
                )
                raise

    def _begin(self, of: list[int], actor: str) -> Job | None:
        """The job's record of a run that begins; None: there is nothing to do. of: what the groups are made from.

        Raises SetAsideError when runs of the same ended their process again and again, unless somebody asks anew.
        """
        last = self.store.job(GROUPS_JOB)
        asked = last is not None and last.status is JobStatus.QUEUED
        detail = dict(last.detail) if last else {}
        if last is not None and last.status.ended and detail.get("of") == of:
            return None
        cut_short = last is not None and last.status is JobStatus.RUNNING and detail.get("of") == of
        attempts = int(detail.get("attempts", 0)) if cut_short else 0
        now = self.publisher.clock()
        job = Job(
            job_id=GROUPS_JOB,
            kind=GROUPS_KIND,
            status=JobStatus.RUNNING,
            created_at=now,
            updated_at=now,
            actor=last.actor if last is not None and asked else actor,
            message="looking for unknown people",
            detail={**detail, "of": of, "attempts": attempts + 1},
        )
        if attempts >= MAX_ATTEMPTS:
            why = (
                f"Grouping was begun {attempts} times and ended its worker each time. It is tried again when there are "
                "new pictures or a new version, or when you retry it."
            )
            self.store.put_job(replace(job, status=JobStatus.FAILED, message=why))
            return None
        self.store.put_job(job)
        return job

    def _group(self, job: Job, lease: Lease) -> str:
        began = time.monotonic()
        groups, n_faces = self._groups(job, lease)
        earlier = self._earlier(job)
        named = FaceGroups.of(group_ids(groups, earlier), groups)
        folder = self._folder()
        lease.require()
        file = folder.put(named.to_bytes())
        found = {
            "file": file,
            "run": int(job.detail.get("run", 0)) + 1,
            "seconds": round(time.monotonic() - began, 1),
            "n_groups": len(named),
            "n_faces": len(named.faces),
            "attempts": 0,
        }
        sentence = f"{count_of(len(named), 'group')} among {count_of(n_faces, 'clear face')} that nobody claims."
        self._put(replace(job, detail={**job.detail, **found}), JobStatus.DONE, sentence)
        self._drop_old(folder, keep=file)
        return sentence

    def _groups(self, job: Job, lease: Lease) -> tuple[list[FaceKeys], int]:
        """Groups of what nobody claims, and how many faces were compared."""
        said_through = self.store.head(LABELS)
        try:
            matrix = self.publisher.open_matrix(self._embedder())
        except NotFoundError:  # pictures without faces
            return [], 0
        rows = self._unclaimed(matrix, said_through)
        looked = time.monotonic()

        def on_progress(done: int) -> None:
            nonlocal looked
            if time.monotonic() - looked < LOOK_SECONDS:
                return
            looked = time.monotonic()
            lease.require()
            if self.store.head(LABELS) > max(said_through, self.store.cursor(TRAINER_CURSOR)):
                raise PutOffError("Grouping waits until the new labels are learnt.")
            moved = replace(job, done=done, total=len(rows), updated_at=self.publisher.clock())
            self.store.put_job(replace(moved, message="comparing unknown faces"))

        keys = matrix.face_keys(rows)
        groups = cluster(keys, np.asarray(matrix.vectors[rows]), on_progress=on_progress)
        return [FaceKeys(keys.packed[members]) for members in groups], len(rows)

    def _embedder(self) -> str:
        """The champion's, for its claims are what counts; before the first version the newest."""
        champion = self.store.champion()
        version = self.store.model_version(champion.version) if champion else None
        return version.embedder if version else self.publisher.newest_embedder()

    def _unclaimed(self, matrix: EmbeddingMatrix, said_through: int) -> Rows:
        """Rows of the faces that no human named, that the champion does not name, and that are clear enough."""
        rows = matrix.through(matrix.through_seq)
        settled = Settled.of(self.store.all_labels(), said_through=said_through)
        champion = self.store.champion()
        version = self.store.model_version(champion.version) if champion else None
        excluded = [settled.named.packed, FaceKeys.of(list(self._unclear())).packed]
        if version is not None:
            scores = score_matrix(recogniser_of(version, self.publisher.media_root), matrix, rows=rows, settled=settled)
            excluded.append(scores.predicted.faces.face_keys.packed)
        claimed = FaceKeys(np.concatenate(excluded))
        ordered = FaceKeys(claimed.packed[np.argsort(claimed.texts())])
        return rows[~matrix.among(ordered, rows=rows)]

    def _unclear(self) -> Iterator[FaceKey]:
        cursor: str | None = None
        while True:
            page = self.store.faces(cursor=cursor, limit=FACES_AT_ONCE)
            yield from (face.key for face in page.items if face.quality < LEAST_QUALITY)
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def _earlier(self, job: Job) -> FaceGroups:
        """Those of the last run; none where its file is lost: then the groups get new ids."""
        try:
            return FaceGroups.from_bytes(self._folder().read(str(job.detail["file"])))
        except (KeyError, MediaMissingError, GroupsCorruptError):
            return FaceGroups.of([], [])

    def _folder(self) -> MediaFolder:
        return MediaFolder(self.publisher.media_root, "groups")

    def _drop_old(self, folder: MediaFolder, *, keep: str) -> None:
        oldest = self.publisher.clock().timestamp() - KEEP_SECONDS
        for path in folder.folder.glob("*/*"):
            if path.name != keep and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _put(self, job: Job, status: JobStatus, message: str, **detail: object) -> None:
        now = self.publisher.clock()
        self.store.put_job(
            replace(job, status=status, message=message, updated_at=now, detail={**job.detail, **detail})
        )
