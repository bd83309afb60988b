"""Calls over HTTP that are answered beside the SDK, and what becomes of those that turn out not to be that simple."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import SocketStream

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import AnswerError
from magictunnel.front import events as front_events
from magictunnel.front import http
from magictunnel.front.carried import Carried
from magictunnel.front.http import listen_on, serve_http
from magictunnel.front.server import FrontServer
from magictunnel.pipeline.call import Call
from tests.support.front import PlayedSource
from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, text, tool
from tests.support.rawclient import local_http
from tests.support.wires import own_wire

pytestmark = [pytest.mark.anyio, own_wire]

PATIENCE = 15.0
OFFERS = Listing({Kind.TOOL: [tool("x")]}, capabilities={"logging": {}})
PROGRESS: Json = {"progressToken": 1, "progress": 1}


class Stage:
    """A front over HTTP whose calls do what a test says."""

    def __init__(self, port: int, http: httpx2.AsyncClient) -> None:
        self.port = port
        self.http = http
        self.session = ""

    def sent(self, method: str, params: Json, number: Any = 1) -> tuple[dict[str, str], bytes]:
        """Head and body of a request, in the era of this client."""
        headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        if self.session:
            headers |= {"mcp-session-id": self.session, "mcp-protocol-version": HANDSHAKE}
        else:
            headers |= {"mcp-protocol-version": STATELESS, "mcp-method": method, "mcp-name": params.get("name", "")}
            own = {VERSION_KEY: STATELESS, "io.modelcontextprotocol/clientCapabilities": {}}
            params = params | {"_meta": own | params.get("_meta", {})}
        message: Json = {"jsonrpc": "2.0", "method": method, "params": params}
        return headers, json.dumps(message if number is None else message | {"id": number}).encode()

    async def post(self, method: str, params: Json, number: Any = 1) -> httpx2.Response:
        headers, body = self.sent(method, params, number)
        return await self.http.post("/mcp", headers=headers, content=body)

    async def call(self, number: Any = 1, **meta: Any) -> httpx2.Response:
        return await self.post("tools/call", {"name": "a__x", "_meta": meta} if meta else {"name": "a__x"}, number)

    async def open(self) -> None:
        """Shake hands; and let one call pass by the SDK, as the first of a session does."""
        about = {"name": "raw", "version": "1"}
        params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": about}
        headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        self.session = (await self.http.post("/mcp", headers=headers, json=message)).headers["mcp-session-id"]
        await self.post("notifications/initialized", {}, None)
        await self.post("tools/list", {})


@asynccontextmanager
async def stage(answer: Any, *, era: str, idle: float = 60.0) -> AsyncIterator[Stage]:
    source = PlayedSource(answer=answer)
    source.live.replace("a", OFFERS)
    listener = listen_on("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_http, FrontServer(source), listener, idle)
            limits = httpx2.Limits(max_connections=8)
            async with local_http(port, timeout=PATIENCE, limits=limits) as http:
                client = Stage(port, http)
                if era == "handshake":
                    await client.open()
                yield client
            tasks.cancel_scope.cancel()


def events(response: httpx2.Response) -> list[Json]:
    """The messages of a stream of events."""
    lines = (line[5:] for line in response.text.split("\n") if line.startswith("data:"))
    return [json.loads(line) for line in lines if line.strip()]


def is_json(response: httpx2.Response) -> bool:
    return response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_call_that_just_ends_has_one_json_answer(era: str) -> None:
    async with stage(text("hello", odd=[1, None]), era=era) as client:
        response = await client.call(number="seven")

        assert is_json(response)
        assert response.json()["id"] == "seven"
        assert response.json()["result"]["odd"] == [1, None]
        assert response.headers.get("mcp-session-id", "") == client.session


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_call_that_tells_something_first_becomes_a_stream_of_events(era: str) -> None:
    async def handle(call: Call) -> Json:
        for number in range(3):
            await call.caller.back.tell("notifications/progress", PROGRESS | {"progress": number})
        return text("done")

    async with stage(handle, era=era) as client:
        told = events(await client.call(progressToken="t"))

        assert [message["params"]["progress"] for message in told[:-1]] == [0, 1, 2]
        assert {message["params"]["progressToken"] for message in told[:-1]} == {"t"}
        assert told[-1]["id"] == 1
        assert told[-1]["result"]["content"][0]["text"] == "done"


async def test_a_call_of_a_session_that_takes_long_becomes_a_stream_that_can_be_taken_up() -> None:
    async def handle(_call: Call) -> Json:
        await anyio.sleep(1.3)
        return text("late")

    async with stage(handle, era="handshake") as client:
        response = await client.call()

        assert response.headers["content-type"].startswith("text/event-stream")
        assert "id: " in response.text
        assert events(response)[-1]["result"]["content"][0]["text"] == "late"


async def test_a_call_that_was_let_go_can_be_taken_up_on_the_connection_that_it_came_on() -> None:
    """Whose stream a server ends before the answer; see `Back.let_go`."""
    taken_up = anyio.Event()

    async def handle(call: Call) -> Json:
        await call.caller.back.let_go()
        await taken_up.wait()
        return text("late")

    async with stage(handle, era="handshake") as client:
        only = httpx2.Limits(max_connections=1)
        async with local_http(client.port, timeout=PATIENCE, limits=only) as client.http:
            response = await client.call()
            last = [line[3:].strip() for line in response.text.split("\n") if line.startswith("id:")][-1]
            headers = client.sent("tools/call", {})[0] | {"last-event-id": last}
            async with client.http.stream("GET", "/mcp", headers=headers) as stream:
                taken_up.set()
                await stream.aread()  # to its end: there is nothing more to come
            again = await client.http.get("/mcp", headers=headers)

    assert events(response) == []
    for told in (stream, again):
        assert [message["result"]["content"][0]["text"] for message in events(told)] == ["late"]


async def test_a_stream_that_is_taken_up_ends_with_its_session() -> None:
    async def handle(call: Call) -> Json:
        await call.caller.back.let_go()
        await anyio.sleep_forever()
        return {}

    async with stage(handle, era="handshake") as client:
        response = await client.call()
        last = [line[3:].strip() for line in response.text.split("\n") if line.startswith("id:")][-1]
        headers = client.sent("tools/call", {})[0]
        async with client.http.stream("GET", "/mcp", headers=headers | {"last-event-id": last}) as stream:
            await client.http.delete("/mcp", headers=headers)
            await stream.aread()

    assert events(stream) == []


HALF, MENDED = "cut \ud83d", "cut \ufffd"


def nested(levels: int) -> Any:
    """A list in a list, so many of them."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_half_a_character_harms_no_stream_of_events(era: str) -> None:
    async def handle(call: Call) -> Json:
        await call.caller.back.tell("notifications/progress", PROGRESS | {"message": HALF})
        return text(HALF)

    async with stage(handle, era=era) as client:
        told, answer = events(await client.call(progressToken="t"))

    assert told["params"]["message"] == MENDED
    assert answer["result"]["content"][0]["text"] == MENDED


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_what_nobody_can_write_is_an_error_and_no_stream_without_an_answer(era: str) -> None:
    async def handle(call: Call) -> Json:
        await call.caller.back.tell("notifications/progress", PROGRESS | {"odd": nested(300)})
        await call.caller.back.tell("notifications/progress", PROGRESS)
        return text("x", odd=nested(300))

    async with stage(handle, era=era) as client:
        told, answer = events(await client.call(progressToken="t"))

    assert "odd" not in told["params"]
    assert "nested too deep" in answer["error"]["message"]


