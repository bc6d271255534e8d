"""Grouping of unknown faces: how long and how much memory 100,000 take, and how good the groups of data/lfw-dev are.

The time stands beside one bare product of all faces with all faces, in blocks, in the same run: whoever looks for near
neighbours without an index pays that. The faces of it are made up, for no collection at hand is that large; quality is
measured on real ones, beside two other ways to cluster the same graph of neighbours: connected components, and Chinese
Whispers (Biemann 2006), each at the cosine that gives it the best F, which the product's own threshold never sees.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.report import Goal, Row
from benchmarks.settings import Bench
from ingest.vision import ExtractedFace, ExtractorConfig, FaceExtractor, PictureError, build_extractor
from personas.entities import FaceKey
from personas.face_arrays import FaceKeys
from training.clustering import BLOCK, Neighbours, cluster, neighbours, on_grid
from training.grouping import LEAST_QUALITY

Float32 = npt.NDArray[np.float32]
Numbers = npt.NDArray[Any]
Found = Sequence[Sequence[ExtractedFace]]

#: Made-up faces: share of them that are seen once, and the scatter around a person's direction (cosine 0.6 of a pair).
SEEN_ONCE, SCATTER = 0.4, 0.8
#: Cosines among which the other methods may choose.
CHOICES = (0.45, 0.5, 0.55, 0.6)
WHISPERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """Faces of a folder of people, all that the product would group."""

    keys: FaceKeys
    vectors: Float32
    people: npt.NDArray[np.str_]  #: (n,); "" for whoever else is in the picture


def measure(bench: Bench) -> Iterable[Row]:
    yield from _large(20_000 if bench.quick else 100_000)
    yield from _good(bench)


# ---- a large collection ----------------------------------------------------------------------------------------------
def _large(n_faces: int) -> Iterable[Row]:
    what = f"{n_faces:,} made-up faces grouped"
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its peak of memory is of this alone
        taken = pool.apply(grouped_made_up, (n_faces,))
    yield Row(what=what, figure=taken["seconds"], unit="s", beside=f"bare product of all: {taken['product']:.1f} s")
    yield Row(
        what=what,
        figure=taken["seconds"] / taken["product"],
        unit="x the bare product",
        goal=Goal(at_most=3.0),
    )
    yield Row(
        what=what,
        figure=taken["megabytes"],
        unit="MB at the most, above the faces themselves",
        beside=f"an n x n matrix: {4e-6 * n_faces**2:,.0f} MB",
    )
    yield Row(
        what=f"{what}: pairs in a group that are one person",
        figure=100 * taken["precision"],
        unit="%",
        goal=Goal(at_least=98.0),
        beside=f"{100 * taken['recall']:.1f} % of all pairs of a person found",
    )


def grouped_made_up(n_faces: int) -> dict[str, float]:
    """Seconds of grouping and of the bare product, megabytes, and pairwise precision and recall."""
    vectors, people = made_up_faces(n_faces)
    keys = FaceKeys(np.random.default_rng(1).integers(0, 256, (n_faces, 36), np.uint8))
    started = time.perf_counter()
    product_of_all(vectors)
    product = time.perf_counter() - started
    before = _peak_megabytes()
    started = time.perf_counter()
    groups = cluster(keys, vectors)
    seconds = time.perf_counter() - started
    precision, recall = pairwise(numbered(groups, n_faces), people)
    return {
        "seconds": seconds,
        "product": product,
        "megabytes": _peak_megabytes() - before,
        "precision": precision,
        "recall": recall,
    }


def product_of_all(vectors: Float32) -> float:
    """The largest of each row, so that nothing is left out; no block is kept."""
    total = 0.0
    for start in range(0, len(vectors), BLOCK):
        total += float((vectors[start : start + BLOCK] @ vectors.T)[0, 0])
    return total


def made_up_faces(n_faces: int) -> tuple[Float32, Numbers]:
    """Faces with whose they are: people seen once, and people with 2 to some hundreds of faces."""
    rng = np.random.default_rng(0)
    sizes = [1] * round(SEEN_ONCE * n_faces)
    left = n_faces - len(sizes)
    while left:
        sizes.append(min(2 + int(rng.pareto(1.2) * 4), 500, left))
        left -= sizes[-1]
    people = np.repeat(np.arange(len(sizes)), sizes)
    vectors = _directions(rng, len(sizes))[people] + np.float32(SCATTER) * _directions(rng, n_faces)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32), people


def _directions(rng: np.random.Generator, n: int) -> Float32:
    rows = rng.standard_normal((n, 128), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---- real faces ------------------------------------------------------------------------------------------------------
def _good(bench: Bench) -> Iterable[Row]:
    folder, cache = bench.data("lfw-dev"), bench.scratch / "models"
    cache.mkdir()
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    with multiprocessing.get_context("spawn").Pool(bench.n_processes, _start, (cache,)) as pool:
        faces = read_faces(folders[:: 4 if bench.quick else 1], lambda paths: pool.map(_extract, paths, chunksize=8))
    known = faces.people != ""
    mine = numbered(cluster(faces.keys, faces.vectors), len(faces.keys))
    precision, recall = pairwise(mine[known], faces.people[known])
    what = f"groups among {len(mine):,} faces of data/lfw-dev"
    yield Row(
        what=f"{what}: pairs that are one person",
        figure=100 * precision,
        unit="%",
        goal=Goal(at_least=98.0),
        beside=f"{100 * recall:.1f} % of all pairs of a person found",
    )
    f = f_of(*bcubed(mine[known], faces.people[known]))
    others = (f"{name} {100 * best:.1f} at {cosine}" for name, cosine, best in _others(faces, known))
    yield Row(what=f"{what}: BCubed F", figure=100 * f, unit="%", beside="; ".join(others))


def read_faces(folders: Sequence[Path], extract: Callable[[Sequence[Path]], Found]) -> Faces:
    """Faces of folders named after people, a picture's middle one being theirs."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.jpg"))]
    keys, vectors, people = [], [], []
    for path, found in zip(paths, extract(paths), strict=True):
        image_id = hashlib.sha256(path.read_bytes()).hexdigest()
        size = 250  # all pictures of data/lfw-dev
        for number, face in enumerate(sorted(found, key=partial(_from_middle, size=size))):
            if face.quality >= LEAST_QUALITY:
                keys.append(FaceKey(image_id, number))
                vectors.append(face.embedding)
                people.append(path.parent.name if number == 0 else "")
    return Faces(keys=FaceKeys.of(keys), vectors=np.array(vectors, np.float32), people=np.array(people))


