"""A session opens in the era that both sides speak, and a forced era is not argued with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND, UNSUPPORTED_PROTOCOL_VERSION

from magictunnel.backends.handshake import PROBE_TIMEOUT, open_session
from magictunnel.config.model import Era
from tests.support.memory import raw_wire
from tests.support.raw import HANDSHAKE, STATELESS, Json, RawServer, Script

pytestmark = pytest.mark.anyio


class Odd(RawServer):
    """Answers `server/discover` as its script says, once for each answer in it."""

    def _result(self, method: str, params: Json, message: Json) -> Json:
        answers = self.script.answers.get("server/discover", {}).get("in turn", [])
        return answers.pop(0) if method == "server/discover" and answers else super()._result(method, params, message)


@asynccontextmanager
async def session(script: Script, patience: float = 5.0) -> AsyncIterator[tuple[ClientSession, RawServer]]:
    with anyio.fail_after(patience):
        async with raw_wire(script, Odd) as (wire, server), ClientSession(dispatcher=wire) as opened:
            yield opened, server


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
    async with session(Script(era=speaks)) as (opened, _server):
        await open_session(opened, era)

        assert opened.protocol_version == version


async def test_a_forced_handshake_does_not_probe() -> None:
    async with session(Script()) as (opened, server):
        await open_session(opened, Era.HANDSHAKE)

        assert "server/discover" not in asked(server)


@pytest.mark.parametrize(
    ("speaks", "era", "code"),
    [
        ("handshake", Era.STATELESS, METHOD_NOT_FOUND),
        ("stateless", Era.HANDSHAKE, UNSUPPORTED_PROTOCOL_VERSION),
    ],
)
async def test_a_forced_era_that_the_server_does_not_speak_is_refused(speaks: str, era: Era, code: int) -> None:
    async with session(Script(era=speaks)) as (opened, _server):
        with pytest.raises(MCPError) as caught:
            await open_session(opened, era)

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
    async with session(Script(answers=discover(answer))) as (opened, _server):
        await open_session(opened, Era.AUTO)

        assert opened.protocol_version == HANDSHAKE


async def test_a_server_that_refuses_the_handshake_in_favour_of_the_stateless_era_is_asked_again() -> None:
    stumbles = discover({"error": {"code": -32603, "message": "still starting"}})
    async with session(Script(era="stateless", answers=stumbles)) as (opened, server):
        await open_session(opened, Era.AUTO)

        assert opened.protocol_version == STATELESS
        assert asked(server) == ["server/discover", "initialize", "server/discover"]


async def test_a_server_that_never_answers_the_probe_is_opened_with_a_handshake() -> None:
    async with session(Script(hang_on=["server/discover"]), PROBE_TIMEOUT + 5) as (opened, server):
        await open_session(opened, Era.AUTO)

        assert opened.protocol_version == HANDSHAKE
        assert {"server/discover", "initialize"} <= set(asked(server))


async def test_a_server_that_hangs_up_on_the_probe_is_told_as_such() -> None:
    async with session(Script(crash_on=["server/discover"])) as (opened, _server):
        with pytest.raises(MCPError) as caught:
            await open_session(opened, Era.AUTO)

    assert caught.value.code == CONNECTION_CLOSED