async def test_an_error_with_half_a_character_is_told() -> None:
    async def handle(call: Call) -> Json:
        await call.caller.back.tell("notifications/progress", PROGRESS)
        raise AnswerError(-32000, HALF, {"more": HALF})

    async with stage(handle, era="handshake") as client:
        answer = events(await client.call(progressToken="t"))[-1]

    assert answer["error"]["code"] == -32000
    assert MENDED in answer["error"]["message"]
    assert answer["error"]["data"] == {"more": MENDED}


@pytest.mark.parametrize(("levels", "is_called"), [(150, True), (230, False)])
async def test_what_the_sdk_could_not_carry_on_is_not_begun(levels: int, is_called: bool) -> None:
    called: list[str] = []

    async def handle(call: Call) -> Json:
        called.append(call.name)
        await call.caller.back.tell("notifications/progress", PROGRESS)
        return text("done")

    async with stage(handle, era="handshake") as client:
        params = {"name": "a__x", "arguments": {"deep": nested(levels)}, "_meta": {"progressToken": "t"}}
        response = await client.post("tools/call", params)

    assert response.status_code == (200 if is_called else 400)
    assert bool(called) == is_called


async def test_a_question_reaches_the_client_of_the_call_and_its_answer_comes_back() -> None:
    async def handle(call: Call) -> Json:
        return {"answer": await call.caller.back.ask("roots/list", {})}

    async with stage(handle, era="handshake") as client:
        headers, body = client.sent("tools/call", {"name": "a__x"})
        async with client.http.stream("POST", "/mcp", headers=headers, content=body) as response:
            lines = response.aiter_lines()
            question = await data_of(lines)
            answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}}
            await client.http.post("/mcp", headers=headers, json=answer)
            told = await data_of(lines)

        assert question["method"] == "roots/list"
        assert told["result"] == {"answer": {"roots": []}}


