"""A store with something of everything, for tests of the whole API."""

from __future__ import annotations

from dataclasses import dataclass

from personas.crops import originals
from personas.entities import FaceKey, Job, JobStatus, Share, ShareStatus, Verdict
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, publish

ADA, BOB = "ada", "bob"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Of six faces Ada has one labelled, one rejected, three predicted; the last is unknown. Bob has none."""

    faces: list[FaceKey]
    jobs: tuple[str, ...]  #: one that failed, one that runs, one of the trainer's


def fill(store: Store) -> World:
    """Call it inside `tests.web.champions()`."""
    faces = add_pictures(store, 6)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, ADA, faces[0])
    factories.label(store, ADA, faces[1], verdict=Verdict.REJECTED)
    said = {key: (ADA, 0.9 - number / 10) for number, key in enumerate(faces[2:5])}
    publish(store, {})
    publish(store, said, replaced=1)
    jobs = (
        _job(store, "failed", "ingest", JobStatus.FAILED),
        _job(store, "running", "ingest", JobStatus.RUNNING),
        _job(store, "trainer", "train", JobStatus.RUNNING),
    )
    return World(faces=faces, jobs=jobs)


def _job(store: Store, job_id: str, kind: str, status: JobStatus) -> str:
    share = Share(job_id=job_id, number=0, status=ShareStatus.FAILED, updated_at=factories.NOW, message="It broke.")
    store.put_shares([share])
    store.put_job(
        Job(
            job_id=job_id,
            kind=kind,
            status=status,
            created_at=factories.NOW,
            updated_at=factories.NOW,
            actor="tester",
            done=1,
            total=2,
            detail={"per_second": 0.5},
        )
    )
    return job_id


def forget_original(key: FaceKey) -> None:
    """As if somebody had deleted the picture's file from the media folder."""
    originals().path(key.image_id).unlink()
