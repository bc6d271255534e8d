"""The secrets of a key vault, as azure-keyvault-secrets asks for them: a challenge first, then the token."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.azure_double.faults import Faults, before
from tests.azure_double.https import Answer, Request
from tests.azure_double.resources import ArmError, Json

if TYPE_CHECKING:
    from tests.azure_double.world import World

_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")


class Secrets:
    """One vault. `versions` has the values that each secret had, the last one being the one now."""

    def __init__(self, world: World, name: str, allowed: Callable[[], bool]) -> None:
        """allowed: whether whoever deploys may read and write secrets."""
        self._allowed = allowed
        self.name, self.versions, self.deleted = name, dict[str, list[Json]](), dict[str, list[Json]]()
        self._world, self._lock = world, threading.Lock()
        self.url = world.serve(self)

    def value(self, name: str) -> str:
        """As it is now. KeyError where there is none."""
        return str(self.versions[name][-1]["value"])

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        faults: Faults = self._world.faults
        try:
            if scripted := before(faults.find(request.method, f"/vaults/{self.name}{request.path}"), request.method):
                return scripted
            if request.headers.get("authorization", "") != f"Bearer {self._world.bearer}":
                return self._challenge()
            if not self._allowed():
                raise ArmError(403, "Forbidden", "Caller is not authorized to perform action on resource.")
            with self._lock:
                return self._answer(request)
        except ArmError as error:
            return Answer(status=error.status, headers=error.headers, content=error.content)

    def _challenge(self) -> Answer:
        where = f"https://login.microsoftonline.{'us' if self._world.government else 'com'}/{self._world.tenant}"
        resource = "https://vault.usgovcloudapi.net" if self._world.government else "https://vault.azure.net"
        error = {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer or PoP token."}}
        said = f'Bearer authorization="{where}", resource="{resource}"'
        return Answer(status=401, headers={"WWW-Authenticate": said}, content=error)

    def _answer(self, request: Request) -> Answer:
        collection, *rest = request.path.strip("/").split("/")
        if collection not in ("secrets", "deletedsecrets"):
            raise ArmError(404, "NotFound", f"{request.path} is nothing that the double's vault has.")
        if not rest:
            held = self.versions if collection == "secrets" else self.deleted
            return Answer(content={"value": [_without_value(each[-1]) for each in held.values()], "nextLink": None})
        if not _NAME.fullmatch(rest[0]):
            raise ArmError(400, "BadParameter", f"{rest[0]} is no name of a secret: letters, digits and dashes.")
        if collection == "deletedsecrets":
            return self._deleted(request.method, rest[0])
        return self._secret(request, rest[0], rest[1] if len(rest) > 1 else "")

    def _secret(self, request: Request, name: str, version: str) -> Answer:
        if request.method == "PUT":
            return Answer(content=self._put(name, request.json()))
        if name not in self.versions:
            raise ArmError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        if request.method == "DELETE":
            self.deleted[name] = self.versions.pop(name)
            return Answer(content=self._gone(name))
        found = [each for each in self.versions[name] if version in ("", each["id"].rpartition("/")[2])]
        if not found:
            raise ArmError(404, "SecretNotFound", f"A secret with (name/id) {name}/{version} was not found.")
        return Answer(content=found[-1])

    def _put(self, name: str, said: dict[str, Any]) -> Json:
        if name in self.deleted:
            raise ArmError(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused.",
            )
        now = int(time.time())
        attributes = {"enabled": True, "created": now, "updated": now, "recoveryLevel": "Recoverable+Purgeable"}
        bundle = {
            "value": said["value"],
            "id": f"{self.url}/secrets/{name}/{uuid.uuid4().hex}",
            "attributes": attributes | (said.get("attributes") or {}),
            "tags": said.get("tags") or {},
            **({"contentType": said["contentType"]} if said.get("contentType") else {}),
        }
        self.versions.setdefault(name, []).append(bundle)
        return bundle

    def _deleted(self, method: str, name: str) -> Answer:
        if name not in self.deleted:
            raise ArmError(404, "SecretNotFound", f"Deleted secret {name} was not found in this key vault.")
        if method == "DELETE":
            del self.deleted[name]
            return Answer(status=204)
        if method == "POST":
            self.versions[name] = self.deleted.pop(name)
            return Answer(content=_without_value(self.versions[name][-1]))
        return Answer(content=self._gone(name))

    def _gone(self, name: str) -> Json:
        now = int(time.time())
        return _without_value(self.deleted[name][-1]) | {
            "recoveryId": f"{self.url}/deletedsecrets/{name}",
            "deletedDate": now,
            "scheduledPurgeDate": now + 90 * 86400,
        }


def _without_value(bundle: Json) -> Json:
    return {key: part for key, part in bundle.items() if key != "value"}
