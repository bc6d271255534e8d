"""What several pages of the administration offer or read."""

from __future__ import annotations

import re

from personas.entities import DELETED, NOBODY, FaceKey
from personas.errors import NotFoundError
from personas.selectors.gallery import find_personas
from personas.store import Store

_SHA256 = re.compile("[0-9a-f]{64}")
#: Personas offered in a choice; beyond that many, the product's own pages find them by name.
MAX_CHOICES = 500


def persona_choices(store: Store) -> list[tuple[str, str]]:
    """Who a face may be: people, and what is nobody."""
    people = [(persona.persona_id, persona.name) for persona in find_personas(store)[:MAX_CHOICES]]
    return people + [(persona_id, f"({word})") for persona_id, word in NOBODY.items() if persona_id != DELETED]


def pictures_called(store: Store, text: str) -> list[str]:
    """Ids of pictures by id, path or file name; 20 at most."""
    if _SHA256.fullmatch(text):
        return sorted(store.images_by_id([text]))
    return sorted({path.image_id for path in store.find_paths(text)})


def parse_key(text: str) -> FaceKey:
    try:
        return FaceKey.parse(text)
    except ValueError as error:
        raise NotFoundError("There is no such face.") from error
