"""Erasing deleted pictures for good: rows, embeddings, files. What is left of one is its id and when it was erased.

A command that erases has two ends. Its first event says what goes: from then on nothing brings the pictures back.
Then everything is removed, in steps that may be done twice, and the event that closes the command takes the labels and
marks. Whatever a kill cut short is found by the marks that are left, and finished by whoever comes next.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta

from personas.entities import LABELS, ErasedImage, ImageStatus, NewEvent
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import Lease, held_lease
from personas.projection import COVER_CHOSEN, IMAGES_ALLOWED, IMAGES_ERASED, IMAGES_ERASING
from personas.selectors.erasing import ERASED_CURSOR, due_images, erased_words, is_marked, unfinished
from personas.services.commands import CommandUsedError, Fact, events_of_command, record_by_state, record_once
from personas.store.base import Store
from personas.store.paging import every

#: Held while pictures are removed: one process at a time.
ERASING_LEASE = "erasing"
#: Seconds that somebody who asks for it waits for another process that erases.
WAIT_SECONDS = 30.0
#: Pictures erased by one command of a sweep.
PICTURES_AT_ONCE = 500
#: Who a sweep is in the log.
SWEEP = "erasing"
#: The index of the event that says what goes; the one that closes the command has 0.
_BEGUN = 1

DropFiles = Callable[[Collection[str]], None]  #: originals and what was cut from them, by image_id
Clock = Callable[[], datetime]


class UnableToEraseError(FaceProjectError):
    """Pictures that cannot be erased, or not allowed again, as they stand."""


def begin_erasing(*, store: Store, image_ids: Collection[str], actor: str, at: datetime, command_id: str) -> int:
    """Say that deleted pictures go for good; `finish_erasing` removes them. Returns how many go.

    Raises NotFoundError, UnableToEraseError (not deleted, or restored meanwhile), CommandUsedError.
    """
    store.repair()
    known = events_of_command(store, command_id)
    if known:
        begun = known.get(_BEGUN)
        if begun is None or begun.kind != IMAGES_ERASING or not set(begun.payload["images"]) <= set(image_ids):
            raise CommandUsedError
        return len(begun.payload["images"])
    erased = store.erased_among(image_ids)
    going = sorted(set(image_ids) - erased.keys())
    if not going:
        raise NotFoundError(erased_words(list(erased.values())))
    images = store.images_by_id(going)
    if missing := set(going) - images.keys():
        raise NotFoundError(f"{len(missing)} of {len(going)} pictures do not exist (any more). Reload the page.")
    if any(image.status is not ImageStatus.DELETED for image in images.values()):
        raise UnableToEraseError("Only a picture that was deleted can be erased. Delete it first.")
    n_going = _begin(store, going, actor, at, command_id)
    if not n_going and (erased := store.erased_among(going)):
        raise NotFoundError(erased_words(list(erased.values())))
    if not n_going:
        raise UnableToEraseError("Somebody restored this at the same moment, so it is not erased. Look at it again.")
    return n_going


def _begin(store: Store, image_ids: Collection[str], actor: str, at: datetime, command_id: str) -> int:
    """Say what goes. What is not deleted (any more) when that is projected does not go."""
    payload = {"images": sorted(image_ids)}
    event = NewEvent(kind=IMAGES_ERASING, actor=actor, at=at, command_id=command_id, payload=payload, index=_BEGUN)
    store.record(LABELS, [event])
    return len(_going(store, event.payload["images"], command_id))


def _going(store: Store, image_ids: Collection[str], command_id: str) -> list[str]:
    """Those that this command erases; others were restored before it, or another command erases them."""
    return sorted(key for key, one in store.erased_among(image_ids).items() if one.command_id == command_id)


def finish_erasing(*, store: Store, drop_files: DropFiles, clock: Clock, wait_seconds: float = WAIT_SECONDS) -> int:
    """Remove everything of pictures that are to go; returns how many are gone now. Safe to repeat after a kill.

    Raises LeaseBusyError while another process is at it, and, when all others are gone, TransientError for a command
    one of whose pictures somebody is saving.
    """
    n_gone, failed = 0, None
    with held_lease(store, ERASING_LEASE, clock=clock, wait_seconds=wait_seconds) as lease:
        for command_id in sorted(set(unfinished(store).values())):
            try:
                n_gone += _finish(store, command_id, drop_files, lease)
            except TransientError as error:
                failed = failed or error
    if failed is not None:
        raise failed
    return n_gone


def _finish(store: Store, command_id: str, drop_files: DropFiles, lease: Lease) -> int:
    begun = events_of_command(store, command_id)[_BEGUN]
    going = _going(store, begun.payload["images"], command_id)
    lease.require()
    store.erase_images(going, actor=begun.actor, at=begun.at, command_id=command_id)
    drop_files(going)
    lease.require()
    closed = record_by_state(
        store=store,
        command_id=command_id,
        actor=begun.actor,
        at=begun.at,
        facts=list(_covers_gone(store, set(going))),
        closing=Fact(IMAGES_ERASED, {"images": going}),
        known=_BEGUN + 1,
    )
    store.advance_cursor(ERASED_CURSOR, closed[-1].seq)
    return len(going)


def _covers_gone(store: Store, image_ids: Collection[str]) -> Iterator[Fact]:
    for persona in every(lambda cursor: store.personas(cursor=cursor, limit=1000)):
        if persona.cover is not None and persona.cover.image_id in image_ids:
            yield Fact(COVER_CHOSEN, {"persona_id": persona.persona_id, "cover": None, "before": list(persona.cover)})


def erase_due(
    *, store: Store, kept: timedelta, actor: str, clock: Clock, drop_files: DropFiles, wait_seconds: float = 0.0
) -> int:
    """Erase every picture that was deleted longer ago than `kept`, and finish what was begun; returns how many went.

    Raises as `finish_erasing`.
    """
    at = clock()
    due = list(due_images(store, deleted_before=at - kept))
    for start in range(0, len(due), PICTURES_AT_ONCE):
        some = due[start : start + PICTURES_AT_ONCE]
        _begin(store, some, actor, at, str(uuid.uuid4()))  # also a mark that is all there is of a picture
    return finish_erasing(store=store, drop_files=drop_files, clock=clock, wait_seconds=wait_seconds)


def allow_images(
    *, store: Store, image_ids: Sequence[str], actor: str, at: datetime, command_id: str
) -> tuple[ErasedImage, ...]:
    """Let the bytes of erased pictures be taken in again; returns what was known of them.

    Raises NotFoundError (never erased), UnableToEraseError (not gone yet), CommandUsedError.
    """
    wanted = sorted(set(image_ids))
    facts = [Fact(IMAGES_ALLOWED, {"images": wanted})]
    erased = store.erased_among(wanted)
    if not events_of_command(store, command_id):
        if missing := set(wanted) - erased.keys():
            raise NotFoundError(f"{min(missing)} was not erased; it can be taken in as it is.")
        if any(is_marked(store, image_id) for image_id in wanted):
            raise UnableToEraseError("This picture is being erased right now; try again in a moment.")
    record_once(store=store, command_id=command_id, actor=actor, at=at, facts=facts)
    return tuple(erased[image_id] for image_id in sorted(erased))
