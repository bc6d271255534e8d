"""Images that a registry copies from another one by itself."""

from __future__ import annotations

from typing import Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, route
from tests.azure_double.kinds.registry import REGISTRIES
from tests.azure_double.resources import ArmError, Json, Pending
from tests.azure_double.world import World

#: The specs' folder has bodies of PUTs alone. https://learn.microsoft.com/rest/api/containerregistry/registries/import-image
_TEXT: Final = {"type": "string", "minLength": 1}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_CREDENTIALS: Final = {
    "type": "object",
    "properties": {"username": _TEXT, "password": _TEXT},
    "required": ["password"],
    "additionalProperties": False,
}
_SOURCE: Final = {
    "type": "object",
    "properties": {"resourceId": _TEXT, "registryUri": _TEXT, "credentials": _CREDENTIALS, "sourceImage": _TEXT},
    "required": ["sourceImage"],
    "additionalProperties": False,
}
BODY: Final = Draft4Validator(
    {
        "type": "object",
        "properties": {
            "source": _SOURCE,
            "targetTags": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[a-z0-9._/-]+:[A-Za-z0-9_][\\w.-]{0,127}$"},
            },
            "untaggedTargetRepositories": _TEXTS,
            "mode": {"enum": ["NoForce", "Force"]},
        },
        "required": ["source"],
        "additionalProperties": False,
    }
)


@route("POST", f"{REGISTRIES}/{{}}/importImage")
def import_image(call: Call) -> Answer:
    """Accepted, and it goes on. What hinders it is told when it has ended, as azure-cli's users show it:
    https://github.com/Azure/azure-cli/pull/10938. The codes are made up: none is published."""
    world, body, registry = call.world, call.body, call.above(1)
    if error := best_match(BODY.iter_errors(body)):
        world.violations.append(
            f"importImage: {'.'.join(map(str, error.absolute_path)) or 'the body'}: {error.message}"
        )
        raise ArmError(400, "InvalidRequestContent", error.message)
    if "registryUri" not in body["source"]:
        raise ArmError(400, "BadRequest", "The double imports by registryUri, not by resourceId.")
    server = registry.outputs["loginServer"]
    targets = [f"{server}/{each}" for each in body.get("targetTags") or ()]
    for earlier in filter(None, map(world.importing.get, targets)):
        while earlier.status == "InProgress":  # nobody looked at it, and it went on all the same
            earlier.step()
    pending = Pending(steps=world.polls, finish=lambda: _copy(world, body, targets))
    world.importing |= dict.fromkeys(targets, pending)
    return call.begin(None, pending, Follow.LOCATION, 202)


def _copy(world: World, body: Json, targets: list[str]) -> None:
    """All of it or nothing."""
    source = f"{body['source']['registryUri']}/{body['source']['sourceImage']}"
    there = [each for each in targets if each in world.images]
    if there and body.get("mode") != "Force":
        raise ArmError(409, "Conflict", f"Tag {there[0].partition('/')[2]} already exists in target registry.")
    if source not in world.public_images:
        raise ArmError(404, "ImportImageFailed", f"manifest unknown: there is no {source}.")
    world.images |= set(targets)
    world.imports.update(targets)