async def data_of(lines: AsyncIterator[str]) -> Json:
    """The next message of a stream of events."""
    async for line in lines:
        if line.startswith("data:") and line[5:].strip():
            return dict(json.loads(line[5:]))
    raise AssertionError("the stream has ended")


class Hang:
    """A call that never ends by itself."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.cancelled = anyio.Event()

    async def __call__(self, _call: Call) -> Json:
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled.set()
        return {}


async def test_a_client_that_goes_in_the_step_in_which_its_call_is_handed_over_is_waited_for_by_nobody() -> None:
    carried = Carried(asyncio.get_running_loop().create_future)
    carried.task = task = asyncio.get_running_loop().create_task(anyio.sleep_forever())
    carried.hand_over()

    carried.client_gone()
    with anyio.fail_after(PATIENCE):
        await asyncio.wait([task])
    assert task.cancelled()


async def test_a_session_can_cancel_its_call() -> None:
    hang = Hang()
    async with stage(hang, era="handshake") as client, anyio.create_task_group() as tasks:
        found: list[httpx2.Response] = []

        async def call() -> None:
            found.append(await client.call(number=9))

        tasks.start_soon(call)
        await hang.begun.wait()
        await client.post("notifications/cancelled", {"requestId": 9}, None)
        await hang.cancelled.wait()

    assert found[0].json()["error"]["code"] == -32800


COMPLETED, COMPLETE_PARAMS = "notifications/elicitation/complete", {"elicitationId": "e1"}


@pytest.mark.parametrize("ending", ["an error", "a result", "a cancel"])
async def test_what_a_server_says_after_a_call_goes_to_its_session_and_makes_the_call_no_second_time(
    ending: str,
) -> None:
    """As when somebody has been where the error of a call has sent them."""
    calls: list[Call] = []
    begun, answered = anyio.Event(), anyio.Event()

    async def handle(call: Call) -> Json:
        calls.append(call)
        begun.set()
        if ending == "a cancel":
            await anyio.sleep_forever()
        if ending == "an error":
            raise AnswerError(-32042, "go there first", {"elicitations": []})
        return text("done")

    async with stage(handle, era="handshake") as client, anyio.create_task_group() as tasks:
        headers, _ = client.sent("tools/call", {})

        async def make() -> None:
            assert is_json(await client.call(9))
            answered.set()

        async with client.http.stream("GET", "/mcp", headers=headers) as news:
            tasks.start_soon(make)
            await begun.wait()
            if ending == "a cancel":
                await client.post("notifications/cancelled", {"requestId": 9}, None)
            await answered.wait()

            (call,) = calls
            await call.caller.back.tell(COMPLETED, COMPLETE_PARAMS)
            told = await data_of(news.aiter_lines())
            with anyio.move_on_after(0.05):
                await call.caller.back.ask("roots/list", {})
            assert (await client.post("tools/list", {}, 10)).json()["id"] == 10

    assert (told["method"], told["params"]) == (COMPLETED, COMPLETE_PARAMS)
    assert calls == [call]


async def test_a_client_that_reads_slowly_is_answered_once() -> None:
    """Its call is over, however long it takes to read the answer."""
    async with stage(text("x" * 16_000_000), era="handshake") as client:
        stream = await connected(client, "first")
        async with stream:
            await anyio.sleep(1.4)  # longer than a call may last before it becomes a stream of events
            received = bytearray()
            while b'"id":"first"' not in received:
                received += await stream.receive()
            await stream.send(request_of(client, "second"))
            while b'"id":"second"' not in received:
                received += await stream.receive()

    assert received.count(b"HTTP/1.1 200") == 2
    assert b"text/event-stream" not in received


async def connected(client: Stage, number: Any = 1) -> SocketStream:
    """A connection over which a call has been sent."""
    stream = await anyio.connect_tcp("127.0.0.1", client.port)
    await stream.send(request_of(client, number))
    return stream


def request_of(client: Stage, number: Any) -> bytes:
    headers, body = client.sent("tools/call", {"name": "a__x"}, number)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    start = ["POST /mcp HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    return "\r\n".join([*start, *lines, "", ""]).encode() + body


async def test_a_head_that_comes_byte_by_byte_may_take_no_longer_than_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "_KEEP_ALIVE", 0.5)
    async with stage(text("hello"), era="stateless") as client, anyio.create_task_group() as tasks:
        stream = await anyio.connect_tcp("127.0.0.1", client.port)

        async def dribble() -> None:
            for byte in request_of(client, 1):
                await stream.send(bytes([byte]))
                await anyio.sleep(0.1)

        async with stream:
            tasks.start_soon(dribble)
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            tasks.cancel_scope.cancel()


async def test_in_the_stateless_era_hanging_up_cancels_the_call() -> None:
    hang = Hang()
    async with stage(hang, era="stateless") as client:
        stream = await connected(client)
        await hang.begun.wait()
        await stream.aclose()
        await hang.cancelled.wait()


async def test_a_session_that_hangs_up_has_its_call_go_on() -> None:
    done = anyio.Event()
    begun = anyio.Event()

    async def handle(_call: Call) -> Json:
        begun.set()
        await anyio.sleep(1.2)
        done.set()
        return {}

    async with stage(handle, era="handshake") as client:
        stream = await connected(client)
        await begun.wait()
        await stream.aclose()
        await done.wait()


async def test_requests_that_are_sent_without_waiting_are_answered_in_order() -> None:
    async def handle(_call: Call) -> Json:
        await anyio.sleep(0.05)
        return text("hello")

    async with stage(handle, era="stateless") as client:
        stream = await anyio.connect_tcp("127.0.0.1", client.port)
        async with stream:
            await stream.send(request_of(client, 1) + request_of(client, 2))
            await stream.send(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" + request_of(client, 3))
            received = b""
            while b'"id":3' not in received:
                received += await stream.receive()

    order = [received.index(part) for part in (b'"id":1', b'"id":2', b'{"status":"ok"}', b'"id":3')]
    assert order == sorted(order)


async def test_a_session_that_only_makes_hot_calls_does_not_seem_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is any of its calls answered with a stream, whose answer would be kept for whoever takes that up again."""
    monkeypatch.setattr(front_events, "_BESIDE", 0.2)
    async with stage(text("hello"), era="handshake", idle=1.0) as client:
        for _ in range(12):
            response = await client.call()
            assert (response.status_code, is_json(response)) == (200, True)
            await anyio.sleep(0.2)
        await anyio.sleep(1.7)
        assert (await client.call()).status_code == 404


