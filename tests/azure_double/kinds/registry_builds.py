"""Builds in a registry: the context is uploaded, a run is scheduled, and it goes on by looks at it."""

from __future__ import annotations

import io
import tarfile
import uuid
from datetime import UTC, datetime

from tests.azure_double.https import Answer, Request
from tests.azure_double.kinds.kind import Call, route
from tests.azure_double.kinds.registry import REGISTRIES
from tests.azure_double.resources import ArmError, Json, Resource
from tests.azure_double.world import World


def _url(world: World) -> str:
    """Where contexts are put and logs are got, by URLs that carry their own signature."""
    if not world.build_url:
        world.build_url = world.serve(lambda request: _blob(world, request))
    return world.build_url


def _blob(world: World, request: Request) -> Answer:
    if request.query.get("sig") != "double":
        return Answer(status=403, headers={"x-ms-error-code": "AuthenticationFailed"})
    where = request.path.strip("/")
    if request.method == "PUT":
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            return Answer(status=400, headers={"x-ms-error-code": "MissingRequiredHeader"})
        world.uploads[where] = request.body
        return Answer(status=201)
    if where in world.build_logs:
        return Answer(body=world.build_logs[where].encode(), headers={"content-type": "text/plain"})
    return Answer(status=404, headers={"x-ms-error-code": "BlobNotFound"})


@route("POST", f"{REGISTRIES}/{{}}/listBuildSourceUploadUrl")
def upload_url(call: Call) -> Answer:
    """Where to put the context."""
    call.above(1)
    _require_tasks(call.world)
    path = f"build/{datetime.now(UTC):%Y%m%d}/{uuid.uuid4().hex}.tar.gz"
    return Answer(content={"uploadUrl": f"{_url(call.world)}/{path}?sig=double", "relativePath": path})


def _require_tasks(world: World) -> None:
    if not world.tasks_allowed:
        raise ArmError(
            403,
            "TasksOperationsNotAllowed",
            "ACR Tasks requests for the registry are not permitted. Please file an Azure support request at "
            "http://aka.ms/azuresupport for assistance.",
        )


@route("POST", f"{REGISTRIES}/{{}}/scheduleRun")
def schedule(call: Call) -> Answer:
    """Answers at once with a run that is queued."""
    registry, body = call.above(1), call.body
    _require_tasks(call.world)
    if body.get("type") != "DockerBuildRequest":
        raise ArmError(400, "BadRequest", f"The double builds by DockerBuildRequest, not {body.get('type')}.")
    missing = [part for part in ("dockerFilePath", "platform") if not body.get(part)]
    if missing:
        raise ArmError(400, "BadRequest", f"The run request lacks {', '.join(missing)}.")
    run = f"ca{call.world.serial()}"
    found = Resource(id=f"{registry.id}/runs/{run}", type=f"{REGISTRIES}/runs", name=run, body=body, state="Queued")
    call.world.resources[found.id] = found
    return Answer(content=_shown(call.world, registry, found))


def _shown(world: World, registry: Resource, run: Resource) -> Json:
    properties: Json = {"runId": run.name, "status": run.state, "runType": "QuickRun", "isArchiveEnabled": False}
    if run.state == "Succeeded":
        server = registry.outputs["loginServer"]
        names = [name.partition(":") for name in run.body.get("imageNames") or ()]
        properties["outputImages"] = [
            {"registry": server, "repository": name, "tag": tag or "latest", "digest": f"sha256:{run.name:0>64}"}
            for name, _, tag in names
        ]
    if run.state == "Failed":
        properties["runErrorMessage"] = run.hidden["why"]
    return {"id": run.id, "name": run.name, "type": run.type, "properties": properties}


@route("GET", f"{REGISTRIES}/{{}}/runs/{{}}")
def look_at_run(call: Call) -> Answer:
    """Queued, then Running, then it has ended."""
    run, registry = call.above(0), call.above(2)
    answer = Answer(content=_shown(call.world, registry, run))
    if run.state == "Queued":
        run.state = "Running"
    elif run.state == "Running":
        why = call.world.build_failure or _problem(call.world, run.body)
        run.state, run.hidden["why"] = ("Failed" if why else "Succeeded"), why
        if not why and run.body.get("isPushEnabled", True):
            server = registry.outputs["loginServer"]
            names = [name if ":" in name else f"{name}:latest" for name in run.body.get("imageNames") or ()]
            call.world.images |= {f"{server}/{name}" for name in names}
        ended = f"failed: {why}" if why else f"Run ID: {run.name} was successful after 1s"
        call.world.build_logs[f"logs/{run.name}"] = f"Downloading source code...\nStep 1/1\n{ended}\n"
    return answer


def _problem(world: World, body: Json) -> str:
    """What keeps it from being built: "" where nothing does."""
    context = world.uploads.get(str(body.get("sourceLocation")).strip("/"))
    if context is None:
        return f"failed to download context {body.get('sourceLocation')}"
    try:
        with tarfile.open(fileobj=io.BytesIO(context), mode="r:gz") as archive:
            names = {name.removeprefix("./") for name in archive.getnames()}
    except tarfile.TarError as error:
        return f"the context is no tar.gz: {error}"
    wanted = str(body["dockerFilePath"]).removeprefix("./")
    return "" if wanted in names else f"unable to find {wanted} in the context"


@route("POST", f"{REGISTRIES}/{{}}/runs/{{}}/listLogSasUrl")
def log_url(call: Call) -> Answer:
    """Where its log is."""
    run = call.above(1)
    return Answer(content={"logLink": f"{_url(call.world)}/logs/{run.name}?sig=double"})


@route("POST", f"{REGISTRIES}/{{}}/runs/{{}}/cancel")
def cancel(call: Call) -> Answer:
    """It ends."""
    run = call.above(1)
    if run.state in ("Queued", "Running"):
        run.state = "Canceled"
    return Answer(status=200)
