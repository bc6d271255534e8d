"""Whose a label is that was recorded when its persona had just been merged or deleted. Pure; both stores project by it.

Who labels a face looks first whether the persona is there, and records then; in between it may be merged into another
one. The log's order decides: the label comes after the merge, so it is said of the heir.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from personas.entities import FaceKey, Verdict
from personas.projection import Said, SetVerdict

#: Heir of a persona that was deleted.
NOBODY_INHERITS = ""


def remaining(persona_id: str, heir_of: Callable[[str], str | None]) -> str:
    """Who is meant by the id of a persona that may be gone: the last heir; NOBODY_INHERITS where one was deleted."""
    while (heir := heir_of(persona_id)) is not None:
        if heir == NOBODY_INHERITS:
            return NOBODY_INHERITS
        persona_id = heir
    return persona_id


def inherited(
    change: SetVerdict, *, heir_of: Callable[[str], str | None], said_of: Callable[[tuple[FaceKey, ...]], Said]
) -> Iterator[SetVerdict]:
    """The verdict as it is said of the persona that remains; none where the persona was deleted.

    heir_of: whom a persona that is gone was merged into (NOBODY_INHERITS: it was deleted); None where it is not gone.
    said_of: what is said of faces now; asked only when a rejection is inherited, which takes no label from the heir.
    Taking back is said of the persona it names: a merge takes back so what it has passed on.
    """
    persona_id = change.persona_id
    if change.verdict is not Verdict.CLEARED:
        persona_id = remaining(persona_id, heir_of)
    if persona_id == NOBODY_INHERITS:
        return
    if persona_id == change.persona_id:
        yield change
        return
    faces = change.faces
    if change.verdict is Verdict.REJECTED:
        said = said_of(faces)
        faces = tuple(key for key in faces if said.get(key, {}).get(persona_id) is not True)
    yield replace(change, persona_id=persona_id, faces=faces)
