"""The status page: what it says of a system that is well, and of one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingest.detector_pause import note_pause
from orchestration import disk, status
from orchestration.heartbeat import Heartbeat
from orchestration.signs_of_life import SHOWN, RoleAtWork, SignOfLife
from orchestration.status import SystemStatus, system_status, why_no_newer_version
from personas.entities import JobStatus
from personas.roles import Role
from personas.selectors.learning import TRAINER_JOB, LearningState, learning_state
from personas.services.accounts import add_user
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, champions, publish

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "status"}


@pytest.fixture
def store() -> Iterator[Store]:
    with champions():
        yield get_store()


@pytest.fixture
def all_at_work(store: Store) -> None:
    for role in SHOWN:
        SignOfLife(store, role, Heartbeat()).beat()


def client_of(role: Role) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=add_user(name=f"a-{role}", role=role).name))
    return client


def shown(role: Role = Role.VIEWER) -> str:
    answer = client_of(role).get(reverse("status"))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def state_of(store: Store) -> SystemStatus:
    return system_status(store, now=timezone.now())


def trainer(store: Store, job_status: JobStatus, message: str) -> None:
    at = timezone.now()
    store.put_job(
        factories.job(TRAINER_JOB, kind="train", status=job_status, message=message, created_at=at, updated_at=at)
    )


# ---- is it well? -----------------------------------------------------------------------------------------------------
def test_all_is_well_where_every_role_is_at_work(store: Store, all_at_work: None) -> None:
    assert "All is well." in shown()
    assert state_of(store).problems == ()


def test_a_role_that_is_missing_is_a_problem(store: Store) -> None:
    page = shown()
    assert "The ingest-worker is not running" in page
    assert "All is well." not in page


def test_what_pages_need_and_do_not_find_is_a_problem(
    store: Store, all_at_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "readiness", lambda checks: {"models": "The champion's artefact cannot be loaded."})
    assert "The champion&#x27;s artefact cannot be loaded." in shown()


def test_a_disk_that_is_nearly_full_is_a_problem(
    store: Store, all_at_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gigabyte = 2**30
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(100 * gigabyte, 99 * gigabyte, gigabyte))
    page = shown()
    assert "Originals and versions: 1.0 GB are free." in page
    assert page.count("low</span>") == 3


class Usage:
    def __init__(self, total: int, used: int, free: int) -> None:
        self.total, self.used, self.free = total, used, free


@pytest.mark.parametrize(
    ("total", "free", "low"), [(1000, 60, False), (1000, 4, True), (20, 4, False), (4, 0.5, False), (4, 0.3, True)]
)
def test_room_is_low_by_share_and_by_size(total: float, free: float, low: bool) -> None:
    place = disk.Place(title="", setting="", path="", total=int(total * 2**30), free=int(free * 2**30))
    assert place.low is low


def test_a_folder_that_is_not_there_yet_lies_on_the_disk_of_the_one_above(tmp_path: Path, settings) -> None:
    settings.CACHE_ROOT = str(tmp_path / "not" / "there")
    place = next(place for place in disk.places() if place.setting == "CACHE_ROOT")
    assert place.total > 0


# ---- the detector ----------------------------------------------------------------------------------------------------
def test_the_detector_that_the_settings_choose_is_named(store: Store, settings) -> None:
    settings.FACE_DETECTOR, settings.AZURE_FACE_TIER, settings.FACE_DETECTOR_FALLBACK = "azure", "F0", "embedded"
    assert "<dt>Detector of new pictures</dt><dd>Azure Face, tier F0, or the embedded one</dd>" in shown()


def test_a_pause_of_the_detectors_service_is_said_while_it_lasts(store: Store, all_at_work: None) -> None:
    tag = state_of(store).tag
    note_pause(store, 300.0, at=timezone.now())
    page = shown()
    assert "Azure Face asked for a pause. Pictures go on by themselves at" in page
    assert "All is well." in page
    assert state_of(store).tag != tag
    assert system_status(store, now=timezone.now() + timedelta(seconds=400)).detector_paused_until is None


# ---- learning --------------------------------------------------------------------------------------------------------
def roles(*, alive: bool) -> tuple[RoleAtWork, ...]:
    return tuple(RoleAtWork(name=name, about="", n_alive=int(alive), last_heard=None) for name in SHOWN)


def learning(store: Store, **changes: object) -> LearningState:
    return replace(learning_state(store), **changes)  # type: ignore[arg-type]


def test_why_there_is_no_newer_version_is_a_sentence(store: Store) -> None:
    version = factories.model_version(version=3)
    none_yet = learning(store)
    assert why_no_newer_version(none_yet, None, roles(alive=True)) == "Nothing was labelled yet."
    assert "Nothing was said since" in why_no_newer_version(none_yet, version, roles(alive=True))
    behind = learning(store, n_events_behind=2)
    assert why_no_newer_version(behind, version, roles(alive=True)) == "2 label events wait for the next attempt."
    away = why_no_newer_version(replace(behind, n_events_behind=1), version, roles(alive=False))
    assert away == "1 label event waits, and no trainer-worker and no dispatcher is at work."


def test_what_the_trainer_does_and_why_it_stopped_is_said(store: Store, all_at_work: None) -> None:
    trainer(store, JobStatus.RUNNING, "fitting")
    assert "An attempt goes on now: fitting." in shown()
    trainer(store, JobStatus.FAILED, "The disk is full.")
    page = shown(Role.LABELLER)
    assert "The last attempt failed: The disk is full." in page
    assert "Learning stopped" in page


def test_an_attempt_that_made_no_version_says_why(store: Store, all_at_work: None) -> None:
    keys = add_pictures(store, 2)
    factories.add_personas(store, "Ada")
    publish(store, {keys[0]: ("ada", 0.9)})
    trainer(store, JobStatus.DONE, "The same labels as before.")
    page = shown()
    assert "Version 1 was trained" in page
    assert "made no version: The same labels as before." in page


# ---- what waits, what failed -----------------------------------------------------------------------------------------
def test_what_waits_is_counted_from_the_store_alone(
    store: Store, all_at_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broker(*args: object, **kwargs: object) -> None:
        raise AssertionError("the web has no way to the broker")

    monkeypatch.setattr("orchestration.queues._channel", broker)
    store.put_job(factories.job("1", total=500, done=100, status=JobStatus.RUNNING))
    store.put_job(factories.job("2", kind="upload", total=7))
    store.put_job(factories.job("3", total=9, status=JobStatus.PAUSED))
    store.put_job(factories.job("4", kind="rescore"))
    factories.add_personas(store, "Ada", "Bob")
    assert [waiting.number for waiting in state_of(store).waiting] == [2, 407, 2, 0, 1]
    assert "407" in shown()


def test_jobs_that_failed_are_shown_with_their_reasons(store: Store, all_at_work: None) -> None:
    failed = {"status": JobStatus.FAILED, "message": "2 of 9 parts failed: the share is away."}
    for number in range(status.FAILURES_SHOWN + 2):
        store.put_job(factories.job(number, created_at=factories.at(number), **failed))
    page = shown()
    assert page.count("2 of 9 parts failed") == status.FAILURES_SHOWN
    assert reverse("job", args=["11"]) in page
    assert reverse("job", args=["1"]) not in page


# ---- for whom --------------------------------------------------------------------------------------------------------
def test_paths_and_libraries_are_for_admins(store: Store, all_at_work: None) -> None:
    for role, sees in ((Role.CURATOR, False), (Role.ADMIN, True)):
        page = shown(role)
        assert (settings.MEDIA_ROOT in page) is sees
        assert ("Libraries" in page) is sees


def test_versions_are_shown_and_no_secret(store: Store, all_at_work: None) -> None:
    add_pictures(store, 1)
    page = shown(Role.ADMIN)
    for text in (factories.DETECTOR, factories.EMBEDDER, "SQL (sqlite), schema 000", "Django"):
        assert text in page
    for secret in (settings.SECRET_KEY, str(settings.DATABASES["default"]["NAME"])):
        assert secret not in page


def test_the_page_asks_again_and_is_told_when_nothing_has_changed(store: Store, all_at_work: None) -> None:
    client = client_of(Role.VIEWER)
    first = client.get(reverse("status"), headers=HTMX)
    assert "<html" not in first.content.decode()
    assert client.get(reverse("status"), headers={**HTMX, "If-None-Match": first["ETag"]}).status_code == 304
    store.put_job(factories.job("1", total=5))
    again = client.get(reverse("status"), headers={**HTMX, "If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


# ---- the first step --------------------------------------------------------------------------------------------------
def test_an_empty_installation_offers_the_sample_data_and_takes_it_in(store: Store) -> None:
    client = client_of(Role.LABELLER)
    assert reverse("sample-data") in client.get(reverse("persona-grid")).content.decode()
    answer = client.post(reverse("sample-data"))
    job = store.jobs().items[0]
    assert answer["Location"] == reverse("job", args=[job.job_id])
    assert (job.kind, job.detail["folder"], job.actor) == ("ingest", str(settings.SAMPLE_DATA), "a-labeller")
    assert store.share(job.job_id, 0) is not None
    page = client.get(reverse("persona-grid")).content.decode()
    assert "on their way" in page
    assert reverse("sample-data") not in page


def test_the_sample_data_is_queued_once_however_often_it_is_asked_for(store: Store) -> None:
    client = client_of(Role.LABELLER)
    assert client.post(reverse("sample-data"))["Location"] == client.post(reverse("sample-data"))["Location"]
    assert len(store.jobs().items) == 1


def test_the_sample_data_does_not_mix_with_pictures_of_ones_own(store: Store) -> None:
    add_pictures(store, 1)
    answer = client_of(Role.LABELLER).post(reverse("sample-data"))
    assert answer.status_code == 422
    assert store.jobs().items == ()


def test_who_may_not_upload_is_offered_no_first_step(store: Store) -> None:
    page = client_of(Role.VIEWER).get(reverse("persona-grid")).content.decode()
    assert "labeller role" in page
    assert reverse("sample-data") not in page
    assert reverse("upload") not in page


def test_an_installation_without_the_sample_data_does_not_offer_it(store: Store, settings, tmp_path: Path) -> None:
    settings.SAMPLE_DATA = tmp_path / "none"
    client = client_of(Role.LABELLER)
    assert reverse("sample-data") not in client.get(reverse("persona-grid")).content.decode()
    assert client.post(reverse("sample-data")).status_code == 404
