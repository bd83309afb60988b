"""The load client: opens a server in its era, makes calls one after another or many at once, checks every answer."""

from __future__ import annotations

import select
import subprocess
import time
from dataclasses import dataclass, field

import orjson

from benchmarks.wire.events import EventsLane
from benchmarks.wire.lanes import HttpLane, Lane, PipeLane, readable
from benchmarks.wire.messages import INITIALIZE, INITIALIZED, Calls, Era, Json, WrongAnswer, request
from benchmarks.wire.responses import BadResponse

PATIENCE = 30.0
"""Seconds without any answer after which a server is given up."""


@dataclass
class Load:
    """What came of some calls: seconds for all of them, and for each."""

    seconds: float
    each: list[float]


@dataclass
class Client:
    """One client of one server. With HTTP it has as many connections as calls at once."""

    era: Era
    process: subprocess.Popen[bytes] | None = None
    """Talk over its pipes; None: over HTTP."""
    port: int = 0
    path: str = "/mcp"
    extra: tuple[str, ...] = ()
    """More HTTP headers, as lines."""
    is_older: bool = False
    """Over HTTP as it was before 2025: a stream for all answers."""
    session: str = ""
    _number: int = 0
    _lanes: list[Lane] = field(default_factory=list)

    def open(self) -> None:
        """Shake hands, where the era does."""
        if self.era is Era.STATELESS:
            return
        answer = self.request("initialize", INITIALIZE)
        if "result" not in answer:
            raise WrongAnswer(str(answer)[:400])
        self._say(INITIALIZED)

    def request(self, method: str, params: Json, patience: float = PATIENCE) -> Json:
        """The answer to one request, whatever it is."""
        return self.timed(method, params, patience)[1]

    def timed(self, method: str, params: Json, patience: float = PATIENCE) -> tuple[float, Json]:
        """The seconds that one request took, and its answer."""
        self._number += 1
        number, lane = self._number, self._lanes_for(1, method, str(params.get("name", "")))[0]
        body, began = request(number, method, params, self.era), time.perf_counter()
        lane.send([body])
        poll = select.poll()
        while True:
            poll.register(lane.fileno(), select.POLLIN)
            readable(poll, patience)
            texts, took = lane.read(), time.perf_counter() - began
            for text in texts:
                message = orjson.loads(text)
                if message.get("id") == number and "method" not in message:
                    self._take_session(lane)
                    return took, dict(message)
                self._react(lane, message)

    def _say(self, message: bytes) -> None:
        lane = self._lanes_for(1, "notifications/initialized", "")[0]
        lane.send([message])
        if isinstance(lane, HttpLane):
            poll, lane.status = select.poll(), 0
            poll.register(lane.fileno(), select.POLLIN)
            while not lane.status:
                readable(poll, PATIENCE)
                lane.read()

    def _take_session(self, lane: Lane) -> None:
        if isinstance(lane, HttpLane):
            self.session = lane.session

    def _lanes_for(self, at_once: int, method: str, name: str) -> list[Lane]:
        if self.process:
            self._lanes = self._lanes or [PipeLane(self.process)]
            return self._lanes
        if self.is_older:
            self._lanes = self._lanes or [EventsLane(self.port, self.path)]
            return self._lanes
        while len(self._lanes) < at_once:
            self._lanes.append(HttpLane(self.port, self.path, self.era, extra=self.extra))
        for lane in self._lanes[:at_once]:
            assert isinstance(lane, HttpLane)
            lane.about(method, name, self.session)
        return self._lanes[:at_once]

    def tools(self) -> list[str]:
        """The names in a complete `tools/list`."""
        return self.listing()[1]

    def listing(self) -> tuple[float, list[str]]:
        """The seconds that a complete `tools/list` took, and the names in it."""
        names, cursor, seconds = [], None, 0.0
        while True:
            took, answer = self.timed("tools/list", {"cursor": cursor} if cursor else {})
            if "result" not in answer:
                raise WrongAnswer(str(answer)[:400])
            seconds += took
            names += [tool["name"] for tool in answer["result"]["tools"]]
            if not (cursor := answer["result"].get("nextCursor")):
                return seconds, names

    def call(self, calls: Calls, count: int, at_once: int = 1, patience: float = PATIENCE) -> Load:
        """Make `count` calls, `at_once` of them under way at any time. Raises WrongAnswer, Gone, TimeoutError."""
        run = Run(calls, self._lanes_for(at_once, "tools/call", calls.tool), self._number)
        try:
            return run.through(count, at_once, patience, self)
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Hang up where that is not for good: answers may still be under way."""
        if not self.process:
            self.close()

    def next_number(self) -> int:
        """An id that was not used before."""
        self._number += 1
        return self._number

    def _react(self, lane: Lane, message: Json) -> None:
        """A server may ask whether we are alive; nothing else is asked of a client that can do nothing."""
        if not isinstance(lane, HttpLane) and "id" in message and "method" in message:
            lane.send([orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}})])

    def close(self) -> None:
        """Hang up."""
        for lane in self._lanes:
            lane.close()
        self._lanes.clear()


@dataclass
class Run:
    """Some calls over some lanes."""

    calls: Calls
    lanes: list[Lane]
    number: int
    """The last id before it."""
    sent: dict[int, float] = field(default_factory=dict)
    each: list[float] = field(default_factory=list)
    left: int = 0

    def through(self, count: int, at_once: int, patience: float, client: Client) -> Load:
        """All of them."""
        self.left, self._client, self._template = count, client, self.calls.template()
        by_file = {lane.fileno(): lane for lane in self.lanes}
        poll = select.poll()
        for number in by_file:
            poll.register(number, select.POLLIN)
        began = time.perf_counter()
        for lane in self.lanes:
            self._send(lane, min(lane.capacity, at_once))
        while self.sent:
            for number in readable(poll, patience):
                lane = by_file[number]
                if done := self._take(lane.read()):
                    self._send(lane, done)
                if lane.fileno() != number:
                    raise BadResponse("the server hung up after an answer")
        return Load(time.perf_counter() - began, self.each)

    def _send(self, lane: Lane, count: int) -> None:
        count = min(count, self.left)
        if count <= 0:
            return
        self.left -= count
        numbers = [self._client.next_number() for _ in range(count)]
        requests = [self.calls.make(self._template, number) for number in numbers]
        now = time.perf_counter()
        for number in numbers:
            self.sent[number] = now
        lane.send(requests)

    def _take(self, texts: list[bytes]) -> int:
        now, done = time.perf_counter(), 0
        for text in texts:
            message = orjson.loads(text)
            if "method" in message:
                continue
            began = self.sent.pop(message.get("id"), None)
            if began is None and isinstance(message.get("id"), int) and message["id"] <= self.number:
                continue  # of a run that was given up
            if began is None:
                raise WrongAnswer(f"an answer to nothing: {text[:200]!r}")
            self.calls.check(message, message["id"])
            self.each.append(now - began)
            done += 1
        return done
