"""All that ingest leaves in a store, in an order of its own, without times, sequence numbers and versions.

`python -m tests.ingest.states` prints it for the store that the environment names.
"""

from __future__ import annotations

import json
from typing import Any

from personas.store.base import Store


def state_of(store: Store) -> dict[str, Any]:
    images = store.images(limit=100_000).items
    labels, truths = store.all_labels(), store.truths()
    paths = store.paths_of([image.image_id for image in images])
    return {
        "images": [[i.image_id, i.width, i.height, i.format, i.n_bytes, i.status, i.n_faces] for i in images],
        "paths": [
            [image_id, path.source, path.path, path.size, path.sidecar, path.extractor]
            for image_id, every in sorted(paths.items())
            for path in every
        ],
        "faces": [[str(face.key), *face.box, face.score, face.detector] for face in store.faces(limit=100_000).items],
        "personas": [[persona.persona_id, persona.name] for persona in store.personas(limit=100_000).items],
        "labels": sorted([label.persona_id, str(label.key), label.belongs, label.actor] for label in labels),
        "truths": sorted([each.image_id, each.face_no, each.persona or "", each.category] for each in truths),
    }


def main() -> None:
    import django

    django.setup()
    from personas.store import get_store

    print(json.dumps(state_of(get_store())))  # noqa: T201


if __name__ == "__main__":
    main()
