"""From nothing to a running system on Azure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from orchestration.management.azure_command import AzureCommand, add_image_arguments, changes

#: The exit code of a plan that changes something.
SOMETHING_TO_DO = 2
#: How changes are marked in a plan.
SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "unchanged": " ", "unknown": "?"}


class Command(AzureCommand):
    help = (
        "Show what is missing on Azure for the system that deployment.toml describes; with --apply, bring it about: "
        "resources, image, training set, first version, roles. Safe to stop at any moment and to run again. Exit codes "
        "of the plan: 0 nothing to do, 1 an error, 2 something to do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--apply", action="store_true", help="do it, after asking")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--purge-deleted", action="store_true", help="purge what was deleted before under the names that are needed"
        )
        add_image_arguments(parser)

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration import provisioning

        said, report, purge = changes(options), self.progress(options), options["purge_deleted"]
        if not options["apply"]:
            return provisioning.plan(options["config"], changes=said, report=report, purge_deleted=purge)
        if not options["yes"]:
            if options["json"]:
                raise CommandError("--apply --json asks nobody: say --yes too.", returncode=2)
            planned = provisioning.plan(options["config"], changes=said, report=report, purge_deleted=purge)
            self._show_plan(planned)
            if planned["exit_code"] != SOMETHING_TO_DO:
                return planned | {"steps": []}
            self._ask()
        return provisioning.apply(
            options["config"], changes=said, report=report, build=options["build"], purge_deleted=purge
        )

    def _ask(self) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Say --yes to go on without being asked: nobody is there to answer.")
        if input("Bring this about? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was changed.")

    def show(self, result: Mapping[str, Any]) -> None:
        if "done" in result:
            self._show_outcome(result)
        elif result["steps"]:
            self._show_plan(result)

    def _show_plan(self, result: Mapping[str, Any]) -> None:
        changed = [step for step in result["steps"] if step["change"] != "unchanged"]
        for step in changed:
            restarts = " (restarts it)" if step["restarts"] else ""
            self.stdout.write(f"{SIGNS[step['change']]} {step['change']:<8} {step['title']}{restarts}")
            for reason in step["reasons"]:
                self.stdout.write(f"      {reason}")
        unchanged = len(result["steps"]) - len(changed)
        summary = f"{len(changed)} to change, {unchanged} as they should be." if changed else "Nothing to do."
        self.stdout.write(summary)
        for title in result["left"]:
            self.stdout.write(f"Not described any more, and left alone, for it holds data: {title}")
        for problem in result["problems"]:
            self.stdout.write(self.style.WARNING(f"To be mended first: {problem}"))

    def _show_outcome(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(f"{len(result['done'])} changed." if result["done"] else "Nothing had to be changed.")
        if result["url"]:
            self.stdout.write(f"The web is at {result['url']}")
            self.stdout.write(f"Sign in as admin; the password lies in {result['password']}")
