"""Everything the protocol lets client and server do together, in every way through the gateway.

`matrix_plan` names ways and behaviours; `python -m tests.journeys.matrix_report` runs this file and writes what came of
it into docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp.shared.exceptions import MCPError
from mcp_types import LOG_LEVEL_META_KEY, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY

from tests.journeys.matrix_ground import HURRY, Ground, Seat, ground, nonce
from tests.journeys.matrix_plan import WAYS
from tests.journeys.matrix_steps import (
    created,
    logged,
    runs_to_its_end,
    set_level,
    until_status,
    until_told,
)
from tests.support.jobs import EXTENSION
from tests.support.talk_lists import SORTS, TEMPLATE, WATCHED
from tests.support.talk_tools import LEVELS

pytestmark = pytest.mark.anyio

UNANSWERED = -32064
UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
WARNING = LEVELS.index("warning")
PUBLIC = f"talk+{WATCHED}"
"""The resource as clients know it: `other` has one of that URI too."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=WAYS, ids=str)
async def on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """The gateway of one way."""
    async with ground(request.param, tmp_path_factory.mktemp("way")) as running:
        yield running


async def elicited(on: Ground, action: Any, **content: Any) -> None:
    asked: list[str] = []
    word = nonce()

    async def answers(message: str) -> types.ElicitResult:
        asked.append(message)
        return types.ElicitResult(action=action, content=content or None)

    async with on.seat() as seat:
        seat.person = answers
        expected = {"nonce": word, "action": action, "content": content or None}
        assert await seat.tool("elicit", nonce=word) == expected
        assert asked == [f"Say {word}"]
        assert await seat.tool("was_cancelled", nonce=word) == "answered"


async def test_elicitation_accepted(on: Ground) -> None:
    await elicited(on, "accept", word=nonce())


async def test_elicitation_declined(on: Ground) -> None:
    await elicited(on, "decline")


async def test_elicitation_cancelled(on: Ground) -> None:
    await elicited(on, "cancel")


async def test_elicitation_unanswered(on: Ground) -> None:
    word = nonce()
    async with on.seat() as seat:

        async def thinks(message: str) -> types.ElicitResult:
            """Answers too late: after the call is over, if that ends it, else after the time for an answer."""
            if on.way.eras == ("stateless", "handshake"):
                await seat.until_said("cancelled", "was_cancelled", nonce=word)
            else:
                await anyio.sleep(2 * HURRY)
            return types.ElicitResult(action="accept", content={"word": word})

        seat.person = thinks
        match on.way.eras:
            case "handshake", "handshake":
                told = await seat.tool("hurry", nonce=word)
                assert told["error"] == UNANSWERED
                assert f"not answered within {HURRY:g} s" in told["message"]
            case "handshake", "stateless":
                with pytest.raises(MCPError, match="not answered within") as raised:
                    await seat.tool("hurry", nonce=word)
                assert raised.value.code == UNANSWERED
            case "stateless", "handshake":
                with pytest.raises(MCPError, match="not answered within") as raised:
                    await seat.tool("insist", nonce=word)
                assert raised.value.code == UNANSWERED
            case _:
                assert (await seat.tool("hurry", nonce=word))["action"] == "accept"


async def test_sampling(on: Ground) -> None:
    word = nonce()
    async with on.seat() as seat:
        told = await seat.tool("sample", nonce=word)
        assert told == {"model": "tiny", "content": {"type": "text", "text": f"about {word}"}}


async def test_roots(on: Ground) -> None:
    async with on.seat() as seat:
        assert await seat.tool("roots") == {"roots": ["file:///seat"]}


async def test_progress(on: Ground) -> None:
    async with on.seat() as seat, anyio.create_task_group() as tasks:

        async def watched(word: str) -> None:
            heard: list[Any] = []

            async def hear(*step: Any) -> None:
                heard.append(step)

            await seat.client.call_tool("talk__progress", {"nonce": word}, progress_callback=hear)
            await seat.until(lambda: len(heard) >= 3)
            assert heard == [(step, 3, f"{word} {step}") for step in (1, 2, 3)]

        since = len(seat.heard)
        for word in (nonce(), nonce()):
            tasks.start_soon(watched, word)
        await seat.tool("progress", nonce="of a call that did not ask for it")
        await seat.until(lambda: len(seat.told("notifications/progress", since)) >= 6)
        told = seat.told("notifications/progress", since)
        assert len(told) == 6
        assert len({step["progressToken"] for step in told}) == 2


