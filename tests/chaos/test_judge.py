"""The judgement itself; a whole run is in `tests/journeys/test_chaos_in_small.py`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.judge import Evidence, Figures, Record, findings, verdict_of

CALL = Record("c1", "plain", "count", "host", "faults", 1.0, 0.1, "ok")
HEALTHY = replace(CALL, server="healthy-web")


def run_of(*records: Record, executed: int = 1, **more: object) -> Evidence:
    return Evidence(records, Counter({record.call: executed for record in records if executed}), **more)  # type: ignore[arg-type]


def test_a_run_in_which_all_went_well_has_no_findings() -> None:
    assert findings(run_of(CALL, HEALTHY)) == []


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        (run_of(CALL, executed=2), "executed twice"),
        (run_of(CALL, executed=0), "never executed"),
        (run_of(replace(CALL, verdict="! TimeoutError()")), "no typed answer"),
        (run_of(replace(CALL, took=9.0)), "late"),
        (run_of(replace(CALL, verdict="backend_unavailable")), "not sent"),
        (run_of(replace(CALL, verdict="unknown_entry"), executed=0), "not listed any more"),
        (run_of(replace(HEALTHY, verdict="outcome_unknown")), "failed at a healthy server"),
        (run_of(replace(HEALTHY, phase="quiet"), replace(HEALTHY, call="c2", took=0.5)), "p99 rose"),
        (run_of(CALL, final=Figures(0, 1, 0)), "threads of the gateway: 0 before, 1 at the end"),
        (run_of(CALL, ended={"the host": 7.0}), "slow to end: the host: 7.0 s"),
        (run_of(CALL, orphans={7: "python server.py"}), "orphan: python server.py"),
        (run_of(CALL, missing=frozenset({"web"})), "did not come back"),
        (run_of(CALL, unheard=["guest__count"]), "not as the config has it"),
        (run_of(CALL, log=["Traceback (most recent call last):"]), "in the log"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_thing_that_may_not_be_is_found(evidence: Evidence, found: str) -> None:
    (line,) = findings(evidence)
    assert found in line


def test_what_was_not_sent_and_what_may_have_run_are_told_apart() -> None:
    unsent = replace(CALL, verdict="backend_unavailable")
    unknown = replace(CALL, verdict="outcome_unknown")
    assert findings(run_of(unsent, executed=0)) == []
    assert findings(run_of(unknown, executed=0)) == findings(run_of(unknown)) == []


def test_what_may_be_sent_again_may_run_twice() -> None:
    assert findings(Evidence([CALL], often=Counter({"c1": 2}))) == []


def test_a_server_that_was_taken_out_of_the_config_may_be_unknown() -> None:
    assert findings(run_of(replace(CALL, server="edited", verdict="unknown_entry"), executed=0)) == []


def test_an_answer_is_the_callers_own_or_a_typed_error() -> None:
    assert verdict_of({"result": {"content": [{"type": "text", "text": "c1"}]}}, "c1") == "ok"
    assert verdict_of({"result": {"content": [{"type": "text", "text": "c2"}]}}, "c1").startswith("!")
    assert verdict_of({"error": {"code": -32062, "data": {"error": "outcome_unknown"}}}, "c1") == "outcome_unknown"
    assert verdict_of({"error": {"code": -32600, "message": "Session not found"}}, "c1").startswith("!")
