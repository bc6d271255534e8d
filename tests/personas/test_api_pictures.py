"""Pictures and faces by API."""

from __future__ import annotations

import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image as Pillow

from personas.crops import originals
from personas.store.base import Store
from tests import factories
from tests.api import Api, problem_in
from tests.api_world import ADA, World, forget_original

pytestmark = pytest.mark.django_db

NOWHERE = factories.image_id("nowhere")


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


def test_all_pictures_are_listed_in_pages(api: Api, world: World) -> None:
    assert [each["image_id"] for each in api.all("/images?limit=4")] == [key.image_id for key in world.faces]


def test_a_picture_is_read_with_its_paths_and_faces(api: Api, world: World) -> None:
    said = api.get(f"/images/{world.faces[2].image_id}").json()
    assert (said["width"], said["height"], said["n_faces"]) == (640, 480, 1)
    assert [path["source"] for path in said["paths"]] == ["/photos"]
    (face,) = said["faces"]
    assert (face["status"], face["box"]) == ("predicted", [10.0, 10.0, 60.0, 60.0])
    assert face["prediction"]["persona"] == {"id": ADA, "name": "Ada"}


def test_predictions_of_a_picture_have_candidates(api: Api, world: World) -> None:
    (said,) = api.get(f"/images/{world.faces[2].image_id}/predictions").json()
    assert said["candidates"] == [{"persona": {"id": ADA, "name": "Ada"}, "probability": 0.9}]
    assert api.get(f"/images/{world.faces[0].image_id}/predictions").json() == []


def test_an_original_comes_as_it_came(api: Api, world: World) -> None:
    image_id = world.faces[0].image_id
    answer = api.get(f"/images/{image_id}/original")
    content = b"".join(answer.streaming_content)
    assert content == originals().path(image_id).read_bytes()
    assert answer.headers["Content-Type"] == "image/jpeg"
    again = api.get(f"/images/{image_id}/original", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/images/{0.image_id}/preview?size=320", (320, 240)),
        ("/images/{0.image_id}/preview", (640, 480)),
        ("/faces/{0.image_id}/0/crop?size=96", (96, 96)),
        ("/faces/{0.image_id}/0/crop", (192, 192)),
    ],
)
def test_previews_and_crops_are_jpegs_of_the_size_asked_for(
    api: Api, world: World, path: str, size: tuple[int, int]
) -> None:
    answer = api.get(path.format(world.faces[0]))
    picture = Pillow.open(io.BytesIO(b"".join(answer.streaming_content)))
    assert (picture.format, picture.size) == ("JPEG", size)
    again = api.get(path.format(world.faces[0]), headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/images/{}/preview?size=321", "/faces/{}/0/crop?size=1", "/images/{}0/preview"])
def test_a_size_that_is_none_is_not_valid(api: Api, world: World, path: str) -> None:
    problem_in(api.get(path.format(world.faces[0].image_id)), 422, "invalid")


@pytest.mark.parametrize(
    "path",
    ["/images/{}", "/images/{}/predictions", "/images/{}/original", "/images/{}/preview", "/faces/{}/0/crop"],
)
def test_a_picture_that_is_not_there_is_not_found(api: Api, world: World, path: str) -> None:
    problem_in(api.get(path.format(NOWHERE)), 404, "not_found")


def test_an_original_that_is_gone_is_not_found(api: Api, world: World) -> None:
    forget_original(world.faces[0])
    said = problem_in(api.get(f"/images/{world.faces[0].image_id}/original"), 404, "not_found")
    assert "Ingest its source again" in said["detail"]


@pytest.mark.parametrize(
    ("status", "places"), [("labelled", [0]), ("predicted", [2, 3, 4]), ("rejected", [1]), ("unknown", [5])]
)
def test_faces_are_listed_by_how_they_stand(api: Api, world: World, status: str, places: list[int]) -> None:
    items = api.all(f"/faces?status={status}&limit=2")
    assert [each["face"] for each in items] == [str(world.faces[place]) for place in places]
    assert {each["status"] for each in items} == {status}


def test_a_face_is_read_with_what_is_said_of_it(api: Api, world: World) -> None:
    labelled = api.get("/faces/{}/{}".format(*world.faces[0])).json()
    assert labelled["label"]["persona"] == {"id": ADA, "name": "Ada"}
    assert labelled["prediction"] is None
    rejected = api.get("/faces/{}/{}".format(*world.faces[1])).json()
    assert [each["persona"]["id"] for each in rejected["rejections"]] == [ADA]
    assert rejected["prediction"]["persona"] is None


@pytest.mark.parametrize("path", [f"/faces/{NOWHERE}/0", "/faces/{0.image_id}/1", "/faces/{0.image_id}/1/crop"])
def test_a_face_that_is_not_there_is_not_found(api: Api, world: World, path: str) -> None:
    problem_in(api.get(path.format(world.faces[0])), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "few"),
    [
        ("/faces", 3),  # labelled, rejected and predicted ones
        ("/images", 1),
        (f"/personas/{ADA}/predictions", 1),
        (f"/personas/{ADA}/labels", 1),
        ("/models", 1),
        ("/jobs", 1),
        ("/events/labels", 1),
    ],
)
def test_a_page_costs_no_query_a_row(api: Api, world: World, store: Store, path: str, few: int) -> None:
    factories.label(store, ADA, world.faces[5])  # so that each of these has more rows than a few

    def asked(limit: int) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            items = api.get(f"{path}?limit={limit}").json()["items"]
        return len(items), len(queries)

    asked(few)  # what a process keeps, and when the token was last used
    (some, queries), (all_of_them, queries_of_all) = asked(few), asked(50)
    assert some < all_of_them
    assert queries_of_all <= queries
