"""Administration of labels and rejections."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from personas import models
from personas.admin.choices import parse_key, persona_choices, pictures_called
from personas.entities import LABELS, Face, Label, Slice, Verdict
from personas.errors import NotFoundError
from personas.selectors.faces import view_keys
from personas.selectors.gallery import persona_labelled, persona_name
from personas.services.labelling import label_faces
from personas.store import Store
from personas.store_admin import PAGE, Action, Details, Filter, Row, StoreAdmin, command_of


@admin.register(models.Label)
class LabelAdmin(StoreAdmin):
    columns = ("Person", "Says", "By", "At", "Event")
    has_pictures = True
    searches = "File name, path or SHA-256 of a picture"

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        verdicts = [("belongs", "belongs"), ("rejected", "does not belong")]
        says = request.GET.get("says", "belongs")
        choices = persona_choices(store)
        return (
            Filter(name="persona", title="Person", choices=choices, chosen=_asked(request) or choices[0][0]),
            Filter(name="says", title="Says", choices=verdicts, chosen=says),
        )

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        if searched := request.GET.get("q", "").strip():
            return self._of_pictures(store, pictures_called(store, searched))
        persona_id = _asked(request) or persona_choices(store)[0][0]
        belongs = request.GET.get("says", "belongs") != "rejected"
        page = persona_labelled(store, persona_id, belongs=belongs, cursor=cursor, limit=PAGE)
        name = persona_name(store.personas_by_id([persona_id]), persona_id)
        rows = [_row(item.face, item.label, name) for item in page.items]
        return Slice(items=tuple(rows), next_cursor=page.next_cursor)

    def _of_pictures(self, store: Store, image_ids: Sequence[str]) -> Slice[Row]:
        """Whatever was said of their faces, of whomever: the filters speak of one persona, the search does not."""
        faces = {face.key: face for found in store.faces_of(image_ids).values() for face in found}
        said = [label for labels in store.labels_of_images(image_ids).values() for label in labels]
        personas = store.personas_by_id({label.persona_id for label in said})
        rows = [_row(faces[each.key], each, persona_name(personas, each.persona_id)) for each in said]
        return Slice(items=tuple(sorted(rows, key=lambda row: row.pk)), next_cursor=None)

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
            links=(
                ("Picture", reverse("image", args=[key.image_id])),
                ("Event that said it", reverse("admin:personas_event_change", args=[quote(f"{LABELS}:{label.seq}")])),
            ),
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


def _asked(request: HttpRequest) -> str:
    """Whose labels somebody asked for; "" means the first persona there is to choose."""
    return request.GET.get("persona", "")


def _row(face: Face, label: Label, name: str) -> Row:
    says = "belongs" if label.belongs else "does not belong"
    cells = (name, says, label.actor, label.at, f"{LABELS}:{label.seq}")
    return Row(pk=f"{face.key}:{label.persona_id}", face=face, cells=cells)
