"""Administration of personas, faces, labels, pictures and events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from personas import models
from personas.entities import INGEST, LABELS, STRANGER, FaceKey, Persona, Slice, Verdict
from personas.errors import NotFoundError
from personas.forms import NameForm, UnableToReadFormError
from personas.permissions import can_label
from personas.selectors.faces import (
    FaceStatus,
    FaceView,
    faces_with_status,
    mentioned,
    status_of,
    view_image,
    view_keys,
)
from personas.selectors.gallery import (
    find_personas,
    get_persona,
    persona_grid,
    persona_labelled,
    persona_name,
    persona_predicted,
)
from personas.services.labelling import label_faces, new_command_id
from personas.services.personas import add_persona, rename_persona
from personas.store import Store, get_store
from personas.store_admin import PAGE, Action, Details, Filter, Row, StoreAdmin
from personas.templatetags.faces import percent

#: Personas offered in a choice; beyond that many, the product's own pages find them by name.
MAX_CHOICES = 500


def parse_key(text: str) -> FaceKey:
    try:
        return FaceKey.parse(text)
    except ValueError as error:
        raise NotFoundError("There is no such face.") from error


def command_of(request: HttpRequest) -> str:
    """The form's command id, so that sending it twice does it once."""
    try:
        return str(UUID(request.POST.get("command_id", "")))
    except ValueError:
        return new_command_id()


def persona_choices(store: Store) -> list[tuple[str, str]]:
    people = find_personas(store)[:MAX_CHOICES]
    return [*((persona.persona_id, persona.name) for persona in people), (STRANGER, "(strangers)")]


@admin.register(models.Persona)
class PersonaAdmin(StoreAdmin):
    columns = ("Name", "Labelled", "Predicted", "Rejected")
    has_pictures = True
    searches = True

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


