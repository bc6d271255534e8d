"""The product on other machines, from one description."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from orchestration.deployment.description import DEFAULT_PATH, Description, Scale, load
from orchestration.deployment.errors import DeploymentError
from orchestration.deployment.kubernetes import OVERLAYS
from orchestration.deployment.targets import TARGETS, render
from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = (
        "Bring the product to where deployment.toml says, or only write the files that would do so (--render). "
        "Start with a copy of deployment.example.toml."
    )
    needs_schema = False  # nothing here touches this installation

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--target", choices=["azure", *TARGETS], required=True)
        parser.add_argument("--config", type=Path, default=DEFAULT_PATH, help=f"the description ({DEFAULT_PATH})")
        parser.add_argument("--render", action="store_true", help="write files, apply nothing (compose, kubernetes)")
        parser.add_argument("--output", type=Path, help="folder of the files and secrets (deployed/TARGET)")
        parser.add_argument("--overlay", choices=OVERLAYS, help="what kind of cluster (kubernetes)")
        parser.add_argument(
            "--scale", action="append", default=[], metavar="ROLE=N", help=f"how many: {', '.join(Scale.model_fields)}"
        )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        description = load(options["config"], **dict(_scaled(text) for text in options["scale"]))
        if options["target"] == "azure":
            return _azure(description, progress=progress, **options)
        where = {"folder": options["output"] or Path("deployed") / options["target"]}
        if options["target"] == "kubernetes":
            if options["overlay"] is None:
                raise CommandError(f"Say what kind of cluster it is: --overlay {' or '.join(OVERLAYS)}.")
            where["overlay"] = options["overlay"]
        target = TARGETS[options["target"]](description=description, **where)
        if options["render"]:
            return {"files": [str(path) for path in render(target)]}
        return {"next": target.apply()}

    def show(self, result: Mapping[str, Any]) -> None:
        for path in result.get("files", ()):
            self.stdout.write(f"written: {path}")
        for sentence in result.get("next", ()):
            self.stdout.write(sentence)


def _scaled(text: str) -> tuple[str, int]:
    """A key of the description and its value. Raises DeploymentError."""
    role, _, number = text.partition("=")
    if role not in Scale.model_fields or not number.isdecimal():
        raise DeploymentError(f"--scale {text}: say {' or '.join(f'{name}=4' for name in Scale.model_fields)}.")
    return f"scale.{role}", int(number)


def _azure(description: Description, *, progress: bool, **options: Any) -> Mapping[str, Any]:
    """Its packages are installed only where somebody deploys to it."""
    try:
        azure = import_module("orchestration.azure.deploy")
    except ModuleNotFoundError as error:
        raise DeploymentError(
            f"Deploying to Azure needs more packages ({error.name}): pip install -r requirements-deploy.txt"
        ) from error
    result: Mapping[str, Any] = azure.deploy(description, progress=progress, **options)
    return result
