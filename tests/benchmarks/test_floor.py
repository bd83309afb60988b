"""The raw relays and the raw load client, over every pair: nothing is measured, every answer is checked."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.wire.place import HTTP, PAIRS, Pair
from benchmarks.wire.records import Results
from benchmarks.wire.rounds import Servers, running
from benchmarks.wire.system import NotRunning
from benchmarks.wire.targets import DIRECT, FLOOR, FLOOR_UVLOOP, LEANEST, LEANEST_UVLOOP, TARGETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
RELAYS = (FLOOR, FLOOR_UVLOOP, LEANEST, LEANEST_UVLOOP)
ALL = tuple(target for target in TARGETS if target.name in (DIRECT, *RELAYS))
LOADS = ((20, 1, 0), (600, 256, 0), (16, 16, 100_000), (2, 2, 10_000_000))
"""Calls, how many at once, and the bytes of each answer."""
CASES = [(pair, False) for pair in PAIRS] + [(pair, True) for pair in PAIRS if pair.back == HTTP]


@pytest.mark.parametrize(("pair", "is_sse"), CASES, ids=[f"{pair}{'-events' * is_sse}" for pair, is_sse in CASES])
def test_calls_come_back_as_they_should(pair: Pair, is_sse: bool) -> None:
    results = Results()
    with running(ALL, pair, Servers(is_sse=is_sse), results, "latency") as systems:
        assert [system.target.name for system in systems] == [DIRECT, *RELAYS]
        for system in systems:
            for count, at_once, size in LOADS:
                assert len(system.client.call(system.calls(size), count, at_once).each) == count
            assert not system.last_words()
            if pair.front == HTTP:  # 256 connections of each would be more than a process may have
                system.client.close()
    assert results.skips == []


@pytest.mark.parametrize("pair", [PAIRS[0], PAIRS[-1]], ids=str)
def test_lists_of_many_servers_are_merged(pair: Pair) -> None:
    with running(ALL, pair, Servers(3, 4), Results(), "list") as systems:
        assert [system.target.name for system in systems] == list(RELAYS)
        for relay in systems:
            expected = [relay.target.tool(f"srv{server}", f"tool{tool}") for server in range(3) for tool in range(4)]
            assert relay.client.tools() == expected


def test_memory_of_a_process_that_has_gone_is_no_figure() -> None:
    with running(ALL[:2], PAIRS[0], Servers(), Results(), "memory") as (_, relay):
        assert relay.memory() > 1e6
        relay.process.kill()
        os.waitid(os.P_PID, relay.process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet asked for
        with pytest.raises(NotRunning):
            relay.memory()
