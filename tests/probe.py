"""Questions to the state of an installation: `python -m tests.probe` in the environment of the installation.

One process that stays: conditions that tests wait for are asked ten times a second, and a command a question would
spend the machine on starting Python. It reads one JSON object a line, `{"ask": name, "with": {…}}`, and answers with
`{"answer": …}` or `{"error": …}`. It writes nothing to the store.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import django

from personas.entities import INGEST, LABELS, FaceKey, Job, ModelVersion
from personas.store.base import Store

#: Name in the log -> questions.
_ANSWERS: dict[str, Callable[..., Any]] = {}


def _question(answer: Callable[..., Any]) -> Callable[..., Any]:
    _ANSWERS[answer.__name__] = answer
    return answer


@_question
def progress(store: Store) -> dict[str, Any]:
    """How far the logs have come, and their followers."""
    from personas.selectors.learning import TRAINER_CURSOR

    champion = store.champion()
    return {
        "said": store.head(LABELS),
        "learnt": store.cursor(TRAINER_CURSOR),
        "ingested": store.head(INGEST),
        "scored": store.fresh_through(champion.version) if champion else None,
        "champion": champion.version if champion else None,
        "revision": champion.revision if champion else 0,
        "unfinished": [_job(job) for job in store.unfinished_jobs()],
    }


@_question
def images(store: Store) -> dict[str, int]:
    return store.count_images()


@_question
def jobs(store: Store) -> list[dict[str, Any]]:
    from personas.store.paging import every

    return [_job(job) for job in every(lambda cursor: store.jobs(cursor=cursor))]


@_question
def job(store: Store, job_id: str) -> dict[str, Any] | None:
    found = store.job(job_id)
    return _job(found) if found else None


@_question
def shares(store: Store, job_id: str) -> list[dict[str, Any]]:
    return [
        {"number": share.number, "status": share.status.value, "attempts": share.attempts, "message": share.message}
        for share in store.shares(job_id)
    ]


@_question
def faces(store: Store, names: list[str]) -> dict[str, list[str]]:
    """Face keys of the pictures known under these names; pictures that are not in yet are left out."""
    found = {name: paths[0].image_id for name, paths in store.find_paths_many(names).items() if paths}
    known = store.faces_of(set(found.values()))
    return {name: [str(face.key) for face in known.get(image_id, ())] for name, image_id in found.items()}


@_question
def applied(store: Store, names: list[str]) -> list[str]:
    """Those of the pictures whose sidecars were applied."""
    return [name for name, paths in store.find_paths_many(names).items() if paths and paths[0].sidecar]


@_question
def labels(store: Store, faces: list[str]) -> dict[str, list[tuple[str, bool]]]:
    """(persona, belongs) of each face that something was said of."""
    keys = {FaceKey.parse(face) for face in faces}
    said = store.labels_of_images({key.image_id for key in keys})
    return {str(key): [(each.persona_id, each.belongs) for each in said[key]] for key in keys if key in said}


@_question
def personas(store: Store) -> dict[str, str]:
    """Ids by name."""
    from personas.store.paging import every

    return {persona.name: persona.persona_id for persona in every(lambda cursor: store.personas(cursor=cursor))}


@_question
def ranked(store: Store, persona_id: str) -> list[tuple[str, float]]:
    """Whom the champion predicts, as its pages have it: first those ranked at its publication, then the fresh."""
    from personas.entities import RankedKind

    champion = store.champion()
    if champion is None:
        return []
    published = store.ranked(champion.version, persona_id, RankedKind.PREDICTED, limit=10_000)
    fresh = store.fresh(champion.version, persona_id, limit=10_000)
    return [(str(face.key), face.probability) for face in (*published, *fresh)]


@_question
def events(store: Store, stream: str) -> list[dict[str, Any]]:
    """The whole stream."""
    return [
        {"seq": event.seq, "event_id": event.event_id, "command_id": event.command_id, "kind": event.kind}
        for event in _events(store, stream)
    ]


def _events(store: Store, stream: str) -> Iterator[Any]:
    after = 0
    while batch := store.events(stream, after=after):
        yield from batch
        after = batch[-1].seq


@_question
def versions(store: Store) -> list[dict[str, Any]]:
    """Oldest first."""
    found: list[ModelVersion] = []
    for number in count(1):
        version = store.model_version(number)
        if version is None:
            break
        found.append(version)
    return [
        {
            "version": each.version,
            "status": each.status.value,
            "label_seq": each.label_seq,
            "data_hash": each.data_hash,
            "artefact": each.artefact,
            "replaced": each.replaced,
            "reasons": list(each.reasons),
        }
        for each in found
    ]


@_question
def audits(store: Store) -> list[dict[str, Any]]:
    """Oldest first."""
    from personas.store.paging import every

    entries = list(every(lambda cursor: store.audits(cursor=cursor)))
    return [{"action": entry.action, "target": entry.target, "detail": dict(entry.detail)} for entry in entries[::-1]]


@_question
def state(store: Store) -> dict[str, Any]:
    """The state hash, with its sections."""
    from personas.state_hash import state_hash

    hashed = state_hash(store)
    return {"state_hash": hashed.state_hash, "counts": hashed.counts, "sections": hashed.sections}


def _job(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "kind": job.kind,
        "status": job.status.value,
        "done": job.done,
        "total": job.total,
        "message": job.message,
        "detail": dict(job.detail),
        "seconds": (job.updated_at - job.created_at).total_seconds(),
    }


def _answer(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": _ANSWERS[asked["ask"]](store, **asked["with"])}
    except Exception as error:  # noqa: BLE001  whoever asked decides whether it may pass
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    django.setup()
    from django.db import close_old_connections

    from personas.store import get_store

    for line in sys.stdin:
        close_old_connections()
        print(json.dumps(_answer(get_store(), json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
