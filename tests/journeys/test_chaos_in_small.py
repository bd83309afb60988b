"""Ten servers under random faults, in small: a few seconds of what `make chaos` does for five minutes."""

from __future__ import annotations

import pytest

from tests.chaos.judge import findings
from tests.chaos.run import Options, run
from tests.support.process import HAS_PROC

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks processes up in /proc")]

SMALL = Options(seconds=5.0, quiet=0.5, settle=1.0, pace=0.4, seed=12, clients=6, polite=True, with_p99=False)


async def test_what_must_hold_holds_while_servers_die_hang_and_change() -> None:
    told = await run(SMALL)
    assert told.struck
    assert any(record.verdict == "ok" for record in told.evidence.records)
    assert findings(told.evidence) == []
