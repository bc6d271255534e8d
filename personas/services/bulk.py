"""Saying yes to many predictions at once."""

from __future__ import annotations

from datetime import datetime

from personas.entities import Verdict
from personas.errors import FaceProjectError
from personas.projection import FACES_LABELLED
from personas.selectors.bulk import predicted_above
from personas.services.commands import CommandUsedError, events_of_command
from personas.services.labelling import label_faces
from personas.services.personas import require_persona
from personas.store.base import Store


class UnableToConfirmError(FaceProjectError):
    """What was to be confirmed is not what the person was shown."""


def confirm_predicted(
    *, store: Store, persona_id: str, above: float, version: int, shown: str, actor: str, at: datetime, command_id: str
) -> int:
    """Label every face that the version names this persona with at least probability `above`; returns how many.

    shown: digest of the faces that the person was told of; of others nothing is said.

    One command, of MAX_CONFIRMED faces at most. Repeating it changes nothing. Raises NotFoundError,
    UnableToConfirmError (another version is champion by now, or these are other faces, or none).
    """
    require_persona(store, persona_id)
    if known := events_of_command(store, command_id):
        if any(event.kind != FACES_LABELLED for event in known.values()):
            raise CommandUsedError
        return sum(len(event.payload["faces"]) for event in known.values())
    found = predicted_above(store, persona_id, above)
    if found.version != version:
        raise UnableToConfirmError("A newer version names the faces by now. Nothing was said; look at them once more.")
    if not found.faces:
        raise UnableToConfirmError("No face is left that the product is so sure of. Choose a lower probability.")
    if found.digest != shown:
        raise UnableToConfirmError(
            f"The {len(found.faces):,} faces above this probability are not those you were shown: pictures came in, or "
            "somebody labelled some. Nothing was said; look at them once more."
        )
    keys = [item.face.key for item in found.faces]
    label_faces(
        store=store,
        persona_id=persona_id,
        faces=keys,
        verdict=Verdict.BELONGS,
        actor=actor,
        at=at,
        command_id=command_id,
    )
    return len(keys)
