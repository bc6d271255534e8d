"""What a version says, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ingest.vision import ExtractedFace, Extraction, PictureError
from orchestration.scorer.serving import Served
from personas.entities import FloatArray

Json = dict[str, Any]


def said_of(served: Served, embeddings: FloatArray, *, top_k: int) -> list[Json]:
    """One answer an embedding, scored together, exactly as pages have them. embeddings: float32 (n, 128)."""
    claims = served.recogniser.classifier.claims(embeddings, n_candidates=max(top_k, 1))
    personas, version = served.personas, served.version
    best, accepted = claims.class_index.tolist(), claims.accepted.tolist()
    probability = claims.probability.tolist()
    candidates, chances = claims.candidates[:, :top_k].tolist(), claims.candidate_probability[:, :top_k].tolist()
    return [
        {
            "persona": personas[best[row]] if accepted[row] else None,
            "probability": round(probability[row], 6) if accepted[row] else None,
            "version": version,
            "candidates": [
                {"persona": personas[each], "probability": round(chance, 6)}
                for each, chance in zip(candidates[row], chances[row], strict=True)
            ],
        }
        for row in range(len(embeddings))
    ]


def said_of_pictures(served: Served, outcomes: Sequence[Extraction | PictureError], *, top_k: int) -> list[Json]:
    """One answer a picture; the faces of all are scored together."""
    embeddings = [face.embedding for each in outcomes if isinstance(each, Extraction) for face in each.faces]
    said = iter(said_of(served, _stacked(embeddings, served), top_k=top_k))
    return [error_of(each) if isinstance(each, PictureError) else _picture(each, said) for each in outcomes]


def error_of(error: PictureError) -> Json:
    return {"error": {"code": error.reason, "message": str(error)}}


def _stacked(embeddings: list[FloatArray], served: Served) -> FloatArray:
    width = int(served.recogniser.classifier.n_features_in_)
    return np.array(embeddings, np.float32).reshape(len(embeddings), width)


def _picture(extraction: Extraction, said: Iterator[Json]) -> Json:
    return {
        "width": extraction.width,
        "height": extraction.height,
        "format": extraction.format,
        "detector": extraction.detector,
        "faces": [{**_face(face), **next(said)} for face in extraction.faces],
    }


def _face(face: ExtractedFace) -> Json:
    return {
        "box": [round(value, 2) for value in face.box],
        "landmarks": [[round(x, 2), round(y, 2)] for x, y in face.landmarks.tolist()],
        "score": round(face.score, 4),
        "quality": round(face.quality, 4),
    }
