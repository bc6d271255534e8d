"""What the scorer answers to pictures and embeddings, good and bad."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from orchestration.scorer import process
from personas.entities import FaceKey
from tests import factories
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.orchestration.scorer.conftest import in_base64
from tests.orchestration.scorer.world import EMBEDDER, TOKEN, YELLOW, colour_vector, near, personas_of, picture, publish


@pytest.fixture(autouse=True)
def scorer(store, media_root, installed) -> process.Scorer:
    """Version 1 knows red and green; red has a name."""
    publish(store, media_root, "red", "green")
    factories.add_personas(store, "Red")
    scorer = installed()
    scorer.source.look()
    return scorer


def test_a_picture_is_answered_with_its_faces_and_who_they_are(asker):
    answer = asker.raw(picture(RED, YELLOW)).json()
    assert (answer["version"], answer["embedder"]) == (1, EMBEDDER)
    (result,) = answer["results"]
    assert (result["width"], result["height"], result["format"]) == (320, 240, "PNG")
    known, unknown = result["faces"]
    assert known["persona"] == {"id": "red", "name": "Red"}
    assert known["box"] == [10, 20, 80, 80]
    assert known["probability"] > 0.9
    assert known["candidates"][0] == {"persona": {"id": "red", "name": "Red"}, "probability": known["probability"]}
    assert unknown["persona"] is None
    assert unknown["probability"] is None
    assert len(unknown["candidates"]) == 2


def test_a_picture_without_a_face_has_none(asker):
    assert asker.raw(picture()).json()["results"][0]["faces"] == []


def test_a_form_a_list_in_json_and_single_bodies_say_the_same(asker):
    contents = [picture(RED), picture(GREEN, RED, kind="JPEG")]
    alone = [asker.raw(each).json()["results"][0] for each in contents]
    files = [SimpleUploadedFile(f"{n}.png", each, "image/png") for n, each in enumerate(contents)]
    form = encode_multipart(BOUNDARY, {"picture": files})
    in_form = asker.ask("POST", "/v1/score", data=form, content_type=MULTIPART_CONTENT).json()["results"]
    in_json = asker.json({"images": [in_base64(each) for each in contents]}).json()["results"]
    assert in_form == in_json
    assert [{**each, "index": 0} for each in in_json] == alone
    assert [each["index"] for each in in_json] == [0, 1]
    assert asker.json({"image": in_base64(contents[0])}).json()["results"] == [alone[0]]


def test_bad_pictures_fail_alone_and_the_good_ones_are_answered(asker):
    good = picture(RED)
    batch = [in_base64(good), "not base64!", in_base64(b"text"), in_base64(good[:200]), 7, "", in_base64(good)]
    results = asker.json({"images": batch}).json()["results"]
    codes = [each.get("error", {}).get("code") for each in results]
    assert codes == [None, "not_base64", "not_a_picture", "truncated", "not_base64", "empty", None]
    assert personas_of(results[0]) == personas_of(results[6]) == ["red"]


def test_a_picture_that_breaks_the_extractor_fails_alone(asker, scorer, monkeypatch):
    extractor = scorer.extractors._free.get()
    scorer.extractors._free.put(extractor)
    detect = extractor.detector.detect

    def moody(pixels):
        if (pixels == BLUE[::-1]).all(axis=2).any():
            raise ZeroDivisionError
        return detect(pixels)

    monkeypatch.setattr(extractor.detector, "detect", moody)
    results = asker.json({"images": [in_base64(picture(c)) for c in (RED, BLUE, GREEN)]}).json()["results"]
    assert [each.get("error", {}).get("code") for each in results] == [None, "extraction_failed", None]
    assert asker.raw(picture(BLUE)).status_code == 500
    assert asker.raw(picture(RED)).status_code == 200


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"text", 415, "not_a_picture"), (b"", 422, "empty"), (picture(RED)[:200], 422, "truncated")],
    ids=["text", "empty", "truncated"],
)
def test_a_bad_picture_that_is_the_whole_body_is_a_problem(asker, content, status, code):
    response = asker.raw(content)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_too_many_pixels_are_refused_before_they_are_decoded(asker, scorer_settings, installed):
    scorer_settings.MAX_IMAGE_PIXELS = 1000
    installed().source.look()
    response = asker.raw(picture(RED))
    assert (response.status_code, response.json()["code"]) == (413, "too_many_pixels")


def test_a_picture_keeps_to_the_product_s_limit_of_bytes(asker, scorer_settings):
    scorer_settings.MAX_IMAGE_BYTES = 100
    assert asker.raw(picture(RED)).status_code == 413
    results = asker.json({"images": [in_base64(picture(RED))]}).json()["results"]
    assert results[0]["error"]["code"] == "too_many_bytes"


def test_embeddings_are_answered_as_the_pages_answer(asker, scorer):
    faces = np.array([near(colour_vector(c), s, spread=1.2) for c in (RED, GREEN, BLUE) for s in range(20)], np.float32)
    results = asker.embeddings(faces.tolist(), top_k=2).json()["results"]
    keys = [FaceKey("0" * 64, n) for n in range(len(faces))]
    expected = scorer.source.served.recogniser.predict(keys, faces, rejected={}, n_candidates=2)
    assert len({each.persona_id for each in expected}) == 3, "the faces are all alike"
    for result, prediction in zip(results, expected, strict=True):
        assert (result["persona"] or {}).get("id") == prediction.persona_id
        assert result["probability"] == prediction.probability
        assert [(c["persona"]["id"], c["probability"]) for c in result["candidates"]] == list(prediction.candidates)


def test_embeddings_as_base64_of_float32_say_the_same_as_numbers(asker):
    faces = np.array([near(colour_vector(RED), seed, spread=1.0) for seed in range(5)], "<f4")
    assert asker.embeddings(in_base64(faces.tobytes())).json() == asker.embeddings(faces.tolist()).json()


def test_one_embedding_needs_no_list(asker):
    response = asker.json({"embedding": colour_vector(GREEN).tolist(), "embedder": EMBEDDER})
    assert response.json()["results"][0]["persona"] == {"id": "green"}


def test_rows_that_are_no_embeddings_fail_alone(asker):
    good = colour_vector(RED).tolist()
    rows = [good, good[:-1], [0.0] * 128, ["1"] * 128, None, [1e300] * 128, good]
    results = asker.embeddings(rows).json()["results"]
    assert [bool(each.get("error")) for each in results] == [False, True, True, True, True, True, False]
    assert {each["error"]["code"] for each in results if "error" in each} == {"not_an_embedding"}
    assert results[0]["persona"] == results[-1]["persona"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b'{"embeddings": [[NaN]], "embedder": "x"}', 400, "bad_json"),
        (b"[" * 100_000, 400, "bad_json"),
        (b"[]", 422, "bad_request"),
        (b"{}", 422, "bad_request"),
        (b'{"image": "", "images": []}', 422, "bad_request"),
        (b'{"pictures": []}', 422, "bad_request"),
        (b'{"images": []}', 422, "nothing"),
        (b'{"images": {}}', 422, "nothing"),
        (b'{"embeddings": [[1]]}', 422, "no_embedder"),
        (b'{"embeddings": [], "embedder": "colour 1"}', 422, "nothing"),
        (b'{"embeddings": "?", "embedder": "colour 1"}', 422, "not_base64"),
        (b'{"embeddings": "AAAA", "embedder": "colour 1"}', 422, "bad_request"),
        (b'{"embeddings": [[1]], "embedder": "another 2"}', 422, "other_embedder"),
        (b'{"image": "", "top_k": -1}', 422, "bad_top_k"),
        (b'{"image": "", "top_k": true}', 422, "bad_top_k"),
        (b'{"image": "", "top_k": 51}', 422, "bad_top_k"),
    ],
)
def test_json_that_asks_for_nothing_sensible_is_a_problem(asker, body, status, code):
    response = asker.json(body)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("top_k", [0, 1, 50])
def test_top_k_bounds_the_candidates(asker, top_k):
    in_query = asker.raw(picture(RED), query=f"?top_k={top_k}").json()["results"][0]["faces"][0]
    in_json = asker.json({"image": in_base64(picture(RED)), "top_k": top_k}).json()["results"][0]["faces"][0]
    assert in_query == in_json
    assert len(in_query["candidates"]) == min(top_k, 2)
    assert in_query["persona"]["id"] == "red"


@pytest.mark.parametrize("said", ["", "x", "-1", "51", "9" * 5000, "1.5"])
def test_a_top_k_that_is_no_small_number_is_a_problem(asker, said):
    assert asker.raw(picture(RED), query=f"?top_k={said}").json()["code"] == "bad_top_k"


def test_more_items_than_the_limit_are_refused(asker, scorer_settings):
    scorer_settings.SCORER_MAX_PICTURES = scorer_settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    scorer_settings.SCORER_MAX_EMBEDDINGS = 2
    row = colour_vector(RED)
    form = encode_multipart(BOUNDARY, {"p": [SimpleUploadedFile(f"{n}.png", picture(RED)) for n in range(3)]})
    refused = [
        asker.json({"images": [in_base64(picture(RED))] * 3}),
        asker.ask("POST", "/v1/score", data=form, content_type=MULTIPART_CONTENT),
        asker.embeddings([row.tolist()] * 3),
        asker.embeddings(in_base64(np.array([row] * 3, "<f4").tobytes())),
    ]
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(413, "too_many_items")] * 4
    assert asker.embeddings([row.tolist()] * 2).status_code == 200


@pytest.mark.parametrize("value", [b"[],", b"1,", b"[[[]]],", b"[", b'{"a":'])
@pytest.mark.parametrize("opening", [b'{"embeddings": [', b'{"images": [', b"["])
def test_json_of_more_values_than_the_limit_is_refused_before_it_is_parsed(asker, scorer_settings, opening, value):
    scorer_settings.SCORER_MAX_EMBEDDINGS = 2
    response = asker.json(opening + value * 400)  # it has no end: parsing it would fail
    assert (response.status_code, response.json()["code"]) == (413, "too_many_items")


def test_as_many_pictures_as_the_limit_are_taken_where_few_embeddings_are(asker, scorer_settings):
    scorer_settings.SCORER_MAX_EMBEDDINGS, scorer_settings.SCORER_MAX_PICTURES = 1, 300
    assert len(asker.json({"images": ["?"] * 300}).json()["results"]) == 300


def test_a_body_over_the_limit_is_refused_by_its_length_alone(asker, scorer_settings):
    scorer_settings.SCORER_MAX_BODY_BYTES = 100
    response = asker.raw(picture(RED))
    assert (response.status_code, response.json()["code"]) == (413, "too_many_bytes")


def test_a_body_of_unknown_length_is_not_read(asker):
    response = asker.raw(picture(RED), CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    assert (response.status_code, response.json()["code"]) == (411, "no_length")


def test_a_form_that_is_none_is_a_problem(asker):
    for body in (b"nonsense", b""):
        response = asker.ask("POST", "/v1/score", data=body, content_type="multipart/form-data; boundary=x")
        assert response.status_code == 422
    assert asker.ask("POST", "/v1/score", data=b"x", content_type="multipart/form-data").status_code == 422


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_other_media_types_are_not_understood(asker, kind):
    assert asker.raw(picture(RED), content_type=kind).status_code == 415


def test_other_methods_and_addresses_are_problems(asker):
    response = asker.get("/v1/score")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert asker.get("/v1/nothing").status_code == 404
    assert asker.get("/admin/").status_code == 404


def test_who_comes_when_every_slot_is_taken_is_told_to_come_back_and_probes_are_answered(asker, scorer):
    taken = 0
    while scorer.slots.acquire(blocking=False):
        taken += 1
    try:
        response = asker.raw(picture(RED))
        assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
        assert asker.get("/healthz").status_code == asker.get("/readyz").status_code == 200
    finally:
        for _ in range(taken):
            scorer.slots.release()
    assert asker.raw(picture(RED)).status_code == 200
    assert asker.raw(b"text").status_code == 415
    assert scorer.slots._value == taken, "a request kept its slot"


def test_the_model_is_described(asker):
    said = asker.get("/v1/model").json()
    assert (said["version"], said["embedder"], said["personas"]) == (1, EMBEDDER, 2)
    assert said["created_at"] == factories.NOW.isoformat()


def test_head_is_answered_without_a_body_and_with_its_length(asker):
    expected = len(asker.get("/v1/model").content)
    request = RequestFactory().generic("HEAD", "/v1/model", headers={"Authorization": f"Bearer {TOKEN}"})
    response = WSGIHandler().get_response(request)
    assert (response.content, response.headers["Content-Length"]) == (b"", str(expected))


def test_the_document_lists_every_address(asker):
    from orchestration.scorer.urls import urlpatterns

    document = asker.get("/v1/openapi.json").json()
    assert set(document["paths"]) == {f"/{each.pattern}" for each in urlpatterns}