async def test_log_level(on: Ground) -> None:
    async with on.seat() as seat:
        meta: Any = {LOG_LEVEL_META_KEY: "warning"} if seat.is_stateless else None
        if not seat.is_stateless:
            await set_level(seat, "warning")
        for name in ("log", "blurt"):  # a server that keeps to the level, and one that does not
            word = nonce()
            await seat.client.call_tool(f"talk__{name}", {"nonce": word}, meta=meta)
            await seat.until(lambda: any(told["level"] == "emergency" for told in logged(seat, word)))  # noqa: B023
            assert [told["level"] for told in logged(seat, word)] == list(LEVELS[WARNING:])
            if seat.is_stateless:
                word = nonce()
                await seat.tool(name, nonce=word)
                await seat.tool("subscriptions")
                assert logged(seat, word) == []
        if not seat.is_stateless:
            await set_level(seat, "debug")


async def test_cancel(on: Ground) -> None:
    first, second = nonce(), nonce()
    async with on.seat() as seat, anyio.create_task_group() as tasks:

        async def slow(word: str, *, task_status: Any) -> None:
            with anyio.CancelScope() as scope:

                async def started(*_step: Any) -> None:
                    task_status.started(scope)

                await seat.client.call_tool("talk__slow", {"nonce": word}, progress_callback=started)

        scopes = [await tasks.start(slow, word) for word in (first, second)]
        ids = {message["params"]["arguments"]["nonce"]: message["id"] for message in calls_of(seat, "talk__slow")}
        scopes[0].cancel()
        await seat.until_said("cancelled", "was_cancelled", nonce=first)
        assert await seat.tool("was_cancelled", nonce=second) == "under way"
        scopes[1].cancel()
        await seat.until_said("cancelled", "was_cancelled", nonce=second)
        answers = [message for message in seat.heard if message.get("id") in ids.values()]
        if (on.way.client, on.way.front) == ("handshake", "http"):
            # There the SDK's server has to end the stream of a POST with some answer; see REQUEST_CANCELLED.
            answers = [answer for answer in answers if answer["error"]["code"] != REQUEST_CANCELLED]
        assert answers == []


def calls_of(seat: Seat, name: str) -> list[Any]:
    return [one for one in seat.sent if one.get("method") == "tools/call" and one["params"]["name"] == name]


async def test_change_of_tools(on: Ground) -> None:
    await changed(on, "tools", "tools")


async def test_change_of_prompts(on: Ground) -> None:
    await changed(on, "prompts", "prompts")


async def test_change_of_resources(on: Ground) -> None:
    await changed(on, "resources", "resources")


async def test_change_of_templates(on: Ground) -> None:
    await changed(on, "templates", "resources")


async def changed(on: Ground, kind: str, told_as: str) -> None:
    sort = SORTS[kind]
    async with on.seat() as seat, seat.listening(**{f"{told_as}_list_changed": True}):
        told = await until_told(seat, sort.news, f"change_{kind}")
        while True:
            names = [one["name"] for one in (await seat.raw(sort.method, {}))[sort.key]]
            if any(name.endswith("extra") for name in names) == told["extra"]:
                break


async def test_subscription(on: Ground) -> None:
    async with on.seat() as seat:
        since = len(seat.heard)
        async with seat.following(PUBLIC):
            assert await seat.tool("subscriptions") == {"uris": [WATCHED]}
            await until_told(seat, UPDATED, "touch", uri=WATCHED)
        assert {told["uri"] for told in seat.told(UPDATED, since)} == {PUBLIC}
        await seat.until_said({"uris": []}, "subscriptions")
        since = len(seat.heard)
        await seat.tool("touch", uri=WATCHED)
        await seat.tool("subscriptions")
        assert seat.told(UPDATED, since) == []


async def test_completion(on: Ground) -> None:
    prompt, template = (
        types.PromptReference(name="talk__greet"),
        types.ResourceTemplateReference(uri=f"talk+{TEMPLATE}"),
    )
    async with on.seat() as seat:
        told = await seat.client.complete(prompt, {"name": "name", "value": "a"}, {"tone": "warm"})
        assert told.completion.values == ["greet", "name", "a", "tone=warm"]
        told = await seat.client.complete(template, {"name": "item", "value": "b"}, {"room": "hall"})
        assert told.completion.values == [TEMPLATE, "item", "b", "room=hall"]


