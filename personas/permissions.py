"""Who may do what: the one place that says so. Roles (`personas.roles`) are groups that hold these permissions.

Looking needs a sign-in only (LoginRequiredMiddleware); every write asks one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

P = ParamSpec("P")
R = TypeVar("R", bound=HttpRequest)
Viewer = AbstractBaseUser | AnonymousUser
Permission = Callable[[Viewer], bool]


def _has(user: Any, permission: str) -> bool:
    return bool(user.is_active and user.has_perm(permission))


def can_label(user: Viewer) -> bool:
    """May name faces, reject and undo, and add personas."""
    return _has(user, "personas.add_label")


def can_look(user: Viewer) -> bool:
    """May look at people and pictures: everybody who is signed in."""
    return user.is_authenticated and user.is_active


def can_upload(user: Viewer) -> bool:
    """May bring pictures in."""
    return _has(user, "personas.add_image")


def can_curate(user: Viewer) -> bool:
    """May merge and delete personas, and delete pictures."""
    return _has(user, "personas.delete_persona")


def can_manage(user: Viewer) -> bool:
    """May promote and roll back model versions."""
    return _has(user, "personas.change_modelversion")


def can_administer(user: Viewer) -> bool:
    """May manage users, and see where on the machine things are."""
    return _has(user, "auth.change_user")


def can_steer(user: Viewer, kind: str) -> bool:
    """May pause, resume and retry jobs of this kind."""
    return steering(kind)(user)


def steering(kind: str) -> Permission:
    """The permission that pausing, resuming and retrying jobs of this kind asks for."""
    if kind in ("ingest", "upload"):
        return can_upload
    return can_label if kind == "group" else can_manage


_REFUSALS: dict[Permission, str] = {
    can_label: "Your account may look at people but not label them. Ask an administrator for the labeller role.",
    can_upload: "Your account may not add pictures. Ask an administrator for the labeller role.",
    can_curate: "Your account may not merge or delete. Ask an administrator for the curator role.",
    can_manage: "Your account may not change which version is in use. Ask an administrator for the curator role.",
    can_administer: "Your account may not manage users. Ask an administrator for the admin role.",
}

_STEERING_REFUSALS: dict[Permission, str] = {
    can_label: "Your account may watch this job but not steer it. Ask an administrator for the labeller role.",
    can_upload: "Your account may watch this job but not steer it. Ask an administrator for the labeller role.",
    can_manage: "Your account may watch this job but not steer it. Ask an administrator for the curator role.",
}


def refusal_of_steering(kind: str) -> str:
    """What somebody is told who may not steer jobs of this kind."""
    return _STEERING_REFUSALS[steering(kind)]


def demand(user: Viewer, permission: Permission) -> None:
    """As `require`, where what a request asks for shows only on looking at it. Raises PermissionDenied."""
    if not permission(user):
        raise PermissionDenied(_REFUSALS[permission])


def require(
    permission: Permission,
) -> Callable[
    [Callable[Concatenate[R, P], HttpResponseBase]],
    Callable[Concatenate[R, P], HttpResponseBase],
]:
    """Refuse a view to users without the permission, in words that say whom to ask."""

    def decorate(
        view: Callable[Concatenate[R, P], HttpResponseBase],
    ) -> Callable[Concatenate[R, P], HttpResponseBase]:
        @wraps(view)
        def checked(request: R, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            demand(request.user, permission)
            return view(request, *args, **kwargs)

        return checked

    return decorate
