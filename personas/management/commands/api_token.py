"""Make a token by which a program acts as a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from django.utils import timezone

from personas.api_tokens import DEFAULT_DAYS, make_token
from personas.errors import NotFoundError
from personas.management.product_command import ProductCommand
from personas.store import get_store


class Command(ProductCommand):
    help = "Print a new token for the API at /api/v1/: it acts as its user, and is shown this once only."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("user", help="whose permissions it has; embedded installations have `owner`")
        parser.add_argument("--name", default="command line", help="what it is for, once a user (%(default)s)")
        parser.add_argument(
            "--days", type=int, default=DEFAULT_DAYS, help="how long it holds (%(default)s); 0: until it is revoked"
        )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise NotFoundError(f"There is no user {options['user']}. Add one with `manage.py createsuperuser`.")
        token = make_token(
            store=get_store(), user=user, name=options["name"], days=options["days"] or None, at=timezone.now()
        )
        return {"user": user.get_username(), "name": options["name"], "token": token}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(result["token"])
