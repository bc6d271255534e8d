"""Pages and forms of people, faces and pictures."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from personas import recogniser, sign_in
from personas.entities import LABELS, STRANGER, FaceKey, NewEvent
from personas.models import OneTimeLink
from personas.projection import PERSONA_ADDED
from personas.services.curation import delete_images
from personas.services.personas import persona_id_of_command
from personas.store.base import Store
from tests import factories
from tests.web import HTMX, add_pictures, publish, send_label, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


# ---- who may see what ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["persona-grid", "images", "strangers", "unknown", "upload", "models", "learning"])
def test_every_page_asks_for_a_sign_in(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


@pytest.mark.parametrize("name", ["face-crop", "image-preview", "image-original"])
def test_pictures_ask_for_a_sign_in(client: Client, ada: list[FaceKey], name: str) -> None:
    arguments = {"face-crop": [*ada[0], 96], "image-preview": [ada[0].image_id, 320]}.get(name, [ada[0].image_id])
    assert client.get(reverse(name, args=arguments)).status_code == 302


@pytest.mark.parametrize("name", ["healthz", "readyz"])
def test_health_asks_for_nothing(client: Client, store: Store, name: str) -> None:
    assert client.get(reverse(name)).json()["status"] == "ok"


def test_a_viewer_sees_but_may_not_label(client: Client, ada: list[FaceKey], store: Store) -> None:
    client.force_login(User.objects.create_user("viewer"))
    page = text_of(client.get(reverse("persona", args=["ada"])))
    assert "belongs:ada" not in page
    response = send_label(client, ada[1], choice="belongs:ada")
    assert response.status_code == 403  # type: ignore[attr-defined]
    assert "labeller role" in text_of(response)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_a_labeller_may_label_but_not_promote(client: Client, ada: list[FaceKey], store: Store) -> None:
    user = User.objects.create_user("labeller")
    user.user_permissions.add(Permission.objects.get(codename="add_label"))
    client.force_login(user)
    assert send_label(client, ada[1], choice="belongs:ada").status_code == 303  # type: ignore[attr-defined]
    assert client.post(reverse("model-promote", args=[1])).status_code == 403


# ---- signing in ------------------------------------------------------------------------------------------------------
def test_a_one_time_link_signs_in_once(client: Client, db: None) -> None:
    link = sign_in.one_time_link("http://testserver")
    assert client.get(link)["Location"] == reverse("persona-grid")
    assert client.session["_auth_user_id"]
    client.logout()
    assert client.get(link).status_code == 410


def test_a_one_time_link_grows_stale(client: Client, db: None) -> None:
    link = sign_in.one_time_link("http://testserver")
    OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(link).status_code == 410


@pytest.mark.parametrize(
    "headers",
    [{"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"HTTP_FORWARDED": "for=192.0.2.7"}],
)
def test_a_one_time_link_works_on_this_machine_only(client: Client, db: None, headers: dict[str, str]) -> None:
    link = sign_in.one_time_link("http://testserver")
    assert client.get(link, **headers).status_code == 404  # type: ignore[arg-type]
    assert client.get(link).status_code == 302


def test_the_tokens_of_links_are_not_kept(db: None) -> None:
    token = sign_in.one_time_link("http://testserver").rpartition("/")[2]
    assert token not in OneTimeLink.objects.get().token_hash


def test_signing_in_with_a_password(client: Client, db: None) -> None:
    User.objects.create_user("grace", password="a long enough secret")
    response = client.post(reverse("sign-in"), {"username": "grace", "password": "a long enough secret"})
    assert response["Location"] == reverse("persona-grid")
    assert client.post(reverse("sign-out"))["Location"] == reverse("sign-in")


def test_a_partial_of_an_ended_session_loads_the_sign_in_page(client: Client, db: None) -> None:
    response = client.get(reverse("sign-in"), headers={**HTMX, "HX-Current-URL": "http://testserver/personas/ada/"})
    assert response["HX-Redirect"].startswith(reverse("sign-in"))


# ---- people ----------------------------------------------------------------------------------------------------------
def test_the_grid_shows_counts_and_a_cover(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("persona-grid")))
    assert "Ada" in page
    assert "1 labelled" in page
    assert "4 predicted" in page
    assert reverse("face-crop", args=[*ada[0], 192]) in page


def test_an_empty_grid_says_what_to_do_next(web: Client, store: Store) -> None:
    assert "Add pictures" in text_of(web.get(reverse("persona-grid")))
    add_pictures(store, 1)
    assert "Name faces" in text_of(web.get(reverse("persona-grid")))


def test_the_grid_reads_as_often_for_many_people_as_for_few(
    web: Client, store: Store, django_assert_max_num_queries: object
) -> None:
    keys = add_pictures(store, 40)
    factories.add_personas(store, *(f"P{number}" for number in range(40)))
    for number, key in enumerate(keys):
        factories.label(store, f"p{number}", key)
    with django_assert_max_num_queries(16) as few:  # type: ignore[operator]
        assert web.get(reverse("persona-grid"), {"q": "P1"}).status_code == 200
    with django_assert_max_num_queries(len(few)) as many:  # type: ignore[operator]
        assert web.get(reverse("persona-grid")).status_code == 200
    assert len(many) == len(few)


def test_a_persona_page_reads_as_often_for_many_faces_as_for_few(
    web: Client, store: Store, django_assert_max_num_queries: object
) -> None:
    keys = add_pictures(store, 50)
    factories.add_personas(store, "Few", "Many")
    publish(store, {keys[0]: ("few", 0.9), **dict.fromkeys(keys[1:], ("many", 0.8))})
    with django_assert_max_num_queries(31) as few:  # type: ignore[operator]
        web.get(reverse("persona", args=["few"]))
    with django_assert_max_num_queries(len(few)):  # type: ignore[operator]
        assert text_of(web.get(reverse("persona", args=["many"]))).count('class="tile ') == 49


def test_the_grid_is_paged_by_key(web: Client, store: Store) -> None:
    factories.add_personas(store, *(f"P{number:03}" for number in range(70)))
    page = text_of(web.get(reverse("persona-grid")))
    more = re.search(r'hx-get="([^"]+cursor[^"]+)"', page)
    assert page.count('class="card"') == 60
    assert more
    rest = text_of(web.get(more[1], headers={**HTMX, "HX-Target": "more-people"}))
    assert rest.count('class="card"') == 10
    assert "<html" not in rest
    assert text_of(web.get(more[1])).count("<html") == 1


def test_predicted_faces_come_most_probable_first(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"])))
    assert re.findall(r"<span>(\d+) %</span>", page) == ["90", "80", "70", "60"]


def test_adding_a_person_without_javascript_leads_to_their_page(web: Client, store: Store) -> None:
    data = {"name": "  Grace   Hopper ", "command_id": factories.command_id()}
    response = web.post(reverse("persona-add"), data)
    assert response.status_code == 303
    assert "Grace Hopper" in text_of(web.get(response["Location"]))


def test_renaming_can_be_undone(web: Client, ada: list[FaceKey], store: Store) -> None:
    data = {"name": "Ada Lovelace", "command_id": factories.command_id()}
    page = text_of(web.post(reverse("persona-rename", args=["ada"]), data, follow=True))
    assert store.personas_by_id(["ada"])["ada"].name == "Ada Lovelace"
    _undo(web, page)
    assert store.personas_by_id(["ada"])["ada"].name == "Ada"


def test_a_missing_person_is_a_friendly_page(web: Client, store: Store) -> None:
    response = web.get(reverse("persona", args=["nobody"]))
    assert response.status_code == 404
    assert "Back to people" in text_of(response)


def test_what_breaks_is_a_plain_page_that_needs_nothing(
    web: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("personas.views.people.persona_grid", broken)
    web.raise_request_exception = False
    response = web.get(reverse("persona-grid"))
    assert response.status_code == 500
    assert "Something broke" in text_of(response)
    assert "on purpose" not in text_of(response)


def test_an_address_that_is_none_is_a_friendly_page_for_anybody(client: Client, db: None) -> None:
    response = client.get("/no/such/page/")
    assert response.status_code == 404
    assert "There is nothing here" in text_of(response)


def test_suggestions_hold_every_typed_word(web: Client, store: Store) -> None:
    factories.add_personas(store, "Ada Lovelace", "Grace Hopper")
    found = text_of(web.get(reverse("persona-names"), {"name": "lov ad"}))
    assert "Ada Lovelace" in found
    assert "Grace" not in found


# ---- labelling -------------------------------------------------------------------------------------------------------
def _undo(web: Client, page: str) -> object:
    token = re.search(r'name="undo" value="([^"]+)"', page)
    assert token, "the page offers no undo"
    return web.post(reverse("undo"), {"undo": token[1]})


def test_confirming_without_javascript_goes_back_with_a_toast(web: Client, ada: list[FaceKey], store: Store) -> None:
    here = reverse("persona", args=["ada"])
    response = send_label(web, ada[1], choice="belongs:ada", next=here)
    assert (response.status_code, response["Location"]) == (303, here)  # type: ignore[attr-defined,index]
    page = text_of(web.get(here))
    assert "This is Ada." in page
    assert store.label_counts(["ada"])["ada"] == (2, 0)
    assert 'Predicted <span class="count">3</span>' in page


def test_rejecting_with_htmx_answers_with_counts_and_an_undo(web: Client, ada: list[FaceKey], store: Store) -> None:
    response = send_label(web, ada[1], choice="rejected:ada", view="tile", page_of="ada", tab="predicted", htmx="y")
    partial = text_of(response)
    assert "<html" not in partial
    assert 'Rejected <span class="count">1</span>' in partial
    assert 'Predicted <span class="count">3</span>' in partial
    _undo(web, partial)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_undoing_gives_a_face_back_to_whom_it_was_labelled(web: Client, ada: list[FaceKey], store: Store) -> None:
    factories.add_personas(store, "Bob")
    factories.label(store, "bob", ada[1])
    page = text_of(send_label(web, ada[1], choice="belongs:ada", view="tile", page_of="ada", htmx="y"))
    assert store.label_counts(["ada", "bob"]) == {"ada": (2, 0), "bob": (0, 0)}
    _undo(web, page)
    assert store.label_counts(["ada", "bob"]) == {"ada": (1, 0), "bob": (1, 0)}


@pytest.mark.parametrize("meanwhile", ["belongs:bob", "rejected:bob"])
def test_an_undo_is_refused_when_something_else_was_said_meanwhile(
    web: Client, ada: list[FaceKey], store: Store, meanwhile: str
) -> None:
    factories.add_personas(store, "Bob")
    page = text_of(send_label(web, ada[1], choice="belongs:ada", htmx="1"))
    send_label(web, ada[1], choice=meanwhile)
    said = store.labels_of_images([ada[1].image_id])
    response = _undo(web, page)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "Something else was said of this meanwhile" in text_of(response)
    assert store.labels_of_images([ada[1].image_id]) == said


def test_an_undo_pressed_twice_is_undone_once(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = text_of(send_label(web, ada[1], choice="belongs:ada", htmx="1"))
    assert [_undo(web, page).status_code for _ in range(2)] == [303, 303]  # type: ignore[attr-defined]
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_naming_a_new_person_can_be_undone(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = text_of(send_label(web, ada[5], name="Grace", htmx="1"))
    _undo(web, page)
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


# ---- pictures --------------------------------------------------------------------------------------------------------
def test_a_picture_shows_its_faces_with_names_and_boxes(web: Client, store: Store) -> None:
    keys = add_pictures(store, 1, faces=3)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    publish(store, {keys[1]: ("bob", 0.87)})
    page = text_of(web.get(reverse("image", args=[keys[0].image_id])))
    assert page.count('<a class="box') == 3
    assert "✓ Ada" in page
    assert "Bob 87 %" in page
    assert "style=" not in page


def test_naming_on_a_picture_answers_with_its_faces(web: Client, ada: list[FaceKey]) -> None:
    partial = text_of(send_label(web, ada[5], name="Grace", view="picture", htmx="y"))
    assert 'id="faces"' in partial
    assert 'id="boxes"' in partial
    assert "✓ Grace" in partial


def test_all_pictures_are_shown_also_those_without_a_face(web: Client, store: Store) -> None:
    add_pictures(store, 2)
    add_pictures(store, 1, faces=0, prefix="landscape")
    page = text_of(web.get(reverse("images")))
    assert page.count('class="thumbnail"') == 3
    assert "no face" in page
    assert "3 pictures, 2 faces" in page


def test_crops_are_jpegs_that_can_run_nothing(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"])))
    url = re.search(r'src="(/faces/[^"]+)"', page)
    assert url
    response = web.get(url[1])
    content = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    assert content.startswith(b"\xff\xd8\xff")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert web.get(url[1], headers={"If-None-Match": response["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["face-crop", "image-preview", "image-original"])
def test_browsers_keep_a_picture_for_an_hour_and_then_ask_whether_it_is_still_shown(
    web: Client, ada: list[FaceKey], store: Store, name: str
) -> None:
    image_id = ada[1].image_id
    page = text_of(web.get(reverse("image", args=[image_id])))
    addresses = {
        "face-crop": rf"/faces/{image_id}/0/\d+\.jpg\?v=\w+",
        "image-preview": rf"/images/{image_id}/preview-\d+\.jpg",
        "image-original": rf"/images/{image_id}/original",
    }
    url = re.findall(addresses[name], page)[0]
    response = web.get(url)
    assert set(response["Cache-Control"].split(", ")) == {"private", "max-age=3600", "must-revalidate"}
    known = {"If-None-Match": response["ETag"]}
    unchanged = web.get(url, headers=known)
    assert (unchanged.status_code, unchanged["Cache-Control"]) == (304, response["Cache-Control"])
    delete_images(store=store, image_ids=[image_id], actor="zoe", at=factories.NOW, command_id=factories.command_id())
    assert web.get(url, headers=known).status_code == 404


def test_a_crop_of_a_size_nobody_offers_does_not_exist(web: Client, ada: list[FaceKey]) -> None:
    assert web.get(reverse("face-crop", args=[*ada[0], 97])).status_code == 404


def test_an_original_is_served_as_what_it_is_and_can_run_nothing(web: Client, ada: list[FaceKey]) -> None:
    response = web.get(reverse("image-original", args=[ada[0].image_id]))
    assert response["Content-Type"] == "image/jpeg"
    assert "sandbox" in response["Content-Security-Policy"]


def test_a_lost_original_is_said_to_be_lost(web: Client, store: Store) -> None:
    keys = factories.save_pictures(store, 1, prefix="lost")
    for name, arguments in (("image-original", []), ("image-preview", [320])):
        response = web.get(reverse(name, args=[keys[0].image_id, *arguments]))
        assert response.status_code == 404
        assert "Ingest its source again" in text_of(response)


# ---- learning --------------------------------------------------------------------------------------------------------
def test_the_learning_line_is_unchanged_until_something_happens(web: Client, ada: list[FaceKey], store: Store) -> None:
    first = web.get(reverse("learning"))
    assert "Version 1" in text_of(first)
    known = {"If-None-Match": first["ETag"]}
    assert web.get(reverse("learning"), headers=known).status_code == 304
    send_label(web, ada[1], choice="belongs:ada")
    changed = web.get(reverse("learning"), headers=known)
    assert changed.status_code == 200
    assert "data-busy" in text_of(changed)


# ---- safety ----------------------------------------------------------------------------------------------------------
def test_names_are_escaped(web: Client, ada: list[FaceKey]) -> None:
    evil = '<script>alert("x")</script>'
    send_label(web, ada[5], name=evil)
    for url in (reverse("persona-grid"), reverse("image", args=[ada[5].image_id])):
        page = text_of(web.get(url))
        assert evil not in page
        assert "&lt;script&gt;" in page


def test_pages_carry_a_policy_without_inline_code(web: Client, ada: list[FaceKey]) -> None:
    for url in (reverse("persona-grid"), reverse("persona", args=["ada"]), reverse("admin:index")):
        response = web.get(url)
        assert "unsafe" not in response["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)", text_of(response))
        assert " style=" not in text_of(response)


def test_a_new_sign_in_link_can_be_printed(client: Client, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sign_in_link", "--url", "http://testserver")
    assert client.get(capsys.readouterr().out.strip()).status_code == 302


def test_a_cover_is_chosen_and_given_back(web: Client, ada: list[FaceKey], store: Store) -> None:
    data = {"face": str(ada[0]), "command_id": factories.command_id()}
    page = text_of(web.post(reverse("persona-cover", args=["ada"]), data, follow=True))
    assert store.personas_by_id(["ada"])["ada"].cover == ada[0]
    _undo(web, page)
    assert store.personas_by_id(["ada"])["ada"].cover is None


def test_asking_for_the_head_of_a_page_spends_no_link(client: Client, db: None) -> None:
    link = sign_in.one_time_link("http://testserver")
    assert client.head(link).status_code == 405
    assert client.get(link).status_code == 302
    assert client.head(reverse("persona-grid")).status_code == 200


# ---- addresses nobody clicked on -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["persona-grid", "images", "strangers", "unknown", "models"])
def test_numbers_of_thousands_of_digits_are_answered(web: Client, ada: list[FaceKey], name: str) -> None:
    digits = "9" * 5000
    assert web.get(reverse(name), {"limit": digits}).status_code == 200
    assert web.get(reverse(name), {"cursor": digits}).status_code == 404


# ---- many faces ------------------------------------------------------------------------------------------------------
def test_a_crowd_is_listed_in_full_only_when_asked_for(
    web: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.views.pictures.FACES_LISTED", 3)
    keys = add_pictures(store, 1, faces=5)
    url = reverse("image", args=[keys[0].image_id])
    page = text_of(web.get(url))
    assert page.count('<article class="face"') == 3
    assert "Show all 5 faces" in page
    assert page.count('<a class="box') == 5
    assert 'href="#face-2"' in page
    assert 'href="?all=1#face-3"' in page
    everybody = text_of(web.get(f"{url}?all=1"))
    assert everybody.count('<article class="face"') == 5
    assert "Show all" not in everybody
    for current, listed in ((url, 3), (f"{url}?all=1", 5)):
        data = {"faces": str(keys[0]), "choice": "belongs:stranger", "view": "picture"}
        headers = {**HTMX, "HX-Current-URL": f"http://testserver{current}"}
        form = {**data, "command_id": factories.command_id()}
        partial = text_of(web.post(reverse("label"), form, headers=headers))
        assert partial.count('<article class="face"') == listed


def test_the_unknown_among_many_known_are_found_in_few_reads(
    web: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.views.unknown.TILES", 4)
    monkeypatch.setattr("personas.selectors.faces.LOOKED_AT_ONCE", 20)
    keys = factories.save_pictures(store, 60)
    factories.add_personas(store, "Ada")
    unknown = {*keys[18:21], keys[30], keys[31], keys[45]}
    publish(store, {key: ("ada", 0.9) for key in keys if key not in unknown})
    asked: list[int] = []
    champion = recogniser._champion
    recogniser.plug_in(lambda: asked.append(1) or champion())
    first = text_of(web.get(reverse("unknown")))
    assert len(asked) == 1
    assert _faces_of(first) == [*keys[18:21], keys[30]]
    more = re.search(r'hx-get="([^"]+cursor[^"]+)"', first)
    assert more
    second = text_of(web.get(more[1], headers={**HTMX, "HX-Target": "more-faces"}))
    assert _faces_of(second) == [keys[31], keys[45]]


def _faces_of(page: str) -> list[FaceKey]:
    return [FaceKey.parse(text) for text in dict.fromkeys(re.findall(r'name="faces" value="([^"]+)"', page))]


def test_an_empty_stretch_of_the_unknown_is_not_followed_by_itself(
    web: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.selectors.faces.LOOKED_THROUGH", 60)
    keys = factories.save_pictures(store, 130)
    factories.add_personas(store, "Ada")
    publish(store, dict.fromkeys(keys, ("ada", 0.9)))
    page = text_of(web.get(reverse("unknown")))
    assert "Look further" in page
    assert 'hx-trigger="revealed"' not in page


# ---- the tab of a persona's page -------------------------------------------------------------------------------------
def current_tab(response: object) -> str:
    found = re.search(r'aria-current="page">(\w+) <span class="count">', text_of(response))
    assert found
    return found[1]


def test_a_page_without_a_chosen_tab_opens_predictions_when_they_come(web: Client, store: Store) -> None:
    keys = add_pictures(store, 3)
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", keys[0])
    address, chosen = reverse("persona", args=["ada"]), {"show": "labelled"}
    refreshing = {**HTMX, "HX-Target": "main"}
    assert current_tab(web.get(address)) == "Labelled"
    publish(store, {keys[1]: ("ada", 0.8)})
    assert current_tab(web.get(address, headers=refreshing)) == "Predicted"
    assert current_tab(web.get(address, chosen, headers=refreshing)) == "Labelled"


def test_a_name_on_a_picture_leads_to_the_page_without_a_chosen_tab(web: Client, ada: list[FaceKey]) -> None:
    picture = text_of(web.get(reverse("image", args=[ada[0].image_id])))
    assert f'href="{reverse("persona", args=["ada"])}"' in picture
