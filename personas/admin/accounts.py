"""Administration of users and groups. Whoever administers may give away what they may themselves, and no more.

Superusers may do everything. Anybody else who may change users changes neither their own rights, nor accounts that may
do what they may not (else they would set such an account's password, and be it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet
from django.forms import CheckboxSelectMultiple
from django.http import HttpRequest

from personas.bootstrap import is_bootstrap
from personas.roles import Role

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin  # generic for type checkers only

#: Rights that only superusers hand out one by one; others hand out roles.
SUPERUSERS_ONLY = ("is_superuser", "user_permissions")
#: What nobody but a superuser changes of their own account.
NOT_ONES_OWN = ("is_active", "is_staff", "groups")

admin.site.unregister(User)
admin.site.unregister(Group)


def rights_of(user: User) -> set[int]:
    """Ids of the permissions that an account has, or would have were it active, by itself and by its groups."""
    held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return set(held.values_list("pk", flat=True))


def _may_change(request: HttpRequest, account: User | None) -> bool:
    acting = request.user
    if account is None or acting.is_superuser:
        return True
    return not account.is_superuser and rights_of(account) <= rights_of(acting)  # type: ignore[arg-type]  # signed in


def groups_to_give(request: HttpRequest) -> QuerySet[Group]:
    """Groups whose every right the user has."""
    if request.user.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=rights_of(request.user))  # type: ignore[arg-type]  # signed in
    return Group.objects.exclude(pk__in=Group.objects.filter(permissions__in=beyond).values("pk"))


@admin.register(User)
class AccountAdmin(_UserAdmin):
    list_display = ("username", "roles", "is_staff", "is_active", "last_login")
    list_filter = ("groups", "is_staff", "is_active")
    filter_horizontal = ()  # its search fields have names that screen readers do not read
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "usable_password", "password1", "password2", "groups")}),
    )

    @admin.display(description="Roles")
    def roles(self, account: User) -> str:
        names = [group.name for group in account.groups.all()]
        return ", ".join((["superuser"] if account.is_superuser else []) + names) or "none"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_change(request, obj) and not is_bootstrap()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody, where accounts would not outlive the container."""
        return super().has_add_permission(request) and not is_bootstrap()

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody deletes the account they are signed in with."""
        return super().has_delete_permission(request, obj) and _may_change(request, obj) and obj != request.user

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if request.user.is_superuser:
            return fieldsets
        return [
            (title, {**options, "fields": tuple(name for name in options["fields"] if name not in SUPERUSERS_ONLY)})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fixed = ("last_login", "date_joined")
        own = obj is not None and obj == request.user and not request.user.is_superuser
        return (*fixed, *NOT_ONES_OWN) if own else fixed

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["queryset"] = groups_to_give(request)
            kwargs["widget"] = CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Groups that the form did not offer stay; the admin role brings the staff flag that opens this site."""
        account = form.instance
        kept = list(account.groups.exclude(pk__in=groups_to_give(request))) if change else []
        super().save_related(request, form, formsets, change)
        account.groups.add(*kept)
        if not account.is_staff and account.groups.filter(name=Role.ADMIN).exists():
            account.is_staff = True
            account.save(update_fields=["is_staff"])


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    """Others look: changing a group would raise the rights of whoever is in it."""

    filter_horizontal = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Not the product's own, which `migrate` would bring back."""
        return bool(request.user.is_superuser) and (obj is None or obj.name not in set(Role))
