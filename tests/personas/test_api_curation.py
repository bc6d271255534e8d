"""Changing, merging and deleting people, deleting pictures, and taking it all back by API."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from personas.state_hash import state_hash
from personas.store.base import Store
from tests import factories
from tests.api import CURATOR, LABELLER, Api, problem_in, token_of, user_with
from tests.api_world import ADA, BOB, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


@pytest.fixture
def labeller() -> Api:
    return Api(token_of(user_with(*LABELLER, name="linus")))


@pytest.fixture
def curator() -> Api:
    return Api(token_of(user_with(*CURATOR)))


def delete(api: Api, path: str, *, key: str = "") -> Any:
    return api.ask("DELETE", path, headers={"Idempotency-Key": key} if key else {})


def undo(api: Api, command_id: str) -> Any:
    return api.send(f"/commands/{command_id}/undo")


# ---- changing people -------------------------------------------------------------------------------------------------
def test_a_person_is_renamed_hidden_and_dressed_in_one_command(labeller: Api, world: World, store: Store) -> None:
    change = {"name": "Ada L.", "hidden": True, "cover": str(world.faces[2])}
    said = labeller.send(f"/personas/{ADA}", change, method="PATCH").json()
    assert {name: said["persona"][name] for name in change} == change
    events = store.events("labels", after=store.head("labels") - 3)
    assert {event.command_id for event in events} == {said["command_id"]}
    assert undo(labeller, said["command_id"]).json()["n_restored"] == 3
    persona = store.personas_by_id([ADA])[ADA]
    assert (persona.name, persona.hidden, persona.cover) == ("Ada", False, None)


def test_what_a_change_does_not_speak_of_stays(labeller: Api, world: World) -> None:
    labeller.send(f"/personas/{ADA}", {"cover": str(world.faces[2])}, method="PATCH")
    said = labeller.send(f"/personas/{ADA}", {"hidden": True}, method="PATCH").json()["persona"]
    assert (said["name"], said["hidden"], said["cover"]) == ("Ada", True, str(world.faces[2]))
    said = labeller.send(f"/personas/{ADA}", {"cover": None}, method="PATCH").json()["persona"]
    assert (said["hidden"], said["cover"]) == (True, str(world.faces[0]))  # the product picks one


def test_hidden_people_are_listed_apart(labeller: Api, world: World) -> None:
    labeller.send(f"/personas/{ADA}", {"hidden": True}, method="PATCH")
    assert [each["id"] for each in labeller.all("/personas")] == [BOB]
    assert [each["id"] for each in labeller.all("/personas?hidden=true&limit=1")] == [ADA]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"name": None}, 422, "invalid"),
        ({"hidden": None}, 422, "invalid"),
        ({"cover": "x"}, 422, "invalid"),
        ({"colour": "red"}, 422, "invalid"),
        ({"hidden": True, "name": "  "}, 422, "unable"),
        ({"hidden": True, "cover": f"{factories.image_id('nowhere')}:0"}, 404, "not_found"),
    ],
)
def test_a_change_that_cannot_be_made_changes_nothing(
    labeller: Api, world: World, store: Store, change: Any, status: int, code: str
) -> None:
    head = store.head("labels")
    problem_in(labeller.send(f"/personas/{ADA}", change, method="PATCH"), status, code)
    assert store.head("labels") == head


# ---- merging and deleting people -------------------------------------------------------------------------------------
def test_people_are_merged_and_come_apart(curator: Api, world: World, store: Store) -> None:
    before = state_hash(store)
    said = curator.send(f"/personas/{ADA}/merge", {"into": BOB}).json()
    assert (said["persona"]["id"], said["persona"]["n_labelled"], said["persona"]["n_rejected"]) == (BOB, 1, 1)
    problem_in(curator.get(f"/personas/{ADA}"), 404, "not_found")
    assert undo(curator, said["command_id"]).status_code == 200
    assert state_hash(store) == before


@pytest.mark.parametrize(
    ("who", "into", "status", "code"),
    [(ADA, ADA, 422, "unable"), (ADA, "nobody", 404, "not_found"), ("nobody", ADA, 404, "not_found")],
)
def test_a_merge_with_oneself_or_nobody_is_refused(
    curator: Api, world: World, store: Store, who: str, into: str, status: int, code: str
) -> None:
    head = store.head("labels")
    problem_in(curator.send(f"/personas/{who}/merge", {"into": into}), status, code)
    assert store.head("labels") == head


def test_a_person_is_deleted_and_comes_back(curator: Api, world: World, store: Store) -> None:
    before = state_hash(store)
    said = delete(curator, f"/personas/{ADA}").json()
    assert said["n_faces"] == 1
    assert [each["id"] for each in curator.all("/personas")] == [BOB]
    problem_in(delete(curator, f"/personas/{ADA}"), 404, "not_found")
    assert undo(curator, said["command_id"]).status_code == 200
    assert state_hash(store) == before


# ---- deleting pictures -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("place", [0, 1, 2], ids=["labelled", "rejected", "predicted"])
def test_a_deleted_picture_is_nowhere_until_it_comes_back(curator: Api, world: World, store: Store, place: int) -> None:
    image_id = world.faces[place].image_id
    pages = [f"/images/{image_id}{more}" for more in ("", "/predictions", "/preview", "/original")] + [
        f"/faces/{image_id}/0{more}" for more in ("", "/crop")
    ]
    lists = ["/images", "/faces", "/faces?status=labelled", f"/personas/{ADA}/labels", f"/personas/{ADA}/predictions"]
    lists += [f"/personas/{ADA}/labels?belongs=false"]

    def listed() -> list[bool]:
        return [any(each["image_id"] == image_id for each in curator.all(path)) for path in lists]

    at_first, before = listed(), state_hash(store)
    command_id = delete(curator, f"/images/{image_id}").json()["command_id"]
    for path in pages:
        problem_in(curator.get(path), 404, "not_found")
    assert not any(listed())
    assert undo(curator, command_id).status_code == 200
    assert [curator.get(path).status_code for path in pages] == [200] * len(pages)
    assert listed() == at_first
    assert state_hash(store) == before


def test_a_picture_is_deleted_once(curator: Api, world: World, store: Store) -> None:
    path, key = f"/images/{world.faces[0].image_id}", factories.command_id()
    first, again = (delete(curator, path, key=key) for _ in range(2))
    assert first.json() == again.json() == {"command_id": key}
    head = store.head("labels")
    problem_in(delete(curator, path), 404, "not_found")
    problem_in(delete(curator, f"/images/{factories.image_id('nowhere')}"), 404, "not_found")
    assert store.head("labels") == head


def test_of_faces_of_a_deleted_picture_nothing_is_said(curator: Api, world: World, store: Store) -> None:
    face = str(world.faces[5])
    delete(curator, f"/images/{world.faces[5].image_id}")
    head = store.head("labels")
    for answer in (
        curator.send("/labels", {"labels": [{"persona_id": ADA, "faces": [face]}]}),
        curator.send("/personas", {"name": "Grace", "faces": [face]}),
        curator.send(f"/personas/{ADA}", {"cover": face}, method="PATCH"),
    ):
        assert "deleted" in problem_in(answer, 404, "not_found")["detail"]
    assert store.head("labels") == head


# ---- keys ------------------------------------------------------------------------------------------------------------
def commands(world: World) -> list[tuple[str, str, Any]]:
    """A command of each kind that may bear a key, and some that differ in what they are about."""
    return [
        ("PATCH", f"/personas/{ADA}", {"name": "Ada L."}),
        ("PATCH", f"/personas/{ADA}", {"name": "Ada B."}),
        ("PATCH", f"/personas/{BOB}", {"hidden": True}),
        ("POST", f"/personas/{ADA}/merge", {"into": BOB}),
        ("POST", f"/personas/{BOB}/merge", {"into": ADA}),
        ("DELETE", f"/personas/{ADA}", None),
        ("DELETE", f"/personas/{BOB}", None),
        ("DELETE", f"/images/{world.faces[4].image_id}", None),
        ("DELETE", f"/images/{world.faces[5].image_id}", None),
    ]


@pytest.mark.parametrize("place", range(9))
def test_a_key_that_named_one_command_names_no_other(curator: Api, world: World, store: Store, place: int) -> None:
    key, all_of_them = factories.command_id(), commands(world)
    method, path, body = all_of_them.pop(place)
    assert curator.send(path, body, method=method, key=key).status_code == 200
    head = store.head("labels")
    for other_method, other_path, other_body in all_of_them:
        answer = curator.send(other_path, other_body, method=other_method, key=key)
        assert (answer.status_code, answer.json()["code"]) in [(422, "key_used"), (404, "not_found")]
    assert store.head("labels") == head


@pytest.mark.parametrize("place", range(9))
def test_a_command_sent_again_with_its_key_is_done_once(curator: Api, world: World, store: Store, place: int) -> None:
    key, (method, path, body) = factories.command_id(), commands(world)[place]
    first = curator.send(path, body, method=method, key=key)
    head = store.head("labels")
    again = curator.send(path, body, method=method, key=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (200, first.json())
    assert first.json()["command_id"] == key
    assert store.head("labels") == head


# ---- commands --------------------------------------------------------------------------------------------------------
def test_commands_are_told_newest_first_with_what_takes_them_back(curator: Api, world: World) -> None:
    merged = curator.send(f"/personas/{ADA}/merge", {"into": BOB}).json()["command_id"]
    undone = undo(curator, merged).json()["command_id"]
    newest, merge, *_, first = said = curator.all("/commands?limit=2")
    assert len(said) == 6
    assert [each["seq"] for each in said] == sorted((each["seq"] for each in said), reverse=True)
    assert (newest["command_id"], newest["kind"], newest["undoes"]) == (undone, "command_undone", "persona_merged")
    assert (merge["command_id"], merge["stands"], merge["undo"], merge["curated"]) == (merged, False, undone, True)
    assert (merge["persona"], merge["other"], merge["n_faces"]) == ({"id": ADA, "name": "Ada"}, "Bob", 1)
    assert (first["kind"], first["persona"], first["other"], first["undoes"]) == (
        "persona_added",
        {"id": ADA, "name": "Ada"},
        None,
        None,
    )
    assert curator.get(f"/commands/{merged}").json() == merge


def test_a_label_is_taken_back_and_said_again(labeller: Api, world: World, store: Store) -> None:
    body = {"labels": [{"persona_id": BOB, "verdict": "rejected", "faces": [str(key) for key in world.faces[2:4]]}]}
    command_id = labeller.send("/labels", body).json()["command_id"]
    said = labeller.get(f"/commands/{command_id}").json()
    assert (said["verdict"], said["n_faces"], said["actor"], said["stands"]) == ("rejected", 2, "linus", True)
    first, again = (undo(labeller, command_id).json() for _ in range(2))
    assert first == again
    assert (first["n_restored"], first["n_kept"]) == (2, 0)
    assert store.label_counts([BOB])[BOB] == (0, 0)
    assert not labeller.get(f"/commands/{command_id}").json()["stands"]
    assert undo(labeller, first["command_id"]).json()["n_restored"] == 2
    assert store.label_counts([BOB])[BOB] == (0, 2)


def test_what_was_changed_since_is_kept_and_counted(labeller: Api, world: World, store: Store) -> None:
    faces = [str(key) for key in world.faces[2:4]]
    command_id = labeller.send("/labels", {"labels": [{"persona_id": BOB, "faces": faces}]}).json()["command_id"]
    factories.label(store, ADA, world.faces[2])
    assert undo(labeller, command_id).json().items() >= {"n_restored": 1, "n_kept": 1}.items()
    assert store.label_counts([ADA])[ADA] == (2, 1)


def test_a_command_whose_traces_are_gone_is_not_undone(labeller: Api, world: World, store: Store) -> None:
    renamed = labeller.send(f"/personas/{BOB}", {"name": "Bobby"}, method="PATCH").json()["command_id"]
    labeller.send(f"/personas/{BOB}", {"name": "Robert"}, method="PATCH")
    head = store.head("labels")
    problem_in(undo(labeller, renamed), 409, "not_undone")
    assert store.head("labels") == head


@pytest.mark.parametrize("command_id", [str(uuid.UUID(int=4)), "x"])
def test_a_command_that_nobody_sent_is_not_found(labeller: Api, world: World, command_id: str) -> None:
    status, code = (422, "invalid") if command_id == "x" else (404, "not_found")
    problem_in(labeller.get(f"/commands/{command_id}"), status, code)
    problem_in(undo(labeller, command_id), status, code)


@pytest.mark.parametrize("cursor", ["x", "~~", "9" * 40])
def test_a_cursor_of_commands_that_no_page_gave_is_not_found(labeller: Api, world: World, cursor: str) -> None:
    problem_in(labeller.get(f"/commands?cursor={cursor}"), 404, "not_found")


def test_a_cursor_beyond_the_log_begins_at_its_end(labeller: Api, world: World) -> None:
    assert labeller.get(f"/commands?cursor={'9' * 18}").json() == labeller.get("/commands").json()


def test_a_page_of_commands_costs_no_query_a_row(labeller: Api, world: World) -> None:
    def asked(limit: int) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            items = labeller.get(f"/commands?limit={limit}").json()["items"]
        return len(items), len(queries)

    asked(1)
    (some, queries), (all_of_them, queries_of_all) = asked(1), asked(50)
    assert some < all_of_them
    assert queries_of_all <= queries


# ---- who may ---------------------------------------------------------------------------------------------------------
def test_merging_and_deleting_need_the_curator_role(labeller: Api, world: World, store: Store) -> None:
    head = store.head("labels")
    for answer in (
        labeller.send(f"/personas/{ADA}/merge", {"into": BOB}),
        delete(labeller, f"/personas/{ADA}"),
        delete(labeller, f"/images/{world.faces[0].image_id}"),
    ):
        assert "curator role" in problem_in(answer, 403, "forbidden")["detail"]
    assert store.head("labels") == head


def test_what_curators_did_only_curators_take_back_or_do_again(
    labeller: Api, curator: Api, world: World, store: Store
) -> None:
    command_id = delete(curator, f"/images/{world.faces[0].image_id}").json()["command_id"]
    problem_in(undo(labeller, command_id), 403, "forbidden")
    undone = undo(curator, command_id).json()["command_id"]
    head = store.head("labels")
    problem_in(undo(labeller, undone), 403, "forbidden")
    assert store.head("labels") == head