def _from_middle(face: ExtractedFace, *, size: int) -> float:
    x, y, width, height = face.box
    return float((x + width / 2 - size / 2) ** 2 + (y + height / 2 - size / 2) ** 2)


_extractor: FaceExtractor | None = None


def _start(cache: Path) -> None:
    global _extractor
    _extractor = build_extractor(ExtractorConfig(cache_dir=cache))


def _extract(path: Path) -> Sequence[ExtractedFace]:
    assert _extractor is not None
    try:
        return _extractor.extract(path.read_bytes()).faces
    except PictureError:
        return ()


def _others(faces: Faces, known: npt.NDArray[np.bool_]) -> Iterable[tuple[str, float, float]]:
    """(name, cosine, BCubed F) of each other method, at its best cosine."""
    points = on_grid(faces.vectors)
    for name, method in (("connected components", components), ("Chinese Whispers", whispers)):
        scores = {}
        for cosine in CHOICES:
            found = method(neighbours(points, floor=cosine), len(points))
            scores[cosine] = f_of(*bcubed(found[known], faces.people[known]))
        best = max(scores, key=lambda cosine: scores[cosine])
        yield name, best, scores[best]


def components(pairs: Neighbours, n: int) -> Numbers:
    return np.asarray(sparse.csgraph.connected_components(_graph(pairs, n), directed=False)[1])


def whispers(pairs: Neighbours, n: int) -> Numbers:
    """Each face takes the class that weighs most among its neighbours, again and again, in a fixed order."""
    graph, label = _graph(pairs, n), np.arange(n)
    for _ in range(WHISPERS):
        changed = False
        for row in np.flatnonzero(np.diff(graph.indptr)).tolist():
            mine = slice(graph.indptr[row], graph.indptr[row + 1])
            classes, place = np.unique(label[graph.indices[mine]], return_inverse=True)
            heaviest = classes[np.bincount(place, graph.data[mine]).argmax()]
            changed |= bool(heaviest != label[row])
            label[row] = heaviest
        if not changed:
            break
    return label


def _graph(pairs: Neighbours, n: int) -> Any:
    half = sparse.csr_matrix((pairs.cosine, (pairs.first, pairs.second)), (n, n))
    return (half + half.T).tocsr()


# ---- how good groups are ---------------------------------------------------------------------------------------------
def numbered(groups: Sequence[Numbers], n: int) -> Numbers:
    """The number of each face's group, (n,); one of its own for a face in none."""
    found = np.arange(n) + len(groups)
    for number, rows in enumerate(groups):
        found[rows] = number
    return found


def pairwise(groups: Numbers, people: Numbers) -> tuple[float, float]:
    """Precision and recall of pairs of faces: in one group, of one person. Both (n,)."""
    table = _table(groups, people)
    both = _pairs(table.data)
    in_groups, of_people = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    return both / in_groups if in_groups else 1.0, both / of_people if of_people else 1.0


def bcubed(groups: Numbers, people: Numbers) -> tuple[float, float]:
    """Precision and recall a face, averaged (Bagga and Baldwin 1998). Both (n,)."""
    table = _table(groups, people).tocoo()
    in_group, of_person = np.asarray(table.sum(axis=1)).ravel(), np.asarray(table.sum(axis=0)).ravel()
    square = table.data.astype(np.float64) ** 2
    n = len(groups)
    return float((square / in_group[table.row]).sum() / n), float((square / of_person[table.col]).sum() / n)


def f_of(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)


def _table(groups: Numbers, people: Numbers) -> Any:
    """Faces a group and person."""
    row, column = (np.unique(each, return_inverse=True)[1] for each in (groups, people))
    return sparse.coo_matrix((np.ones(len(row), np.int64), (row, column))).tocsr()


def _pairs(counts: Any) -> float:
    counts = np.asarray(counts, np.float64)
    return float((counts * (counts - 1) / 2).sum())
