"""Who is taken for whom, from plain arrays, in a size that does not grow with the gallery."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

#: Pairs that a version remembers, the most confused first, and the personas of its matrix.
MAX_PAIRS, MAX_PERSONAS = 20, 10

Texts = npt.NDArray[np.str_]
Pair = tuple[str, str]


def confusion(
    *, truth: Texts, named: Texts, if_unknown: Texts, max_pairs: int = MAX_PAIRS, max_personas: int = MAX_PERSONAS
) -> dict[str, Any]:
    """JSON-able: the most confused pairs, how many there are, and a matrix of the personas most involved.

    All (n,) persona ids. truth: "" for a stranger. named: "" for nobody. if_unknown: who would be named if `truth` were
    unknown, "" for nobody.

    pairs: {truth, named, n, if_unknown}, of faces that were, and that would be, named wrongly. n_pairs, n_faces: of all
    pairs with a face named wrongly. personas: k ids. counts: (k + 1, k + 2), a row for each of them and one for
    strangers; a column for each, one for all other personas, one for nobody.
    """
    wrong = Counter(_pairs(truth, named))
    alike = Counter(_pairs(truth, if_unknown))
    pairs = sorted(wrong | alike, key=lambda pair: (-wrong[pair], -alike[pair], pair))
    personas = _most_involved(pairs, truth)[:max_personas]
    return {
        "pairs": [
            {"truth": pair[0], "named": pair[1], "n": wrong[pair], "if_unknown": alike[pair]}
            for pair in pairs[:max_pairs]
        ],
        "n_pairs": len(wrong),
        "n_faces": wrong.total(),
        "personas": personas,
        "counts": _matrix(personas, truth, named),
    }


def _pairs(truth: Texts, named: Texts) -> list[Pair]:
    rows = np.flatnonzero((named != truth) & (named != ""))
    return list(zip(truth[rows].tolist(), named[rows].tolist(), strict=True))


def _most_involved(pairs: list[Pair], truth: Texts) -> list[str]:
    """Personas in the order of the pairs, then those with most faces."""
    faces = Counter(persona for persona in truth.tolist() if persona)
    confused = [persona for pair in pairs for persona in pair if persona]
    by_faces = sorted(faces, key=lambda persona: (-faces[persona], persona))
    return list(dict.fromkeys([*confused, *by_faces]))


def _matrix(personas: list[str], truth: Texts, named: Texts) -> list[list[int]]:
    others, nobody = len(personas), len(personas) + 1
    place = {persona: index for index, persona in enumerate(personas)}
    counts = [[0] * (nobody + 1) for _ in range(len(personas) + 1)]
    for (true, said), n in Counter(zip(truth.tolist(), named.tolist(), strict=True)).items():
        row = place.get(true) if true else len(personas)
        if row is not None:
            counts[row][place.get(said, others) if said else nobody] += n
    return counts
