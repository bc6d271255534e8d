"""Files of a job, in one folder of its own: what its parts are to take in, and what they rejected.

`MEDIA_ROOT/jobs/JOB/manifests` and `…/reports` are content-addressed, so a part that is done again writes the file that
is there. No two jobs share a file: what one job needs no more can go without a look at any other.
"""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from django.conf import settings

from personas.media import MediaFolder


def job_folder(job_id: str) -> Path:
    """Where a job's files lie."""
    return Path(settings.MEDIA_ROOT) / "jobs" / job_id


def manifests_of(job_id: str) -> MediaFolder:
    """Where the lists of files of a job's parts lie (`ingest.manifest`)."""
    return MediaFolder(job_folder(job_id), "manifests")


def reports_of(job_id: str) -> MediaFolder:
    """Where full lists of what a job's parts rejected lie (`ingest.report`)."""
    return MediaFolder(job_folder(job_id), "reports")


def drop_job_files(job_id: str, *, most: int) -> bool:
    """Remove files of a job, `most` of them at most; returns whether all are gone. Raises OSError."""
    folder = job_folder(job_id)
    found = list(islice((path for path in folder.rglob("*") if not path.is_dir()), most + 1))
    for path in found[:most]:
        path.unlink(missing_ok=True)
    if len(found) > most:
        return False
    if folder.is_dir():
        shutil.rmtree(folder)
    return True
