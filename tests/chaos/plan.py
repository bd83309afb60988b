"""What a run is made of: the ten servers, and which fault befalls which of them when. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.server import STALE

TIMEOUT = 5.0
"""Seconds that a call may take, as the config says."""
STALL = 30.0
"""Seconds for which a server stalls; less where a run is short."""
PACE = 1.0
"""Seconds between two faults, on average."""
EDITS = ("alter", "remove", "half", "guest", "rewrite")
"""Edits of the config; what was removed, or written by half, comes back at the end of its fault."""


@dataclass(frozen=True)
class Server:
    """One of the ten: how it is reached, and what befalls it."""

    name: str
    faults: tuple[str, ...] = ()
    http: bool = False
    era: str = "both"
    wrapped: bool = False
    """Behind a shell that stays."""
    launched: bool = False
    """Started by the gateway, although it is reached over HTTP."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether the run starts it, and not the gateway."""
        return self.http and not self.launched


DEADLY = ("kill", "stop", "cut", "torn", "stall", "hang")
SERVERS = (
    Server("healthy-stdio"),
    Server("healthy-web", http=True),
    Server("healthy-session", http=True, era="handshake"),
    Server("plain", DEADLY),
    Server("wrapped", DEADLY, wrapped=True),
    Server("lazy", DEADLY, settings={"start": "lazy", "idle_timeout": "2s"}),
    Server("private", DEADLY, settings={"session": "per_client"}),
    Server("web", (*DEADLY, "refuse"), http=True, era="stateless"),
    Server("session", (*DEADLY, "refuse", *["expire"] * 6), http=True, era="handshake"),
    Server("edited", ("kill", *EDITS), http=True, era="handshake", launched=True),
)
HEALTHY = frozenset(server.name for server in SERVERS if not server.faults)
GUEST = "guest"
"""A server that comes with an edit of the config, and goes."""


@dataclass(frozen=True)
class Fault:
    """What happens to a server, `at` seconds into the faults, for some seconds."""

    at: float
    server: str
    what: str
    seconds: float
    detail: int = 0

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.server:8} {self.what} {self.seconds:.1f} s"


def faults(seed: int, seconds: float, servers: Sequence[Server] = SERVERS, pace: float = PACE) -> list[Fault]:
    """The faults of a run, in order; all end within `seconds`, and none begins at a server where another lasts."""
    chance = random.Random(seed)
    planned: list[Fault] = []
    free = {server.name: 0.0 for server in servers if server.faults}
    at = 0.0
    while (at := at + chance.expovariate(1 / pace)) < seconds:
        spared = [server for server in servers if server.faults and free[server.name] <= at]
        if not spared:
            continue
        server = chance.choice(spared)
        what = chance.choice(server.faults)
        lasts = _length(chance, what, seconds)
        if at + lasts > seconds:
            continue
        planned.append(Fault(at, server.name, what, lasts, chance.randrange(len(STALE))))
        free[server.name] = at + lasts + 1.0
    return planned


def _length(chance: random.Random, what: str, seconds: float) -> float:
    """How long a fault lasts; long ones are seldom, and never take more than a quarter of the run."""
    if what in ("stall", "hang", "stop") and chance.random() < 0.15:
        return min(STALL, seconds / 4)
    return min(chance.uniform(0.3, 4.0), seconds / 4)
