"""`manage.py erase_deleted`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from personas.crops import drop_pictures
from personas.management.product_command import ProductCommand
from personas.selectors.erasing import due_images, unfinished
from personas.services.erasing import WAIT_SECONDS, allow_images, erase_due
from personas.services.labelling import new_command_id
from personas.store import get_store

ACTOR = "command"


class Command(ProductCommand):
    help = (
        "Erase deleted pictures for good, with their faces, embeddings, labels, originals and crops: those that were "
        "deleted longer ago than FACEPROJECT_DELETED_KEPT_DAYS, which the dispatcher does by itself, or as the options "
        "say. This cannot be undone. --forget lets the bytes of an erased picture be taken in again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="every deleted picture")
        which.add_argument("--older-than", type=float, metavar="DAYS", help="those deleted longer ago than this")
        which.add_argument(
            "--forget", action="append", default=[], metavar="IMAGE_ID", help="allow this erased picture again"
        )
        parser.add_argument("--dry-run", action="store_true", help="say how many would go, and change nothing")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        store, at = get_store(), timezone.now()
        if options["forget"]:
            if options["dry_run"]:
                raise CommandError("--dry-run is for erasing; leave it out.", returncode=2)
            allowed = allow_images(
                store=store, image_ids=options["forget"], actor=ACTOR, at=at, command_id=new_command_id()
            )
            return {"allowed": len(allowed)}
        days = 0 if options["all"] else options["older_than"]
        kept = timedelta(days=settings.DELETED_KEPT_DAYS if days is None else days)
        if options["dry_run"]:
            due = {*due_images(store, deleted_before=at - kept), *unfinished(store)}
            return {"would_erase": len(due)}
        n_gone = erase_due(
            store=store,
            kept=kept,
            actor=ACTOR,
            clock=timezone.now,
            drop_files=drop_pictures,
            wait_seconds=WAIT_SECONDS,
        )
        return {"erased": n_gone}

    def show(self, result: Mapping[str, Any]) -> None:
        said = {"erased": "erased for good", "would_erase": "would be erased", "allowed": "may be taken in again"}
        for name, n_pictures in result.items():
            self.stdout.write(f"{n_pictures} picture{'' if n_pictures == 1 else 's'} {said[name]}.")
