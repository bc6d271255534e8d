"""Administration of model versions."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from personas.entities import Slice
from personas.errors import NotFoundError
from personas.models import ModelVersion
from personas.permissions import can_manage
from personas.store import Store
from personas.store_admin import PAGE, Action, Details, Row, StoreAdmin
from personas.views.http import whole_number
from personas.words import share
from training.report import VersionRow, list_reports, version_report
from training.services import promote

PROMOTE = Action(name="promote", title="Use this version", permission=can_manage)


@admin.register(ModelVersion)
class ModelVersionAdmin(StoreAdmin):
    columns = ("Version", "Status", "Trained", "Labels", "People", "Found", "Strangers named")

    searches = "Number of a version"

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        if searched := request.GET.get("q", "").strip():
            page = _numbered(store, whole_number(searched))
        else:
            page = list_reports(store, cursor=cursor, limit=PAGE)
        rows = [
            Row(
                pk=str(row.version.version),
                cells=(
                    row.version.version,
                    "in use" if row.is_champion else row.version.status.value,
                    row.version.created_at,
                    row.version.n_labels,
                    row.version.n_personas,
                    share(row.version.metrics.get("recall")),
                    share(row.version.metrics.get("strangers_named")),
                ),
            )
            for row in page.items
        ]
        return Slice(items=tuple(rows), next_cursor=page.next_cursor)

    def details(self, store: Store, pk: str) -> Details:
        number = whole_number(pk)
        if number is None:
            raise NotFoundError("There is no such version.")
        report = version_report(store, number)
        version = report.row.version
        return Details(
            title=f"Version {version.version}",
            facts=(
                ("Status", "in use" if report.row.is_champion else version.status.value),
                ("Trained", version.created_at),
                ("Reasons", " ".join(report.row.reasons)),
                ("Labels", version.n_labels),
                ("People", version.n_personas),
                ("Faces named", version.n_scored),
                ("Embedder", version.embedder),
                ("Artefact", version.artefact),
            ),
            links=(("Metrics and plots", reverse("model-version", args=[version.version])),),
            actions=() if report.row.is_champion else (PROMOTE,),
        )

    def run(self, store: Store, request: HttpRequest, action: str, pk: str) -> str:
        promote(store=store, version=int(pk), actor=request.user.get_username(), at=timezone.now())
        self.log(request, [pk], "promoted")
        return f"Version {pk} is in use now."


def _numbered(store: Store, number: int | None) -> Slice[VersionRow]:
    """The version of that number, if there is one."""
    found = store.model_version(number) is not None if number is not None else False
    return Slice(items=(version_report(store, number).row,) if found and number is not None else (), next_cursor=None)
