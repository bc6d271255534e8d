"""Deleted pictures: listed, restored, erased for good; by page, API and command."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from personas.crops import drop_pictures, originals, shrink_picture
from personas.entities import FaceKey
from personas.services.curation import delete_images
from personas.services.erasing import finish_erasing
from personas.store.base import Store
from tests import factories
from tests.api import CURATOR, LABELLER, Api, problem_in, token_of, user_with
from tests.web import add_pictures, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


@pytest.fixture
def pictures(store: Store) -> list[FaceKey]:
    return add_pictures(store, 3)


def delete(store: Store, *keys: FaceKey, ago: timedelta = timedelta()) -> None:
    delete_images(
        store=store,
        image_ids=[key.image_id for key in keys],
        actor="carl",
        at=timezone.now() - ago,
        command_id=factories.command_id(),
    )


def finish(store: Store) -> None:
    finish_erasing(store=store, drop_files=drop_pictures, clock=timezone.now)


def erase(client: Client, key: FaceKey) -> str:
    url = reverse("image-erase", args=[key.image_id])
    return text_of(client.post(url, {"command_id": factories.command_id()}, follow=True))


def manage(*options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("erase_deleted", *options, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_a_deleted_picture_is_listed_and_restored_from_there(
    web: Client, pictures: list[FaceKey], store: Store
) -> None:
    delete(store, pictures[0])
    page = text_of(web.get(reverse("images-deleted")))
    assert page.count("Erase for good") == 1 and "Restore" in page
    undo = {"undo": store.deleted_images().items[0].command_id, "next": reverse("images-deleted")}
    assert "No picture is deleted" in text_of(web.post(reverse("undo"), undo, follow=True))
    assert web.get(reverse("image", args=[pictures[0].image_id])).status_code == 200


def test_the_list_goes_on_by_cursor(web: Client, pictures: list[FaceKey], store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr("personas.views.deleted.PICTURES", 2)
    delete(store, *pictures)
    page = web.get(reverse("images-deleted"))
    more = page.context["more"]
    assert len(page.context["pictures"]) == 2
    rest = web.get(more, headers={"HX-Request": "true", "HX-Target": "more-deleted"})
    assert len(rest.context["pictures"]) == 1 and rest.context["more"] is None


def test_erasing_says_what_goes_before_it_does_anything(web: Client, pictures: list[FaceKey], store: Store) -> None:
    delete(store, pictures[0])
    page = text_of(web.get(reverse("image-erase", args=[pictures[0].image_id])))
    assert "cannot be undone" in page and "What stays" in page
    assert store.erased_images().items == ()


def test_an_erased_picture_is_gone_from_everywhere(web: Client, pictures: list[FaceKey], store: Store) -> None:
    gone = pictures[0].image_id
    cached = shrink_picture(store.images_by_id([gone])[gone], size=320).path
    delete(store, pictures[0])
    assert "erased for good" in erase(web, pictures[0])
    assert web.get(reverse("deleted-preview", args=[gone])).status_code == 404
    finish(store)
    assert not originals().exists(gone) and not cached.exists() and not cached.parent.exists()
    assert web.get(reverse("image", args=[gone])).status_code == 404
    history = text_of(web.get(reverse("history")))
    assert "Erased 1 picture for good" in history


def test_the_history_says_why_a_deletion_cannot_be_taken_back_any_more(
    web: Client, pictures: list[FaceKey], store: Store
) -> None:
    delete(store, pictures[0])
    command_id = store.deleted_images().items[0].command_id
    erase(web, pictures[0])
    finish(store)
    answer = web.post(reverse("undo"), {"undo": command_id})
    assert "was erased for good on" in text_of(answer)


def test_an_undo_tells_what_stays_gone(web: Client, pictures: list[FaceKey], store: Store) -> None:
    delete(store, *pictures[:2])
    command_id = store.deleted_images().items[0].command_id
    erase(web, pictures[0])
    finish(store)
    page = text_of(web.post(reverse("undo"), {"undo": command_id}, follow=True))
    assert "One picture was erased for good on" in page and "stays gone" in page
    assert web.get(reverse("image", args=[pictures[1].image_id])).status_code == 200


def test_what_was_not_deleted_has_no_page_to_erase_it(web: Client, pictures: list[FaceKey], store: Store) -> None:
    assert web.get(reverse("image-erase", args=[pictures[0].image_id])).status_code == 404
    assert web.get(reverse("deleted-preview", args=[pictures[0].image_id])).status_code == 404
    erase(web, pictures[0])
    assert store.erased_images().items == ()


def test_a_preview_of_a_deleted_picture_is_not_kept_by_browsers(
    web: Client, pictures: list[FaceKey], store: Store
) -> None:
    delete(store, pictures[0])
    answer = web.get(reverse("deleted-preview", args=[pictures[0].image_id]))
    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")


# ---- by command ------------------------------------------------------------------------------------------------------


def test_the_command_erases_what_is_due(pictures: list[FaceKey], store: Store, settings: Any) -> None:
    settings.DELETED_KEPT_DAYS = 30
    delete(store, pictures[0], ago=timedelta(days=31))
    delete(store, pictures[1], ago=timedelta(days=2))
    delete(store, pictures[2])
    assert manage("--dry-run") == {"would_erase": 1}
    assert manage() == {"erased": 1}
    assert manage("--older-than", "1") == {"erased": 1}
    assert manage("--all", "--dry-run") == {"would_erase": 1}
    assert manage("--all") == {"erased": 1}
    assert store.images().items == ()
    assert not any(originals().exists(key.image_id) for key in pictures)


def test_the_command_allows_an_erased_picture_again(pictures: list[FaceKey], store: Store) -> None:
    delete(store, pictures[0])
    manage("--all")
    assert manage("--forget", pictures[0].image_id) == {"allowed": 1}
    assert store.erased_images().items == ()


# ---- by API ----------------------------------------------------------------------------------------------------------


def test_programs_list_and_erase_deleted_pictures(pictures: list[FaceKey], store: Store, tmp_path: Path) -> None:
    curator = Api(token_of(user_with(*CURATOR)))
    delete(store, pictures[0])
    (listed,) = curator.all("/images/deleted")
    assert (listed["image_id"], listed["n_faces"]) == (pictures[0].image_id, 1)
    key = factories.command_id()
    for _ in range(2):
        answer = curator.ask("POST", f"/images/{pictures[0].image_id}/erase", headers={"Idempotency-Key": key})
        assert answer.json() == {"command_id": key}
    finish(store)
    assert curator.all("/images/deleted") == []
    problem_in(curator.send(f"/images/{pictures[0].image_id}/erase"), 404, "not_found")
    problem_in(curator.send(f"/commands/{listed['command_id']}/undo"), 409, "not_undone")


def test_erasing_by_api_needs_the_curator_role(pictures: list[FaceKey], store: Store) -> None:
    labeller = Api(token_of(user_with(*LABELLER, name="linus")))
    delete(store, pictures[0])
    assert labeller.send(f"/images/{pictures[0].image_id}/erase").status_code == 403
    assert labeller.get("/images/deleted").status_code == 403
    assert store.erased_images().items == ()
