"""Pages of people and pictures; see test_views_labelling.py for what is said on them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from personas import recogniser
from personas.entities import FaceKey
from personas.services.curation import delete_images
from personas.store.base import Store
from tests import factories
from tests.web import HTMX, add_pictures, press_undo, publish, send_label, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


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


def test_the_welcome_stays_until_there_are_pictures(web: Client, store: Store) -> None:
    factories.add_personas(store, "Ada")
    assert "Welcome. There are no pictures yet" in text_of(web.get(reverse("persona-grid")))
    for empty in ("review", "unknown"):
        assert "No faces yet" in text_of(web.get(reverse(empty)))
    add_pictures(store, 1)
    assert "Welcome." not in text_of(web.get(reverse("persona-grid")))


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
    press_undo(web, page)
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


def test_a_cover_is_chosen_and_given_back(web: Client, ada: list[FaceKey], store: Store) -> None:
    data = {"face": str(ada[0]), "command_id": factories.command_id()}
    page = text_of(web.post(reverse("persona-cover", args=["ada"]), data, follow=True))
    assert store.personas_by_id(["ada"])["ada"].cover == ada[0]
    press_undo(web, page)
    assert store.personas_by_id(["ada"])["ada"].cover is None


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
