"""Groups of unknown faces by API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from personas.entities import FaceKey, Verdict
from personas.store.base import Store
from tests import factories
from tests.api import Api, problem_in, token_of, user_with
from tests.groups import put_groups
from tests.web import add_pictures

pytestmark = pytest.mark.django_db
A, B = "a" * 16, "b" * 16


@pytest.fixture
def faces(web_store: Store, settings: Any, tmp_path: Path) -> list[FaceKey]:
    """Ten faces that nobody knows: group a of five, group b of three, two single ones."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    keys = add_pictures(web_store, 10)
    put_groups(web_store, a=keys[4::-1], b=keys[5:8])
    return keys


def shown(items: Sequence[dict[str, Any]]) -> list[str]:
    return [each["face"] for each in items]


def test_before_the_first_grouping_there_are_no_groups(api: Api, web_store: Store) -> None:
    assert api.get("/groups").json() == {"items": [], "next_cursor": None}


def test_groups_are_listed_largest_first_with_their_most_central_faces(api: Api, faces: list[FaceKey]) -> None:
    said = api.all("/groups?limit=1")
    assert [(each["group_id"], each["n_faces"]) for each in said] == [(A, 5), (B, 3)]
    assert shown(said[0]["faces"]) == [str(key) for key in faces[4::-1]]
    assert {face["status"] for each in said for face in each["faces"]} == {"unknown"}


def test_a_group_is_read_in_pages(api: Api, faces: list[FaceKey]) -> None:
    assert shown(api.all(f"/groups/{A}?limit=2")) == [str(key) for key in faces[4::-1]]
    said = api.get(f"/groups/{A}?limit=2").json()
    assert (said["group_id"], said["n_faces"], len(said["items"])) == (A, 5, 2)


def test_rejections_of_faces_in_groups_are_told_by_name(api: Api, faces: list[FaceKey], web_store: Store) -> None:
    factories.add_personas(web_store, "Ada")
    factories.label(web_store, "ada", faces[4], verdict=Verdict.REJECTED)
    for face in (api.get("/groups").json()["items"][0]["faces"][0], api.get(f"/groups/{A}").json()["items"][0]):
        assert [each["persona"] for each in face["rejections"]] == [{"id": "ada", "name": "Ada"}]


def test_a_group_that_is_named_is_a_group_no_more_until_that_is_undone(api: Api, faces: list[FaceKey]) -> None:
    members = shown(api.all(f"/groups/{B}"))
    command_id = api.send("/personas", {"name": "Grace", "faces": members}).json()["command_id"]
    assert [each["group_id"] for each in api.all("/groups")] == [A]
    assert api.get(f"/groups/{B}").json()["n_faces"] == 0
    api.send(f"/commands/{command_id}/undo")
    assert [each["group_id"] for each in api.all("/groups")] == [A, B]


def test_faces_of_deleted_pictures_leave_their_group(api: Api, faces: list[FaceKey]) -> None:
    curator = Api(token_of(user_with("delete_persona", name="carl")))
    curator.ask("DELETE", f"/images/{faces[4].image_id}")
    assert shown(api.all(f"/groups/{A}")) == [str(key) for key in faces[3::-1]]


def test_a_cursor_stays_with_the_grouping_it_began_with(api: Api, faces: list[FaceKey], web_store: Store) -> None:
    cursor = api.get(f"/groups/{A}?limit=2").json()["next_cursor"]
    put_groups(web_store, c=faces)
    assert shown(api.get(f"/groups/{A}?cursor={cursor}").json()["items"]) == [str(key) for key in faces[2::-1]]
    problem_in(api.get(f"/groups/{A}"), 404, "not_found")


@pytest.mark.parametrize("path", ["/groups", f"/groups/{A}"])
@pytest.mark.parametrize("cursor", ["x", "~~", "9" * 40, f"{'a' * 64}~1", f"{'a' * 64}~x"])
def test_a_cursor_that_no_page_gave_is_not_found(api: Api, faces: list[FaceKey], path: str, cursor: str) -> None:
    problem_in(api.get(f"{path}?cursor={cursor}"), 404, "not_found")


def test_a_group_that_is_not_there_is_not_found(api: Api, faces: list[FaceKey]) -> None:
    problem_in(api.get("/groups/nobody"), 404, "not_found")


@pytest.mark.parametrize("path", ["/groups", f"/groups/{A}"])
def test_a_page_costs_no_query_a_row(api: Api, faces: list[FaceKey], path: str) -> None:
    def asked(limit: int) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            items = api.get(f"{path}?limit={limit}").json()["items"]
        return len(items), len(queries)

    asked(1)
    (some, queries), (all_of_them, queries_of_all) = asked(1), asked(50)
    assert some < all_of_them
    assert queries_of_all <= queries
