"""What commands and pages read about versions: one call each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from personas.entities import Champion, ModelVersion, Slice
from personas.errors import NotFoundError
from personas.store import get_store
from personas.store.base import Store
from training.comparison import MAX_PERSONAS, Figure, PersonaChange, figures, persona_changes
from training.confusion_matrix import ConfusionTable, confusion_table
from training.deployment import deployments, told
from training.learning_curve import Over, learner, learning_plots
from training.plots import Plot
from training.recorded import Recorded, recorded
from training.report import VersionReport, VersionRow, find_version, list_reports, version_report, version_rows
from training.usage import InUse, versions_in_use
from training.version_plots import Subject, histogram_plot, reliability_plot, thresholds_compared, thresholds_plot

#: Versions on the learning curve, and in the choice of two to compare: the newest.
MAX_ON_CURVE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsPage:
    """The list of versions, and how they got better."""

    rows: Slice[VersionRow]  #: newest first
    champion: Champion | None
    rollback_to: int  #: the version a rollback goes back to; 0: none
    over: Over
    plots: tuple[Plot, ...]
    choices: tuple[int, ...]  #: versions to compare, newest first
    pair: tuple[int, int] | None  #: the two that matter most now; None: there are no two
    in_use: tuple[InUse, ...]  #: which was in use when, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """One version. A plot is None where the version did not record what it draws."""

    report: VersionReport
    champion: Champion | None
    reliability: Plot | None
    thresholds: Plot | None
    histogram: Plot | None
    confusion: ConfusionTable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """Two versions side by side."""

    a: VersionRow
    b: VersionRow
    champion: Champion | None
    choices: tuple[int, ...]
    figures: tuple[Figure, ...]
    personas: tuple[PersonaChange, ...]  #: the greatest differences first
    n_more: int  #: personas beyond those
    plots: tuple[Plot, ...]
    missing: tuple[int, ...]  #: versions made before names were counted by certainty


def models_page(store: Store, *, over: Over, cursor: str | None = None) -> ModelsPage:
    """The versions after the cursor; curve and choices are always of the newest."""
    champion = store.champion()
    rollback_to = _rollback_target(store, champion)
    newest = store.model_versions(limit=MAX_ON_CURVE).items
    choices = tuple(version.version for version in newest)
    number = champion.version if champion else None
    learners = [
        learner(version, champion=number, href=reverse("model-version", args=[version.version])) for version in newest
    ]
    return ModelsPage(
        rows=list_reports(store, cursor=cursor),
        champion=champion,
        rollback_to=rollback_to,
        over=over,
        plots=learning_plots(learners, over=over),
        choices=choices,
        pair=_pair(champion, rollback_to, choices),
        in_use=versions_in_use(store),
    )


def version_page(store: Store, number: int) -> VersionPage:
    """Raises NotFoundError, MediaMissingError."""
    report = version_report(store, number)
    subject = Subject(called="", recorded=report.recorded)
    return VersionPage(
        report=report,
        champion=store.champion(),
        reliability=reliability_plot([subject]),
        thresholds=thresholds_plot(subject),
        histogram=histogram_plot(subject),
        confusion=_confusion(store, report.recorded),
    )


def pair_to_compare(store: Store) -> tuple[int, int] | None:
    """The version in use and what it took over from, else the two newest; None where there are no two."""
    champion = store.champion()
    newest = [version.version for version in store.model_versions(limit=2).items]
    return _pair(champion, _rollback_target(store, champion), newest)


def compare_page(store: Store, *, a: int, b: int) -> ComparePage:
    """Differences of b from a. Raises NotFoundError, MediaMissingError."""
    version_a, version_b = find_version(store, a), find_version(store, b)
    if a == b:
        raise NotFoundError(f"Version {a} was to be compared with itself; choose two versions in the list of models.")
    said_a, said_b = recorded(version_a), recorded(version_b)
    changes = persona_changes(said_a, said_b, store.personas_by_id({*said_a.personas, *said_b.personas}))
    subjects = [Subject(called=f"Version {number}", recorded=said) for number, said in ((a, said_a), (b, said_b))]
    row_a, row_b = version_rows(store, [version_a, version_b])
    return ComparePage(
        a=row_a,
        b=row_b,
        champion=store.champion(),
        choices=_choices(store, also=(a, b)),
        figures=figures(version_a, said_a, version_b, said_b),
        personas=changes[:MAX_PERSONAS],
        n_more=len(changes[MAX_PERSONAS:]),
        plots=tuple(plot for plot in (thresholds_compared(subjects), reliability_plot(subjects)) if plot),
        missing=tuple(
            number
            for number, said in ((a, said_a), (b, said_b))
            if said.thresholds is None or not said.thresholds.counted
        ),
    )


def _pair(champion: Champion | None, before: int, newest: Sequence[int]) -> tuple[int, int] | None:
    if champion and before:
        return before, champion.version
    return (newest[1], newest[0]) if len(newest) > 1 else None


def _rollback_target(store: Store, champion: Champion | None) -> int:
    version = store.model_version(champion.version) if champion else None
    return version.replaced if version else 0


def _choices(store: Store, *, also: Sequence[int]) -> tuple[int, ...]:
    newest = (version.version for version in store.model_versions(limit=MAX_ON_CURVE).items)
    return tuple(sorted({*newest, *also}, reverse=True))


def _confusion(store: Store, said: Recorded) -> ConfusionTable | None:
    if said.confusion is None:
        return None
    mentioned = {side for pair in said.confusion.pairs for side in (pair.truth, pair.named) if side}
    return confusion_table(said.confusion, store.personas_by_id({*said.confusion.personas, *mentioned}))


def version_summary(version: ModelVersion, *, champion: int | None, deployment: str) -> dict[str, Any]:
    """A version as JSON. deployment: where it is deployed, in words."""
    return {
        "version": version.version,
        "champion": version.version == champion,
        "status": version.status.value,
        "deployment": deployment,
        "created_at": version.created_at.isoformat(),
        "n_labels": version.n_labels,
        "n_personas": version.n_personas,
        "n_scored": version.n_scored,
        "label_seq": version.label_seq,
        "scored_through": version.scored_through,
        "embedder": version.embedder,
        "data_hash": version.data_hash,
        "artefact": version.artefact,
        "fit_seconds": version.fit_seconds,
        "reasons": list(version.reasons),
        "metrics": dict(version.metrics),
    }


def list_versions(*, limit: int = 20, store: Store | None = None) -> dict[str, Any]:
    """Newest first."""
    store = store or get_store()
    champion = store.champion()
    page, deployed = store.model_versions(limit=limit), deployments(store)
    number = champion.version if champion else None
    return {
        "champion": number,
        "versions": [
            version_summary(
                each,
                champion=number,
                deployment=told(each.version, deployed, is_champion=each.version == number),
            )
            for each in page.items
        ],
    }
