"""Ratios of the same rounds: `benchmarks/wire/compared.py`, and who takes part in which round."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.wire.compared import added_beside, beside, paired
from benchmarks.wire.place import PAIRS
from benchmarks.wire.records import Results, load
from benchmarks.wire.rounds import in_turn
from benchmarks.wire.targets import DIRECT, FLOOR, OURS

PAIR = PAIRS[0]
series = st.dictionaries(st.integers(0, 30), st.floats(1e-6, 1e6), min_size=1)


@given(series)
def test_the_same_series_is_once_itself(found: dict[int, float]) -> None:
    assert paired(found, found) == 1.0


@given(series, series)
def test_only_rounds_that_both_have_count(own: dict[int, float], base: dict[int, float]) -> None:
    shared = own.keys() & base.keys()
    if not shared:
        assert paired(own, base) is None
        return
    alone = paired({at: own[at] for at in shared}, {at: base[at] for at in shared})
    assert paired(own, base) == alone
    ratios = [own[at] / base[at] for at in shared]
    assert alone is not None
    assert min(ratios) <= alone <= max(ratios)


@given(series, st.floats(0.1, 10), st.data())
def test_a_machine_that_is_slow_for_both_in_a_round_changes_nothing(
    base: dict[int, float], factor: float, data: st.DataObject
) -> None:
    slowness = {at: data.draw(st.floats(1, 100)) for at in base}
    own = {at: value * slowness[at] * factor for at, value in base.items()}
    slow = {at: value * slowness[at] for at, value in base.items()}
    assert paired(own, slow) == pytest.approx(factor)


def test_it_is_not_the_ratio_of_the_medians() -> None:
    assert paired({0: 1.0, 1: 4.0, 2: 9.0}, {0: 1.0, 1: 8.0, 2: 3.0}) == 1.0


def test_a_round_in_which_nothing_is_added_speaks_against_whoever_is_compared() -> None:
    assert paired({0: 1.0, 1: 1.0, 2: 1.0}, {0: 1.0, 1: 0.0, 2: -1.0}) == math.inf
    assert paired({0: 1.0, 1: 1.0, 2: 3.0}, {0: 1.0, 1: 0.0, 2: 1.0}) == 3.0


@given(st.integers(3, 20))
def test_everybody_is_first_and_last_and_comes_after_two_others(count: int) -> None:
    rounds = [in_turn(range(count), number) for number in range(2 * count)]
    assert all(sorted(order) == list(range(count)) for order in rounds)
    assert [order[0] for order in rounds[:count]] == list(range(count))
    assert {order[-1] for order in rounds} == set(range(count))
    before = {one: {a for order in rounds for a, b in pairwise(order) if b == one} for one in range(count)}
    assert all(len(found) == 2 for found in before.values())


def run() -> Results:
    """We took part in round 1 alone, others in two."""
    found = Results()
    for name, rounds in ((DIRECT, {0: 1.0, 1: 10.0}), (FLOOR, {0: 2.0, 1: 12.0}), (OURS, {1: 16.0})):
        record = found.record("latency", name, PAIR, 1)
        for number, p50 in rounds.items():
            record.add(number, p50=p50)
    return found


def test_what_is_added_is_compared_in_shared_rounds_with_the_direct_call_of_each() -> None:
    found = run()
    ours = found.find("latency", OURS, PAIR, 1)
    assert added_beside(found, ours, FLOOR) == 3.0
    assert beside(found, ours, FLOOR, "p50") == pytest.approx(16 / 12)
    assert beside(found, ours, FLOOR, "cpu") is None
    assert beside(found, ours, "nobody", "p50") is None
    assert beside(found, None, FLOOR, "p50") is None
    assert added_beside(found, found.find("latency", DIRECT, PAIR, 1), FLOOR) is None


def test_a_run_without_numbers_of_rounds_is_read_as_if_they_were_in_order(tmp_path: Path) -> None:
    data = asdict(run())
    for record in data["records"]:
        del record["rounds"]
    (tmp_path / "run.json").write_text(json.dumps(data))
    assert [record.rounds for record in load(tmp_path / "run.json").records] == [[0, 1], [0, 1], [0]]
