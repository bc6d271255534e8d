"""What people say of faces on the pages, and how it is taken back."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from personas import sign_in
from personas.entities import LABELS, STRANGER, FaceKey, NewEvent
from personas.projection import PERSONA_ADDED
from personas.services.personas import persona_id_of_command
from personas.store.base import Store
from tests import factories
from tests.web import press_undo, send_label, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


def test_confirming_without_javascript_goes_back_with_a_toast(web: Client, ada: list[FaceKey], store: Store) -> None:
    here = reverse("persona", args=["ada"])
    response = send_label(web, ada[1], choice="belongs:ada", next=here)
    assert (response.status_code, response["Location"]) == (303, here)  # type: ignore[attr-defined,index]
    page = text_of(web.get(here))
    assert "This is Ada." in page
    assert store.label_counts(["ada"])["ada"] == (2, 0)
    assert 'Predicted <span class="count">3</span>' in page


def test_rejecting_with_htmx_answers_with_counts_and_anpress_undo(
    web: Client, ada: list[FaceKey], store: Store
) -> None:
    response = send_label(web, ada[1], choice="rejected:ada", view="tile", page_of="ada", tab="predicted", htmx="y")
    partial = text_of(response)
    assert "<html" not in partial
    assert 'Rejected <span class="count">1</span>' in partial
    assert 'Predicted <span class="count">3</span>' in partial
    press_undo(web, partial)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_undoing_gives_a_face_back_to_whom_it_was_labelled(web: Client, ada: list[FaceKey], store: Store) -> None:
    factories.add_personas(store, "Bob")
    factories.label(store, "bob", ada[1])
    page = text_of(send_label(web, ada[1], choice="belongs:ada", view="tile", page_of="ada", htmx="y"))
    assert store.label_counts(["ada", "bob"]) == {"ada": (2, 0), "bob": (0, 0)}
    press_undo(web, page)
    assert store.label_counts(["ada", "bob"]) == {"ada": (1, 0), "bob": (1, 0)}


@pytest.mark.parametrize("meanwhile", ["belongs:bob", "rejected:bob"])
def test_an_undo_is_refused_when_something_else_was_said_meanwhile(
    web: Client, ada: list[FaceKey], store: Store, meanwhile: str
) -> None:
    factories.add_personas(store, "Bob")
    page = text_of(send_label(web, ada[1], choice="belongs:ada", htmx="1"))
    send_label(web, ada[1], choice=meanwhile)
    said = store.labels_of_images([ada[1].image_id])
    response = press_undo(web, page)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "Something else was said of this meanwhile" in text_of(response)
    assert store.labels_of_images([ada[1].image_id]) == said


def test_an_undo_pressed_twice_is_undone_once(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = text_of(send_label(web, ada[1], choice="belongs:ada", htmx="1"))
    assert [press_undo(web, page).status_code for _ in range(2)] == [303, 303]  # type: ignore[attr-defined]
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_naming_a_new_person_can_be_undone(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = text_of(send_label(web, ada[5], name="Grace", htmx="1"))
    press_undo(web, page)
    assert store.labels_of_images([ada[5].image_id]) == {}
    assert store.personas_named("Grace") == ()


def test_a_made_up_undo_is_refused(web: Client, store: Store) -> None:
    response = web.post(reverse("undo"), {"undo": "made:up"})
    assert response.status_code == 422


def test_a_new_name_adds_a_person_and_a_known_one_does_not(web: Client, ada: list[FaceKey], store: Store) -> None:
    send_label(web, ada[5], name="Grace")
    assert len(store.personas_named("Grace")) == 1
    send_label(web, ada[4], name="gRACE ")
    assert store.label_counts([store.personas_named("Grace")[0].persona_id]).popitem()[1] == (2, 0)


def test_a_name_of_two_people_is_asked_about(web: Client, ada: list[FaceKey], store: Store) -> None:
    factories.add_personas(store, "Sam")
    store.record("labels", [factories.persona_added("sam2", "Sam")])
    response = send_label(web, ada[5], name="Sam", htmx="y")
    assert response.status_code == 409  # type: ignore[attr-defined]
    assert "2 people are called Sam" in text_of(response)
    assert "<html" not in text_of(response)


def test_a_naming_that_was_killed_half_way_is_finished_when_it_is_sent_again(
    web: Client, ada: list[FaceKey], store: Store
) -> None:
    """A store that records a command's events one by one may be left with the person, and without the label."""
    command = factories.command_id()
    added = NewEvent(
        kind=PERSONA_ADDED,
        actor="owner",
        at=timezone.now(),
        command_id=command,
        payload={"persona_id": persona_id_of_command(command), "name": "Grace"},
    )
    store.record(LABELS, [added])
    send_label(web, ada[5], name="Grace", command_id=command)
    (grace,) = store.personas_named("Grace")
    assert [label.key for label in store.labels_of_persona(grace.persona_id, belongs=True).items] == [ada[5]]


