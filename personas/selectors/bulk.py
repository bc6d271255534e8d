"""What a bulk command would speak of: the faces of a persona that the champion is surest of."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from personas.selectors.gallery import PredictedFace, persona_predicted
from personas.store.base import MAX_FACES_PER_EVENT, Store

#: Faces that one command may confirm: one event.
MAX_CONFIRMED = MAX_FACES_PER_EVENT
#: Faces read at once.
FACES_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """Predicted faces of at least some probability, most probable first."""

    version: int  #: that names them; 0: there is no version
    faces: tuple[PredictedFace, ...]
    more: bool  #: there are more than one command may confirm

    @property
    def digest(self) -> str:
        """Names just these faces, in 64 hex digits: a form sends it back, to confirm what its page showed."""
        return sha256(" ".join(sorted(str(item.face.key) for item in self.faces)).encode()).hexdigest()

    def sample(self, n: int) -> tuple[PredictedFace, ...]:
        """At most `n` of them, evenly from the least certain, which is worth a look first, to the surest."""
        step = max(len(self.faces) - 1, 1) / max(n - 1, 1)
        places = range(len(self.faces)) if len(self.faces) <= n else [round(place * step) for place in range(n)]
        return tuple(self.faces[place] for place in reversed(places))


def predicted_above(store: Store, persona_id: str, probability: float) -> Above:
    """The faces that `persona_predicted` lists down to this probability, MAX_CONFIRMED at most."""
    champion = store.champion()
    found: list[PredictedFace] = []
    cursor: str | None = None
    while champion and len(found) <= MAX_CONFIRMED:
        page = persona_predicted(store, persona_id, cursor=cursor, limit=FACES_AT_ONCE)
        sure = [item for item in page.items if item.probability >= probability]
        found += sure
        cursor = page.next_cursor
        if cursor is None or len(sure) < len(page.items):
            break
    version = found[0].version if found else champion.version if champion else 0
    return Above(version=version, faces=tuple(found[:MAX_CONFIRMED]), more=len(found) > MAX_CONFIRMED)
