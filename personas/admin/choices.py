"""What several pages of the administration offer or read."""

from __future__ import annotations

from personas.entities import STRANGER, FaceKey
from personas.errors import NotFoundError
from personas.selectors.gallery import find_personas
from personas.store import Store

#: Personas offered in a choice; beyond that many, the product's own pages find them by name.
MAX_CHOICES = 500


def persona_choices(store: Store) -> list[tuple[str, str]]:
    people = find_personas(store)[:MAX_CHOICES]
    return [*((persona.persona_id, persona.name) for persona in people), (STRANGER, "(strangers)")]


def parse_key(text: str) -> FaceKey:
    try:
        return FaceKey.parse(text)
    except ValueError as error:
        raise NotFoundError("There is no such face.") from error