def test_sending_a_form_twice_labels_once(web: Client, ada: list[FaceKey], store: Store) -> None:
    command = factories.command_id()
    head = store.head("labels")
    for _ in range(2):
        send_label(web, ada[5], name="Grace", command_id=command)
    assert len(store.personas_named("Grace")) == 1
    assert store.head("labels") == head + 2


def test_a_form_of_an_old_page_says_that_it_was_sent_before(web: Client, ada: list[FaceKey], store: Store) -> None:
    command = factories.command_id()
    store.record("labels", [factories.labelled("ada", [ada[1]], command=command)])
    response = send_label(web, ada[1], choice="belongs:ada", command_id=command)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "sent before" in text_of(response)


def test_a_stranger_is_listed_and_can_be_taken_back(web: Client, ada: list[FaceKey], store: Store) -> None:
    send_label(web, ada[5], choice=f"belongs:{STRANGER}")
    assert text_of(web.get(reverse("strangers"))).count('class="tile ') == 1
    send_label(web, ada[5], choice=f"cleared:{STRANGER}")
    assert store.label_counts([STRANGER])[STRANGER] == (0, 0)


def test_only_faces_that_nobody_claims_are_unknown(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("unknown")))
    assert re.findall(r'name="faces" value="([^"]+)"', page) == [str(ada[5])] * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"faces": "nonsense", "choice": "belongs:ada"},
        {"faces": "", "choice": "belongs:ada"},
        {"choice": "loves:ada"},
        {"verdict": "rejected", "name": "Ada"},
        {"command_id": "17", "choice": "belongs:ada"},
        {},
    ],
)
def test_a_form_that_cannot_be_read_says_so(web: Client, ada: list[FaceKey], fields: dict[str, str]) -> None:
    response = send_label(web, ada[1], **fields)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "could not be read" in text_of(response)


def test_a_face_that_is_gone_is_said_to_be(web: Client, ada: list[FaceKey]) -> None:
    response = send_label(web, factories.key("never seen"), choice="belongs:ada")
    assert response.status_code == 404  # type: ignore[attr-defined]


def test_labelling_needs_the_form_to_come_from_a_page(ada: list[FaceKey]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(sign_in.ensure_owner())
    response = send_label(client, ada[1], choice="belongs:ada")
    assert response.status_code == 403  # type: ignore[attr-defined]
    assert "Reload the page" in text_of(response)


@pytest.mark.parametrize("next_page", ["https://example.org/", "//example.org/", "javascript:alert(1)"])
def test_a_form_leads_back_to_this_site_only(web: Client, ada: list[FaceKey], next_page: str) -> None:
    response = send_label(web, ada[1], choice="belongs:ada", next=next_page)
    assert response["Location"] == reverse("image", args=[ada[1].image_id])  # type: ignore[index]
