"""Take in a folder of pictures, a share of Azure Files, or pictures of the web."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from personas.management.product_command import ProductCommand

#: Rejections shown to a reader; `--json` gives all.
SHOWN = 20


def _workers(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 256:
        raise argparse.ArgumentTypeError("between 0 and 256")
    return number


def _content(text: str) -> str:
    """What a file holds; "-" is standard input."""
    try:
        return sys.stdin.read() if text == "-" else Path(text).read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be read ({error.strerror})") from error


def _source(text: str) -> str:
    if not text.strip():  # "" would be the folder we stand in
        raise argparse.ArgumentTypeError("name a folder; . is the current one")
    return text


class Command(ProductCommand):
    help = (
        "Find the faces in the pictures of a folder or a share (recursively; abc.json beside abc.jpg says who it is), "
        "or in pictures of the web, and store them. Safe to stop at any moment and to run again. "
        "Exit code 3: done, but something was rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "source",
            type=_source,
            nargs="?",
            metavar="SOURCE",
            help="folder that holds pictures, or azurefiles://account/share/path",
        )
        parser.add_argument(
            "--urls",
            type=_content,
            metavar="FILE",
            help="instead: a list of addresses of pictures and of pages that show some, one a line (-: standard input)",
        )
        who = parser.add_mutually_exclusive_group()
        who.add_argument(
            "--workers", type=_workers, metavar="N", help="extraction processes (default: one a core; 0: in this one)"
        )
        who.add_argument(
            "--queue",
            action="store_true",
            help="have the running ingest-workers do it; they must see the folder at the same path",
        )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration.services import ingest_addresses, ingest_folder, queue_folder, queue_web

        if (options["source"] is None) is (options["urls"] is None):
            raise CommandError("Name a folder, or a list of addresses by --urls FILE; not both.", returncode=2)
        if options["urls"] is not None and options["workers"] is not None:
            raise CommandError("--workers is for folders; INGEST_PROCESSES goes for --urls.", returncode=2)
        if options["queue"] and options["urls"] is not None:
            return queue_web(text=options["urls"], actor="ingest")
        if options["queue"]:
            return queue_folder(source=options["source"], actor="ingest")
        if options["urls"] is not None:
            summary = ingest_addresses(text=options["urls"], actor="ingest", progress=progress)
        else:
            summary = ingest_folder(
                source=options["source"], workers=options["workers"], actor="ingest", progress=progress
            )
        return {**summary, "exit_code": 3 if summary["rejected"] else 0}

    def show(self, result: Mapping[str, Any]) -> None:
        write = self.stdout.write
        if "job_id" in result:
            write(f"Queued as job {result['job_id']}; `manage.py jobs show {result['job_id']}` says how far it is.")
            return
        write(f"{result['pictures']} pictures in {result['source']}: {result['new']} new, {result['known']} known")
        write(f"{result['faces']} faces; {result['no_face']} pictures without a face")
        write(f"{result['labels']} labels and {result['truths']} ground truths from sidecars")
        if result["labels_kept"]:
            write(f"{result['labels_kept']} sidecars left alone because a person has said otherwise")
        write(f"{result['seconds']:.1f} s, {result['pictures_per_second']:.1f} pictures/s")
        rejected = result["rejected"]
        if rejected:
            reasons = ", ".join(f"{number} {reason}" for reason, number in result["reasons"].items())
            write(self.style.WARNING(f"{len(rejected)} rejected: {reasons}"))
            for each in rejected[:SHOWN]:
                write(f"  {each['path']}: {each['reason']}. {each['message']}")
            if len(rejected) > SHOWN:
                write(f"  … and {len(rejected) - SHOWN} more; --json lists all")
