"""ContextForge: what it takes to have it relay, which its users set up through its API."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from benchmarks.wire.messages import Era
from benchmarks.wire.peers import CONTEXT_FORGE
from benchmarks.wire.place import HTTP, Launch, Pair, Place

EMAIL, PASSWORD = "admin@example.com", f"Aa1-{token_hex(12)}"
"""Of an instance that lives as long as its measurement, on loopback."""
PATIENCE = 60.0
SETTINGS = {
    "JWT_SECRET_KEY": token_hex(32),
    "AUTH_ENCRYPTION_SECRET": token_hex(32),
    "BASIC_AUTH_PASSWORD": PASSWORD,
    "PLATFORM_ADMIN_EMAIL": EMAIL,
    "PLATFORM_ADMIN_PASSWORD": PASSWORD,
    "PASSWORD_CHANGE_ENFORCEMENT_ENABLED": "false",
    "TOKEN_EXPIRY": "1440",
    "SSRF_PROTECTION_ENABLED": "false",
    "MCPGATEWAY_UI_ENABLED": "false",
    "MCPGATEWAY_ADMIN_API_ENABLED": "true",
    "LOG_LEVEL": "ERROR",
    "RATE_LIMITING_ENABLED": "false",  # or a hundred calls a minute are all it takes
    "TOOL_RATE_LIMIT": "100000000",
}


def forge(place: Place, *, is_stateful: bool) -> Launch | None:
    """It relays servers over HTTP in the handshake era; with sessions, or as it comes."""
    if place.pair != Pair(HTTP, HTTP, Era.HANDSHAKE):
        return None
    words = [CONTEXT_FORGE.program("mcpgateway"), "--host", "127.0.0.1", "--port", str(place.port)]
    env = SETTINGS | {"DATABASE_URL": f"sqlite:///{place.folder}/forge.db"}
    env["USE_STATEFUL_SESSIONS"] = str(is_stateful).lower()
    urls = [(one.alias, one.url) for one in place.behind]
    return Launch(words, env, prepare=lambda: register(place.port, urls))


def register(port: int, urls: Sequence[tuple[str, str]]) -> tuple[str, tuple[str, ...]]:
    """Log in, add the servers; the path to speak to, and the header to do it with. Raises OSError, ValueError."""
    token = ask(port, "POST", "/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"]
    header = f"Authorization: Bearer {token}"
    for alias, url in urls:
        ask(port, "POST", "/gateways", {"name": alias, "url": url, "transport": "STREAMABLEHTTP"}, header)
    return "/mcp/", (header,)


def ask(port: int, method: str, path: str, body: Any = None, header: str = "") -> Any:
    """One request of its API, again for as long as it is still starting."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _ask(port, method, path, body, header)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _ask(port: int, method: str, path: str, body: Any, header: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        headers = {"Content-Type": "application/json"}
        if header:
            headers["Authorization"] = header.partition(": ")[2]
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= 400:
        raise ValueError(f"{method} {path}: {answer.status}: {text[:200]}")
    return json.loads(text)
