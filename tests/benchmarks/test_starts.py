"""A command that fails is left out of a run of cold starts, and the run goes on."""

from __future__ import annotations

import sys

from benchmarks.wire.records import Results
from benchmarks.wire.starts import measure_commands


def test_a_command_that_fails_is_left_out() -> None:
    commands = {"ends badly": [sys.executable, "-c", "exit(1)"], "gone": ["no-such-program"], "ends well": ["true"]}
    results = Results()
    measure_commands(commands, 1, results)
    assert {skip.target for skip in results.skips} == {"ends badly", "gone"}
    assert [len(record.rounds) for record in results.records] == [0, 0, 2]
