"""What clients do: call tools of all servers, one after the other, and keep a record of each call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import anyio

from tests.chaos.clients import Client
from tests.chaos.judge import Record, verdict_of

GIVE_UP = 20.0
"""Seconds after which a call counts as never answered."""
THINKS = 0.15
"""Seconds between two calls of a client, on average."""
SLOW = 0.4
"""Seconds that the slow tool takes."""
LEAVES = 0.01
"""How likely a client ends its session after a call, and begins another."""
HOST = "host"
"""The client with a gateway of its own."""
MISHAPS = (OSError, EOFError, ValueError, TimeoutError)
_TOOLS = ("count", "count", "count", "peek", "peek", "again", "slow")


@dataclass
class Load:
    """All calls of a run, and what is made next."""

    servers: Sequence[str]
    seed: int
    polite: bool = False
    """Whether every client says goodbye."""
    phase: str = ""
    records: list[Record] = field(default_factory=list)
    goes_on: bool = True
    begun: float = field(default_factory=time.monotonic)
    _numbers: Iterator[int] = field(default_factory=count)

    def answered_since(self, at: float) -> set[str]:
        """The servers that have answered a call which began since then, over HTTP: a host has a gateway of its own."""
        answered = (record for record in self.records if record.at >= at and record.verdict == "ok")
        return {record.server for record in answered if record.client != HOST}

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    async def play(self, name: str, make: Callable[[], Client], *, stays: bool = False) -> None:
        """One client, from its coming to its going; one that `stays` is open before and after."""
        chance = random.Random(f"{self.seed} {self.phase} {name}")
        client = make()
        if not stays:
            await self._open(client, name)
        while self.goes_on:
            fine = await self._call(client, name, chance)
            if not stays and (not fine or chance.random() < LEAVES):
                await client.close(politely=self.polite or chance.random() < 0.5)
                await self._open(client, name)
            await anyio.sleep(chance.expovariate(1 / THINKS))
        if not stays:
            await client.close(politely=self.polite or chance.random() < 0.5)

    async def _open(self, client: Client, name: str) -> None:
        at = self.now
        try:
            with anyio.fail_after(GIVE_UP):
                await client.open()
        except MISHAPS as error:
            self._note("", "", "", name, at, f"! it could not open: {error!r}")

    async def _call(self, client: Client, name: str, chance: random.Random) -> bool:
        """One call; False: there was no answer, and the client had better begin anew."""
        server, tool, call = chance.choice(self.servers), chance.choice(_TOOLS), f"c{next(self._numbers)}"
        params = {"name": f"{server}__{tool}", "arguments": {"call_id": call}}
        if tool == "slow":
            params["arguments"] = {"call_id": call, "seconds": SLOW}
        at = self.now
        try:
            with anyio.fail_after(GIVE_UP):
                answer = await client.request("tools/call", params)
        except MISHAPS as error:
            self._note(call, server, tool, name, at, f"! {error!r}")
            return False
        verdict = verdict_of(answer, call)
        self._note(call, server, tool, name, at, verdict, str(answer.get("error", "")))
        return not verdict.startswith("!")

    def _note(self, call: str, server: str, tool: str, name: str, at: float, verdict: str, told: str = "") -> None:
        self.records.append(Record(call, server, tool, name, self.phase, at, self.now - at, verdict, told))
