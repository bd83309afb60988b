"""A client of raw JSON-RPC, in either era, over stdio, streamable HTTP or SSE: what it gets is what was sent.

No MCP library and no model of a result stands in between, so a field that nobody knows counts like any other.
It asks one thing at a time.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Protocol

import anyio
import httpx2
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

Json = dict[str, Any]
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
META = "io.modelcontextprotocol/"
CLIENT_INFO = {"name": "raw", "version": "1"}
PATIENCE = 60.0
"""Seconds that one answer may take."""
LONGEST = 64 * 1024 * 1024
"""Bytes in one line."""
_LEAVE = 5.0
"""Seconds that a server may take to leave once its stdin is closed."""
_NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class Wire(Protocol):
    """Carries JSON-RPC messages; `headers` matter over HTTP alone."""

    async def send(self, message: Json, headers: Mapping[str, str]) -> None: ...

    async def receive(self) -> Json: ...


class RawClient:
    """One client of one server. `capabilities` is what it says it can do when it is asked back."""

    def __init__(self, wire: Wire, era: str, capabilities: Json) -> None:
        self._wire = wire
        self._era = era
        self._capabilities = capabilities
        self._last = 0

    async def open(self) -> None:
        """Shake hands, where the era wants it."""
        if self._era == "stateless":
            return
        answer = await self.ask(
            "initialize",
            {"protocolVersion": HANDSHAKE, "capabilities": self._capabilities, "clientInfo": CLIENT_INFO},
        )
        assert answer["result"]["protocolVersion"] == HANDSHAKE, answer
        await self._send({"method": "notifications/initialized"})

    async def ask(self, method: str, params: Json | None = None) -> Json:
        """The answer as it came, `{"result": ...}` or `{"error": ...}`; progress that came before it under `told`."""
        told: list[Json] = []
        again: Json = {}
        with anyio.fail_after(PATIENCE):
            while True:
                answer = await self._exchange(method, dict(params or {}) | again, told)
                asked = answer.get("result", {})
                if asked.get("resultType") != "input_required":
                    break
                again = {key: asked[key] for key in ("requestState",) if key in asked}
                questions = asked.get("inputRequests", {})
                again["inputResponses"] = {key: self._answer(one["method"]) for key, one in questions.items()}
        found: Json = {key: answer[key] for key in ("result", "error") if key in answer}
        return found | {"told": told} if told else found

    async def _exchange(self, method: str, params: Json, told: list[Json]) -> Json:
        self._last += 1
        if self._era == "stateless":
            params = params | {"_meta": self._envelope() | params.get("_meta", {})}
        await self._send({"id": self._last, "method": method, "params": params})
        while (answer := await self._wire.receive()).get("id") != self._last or "method" in answer:
            await self._hear(answer, told)
        return answer

    def _answer(self, method: str) -> Json:
        """What it answers when it is asked by an answer."""
        return {"roots": []} if method == "roots/list" else {"action": "cancel"}

    async def all(self, method: str, key: str) -> list[Json]:
        """Every page of a list."""
        found: list[Json] = []
        params: Json = {}
        while True:
            answer = await self.ask(method, params)
            if answer.get("error", {}).get("code") == -32601:
                return found
            found += answer["result"][key]
            if not answer["result"].get("nextCursor"):
                return found
            params = {"cursor": answer["result"]["nextCursor"]}

    async def _hear(self, message: Json, told: list[Json]) -> None:
        if message.get("method") == "notifications/progress":
            told.append(message["params"])
        if "id" not in message or "method" not in message:
            return
        refusal = {"error": {"code": -32601, "message": "Method not found"}}
        known: dict[str, Json] = {"ping": {"result": {}}, "roots/list": {"result": {"roots": []}}}
        await self._send({"id": message["id"]} | known.get(message["method"], refusal))

    async def _send(self, message: Json) -> None:
        await self._wire.send({"jsonrpc": "2.0"} | message, self._headers(message))

    def _envelope(self) -> Json:
        return {
            META + "protocolVersion": STATELESS,
            META + "clientInfo": CLIENT_INFO,
            META + "clientCapabilities": self._capabilities,
        }

    def _headers(self, message: Json) -> Json:
        method = message.get("method", "")
        if self._era == "handshake":
            return {} if method == "initialize" else {"MCP-Protocol-Version": HANDSHAKE}
        headers = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method}
        if method in _NAMES:
            headers["Mcp-Name"] = message["params"][_NAMES[method]]
        return headers


class _StdioWire:
    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def send(self, message: Json, headers: Mapping[str, str]) -> None:
        await self._stdin.send(json.dumps(message).encode() + b"\n")

    async def receive(self) -> Json:
        return _object(await self._lines.receive_until(b"\n", LONGEST))


class _HttpWire:
    """Streamable HTTP: the answer to each request is read as it comes, so that a question in its midst is heard."""

    def __init__(self, http: httpx2.AsyncClient, url: str, stack: AsyncExitStack) -> None:
        self._http, self._url, self._stack = http, url, stack
        self._session: Json = {}
        self._incoming: AsyncIterator[Json] | None = None

    async def send(self, message: Json, headers: Mapping[str, str]) -> None:
        accept = {"Accept": "application/json, text/event-stream"}
        request = self._http.build_request(
            "POST", self._url, json=message, headers=accept | self._session | dict(headers)
        )
        response = await self._http.send(request, stream=True)
        if session := response.headers.get("mcp-session-id"):
            self._session = {"Mcp-Session-Id": session}
        if "method" in message and "id" in message:
            await self._stack.aclose()
            self._stack.push_async_callback(response.aclose)
            self._incoming = await self._stack.enter_async_context(aclosing(_messages(response)))
        else:
            await response.aclose()

    async def receive(self) -> Json:
        assert self._incoming is not None
        return await anext(self._incoming)


class _SseWire:
    """HTTP+SSE: one stream for all that comes."""

    def __init__(self, http: httpx2.AsyncClient, url: str, events: AsyncIterator[tuple[str, str]]) -> None:
        self._http, self._url, self._events = http, url, events

    async def send(self, message: Json, headers: Mapping[str, str]) -> None:
        (await self._http.post(self._url, json=message)).raise_for_status()

    async def receive(self) -> Json:
        return _object((await anext(self._events))[1])


@asynccontextmanager
async def stdio_client(
    command: Sequence[str], env: Mapping[str, str], cwd: str, era: str, capabilities: Json
) -> AsyncIterator[RawClient]:
    """A client of the server that `command` starts."""
    process = await anyio.open_process(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd=cwd
    )
    try:
        client = RawClient(_StdioWire(process), era, capabilities)
        await client.open()
        yield client
    finally:
        with anyio.CancelScope(shield=True):
            await end(process)


@asynccontextmanager
async def http_client(url: str, era: str, capabilities: Json) -> AsyncIterator[RawClient]:
    """A client of a URL; one that ends in `/sse` is spoken to as the first revisions did."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=PATIENCE))
        if url.endswith("/sse"):
            response = await stack.enter_async_context(http.stream("GET", url))
            events = await stack.enter_async_context(aclosing(_events(response)))
            with anyio.fail_after(PATIENCE):
                _, place = await anext(events)
            wire: Wire = _SseWire(http, str(httpx2.URL(url).join(place)), events)
        else:
            wire = _HttpWire(http, url, await stack.enter_async_context(AsyncExitStack()))
        client = RawClient(wire, era, capabilities)
        await client.open()
        yield client


async def end(process: Process) -> None:
    """Close the stdin of a process, and see it leave; one that will not is killed."""
    if process.stdin is not None:
        with contextlib.suppress(OSError, anyio.BrokenResourceError):
            await process.stdin.aclose()
    with anyio.move_on_after(_LEAVE):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    await process.aclose()


async def _messages(response: httpx2.Response) -> AsyncGenerator[Json, None]:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        async with aclosing(_events(response)) as events:
            async for _, data in events:
                yield _object(data)
    else:
        yield _object(await response.aread())


async def _events(response: httpx2.Response) -> AsyncGenerator[tuple[str, str], None]:
    """`(event, data)` of each event. Only CR and LF end a line here: U+2028, say, is text."""
    fields: list[tuple[str, str]] = []
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (line.rstrip(b"\r").decode() for line in lines):
            if line:
                name, _, value = line.partition(":")
                fields.append((name, value.removeprefix(" ")))
                continue
            found, fields = dict(fields), []
            if data := found.get("data"):
                yield found.get("event", "message"), data


def _object(text: str | bytes) -> Json:
    message = json.loads(text)
    assert isinstance(message, dict), message
    return message
