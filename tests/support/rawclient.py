"""A client of our HTTP front without any MCP library: it sends what a test wants, and shows answers as they came."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, Json

VERSIONS = {"handshake": HANDSHAKE, "stateless": STATELESS}
_NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def local_http(port: int, **options: Any) -> httpx2.AsyncClient:
    """An HTTP client of what listens on this machine. It reads no certificates: that takes longer than most tests."""
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, **options)


class RawClient:
    """One client, in one era. `request` gives the whole JSON-RPC answer."""

    def __init__(self, http: httpx2.AsyncClient, era: str, capabilities: Json) -> None:
        self._http = http
        self._stateless = era == "stateless"
        self._version = VERSIONS[era]
        self._capabilities = capabilities
        self._session = ""
        self._ids = 0

    async def open(self) -> Json:
        """Shake hands, or discover; what the server says of itself."""
        if self._stateless:
            return dict((await self.request("server/discover", {}))["result"])
        about = {"name": "raw", "version": "1"}
        params = {"protocolVersion": self._version, "capabilities": self._capabilities, "clientInfo": about}
        answer = await self.request("initialize", params)
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return dict(answer["result"])

    async def request(self, method: str, params: Json | None = None, headers: Mapping[str, str] | None = None) -> Json:
        """The answer to one request: an object with `result` or `error`."""
        self._ids += 1
        sent = dict(params or {})
        if self._stateless:
            about = {"name": "raw", "version": "1"}
            envelope = {VERSION_KEY: self._version, "io.modelcontextprotocol/clientInfo": about}
            envelope["io.modelcontextprotocol/clientCapabilities"] = self._capabilities
            sent["_meta"] = sent.get("_meta", {}) | envelope
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": sent}
        return await self._post(message, headers or {})

    async def leave(self) -> None:
        """End the session."""
        headers = {"mcp-session-id": self._session, "mcp-protocol-version": self._version}
        await self._http.delete("/mcp", headers=headers)

    async def _post(self, message: Json, headers: Mapping[str, str] | None = None) -> Json:
        sent = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
        if message["method"] != "initialize":
            sent["mcp-protocol-version"] = self._version
        if self._session:
            sent["mcp-session-id"] = self._session
        if self._stateless:
            sent["mcp-method"] = message["method"]
            name = message["params"].get(_NAMES.get(message["method"], ""))
            if isinstance(name, str):
                sent["mcp-name"] = name if name.isascii() else f"=?base64?{b64encode(name.encode()).decode()}?="
        body = json.dumps(message).encode()
        response = await self._http.post("/mcp", content=body, headers=sent | dict(headers or {}))
        self._session = response.headers.get("mcp-session-id", self._session)
        if "id" not in message:
            return {}
        return _answer(response.text, message["id"])


def _answer(body: str, number: int) -> Json:
    """The answer with this id, in a body that is JSON or a stream of events."""
    if body.lstrip().startswith("{"):
        return dict(json.loads(body))
    for line in re.split(r"\r\n|\n|\r", body):  # not splitlines(): JSON may hold other kinds of line ends
        if line.startswith("data:") and line[5:].strip():
            message = json.loads(line[5:])
            if message.get("id") == number:
                return dict(message)
    raise AssertionError(f"no answer in {body!r}")


@asynccontextmanager
async def raw_client(port: int, era: str, capabilities: Json | None = None) -> AsyncIterator[RawClient]:
    """An open client of what listens at `port`."""
    async with local_http(port, timeout=15.0) as http:
        client = RawClient(http, era, capabilities or {})
        await client.open()
        yield client
