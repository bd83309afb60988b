"""What is measured, a row each: how it is started, and what it calls the tools of the servers behind it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.wire.forge import forge
from benchmarks.wire.messages import Era
from benchmarks.wire.peers import CONTEXT_FORGE, FASTMCP, MCP_PROXY, NPM, Group
from benchmarks.wire.place import HTTP, STDIO, Launch, Place, behind, entry

PREFIXED, PLAIN = "{alias}__{tool}", "{tool}"
DIRECT, OURS, SDK = "direct", "MagicTunnel", "plain SDK relay"
OURS_QUIET = "MagicTunnel, errors logged"
FLOOR, FLOOR_UVLOOP = "raw asyncio relay", "raw asyncio relay, uvloop"
LEANEST, LEANEST_UVLOOP = "leanest relay", "leanest relay, uvloop"
TUNED, TUNED_UVLOOP = "FastMCP, tuned", "FastMCP, tuned, uvloop"
AS_RUN, AS_RUN_TWO = "FastMCP, as run", "FastMCP, as run, 2 servers"
FORGE, FORGE_STATEFUL = "ContextForge", "ContextForge, stateful"


STEADY_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""asyncio reads into blocks of 256 KB. Whether glibc gives each back to the system, and takes it anew for the next
read, is decided by where it happens to lie, and costs 15 to 40 us a call: this decides it once, for the faster.
"""


def _listening(place: Place, *words: str) -> list[str]:
    """The words, if it is to listen."""
    return list(words) if place.pair.front == HTTP else []


def direct(place: Place) -> Launch | None:
    """No gateway: the backend itself, over the transport in front."""
    if len(place.behind) != 1:
        return None
    words = place.only.words
    if place.only.port:  # it is served where a gateway would be
        at = words.index("--http")
        words = (*words[:at], *words[at + 2 :])
    return Launch([*words, *_listening(place, "--http", str(place.port))])


def raw(place: Place, module: str, *flags: str) -> Launch:
    """A relay that parses each message once, maps ids and names, and does nothing else."""
    config = place.config(era=place.pair.era.value)
    listening = _listening(place, "--http", str(place.port))
    words = [sys.executable, "-m", f"benchmarks.wire.relays.{module}", config, *listening, *flags]
    return Launch(words, env=dict(STEADY_MEMORY))


def magictunnel(place: Place, *flags: str) -> Launch:
    """What this is all about. As a user starts it, it logs a line for each call; no other gateway here does."""
    servers = {one.alias: entry(one) | {"era": place.pair.era.value} for one in place.behind}
    config = place.written("magictunnel.json", {"mcpServers": servers, "discovery": {"mode": "off"}})
    listening = ["--http", f"127.0.0.1:{place.port}"] if place.pair.front == HTTP else ["--stdio"]
    words = [sys.executable, "-m", "magictunnel", "serve", "-c", config, *listening, *flags]
    return Launch(words, env={"MAGICTUNNEL_STORE": place.store})


def sdk(place: Place) -> Launch:
    """The SDK as its documentation shows it."""
    config = place.config(era=place.pair.era.value)
    listening = _listening(place, "--http", str(place.port))
    return Launch([sys.executable, "-m", "benchmarks.wire.relays.sdk", config, *listening])


def fastmcp_run(place: Place) -> Launch:
    """`fastmcp run CONFIG`."""
    words = [FASTMCP.program("fastmcp"), "run", place.config(), "--no-banner", "--log-level", "ERROR"]
    return Launch([*words, *_listening(place, "--transport", "http", "--port", str(place.port))])


def fastmcp_run_two(place: Place) -> Launch | None:
    """The same with a second server in CONFIG, which takes another way through it."""
    if len(place.behind) != 1:
        return None
    own = place.only
    spare = behind("other", 1, is_instant=True).words
    config = place.written(
        "two.json", {"mcpServers": {own.alias: entry(own), "other": {"command": spare[0], "args": spare[1:]}}}
    )
    words = [FASTMCP.program("fastmcp"), "run", config, "--no-banner", "--log-level", "ERROR"]
    return Launch([*words, *_listening(place, "--transport", "http", "--port", str(place.port))])


