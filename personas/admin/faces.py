"""Administration of faces: looking through them, and saying who they are."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from personas import models
from personas.admin.choices import parse_key, persona_choices, pictures_called
from personas.entities import NOBODY, FaceKey, Persona, Slice, Verdict
from personas.errors import NotFoundError
from personas.forms import UnableToReadFormError
from personas.selectors.faces import FaceStatus, FaceView, faces_with_status, mentioned, status_of, view_keys
from personas.selectors.gallery import persona_labelled, persona_name, persona_predicted
from personas.services.labelling import label_groups
from personas.store import Store
from personas.store_admin import PAGE, Action, Details, Filter, Row, StoreAdmin, command_of
from personas.templatetags.faces import percent


@admin.register(models.Face)
class FaceAdmin(StoreAdmin):
    columns = ("Status", "Person", "Certainty", "Not", "Quality")
    has_pictures = True
    searches = "File name, path or SHA-256 of a picture"
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
        if searched := request.GET.get("q", "").strip():
            views, following = self._of_pictures(store, pictures_called(store, searched), persona_id, status), None
        elif persona_id and status is not FaceStatus.UNKNOWN:
            views, following = self._of_persona(store, persona_id, status, cursor)
        else:
            page = faces_with_status(store, status, cursor=cursor, limit=PAGE)
            views, following = list(page.items), page.next_cursor
        personas = store.personas_by_id(mentioned(views))
        return Slice(items=tuple(self._row(view, personas) for view in views), next_cursor=following)

    def _of_persona(
        self, store: Store, persona_id: str, status: FaceStatus | None, cursor: str | None
    ) -> tuple[list[FaceView], str | None]:
        if status is FaceStatus.PREDICTED and persona_id not in NOBODY:
            predicted = persona_predicted(store, persona_id, cursor=cursor, limit=PAGE)
            return view_keys(store, [item.face.key for item in predicted.items]), predicted.next_cursor
        belongs = status is not FaceStatus.REJECTED
        labelled = persona_labelled(store, persona_id, belongs=belongs, cursor=cursor, limit=PAGE)
        return view_keys(store, [item.face.key for item in labelled.items]), labelled.next_cursor

    def _of_pictures(
        self, store: Store, image_ids: Sequence[str], persona_id: str, status: FaceStatus | None
    ) -> list[FaceView]:
        """Faces of the pictures found, less those that the filters leave out."""
        keys = [face.key for faces in store.faces_of(image_ids).values() for face in faces]
        return [
            view
            for view in view_keys(store, keys)
            if status in (None, status_of(view)) and persona_id in ("", *mentioned([view]))
        ]

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
        if said:
            label_groups(
                store=store,
                groups=said,
                actor=request.user.get_username(),
                at=timezone.now(),
                command_id=command_of(request),
            )
        for (persona_id, verdict), faces in said.items():
            self.log(request, [str(key) for key in faces], f"{verdict.value}: {persona_id}")
        return f"{sum(map(len, said.values()))} of {len(keys)} faces changed."

    def _spoken_of(self, view: FaceView, action: str) -> str | None:
        predicted = view.prediction.persona_id if view.prediction else None
        if action == "confirm":
            return None if view.label else predicted
        labelled = view.label.persona_id if view.label else None
        if action == "reject":
            return None if labelled in NOBODY else labelled or predicted
        return labelled


_VERDICTS = {"confirm": Verdict.BELONGS, "reject": Verdict.REJECTED, "clear": Verdict.CLEARED}
