"""Many clients that listen: how long after one change of a list the last of them has heard of it."""

from __future__ import annotations

import select
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.wire.lanes import CHUNK, Gone, readable
from benchmarks.wire.messages import Era, WrongAnswer, head, request
from benchmarks.wire.place import HTTP, STDIO, Behind, Pair
from benchmarks.wire.plan import Plan
from benchmarks.wire.records import Results
from benchmarks.wire.rounds import say, skip
from benchmarks.wire.system import MISHAPS, NotRunning, System
from benchmarks.wire.targets import OURS

TOOLS = 20
ROUNDS = 3
PATIENCE = 10.0
"""Seconds in which a stream opens, and in which everybody hears of a change."""
REST = 0.5
"""Seconds after a change in which nobody may hear of it again."""
NEWS = b"notifications/tools/list_changed"
LISTEN = "subscriptions/listen"
CHANGING = Behind("srv0", (sys.executable, "-m", "benchmarks.wire.changing"))


@dataclass
class Stream:
    """A connection on which a client hears what changes, and all that came on it."""

    connection: socket.socket
    came: bytes = b""
    heard: list[float] = field(default_factory=list)
    """When it heard of each change."""

    def read(self) -> None:
        """Take what has come."""
        data = self.connection.recv(CHUNK)
        if not data:
            raise Gone
        self.came += data
        self.heard += [time.perf_counter()] * (self.came.count(NEWS) - len(self.heard))


def measure_streams(plan: Plan, results: Results) -> None:
    """Ours alone: this is about a bar of ours, and few others tell their clients anything."""
    for target in (one for one in plan.targets if one.name == OURS and plan.streams):
        for pair in (Pair(HTTP, STDIO, era) for era in Era):
            say(f"streams {pair}")
            try:
                with tempfile.TemporaryDirectory() as name, System(target, pair, Path(name), [CHANGING]) as system:
                    system.ready(TOOLS)
                    _measure(plan.streams, system, results)
            except (NotRunning, *MISHAPS) as error:
                skip(results, "streams", target.name, pair, error)


def _measure(count: int, system: System, results: Results) -> None:
    record = results.record("streams", system.target.name, system.pair, count)
    with opened(system, count) as streams:
        for number in range(1, ROUNDS + 1):
            began = time.perf_counter()
            system.client.call(system.calls(), 1)
            hear(streams, number)
            record.add(number, seconds=max(stream.heard[-1] for stream in streams) - began)


@contextmanager
def opened(system: System, count: int) -> Iterator[list[Stream]]:
    """So many streams, each of a client of its own."""
    with ExitStack() as stack:
        streams = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", system.client.port), PATIENCE)
            streams.append(Stream(stack.enter_context(connection)))
            connection.sendall(_opening(system))
            sign = b"event-stream" if system.pair.era is Era.HANDSHAKE else b"acknowledged"
            while sign not in streams[-1].came:
                streams[-1].read()
        yield streams


def _opening(system: System) -> bytes:
    """The request that opens a stream; in the handshake era, of a session that it opens first."""
    here, path, era = f"127.0.0.1:{system.client.port}", system.client.path, system.pair.era
    if era is Era.STATELESS:
        body = request(1, LISTEN, {"notifications": {"toolsListChanged": True}}, era)
        return head(here, path, era, LISTEN) + b"%d\r\n\r\n%s" % (len(body), body)
    client = replace(system.client, session="", _lanes=[], _number=0)
    client.open()
    client.close()
    lines = f"Host: {here}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {client.session}"
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n\r\n".encode()


def hear(streams: list[Stream], number: int) -> None:
    """Wait until each has heard of this many changes. Raises TimeoutError; WrongAnswer: one has heard of more."""
    by_file, poll = {stream.connection.fileno(): stream for stream in streams}, select.poll()
    for file in by_file:
        poll.register(file, select.POLLIN)
    waiting = len(streams)
    while waiting:
        for file in readable(poll, PATIENCE):
            by_file[file].read()
        waiting = sum(len(stream.heard) < number for stream in streams)
    if poll.poll(REST * 1000) or any(len(stream.heard) > number for stream in streams):
        raise WrongAnswer("a change was told more than once")
