"""Names of groups that last: a link to a group leads, after the next run, to where most of its faces are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from personas.face_arrays import FaceKeys
from personas.face_groups import FaceGroups

#: Hex digits of an id.
DIGITS = 16


def group_ids(groups: Sequence[FaceKeys], earlier: FaceGroups) -> list[str]:
    """An id for each of these groups.

    The id of the earlier group that shares the most faces with it, where those are half of either; else one made of its
    most central face. Two groups that could have the same id: the one with more of the faces.
    """
    ids: list[str | None] = [None] * len(groups)
    taken: set[str] = set()
    for new, old in _by_overlap(groups, earlier):
        if ids[new] is None and earlier.ids[old] not in taken:
            ids[new] = earlier.ids[old]
            taken.add(earlier.ids[old])
    named = []
    for group_id, faces in zip(ids, groups, strict=True):
        if group_id is None:
            group_id = next(made for made in map(_id_of, faces.texts().tolist()) if made not in taken)
            taken.add(group_id)
        named.append(group_id)
    return named


def _by_overlap(groups: Sequence[FaceKeys], earlier: FaceGroups) -> list[tuple[int, int]]:
    """(new, earlier) places of groups that are the same for all one can tell, the largest overlap first."""
    texts = earlier.faces.texts()
    if not len(texts) or not groups:
        return []
    order = np.argsort(texts)
    texts = texts[order]
    old_of = np.repeat(np.arange(len(earlier)), np.diff(earlier.bounds))[order]
    shared: Counter[tuple[int, int]] = Counter()
    for new, faces in enumerate(groups):
        mine = faces.texts()
        place = np.minimum(np.searchsorted(texts, mine), len(texts) - 1)
        known = texts[place] == mine
        shared.update((new, old) for old in old_of[place[known]].tolist())
    same = [
        (pair, count) for pair, count in shared.items() if 2 * count >= min(len(groups[pair[0]]), len(earlier[pair[1]]))
    ]
    return [pair for pair, _ in sorted(same, key=lambda each: (-each[1], each[0]))]


def _id_of(face: bytes) -> str:
    return hashlib.sha256(b"group of " + face).hexdigest()[:DIGITS]
