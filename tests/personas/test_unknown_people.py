"""Unknown people: groups of faces that are named, ignored or set aside in one command, and single faces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from personas import sign_in
from personas.entities import IGNORED, LABELS, NOT_A_FACE, STRANGER, FaceKey, JobStatus, Verdict
from personas.errors import NotFoundError
from personas.selectors.groups import (
    GROUPS_JOB,
    faces_to_label,
    groups_folder,
    single_faces,
    unknown_group,
    unknown_groups,
)
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.groups import put_groups
from tests.web import add_pictures, champions, publish

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def store(settings: Any, tmp_path: Any) -> Iterator[Store]:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    with champions():
        yield get_store()


@pytest.fixture
def web(client: Client) -> Client:
    """Signed in as the owner."""
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    """Twelve faces that nobody knows."""
    return add_pictures(store, 12)


@pytest.fixture
def groups(store: Store, faces: list[FaceKey]) -> dict[str, str]:
    """Group a of five faces, b of three; four single faces."""
    return put_groups(store, a=faces[4::-1], b=faces[5:8])


def shown(store: Store) -> dict[str, list[FaceKey]]:
    return {view.group_id[0]: [each.face.key for each in view.faces] for view in unknown_groups(store).items}


def text_of(response: Any) -> str:
    return str(response.content.decode())


def send(web: Client, groups: dict[str, str], group: str, *, left_out: Sequence[FaceKey] = (), **fields: str) -> Any:
    headers = HTMX if fields.pop("htmx", "") else {}
    data = {
        "group": groups[group],
        "edition": groups["edition"],
        "command_id": factories.command_id(),
        "left_out": [str(key) for key in left_out],
        **fields,
    }
    return web.post(reverse("label"), data, headers=headers)


def labelled(store: Store, persona_id: str) -> set[FaceKey]:
    return {label.key for label in store.labels_of_persona(persona_id, belongs=True).items}


def person_called(store: Store, name: str) -> str:
    (persona,) = store.personas_named(name)
    return persona.persona_id


# ---- what is shown ---------------------------------------------------------------------------------------------------
def test_groups_come_first_and_single_faces_after_them(
    web: Client, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    page = text_of(web.get(reverse("unknown")))
    assert (
        page.index(f'id="group-{groups["a"]}"') < page.index(f'id="group-{groups["b"]}"') < page.index("Single faces")
    )
    singles = page[page.index("Single faces") :]
    assert set(re.findall(r'name="faces" value="([0-9a-f]{64}:\d+)"', singles)) == {str(key) for key in faces[8:]}


def test_a_face_that_was_named_leaves_its_group_at_once(
    store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", faces[2])
    assert shown(store) == {"a": [faces[4], faces[3], faces[1], faces[0]], "b": faces[5:8]}
    factories.label(store, "ada", faces[2], verdict=Verdict.CLEARED)
    assert shown(store)["a"] == faces[4::-1]


def test_a_face_that_a_new_champion_names_leaves_its_group_at_once(
    store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    factories.add_personas(store, "Ada")
    publish(store, dict.fromkeys(faces[5:8], ("ada", 0.9)))
    assert shown(store) == {"a": faces[4::-1]}


def test_a_rejected_face_is_still_unknown(store: Store, faces: list[FaceKey], groups: dict[str, str]) -> None:
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", faces[0], faces[8], verdict=Verdict.REJECTED)
    assert faces[0] in shown(store)["a"]
    assert {view.face.key for view in single_faces(store).items} == set(faces[8:])


def test_large_groups_show_some_faces_and_say_how_many_there_are(store: Store, web: Client) -> None:
    keys = add_pictures(store, 14)
    put_groups(store, a=keys)
    (view,) = unknown_groups(store).items
    assert (len(view.faces), view.n_faces) == (8, 14)
    assert "14 faces" in text_of(web.get(reverse("unknown")))


def test_groups_are_read_page_by_page_from_one_edition(store: Store, faces: list[FaceKey]) -> None:
    put_groups(store, **{letter: faces[2 * n : 2 * n + 2] for n, letter in enumerate("abcdef")})
    first = unknown_groups(store, limit=4)
    put_groups(store, a=faces[10:12])  # a run that ends meanwhile
    rest = unknown_groups(store, cursor=first.next_cursor, limit=4)
    assert [view.group_id[0] for view in (*first.items, *rest.items)] == list("abcdef")
    assert rest.next_cursor is None


def test_groups_whose_faces_all_have_names_are_passed_over(store: Store, faces: list[FaceKey]) -> None:
    put_groups(store, **{letter: faces[2 * n : 2 * n + 2] for n, letter in enumerate("abcdef")})
    factories.label(store, IGNORED, *faces[:6])
    page = unknown_groups(store, limit=2)
    assert [view.group_id[0] for view in page.items] == ["d", "e"]
    assert [view.group_id[0] for view in unknown_groups(store, cursor=page.next_cursor, limit=2).items] == ["f"]


def test_a_page_looks_through_so_many_settled_groups_and_leads_on(
    store: Store, web: Client, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.selectors.groups.LOOKED_AT", 5)
    put_groups(store, **{letter: faces[2 * n : 2 * n + 2] for n, letter in enumerate("abcdef")})
    factories.label(store, IGNORED, *faces[:10])
    page = unknown_groups(store)
    assert page.items == ()
    assert [view.group_id[0] for view in unknown_groups(store, cursor=page.next_cursor).items] == ["f"]
    factories.label(store, IGNORED, *faces[10:])
    first = text_of(web.get(reverse("unknown")))
    assert "All groups" in first
    assert "Every face has a name" not in first
    assert "Look further" in text_of(web.get(reverse("unknown-groups")))


def test_very_large_groups_make_short_pages(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.selectors.groups.LOOKED_AT", 5)
    put_groups(store, a=faces[:4], b=faces[4:8], c=faces[8:])
    page = unknown_groups(store)
    assert [view.group_id[0] for view in page.items] == ["a", "b"]
    assert [view.group_id[0] for view in unknown_groups(store, cursor=page.next_cursor).items] == ["c"]


def test_a_page_of_a_group_goes_on_where_the_last_one_ended(
    store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    first, cursor = unknown_group(store, groups["a"], limit=2)
    factories.label(store, IGNORED, faces[3], faces[1])
    second, end = unknown_group(store, groups["a"], cursor=cursor, limit=2)
    assert [view.face.key for view in first.faces] == [faces[4], faces[3]]
    assert [view.face.key for view in second.faces] == [faces[2], faces[0]]
    assert (second.n_faces, end) == (3, None)


def test_all_groups_have_a_page_that_goes_on(web: Client, store: Store, faces: list[FaceKey], monkeypatch: Any) -> None:
    monkeypatch.setattr("personas.views.unknown.GROUPS", 2)
    monkeypatch.setattr("personas.views.unknown.FIRST_GROUPS", 2)
    put_groups(store, a=faces[:4], b=faces[4:7], c=faces[7:9])
    assert reverse("unknown-groups") in text_of(web.get(reverse("unknown")))
    page = text_of(web.get(reverse("unknown-groups")))
    (more,) = set(re.findall(r'hx-get="([^"]*cursor=[^"]*)"', page))
    rest = text_of(web.get(more.replace("&amp;", "&"), headers={**HTMX, "HX-Target": "more-groups"}))
    assert 'id="group-cccc' in rest
    assert "<html" not in rest


@pytest.mark.parametrize("cursor", ["x", "x~1", f"{'a' * 64}~1", f"{'a' * 64}~", f"{'a' * 64}~{'9' * 30}", "~1"])
def test_addresses_the_product_did_not_make_are_not_found(web: Client, groups: dict[str, str], cursor: str) -> None:
    assert web.get(reverse("unknown-groups"), {"cursor": cursor}).status_code == 404
    assert web.get(reverse("unknown-group", args=[groups["a"]]), {"cursor": cursor}).status_code == 404


def test_a_group_that_is_gone_is_not_found_and_says_why(web: Client, groups: dict[str, str]) -> None:
    response = web.get(reverse("unknown-group", args=["c" * 16]))
    assert response.status_code == 404
    assert "no such group any more" in text_of(response)


@pytest.mark.parametrize("content", [None, b"broken"])
def test_a_lost_or_damaged_file_of_groups_leaves_the_single_faces(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str], content: bytes | None
) -> None:
    path = groups_folder().path(groups["edition"])
    path.unlink() if content is None else path.write_bytes(content)
    page = text_of(web.get(reverse("unknown")))
    assert {key for key in faces if str(key) in page} == set(faces)


# ---- what is done ----------------------------------------------------------------------------------------------------
def test_a_name_names_all_faces_of_a_group_in_one_command(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    response = send(web, groups, "a", name="Ada", next=reverse("unknown"))
    assert (response.status_code, response["Location"]) == (303, reverse("unknown"))
    assert labelled(store, person_called(store, "Ada")) == set(faces[:5])
    commands = {event.command_id for event in store.events(LABELS, after=0)}
    assert len(commands) == 1
    assert list(shown(store)) == ["b"]


def test_the_name_of_somebody_known_means_them(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    factories.add_personas(store, "Ada")
    send(web, groups, "b", name="ada")
    assert labelled(store, "ada") == set(faces[5:8])


def test_faces_left_out_stay_unknown(web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str]) -> None:
    send(web, groups, "a", name="Ada", left_out=[faces[1], faces[3]])
    assert labelled(store, person_called(store, "Ada")) == {faces[0], faces[2], faces[4]}
    assert shown(store)["a"] == [faces[3], faces[1]]


def test_faces_said_to_be_somebody_meanwhile_are_not_named_again(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    factories.add_personas(store, "Bo")
    factories.label(store, "bo", faces[0])
    send(web, groups, "a", name="Ada")
    assert labelled(store, "bo") == {faces[0]}
    assert labelled(store, person_called(store, "Ada")) == set(faces[1:5])


def test_what_is_named_is_the_group_that_the_page_showed(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    put_groups(store, a=[*faces[:5], *faces[8:]])  # a run that ended after the page was made
    send(web, groups, "a", name="Ada")
    assert labelled(store, person_called(store, "Ada")) == set(faces[:5])


@pytest.mark.parametrize(
    ("persona_id", "says"),
    [(IGNORED, "Ignored."), (STRANGER, "Marked as a stranger."), (NOT_A_FACE, "Marked as no face.")],
)
def test_a_group_is_set_aside_and_taken_back_by_undo(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str], persona_id: str, says: str
) -> None:
    answer = text_of(send(web, groups, "b", choice=f"belongs:{persona_id}", htmx="yes"))
    assert f"3 faces: {says}" in answer
    assert labelled(store, persona_id) == set(faces[5:8])
    assert list(shown(store)) == ["a"]
    (undo,) = re.findall(r'name="undo" value="([^"]+)"', answer)
    web.post(reverse("undo"), {"undo": undo, "command_id": factories.command_id()})
    assert labelled(store, persona_id) == set()
    assert shown(store)["b"] == faces[5:8]


def test_nothing_is_said_of_a_group_in_which_nobody_is_left(
    web: Client, store: Store, faces: list[FaceKey], groups: dict[str, str]
) -> None:
    factories.label(store, IGNORED, *faces[:5])
    response = send(web, groups, "a", name="Ada")
    assert response.status_code == 422
    assert "Nobody is left in this group" in text_of(response)
    assert store.personas_named("Ada") == ()


def test_a_group_of_an_edition_that_is_kept_no_more_is_not_named(
    web: Client, store: Store, groups: dict[str, str]
) -> None:
    response = send(web, {**groups, "edition": "f" * 64}, "a", name="Ada")
    assert response.status_code == 404
    assert "Reload the page" in text_of(response)
    with pytest.raises(NotFoundError):
        faces_to_label(store, groups["a"], edition="f" * 64)


@pytest.mark.parametrize("fields", [{"edition": ""}, {"group": "../x"}, {"edition": "x"}, {"left_out": "x"}])
def test_forms_the_product_did_not_make_are_refused(
    web: Client, groups: dict[str, str], fields: dict[str, str]
) -> None:
    data = {"group": groups["a"], "edition": groups["edition"], "name": "Ada", "command_id": factories.command_id()}
    assert web.post(reverse("label"), {**data, **fields}).status_code == 422


def test_nobody_can_say_that_a_face_is_of_a_deleted_picture(web: Client, faces: list[FaceKey]) -> None:
    data = {"faces": str(faces[0]), "choice": "belongs:deleted", "command_id": factories.command_id()}
    assert web.post(reverse("label"), data).status_code == 404


# ---- set aside -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "persona_id"), [("strangers", STRANGER), ("ignored", IGNORED), ("not-faces", NOT_A_FACE)]
)
def test_what_was_set_aside_is_listed_and_each_can_be_taken_back(
    web: Client, store: Store, faces: list[FaceKey], name: str, persona_id: str
) -> None:
    assert 'class="empty"' in text_of(web.get(reverse(name)))
    factories.label(store, persona_id, *faces[:2])
    page = text_of(web.get(reverse(name)))
    assert page.count(f'value="cleared:{persona_id}"') == 2
    assert '<span class="count">2</span>' in page
    data = {"faces": str(faces[0]), "choice": f"cleared:{persona_id}", "page_of": persona_id, "view": "tile"}
    answer = web.post(reverse("label"), {**data, "command_id": factories.command_id()}, headers=HTMX)
    assert "Label taken back." in text_of(answer)
    assert labelled(store, persona_id) == {faces[1]}


@pytest.mark.parametrize("persona_id", [IGNORED, NOT_A_FACE])
def test_a_single_face_is_set_aside(web: Client, store: Store, faces: list[FaceKey], persona_id: str) -> None:
    assert f'value="belongs:{persona_id}"' in text_of(web.get(reverse("unknown")))
    data = {"faces": str(faces[0]), "choice": f"belongs:{persona_id}", "command_id": factories.command_id()}
    web.post(reverse("label"), data)
    assert labelled(store, persona_id) == {faces[0]}


# ---- grouping itself -------------------------------------------------------------------------------------------------
def test_somebody_asks_for_groups_and_the_page_says_so(web: Client, store: Store, faces: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("unknown")))
    assert "Not grouped yet" in page
    response = web.post(reverse("group-again"), {"next": reverse("unknown-groups")})
    assert response["Location"] == reverse("unknown-groups")
    job = store.job(GROUPS_JOB)
    assert job is not None
    assert job.status is JobStatus.QUEUED
    page = text_of(web.get(reverse("unknown")))
    assert "Grouping faces" in page
    assert "Group now" not in page


def test_pages_ask_how_far_grouping_is_and_mostly_hear_that_nothing_changed(
    web: Client, groups: dict[str, str]
) -> None:
    first = web.get(reverse("grouping"))
    assert "2 groups" in text_of(first)
    again = web.get(reverse("grouping"), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_who_may_not_label_sees_groups_and_no_buttons(client: Client, groups: dict[str, str]) -> None:
    client.force_login(User.objects.create_user("viewer"))
    for address in (reverse("unknown"), reverse("unknown-groups"), reverse("unknown-group", args=[groups["a"]])):
        page = text_of(client.get(address))
        assert groups["a"] in page or "5 faces" in page
        assert "Who is this?" not in page.replace("<h1>Who is this?</h1>", "")
        assert "Group now" not in page
    assert client.post(reverse("group-again")).status_code == 403
    assert send(client, groups, "a", name="Ada").status_code == 403


def test_a_labeller_may_ask_for_groups_and_retry_them(client: Client, store: Store, groups: dict[str, str]) -> None:
    user = User.objects.create_user("labeller")
    user.user_permissions.add(Permission.objects.get(codename="add_label"))
    client.force_login(user)
    assert client.post(reverse("group-again")).status_code == 303
    assert client.post(reverse("job-steer", args=[GROUPS_JOB, "retry"])).status_code == 303
