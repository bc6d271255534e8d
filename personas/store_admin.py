"""Admin pages over the store port: Django's admin without its ORM.

A subclass says how to read a page of rows and the facts of one object; permissions, the index, the action log and the
look are Django's.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.forms.widgets import MediaDefiningClass
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from personas.entities import Face, Image, Slice
from personas.errors import FaceProjectError, NotFoundError
from personas.forms import UnableToReadFormError, cleaned
from personas.permissions import Permission, can_label
from personas.services.labelling import new_command_id
from personas.store import Store, get_store
from personas.views.http import cursor_of

PAGE = 50

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Model]
else:
    _ModelAdmin = admin.ModelAdmin  # generic for type checkers only


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of a list: the object's key, a picture of it, and its cells."""

    pk: str
    cells: Sequence[Any]
    face: Face | None = None
    image: Image | None = None
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A choice above a list, sent as a query parameter."""

    name: str
    title: str
    choices: Sequence[tuple[str, str]]
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What can be done: to the chosen rows of a list, or to one object."""

    name: str
    title: str
    permission: Permission = can_label


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """An object as its page shows it."""

    title: str
    facts: Sequence[tuple[str, Any]]
    face: Face | None = None
    image: Image | None = None
    links: Sequence[tuple[str, str]] = ()
    actions: Sequence[Action] = ()
    fields: Sequence[Mapping[str, Any]] = field(default=())


def command_of(request: HttpRequest) -> str:
    """The form's command id, so that sending it twice does it once."""
    try:
        return str(UUID(request.POST.get("command_id", "")))
    except ValueError:
        return new_command_id()


class _AbstractAdmin(MediaDefiningClass, ABCMeta):
    """Django's admin classes have a metaclass of their own; abstract ones need both."""


class StoreAdmin(_ModelAdmin, metaclass=_AbstractAdmin):
    """Reads and writes through selectors and services. Subclasses fill in the methods below."""

    columns: ClassVar[Sequence[str]] = ()
    row_actions: ClassVar[Sequence[Action]] = ()
    has_pictures: ClassVar[bool] = False
    writes: ClassVar[bool] = True  #: False: its objects are looked at only
    searches: ClassVar[str] = ""  #: what can be searched for; "": nothing
    actions = None

    # ---- what a subclass says ----------------------------------------------------------------------------------------
    @abstractmethod
    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        """A page of the list."""

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        return ()

    @abstractmethod
    def details(self, store: Store, pk: str) -> Details:
        """Raises NotFoundError."""

    def run_on_rows(self, store: Store, request: HttpRequest, action: str, pks: Sequence[str]) -> str:
        """Do it to the chosen rows; returns a sentence for the person who asked. Only for lists with `row_actions`."""
        raise PermissionDenied

    def run(self, store: Store, request: HttpRequest, action: str, pk: str) -> str:
        """Do it to one object; returns a sentence for the person who asked. Only where `Details` has actions."""
        raise PermissionDenied

    # ---- Django's admin, on the store --------------------------------------------------------------------------------
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.writes and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """For Django's history page."""
        try:
            self.details(get_store(), object_id)
        except NotFoundError:
            return None
        return self.model(pk=object_id)

    def allowed(self, request: HttpRequest, actions: Sequence[Action]) -> list[Action]:
        """Those that the same action on the product's own pages would be allowed to this user."""
        return [action for action in actions if action.permission(request.user)]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        store = get_store()
        if request.method == "POST":
            return self._act(request, self.row_actions, lambda action: self._rows_action(store, request, action))
        page = self.rows(store, request, cursor_of(request))
        kept = {name: value for name, value in request.GET.items() if name != "cursor"}
        context = {
            **self.admin_site.each_context(request),
            "title": str(self.opts.verbose_name_plural).capitalize(),
            "opts": self.opts,
            "columns": self.columns,
            "rows": [(row, row.url or self._url("change", quote(row.pk))) for row in page.items],
            "filters": self.filters(store, request),
            "row_actions": self.allowed(request, self.row_actions),
            "has_pictures": self.has_pictures,
            "searches": self.searches,
            "search": request.GET.get("q", ""),
            "can_add": self.has_add_permission(request),
            "add_url": self._url("add"),
            "command_id": new_command_id(),
            "more": "?" + urlencode({**kept, "cursor": page.next_cursor}) if page.next_cursor else "",
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/store/list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        store, pk = get_store(), unquote(object_id)
        details = self.details(store, pk)
        if request.method == "POST":
            return self._act(request, details.actions, lambda action: self.run(store, request, action, pk), pk=pk)
        context = {
            **self.admin_site.each_context(request),
            "title": details.title,
            "opts": self.opts,
            "details": details,
            "actions": self.allowed(request, details.actions),
            "command_id": new_command_id(),
            "history_url": self._url("history", quote(pk)),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/store/detail.html", context)

    def _rows_action(self, store: Store, request: HttpRequest, action: str) -> str:
        return self.run_on_rows(store, request, action, request.POST.getlist("_selected"))

    def _act(
        self, request: HttpRequest, actions: Sequence[Action], run: Callable[[str], str], *, pk: str = ""
    ) -> HttpResponse:
        """POST, do, redirect; an anticipated failure is a message here too."""
        if not actions:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        wanted = request.POST.get("action", "")
        if wanted not in {action.name for action in actions}:
            raise UnableToReadFormError("Pick what is to be done; there is no such action on this page.")
        if wanted not in {action.name for action in self.allowed(request, actions)}:
            raise PermissionDenied
        try:
            messages.success(request, run(wanted))
        except FaceProjectError as error:
            messages.error(request, str(error))
        gone = bool(pk) and self.get_object(request, pk) is None
        return HttpResponseRedirect(self._url("changelist") if gone else request.get_full_path())

    def log(self, request: HttpRequest, pks: Sequence[str], what: str) -> None:
        """A line in Django's action log for each object."""
        for pk in pks:
            self.log_change(request, self.model(pk=pk), what)

    def values(self, form: Any) -> dict[str, Any]:
        return cleaned(form)

    def _url(self, page: str, *args: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args)