def fastmcp_tuned(place: Place, *flags: str) -> Launch:
    """FastMCP, used by somebody who knows it."""
    config = place.config(era=place.pair.era.value)
    script = str(Path(__file__).with_name("relays") / "fastmcp_tuned.py")
    words = [script, config, *flags, *_listening(place, "--http", str(place.port))]
    return Launch([FASTMCP.program("python"), *words])


def mcp_proxy(place: Place) -> Launch | None:
    """It turns one transport into the other, for one server of the handshake era."""
    pair, program = place.pair, MCP_PROXY.program("mcp-proxy")
    if len(place.behind) != 1 or pair.era is not Era.HANDSHAKE or pair.front == pair.back:
        return None
    if pair.front == STDIO:
        return Launch([program, "--log-level", "ERROR", "--transport", "streamablehttp", place.only.url])
    return Launch([program, "--log-level", "ERROR", "--port", str(place.port), "--", *place.only.words])


def supergateway(place: Place) -> Launch | None:
    """It turns one transport into the other, for one server of the handshake era; sessions are kept."""
    pair, program = place.pair, NPM.program("supergateway")
    if len(place.behind) != 1 or pair.era is not Era.HANDSHAKE or pair.front == pair.back:
        return None
    if pair.front == STDIO:
        version = ["--protocolVersion", pair.era.version]
        return Launch([program, "--logLevel", "none", "--streamableHttp", place.only.url, *version])
    out = ["--outputTransport", "streamableHttp", "--stateful", "--port", str(place.port)]
    return Launch([program, "--logLevel", "none", "--stdio", shlex.join(place.only.words), *out])


def mcp_hub(place: Place) -> Launch | None:
    """It merges servers behind HTTP, in the handshake era."""
    if place.pair.front == STDIO or place.pair.era is not Era.HANDSHAKE:
        return None
    return Launch([NPM.program("mcp-hub"), "--port", str(place.port), "--config", place.config()], is_older=True)


@dataclass(frozen=True)
class Target:
    """One row. `launch` gives None where it does not apply."""

    name: str
    launch: Callable[[Place], Launch | None]
    naming: str = PREFIXED
    naming_alone: str = ""
    """If it names the tools of a single server in another way."""
    needs: Group | None = None
    """What has to be installed."""

    def tool(self, alias: str, tool: str, count: int = 1) -> str:
        """What it calls a tool of one of `count` servers."""
        naming = self.naming_alone if self.naming_alone and count == 1 else self.naming
        return naming.format(alias=alias, tool=tool)


TARGETS = (
    Target(DIRECT, direct, PLAIN),
    Target(FLOOR, lambda place: raw(place, "streams")),
    Target(FLOOR_UVLOOP, lambda place: raw(place, "streams", "--uvloop")),
    Target(LEANEST, lambda place: raw(place, "callbacks")),
    Target(LEANEST_UVLOOP, lambda place: raw(place, "callbacks", "--uvloop")),
    Target(OURS, magictunnel),
    Target(OURS_QUIET, lambda place: magictunnel(place, "--log-level", "error")),
    Target(SDK, sdk),
    Target(TUNED, fastmcp_tuned, "{alias}_{tool}", needs=FASTMCP),
    Target(TUNED_UVLOOP, lambda place: fastmcp_tuned(place, "--uvloop"), "{alias}_{tool}", needs=FASTMCP),
    Target(AS_RUN, fastmcp_run, "{alias}_{tool}", PLAIN, needs=FASTMCP),
    Target(AS_RUN_TWO, fastmcp_run_two, "{alias}_{tool}", needs=FASTMCP),
    Target("mcp-proxy (PyPI)", mcp_proxy, PLAIN, needs=MCP_PROXY),
    Target("supergateway (npm)", supergateway, PLAIN, needs=NPM),
    Target("mcp-hub (npm)", mcp_hub, needs=NPM),
    Target(FORGE_STATEFUL, partial(forge, is_stateful=True), "{alias}-{tool}", needs=CONTEXT_FORGE),
    Target(FORGE, partial(forge, is_stateful=False), "{alias}-{tool}", needs=CONTEXT_FORGE),
)
