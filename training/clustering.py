"""Which faces show the same person, where nobody has said who: groups from embeddings alone.

Average linkage on the graph of near neighbours. Two faces are neighbours where each is among the other's NEIGHBOURS
nearest and their cosine reaches a floor; pairs are looked at from the most alike on, and the groups of both become one
while the mean cosine between all their faces reaches the threshold. A chain of look-alikes does not run two persons
together so, as it does with connected components; benchmarks/clustering.py measures both, and Chinese Whispers, beside
it.

Time is that of one product of all faces with all faces, done in blocks; memory grows with the faces, not with their
square. The result depends on the set of faces alone, to the last bit: not on the order they come in, nor on how BLAS
divides its work (see GRID).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personas.entities import FloatArray
from personas.face_arrays import FaceKeys

Rows = npt.NDArray[np.intp]

#: Unit vectors are rounded to whole multiples of 1/GRID. Their products are then whole multiples of 2^-22 and their
#: sums about 1 at most, so float32, with 24 bits, adds them up exactly, in whatever order. It moves a cosine by 0.0002.
GRID = np.float32(2**11)
#: Neighbours of a face at most. More of one person than this are joined by way of each other.
NEIGHBOURS = 64
#: Faces compared with so many others at a time: a tile of 8 MB.
BLOCK, COLUMNS = 512, 4096
#: Cosine from which on two groups may be one person, among REFERENCE_FACES faces. Measured on data/lfw-dev.
THRESHOLD = 0.50
REFERENCE_FACES = 7_000
#: How much it rises where there are ten times as many faces. SFace's cosine between strangers exceeds 0.283 once in 100
#: pairs, 0.357 once in 1,000 and 0.50 about once in 430,000: with this rise, a face meets as many look-alikes in a
#: large collection as in a small one.
RISE_A_DECADE = 0.055
HIGHEST_THRESHOLD = 0.62
#: Pairs below the threshold by this much are not looked at: too far apart to decide anything.
SLACK = 0.05
#: A person is seldom twice in one picture, but mirrors and collages exist: groups that share a picture need this.
SAME_PICTURE_THRESHOLD = 0.72
#: Rounds over the pairs that were refused: groups that grew meanwhile may have come nearer.
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Pairs of faces that are among each other's nearest, the most alike first."""

    first: Rows  #: (n_pairs,), the lower row
    second: Rows  #: (n_pairs,)
    cosine: FloatArray  #: (n_pairs,), descending


def threshold_among(n_faces: int) -> float:
    """Mean cosine two groups must reach to become one, in a collection of this many faces."""
    decades = math.log10(max(n_faces, 1) / REFERENCE_FACES)
    return min(THRESHOLD + RISE_A_DECADE * max(decades, 0.0), HIGHEST_THRESHOLD)


def cluster(faces: FaceKeys, vectors: FloatArray, *, on_progress: Callable[[int], None] = lambda _: None) -> list[Rows]:
    """Groups of two faces or more, as rows of `vectors`; faces that stay alone are in none.

    vectors: float32 (n, 128), L2-normalised, one a face. The largest group comes first, and in a group its most central
    face. on_progress: called with the number of faces that were compared with all others; what it raises ends the work.
    """
    order = np.argsort(faces.texts(), kind="stable")
    points = on_grid(vectors[order])
    pictures = np.unique(FaceKeys(faces.packed[order]).pictures(), return_inverse=True)[1]
    threshold = threshold_among(len(points))
    pairs = neighbours(points, floor=threshold - SLACK, on_progress=on_progress)
    groups = [_central_first(points, rows) for rows in join(points, pairs, threshold=threshold, pictures=pictures)]
    groups.sort(key=lambda rows: (-len(rows), rows[0]))
    return [order[rows] for rows in groups]


def on_grid(vectors: FloatArray) -> FloatArray:
    """Rounded to whole multiples of 1/GRID."""
    points = np.multiply(vectors, GRID, dtype=np.float32)
    np.rint(points, out=points)
    points /= GRID
    return points


def neighbours(points: FloatArray, *, floor: float, on_progress: Callable[[int], None] = lambda _: None) -> Neighbours:
    """Pairs that are among each other's NEIGHBOURS nearest, with a cosine of `floor` or more.

    points: float32 (n, d), on the grid. Ties go to the lower row.
    """
    n = len(points)
    firsts, seconds, cosines = [np.zeros(0, np.intp)], [np.zeros(0, np.intp)], [np.zeros(0, np.float32)]
    for start in range(0, n, BLOCK):
        rows, columns, values = _near(points, start, floor)
        firsts.append(rows)
        seconds.append(columns)
        cosines.append(values)
        on_progress(min(start + BLOCK, n))
    rows, columns, values = np.concatenate(firsts), np.concatenate(seconds), np.concatenate(cosines)
    first, second = np.minimum(rows, columns), np.maximum(rows, columns)
    order = np.lexsort((second, first))
    first, second, values = first[order], second[order], values[order]
    both = np.flatnonzero((np.diff(first) == 0) & (np.diff(second) == 0))  # each found the other
    best = both[np.lexsort((second[both], first[both], -values[both]))]
    return Neighbours(first=first[best], second=second[best], cosine=values[best])