async def test_an_id_that_cannot_be_written_is_no_reason_to_hang() -> None:
    async with stage(text("hello"), era="stateless") as client:
        headers, body = client.sent("tools/call", {"name": "a__x"})
        response = await client.http.post("/mcp", headers=headers, content=body.replace(b'"id": 1', b'"id": "\\ud800"'))

        assert response.status_code in (200, 400)
        assert (await client.call()).json()["result"]


@pytest.mark.parametrize(
    "message", [b'{"jsonrpc":"2.0","id":1,"method":[]}', b"[]", b"{", b'{"id":1,"method":"tools/call"}']
)
async def test_what_is_no_request_is_refused(message: bytes) -> None:
    async with stage(text("hello"), era="stateless") as client:
        headers, _ = client.sent("tools/call", {"name": "a__x"})

        assert (await client.http.post("/mcp", headers=headers, content=message)).status_code == 400


@pytest.mark.parametrize("start", [b"", b"\r\n\r\n"])
async def test_what_waits_behind_a_large_request_stays_in_order(start: bytes) -> None:
    """Uvicorn stops reading for a large body and goes on by itself; what had come by then is not to be overtaken."""
    async with stage(text("hello"), era="stateless") as client:
        large = request_of(client, 1).replace(
            b"mcp-method: tools/call\r\n", b"mcp-method: tools/call\r\norigin: http://localhost:1\r\n"
        )
        head, _, body = large.partition(b"\r\n\r\n")
        filled = body.replace(b'"name": "a__x"', b'"name": "a__x", "arguments": {"x": "' + b"x" * 200_000 + b'"}')
        large = head.replace(b"%d" % len(body), b"%d" % len(filled)) + b"\r\n\r\n" + filled
        for _ in range(5):
            stream = await anyio.connect_tcp("127.0.0.1", client.port)
            async with stream:
                await stream.send(start + large + request_of(client, 2))
                for number in range(3, 20):
                    await stream.send(request_of(client, number))
                received = b""
                while b'"id":19,' not in received:
                    received += await stream.receive()
            order = [received.index(b'"id":%d,' % number) for number in range(1, 20)]
            assert order == sorted(order)
