"""Print a new one-time sign-in link (embedded mode)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from personas.errors import FaceProjectError
from personas.management.product_command import ProductCommand
from personas.sign_in import one_time_link


class Command(ProductCommand):
    help = "Print a link that signs its user in as the owner: once, within 15 minutes, on this machine only."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the web listens (%(default)s)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        if not settings.EMBEDDED:
            raise FaceProjectError("One-time links are for embedded mode. Add a user with `manage.py createsuperuser`.")
        return {"link": one_time_link(options["url"])}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(result["link"])
