"""What versions recorded of their evaluation, in numbers small enough to reckon with."""

from __future__ import annotations

from typing import Any


def evaluated(*, ann: str = "ann", bo: str = "bo", right: int = 18, **changes: Any) -> dict[str, Any]:
    """Of 20 known faces `right` are found and one is taken for the other; 2 of 40 strangers are named."""
    return {
        "n": 20,
        "n_strangers": 40,
        "macro_f1": 0.9,
        "recall": right / 20,
        "strangers_named": 0.05,
        "calibration_error": 0.021,
        "brier": 0.01,
        "per_persona": {
            ann: {"n": 10, "recall": 1.0, "precision": 0.9, "f1": 0.95},
            bo: {"n": 10, "recall": round((right - 10) / 10, 4), "precision": 1.0, "f1": 0.89},
        },
        "reliability": [{"n": 10, "probability": 0.25, "right": 0.2}, {"n": 10, "probability": 0.75, "right": 1.0}],
        "thresholds": {
            "n": 20,
            "n_others": 5,
            "n_strangers": 40,
            "rows": [[0.0, right, 2, 2], [0.5, 15, 1, 1], [0.99, 5, 0, 0]],
        },
        "histograms": {"known": [0, 2, 0, 18], "unknown": [38, 0, 2, 0]},
        "confusion": {
            "pairs": [
                {"truth": bo, "named": ann, "n": 1, "if_unknown": 3},
                {"truth": "", "named": ann, "n": 1, "if_unknown": 0},
            ],
            "n_pairs": 2,
            "n_faces": 2,
            "personas": [bo, ann],
            "counts": [[right - 10, 1, 0, 19 - right], [0, 10, 0, 0], [0, 1, 0, 4]],
        },
        "contradictions": [],
        **changes,
    }


def evaluated_before(**changes: Any) -> dict[str, Any]:
    """By a product that did not yet count names by certainty, keep histograms or say who is taken for whom."""
    recorded = evaluated(
        curve=[
            {"probability": 0.5, "recall": 0.9, "strangers_named": 0.1},
            {"probability": 0.9, "recall": 0.8, "strangers_named": 0.0},
        ],
        **changes,
    )
    return {name: value for name, value in recorded.items() if name not in ("thresholds", "histograms", "confusion")}
