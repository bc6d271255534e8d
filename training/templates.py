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
    hard: npt.NDArray[np.bool_]  # (n_templates,), a look beside the persona's main one
    label_template: Ints  # (n_labels,), the template each label helped to make
    held_out_cosine: Floats  # (n_labels,), cosine of a label with its look made without it; NaN for a look of one label
    n_labels: Ints  # (n_templates,)


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Rows scaled to length one; a row of zeros stays zero. (n, n_features) -> the same shape."""
    rows = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0))


def group_looks(faces: Floats, *, tight: float, loose: float, max_looks: int) -> Ints:
    """Group number of each of a persona's faces; 0 is the main look. faces: (n, n_features), unit rows.

    Faces of a look that strangers share (covered eyes, blur, childhood) resemble each other hardly more than they
    resemble the clean ones, so no single cut finds them. Average linkage at `tight` finds the main look: the largest
    group. What is left of it is linked again at `loose`, where only looks that have nothing in common stay apart.
    """
    n_faces = len(faces)
    groups = np.zeros(n_faces, dtype=np.int64)
    if n_faces <= MAX_LABELS_CLUSTERED and (faces @ faces.T).min() >= tight:
        return groups  # nothing could stay apart
    if n_faces == 1:
        return groups
    clustered = np.linspace(0, n_faces - 1, min(n_faces, MAX_LABELS_CLUSTERED)).astype(np.int64)
    core = faces[clustered]
    first = _linked(core, tight)
    sizes = np.bincount(first)
    closeness = np.array([(core[first == g] @ core[first == g].T).mean() for g in range(len(sizes))])
    in_main = first == np.lexsort((closeness, sizes))[-1]
    found = np.zeros(len(core), dtype=np.int64)
    if not in_main.all():
        rest = _linked(core[~in_main], loose)
        found[~in_main] = 1 + np.minimum(rest, max_looks - 2)
    if len(clustered) == n_faces:
        return found
    means = unit(np.stack([core[found == group].mean(axis=0) for group in range(found.max() + 1)]))
    return np.asarray(np.argmax(faces @ means.T, axis=1), dtype=np.int64)


def _linked(faces: Floats, cut: float) -> Ints:
    """Average linkage on cosine: groups that resemble each other less than `cut` on average stay apart."""
    if len(faces) == 1:
        return np.zeros(1, dtype=np.int64)
    distances = np.clip(1.0 - faces @ faces.T, 0.0, 2.0)
    groups = fcluster(linkage(squareform(distances, checks=False), method="average"), 1.0 - cut, criterion="distance")
    return np.asarray(np.unique(groups, return_inverse=True)[1], dtype=np.int64)


def build_templates(
    faces: Floats, class_index: Ints, groups: Ints, weights: Floats, *, pull: float, n_labels: int | None = None
) -> Templates:
    """One template a look. faces: (n, d) unit rows; class_index, groups, weights: (n,); group 0 is the main look.

    The first `n_labels` faces are labels (None: all); the others joined a look. A hard look is pulled towards the main
    one: what three pictures of it say about the person is noisy, and the clean pictures know better. The noise of a
    mean falls with the root of its size, and so does the pull; `pull` is its weight at three labels.
    """
    n_labels = len(faces) if n_labels is None else n_labels
    n_groups = int(groups.max()) + 1
    keys, template = np.unique(class_index * n_groups + groups, return_inverse=True)
    template = template.reshape(-1).astype(np.int64)
    owner = (keys // n_groups).astype(np.int64)
    sums = np.zeros((len(keys), faces.shape[1]))
    np.add.at(sums, template, faces * weights[:, None])
    size = np.bincount(template[:n_labels], minlength=len(keys)).astype(np.int64)
    main = np.flatnonzero(keys % n_groups == 0)[owner]  # every persona has a main look
    hard = main != np.arange(len(keys))
    strength = np.where(hard, pull * np.sqrt(3.0 / size), 0.0)[:, None]
    means = unit(sums)
    own, labels = template[:n_labels], faces[:n_labels]
    without = unit(sums[own] - labels * weights[:n_labels, None]) + strength[own] * means[main[own]]
    return Templates(
        vectors=unit(means + strength * means[main]),
        class_index=owner,
        hard=hard,
        label_template=own,
        held_out_cosine=np.where(size[own] > 1, np.einsum("ij,ij->i", labels, unit(without)), np.nan),
        n_labels=size,
    )
