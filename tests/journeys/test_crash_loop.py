"""Failure mode 11: a server that ends as soon as it is started, for ever, is felt by those that are well."""

from __future__ import annotations

import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.backends.states import pause_before
from magictunnel.config.model import ServerConfig, Transport
from tests.support.office import site
from tests.support.world import PATIENCE, TRANSPORTS, world

pytestmark = pytest.mark.anyio

ATTEMPTS = 4
JITTER = 0.25
"""The part of a pause by which it may be shorter."""
AT_ONCE = 0.3
"""Seconds within which a server is started for one attempt: again, if it ended when it was asked for its era."""
LINE = 'date +%s.%N >> "$1"; exit 3'


def crashing(journal: Path, over: str) -> ServerConfig:
    """A server that notes when it is started, and ends."""
    keys: dict[str, Any] = {"command": "/bin/sh", "args": ("-c", LINE, "sh", str(journal))}
    if over == "stdio":
        return ServerConfig(type=Transport.STDIO, **keys)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return ServerConfig(type=Transport(over), url=f"http://127.0.0.1:{probe.getsockname()[1]}/{over}", **keys)


def attempts(journal: Path) -> list[float]:
    """When it was started."""
    moments = [float(line) for line in journal.read_text("utf-8").split()] if journal.exists() else []
    return [now for last, now in zip([0.0, *moments], moments, strict=False) if now - last > AT_ONCE]


async def test_a_crash_loop_backs_off_and_is_seen_and_is_felt_by_nobody(tmp_path: Path) -> None:
    journals = {f"bad_{over}": tmp_path / over for over in TRANSPORTS}
    bad = {name: crashing(journal, journal.name) for name, journal in journals.items()}
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site("stdio", tmp_path, "one") as one,
            site("sse", tmp_path, "two", era="handshake") as two,
            world(more={"one": one.config, "two": two.config, **bad}) as w,
        ):
            await w.until_ready("one", "two")
            async with w.client("handshake") as old, w.client("stateless", "http") as new:
                while not all(w.gateway.status[name].state.value == "crash-looping" for name in bad):
                    for client in (old, new):
                        assert (await client.call_tool("one__echo")).content
                        assert (await client.call_tool("two__echo")).content
                    await anyio.sleep(0.02)
            await w.until(lambda: all(len(attempts(journal)) >= ATTEMPTS for journal in journals.values()))
            for name, journal in journals.items():
                assert w.gateway.status[name].failure is not None
                assert_backs_off(attempts(journal))
            assert [w.gateway.status[name].failure for name in ("one", "two")] == [None, None]


def assert_backs_off(moments: list[float]) -> None:
    pauses = [after - before for before, after in pairwise(moments)]
    least = [(1 - JITTER) * pause_before(number) - AT_ONCE for number, _ in enumerate(pauses, start=1)]
    assert all(pause >= bound for pause, bound in zip(pauses, least, strict=True)), pauses