async def test_task(on: Ground) -> None:
    async with on.seat() as seat:
        if on.way.client == on.way.server:
            await runs_to_its_end(seat, "work")
            return
        # The client speaks of tasks in the words of both eras; none of them is to get across.
        opened = await seat.raw("server/discover", {}) if seat.is_stateless else {}
        promised = opened.get("capabilities") or seat.client.server_capabilities.model_dump(exclude_none=True)
        assert "tasks" not in promised
        assert EXTENSION not in promised.get("extensions", {})
        assert await seat.tool("work") == "done at once"
        params = {"name": "talk__work", "arguments": {}, "task": {"ttl": 60_000}}
        if seat.is_stateless:
            assert (await seat.raw("tools/call", params))["content"] == [{"type": "text", "text": "done at once"}]
        else:
            with pytest.raises(MCPError, match="runs no tasks for clients of the handshake era"):
                await seat.raw("tools/call", params)


async def test_task_only(on: Ground) -> None:
    async with on.seat() as seat:
        match on.way.eras:
            case "stateless", "handshake":
                assert (await seat.tool("job")).endswith("is done")
            case "handshake", "stateless":
                with pytest.raises(MCPError) as raised:
                    await seat.tool("job")
                assert raised.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
            case _:
                await runs_to_its_end(seat, "job")


async def test_task_cancelled(on: Ground) -> None:
    word = nonce()
    async with on.seat() as seat:
        match on.way.eras:
            case "stateless", "handshake":
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(partial(seat.tool, "job", endless=True, nonce=word))
                    await seat.until_said("under way", "was_cancelled", nonce=word)
                    tasks.cancel_scope.cancel()
            case "handshake", "stateless":
                with pytest.raises(MCPError) as raised:
                    await seat.raw("tasks/cancel", {"taskId": "job-1"})
                assert raised.value.code == METHOD_NOT_FOUND
                return
            case _:
                task_id = await created(seat, "work", endless=True, nonce=word)
                told = await seat.raw("tasks/cancel", {"taskId": task_id})
                assert seat.is_stateless or (told["taskId"], told["status"]) == (task_id, "cancelled")
                await until_status(seat, task_id, "cancelled")
        await seat.until_said("cancelled", "was_cancelled", nonce=word)


async def test_task_news(on: Ground) -> None:
    method = "notifications/tasks" if on.way.client == "stateless" else "notifications/tasks/status"
    async with on.seat() as seat, anyio.create_task_group() as tasks:
        since = len(seat.heard)
        if on.way.client != on.way.server:
            await seat.tool("job" if seat.is_stateless else "work")
            assert seat.told(method, since) == []
            return
        told: list[Any] = []
        while not told:
            task_id = await created(seat, "work", endless=True)
            if seat.is_stateless:
                tasks.start_soon(seat.raw, "subscriptions/listen", {"notifications": {"taskIds": [task_id]}})
                await seat.until(lambda: len(seat.told(ACKNOWLEDGED, since)) > 0)
                assert seat.told(ACKNOWLEDGED, since)[0]["notifications"] == {"taskIds": [task_id]}
            await seat.raw("tasks/cancel", {"taskId": task_id})
            with anyio.move_on_after(1.0):  # over HTTP the stream for it may open after the first time
                await seat.until(lambda: bool(seat.told(method, since)))
            told = seat.told(method, since)
        assert [(one["taskId"], one["status"]) for one in told] == [(task_id, "cancelled")]
        tasks.cancel_scope.cancel()


async def test_client_gone(on: Ground) -> None:
    """What was going on for it at the server is cancelled. Last, since over stdio the gateway goes with it."""
    word, asked = nonce(), anyio.Event()

    async def never(_message: str) -> types.ElicitResult:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def ask(seat: Seat) -> None:
        with pytest.raises(MCPError):
            await seat.tool("insist", nonce=word)

    async with anyio.create_task_group() as tasks:
        async with on.seat() as seat:
            seat.person = never
            tasks.start_soon(ask, seat)
            await asked.wait()
            if on.way.front == "stdio":
                await on.hang_up()
        tasks.cancel_scope.cancel()
    # A stateless server is done with a call when it asks.
    await on.until_fate("cancelled" if on.way.server == "handshake" else "answered", word)
