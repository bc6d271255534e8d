"""The double of Azure Face against the service's official specification, and its own manners."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import numpy as np
import orjson
import pytest

from ingest.vision import ExtractorConfig
from ingest.vision.extractor import build_detector
from tests.azure.face_service import FaceService, face_service, specification
from tests.azure_double.face import KEY, landmarks_27
from tests.ingest.vision.conftest import drawn_face, png, saved

OURS = {"returnFaceId": "false", "returnFaceLandmarks": "true", "detectionModel": "detection_03"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FaceService]:
    with face_service(tmp_path) as serving:
        yield serving


def ask(
    service: FaceService, body: bytes, *, key: str = KEY, kind: str = "application/octet-stream", **query: str
) -> Any:
    """Status and content of the answer; query: besides OURS."""
    request = urllib.request.Request(
        f"{service.url}/face/v1.0/detect?{urlencode(OURS | query)}",
        data=body,
        headers={"Ocp-Apim-Subscription-Key": key, "Content-Type": kind},
    )
    context = ssl.create_default_context(cafile=service.bundle)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, orjson.loads(error.read())


def code(answer: Any) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


PICTURE = png(np.random.default_rng(1).integers(0, 255, (100, 120, 3), np.uint8))


# ---- the specification -----------------------------------------------------------------------------------------------
def schema_of(swagger: dict[str, Any], name: str) -> dict[str, Any]:
    """A definition with all it refers to; nothing beside what it lists is allowed."""
    definitions = {
        each: ({"additionalProperties": False} | definition) if "properties" in definition else definition
        for each, definition in swagger["definitions"].items()
    }
    return {"$ref": f"#/definitions/{name}", "definitions": definitions}


def test_answers_are_those_of_the_specification(service: FaceService) -> None:
    swagger, _ = specification()
    status, faces = ask(service, PICTURE)
    assert (status, len(faces)) == (200, 1)
    jsonschema.validate(faces, schema_of(swagger, "DetectedFaces"))
    assert set(faces[0]["faceLandmarks"]) == set(swagger["definitions"]["FaceLandmarks"]["properties"])


def test_errors_are_those_of_the_specification(service: FaceService) -> None:
    swagger, _ = specification()
    for answer in (ask(service, b"x"), ask(service, PICTURE, key="wrong"), ask(service, b"x" * 2000)):
        jsonschema.validate(answer[1], schema_of(swagger, "APIError"))


def test_the_specifications_own_example_is_what_we_take_an_answer_for() -> None:
    swagger, examples = specification()
    example = orjson.loads((examples / "DetectWithStream.json").read_bytes())["responses"]["200"]["body"]
    jsonschema.validate(example, schema_of(swagger, "DetectedFaces"))


def test_landmarks_lie_as_in_the_specifications_example() -> None:
    """Within a tenth of the face, but for the right eyebrow, where the example has numbers of another picture."""
    _, examples = specification()
    [face] = orjson.loads((examples / "DetectWithStream.json").read_bytes())["responses"]["200"]["body"]
    real = face["faceLandmarks"]
    names = ("pupilLeft", "pupilRight", "noseTip", "mouthLeft", "mouthRight")
    made = landmarks_27(np.array([[real[name]["x"], real[name]["y"]] for name in names], np.float32))
    assert set(made) == set(real)
    for name in set(real) - {"eyebrowRightInner", "eyebrowRightOuter"}:
        distance = np.hypot(made[name]["x"] - real[name]["x"], made[name]["y"] - real[name]["y"])
        assert distance < face["faceRectangle"]["width"] / 10, name


def test_what_the_product_sends_is_what_the_specification_has(service: FaceService) -> None:
    swagger, _ = specification()
    service.detector().detect(np.full((100, 100, 3), 90, np.uint8))
    request = service.double.seen[0].request
    operation = swagger["x-ms-paths"]["/detect?overload=stream"]["post"]
    parameters = {}
    for each in operation["parameters"]:
        name = each["$ref"].rpartition("/")[2]
        if name in swagger["parameters"] and swagger["parameters"][name]["in"] == "query":
            parameters[swagger["parameters"][name]["name"]] = swagger["parameters"][name]
    assert set(request.query) <= set(parameters)
    for name, value in request.query.items():
        assert value in parameters[name].get("enum", ["true", "false", value]), name
        if parameters[name]["type"] == "boolean":
            assert value in {"true", "false"}
        if parameters[name]["type"] == "integer":
            assert parameters[name]["minimum"] <= int(value) <= parameters[name]["maximum"]
    assert request.headers["content-type"] in operation["consumes"]
    assert swagger["securityDefinitions"]["apim_key"]["name"].lower() in request.headers
    assert request.path == "/face/v1.0/detect"


# ---- manners ---------------------------------------------------------------------------------------------------------
def test_a_face_id_needs_approval_and_so_does_the_default(service: FaceService) -> None:
    status, content = ask(service, PICTURE, returnFaceId="true")
    assert (status, content["error"]["innererror"]["code"]) == (403, "UnsupportedFeature")


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        (b"x" * 1023, {}, (400, "InvalidImageSize")),
        (b"x" * (6 * 2**20 + 1), {}, (400, "InvalidImageSize")),
        (b"x" * 2000, {}, (400, "InvalidImage")),
        (PICTURE, {"detectionModel": "detection_09"}, (400, "BadArgument")),
        (PICTURE, {"recognitionModel": "recognition_9"}, (400, "BadArgument")),
        (PICTURE, {"returnFaceAttributes": "age"}, (400, "BadArgument")),
        (PICTURE, {"returnFaces": "all"}, (400, "BadArgument")),
    ],
)
def test_it_refuses_what_the_service_refuses(
    service: FaceService, body: bytes, query: dict[str, str], expected: tuple[int, str]
) -> None:
    assert code(ask(service, body, **query)) == expected


def test_a_format_that_the_service_does_not_read_is_no_image(service: FaceService) -> None:
    from PIL import Image

    webp = saved(Image.fromarray(np.random.default_rng(1).integers(0, 255, (100, 120, 3), np.uint8)), "WEBP")
    assert code(ask(service, webp)) == (400, "InvalidImage")


def test_it_needs_the_key_and_the_type_of_a_stream(service: FaceService) -> None:
    assert code(ask(service, PICTURE, key="wrong")) == (401, "401")
    assert code(ask(service, PICTURE, kind="application/json")) == (415, "UnsupportedMediaType")


def test_more_than_the_tier_allows_is_refused_with_the_seconds_to_wait(tmp_path: Path) -> None:
    with face_service(tmp_path, tier="F0") as service:
        statuses = [ask(service, PICTURE)[0] for _ in range(22)]
    assert (statuses[:20], statuses[-1]) == ([200] * 20, 429)
    assert service.double.seen[-1].content["error"]["message"].startswith("Rate limit is exceeded. Try again in ")


def test_it_looks_for_faces_really_and_leaves_out_small_ones(tmp_path: Path) -> None:
    detector = build_detector(ExtractorConfig(cache_dir=tmp_path / "models"))
    ground = np.full((600, 600, 3), 120, np.uint8)
    ground[50:300, 50:300] = drawn_face(250)
    ground[400:470, 400:470] = drawn_face(70)  # whose head is under 36 pixels wide
    assert len(detector.detect(ground)) == 2
    with face_service(tmp_path, detector=detector) as service:
        _, faces = ask(service, png(ground))
    assert len(faces) == 1
    rectangle = faces[0]["faceRectangle"]
    assert 100 < rectangle["left"] + rectangle["width"] / 2 < 250
