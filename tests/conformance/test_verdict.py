"""What the outcomes of our probes mean; the probes are not made here (`make conformance` does)."""

from __future__ import annotations

from tests.conformance.probes.probe import ERAS, PASSED
from tests.conformance.probes.run import BOTH, DIRECT, HTTP, PROBES, Column, Outcomes
from tests.conformance.probes.verdict import IMPOSSIBLE, ONLY_OF_STATELESS_SERVERS, as_table, told, violations

PUSHED, ROOTS, HINTS = "elicitation, pushed", "roots", "cache hints"


def outcomes(server: str, through: dict[str, str], direct: dict[str, str], client: str = "stateless") -> Outcomes:
    """Of two columns: a direct client of the server's own era, and one of `client` through MagicTunnel."""
    own = client if server == BOTH else server
    return {Column(DIRECT, own, server): direct, Column(HTTP, client, server): through}


def test_what_a_server_gives_to_its_own_era_it_must_give_to_the_other() -> None:
    found = outcomes("handshake", {ROOTS: "nothing came"}, {ROOTS: PASSED})
    assert violations(found) == ["http s>h roots: nothing came"]
    assert violations(outcomes("handshake", {ROOTS: PASSED}, {ROOTS: PASSED})) == []


def test_what_is_for_one_era_alone_must_come_whatever_the_server_speaks() -> None:
    assert violations(outcomes("handshake", {HINTS: "none"}, {})) == ["http s>h cache hints: none"]


def test_of_a_server_of_both_eras_it_is_enough_to_be_as_direct() -> None:
    assert violations(outcomes(BOTH, {PUSHED: "cannot"}, {PUSHED: "cannot"})) == []
    assert violations(outcomes(BOTH, {PUSHED: "lost"}, {PUSHED: PASSED}, "handshake")) == [
        "http h>b elicitation, pushed: lost"
    ]


def test_a_probe_that_fails_directly_is_told_of_since_it_would_hide_what_is_lost() -> None:
    assert violations(outcomes("handshake", {ROOTS: "no"}, {ROOTS: "broken"})) == ["direct h>h roots: broken"]


def test_every_excuse_is_of_a_probe() -> None:
    assert {name for name, _ in IMPOSSIBLE} | ONLY_OF_STATELESS_SERVERS <= PROBES.keys()
    assert {era for _, era in IMPOSSIBLE} == set(ERAS)


def test_the_table_says_yes_no_or_nothing() -> None:
    found = outcomes("handshake", {ROOTS: PASSED, HINTS: "none"}, {ROOTS: "broken"})
    lines = {line[:20].strip(): line.split()[-2:] for line in as_table(found).splitlines()}
    assert lines["probe"] == ["h>h", "s>h"]
    assert lines[ROOTS] == ["no", "yes"]
    assert lines[HINTS] == ["-", "no"]
    assert "NOT AS IT SHOULD BE: http s>h cache hints: none" in told(found)