@admin.register(models.Face)
class FaceAdmin(StoreAdmin):
    columns = ("Status", "Person", "Certainty", "Not", "Quality")
    has_pictures = True
    row_actions = (
        Action(name="confirm", title="Confirm what is predicted"),
        Action(name="reject", title="Reject what is predicted or labelled"),
        Action(name="label", title="Label as…"),
        Action(name="clear", title="Take the label back"),
    )

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        people = persona_choices(store)
        return (
            Filter(
                name="persona",
                title="Person",
                choices=[("", "Anybody"), *people],
                chosen=request.GET.get("persona", ""),
            ),
            Filter(
                name="status",
                title="Status",
                choices=[("", "Any"), *((status.value, status.value) for status in FaceStatus)],
                chosen=request.GET.get("status", ""),
            ),
        )

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        persona_id, wanted = request.GET.get("persona", ""), request.GET.get("status", "")
        status = FaceStatus(wanted) if wanted in set(FaceStatus) else None
        if persona_id and status is not FaceStatus.UNKNOWN:
            views, following = self._of_persona(store, persona_id, status, cursor)
        else:
            page = faces_with_status(store, status, cursor=cursor, limit=PAGE)
            views, following = list(page.items), page.next_cursor
        personas = store.personas_by_id(mentioned(views))
        return Slice(items=tuple(self._row(view, personas) for view in views), next_cursor=following)

    def _of_persona(
        self, store: Store, persona_id: str, status: FaceStatus | None, cursor: str | None
    ) -> tuple[list[FaceView], str | None]:
        if status is FaceStatus.PREDICTED and persona_id != STRANGER:
            predicted = persona_predicted(store, persona_id, cursor=cursor, limit=PAGE)
            return view_keys(store, [item.face.key for item in predicted.items]), predicted.next_cursor
        belongs = status is not FaceStatus.REJECTED
        labelled = persona_labelled(store, persona_id, belongs=belongs, cursor=cursor, limit=PAGE)
        return view_keys(store, [item.face.key for item in labelled.items]), labelled.next_cursor

    def _row(self, view: FaceView, personas: dict[str, Persona]) -> Row:
        person, certainty = "", ""
        if view.label:
            person = persona_name(personas, view.label.persona_id)
        elif view.prediction and view.prediction.persona_id:
            person = persona_name(personas, view.prediction.persona_id)
            certainty = percent(view.prediction.probability)
        rejected = ", ".join(sorted(persona_name(personas, persona_id) for persona_id in view.rejected_ids))
        return Row(
            pk=str(view.face.key),
            face=view.face,
            cells=(status_of(view).value, person, certainty, rejected, f"{view.face.quality:.2f}"),
        )

    def details(self, store: Store, pk: str) -> Details:
        key = parse_key(pk)
        view = next(iter(view_keys(store, [key])), None)
        if view is None:
            raise NotFoundError("There is no such face; its picture may have been deleted.")
        row = self._row(view, store.personas_by_id(mentioned([view])))
        x, y, width, height = view.face.box
        return Details(
            title=f"Face {key.face_no} of picture {key.image_id[:12]}",
            face=view.face,
            facts=(
                *zip(self.columns, row.cells, strict=True),
                ("Box", f"{x:.0f}, {y:.0f}, {width:.0f} × {height:.0f}"),
                ("Detector", f"{view.face.detector}, score {view.face.score:.2f}"),
                ("Embedder", view.face.embedder),
            ),
            links=(("Picture", reverse("image", args=[key.image_id])),),
            fields=({"name": "persona", "title": "Person", "choices": persona_choices(store)},),
            actions=self.row_actions,
        )

    def run(self, store: Store, request: HttpRequest, action: str, pk: str) -> str:
        return self.run_on_rows(store, request, action, [pk])

    def run_on_rows(self, store: Store, request: HttpRequest, action: str, pks: Sequence[str]) -> str:
        """One command; for confirm, reject and clear it may speak of several personas."""
        keys = [parse_key(pk) for pk in pks]
        said: dict[tuple[str, Verdict], list[FaceKey]] = {}
        if action == "label":
            persona_id = request.POST.get("persona", "")
            if not persona_id:
                raise UnableToReadFormError("Pick the person first.")
            said[persona_id, Verdict.BELONGS] = keys
        else:
            for view in view_keys(store, keys):
                if spoken_of := self._spoken_of(view, action):
                    said.setdefault((spoken_of, _VERDICTS[action]), []).append(view.face.key)
        changed = 0
        for (persona_id, verdict), faces in said.items():
            label_faces(
                store=store,
                persona_id=persona_id,
                faces=faces,
                verdict=verdict,
                actor=request.user.get_username(),
                at=timezone.now(),
                command_id=new_command_id(),
            )
            self.log(request, [str(key) for key in faces], f"{verdict.value}: {persona_id}")
            changed += len(faces)
        return f"{changed} of {len(keys)} faces changed."

    def _spoken_of(self, view: FaceView, action: str) -> str | None:
        predicted = view.prediction.persona_id if view.prediction else None
        if action == "confirm":
            return None if view.label else predicted
        labelled = view.label.persona_id if view.label else None
        if action == "reject":
            return None if labelled == STRANGER else labelled or predicted
        return labelled


_VERDICTS = {"confirm": Verdict.BELONGS, "reject": Verdict.REJECTED, "clear": Verdict.CLEARED}


@admin.register(models.Label)
class LabelAdmin(StoreAdmin):
    columns = ("Person", "Says", "By", "At", "Event")
    has_pictures = True

    def _chosen(self, store: Store, request: HttpRequest) -> str:
        choices = persona_choices(store)
        return request.GET.get("persona", "") or choices[0][0]

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        verdicts = [("belongs", "belongs"), ("rejected", "does not belong")]
        says = request.GET.get("says", "belongs")
        return (
            Filter(name="persona", title="Person", choices=persona_choices(store), chosen=self._chosen(store, request)),
            Filter(name="says", title="Says", choices=verdicts, chosen=says),
        )

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        persona_id = self._chosen(store, request)
        belongs = request.GET.get("says", "belongs") != "rejected"
        page = persona_labelled(store, persona_id, belongs=belongs, cursor=cursor, limit=PAGE)
        name = persona_name(store.personas_by_id([persona_id]), persona_id)
        rows = [
            Row(
                pk=f"{item.face.key}:{persona_id}",
                face=item.face,
                cells=(
                    name,
                    "belongs" if item.label.belongs else "does not belong",
                    item.label.actor,
                    item.label.at,
                    item.label.seq,
                ),
            )
            for item in page.items
        ]
        return Slice(items=tuple(rows), next_cursor=page.next_cursor)

    def details(self, store: Store, pk: str) -> Details:
        face_pk, _, persona_id = pk.rpartition(":")
        key = parse_key(face_pk)
        said = store.labels_of_images([key.image_id]).get(key, ())
        label = next((label for label in said if label.persona_id == persona_id), None)
        views = view_keys(store, [key])
        if label is None or not views:
            raise NotFoundError("There is no such label; it may have been taken back.")
        name = persona_name(store.personas_by_id([persona_id]), persona_id)
        return Details(
            title=f"{'This is' if label.belongs else 'This is not'} {name}",
            face=views[0].face,
            facts=(("By", label.actor), ("At", label.at), ("Event", f"{LABELS}:{label.seq}")),
            links=(("Picture", reverse("image", args=[key.image_id])),),
            actions=(Action(name="clear", title="Take it back"),),
        )

    def run(self, store: Store, request: HttpRequest, action: str, pk: str) -> str:
        face_pk, _, persona_id = pk.rpartition(":")
        label_faces(
            store=store,
            persona_id=persona_id,
            faces=[parse_key(face_pk)],
            verdict=Verdict.CLEARED,
            actor=request.user.get_username(),
            at=timezone.now(),
            command_id=command_of(request),
        )
        self.log(request, [pk], "taken back")
        return "Taken back."


