"""Log Analytics workspaces."""

from __future__ import annotations

import secrets
import uuid

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Kind, Put, kind, route
from tests.azure_double.resources import Resource
from tests.azure_double.world import World


@kind("Microsoft.OperationalInsights/workspaces")
class Workspace(Kind):
    """Where containers' logs are kept."""

    def check(self, put: Put) -> None:
        """See Kind."""
        put.properties.setdefault("retentionInDays", 30)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.outputs.setdefault("customerId", str(uuid.uuid4()))
        resource.hidden.setdefault("key", secrets.token_urlsafe(48))


@route("POST", "Microsoft.OperationalInsights/workspaces/{}/sharedKeys")
def shared_keys(call: Call) -> Answer:
    """What agents sign in with."""
    key = call.above(1).hidden.get("key", "")
    return Answer(content={"primarySharedKey": key, "secondarySharedKey": key})
