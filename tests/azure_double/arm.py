"""The control plane: a request finds its operation, its kind, its resource; what takes time goes on by looks at it."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.azure_double import kinds as _all_kinds  # noqa: F401 - registers them
from tests.azure_double.faults import Fault, Faults, Scripted, before
from tests.azure_double.https import Answer, DroppedError, Request
from tests.azure_double.kinds.kind import KINDS, ROUTES, Call, Follow, Kind, Put
from tests.azure_double.resources import ArmError, Json, Pending, Resource, group_of, is_collection, parent_of, type_of
from tests.azure_double.specs import Operation, Schemas, operations
from tests.azure_double.world import LOCATIONS, World

#: Providers that every subscription has.
ALWAYS: Final = frozenset({"microsoft.resources", "microsoft.authorization"})
_GOING_ON: Final = re.compile(r"/providers/([^/]+)/locations/[^/]+/operation(Statuses|Results)/([^/]+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request as it came in."""

    method: str
    path: str
    api_version: str
    host: str
    status: int | None = None  #: None: the connection was dropped


class Arm:
    """The service. `recorded` grows by each request."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world, self.faults, self.recorded = world, faults, list[Recorded]()
        self._operations, self._schemas = operations(), Schemas()

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        with self.world.lock:
            status: int | None = None
            try:
                answer = self._answer(request)
                status = answer.status
            finally:
                said = (request.method, request.path, request.query.get("api-version", ""), request.host)
                self.recorded.append(
                    Recorded(method=said[0], path=said[1], api_version=said[2], host=said[3], status=status)
                )
            return answer

    def _answer(self, request: Request) -> Answer:
        fault = self.faults.find(request.method, request.path)
        try:
            answer = before(fault, request.method) or self._carried_out(request, fault)
        except ArmError as error:
            return Answer(status=error.status, headers=error.headers, content=error.content)
        if fault is not None and fault.kind is Fault.DROPPED_AFTER:
            raise DroppedError
        return answer

    # ---- which operation it is ---------------------------------------------------------------------------------------
    def _carried_out(self, request: Request, fault: Scripted | None) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.world.bearer}":
            raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if going_on := _GOING_ON.search(request.path):
            return self._look(going_on[3], by_location=going_on[2] == "Results")
        operation = self._operation(request)
        parts = request.path.split("/")
        if parts[1] == "subscriptions" and parts[2] != self.world.subscription:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{parts[2]}' could not be found.")
        return self._dispatched(request, operation, fault)

    def _operation(self, request: Request) -> Operation:
        path = request.path.rstrip("/")
        operation = self._operations.find(request.method, path)
        if operation is None and request.method == "HEAD":
            operation = self._operations.find("GET", path)
        if operation is None:
            raise self._violated(f"{request.method} {path} is no operation of Azure's", "InvalidResourceType")
        version = request.query.get("api-version", "")
        known = self._operations.versions[operation.namespace.lower()]
        if version not in known:
            text = f"{request.method} {path}: api-version {version!r} of {operation.namespace} is none of {set(known)}"
            raise self._violated(text, "InvalidApiVersionParameter")
        return operation

    def _violated(self, text: str, code: str) -> ArmError:
        self.world.violations.append(text)
        return ArmError(400, code, text)

    def _dispatched(self, request: Request, operation: Operation, fault: Scripted | None) -> Answer:
        template, path = operation.template, request.path.rstrip("/")
        tail = template.rpartition("/providers/")[2] if "/providers/Microsoft." in template else template
        if made := ROUTES.get((request.method, tail.lower())):
            begin = _Begin(self.world, operation, path, fault)
            match = operation.pattern.fullmatch(path)
            names = match.groups() if match else ()
            return made(Call(world=self.world, request=request, operation=operation, names=names, begin=begin))
        of = KINDS.get(type_of(path).lower())
        if of is not None and not is_collection(path):
            return self._resource(of, request, path, operation, fault)
        if of is not None and request.method == "GET":
            under = parent_of(f"{path}/x")
            if group_of(under) is not None:
                self._found(under)
            found = self.world.resources.of_type(of.type, under)
            return Answer(content={"value": [of.shown(self.world, each) for each in found]})
        raise self._violated(f"{request.method} {template} is one that the double does not do", "NotImplemented")

    def _resource(self, of: Kind, request: Request, path: str, operation: Operation, fault: Scripted | None) -> Answer:
        begin = _Begin(self.world, operation, path, fault)
        match request.method:
            case "PUT" | "PATCH":
                return _Write(self.world, self._schemas, of, request, path, begin).answer()
            case "DELETE":
                purged = request.query.get(of.purged_by, "").lower() == "true"
                return _delete(self.world, of, path, begin, purged=purged)
            case "HEAD":
                return Answer(status=204 if path in self.world.resources else 404)
        resource = self._found(path)
        if resource.pending is not None:
            resource.pending.step()
            resource = self._found(path)
        return Answer(content=of.shown(self.world, resource))

    def _found(self, path: str) -> Resource:
        group = group_of(path)
        if group is not None and group not in self.world.resources:
            name = group.rpartition("/")[2]
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        return self.world.existing(path)

    # ---- what goes on ------------------------------------------------------------------------------------------------
    def _look(self, operation_id: str, *, by_location: bool) -> Answer:
        pending = self.world.operations.get(operation_id)
        if pending is None:
            raise ArmError(404, "OperationNotFound", f"The operation '{operation_id}' was not found.")
        pending.step()
        if not by_location:
            failed = {"error": pending.error} if pending.error else {}
            return Answer(content={"id": operation_id, "name": operation_id, "status": pending.status, **failed})
        if pending.status == "InProgress":
            return Answer(status=202, headers=_where(self.world, operation_id, "Results", "Location"))
        if pending.error is not None:
            return Answer(status=409, content={"error": pending.error})
        shown = pending.shown()
        return Answer(status=200, content=shown) if shown else Answer(status=204 if pending.delete else 200)


def _where(world: World, operation_id: str, what: str, header: str) -> dict[str, str]:
    path = f"/subscriptions/{world.subscription}/providers/Microsoft.Resources/locations/any/operation{what}/"
    return {header: f"{world.url}{path}{operation_id}?api-version=2025-04-01"}


@dataclass(slots=True)
class _Begin:
    """Begins what goes on after the answer; tells the client how to follow it."""

    world: World
    operation: Operation
    path: str
    fault: Scripted | None

    def __call__(self, resource: Resource | None, pending: Pending, follow: Follow, status: int) -> Answer:
        """The answer without a body."""
        if self.fault is not None and self.fault.kind is Fault.FAILS_LATER:
            pending.fails_with = (self.fault.code, self.fault.message)
        self.world.operations[pending.id] = pending
        if resource is not None:
            resource.pending = pending
        headers: Mapping[str, str] = {}
        if follow is Follow.ASYNC:
            headers = _where(self.world, pending.id, "Statuses", "Azure-AsyncOperation")
            if pending.delete or status == 202:
                headers = {**headers, **_where(self.world, pending.id, "Results", "Location")}
        if follow is Follow.LOCATION:
            headers = _where(self.world, pending.id, "Results", "Location")
        return Answer(status=status, headers={**headers, "Retry-After": "0"} if headers else {})


class _Write:
    """A PUT or a PATCH."""

    def __init__(self, world: World, schemas: Schemas, of: Kind, request: Request, path: str, begin: _Begin) -> None:
        self.world, self.schemas, self.of, self.request, self.path, self.begin = (
            *(world, schemas, of, request, path),
            begin,
        )
        self.existing = world.resources.get(path)

    def answer(self) -> Answer:
        """Check it all, keep it, begin it."""
        put = Put(
            world=self.world,
            id=self.existing.id if self.existing else self.path,
            type=self.of.type,
            name=self.existing.name if self.existing else self.path.rpartition("/")[2],
            body=self._body(),
            existing=self.existing,
        )
        self._surroundings(put)
        if self.request.method == "PUT":
            self._schema(put)
        self.world.watch_hosts(f"{self.of.type} {put.name}", put.body)
        self._kept_rules(put)
        self.of.check(put)
        return self._begun(put)

    def _body(self) -> Json:
        try:
            sent = self.request.json()
        except ValueError:
            raise ArmError(400, "InvalidRequestContent", "The request content was invalid.") from None
        if self.request.method == "PUT":
            return {key: part for key, part in sent.items() if key not in ("id", "name", "type", "apiVersion")}
        if self.existing is None:
            raise ArmError(404, "ResourceNotFound", f"The Resource '{self.path}' was not found.")
        return _merged(self.existing.body, sent)

    def _surroundings(self, put: Put) -> None:
        namespace = put.type.partition("/")[0]
        if namespace.lower() not in ALWAYS and self.world.registered.get(namespace.lower()) != "Registered":
            raise ArmError(
                409,
                "MissingSubscriptionRegistration",
                f"The subscription is not registered to use namespace '{namespace}'.",
            )
        if put.type == "Microsoft.Resources/resourceGroups":
            return
        group, parent = group_of(put.id), parent_of(put.id)
        if group is not None:
            found = self.world.existing(group, "ResourceGroupNotFound")
            if found.state == "Deleting":
                raise ArmError(
                    409, "ResourceGroupBeingDeleted", f"The resource group '{found.name}' is in deprovisioning state."
                )
        if parent.count("/") > 4:
            self.world.existing(parent, "ParentResourceNotFound")

    def _schema(self, put: Put) -> None:
        version = self.request.query["api-version"]
        # templates must have `properties`; a request may leave it away where nothing in it is required
        body = {"properties": {}} | put.body | {"type": put.type, "apiVersion": version}
        # in templates, some children are named with their parents: "account/keyspace/default"
        named = [body | {"name": put.name}, body | {"name": f"parent/{put.name}"}]
        problems = [next(iter(self.schemas.problems(put.type, version, each)), None) for each in named]
        if problems[0] and problems[1]:
            self.world.violations.append(problems[0])
            raise ArmError(400, "InvalidRequestContent", problems[0])

    def _kept_rules(self, put: Put) -> None:
        if self.of.tracked:
            location = str(put.body.get("location", "")).replace(" ", "").lower()
            if location not in (*LOCATIONS, "global"):
                raise ArmError(400, "LocationNotAvailableForResourceType", f"The location {location!r} is not known.")
            if put.existing is not None and put.existing.location.replace(" ", "").lower() != location:
                raise ArmError(409, "InvalidResourceLocation", f"The resource '{put.name}' exists in another location.")
            put.body["location"] = location
        if put.existing is None and self.of.unique and self._taken(put):
            raise ArmError(*self.of.unique, f"The name '{put.name}' is already taken.")
        if put.existing is not None:
            require_idle(self.of, put.existing)

    def _taken(self, put: Put) -> bool:
        somebody = (put.type.lower(), put.name.lower()) in self.world.taken
        return somebody or self.world.resources.named(put.type, put.name) is not None

    def _begun(self, put: Put) -> Answer:
        created = put.existing is None
        resource = put.existing or Resource(id=put.id, type=put.type, name=put.name, body={})
        resource.body, resource.state = put.body, "Creating" if created else "Updating"
        self.world.resources[put.id] = resource
        if created:
            self.world.creations[put.id.lower()] += 1
        self.of.begun(self.world, resource)
        follow = self.of.create if created else self.of.update or self.of.create
        status = _status(created, follow, self.begin.operation)
        if follow is Follow.NOW:
            self._ended_now(resource, created=created)
            return Answer(status=status, content=self.of.shown(self.world, resource))
        pending = Pending(
            steps=self.world.polls,
            finish=lambda: self._ended(resource),
            shown=lambda: self.of.shown(self.world, resource),
            on_failure=lambda: setattr(resource, "state", "Failed"),
        )
        answer = self.begin(resource, pending, follow, status)
        shown = None if status == 202 else self.of.shown(self.world, resource)
        return Answer(status=status, headers=answer.headers, content=shown)

    def _ended_now(self, resource: Resource, *, created: bool) -> None:
        try:
            self._ended(resource)
        except ArmError:
            if created:
                del self.world.resources[resource.id]
            raise

    def _ended(self, resource: Resource) -> None:
        self.of.done(self.world, resource)
        resource.state = "Succeeded"


def _status(created: bool, follow: Follow, operation: Operation) -> int:
    allowed = operation.statuses
    if follow is Follow.LOCATION and 202 in allowed:
        return 202
    if 201 in allowed and (created or 200 not in allowed):
        return 201
    if follow is Follow.ASYNC and 202 in allowed and 201 not in allowed:
        return 202
    return 200


def _merged(body: Json, patch: Json) -> Json:
    """A JSON merge patch, tags as a whole."""
    merged = copy.deepcopy(body)
    for key, part in patch.items():
        whole = key == "tags" or not isinstance(part, dict) or not isinstance(merged.get(key), dict)
        merged[key] = part if whole else _merged(merged[key], part)
    return merged


def _delete(world: World, of: Kind, path: str, begin: _Begin, *, purged: bool) -> Answer:
    resource = world.resources.get(path)
    if resource is None:
        if of.type == "Microsoft.Resources/resourceGroups":
            raise ArmError(404, "ResourceGroupNotFound", "Resource group could not be found.")
        return Answer(status=204)
    if resource.pending is not None and resource.pending.delete and resource.busy:
        return begin(resource, resource.pending, of.remove, 202)
    require_idle(of, resource)
    of.check_delete(world, resource)
    resource.hidden["purged"] = purged

    def finish() -> None:
        take_away(world, resource)

    if of.remove is Follow.NOW:
        finish()
        return Answer(status=200)
    before_that, resource.state = resource.state, "Deleting"
    pending = Pending(
        steps=world.polls, finish=finish, delete=True, on_failure=lambda: setattr(resource, "state", before_that)
    )
    return begin(resource, pending, of.remove, 202)


def require_idle(of: Kind, resource: Resource) -> None:
    """Raises ArmError while something goes on; to ask is to look at it."""
    if resource.busy and resource.pending is not None:
        resource.pending.step()
        raise ArmError(*of.busy)


def take_away(world: World, resource: Resource) -> None:
    """It and all below it."""
    for each in (*reversed(world.resources.under(resource.id)), resource):
        if each.id in world.resources:
            del world.resources[each.id]
            if of := KINDS.get(each.type.lower()):
                of.gone(world, each)
