"""Who is taken for whom, as a page's table shows it: names for ids, and how strong each cell is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from personas.entities import Persona
from personas.selectors.gallery import persona_name
from training.recorded import Confusion

STRANGERS, OTHERS, NOBODY_NAMED = "Strangers", "Somebody else", "Nobody"
#: Shades of a cell, by its share of its row; 0 is none.
SHADES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    count: int
    shade: int  #: 0 to SHADES
    kind: str  #: "right", "wrong" or "unnamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPair:
    truth: str
    named: str
    n: int
    if_unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionTable:
    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    pairs: tuple[NamedPair, ...]  #: the most confused first
    n_pairs: int  #: of all pairs with a face named wrongly
    n_faces: int  #: of those faces


def confusion_table(confusion: Confusion | None, personas: Mapping[str, Persona]) -> ConfusionTable | None:
    """None: the version did not record it."""
    if confusion is None:
        return None
    names = [persona_name(personas, persona_id) for persona_id in confusion.personas]
    any_other = any(counts[-2] for counts in confusion.counts)  # else the column says nothing
    kept = [*range(len(names)), *([len(names)] if any_other else []), len(names) + 1]
    headings = [*names, OTHERS, NOBODY_NAMED]
    return ConfusionTable(
        columns=tuple(headings[column] for column in kept),
        rows=tuple(
            MatrixRow(name=name, cells=tuple(_cell(counts, row, column) for column in kept))
            for row, (name, counts) in enumerate(zip([*names, STRANGERS], confusion.counts, strict=True))
            if sum(counts)
        ),
        pairs=tuple(
            NamedPair(
                truth=persona_name(personas, pair.truth) if pair.truth else "a stranger",
                named=persona_name(personas, pair.named),
                n=pair.n,
                if_unknown=pair.if_unknown,
            )
            for pair in confusion.pairs
        ),
        n_pairs=confusion.n_pairs,
        n_faces=confusion.n_faces,
    )


def _cell(counts: tuple[int, ...], row: int, column: int) -> Cell:
    n_personas = len(counts) - 2
    nobody = column == len(counts) - 1
    right = nobody if row == n_personas else row == column
    share = counts[column] / sum(counts)
    return Cell(
        count=counts[column],
        shade=math.ceil(share * SHADES),
        kind="right" if right else "unnamed" if nobody else "wrong",
    )
