"""`/api/v1/`, put together from the routers of the apps."""

from __future__ import annotations

from ingest.api import router as uploads
from personas.api.commands import router as commands
from personas.api.events import router as events
from personas.api.faces import router as faces
from personas.api.groups import router as groups
from personas.api.images import router as images
from personas.api.interface import Api
from personas.api.jobs import router as jobs
from personas.api.labels import router as labels
from personas.api.personas import router as personas
from training.api import router as models

DESCRIPTION = """\
What the pages do, for programs: the same services, the same permissions.

Send a token of your account as `Authorization: Bearer TOKEN`. Whatever fails is a problem document (RFC 9457) with a
`code` for programs and a `detail` for people. Lists are paged by cursor: go on with `next_cursor`, or follow `Link`. A
command may bear an `Idempotency-Key`; its answer names the command by `command_id`."""

api = Api(title="faceproject", version="1", description=DESCRIPTION, urls_namespace="api")
api.add_router("/personas", personas)
api.add_router("/images", images)
api.add_router("/faces", faces)
api.add_router("/labels", labels)
api.add_router("/groups", groups)
api.add_router("/commands", commands)
api.add_router("/models", models)
api.add_router("/events", events)
api.add_router("/uploads", uploads)
api.add_router("/jobs", jobs)
