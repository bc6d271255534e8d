"""What a version recorded when it was evaluated, typed. What it was made too early to record is None.

The one place that knows the keys of `ModelVersion.metrics` which pages read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from personas.entities import ModelVersion
from personas.version_metrics import metrics_of
from training.metrics import wilson

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The numbers in a version's row. A share that nothing was seen of is None."""

    n: int  #: held-out faces
    n_strangers: int  #: trials of strangers
    recall: float | None
    macro_f1: float | None
    strangers_named: float | None
    calibration_error: float | None
    brier: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    n: int
    probability: float  #: mean of what was said
    right: float  #: share that was right


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What is named when a name needs this probability. Shares, and the counts behind them where they are known."""

    probability: float
    recall: float
    strangers_named: float
    precision: float | None = None  #: None: nothing is named, or the version is too old to say
    right: int = 0
    wrong: int = 0
    strangers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    rows: tuple[Threshold, ...]  #: ascending
    counted: bool  #: False: an old version, which kept shares alone
    n: int = 0  #: held-out faces of personas the fold knew
    n_others: int = 0  #: held-out faces of nobody the fold knew
    n_strangers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms:
    """Faces in bins of the same width, from probability 0 to 1; both the same length."""

    known: tuple[int, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    truth: str  #: persona id; "" a stranger
    named: str  #: persona id
    n: int
    if_unknown: int  #: faces that would be named so if their own persona were unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """See `training.confusion.confusion`."""

    pairs: tuple[ConfusedPair, ...]
    n_pairs: int
    n_faces: int
    personas: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaQuality:
    """What a version is worth for one persona, on faces held out of the fit."""

    n: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Everything a version's page shows of its evaluation."""

    headline: Headline
    personas: Mapping[str, PersonaQuality]
    contradictions: tuple[Mapping[str, Any], ...]
    reliability: tuple[ReliabilityBin, ...]
    thresholds: Thresholds | None
    histograms: Histograms | None
    confusion: Confusion | None

    @property
    def n_known(self) -> int:
        """Held-out faces whose persona the fold knew: what recall is a share of."""
        return sum(quality.n for quality in self.personas.values())

    @property
    def recall_interval(self) -> Interval | None:
        """Where recall lies with 98 % certainty (Wilson's interval); None where nothing was seen."""
        recall = self.headline.recall
        return wilson(round(recall * self.n_known), self.n_known) if recall is not None and self.n_known else None

    @property
    def strangers_interval(self) -> Interval | None:
        """The same of the share of strangers that are named."""
        share, tried = self.headline.strangers_named, self.headline.n_strangers
        return wilson(round(share * tried), tried) if share is not None and tried else None


def headline_of(version: ModelVersion) -> Headline:
    """From the row alone: no file is read."""
    metrics = version.metrics
    return Headline(
        n=int(metrics.get("n", 0)),
        n_strangers=int(metrics.get("n_strangers", 0)),
        **{name: metrics.get(name) for name in ("recall", "macro_f1", "strangers_named", "calibration_error", "brier")},
    )


def recorded(version: ModelVersion) -> Recorded:
    """Raises MediaMissingError when the file of details is lost."""
    metrics = metrics_of(version)
    return Recorded(
        headline=headline_of(version),
        personas={
            persona_id: PersonaQuality(
                n=int(row["n"]), recall=float(row["recall"]), precision=float(row["precision"]), f1=float(row["f1"])
            )
            for persona_id, row in metrics.get("per_persona", {}).items()
        },
        contradictions=tuple(metrics.get("contradictions", ())),
        reliability=tuple(
            ReliabilityBin(n=int(row["n"]), probability=float(row["probability"]), right=float(row["right"]))
            for row in metrics.get("reliability", ())
        ),
        thresholds=_thresholds(metrics),
        histograms=_histograms(metrics.get("histograms")),
        confusion=_confusion(metrics.get("confusion")),
    )


def _thresholds(metrics: Mapping[str, Any]) -> Thresholds | None:
    counted, curve = metrics.get("thresholds"), metrics.get("curve")
    if counted is not None:
        n, n_strangers = int(counted["n"]), int(counted["n_strangers"])
        rows = tuple(_counted(*row, n=n, n_strangers=n_strangers) for row in counted["rows"])
        return Thresholds(rows=rows, counted=True, n=n, n_others=int(counted["n_others"]), n_strangers=n_strangers)
    if not curve:
        return None
    shares = tuple(
        Threshold(
            probability=float(row["probability"]),
            recall=float(row["recall"]),
            strangers_named=float(row["strangers_named"]),
        )
        for row in curve
    )
    return Thresholds(rows=shares, counted=False)


def _counted(probability: float, right: int, wrong: int, strangers: int, *, n: int, n_strangers: int) -> Threshold:
    return Threshold(
        probability=probability,
        recall=right / n if n else 0.0,
        strangers_named=strangers / n_strangers if n_strangers else 0.0,
        precision=right / (right + wrong) if right + wrong else None,
        right=right,
        wrong=wrong,
        strangers=strangers,
    )


def _histograms(row: Mapping[str, Any] | None) -> Histograms | None:
    return None if row is None else Histograms(known=tuple(row["known"]), unknown=tuple(row["unknown"]))


def _confusion(row: Mapping[str, Any] | None) -> Confusion | None:
    if row is None:
        return None
    return Confusion(
        pairs=tuple(ConfusedPair(**pair) for pair in row["pairs"]),
        n_pairs=int(row["n_pairs"]),
        n_faces=int(row["n_faces"]),
        personas=tuple(row["personas"]),
        counts=tuple(tuple(counts) for counts in row["counts"]),
    )
