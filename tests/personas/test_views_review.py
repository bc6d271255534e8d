"""The review queue as pages and forms: what is asked, in which order, and what an answer leads to."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from personas.entities import IGNORED, NOT_A_FACE, STRANGER, FaceKey, Verdict
from personas.store.base import Store
from tests import factories
from tests.web import HTMX, add_pictures, publish, send_label, text_of

pytestmark = pytest.mark.django_db
PARTIAL = {**HTMX, "HX-Target": "more-questions"}


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


@pytest.fixture
def unsure(store: Store) -> list[FaceKey]:
    """Ada has a labelled face; the version is sure of one more and less and less sure of four; one is unknown."""
    keys = add_pictures(store, 7)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    chances = (0.999, 0.9, 0.8, 0.6, 0.55)
    publish(store, {key: ("ada", chance) for key, chance in zip(keys[1:6], chances, strict=True)})
    return keys


def asked(client: Client) -> list[str]:
    """Faces of the questions that the page's script gets, in their order."""
    page = text_of(client.get(reverse("review"), headers=PARTIAL))
    return [faces.strip() for faces in re.findall(r'data-faces="([^"]+)"', page)]


def test_the_most_uncertain_face_is_asked_first_and_sure_ones_never(web: Client, unsure: list[FaceKey]) -> None:
    assert asked(web) == [str(unsure[place]) for place in (5, 4, 3, 2)]


def test_the_page_asks_one_question_with_a_face_to_compare_with(web: Client, unsure: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("review")))
    assert page.count('class="question"') == 1
    assert "Is this <strong>Ada</strong>?" in page
    assert f"/faces/{unsure[5].image_id}/0/384.jpg" in page
    assert f"/faces/{unsure[0].image_id}/0/192.jpg" in page
    assert f"/images/{unsure[5].image_id}/preview-320.jpg" in page
    assert "55 %" in page


@pytest.mark.parametrize("choice", ["belongs:ada", "rejected:ada", f"belongs:{STRANGER}"])
def test_what_was_answered_is_not_asked_again(web: Client, unsure: list[FaceKey], choice: str) -> None:
    asked(web)  # the order stands before the answer comes
    response = send_label(web, unsure[5], choice=choice, next=reverse("review"))
    assert response["Location"] == reverse("review")  # type: ignore[index]
    assert asked(web) == [str(unsure[place]) for place in (4, 3, 2)]


def test_what_is_taken_back_is_asked_again(web: Client, unsure: list[FaceKey]) -> None:
    assert asked(web)[0] == str(unsure[5])
    command_id = factories.command_id()
    data = {"faces": str(unsure[5]), "command_id": command_id, "choice": "belongs:ada"}
    web.post(reverse("label"), data)
    assert str(unsure[5]) not in asked(web)
    web.post(reverse("undo"), {"undo": command_id})
    assert asked(web)[0] == str(unsure[5])


def test_a_new_version_asks_of_a_rejected_face_who_else_it_is(web: Client, unsure: list[FaceKey], store: Store) -> None:
    factories.label(store, "ada", unsure[5], verdict=Verdict.REJECTED)
    publish(store, {unsure[5]: ("bob", 0.6)})
    assert asked(web) == [str(unsure[5])]
    assert "Is this <strong>Bob</strong>?" in text_of(web.get(reverse("review")))


def test_when_all_was_asked_the_order_is_made_anew_from_what_was_said(web: Client, store: Store) -> None:
    one = factories.new_face("somebody")
    factories.save(store, *[factories.extracted(n, faces=[one]) for n in range(9)])
    factories.add_personas(store, "Ada")
    (first,) = asked(web)
    factories.label(store, "ada", *(FaceKey.parse(face) for face in first.split()))
    (second,) = asked(web)
    assert not set(first.split()) & set(second.split())


def test_skipped_faces_are_left_out_for_this_session_and_user(web: Client, unsure: list[FaceKey]) -> None:
    response = web.post(reverse("review-skip"), {"face": str(unsure[5])})
    assert response["Location"] == reverse("review")
    assert web.post(reverse("review-skip"), {"face": str(unsure[4])}, headers=HTMX).status_code == 204
    assert asked(web) == [str(unsure[place]) for place in (3, 2)]
    web.force_login(User.objects.create_superuser("somebody else"))
    assert asked(web)[0] == str(unsure[5])


def test_a_forged_cookie_of_skipped_faces_skips_nothing(web: Client, unsure: list[FaceKey]) -> None:
    web.cookies["review-skipped"] = f"{unsure[5].image_id[:10]}.0:forged"
    assert asked(web)[0] == str(unsure[5])


@pytest.mark.parametrize(("answer", "said"), [(IGNORED, "Ignored."), (NOT_A_FACE, "Marked as no face.")])
def test_answers_where_nobody_is_meant(
    web: Client, unsure: list[FaceKey], store: Store, answer: str, said: str
) -> None:
    data = {"faces": str(unsure[5]), "command_id": factories.command_id(), "choice": f"belongs:{answer}"}
    page = text_of(web.post(reverse("label"), {**data, "next": reverse("review")}, follow=True))
    assert said in page
    assert store.label_counts([answer])[answer] == (1, 0)


def test_nobody_is_rejected(web: Client, unsure: list[FaceKey], store: Store) -> None:
    response = send_label(web, unsure[5], choice=f"rejected:{IGNORED}")
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert store.label_counts([IGNORED])[IGNORED] == (0, 0)


def test_the_navigation_counts_what_is_to_be_asked(web: Client, unsure: list[FaceKey], store: Store) -> None:
    assert ">4</span>" in text_of(web.get(reverse("review-count")))
    factories.label(store, "ada", *unsure[2:6])
    assert "hidden" in text_of(web.get(reverse("review-count")))


def test_nothing_to_ask_says_what_brings_questions(web: Client, store: Store) -> None:
    (key,) = factories.save_pictures(store, 1)
    factories.label(store, STRANGER, key)
    publish(store, {})
    page = text_of(web.get(reverse("review")))
    assert "Nothing to ask" in page
    assert "data-follow" in page


def test_before_the_first_version_look_alikes_are_asked_about_together(web: Client, store: Store) -> None:
    one = factories.new_face("somebody")
    factories.save(store, *[factories.extracted(name, faces=[one]) for name in ("a", "b", "c")])
    factories.save_pictures(store, 3, prefix="passer-by")
    (question,) = asked(web)
    assert set(question.split()) == {str(factories.key(name)) for name in ("a", "b", "c")}
    assert "These 3 look alike: who is this?" in text_of(web.get(reverse("review")))


def test_deleted_pictures_are_not_asked_about(web: Client, unsure: list[FaceKey]) -> None:
    data = {"command_id": factories.command_id()}
    web.post(reverse("image-delete", args=[unsure[5].image_id]), data)
    assert str(unsure[5]) not in asked(web)
