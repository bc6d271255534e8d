"""The roles of the product: Django groups, each with everything the one before it may do, and a little more.

`migrate` brings them, and gives them back their permissions (a role is the product's to define; whoever wants another
set of rights makes a group of their own). What a permission allows stands in `personas.permissions`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Q


class Role(enum.StrEnum):
    """From the one who may do least to the one who may do most; the value is the group's name."""

    VIEWER = "viewer"
    LABELLER = "labeller"
    CURATOR = "curator"
    ADMIN = "admin"


#: What each role may do beyond the one before it.
_GRANTED: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.VIEWER: tuple(
        f"personas.view_{model}" for model in ("persona", "image", "face", "label", "modelversion", "event", "job")
    ),
    Role.LABELLER: (
        *(f"personas.{verb}_label" for verb in ("add", "change", "delete")),
        *(f"personas.{verb}_persona" for verb in ("add", "change")),
        *("personas.add_image", "personas.change_face"),
    ),
    Role.CURATOR: (
        *("personas.delete_persona", "personas.delete_image"),
        *("personas.change_modelversion", "personas.change_job"),
    ),
    Role.ADMIN: (
        *(f"auth.{verb}_user" for verb in ("view", "add", "change", "delete")),
        *("auth.view_group", "admin.view_logentry"),
    ),
}


def permissions_of(role: Role) -> frozenset[str]:
    """Everything the role may do, as `app.codename`."""
    roles = list(Role)
    return frozenset(name for lower in roles[: roles.index(role) + 1] for name in _GRANTED[lower])


def ensure_roles(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Make the groups that are missing, and give each exactly its permissions; called after each `migrate`."""
    if using != DEFAULT_DB_ALIAS:  # users and groups are nowhere else
        return
    if Group._meta.db_table not in connections[using].introspection.table_names():  # one other app was migrated alone
        return
    wanted = reduce(
        or_, (Q(content_type__app_label=app, codename=codename) for app, codename in map(_parts, _everything()))
    )
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type").filter(wanted)
    }
    for role in Role:
        group, _ = Group.objects.get_or_create(name=role.value)
        group.permissions.set([known[name] for name in permissions_of(role) if name in known])


def _everything() -> frozenset[str]:
    return permissions_of(list(Role)[-1])


def _parts(name: str) -> tuple[str, str]:
    app, _, codename = name.partition(".")
    return app, codename
