"""Two versions side by side: what differs, and whether it differs by more than chance.

Each version was tried on the faces that were labelled when it was made, each held out of the fit that named it. So the
two sets differ; the gate, which compares on the same faces, is the judge, and this is for people who ask why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from personas.entities import ModelVersion, Persona
from personas.selectors.gallery import persona_name
from personas.words import share, three_decimals
from training.metrics import more_than
from training.recorded import PersonaQuality, Recorded

#: A difference of shares that chance makes more often than this is not one.
SIGNIFICANT = 0.01
#: Personas that the page lists, the greatest differences first.
MAX_PERSONAS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of both versions, written out."""

    name: str
    a: str
    b: str
    difference: str  #: of b from a, signed; "–" where one lacks the number
    verdict: str  #: "better", "worse", "within chance", "the same", or "" where neither way is better


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaChange:
    """What the two versions are worth for one persona; None where a version had no held-out faces of it."""

    persona_id: str
    name: str
    known: bool  #: the persona still exists
    a: PersonaQuality | None
    b: PersonaQuality | None

    @property
    def found_a(self) -> str:
        return _found(self.a)

    @property
    def found_b(self) -> str:
        return _found(self.b)

    @property
    def difference(self) -> float | None:
        return self.b.recall - self.a.recall if self.a and self.b else None

    @property
    def words(self) -> str:
        if self.a is None:
            return "new"
        if self.b is None:
            return "gone"
        return points(self.b.recall - self.a.recall)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """A share with the counts behind it; None: not recorded, or nothing seen."""

    successes: int
    n: int

    @property
    def value(self) -> float:
        return self.successes / self.n


def points(difference: float) -> str:
    """A difference of two shares, in percentage points."""
    return f"{_signed(difference * 100, '.1f')} points" if round(difference, 3) else "0"


def _signed(difference: float, digits: str) -> str:
    return f"{'−' if difference < 0 else '+'}{abs(difference):{digits}}"


def figures(version_a: ModelVersion, a: Recorded, version_b: ModelVersion, b: Recorded) -> tuple[Figure, ...]:
    """The headline numbers of both."""
    return (
        _of_shares("Held-out faces found", _recall(a), _recall(b), higher_is_better=True),
        _of_shares("Right when named", _precision(a), _precision(b), higher_is_better=True),
        _of_shares("Strangers given a name", _strangers(a), _strangers(b), higher_is_better=False),
        _of_numbers("Macro F1", a.headline.macro_f1, b.headline.macro_f1, as_share=True),
        _of_numbers("Calibration error", a.headline.calibration_error, b.headline.calibration_error),
        _of_numbers("Brier score", a.headline.brier, b.headline.brier),
        _of_counts("Held-out faces", a.headline.n, b.headline.n),
        _of_counts("Labels learnt from", version_a.n_labels, version_b.n_labels),
        _of_counts("People", version_a.n_personas, version_b.n_personas),
        _of_counts("Faces named", version_a.n_scored, version_b.n_scored),
    )


def persona_changes(a: Recorded, b: Recorded, personas: Mapping[str, Persona]) -> tuple[PersonaChange, ...]:
    """Everybody either version was tried on; the greatest difference of recall first, then who is new or gone."""
    changes = [
        PersonaChange(
            persona_id=persona_id,
            name=persona_name(personas, persona_id),
            known=persona_id in personas,
            a=a.personas.get(persona_id),
            b=b.personas.get(persona_id),
        )
        for persona_id in {*a.personas, *b.personas}
    ]
    return tuple(sorted(changes, key=_greatest_first))


def _greatest_first(change: PersonaChange) -> tuple[float, str, str]:
    size = 0.0001 if change.difference is None else abs(change.difference)
    return -size, change.name.casefold(), change.persona_id


def _recall(one: Recorded) -> _Share | None:
    return _Share(successes=round((one.headline.recall or 0) * one.n_known), n=one.n_known) if one.n_known else None


def _precision(one: Recorded) -> _Share | None:
    """Of the names that the version gives as it is."""
    if one.thresholds is None or not one.thresholds.counted or not one.thresholds.rows:
        return None
    asis = one.thresholds.rows[0]
    return _Share(successes=asis.right, n=asis.right + asis.wrong) if asis.right + asis.wrong else None


def _strangers(one: Recorded) -> _Share | None:
    named, tried = one.headline.strangers_named, one.headline.n_strangers
    return _Share(successes=round(named * tried), n=tried) if named is not None and tried else None


def _of_shares(name: str, a: _Share | None, b: _Share | None, *, higher_is_better: bool) -> Figure:
    if a is None or b is None:
        return Figure(name=name, a=_written(a), b=_written(b), difference="–", verdict="")
    difference = b.value - a.value
    return Figure(
        name=name,
        a=_written(a),
        b=_written(b),
        difference=points(difference),
        verdict="within chance"
        if difference and _by_chance(a, b) >= SIGNIFICANT
        else _verdict(difference, higher_is_better=higher_is_better),
    )


def _by_chance(a: _Share, b: _Share) -> float:
    """Fisher's exact test, both ways: the smaller tail, doubled."""
    tails = more_than(a.successes, a.n, b.successes, b.n), more_than(b.successes, b.n, a.successes, a.n)
    return min(1.0, 2 * min(tails))


def _found(quality: PersonaQuality | None) -> str:
    return _written(_Share(successes=round(quality.recall * quality.n), n=quality.n) if quality else None)


def _written(one: _Share | None) -> str:
    """Broken in the middle at most."""
    return "–" if one is None else f"{_unbroken(share(one.value))} {_unbroken(f'of {one.n:,}')}"


def _unbroken(text: str) -> str:
    """With spaces that end no line."""
    return text.replace(" ", "\u00a0")


def _of_numbers(name: str, a: float | None, b: float | None, *, as_share: bool = False) -> Figure:
    """A share is better when higher, an error when lower."""
    text = share if as_share else three_decimals
    written_a, written_b = _unbroken(text(a)), _unbroken(text(b))
    if a is None or b is None:
        return Figure(name=name, a=written_a, b=written_b, difference="–", verdict="")
    written = points(b - a) if as_share else _signed(b - a, ".3f") if round(b - a, 3) else "0"
    return Figure(
        name=name, a=written_a, b=written_b, difference=written, verdict=_verdict(b - a, higher_is_better=as_share)
    )


def _of_counts(name: str, a: int, b: int) -> Figure:
    return Figure(name=name, a=f"{a:,}", b=f"{b:,}", difference=_signed(b - a, ",") if a != b else "0", verdict="")


def _verdict(difference: float, *, higher_is_better: bool) -> str:
    if not round(difference, 4):
        return "the same"
    return "better" if (difference > 0) == higher_is_better else "worse"
