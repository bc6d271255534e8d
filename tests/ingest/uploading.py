"""Uploads, in short: what a browser sends, what receives it, what takes it in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.uploads import process_upload, receive_upload
from personas.entities import Job
from personas.store.base import Store
from tests.ingest.conftest import now


@dataclass(frozen=True)
class Sent:
    """A file as a browser sends it."""

    name: str | None
    content: bytes

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


def receive(store: Store, *files: Sent) -> Job:
    return receive_upload(store=store, files=files, actor="eve", at=now())


def process(store: Store, job: Job) -> Job:
    return process_upload(store=store, job_id=job.job_id, clock=now)


def tag(content: bytes) -> str:
    """By which files of one name are told apart in a path."""
    return hashlib.sha256(content).hexdigest()[:12]
