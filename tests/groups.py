"""Groups of unknown faces as a run would have left them, without comparing any faces."""

from __future__ import annotations

from collections.abc import Sequence

from personas.entities import INGEST, FaceKey, Job, JobStatus
from personas.face_arrays import FaceKeys
from personas.face_groups import FaceGroups
from personas.selectors.groups import GROUPS_JOB, GROUPS_KIND, groups_folder
from personas.store.base import Store
from tests import factories


def put_groups(store: Store, **groups: Sequence[FaceKey]) -> dict[str, str]:
    """Groups by a letter each, in this order; returns the id of each, and the "edition"."""
    ids = {letter: letter * 16 for letter in groups}
    file = FaceGroups.of(list(ids.values()), [FaceKeys.of(list(keys)) for keys in groups.values()])
    edition = groups_folder().put(file.to_bytes())
    champion = store.champion()
    last = store.job(GROUPS_JOB)
    store.put_job(
        Job(
            job_id=GROUPS_JOB,
            kind=GROUPS_KIND,
            status=JobStatus.DONE,
            created_at=factories.NOW,
            updated_at=factories.NOW,
            actor="grouping",
            detail={
                "of": [champion.revision if champion else 0, store.head(INGEST)],
                "file": edition,
                "run": (last.detail["run"] if last else 0) + 1,
                "n_groups": len(groups),
                "n_faces": len(file.faces),
            },
        )
    )
    return {**ids, "edition": edition}
