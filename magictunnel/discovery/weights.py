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
    "deprecated": -6.42,
    "name_quoted": -5.994,
    "score": 4.042,
    "wordless": -3.767,
    "cover_lower": 2.992,
    "quoted": 2.597,
    "pairs": 2.015,
    "cover_argument": 1.914,
    "missed": -1.867,
    "verb_against": -1.813,
    "pool": 1.731,
    "vote": 1.619,
    "many": 1.494,
    "precision": 1.469,
    "share": 1.451,
    "name": 1.387,
    "head": 1.035,
    "thing": 1.034,
    "named": 1.023,
    "verb_thing": 1.013,
    "single": -0.886,
    "thing_outside": -0.886,
    "verb": 0.818,
    "named_other": -0.806,
    "verb_unknown": -0.719,
    "cover_top": 0.682,
    "values": 0.672,
    "contrast": 0.608,
    "verb_cover": 0.446,
    "around": 0.407,
    "extras": -0.316,
    "verb_same": 0.291,
    "argumentless": -0.273,
    "rank": 0.231,
    "density": 0.153,
}

FUSED: Mapping[str, float] = {
    "name_quoted": -7.247,
    "deprecated": -6.292,
    "wordless": -3.433,
    "cover_lower": 3.27,
    "near": 3.234,
    "quoted": 2.928,
    "cover_argument": 2.807,
    "missed": -2.285,
    "score": 2.19,
    "near_relative": 1.944,
    "pairs": 1.878,
    "pool": 1.415,
    "verb_against": -1.351,
    "share": 1.34,
    "many": 1.288,
    "vote": 1.268,
    "name": 1.173,
    "single": -1.111,
    "thing": 1.019,
    "verb": 0.892,
    "thing_outside": -0.871,
    "head": 0.751,
    "near_both": 0.724,
    "near_vote": 0.696,
    "values": 0.687,
    "verb_thing": 0.637,
    "verb_cover": 0.613,
    "verb_unknown": -0.593,
    "named": 0.591,
    "contrast": 0.578,
    "verb_same": 0.506,
    "near_rank": 0.504,
    "named_other": -0.434,
    "precision": 0.393,
    "argumentless": -0.361,
    "around": 0.29,
    "extras": -0.209,
    "density": 0.203,
    "rank": 0.158,
    "thing_inside": 0.077,
}

SURE: Mapping[str, float] = {
    "answered": 0.744,
    "odds": 0.64,
    "missed": -0.397,
    "cover": 0.347,
    "bias": -0.166,
    "gap": 0.095,
    "fit": 0.064,
}

SURE_FUSED: Mapping[str, float] = {
    "answered": 0.844,
    "odds": 0.57,
    "bias": -0.416,
    "near": 0.309,
    "fit": 0.208,
    "missed": -0.179,
    "gap": 0.089,
    "cover": 0.051,
}

FITS: Mapping[str, float] = {
    "bias": -3.314,
    "answered": 1.536,
    "name": 1.511,
    "pairs": 1.289,
    "values": 1.182,
    "cover": 1.063,
    "answered_thing": 0.246,
    "best": 0.223,
    "answered_head": -0.015,
}

FITS_FUSED: Mapping[str, float] = {
    "bias": -3.725,
    "near": 2.535,
    "name": 1.242,
    "values": 1.142,
    "answered": 1.124,
    "pairs": 0.967,
    "cover": 0.896,
    "answered_thing": 0.276,
    "best": 0.207,
    "answered_head": -0.194,
}
