"""What each feature counts. The tables are written by `benchmarks/train_discovery.py`, which says what they reach."""

from __future__ import annotations

import math
from collections.abc import Mapping


def score(row: Mapping[str, float], table: Mapping[str, float]) -> float:
    """The features in `row`, each as often as it counts."""
    return sum(weight * row.get(name, 0.0) for name, weight in table.items())


def logistic(value: float) -> float:
    """A sum of evidence as a probability."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


# --- learned

LEXICAL: Mapping[str, float] = {
    "deprecated": -5.599,
    "name_quoted": -4.222,
    "score": 3.409,
    "wordless": -3.287,
    "cover_lower": 3.183,
    "cover_argument": 2.594,
    "quoted": 2.235,
    "pairs": 1.874,
    "pool": 1.844,
    "vote": 1.582,
    "verb_against": -1.514,
    "share": 1.494,
    "many": 1.403,
    "missed": -1.398,
    "precision": 1.29,
    "name": 1.186,
    "demand": -1.124,
    "head": 1.096,
    "verb": 1.083,
    "thing": 1.02,
    "named": 1.0,
    "verb_thing": 0.944,
    "cover_top": 0.936,
    "named_other": -0.871,
    "values": 0.769,
    "single": -0.685,
    "thing_outside": -0.668,
    "rank": 0.598,
    "contrast": 0.525,
    "around": 0.5,
    "verb_cover": 0.357,
    "extras": -0.311,
    "verb_same": 0.256,
    "thing_inside": 0.168,
    "density": 0.131,
}

FUSED: Mapping[str, float] = {
    "deprecated": -5.885,
    "name_quoted": -4.877,
    "cover_lower": 3.359,
    "cover_argument": 3.217,
    "wordless": -3.17,
    "quoted": 2.438,
    "score": 2.417,
    "vote": 1.786,
    "pairs": 1.783,
    "pool": 1.71,
    "missed": -1.701,
    "near": 1.596,
    "verb_against": -1.459,
    "share": 1.4,
    "many": 1.294,
    "near_relative": 1.293,
    "name": 1.073,
    "verb": 1.061,
    "demand": -0.997,
    "thing": 0.964,
    "named": 0.93,
    "single": -0.884,
    "head": 0.865,
    "near_rank": 0.837,
    "values": 0.816,
    "precision": 0.765,
    "thing_outside": -0.748,
    "named_other": -0.739,
    "verb_thing": 0.702,
    "near_both": 0.553,
    "contrast": 0.505,
    "verb_same": 0.402,
    "around": 0.4,
    "verb_cover": 0.313,
    "rank": 0.282,
    "near_vote": 0.249,
    "extras": -0.243,
    "cover_top": 0.202,
    "thing_inside": 0.139,
    "density": 0.05,
}

SURE: Mapping[str, float] = {
    "odds": 1.071,
    "bias": 0.909,
    "answered": 0.518,
    "gap": -0.336,
    "missed": 0.167,
    "fit": -0.138,
    "cover": 0.016,
}

SURE_FUSED: Mapping[str, float] = {
    "odds": 0.782,
    "near": 0.655,
    "answered": 0.592,
    "bias": 0.377,
    "fit": -0.189,
    "missed": 0.127,
    "cover": -0.056,
    "gap": 0.009,
}

FITS: Mapping[str, float] = {
    "crowd": -2.323,
    "bias": -2.109,
    "name_own": 1.558,
    "answered": 1.47,
    "cover": 1.26,
    "pairs": 1.16,
    "values": 0.823,
    "answered_thing": 0.305,
    "best": 0.24,
    "answered_head": -0.05,
}

FITS_FUSED: Mapping[str, float] = {
    "bias": -2.813,
    "near": 2.374,
    "crowd": -2.01,
    "name_own": 1.272,
    "answered": 1.146,
    "cover": 0.937,
    "values": 0.815,
    "pairs": 0.748,
    "answered_thing": 0.331,
    "best": 0.247,
    "answered_head": -0.171,
}
