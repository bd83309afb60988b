"""The cost of a `tools/call` through MagicTunnel, next to the same call without it: p50 in ms, and as a ratio.

Raw client and raw server, so that neither hides the gateway; rounds of all systems interleave. Run `make bench`.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, Script, command, tool

ROUNDS, CALLS, WARM_UP = 9, 40, 20
CLIENT = {"name": "bench", "version": "1"}
ENVELOPE = {
    VERSION_KEY: STATELESS,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}
INITIALIZE = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": CLIENT}

Request = Callable[[str, dict[str, Any]], dict[str, Any]]


@contextmanager
def over_stdio(words: list[str], era: str) -> Iterator[Request]:
    """A client on the stdin and stdout of a process."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin
    assert process.stdout
    number = 0

    def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
        nonlocal number
        number += 1
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": _params(params, era)}
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        while (answer := json.loads(process.stdout.readline())).get("id") != number:
            pass
        return answer

    if era == "handshake":
        request("initialize", INITIALIZE)
        process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    try:
        yield request
    finally:
        process.stdin.close()
        process.wait(10)


@contextmanager
def over_http(words: list[str], era: str, port: int) -> Iterator[Request]:
    """A client with one keep-alive connection to `/mcp` of a process."""
    process = subprocess.Popen(
        [*words, "--http", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    connection = _connected(port)
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    number = 0

    def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
        nonlocal number
        number += 1
        if era == "stateless":
            headers.update(
                {"MCP-Protocol-Version": STATELESS, "Mcp-Method": method, "Mcp-Name": params.get("name", "")}
            )
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": _params(params, era)}
        connection.request("POST", "/mcp", json.dumps(message), headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        if session := answer.headers.get("mcp-session-id"):
            headers["mcp-session-id"] = session
        data = next((line[5:] for line in body.splitlines() if line.startswith("data:") and len(line) > 8), body)
        return json.loads(data) if data.strip() else {}

    try:
        if era == "handshake":
            request("initialize", INITIALIZE)
            message = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
            connection.request("POST", "/mcp", message, headers)
            connection.getresponse().read()
        yield request
    finally:
        process.terminate()
        process.wait(10)


def _connected(port: int) -> http.client.HTTPConnection:
    deadline = time.monotonic() + 20
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return connection


def _params(params: dict[str, Any], era: str) -> dict[str, Any]:
    return params | {"_meta": ENVELOPE} if era == "stateless" else params


def measure(request: Request, name: str, calls: int) -> float:
    """The median of `calls` calls, in milliseconds."""
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        answer = request("tools/call", {"name": name, "arguments": {"text": "hello"}})
        taken.append(time.perf_counter() - started)
        assert "result" in answer, answer
    return statistics.median(taken) * 1000


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        script = Script(name="srv", offers={"tools": [tool(f"tool{number}") for number in range(50)]})
        server = command(script, Path(folder))
        config = Path(folder, "config.json")
        config.write_text(json.dumps({"mcpServers": {"srv": {"command": server[0], "args": server[1:]}}}))
        serve = [sys.executable, "-m", "magictunnel", "serve", "-c", str(config), "--log-level", "error"]
        os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
        systems = {
            "direct stdio": (over_stdio(server, "handshake"), "tool7"),
            "stdio → stdio, handshake": (over_stdio([*serve, "--stdio"], "handshake"), "srv__tool7"),
            "stdio → stdio, stateless": (over_stdio([*serve, "--stdio"], "stateless"), "srv__tool7"),
            "HTTP → stdio, handshake": (over_http(serve, "handshake", 8471), "srv__tool7"),
            "HTTP → stdio, stateless": (over_http(serve, "stateless", 8472), "srv__tool7"),
        }
        clients = {system: (stack.enter_context(client), name) for system, (client, name) in systems.items()}
        for request, name in clients.values():
            measure(request, name, WARM_UP)
        medians: dict[str, list[float]] = {system: [] for system in clients}
        for _ in range(ROUNDS):
            for system, (request, name) in clients.items():
                medians[system].append(measure(request, name, CALLS))
    direct = statistics.median(medians["direct stdio"])
    print(f"{'p50 of a tools/call':28} {'ms':>8} {'x direct':>9}")
    for system, found in medians.items():
        print(f"{system:28} {statistics.median(found):8.3f} {statistics.median(found) / direct:9.1f}")


if __name__ == "__main__":
    main()
