"""The raw relay and the raw load client, over every pair: nothing is measured, every answer is checked."""

from __future__ import annotations

import sys

import pytest

from benchmarks.wire.place import PAIRS, Pair
from benchmarks.wire.records import Results
from benchmarks.wire.rounds import Servers, running
from benchmarks.wire.targets import DIRECT, FLOOR, TARGETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
BOTH = tuple(target for target in TARGETS if target.name in (DIRECT, FLOOR))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("is_sse", [False, True], ids=["json", "events"])
def test_calls_come_back_as_they_should(pair: Pair, is_sse: bool) -> None:
    results = Results()
    with running(BOTH, pair, Servers(is_sse=is_sse), results, "latency") as systems:
        assert [system.target.name for system in systems] == [DIRECT, FLOOR]
        for system in systems:
            for count, at_once, size in ((20, 1, 0), (60, 20, 0), (2, 1, 1_000_000)):
                assert len(system.client.call(system.calls(size), count, at_once).each) == count
    assert results.skips == []


def test_lists_of_many_servers_are_merged() -> None:
    with running(BOTH, PAIRS[0], Servers(3, 4, is_instant=True), Results(), "list") as (relay,):
        names = relay.client.tools()
    assert len(set(names)) == 12
    assert relay.target.tool("srv2", "tool3") in names
