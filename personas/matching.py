"""Which faces of a second detection are faces already known, so that labels never move to another face."""

from __future__ import annotations

from collections.abc import Sequence

from personas.entities import Box

#: Two boxes that overlap this much are the same face (the PASCAL VOC detection criterion, Everingham et al. 2010).
SAME_FACE_IOU = 0.5


def match_boxes(old: Sequence[Box], new: Sequence[Box]) -> list[int | None]:
    """For each new box the index of the old box it is, or None: greedy by overlap, each old box taken once."""
    pairs = sorted(
        ((o.iou(n), i, j) for i, o in enumerate(old) for j, n in enumerate(new) if o.iou(n) >= SAME_FACE_IOU),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    taken: set[int] = set()
    matched: list[int | None] = [None] * len(new)
    for _, i, j in pairs:
        if i not in taken and matched[j] is None:
            matched[j] = i
            taken.add(i)
    return matched
