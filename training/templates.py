"""Looks and templates: which labelled faces of a persona are averaged together, and into what.

A persona's labels are grouped into *looks* (SubPersonas). A look is a group of labels that resemble each other more
than strangers do; a beard, a childhood, covered eyes make looks of their own. Each look becomes one template: a unit
vector that a face is compared with by cosine. Averaging inside a look removes what differs from picture to picture;
averaging across looks would remove what makes the look recognisable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Average linkage needs all pairs: beyond this many labels a persona, the rest join the look they resemble most.
MAX_LABELS_CLUSTERED = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """Every look of every persona, sorted by persona."""

    vectors: Floats  # (n_templates, n_features), unit length, in the centred space
    class_index: Ints  # (n_templates,), ascending
    label_template: Ints  # (n_labels,), the template each label helped to make
    held_out_cosine: Floats  # (n_labels,), cosine of a label with its look made without it; NaN for a look of one label
    n_labels: Ints  # (n_templates,)


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Rows scaled to length one; a row of zeros stays zero. (n, n_features) -> the same shape."""
    rows = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))


def group_looks(faces: Floats, *, cut: float, max_looks: int) -> Ints:
    """Group number, from 0, of each of a persona's faces. faces: (n, n_features), unit rows.

    Average linkage on cosine: two groups stay apart when their faces resemble each other less than `cut` on average.
    """
    n_faces = len(faces)
    if n_faces == 1:
        return np.zeros(1, dtype=np.int64)
    clustered = np.linspace(0, n_faces - 1, min(n_faces, MAX_LABELS_CLUSTERED)).astype(np.int64)
    core = faces[clustered]
    distances = np.clip(1.0 - core @ core.T, 0.0, 2.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    groups = fcluster(tree, 1.0 - cut, criterion="distance")
    if groups.max() > max_looks:
        groups = fcluster(tree, max_looks, criterion="maxclust")
    groups = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    if len(clustered) == n_faces:
        return groups
    means = unit(np.stack([core[groups == group].mean(axis=0) for group in range(groups.max() + 1)]))
    return np.asarray(np.argmax(faces @ means.T, axis=1), dtype=np.int64)


def build_templates(faces: Floats, class_index: Ints, *, cut: float, pull: float, max_looks: int) -> Templates:
    """One template a look. faces: (n_labels, n_features) unit rows; class_index: (n_labels,) from 0, none left out.

    A look is pulled towards the persona as a whole by `pull`: what three pictures of a hard look say about the person
    is noisy, and the clean pictures know better. The persona as a whole is the mean of its looks, not of its labels,
    so that many labels of one look do not drown the others.
    """
    vectors: list[Floats] = []
    owners: list[int] = []
    counts: list[int] = []
    label_template = np.zeros(len(faces), dtype=np.int64)
    held_out = np.full(len(faces), np.nan)
    for persona in range(int(class_index.max()) + 1):
        rows = np.flatnonzero(class_index == persona)
        groups = group_looks(faces[rows], cut=cut, max_looks=max_looks)
        sums = np.stack([faces[rows[groups == group]].sum(axis=0) for group in range(groups.max() + 1)])
        means = unit(sums)
        others = means.sum(axis=0)
        for group, total in enumerate(sums):
            members = rows[groups == group]
            label_template[members] = len(vectors)
            whole = others / len(sums)
            vectors.append(unit(means[group] + pull * whole))
            owners.append(persona)
            counts.append(len(members))
            if len(members) > 1:
                without = unit(total - faces[members])
                rest = (others - means[group] + without) / len(sums)
                held_out[members] = np.einsum("ij,ij->i", faces[members], unit(without + pull * rest))
    return Templates(
        vectors=np.stack(vectors),
        class_index=np.array(owners, dtype=np.int64),
        label_template=label_template,
        held_out_cosine=held_out,
        n_labels=np.array(counts, dtype=np.int64),
    )
