"""Add an account with a role."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from personas.errors import FaceProjectError
from personas.management.product_command import ProductCommand
from personas.roles import Role
from personas.services.accounts import add_user


class Command(ProductCommand):
    help = (
        "Add a user with a role: a viewer looks, a labeller also names faces and uploads, a curator also merges, "
        "deletes and chooses versions, an admin also manages users. Prints a password, this once; its user may change "
        "it in the menu."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="what the user signs in as")
        parser.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)
        parser.add_argument("--ask", action="store_true", help="ask for the password instead of making one")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        password = _asked() if options["ask"] else None
        account = add_user(name=options["name"], role=Role(options["role"]), password=password)
        return {"name": account.name, "role": account.role.value, "password": account.password}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(f"Added {result['name']} as {result['role']}.")
        if result["password"]:
            self.stdout.write(f"Password, shown this once: {result['password']}")


def _asked() -> str:
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Once more: "):
        raise FaceProjectError("The two passwords differ; nobody was added.")
    return password
