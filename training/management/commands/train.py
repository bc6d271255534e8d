"""Fit a new version now, on everything said so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = (
        "Fit a version on every label so far, evaluate it, and make it champion if it passes the gate. "
        "Nothing new, no fit. Exit code 3: the gate refused the version."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--actor", default="command", help="who the audit log names (default: command)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from training.services import train

        outcome = train(actor=options["actor"])
        refused = bool(outcome.reasons) and not outcome.promoted and outcome.fit_seconds > 0
        return {**dataclasses.asdict(outcome), "exit_code": 3 if refused else 0}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(result["sentence"])
        if result["fit_seconds"]:
            self.stdout.write(f"Fitted and evaluated in {result['fit_seconds']:.2f} s.")
