"""Model versions: what each is worth, which one is in use, and switching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.decorators import decorate_view
from ninja.params.functions import Path
from pydantic import Field

from personas import entities
from personas.api.answers import Champion, Model
from personas.api.asking import MAX_NUMBER, Page, Part, Sent, page_of
from personas.api.interface import ApiRequest
from personas.errors import NotFoundError
from personas.permissions import can_manage, require
from personas.store import get_store
from training.report import VersionRow, list_reports, version_report
from training.selectors import version_summary
from training.services import promote, rollback

router = Router(tags=["models"])

Number = Annotated[int, Path(ge=1, le=MAX_NUMBER)]


class Switch(Sent):
    """A switch of the version in use."""

    expected: int | None = Field(
        None, ge=1, le=MAX_NUMBER, description="Only while this version is in use: so nobody's switch is undone unseen."
    )


#: What a request without a body says.
ANY = Switch(expected=None)


@router.get("", response=Page[Model])
def list_models(request: ApiRequest, response: HttpResponse, part: Part) -> Page[Model]:
    """All versions, newest first."""
    found = list_reports(get_store(), cursor=part.cursor, limit=part.limit)
    return page_of(Page[Model], found, _model, request=request, response=response)


@router.get("/champion", response=Champion)
def read_champion(request: ApiRequest) -> Champion:
    """The version in use."""
    champion = get_store().champion()
    if champion is None:
        raise NotFoundError("There is no version yet; the first appears by itself after the first labels.")
    return Champion.of(champion)


@router.get("/{int:version}", response=Model)
def read_model(request: ApiRequest, version: Number) -> Model:
    """One version."""
    return _model(version_report(get_store(), version).row)


def _model(row: VersionRow) -> Model:
    summary = version_summary(
        row.version, champion=row.version.version if row.is_champion else None, deployment=row.deployment
    )
    return Model.model_validate({**summary, "reasons": list(row.reasons)})


@router.post("/{int:version}/promote", response=Champion)
@decorate_view(require(can_manage))
def promote_model(request: ApiRequest, version: Number, sent: Switch = ANY) -> Champion:
    """Use this version, whatever the gate said of it. Needs the curator role.

    `POST /models/rollback` takes it back.
    """
    return _switch(request, sent, lambda **command: promote(version=version, **command))


@router.post("/rollback", response=Champion)
@decorate_view(require(can_manage))
def rollback_model(request: ApiRequest, sent: Switch = ANY) -> Champion:
    """Use the version that the one in use took over from, with exactly its predictions. Needs the curator role."""
    return _switch(request, sent, rollback)


def _switch(request: ApiRequest, sent: Switch, switch: Callable[..., entities.Champion]) -> Champion:
    champion = switch(
        store=get_store(), actor=request.user.get_username(), at=timezone.now(), expected_version=sent.expected
    )
    return Champion.of(champion)
