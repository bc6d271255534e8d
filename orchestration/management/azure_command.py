"""What the commands that deploy share: the description, how a run is shown while it goes on."""

from __future__ import annotations

import logging
import sys
import threading
import time
from abc import ABC
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from orchestration.deployment.description import DEFAULT_PATH
from personas.management.product_command import ProductCommand


class Progress:
    """A line each time something changes, with the time since the start; never the same line twice in a row."""

    def __init__(self, *, shown: bool) -> None:
        self._shown, self._started = shown, time.monotonic()
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str, what: str, detail: str = "") -> None:
        """See orchestration.azure.nodes.Reporter."""
        line = f"{key:<24} {what}" + (f": {detail}" if detail else "")
        with self._lock:
            if self._last.get(key) == line:
                return
            self._last[key] = line
            if self._shown:
                minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
                print(f"{minutes:3d}:{seconds:02d}  {line}", file=sys.stderr, flush=True)  # noqa: T201


class AzureCommand(ProductCommand, ABC):
    """Reads deployment.toml. Needs no database."""

    needs_schema = False

    def handle(self, *args: Any, **options: Any) -> None:
        """The vendor logs every way to sign in that failed; the error names those that matter."""
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        super().handle(*args, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--config", type=Path, default=DEFAULT_PATH, metavar="FILE", help="the description (deployment.toml)"
        )

    def progress(self, options: dict[str, Any]) -> Progress:
        """For this call: silent with --json."""
        return Progress(shown=not options.get("json", False))


def add_image_arguments(parser: CommandParser) -> None:
    """How the product's image comes about."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--build",
        choices=("acr", "local"),
        default="acr",
        help="where the image is built: by the registry (acr), or by docker or podman here (local)",
    )
    how.add_argument("--image", metavar="REFERENCE", help="an image that is there already, in place of a build")
    parser.add_argument(
        "--scale",
        action="append",
        default=[],
        metavar="ROLE=NUMBER",
        help="ingest=4 or trainer=2, in place of what the description says",
    )


def changes(options: dict[str, Any]) -> dict[str, Any]:
    """What options change in the description. Raises CommandError."""
    from django.core.management.base import CommandError

    found: dict[str, Any] = {}
    if options.get("image"):
        found["image.product"] = options["image"]
    for said in options.get("scale") or ():
        role, _, number = said.partition("=")
        if role not in {"ingest", "trainer"} or not number.isdecimal():
            raise CommandError(f"--scale {said}: say ingest=NUMBER or trainer=NUMBER.", returncode=2)
        found[f"scale.{role}"] = int(number)
    return found
