"""A session opens in the era that both sides speak, and a forced era is not argued with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from mcp.client.session import ClientSession
from mcp.shared.dispatcher import Dispatcher
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION

from magictunnel.backends.handshake import PROBE_TIMEOUT, Opened, WrongVersion, open_session
from magictunnel.config.model import Era
from tests.support.memory import raw_wire
from tests.support.raw import HANDSHAKE, STATELESS, Json, RawServer, Script

pytestmark = pytest.mark.anyio


class Odd(RawServer):
    """Answers `server/discover` as its script says, once for each answer in it."""

    def _result(self, method: str, params: Json, message: Json) -> Json:
        answers = self.script.answers.get("server/discover", {}).get("in turn", [])
        return answers.pop(0) if method == "server/discover" and answers else super()._result(method, params, message)


@dataclass
class Near:
    """Our end of a connection that is not open yet."""

    session: ClientSession
    wire: Dispatcher[Any]

    async def open(self, era: Era, capabilities: Json | None = None, *, handshake_first: bool = False) -> Opened:
        return await open_session(self.session, self.wire, era, capabilities or {}, handshake_first=handshake_first)


@asynccontextmanager
async def session(script: Script, patience: float = 5.0) -> AsyncIterator[tuple[Near, RawServer]]:
    with anyio.fail_after(patience):
        async with raw_wire(script, Odd) as (wire, server), ClientSession(dispatcher=wire) as opened:
            yield Near(opened, wire), server


def discover(*answers: Json) -> dict[str, Json]:
    return {"server/discover": {"in turn": list(answers)}}


def asked(server: RawServer) -> list[str]:
    return [message["method"] for message in server.received]


@pytest.mark.parametrize(
    ("speaks", "era", "version"),
    [
        ("both", Era.AUTO, STATELESS),
        ("stateless", Era.AUTO, STATELESS),
        ("handshake", Era.AUTO, HANDSHAKE),
        ("both", Era.HANDSHAKE, HANDSHAKE),
        ("handshake", Era.HANDSHAKE, HANDSHAKE),
        ("both", Era.STATELESS, STATELESS),
        ("stateless", Era.STATELESS, STATELESS),
    ],
)
async def test_a_session_opens_in_the_era_that_both_speak(speaks: str, era: Era, version: str) -> None:
    async with session(Script(era=speaks)) as (near, _server):
        opened = await near.open(era)

        assert opened.version == near.session.protocol_version == version


async def test_a_forced_handshake_does_not_probe() -> None:
    async with session(Script()) as (near, server):
        await near.open(Era.HANDSHAKE)

        assert "server/discover" not in asked(server)


@pytest.mark.parametrize(
    ("speaks", "era", "code"),
    [
        ("handshake", Era.STATELESS, METHOD_NOT_FOUND),
        ("stateless", Era.HANDSHAKE, UNSUPPORTED_PROTOCOL_VERSION),
    ],
)
async def test_a_forced_era_that_the_server_does_not_speak_is_refused(speaks: str, era: Era, code: int) -> None:
    async with session(Script(era=speaks)) as (near, _server):
        with pytest.raises(MCPError) as caught:
            await near.open(era)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        {"hello": "world"},
        {"supportedVersions": [], "capabilities": {}},
        {"supportedVersions": ["2099-01-01"], "capabilities": {}},
        {"error": {"code": -32603, "message": "what?"}},
        {"error": {"code": -32022, "message": "no", "data": {"supported": ["2099-01-01"]}}},
        {"error": {"code": -32022, "message": "no", "data": "odd"}},
    ],
    ids=["odd", "no version", "a version from later", "an error", "refuses ours", "refuses oddly"],
)
async def test_an_answer_that_is_not_of_the_stateless_era_leads_to_a_handshake(answer: Json) -> None:
    async with session(Script(answers=discover(answer))) as (near, _server):
        opened = await near.open(Era.AUTO)

        assert opened.version == near.session.protocol_version == HANDSHAKE


async def test_a_server_that_refuses_the_handshake_in_favour_of_the_stateless_era_is_asked_again() -> None:
    stumbles = discover({"error": {"code": -32603, "message": "still starting"}})
    async with session(Script(era="stateless", answers=stumbles)) as (near, server):
        opened = await near.open(Era.AUTO)

        assert opened.version == near.session.protocol_version == STATELESS
        assert asked(server) == ["server/discover", "initialize", "server/discover"]


async def test_a_server_that_never_answers_the_probe_is_opened_with_a_handshake() -> None:
    async with session(Script(hang_on=["server/discover"]), PROBE_TIMEOUT + 5) as (near, server):
        opened = await near.open(Era.AUTO)

        assert opened.version == near.session.protocol_version == HANDSHAKE
        assert {"server/discover", "initialize"} <= set(asked(server))


async def test_a_server_that_hangs_up_on_the_probe_is_told_as_such() -> None:
    async with session(Script(crash_on=["server/discover"])) as (near, _server):
        with pytest.raises(MCPError) as caught:
            await near.open(Era.AUTO)

    assert caught.value.code == CONNECTION_CLOSED


# --- the handshake first, for clients that are all of its era


@pytest.mark.parametrize(
    ("speaks", "version", "asks", "may_speak_other_era"),
    [
        ("both", HANDSHAKE, ["initialize"], True),
        ("handshake", HANDSHAKE, ["initialize"], True),
        ("stateless", STATELESS, ["initialize", "server/discover"], False),
    ],
)
async def test_a_session_may_try_the_handshake_first(
    speaks: str, version: str, asks: list[str], may_speak_other_era: bool
) -> None:
    async with session(Script(era=speaks)) as (near, server):
        opened = await near.open(Era.AUTO, handshake_first=True)

        assert opened.version == near.session.protocol_version == version
        assert opened.may_speak_other_era is may_speak_other_era
        assert [method for method in asked(server) if not method.startswith("notifications/")] == asks


async def test_a_server_that_refuses_both_tells_why_it_refused_the_handshake() -> None:
    refusal = {"error": {"code": -32603, "message": "no licence"}}
    script = Script(era="handshake", answers={"initialize": refusal})
    async with session(script) as (near, _server):
        with pytest.raises(MCPError, match="no licence"):
            await near.open(Era.AUTO, handshake_first=True)


@pytest.mark.parametrize(
    ("speaks", "era", "may_speak_other_era"),
    [
        ("both", Era.AUTO, True),
        ("stateless", Era.AUTO, True),
        ("handshake", Era.AUTO, False),
        ("both", Era.HANDSHAKE, False),
        ("both", Era.STATELESS, False),
    ],
)
async def test_the_other_era_is_left_open_where_it_was_neither_asked_for_nor_refused(
    speaks: str, era: Era, may_speak_other_era: bool
) -> None:
    async with session(Script(era=speaks)) as (near, _server):
        assert (await near.open(era)).may_speak_other_era is may_speak_other_era


# --- what is said


async def test_a_handshake_declares_what_our_clients_can_do_as_they_wrote_it() -> None:
    capabilities = {"elicitation": {"url": {}}, "odd": {"deep": [None]}}
    async with session(Script()) as (near, server):
        await near.open(Era.HANDSHAKE, capabilities)

        assert server.received[0]["params"]["capabilities"] == capabilities
        assert server.received[0]["params"]["clientInfo"]["name"] == "magictunnel"


@pytest.mark.parametrize("era", [Era.HANDSHAKE, Era.STATELESS, Era.AUTO])
async def test_what_a_server_says_of_itself_is_kept_as_it_wrote_it(era: Era) -> None:
    script = Script(capabilities={"tools": {"odd": [1]}, "vendor": {"x": None}}, instructions="be kind")
    async with session(script) as (near, _server):
        opened = await near.open(era)

    assert opened.capabilities == script.capabilities
    assert opened.instructions == "be kind"


async def test_a_version_of_the_handshake_that_does_not_exist_is_told_as_such() -> None:
    answer = {"protocolVersion": "1999-01-01", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    async with session(Script(answers={"initialize": answer})) as (near, _server):
        with pytest.raises(WrongVersion, match="'1999-01-01'"):
            await near.open(Era.HANDSHAKE)
