"""The comparison itself; the suite is not run here (`make conformance` does)."""

from __future__ import annotations

import pytest

from tests.conformance.compare import ABSENT, Check, Difference, differences, passed, succeeding
from tests.conformance.plan import IMPOSSIBLE, MODES, OTHER_ERA, ROWS, selects
from tests.conformance.report import table
from tests.conformance.shim import unprefixed


def test_the_same_checks_do_not_differ() -> None:
    checks = [Check("a", "SUCCESS"), Check("b", "WARNING", "hm"), Check("log", "INFO")]
    assert differences(checks, [*checks, Check("log", "INFO", about="one more line")]) == ()


@pytest.mark.parametrize("through", ["FAILURE", "WARNING", "SKIPPED", "INFO"])
def test_a_success_that_is_no_more_is_lost(through: str) -> None:
    assert differences([Check("a", "SUCCESS")], [Check("a", through, "why")]) == (
        Difference("a", "", "SUCCESS", through, "why"),
    )


def test_a_check_that_is_not_made_is_lost_though_the_scenario_passes() -> None:
    direct, through = [Check("a", "SUCCESS"), Check("b", "SUCCESS")], [Check("a", "SUCCESS")]
    assert passed(through)
    assert succeeding(through) == 1
    assert differences(direct, through) == (Difference("b", "", "SUCCESS", ABSENT),)


def test_what_has_no_verdict_on_either_side_is_no_difference() -> None:
    assert differences([Check("a", "SKIPPED"), Check("b", "INFO")], [Check("a", "INFO")]) == ()


def test_a_success_that_was_none_is_better() -> None:
    (told,) = differences([Check("a", "INFO")], [Check("a", "SUCCESS")])
    assert told.better
    assert not Difference("a", "", ABSENT, "FAILURE").better


def test_checks_of_one_id_are_told_apart_by_what_they_are_about() -> None:
    direct = [Check("a", "SUCCESS", about="one"), Check("a", "SUCCESS", about="two")]
    through = [Check("a", "FAILURE", "no", about="two"), Check("a", "SUCCESS", about="one")]
    (told,) = differences(direct, through)
    assert str(told) == "a (two): SUCCESS -> FAILURE: no"


def test_checks_that_say_the_same_of_themselves_are_compared_in_order() -> None:
    direct = [Check("a", "SUCCESS"), Check("a", "SUCCESS"), Check("a", "SUCCESS")]
    through = [Check("a", "SUCCESS"), Check("a", "FAILURE")]
    assert [(told.direct, told.through) for told in differences(direct, through)] == [
        ("SUCCESS", "FAILURE"),
        ("SUCCESS", ABSENT),
    ]


def test_every_row_has_its_modes_and_every_excuse_its_row() -> None:
    assert {mode for row in ROWS for mode in row.modes} == set(MODES)
    assert {row.spec for row in ROWS if "crossed" in row.modes} == set(OTHER_ERA)
    assert set(IMPOSSIBLE) == {row.name for row in ROWS if "crossed" in row.modes}


def test_scenarios_of_an_extension_are_rows_of_their_own() -> None:
    rows = {row.name: row for row in ROWS}
    assert selects(rows["tasks"], "tasks-lifecycle")
    assert not selects(rows["tasks"], "ping")
    assert not selects(rows["client/2025-11-25"], "auth/metadata-default")


def test_listed_names_lose_their_prefix_and_nothing_else_does() -> None:
    line = b'data: {"tools":[{"name":"everything__a","description":"everything__a"},{"name": "north__b"}]}'
    assert unprefixed(line, "everything") == line.replace(b'"name":"everything__a"', b'"name":"a"')


def test_a_table_has_its_columns_one_under_the_other() -> None:
    assert table([("a", "b"), ("long", "c")]) == "a     b\nlong  c"
