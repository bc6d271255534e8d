"""What whoever is signed in may do, before anything is done: an apply that lacks a permission would stop half-way.

https://learn.microsoft.com/rest/api/authorization/permissions
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from orchestration.azure.api import API
from orchestration.azure.catalogue.place import Place
from orchestration.azure.errors import ADVICE, RefusedError
from orchestration.azure.nodes import Run

_PROVIDER: Final = "Microsoft.Authorization"
_GROUPS: Final = "Microsoft.Resources/subscriptions/resourceGroups"


def lacking(run: Run, ids: Iterable[str], actions: Iterable[str] = ()) -> str:
    """Of resources that are to be made, and of actions: what one may not, and what to do; "" when all may be, or nobody
    tells."""
    scope = Place(run.description).group_id
    if run.facts.find("group") is None:
        scope = scope.partition("/resourceGroups/")[0]
    try:
        answer = run.azure.get(f"{scope}/providers/{_PROVIDER}/permissions", API[_PROVIDER])
    except RefusedError:  # to look is a permission of its own; the apply will tell
        return ""
    granted = list((answer or {}).get("value") or ())
    needed = {f"{_kind(each)}/write" for each in ids} | set(actions)
    missing = sorted(each for each in needed if not _may(granted, each))
    if not granted or not missing:
        return ""
    return f"You lack permissions at {scope}: {', '.join(missing)}. {ADVICE['AuthorizationFailed']}"


def _may(granted: Iterable[Mapping[str, Any]], action: str) -> bool:
    return any(
        _any_means(each.get("actions"), action) and not _any_means(each.get("notActions"), action) for each in granted
    )


def _any_means(patterns: Iterable[str] | None, action: str) -> bool:
    return any(fnmatchcase(action.lower(), each.lower()) for each in patterns or ())


def _kind(resource_id: str) -> str:
    """ "Microsoft.Network/virtualNetworks/subnets" for a subnet's id."""
    _, found, after = resource_id.rpartition("/providers/")
    provider, *rest = after.split("/")
    return "/".join((provider, *rest[::2])) if found else _GROUPS