def _near(points: FloatArray, start: int, floor: float) -> tuple[Rows, Rows, FloatArray]:
    """(rows, columns, cosines) of the nearest of each row of a block, by row."""
    block = points[start : start + BLOCK]
    places, columns, values = [], [], []
    for left in range(0, len(points), COLUMNS):
        cosines = block @ points[left : left + COLUMNS].T
        width = cosines.shape[1]
        found = np.flatnonzero(cosines >= floor)
        places.append(found // width)
        columns.append(found % width + left)
        values.append(cosines.ravel()[found])
    place, column, value = np.concatenate(places), np.concatenate(columns), np.concatenate(values)
    others = column != place + start
    order = np.argsort(place[others], kind="stable")
    place, column, value = place[others][order], column[others][order], value[others][order]
    kept = np.ones(len(place), np.bool_)
    counts = np.bincount(place, minlength=len(block))
    ends = np.cumsum(counts)
    for crowded in np.flatnonzero(counts > NEIGHBOURS).tolist():
        mine = slice(ends[crowded] - counts[crowded], ends[crowded])
        # A whole number that no two pairs of a face share, so that which are kept is never left to chance.
        rank = (value[mine] * GRID**2).astype(np.int64) * len(points) - column[mine]
        kept[mine] = False
        kept[mine.start + np.argpartition(rank, -NEIGHBOURS)[-NEIGHBOURS:]] = True
    return place[kept] + start, column[kept], value[kept]


def join(points: FloatArray, pairs: Neighbours, *, threshold: float, pictures: Rows) -> list[Rows]:
    """Groups of two or more, by average linkage over the pairs. pictures: (n,), the number of each row's picture."""
    rows = np.unique(np.concatenate([pairs.first, pairs.second]))
    growing = _Growing(points[rows], pictures[rows].tolist(), threshold)
    waiting = list(zip(np.searchsorted(rows, pairs.first), np.searchsorted(rows, pairs.second), strict=True))
    for _ in range(ROUNDS):
        refused = [pair for pair in waiting if not growing.joined(*pair)]
        if len(refused) == len(waiting):
            break
        waiting = refused
    return [rows[members] for members in growing.groups()]


class _Growing:
    """Groups while they grow: a forest of rows, with the sum of the vectors and the pictures of each tree."""

    def __init__(self, points: FloatArray, pictures: list[int], threshold: float) -> None:
        self.threshold = threshold
        self.parent = list(range(len(points)))
        self.size = [1] * len(points)
        self.total = points.astype(np.float64)  # sums on the grid stay exact
        self.pictures = [{picture} for picture in pictures]

    def root(self, row: int) -> int:
        while self.parent[row] != row:
            self.parent[row] = self.parent[self.parent[row]]
            row = self.parent[row]
        return row

    def joined(self, one: int, other: int) -> bool:
        """Whether both are in one group, now if not before."""
        a, b = self.root(one), self.root(other)
        if a == b:
            return True
        mean = float(self.total[a] @ self.total[b]) / (self.size[a] * self.size[b])
        if mean < self.threshold:
            return False
        if mean < SAME_PICTURE_THRESHOLD and not self.pictures[a].isdisjoint(self.pictures[b]):
            return False
        if self.size[a] < self.size[b]:
            a, b = b, a
        self.parent[b] = a
        self.size[a] += self.size[b]
        self.total[a] += self.total[b]
        self.pictures[a] |= self.pictures[b]
        self.pictures[b] = set()
        return True

    def groups(self) -> list[Rows]:
        roots = np.array([self.root(row) for row in range(len(self.parent))], np.intp)
        order = np.argsort(roots, kind="stable")
        bounds = np.flatnonzero(np.diff(roots[order])) + 1
        return [members for members in np.split(order, bounds) if len(members) > 1]


def _central_first(points: FloatArray, rows: Rows) -> Rows:
    """By the cosine with the group's mean, descending; ties by row."""
    mean = points[rows].sum(axis=0, dtype=np.float64)
    return rows[np.lexsort((rows, -(points[rows].astype(np.float64) @ mean)))]
