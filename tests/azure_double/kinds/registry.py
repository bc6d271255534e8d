"""Container registries."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from tests.azure_double.https import Answer
from tests.azure_double.kinds.identities import IDENTITIES, may
from tests.azure_double.kinds.kind import Call, Kind, Put, kind, look, name_check, route
from tests.azure_double.resources import ArmError, Json, Resource
from tests.azure_double.world import World

REGISTRIES = "Microsoft.ContainerRegistry/registries"
#: The role that lets an identity pull. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


@kind("Microsoft.ContainerRegistry/registries")
class Registry(Kind):
    """Holds the references in `World.images`."""

    unique = (409, "AlreadyInUse")

    def check(self, put: Put) -> None:
        """See Kind."""
        if not (5 <= len(put.name) <= 50 and put.name.isalnum()):
            raise ArmError(400, "InvalidParameters", f"{put.name} is no name of a registry: 5-50 letters and digits.")
        put.properties.setdefault("adminUserEnabled", False)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.outputs["loginServer"] = world.name("registry", resource.name.lower())
        resource.outputs.setdefault("creationDate", datetime.now(UTC).isoformat())
        resource.hidden.setdefault("passwords", [secrets.token_urlsafe(24) for _ in range(2)])

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind."""
        server = f"{resource.outputs.get('loginServer')}/"
        world.images -= {image for image in world.images if image.startswith(server)}
        for image in [each for each in world.imports if each.startswith(server)]:
            del world.imports[image]


route("POST", "Microsoft.ContainerRegistry/checkNameAvailability")(name_check(REGISTRIES))


@route("POST", f"{REGISTRIES}/{{}}/listCredentials")
def list_credentials(call: Call) -> Answer:
    """Of the admin user."""
    registry = call.above(1)
    if not registry.properties.get("adminUserEnabled"):
        raise ArmError(
            400,
            "UnAuthorizedForCredentialOperations",
            f"Cannot perform credential operations for {registry.id} as admin user is disabled.",
        )
    passwords = [
        {"name": name, "value": value}
        for name, value in zip(("password", "password2"), registry.hidden["passwords"], strict=True)
    ]
    return Answer(content={"username": registry.name, "passwords": passwords})


def require_pull(world: World, name: str, group: Json, image: str) -> None:
    """Whether a container group may pull an image. Raises ArmError; images of other registries are taken as there."""
    server = image.partition("/")[0].lower()
    registry = next(
        (each for each in world.resources.of_type(REGISTRIES) if each.outputs.get("loginServer") == server), None
    )
    if registry is None:
        return
    given = look(group, "properties.imageRegistryCredentials") or ()
    mine = next((each for each in given if str(each.get("server")).lower() == server), None)
    if image not in world.images or mine is None or not _lets_in(world, registry, mine):
        raise ArmError(
            400,
            "InaccessibleImage",
            f"The image '{image}' in container group '{name}' is not accessible. Please check the image and registry "
            "credential.",
        )


def _lets_in(world: World, registry: Resource, credential: Json) -> bool:
    if identity := credential.get("identity"):
        found = world.resources.get(identity)
        principal = found.outputs["principalId"] if found and found.type == IDENTITIES else None
        return principal is not None and may(world, principal, PULL, registry.id)
    right = registry.properties.get("adminUserEnabled") and credential.get("username") == registry.name
    return bool(right) and credential.get("password") in registry.hidden["passwords"]
