"""The faults of a run, before any of them happens."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.chaos.plan import HEALTHY, SERVERS, faults


def test_a_seed_decides_the_faults() -> None:
    assert faults(7, 60) == faults(7, 60) != faults(8, 60)


def test_the_healthy_are_never_touched() -> None:
    assert len(HEALTHY) == 3
    assert not [fault for seed in range(20) for fault in faults(seed, 60) if fault.server in HEALTHY]


def test_all_faults_come_and_end_in_time() -> None:
    planned = faults(1, 300)
    assert {fault.what for fault in planned} == {what for server in SERVERS for what in server.faults}
    assert max(fault.at + fault.seconds for fault in planned) <= 300
    assert max(fault.seconds for fault in planned) == 30


@pytest.mark.parametrize("name", [server.name for server in SERVERS if server.faults])
def test_one_fault_at_a_time_befalls_a_server(name: str) -> None:
    own = [fault for fault in faults(3, 300) if fault.server == name]
    assert all(one.at + one.seconds < other.at for one, other in pairwise(own))
