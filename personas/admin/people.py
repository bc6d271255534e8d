"""Administration of personas."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from personas import models
from personas.entities import Slice
from personas.forms import NameForm
from personas.permissions import can_label
from personas.selectors.faces import view_keys
from personas.selectors.gallery import get_persona, persona_grid
from personas.services.labelling import new_command_id
from personas.services.personas import add_persona, rename_persona
from personas.store import Store, get_store
from personas.store_admin import PAGE, Action, Details, Row, StoreAdmin, command_of


@admin.register(models.Persona)
class PersonaAdmin(StoreAdmin):
    columns = ("Name", "Labelled", "Predicted", "Rejected")
    has_pictures = True
    searches = "Part of a name"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return can_label(request.user)

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        page = persona_grid(store, search=request.GET.get("q", ""), cursor=cursor, limit=PAGE)
        covers = {view.face.key: view.face for view in view_keys(store, [s.cover for s in page.items if s.cover])}
        rows = [
            Row(
                pk=summary.persona.persona_id,
                face=covers.get(summary.cover) if summary.cover else None,
                cells=(summary.persona.name, summary.n_labelled, summary.n_predicted, summary.n_rejected),
            )
            for summary in page.items
        ]
        return Slice(items=tuple(rows), next_cursor=page.next_cursor)

    def details(self, store: Store, pk: str) -> Details:
        summary = get_persona(store, pk)
        views = view_keys(store, [summary.cover]) if summary.cover else []
        faces = reverse("admin:personas_face_changelist")
        return Details(
            title=summary.persona.name,
            face=views[0].face if views else None,
            facts=(
                ("Id", pk),
                ("Added", summary.persona.created_at),
                ("Labelled", summary.n_labelled),
                ("Predicted", summary.n_predicted),
                ("Rejected", summary.n_rejected),
            ),
            links=(
                ("Page of this person", reverse("persona", args=[pk])),
                ("Predicted faces", f"{faces}?persona={pk}&status=predicted"),
                ("Labelled faces", f"{faces}?persona={pk}&status=labelled"),
            ),
            fields=({"name": "name", "title": "Name", "value": summary.persona.name},),
            actions=(Action(name="rename", title="Save name"),),
        )

    def run(self, store: Store, request: HttpRequest, action: str, pk: str) -> str:
        name = self.values(NameForm(request.POST))["name"]
        rename_persona(
            store=store,
            persona_id=pk,
            name=name,
            actor=request.user.get_username(),
            at=timezone.now(),
            command_id=command_of(request),
        )
        self.log(request, [pk], f"renamed to {name}")
        return f"Renamed to {name}."

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            persona = add_persona(
                store=get_store(),
                name=self.values(NameForm(request.POST))["name"],
                actor=request.user.get_username(),
                at=timezone.now(),
                command_id=command_of(request),
            )
            self.log_addition(request, models.Persona(pk=persona.persona_id, name=persona.name), "added")
            return HttpResponseRedirect(self._url("change", persona.persona_id))
        details = Details(
            title="Add a person", facts=(), fields=({"name": "name", "title": "Name", "value": ""},), actions=()
        )
        context = {
            **self.admin_site.each_context(request),
            "title": details.title,
            "opts": self.opts,
            "details": details,
            "actions": [Action(name="add", title="Add")],
            "command_id": new_command_id(),
        }
        return TemplateResponse(request, "admin/store/detail.html", context)
