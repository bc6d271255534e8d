"""The product on other machines, from one description."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from orchestration.deployment.description import load
from orchestration.deployment.kubernetes import OVERLAYS
from orchestration.deployment.targets import TARGETS, render
from orchestration.management.azure_command import AzureCommand, add_image_arguments, changes


class Command(AzureCommand):
    help = (
        "Bring the product to where deployment.toml says, or only write the files that would do so (--render). "
        "On Azure: builds the image, uploads what is new of the training set, and brings role by role to it; a role "
        "that does not become ready is put back. Start with a copy of deployment.example.toml."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--target", choices=["azure", *TARGETS], default="azure", help="where to (azure)")
        parser.add_argument("--render", action="store_true", help="write files, apply nothing (compose, kubernetes)")
        parser.add_argument("--output", type=Path, help="folder of the files and secrets (deployed/TARGET)")
        parser.add_argument("--overlay", choices=OVERLAYS, help="what kind of cluster (kubernetes)")
        add_image_arguments(parser)

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        said = changes(options)
        if options["target"] == "azure":
            return self._to_azure(said, options)
        description = load(options["config"], **said)
        where = {"folder": options["output"] or Path("deployed") / options["target"]}
        if options["target"] == "kubernetes":
            if options["overlay"] is None:
                raise CommandError(f"Say what kind of cluster it is: --overlay {' or '.join(OVERLAYS)}.")
            where["overlay"] = options["overlay"]
        target = TARGETS[options["target"]](description=description, **where)
        if options["render"]:
            return {"files": [str(path) for path in render(target)]}
        return {"next": target.apply()}

    def _to_azure(self, said: Mapping[str, Any], options: dict[str, Any]) -> Mapping[str, Any]:
        from orchestration import provisioning

        if options["render"] or options["output"] or options["overlay"]:
            raise CommandError("--render, --output and --overlay are for compose and kubernetes.", returncode=2)
        report = self.progress(options)
        done = provisioning.deploy(options["config"], changes=said, report=report, build=options["build"])
        return {**done, "next": [f"{len(done['done'])} changed. The web is at {done['url'] or 'a private address'}"]}

    def show(self, result: Mapping[str, Any]) -> None:
        for path in result.get("files", ()):
            self.stdout.write(f"written: {path}")
        for sentence in result.get("next", ()):
            self.stdout.write(sentence)
