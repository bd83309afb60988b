"""How sure an answer is: what it says adds up, and nothing sure is said where nothing fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery import weights
from magictunnel.discovery.confidence import FITTING, SURE_AT_MOST, confidences, fitness, shares, signs

SCORES = st.lists(st.floats(-40, 40), min_size=1, max_size=60).map(lambda scores: sorted(scores, reverse=True))
ROW = st.fixed_dictionaries(
    {name: st.floats(0, 1) for name in ("cover", "missed", "answered", "near", "name", "pairs")}
)


@given(SCORES)
def test_shares_fall_and_add_up_to_one(scores: list[float]) -> None:
    found = shares(scores)

    assert sum(found) == pytest.approx(1)
    assert found == sorted(found, reverse=True)


@given(SCORES, ROW, st.booleans(), st.floats(-9, 9))
def test_confidences_are_probabilities_of_one_choice(
    scores: list[float], row: dict[str, float], fused: bool, fit: float
) -> None:
    found = confidences(scores, row, fit, fused=fused)

    assert len(found) == len(scores)
    assert all(0 <= one <= found[0] for one in found)
    assert sum(found) <= 1 + 1e-9
    assert fit > 0 or found[0] <= SURE_AT_MOST


def test_a_lead_makes_sure() -> None:
    row = {"cover": 0.9, "answered": 0.9}
    close, clear = ([12.0, other, 3.0] for other in (11.9, 6.0))

    sure = [confidences(scores, row, 2.0, fused=False)[0] for scores in (close, clear)]

    assert sure[0] < 0.8 < sure[1]


def test_what_answers_nothing_does_not_fit() -> None:
    assert fitness({}, 0.0, fused=False) < 0
    assert fitness({}, 0.0, fused=True) < 0
    assert fitness(dict.fromkeys((*FITTING, "near"), 1.0), 15.0, fused=False) > 0


@pytest.mark.parametrize("fused", [False, True])
def test_every_sign_that_is_looked_at_has_a_weight_and_the_other_way_round(fused: bool) -> None:
    sure, fits = (weights.SURE_FUSED, weights.FITS_FUSED) if fused else (weights.SURE, weights.FITS)

    assert set(sure) == set(signs([1.0, 0.5], {}, 0.0, fused=fused))
    assert set(fits) == {"bias", *FITTING} | ({"near"} if fused else set())
