"""Calls for which no task was started when they were sent: whatever becomes of them, nobody is forgotten."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.shared.exceptions import MCPError

from magictunnel.backends.stats import Stats
from magictunnel.config.model import ToolConfig
from magictunnel.errors import DEADLINE_EXCEEDED, OUTCOME_UNKNOWN
from magictunnel.front.pipe import PipeClient
from magictunnel.front.short import ShortCall
from magictunnel.wire.asked import Asked
from magictunnel.wire.pipes import LineReader, PipeWriter, read_lines, write_to
from tests.journeys.test_answers_land_in_their_own_call import behind
from tests.support.office import site
from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, Json, Script, tool
from tests.support.rawclient import local_http, raw_client
from tests.support.wires import own_wire
from tests.support.worker import Transcript
from tests.support.world import PATIENCE, World, world

pytestmark = [pytest.mark.anyio, own_wire]

LAST_ANSWERS = 1.0
"""Seconds that a client which hangs up is still answered for."""
LONG = 1.3
"""Seconds: longer than a call goes without a task."""
SLOW = 0.3
SHORT = 1.5
"""Seconds that a call may take which is never answered: it has had no task for most of them."""
NEVER = 1_000_000
WAYS = [(over, era) for over in ("stdio", "http") for era in ("handshake", "stateless")]
"""How a server is reached, and in which era."""
ENVELOPE: Json = {
    VERSION_KEY: STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Piped:
    """A client at the other end of two pipes, that keeps every message in the order in which they came."""

    def __init__(self, era: str) -> None:
        self.era = era
        self.messages: list[Json] = []
        self.reader = LineReader(lambda line: self.messages.append(json.loads(line)), lambda _broke: None)
        self.writer = PipeWriter()
        self._last_id = 0

    async def open(self) -> None:
        """Open the session as a client of its era does, and have a call answered: all that is learnt first is."""
        if self.era == "stateless":
            await self.request("server/discover")
            return
        about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        await self.request("initialize", about)
        self.send({"method": "notifications/initialized"})
        await self.request("ping")

    def ask(self, method: str, params: Json | None = None, number: int = 0) -> int:
        """Send a request; its id."""
        self._last_id = number or self._last_id + 1
        params = dict(params or {})
        if self.era == "stateless":
            params["_meta"] = params.get("_meta", {}) | ENVELOPE
        self.send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def call(self, name: str, number: int = 0, meta: Json | None = None, **arguments: Any) -> int:
        """Send a call of a tool; its id."""
        more = {"_meta": meta} if meta else {}
        return self.ask("tools/call", {"name": name, "arguments": arguments} | more, number)

    def cancel(self, number: int) -> None:
        self.send({"method": "notifications/cancelled", "params": {"requestId": number}})

    def send(self, message: Json) -> None:
        self.writer.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")

    def answers(self, number: int) -> list[Json]:
        return [one for one in self.messages if one.get("id") == number and "method" not in one]

    async def answer(self, number: int) -> Json:
        """The answer to the request of that id, once it has come."""
        with anyio.fail_after(PATIENCE):
            while not (found := self.answers(number)):
                await anyio.sleep(0.005)
        return found[0]

    async def request(self, method: str, params: Json | None = None) -> Json:
        return await self.answer(self.ask(method, params))

    async def works(self, name: str) -> None:
        """See that a call is answered."""
        assert "result" in await self.answer(self.call(name))

    async def hang_up(self, *, is_killed: bool) -> None:
        """Send what is to be sent, and close our end; whoever is killed hears no more, too."""
        await self.writer.flushed()
        if is_killed:
            self.reader.close()
        self.writer.finish()


@asynccontextmanager
async def piped(w: World, era: str) -> AsyncIterator[Piped]:
    """A client over pipes of a gateway in this process, served just as one on our stdin is."""
    from_us, to_client = os.pipe()
    from_client, to_us = os.pipe()
    client, gone = Piped(era), anyio.Event()
    writer = PipeWriter(on_lost=gone.set)
    served = PipeClient(w.front, writer)
    served.peer.inlet = reader = LineReader(served.peer.received, lambda _broke: hung_up.set())
    hung_up = anyio.Event()

    async def end() -> None:
        await hung_up.wait()
        with anyio.move_on_after(LAST_ANSWERS):
            await w.front.answered()
        gone.set()

    async def lose() -> None:
        await gone.wait()
        served.peer.end()

    await write_to(to_client, writer)
    await read_lines(from_client, reader)
    await write_to(to_us, client.writer)
    await read_lines(from_us, client.reader)
    try:
        async with anyio.create_task_group() as tasks:
            for work in (served.run, end, lose):
                tasks.start_soon(work)
            await client.open()
            yield client
            tasks.cancel_scope.cancel()
    finally:
        reader.close()
        writer.finish()
        client.reader.close()
        client.writer.finish()


def stats(w: World) -> Stats:
    """Of the only server that is configured."""
    (name,) = w.gateway.config.servers
    return w.gateway._pool.stats[name]


async def all_over(w: World) -> None:
    """See that nothing is kept of any call: nobody waits, and nobody is taken to be waiting."""
    await w.until(lambda: stats(w).in_flight == 0)
    with anyio.fail_after(PATIENCE):
        await w.front.answered()
    (name,) = w.gateway.config.servers
    for link in w.gateway._pool.get(name).links():
        exchanges: Any = link._exchanges  # type: ignore[attr-defined]
        await w.until(lambda exchanges=exchanges: exchanges.beginnings.is_empty)  # type: ignore[misc]
        assert [one.what for one in exchanges._in_flight.values() if not one.is_ours] == []
        assert begun(exchanges._wire) == []
        with anyio.fail_after(PATIENCE):
            await exchanges.beginnings.gate.passed()


def begun(wire: Any) -> list[Any]:
    """What was begun over a wire, and may still be answered."""
    if wire.is_http:
        return [reply for reply in wire._in_flight.values() if reply.sent and not reply.is_abandoned]
    return list(wire._begun)


@asynccontextmanager
async def scene(way: tuple[str, str], folder: Path, timeout: float = 60.0) -> AsyncIterator[World]:
    """A gateway before a server whose tool `never` is not answered; at the end nothing is left of any call."""
    over, era = way
    script = Script(
        name="s",
        era=era,
        offers={"tools": [tool(name) for name in ("echo", "slow", "long", "never")]},
        answer_after={"tools/call never": NEVER},
        delay_on={"tools/call slow": 0.2, "tools/call long": LONG},
        transcript=str(folder / "s.transcript"),
    )
    keys: Json = {"tools": {"never": ToolConfig(timeout=timeout)}}
    with anyio.fail_after(2 * PATIENCE):
        async with world([script], folder, over=over, settings={"s": keys}) as w:
            await w.until_ready()
            yield w
            await all_over(w)
            for server in w.servers.values():
                server.calls_answered = NEVER


def headers(name: str) -> dict[str, str]:
    """Of a call in the stateless era."""
    return {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": STATELESS,
        "mcp-method": "tools/call",
        "mcp-name": name,
    }


def body(name: str, number: int, **arguments: Any) -> bytes:
    """See `headers`."""
    params = {"name": name, "arguments": arguments, "_meta": ENVELOPE}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()


async def hangs_up(w: World, name: str, number: int) -> None:
    """Send a call over HTTP, and close the connection."""
    sent = body(name, number)
    lines = [f"{key}: {value}" for key, value in headers(name).items()]
    head = ["POST /mcp HTTP/1.1", f"host: 127.0.0.1:{w.port}", f"content-length: {len(sent)}", *lines, "", ""]
    async with await anyio.connect_tcp("127.0.0.1", w.port) as connection:
        await connection.send("\r\n".join(head).encode() + sent)


def plain(w: World) -> httpx2.AsyncClient:
    return local_http(w.port, timeout=PATIENCE)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_that_is_cancelled_at_once_is_not_answered_and_its_server_is_told(
    way: tuple[str, str], client_era: str, tmp_path: Path
) -> None:
    """Over stateless HTTP it is told by the end of its connection; what crosses eras may not be sent by then."""
    async with scene(way, tmp_path) as w, piped(w, client_era) as client:
        await client.works("s__echo")
        before = stats(w).started
        number = client.call("s__never")
        client.cancel(number)
        await client.works("s__echo")
        await w.until(lambda: stats(w).in_flight == 0)
        sent = stats(w).started - before - 1
        assert sent == 1 or client_era != way[1]
        if way != ("http", "stateless"):
            transcript = Transcript(tmp_path / "s.transcript")
            await w.until(lambda: transcript.count("notifications/cancelled") == sent)
        await client.works("s__echo")
        assert client.answers(number) == []


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_over_http_that_is_given_up_at_once_is_told_to_its_server(
    way: tuple[str, str], tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w, raw_client(w.port, "stateless") as client:
        assert "result" in await client.request("tools/call", {"name": "s__echo"})
        await hangs_up(w, "s__never", 7)
        await w.until(lambda: stats(w).started >= 2)
        await w.until(lambda: stats(w).in_flight == 0)
        if way != ("http", "stateless"):
            transcript = Transcript(tmp_path / "s.transcript")
            await w.until(lambda: transcript.count("notifications/cancelled") == 1)
        assert "result" in await client.request("tools/call", {"name": "s__echo"})


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_that_is_answered_leaves_nothing_for_the_garbage_collector(
    way: tuple[str, str], client_era: str, tmp_path: Path
) -> None:
    """Or all calls would stop for it, again and again, as long as it looks at what came since it did so last."""
    async with scene(way, tmp_path) as w, piped(w, client_era) as pipe, raw_client(w.port, client_era) as http:
        await pipe.works("s__echo")
        await http.request("tools/call", {"name": "s__echo"})
        gc.collect()
        gc.disable()
        try:
            before = calls_in_memory()
            for _ in range(10):
                await pipe.works("s__echo")
                assert "result" in await http.request("tools/call", {"name": "s__echo"})
            assert calls_in_memory() <= before
        finally:
            gc.enable()


def calls_in_memory() -> int:
    return sum(isinstance(one, ShortCall | Asked) for one in gc.get_objects())


@pytest.mark.parametrize("is_killed", [False, True], ids=["eof", "killed"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_client_that_hangs_up_leaves_none_of_its_calls_behind(
    way: tuple[str, str], is_killed: bool, client_era: str, tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w:
        async with piped(w, client_era) as client:
            await client.works("s__echo")
            before = stats(w).started
            for number in range(50):
                client.call("s__never" if number % 2 else "s__slow")
            await client.hang_up(is_killed=is_killed)
            await w.until(lambda: stats(w).started > before)
            await w.until(lambda: stats(w).in_flight == 0)
        async with piped(w, client_era) as other:
            await other.works("s__echo")


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_clients_over_http_that_hang_up_leave_none_of_their_calls_behind(
    way: tuple[str, str], tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w, raw_client(w.port, "stateless") as client:
        assert "result" in await client.request("tools/call", {"name": "s__echo"})
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(hangs_up, w, "s__never" if number % 2 else "s__slow", number)
        await w.until(lambda: stats(w).in_flight == 0)
        assert "result" in await client.request("tools/call", {"name": "s__echo"})


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_each_of_100_calls_gets_its_own_progress_before_its_own_answer(
    way: tuple[str, str], client_era: str
) -> None:
    with anyio.fail_after(2 * PATIENCE):
        async with behind(*way) as w, piped(w, client_era) as client:
            asked = {
                client.call(
                    "talk__progress" if number % 2 else "talk__was_cancelled",
                    meta={"progressToken": f"t{number}"} if number % 2 else None,
                    nonce=f"n{number}",
                ): number
                for number in range(100)
            }
            for one, number in asked.items():
                answer = (await client.answer(one))["result"]["content"][0]["text"]
                assert answer == ("three steps" if number % 2 else "unknown")
            assert Counter(message["id"] for message in client.messages if message.get("id") in asked) == Counter(
                dict.fromkeys(asked, 1)
            )
            heard: dict[str, list[str]] = {f"t{number}": [] for number in range(1, 100, 2)}
            for message in client.messages:
                if message.get("method") == "notifications/progress":
                    heard[message["params"]["progressToken"]].append(message["params"]["message"])
                elif asked.get(message.get("id", 0), 0) % 2:
                    number = asked[message["id"]]
                    assert heard[f"t{number}"] == [f"n{number} {step}" for step in (1, 2, 3)]
            await all_over(w)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_each_of_100_calls_over_http_gets_its_own_progress(way: tuple[str, str], client_era: str) -> None:
    with anyio.fail_after(2 * PATIENCE):
        async with behind(*way) as w, w.client(client_era, "http") as client:

            async def call(number: int) -> None:
                heard: list[str] = []

                async def told(progress: float, total: float | None, message: str | None) -> None:
                    heard.append(message or "")

                if not number % 2:
                    result = await client.call_tool("talk__was_cancelled", {"nonce": f"n{number}"})
                    assert result.content[0].text == "unknown"  # type: ignore[union-attr]
                    return
                result = await client.call_tool("talk__progress", {"nonce": f"n{number}"}, progress_callback=told)
                assert result.content[0].text == "three steps"  # type: ignore[union-attr]
                await w.until(lambda: len(heard) >= 3)
                assert sorted(heard) == [f"n{number} {step}" for step in (1, 2, 3)]

            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(call, number)
            await all_over(w)


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_a_server_that_is_killed_ends_each_call_once_and_runs_none_twice(
    over: str, client_era: str, server_era: str, tmp_path: Path
) -> None:
    name = "block" if over == "stdio" else "count"
    delays = {} if over == "stdio" else {"tools/call count": SLOW}
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site(over, tmp_path, era=server_era, delay_on=delays) as srv,
            world(more={"srv": srv.config}) as w,
            piped(w, client_era) as client,
        ):
            await w.until_ready()
            await client.works("srv__echo")
            started = stats(w).started
            calls = [client.call(f"srv__{name}", n=number, seconds=PATIENCE) for number in range(20)]
            await w.until(lambda: stats(w).started == started + 20)
            if srv.office is not None:
                await srv.office.proxy.cut()
            else:
                await w.until(lambda: srv.transcript.ran(name) > 0)
                (*_, pid) = [one["pid"] for one in srv.transcript.messages if one["method"] == "started"]
                os.kill(pid, signal.SIGKILL)
            told = [(await client.answer(number)).get("error", {}).get("code") for number in calls]
            if over == "stdio":
                assert told == [OUTCOME_UNKNOWN] * 20
            else:  # those that were just about to be sent never arrived, and are sent again
                assert OUTCOME_UNKNOWN in told
                assert set(told) <= {OUTCOME_UNKNOWN, None}
            await until_it_works(client)
            if srv.office is not None:
                await anyio.sleep(2 * SLOW)  # what was cut off goes on until then
            ran = [one["params"]["arguments"]["n"] for one in srv.transcript.messages if is_call(one, name)]
            assert len(ran) == len(set(ran))
            assert [len(client.answers(number)) for number in calls] == [1] * 20
            await all_over(w)


def is_call(message: Json, name: str) -> bool:
    return message.get("method") == "tools/call" and message["params"]["name"] == name


async def until_it_works(client: Piped) -> None:
    """Call until it works; the test bounds how long."""
    while "error" in await client.answer(client.call("srv__echo")):
        await anyio.sleep(0.02)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_call_that_takes_longer_than_it_goes_without_a_task_is_answered(
    way: tuple[str, str], client_era: str, tmp_path: Path
) -> None:
    """Over every front at once, and more than one on each."""
    async with AsyncExitStack() as stack:
        w = await stack.enter_async_context(scene(way, tmp_path))
        pipe = await stack.enter_async_context(piped(w, client_era))
        http = await stack.enter_async_context(raw_client(w.port, client_era))
        is_sse = client_era == "handshake"
        sse = await stack.enter_async_context(w.client(client_era, "sse")) if is_sse else None
        answers: list[Json] = []

        async def call() -> None:
            answers.append(await http.request("tools/call", {"name": "s__long"}))

        for _ in range(3):  # over HTTP the first of a session takes another way
            assert "result" in await http.request("tools/call", {"name": "s__echo"})
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            numbers = [pipe.call("s__long") for _ in range(3)]
            if sse is not None:
                assert not (await sse.call_tool("s__long")).is_error
            answers += [await pipe.answer(number) for number in numbers]
        assert len(answers) == 6
        assert all(json.loads(one["result"]["content"][0]["text"])["tool"] == "long" for one in answers)


@pytest.mark.parametrize("front", ["pipe", "http"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_deadline_counts_from_when_the_call_was_sent(
    way: tuple[str, str], front: str, client_era: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        w = await stack.enter_async_context(scene(way, tmp_path, SHORT))
        client: Any = await stack.enter_async_context(
            piped(w, client_era) if front == "pipe" else raw_client(w.port, client_era)
        )
        for _ in range(3):
            assert "result" in await client.request("tools/call", {"name": "s__echo"})
        sent = anyio.current_time()
        answer = await client.request("tools/call", {"name": "s__never"})
        taken = anyio.current_time() - sent
        assert answer["error"]["code"] == DEADLINE_EXCEEDED
        assert SHORT - 0.05 < taken < SHORT + 0.75
        assert "result" in await client.request("tools/call", {"name": "s__echo"})


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_a_client_that_reads_late_gets_all_its_answers(
    over: str, client_era: str, server_era: str, tmp_path: Path
) -> None:
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site(over, tmp_path, era=server_era) as srv,
            world(more={"srv": srv.config}) as w,
            piped(w, client_era) as client,
            piped(w, client_era) as other,
        ):
            await w.until_ready()
            await client.works("srv__echo")
            client.reader.pause(True)
            known = len(client.messages)
            calls = [client.call("srv__big", size=100_000 + number) for number in range(60)]
            await w.until(lambda: srv.transcript.ran("big") == 60)
            await other.works("srv__echo")
            assert len(client.messages) - known < 60, "it would not show anything"
            client.reader.pause(False)
            for number, one in enumerate(calls):
                assert len((await client.answer(one))["result"]["content"][0]["text"]) == 100_000 + number
            assert all(len(client.answers(one)) == 1 for one in calls)
            await all_over(w)


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_clients_over_http_that_read_late_get_all_of_their_answers(
    over: str, server_era: str, tmp_path: Path
) -> None:
    size = 5_000_000
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site(over, tmp_path, era=server_era) as srv,
            world(more={"srv": srv.config}) as w,
            plain(w) as http,
            raw_client(w.port, "stateless") as other,
            AsyncExitStack() as stack,
        ):
            await w.until_ready()
            sent = partial(http.stream, "POST", "/mcp", headers=headers("srv__big"))
            late = [
                await stack.enter_async_context(sent(content=body("srv__big", number, size=size + number)))
                for number in range(1, 5)
            ]
            assert "result" in await other.request("tools/call", {"name": "srv__echo"})
            for number, response in enumerate(late, 1):
                answer = json.loads(await response.aread())
                assert answer["id"] == number
                assert len(answer["result"]["content"][0]["text"]) == size + number
            await all_over(w)


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["answered", "cancelled"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_two_requests_with_one_id_do_no_harm_to_others(
    way: tuple[str, str], is_cancelled: bool, client_era: str, tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w, piped(w, client_era) as other:
        await other.works("s__echo")
        async with piped(w, client_era) as client:
            await client.works("s__echo")
            twice = 1_000
            client.call("s__slow", twice, n=1)
            client.call("s__slow", twice, n=2)
            calls = {client.call("s__slow", twice + n, n=n): n for n in range(3, 13)}
            others = {other.call("s__slow", twice + n, n=-n): -n for n in range(13)}
            if is_cancelled:
                client.cancel(twice)
            for whose, asked in ((client, calls), (other, others)):
                for one, n in asked.items():
                    said = json.loads((await whose.answer(one))["result"]["content"][0]["text"])
                    assert said["arguments"] == {"n": n}
            await w.until(lambda: stats(w).in_flight == 0)
            assert len(client.answers(twice)) <= (1 if is_cancelled else 2)
            await client.works("s__echo")
        await other.works("s__echo")


@pytest.mark.parametrize("is_killed", [False, True], ids=["eof", "killed"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_of_two_requests_with_one_id_none_is_left_behind_by_a_client_that_hangs_up(
    way: tuple[str, str], is_killed: bool, client_era: str, tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w:
        async with piped(w, client_era) as client:
            await client.works("s__echo")
            before = stats(w).started
            client.call("s__never", 1_000)
            client.call("s__never", 1_000)
            await w.until(lambda: stats(w).started == before + 2)
            await client.hang_up(is_killed=is_killed)
            await w.until(lambda: stats(w).in_flight == 0)
        async with piped(w, client_era) as other:
            await other.works("s__echo")


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_cancel_over_http_in_a_session_ends_its_call_alone(way: tuple[str, str], tmp_path: Path) -> None:
    async with scene(way, tmp_path) as w, w.client("handshake", "http") as client:
        for _ in range(3):
            await client.call_tool("s__echo")
        async with anyio.create_task_group() as tasks:

            async def never() -> None:
                with suppress(MCPError):
                    await client.call_tool("s__never")

            before = stats(w).started
            for _ in range(10):
                tasks.start_soon(never)
            await w.until(lambda: stats(w).started == before + 10)
            tasks.cancel_scope.cancel()
        await w.until(lambda: stats(w).in_flight == 0)
        await client.call_tool("s__echo")


async def test_a_call_whose_session_ends_meanwhile_goes_on(tmp_path: Path) -> None:
    """As any call of the handshake era whose client hangs up; it may have done its work by then."""
    async with (
        scene(("stdio", "handshake"), tmp_path) as w,
        raw_client(w.port, "handshake") as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(3):
            assert "result" in await client.request("tools/call", {"name": "s__echo"})
        started, answered = stats(w).started, stats(w).answered

        async def call() -> None:
            with suppress(AssertionError):  # whether it is answered is not what this is about
                await client.request("tools/call", {"name": "s__long"})

        tasks.start_soon(call)
        await w.until(lambda: stats(w).started == started + 1)
        await client.leave()
        await w.until(lambda: stats(w).in_flight == 0)
        tasks.cancel_scope.cancel()

        assert stats(w).answered == answered + 1
        assert Transcript(tmp_path / "s.transcript").count("notifications/cancelled") == 0
