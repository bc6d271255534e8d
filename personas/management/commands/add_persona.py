"""`manage.py add_persona`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from personas.errors import AmbiguousError
from personas.management.product_command import ProductCommand
from personas.services.labelling import new_command_id
from personas.services.personas import add_persona, clean_name
from personas.store import get_store


class Command(ProductCommand):
    help = "Add a persona and print its id."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name")
        parser.add_argument("--namesake", action="store_true", help="add it although a persona has this name")
        parser.add_argument("--actor", default="command", help="who says so, for the log (%(default)s)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        store, name = get_store(), clean_name(options["name"])
        named = store.personas_named(name)
        if named and not options["namesake"]:
            ids = tuple(persona.persona_id for persona in named)
            raise AmbiguousError(
                f"There is a persona {name} already ({', '.join(ids)}); use --namesake to add another.", ids
            )
        persona = add_persona(
            store=store, name=name, actor=options["actor"], at=timezone.now(), command_id=new_command_id()
        )
        return {"persona_id": persona.persona_id, "name": persona.name}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(f"{result['persona_id']}  {result['name']}")
