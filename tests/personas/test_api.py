"""People, labels, events and jobs by API."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from personas import sign_in
from personas.entities import JobStatus, JobWish, Verdict
from personas.store.base import Store
from tests import factories
from tests.api import LABELLER, Api, problem_in, token_of, user_with
from tests.api_world import ADA, BOB, World

pytestmark = pytest.mark.django_db

NOWHERE = factories.image_id("nowhere")


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


@pytest.fixture
def owner() -> Api:
    return Api(token_of(sign_in.ensure_owner()))


# ---- people ----------------------------------------------------------------------------------------------------------
def test_people_are_listed_by_name_with_their_counts(api: Api, world: World) -> None:
    items = api.get("/personas").json()["items"]
    assert [(each["id"], each["n_labelled"], each["n_predicted"], each["n_rejected"]) for each in items] == [
        (ADA, 1, 3, 1),
        (BOB, 0, 0, 0),
    ]


def test_people_are_found_by_words_of_their_name(api: Api, world: World) -> None:
    assert [each["name"] for each in api.get("/personas?q=aD").json()["items"]] == ["Ada"]


def test_pages_of_a_list_follow_each_other_by_link_and_by_cursor(api: Api, world: World) -> None:
    assert [each["id"] for each in api.all("/personas?limit=1")] == [ADA, BOB]
    first = api.get("/personas?limit=1").json()
    assert [each["id"] for each in api.get(f"/personas?cursor={first['next_cursor']}").json()["items"]] == [BOB]


def test_a_link_to_the_next_page_keeps_what_was_asked_for(api: Api, store: Store) -> None:
    factories.add_personas(store, "Ada", "Adam", "Bob")
    assert [each["name"] for each in api.all("/personas?q=ad&limit=1")] == ["Ada", "Adam"]


def test_one_persona_is_read(api: Api, world: World) -> None:
    said = api.get(f"/personas/{ADA}").json()
    assert (said["name"], said["cover"]) == ("Ada", str(world.faces[0]))


@pytest.mark.parametrize("path", ["", "/labels", "/predictions"])
def test_of_nobody_nothing_is_read(api: Api, world: World, path: str) -> None:
    problem_in(api.get(f"/personas/nobody{path}"), 404, "not_found")


def test_a_persona_is_added_with_faces(api: Api, world: World, store: Store) -> None:
    answer = api.send("/personas", {"name": " Grace  Hopper ", "faces": [str(world.faces[5])]})
    assert answer.status_code == 201
    said = answer.json()
    assert said["persona"]["name"] == "Grace Hopper"
    assert said["persona"]["n_labelled"] == 1
    assert answer.headers["Location"] == f"/api/v1/personas/{said['persona']['id']}"
    events = store.events("labels", after=store.head("labels") - 2)
    assert {event.command_id for event in events} == {said["command_id"]}
    assert {event.actor for event in events} == {"grace"}


def test_a_persona_that_is_added_twice_with_one_key_is_added_once(api: Api, world: World, store: Store) -> None:
    key = factories.command_id()
    first, again = (api.send("/personas", {"name": "Grace"}, key=key) for _ in range(2))
    assert first.json() == again.json()
    assert first.json()["command_id"] == key
    assert len(store.personas_named("Grace")) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"name": ""}, 422, "invalid"),
        ({"name": "  "}, 422, "unable"),
        ({"name": "x" * 300}, 422, "unable"),
        ({"name": "a\u0000b"}, 422, "unable"),
        ({"name": "Grace", "faces": [f"{NOWHERE}:0"]}, 404, "not_found"),
        ({"name": "Grace", "face": []}, 422, "invalid"),
        (["Grace"], 422, "invalid"),
        (None, 422, "invalid"),
    ],
)
def test_a_persona_that_cannot_be_added_is_not(
    api: Api, world: World, store: Store, body: Any, status: int, code: str
) -> None:
    before = store.head("labels")
    problem_in(api.send("/personas", body), status, code)
    assert store.head("labels") == before


def test_a_persona_is_renamed(api: Api, world: World, store: Store) -> None:
    said = api.send(f"/personas/{ADA}", {"name": "Ada Lovelace"}, method="PATCH").json()
    assert said["persona"]["name"] == "Ada Lovelace"
    (event,) = store.events("labels", after=store.head("labels") - 1)
    assert (event.kind, event.command_id) == ("persona_renamed", said["command_id"])


def test_nobody_is_not_renamed(api: Api, world: World) -> None:
    problem_in(api.send("/personas/nobody", {"name": "Grace"}, method="PATCH"), 404, "not_found")


def test_labels_of_a_persona_are_listed_and_rejections_apart(api: Api, world: World) -> None:
    labels = api.get(f"/personas/{ADA}/labels").json()["items"]
    assert [(each["face"], each["verdict"], each["actor"]) for each in labels] == [
        (str(world.faces[0]), "belongs", "tester")
    ]
    rejected = api.get(f"/personas/{ADA}/labels?belongs=false").json()["items"]
    assert [(each["face"], each["verdict"]) for each in rejected] == [(str(world.faces[1]), "rejected")]


def test_labels_of_strangers_are_listed_as_those_of_people(api: Api, world: World, store: Store) -> None:
    factories.label(store, "stranger", world.faces[5])
    assert [each["face"] for each in api.get("/personas/stranger/labels").json()["items"]] == [str(world.faces[5])]


def test_predictions_of_a_persona_come_most_probable_first(api: Api, world: World) -> None:
    said = api.all(f"/personas/{ADA}/predictions?limit=2")
    assert [(each["face"], each["probability"], each["version"]) for each in said] == [
        (str(key), probability, 2) for key, probability in zip(world.faces[2:5], (0.9, 0.8, 0.7), strict=True)
    ]


# ---- labels ----------------------------------------------------------------------------------------------------------
def groups(*said: tuple[str, Verdict, list[Any]]) -> dict[str, Any]:
    return {
        "labels": [
            {"persona_id": who, "verdict": verdict, "faces": list(map(str, faces))} for who, verdict, faces in said
        ]
    }


def test_many_faces_of_several_personas_are_labelled_in_one_command(api: Api, world: World, store: Store) -> None:
    body = groups(
        (ADA, Verdict.BELONGS, world.faces[2:4]),
        (BOB, Verdict.REJECTED, [world.faces[2]]),
        ("ignored", Verdict.BELONGS, [world.faces[5]]),
        (ADA, Verdict.CLEARED, [world.faces[0]]),
    )
    answer = api.send("/labels", body).json()
    assert answer["n_faces"] == 4
    events = store.events("labels", after=answer["events"][0] - 1)
    assert [event.seq for event in events] == answer["events"]
    assert {(event.command_id, event.actor) for event in events} == {(answer["command_id"], "grace")}
    assert {label.key for label in store.labels_of_persona(ADA, belongs=True).items} == set(world.faces[2:4])
    assert [label.key for label in store.labels_of_persona(BOB, belongs=False).items] == [world.faces[2]]
    assert [label.key for label in store.labels_of_persona("ignored", belongs=True).items] == [world.faces[5]]


def test_a_verdict_that_is_not_given_is_that_they_belong(api: Api, world: World, store: Store) -> None:
    api.send("/labels", {"labels": [{"persona_id": BOB, "faces": [str(world.faces[5])] * 2}]})
    assert [label.key for label in store.labels_of_persona(BOB, belongs=True).items] == [world.faces[5]]


def test_labels_that_are_sent_twice_with_one_key_are_said_once(api: Api, world: World, store: Store) -> None:
    key, body = factories.command_id(), groups((ADA, Verdict.BELONGS, [world.faces[5], world.faces[4]]))
    first = api.send("/labels", body, key=key)
    head = store.head("labels")
    assert api.send("/labels", body, key=key).json() == first.json()
    assert store.head("labels") == head


def test_a_key_that_was_used_for_something_else_is_refused(api: Api, world: World, store: Store) -> None:
    key = factories.command_id()
    api.send("/labels", groups((ADA, Verdict.BELONGS, [world.faces[5]])), key=key)
    head = store.head("labels")
    problem_in(api.send("/labels", groups((BOB, Verdict.BELONGS, [world.faces[5]])), key=key), 422, "key_used")
    problem_in(api.send("/personas", {"name": "Grace"}, key=key), 422, "key_used")
    other = Api(token_of(user_with(*LABELLER, name="somebody")))
    problem_in(other.send("/labels", groups((ADA, Verdict.BELONGS, [world.faces[5]])), key=key), 422, "key_used")
    assert store.head("labels") == head


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ([("nobody", Verdict.BELONGS, [0])], 404, "not_found"),
        ([("stranger", Verdict.REJECTED, [0])], 422, "unable"),
        ([("deleted", Verdict.BELONGS, [0])], 422, "unable"),
        ([(ADA, Verdict.BELONGS, [])], 422, "invalid"),
        ([], 422, "invalid"),
        ([(ADA, Verdict.BELONGS, [0]), (BOB, Verdict.BELONGS, [0])], 422, "unable"),
        ([(ADA, Verdict.BELONGS, [0]), (ADA, Verdict.CLEARED, [0])], 422, "unable"),
    ],
)
def test_of_labels_that_cannot_be_said_none_is(
    api: Api, world: World, store: Store, said: list[Any], status: int, code: str
) -> None:
    body = groups(*[(who, verdict, [world.faces[place] for place in places]) for who, verdict, places in said])
    head = store.head("labels")
    problem_in(api.send("/labels", body), status, code)
    assert store.head("labels") == head


def test_a_face_that_is_not_there_is_not_labelled(api: Api, world: World, store: Store) -> None:
    body = groups((ADA, Verdict.BELONGS, [world.faces[5], f"{NOWHERE}:0"]))
    problem_in(api.send("/labels", body), 404, "not_found")
    assert api.get(f"/personas/{ADA}").json()["n_labelled"] == 1


def test_more_faces_than_one_request_may_hold_are_refused(api: Api, world: World) -> None:
    many = [f"{hashlib.sha256(str(n).encode()).hexdigest()}:0" for n in range(5_001)]
    body = groups((ADA, Verdict.REJECTED, many), (BOB, Verdict.REJECTED, many))
    assert "10,000" in problem_in(api.send("/labels", body), 422, "unable")["detail"]


# ---- events ----------------------------------------------------------------------------------------------------------
def test_events_of_both_streams_are_told_since_a_cursor(api: Api, world: World, store: Store) -> None:
    assert [each["seq"] for each in api.all("/events/labels?limit=3")] == [1, 2, 3, 4]
    said = api.get("/events/labels?cursor=2&limit=1").json()
    assert [(each["seq"], each["kind"]) for each in said["items"]] == [(3, "faces_labelled")]
    assert (said["next_cursor"], said["last_seq"]) == ("3", 3)
    (picture,) = api.get("/events/ingest").json()["items"]
    assert (picture["kind"], picture["payload"]["n_faces"]) == ("pictures_ingested", 6)


def test_at_the_end_of_the_log_the_cursor_stays_where_it_was(api: Api, world: World) -> None:
    said = api.get("/events/labels?cursor=4").json()
    assert said == {"items": [], "next_cursor": None, "last_seq": 4}


def test_a_cursor_beyond_the_log_is_led_back_to_its_end(api: Api, world: World) -> None:
    assert api.get("/events/labels?cursor=99").json()["last_seq"] == 4


@pytest.mark.parametrize("path", ["/events/others", "/events/labels?cursor=-1", "/events/labels?cursor=x"])
def test_there_are_two_streams_and_cursors_are_numbers(api: Api, path: str) -> None:
    problem_in(api.get(path), 422, "invalid")


# ---- jobs ------------------------------------------------------------------------------------------------------------
def test_jobs_are_listed_with_what_their_reader_may_ask(api: Api, owner: Api, world: World) -> None:
    assert {each["job_id"]: each["actions"] for each in api.all("/jobs?limit=2")} == {
        "failed": ["retry"],
        "running": ["pause"],
        "trainer": [],
    }
    said = owner.get("/jobs/running").json()
    assert (said["done"], said["total"], said["per_second"], said["seconds_left"]) == (1, 2, 0.5, 2.0)


def test_a_job_is_paused_and_goes_on(api: Api, world: World, store: Store) -> None:
    for action, wish in (("pause", JobWish.PAUSE), ("pause", JobWish.PAUSE), ("resume", JobWish.NONE)):
        assert api.send(f"/jobs/running/{action}").json()["wish"] == wish.value
        job = store.job("running")
        assert job is not None
        assert job.wish is wish


def test_a_job_that_failed_is_retried(api: Api, world: World, store: Store) -> None:
    assert api.send("/jobs/failed/retry").json()["status"] == "queued"
    job = store.job("failed")
    assert job is not None
    assert job.status is JobStatus.QUEUED


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/jobs/none/pause", 404, "not_found"),
        ("/jobs/failed/pause", 422, "unable"),
        ("/jobs/running/retry", 422, "unable"),
        ("/jobs/trainer/retry", 403, "forbidden"),
    ],
)
def test_a_job_that_cannot_be_steered_says_why(api: Api, world: World, path: str, status: int, code: str) -> None:
    problem_in(api.send(path), status, code)


def test_a_job_that_is_not_there_is_not_found(api: Api, world: World) -> None:
    problem_in(api.get("/jobs/none"), 404, "not_found")


# ---- cursors that no page gave ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    ["/personas", "/images", "/faces", f"/personas/{ADA}/labels", f"/personas/{ADA}/predictions", "/models", "/jobs"],
)
@pytest.mark.parametrize(
    "cursor", ["x", "~~", "9" * 40, f"{'9' * 40}~0.5~{NOWHERE}:0", f"1~nan~{NOWHERE}:0", f"1~1e999~{NOWHERE}:0"]
)
def test_a_cursor_that_no_page_gave_is_refused_or_leads_nowhere(api: Api, world: World, path: str, cursor: str) -> None:
    assert api.get(f"{path}?cursor={cursor}").status_code in (200, 404)
    problem_in(api.get(f"{path}?cursor=%00"), 422, "invalid")