@admin.register(models.Image)
class ImageAdmin(StoreAdmin):
    columns = ("Picture", "Size", "Format", "Faces", "Taken in")
    has_pictures = True

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        page = store.images(cursor=cursor, limit=PAGE)
        paths = store.paths_of([image.image_id for image in page.items])
        rows = [
            Row(
                pk=image.image_id,
                image=image,
                cells=(
                    ", ".join(path.path for path in paths.get(image.image_id, ())) or image.image_id[:12],
                    f"{image.width} × {image.height}",
                    image.format,
                    image.n_faces or "no face",
                    image.ingested_at,
                ),
            )
            for image in page.items
        ]
        return Slice(items=tuple(rows), next_cursor=page.next_cursor)

    def details(self, store: Store, pk: str) -> Details:
        view = view_image(store, pk, n_candidates=0)
        return Details(
            title=view.paths[0].path if view.paths else pk[:12],
            image=view.image,
            facts=(
                ("SHA-256", pk),
                ("Known as", ", ".join(f"{path.source}/{path.path}" for path in view.paths)),
                ("Size", f"{view.image.width} × {view.image.height}, {view.image.n_bytes:,} bytes"),
                ("Detector", view.image.detector),
                ("Faces", view.image.n_faces),
                ("Taken in", view.image.ingested_at),
            ),
            links=(("Picture with its faces", reverse("image", args=[pk])),),
        )


@admin.register(models.Event)
class EventAdmin(StoreAdmin):
    columns = ("Number", "What", "By", "At", "Holds")

    def _stream(self, request: HttpRequest) -> str:
        return INGEST if request.GET.get("stream") == INGEST else LABELS

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        choices = [(LABELS, LABELS), (INGEST, INGEST)]
        return (Filter(name="stream", title="Stream", choices=choices, chosen=self._stream(request)),)

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        """Newest first: the log is read in blocks from its head down."""
        stream = self._stream(request)
        last = min(int(cursor), store.head(stream)) if cursor and cursor.isdecimal() else store.head(stream)
        first = max(0, last - PAGE)
        events = [event for event in store.events(stream, after=first, limit=PAGE) if event.seq <= last]
        rows = [
            Row(
                pk=f"{stream}:{event.seq}",
                cells=(event.seq, event.kind, event.actor, event.at, _shortened(event.payload)),
            )
            for event in reversed(events)
        ]
        return Slice(items=tuple(rows), next_cursor=str(first) if first else None)

    def details(self, store: Store, pk: str) -> Details:
        stream, _, number = pk.partition(":")
        found = store.events(stream, after=int(number) - 1, limit=1) if number.isdecimal() and int(number) else ()
        if stream not in (LABELS, INGEST) or not found or found[0].seq != int(number):
            raise NotFoundError("There is no such event.")
        event = found[0]
        return Details(
            title=f"Event {pk}",
            facts=(
                ("What", event.kind),
                ("By", event.actor),
                ("At", event.at),
                ("Command", event.command_id),
                ("Holds", _shortened(event.payload, 4000)),
            ),
        )


def _shortened(payload: Any, length: int = 120) -> str:
    text = json.dumps(dict(payload), ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]}…"
