"""From a running system on Azure back to nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from orchestration.management.azure_command import AzureCommand


class Command(AzureCommand):
    help = (
        "List what the deployment has on Azure, ask for its name, and delete that: pictures, labels and models too, "
        "unless --keep-data. What the deployment did not make is left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--keep-data", action="store_true", help="leave databases, share, vault, and the group they lie in"
        )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration import provisioning

        report, keep = self.progress(options), options["keep_data"]
        found = provisioning.standing(options["config"], keep_data=keep, report=report)
        if not found["resources"]:  # nothing that anybody would miss: what is remembered of it is forgotten
            return provisioning.destroy(options["config"], keep_data=keep, confirmed=found["name"], report=report)
        if options["json"]:
            if not options["yes"]:
                raise CommandError("--json asks nobody: say --yes too.", returncode=2)
        else:
            for title in found["resources"]:
                self.stdout.write(f"- {title}")
        confirmed = found["name"] if options["yes"] else self._asked(found["name"])
        return provisioning.destroy(options["config"], keep_data=keep, confirmed=confirmed, report=report)

    def _asked(self, name: str) -> str:
        if not sys.stdin.isatty():
            raise CommandError("Say --yes to go on without being asked: nobody is there to answer.")
        return input(f"All of this will be deleted. Type {name} to confirm: ").strip()

    def show(self, result: Mapping[str, Any]) -> None:
        number = len(result["deleted"])
        self.stdout.write(f"{number} deleted." if number else "There is nothing to delete.")
