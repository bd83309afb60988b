"""Probes of what client and server say to each other: questions, news of a call, news of what changes, cancelling."""

from __future__ import annotations

import json
from typing import Any

import anyio
import mcp_types as types
from mcp_types import LOG_LEVEL_META_KEY

from tests.conformance.everything.probing import LEVELS
from tests.conformance.probes.probe import Probes, same
from tests.conformance.probes.seat import ROOT, SAYS, Json, Seat, word

TALK = Probes()

LOG, PROGRESS, UPDATED = "notifications/message", "notifications/progress", "notifications/resources/updated"
WATCHED, OTHER = "test://watched-resource", "test://static-text"
_SOON = 1.0
"""Seconds in which news of a change come; if not, it is changed again: their stream may have been opened after it."""


async def _echoed(seat: Seat, own: str) -> None:
    said, before = word(), len(seat.asked)
    same(json.loads(await seat.tool(own, word=said)), {"action": "accept", "content": {"word": said}})
    same([message.rpartition(" ")[2] for message in seat.asked[before:]], [said])


@TALK.probe("elicitation, pushed")
async def pushed(seat: Seat) -> None:
    await _echoed(seat, "probe_push")


@TALK.probe("elicitation, input required")
async def input_required(seat: Seat) -> None:
    await _echoed(seat, "probe_input_required")


@TALK.probe("elicitation, as the era has it")
async def elicitation(seat: Seat) -> None:
    said = await seat.tool("test_elicitation", message="Repeat: hello")
    same(said, 'User response: action=accept, content={"response": "hello"}')


@TALK.probe("sampling")
async def sampling(seat: Seat) -> None:
    said = word()
    same(await seat.tool("test_sampling", prompt=said), f"LLM response: about {said}")


@TALK.probe("roots")
async def roots(seat: Seat) -> None:
    same(await seat.tool("test_input_required_result_list_roots"), f"Roots: {ROOT}")


@TALK.probe("many questions at once")
async def many_at_once(seat: Seat) -> None:
    same(await seat.tool("test_input_required_result_multiple_inputs"), "All inputs received.")


@TALK.probe("rounds, with requestState")
async def rounds(seat: Seat) -> None:
    before = len(seat.asked)
    said = await seat.tool("test_input_required_result_multi_round")
    same(said, f"{SAYS['name']} likes {SAYS['color']}.")
    same([message[:7] for message in seat.asked[before:]], ["Step 1:", "Step 2:"])


@TALK.probe("a prompt that asks")
async def asking_prompt(seat: Seat) -> None:
    result = await seat.client.get_prompt(seat.name("test_input_required_result_prompt"), {})
    (message,) = result.messages
    assert isinstance(message.content, types.TextContent)
    same(message.content.text, f"Use the following context: {SAYS['context']}")


async def _logged(seat: Seat, level: str) -> None:
    """What comes of a call, before its answer, when this level is wanted."""
    said, since, meta = word(), len(seat.heard), dict[str, Any]()
    if seat.is_stateless:
        meta = {LOG_LEVEL_META_KEY: level}
    else:
        await seat.raw("logging/setLevel", {"level": level})
    await seat.call("probe_log", {"word": said}, meta=meta or None)
    wanted = LEVELS[[*LEVELS].index(level) :]  # type: ignore[arg-type]
    expected = [{"level": at, "logger": "prober", "data": {"word": said, "at": at}} for at in wanted]
    same([{key: told.get(key) for key in ("level", "logger", "data")} for told in seat.told(LOG, since)], expected)


@TALK.probe("log during a call")
async def log(seat: Seat) -> None:
    await _logged(seat, "debug")


@TALK.probe("log level: of a session, or of a request")
async def log_level(seat: Seat) -> None:
    await _logged(seat, "warning")
    if not seat.is_stateless:
        await _logged(seat, "debug")
        return
    since = len(seat.heard)
    await seat.call("probe_log", {"word": word()})
    same(seat.told(LOG, since), [])


async def _ignore(*_step: Any) -> None:
    """What is told is read off the wire, where its order is."""


@TALK.probe("progress during a call")
async def progress(seat: Seat) -> None:
    since = len(seat.heard)
    await seat.call("test_tool_with_progress", {}, progress_callback=_ignore)
    told = seat.told(PROGRESS, since)
    expected = [(step, 100, f"Completed step {step} of 100") for step in (0, 50, 100)]
    same([(one["progress"], one.get("total"), one.get("message")) for one in told], expected)
    same(len({one["progressToken"] for one in told}), 1)
    since = len(seat.heard)
    await seat.call("test_tool_with_progress", {})
    same(seat.told(PROGRESS, since), [])


@TALK.probe("cancel reaches the server")
async def cancel(seat: Seat) -> None:
    first, second = word(), word()

    async def slow(own: str, *, task_status: anyio.abc.TaskStatus[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:

            async def begun(*_step: Any) -> None:
                task_status.started(scope)

            await seat.call("probe_slow", {"word": own}, progress_callback=begun)

    async with anyio.create_task_group() as tasks:
        scopes = [await tasks.start(slow, own) for own in (first, second)]
        scopes[0].cancel()
        await seat.until_said("cancelled".__eq__, "probe_fate", word=first)
        same(await seat.tool("probe_fate", word=second), "under way")
        scopes[1].cancel()
        await seat.until_said("cancelled".__eq__, "probe_fate", word=second)


@TALK.probe("list_changed: pushed, or on listen")
async def list_changed(seat: Seat) -> None:
    async with seat.listening(tools_list_changed=True, prompts_list_changed=True):
        for kind, trigger in (("tools", "test_trigger_tool_change"), ("prompts", "test_trigger_prompt_change")):
            is_told = False
            while not is_told:
                before = await _has_extra(seat, kind)
                is_told = bool(await _told_of(seat, f"notifications/{kind}/list_changed", trigger))
            same((kind, await _has_extra(seat, kind)), (kind, not before))


async def _has_extra(seat: Seat, kind: str) -> bool:
    return any(one["name"].endswith("test_extra") for one in (await seat.raw(f"{kind}/list"))[kind])


async def _told_of(seat: Seat, method: str, own: str, **arguments: Any) -> list[Json]:
    """What the client is told when it has called a tool; nothing, if that does not come soon."""
    since = len(seat.heard)
    await seat.tool(own, **arguments)
    with anyio.move_on_after(_SOON):
        await seat.until(lambda: bool(seat.told(method, since)))
    return seat.told(method, since)


async def _touched(seat: Seat, uri: str) -> None:
    """Touch a resource until the client is told so."""
    told: list[Json] = []
    while not told:
        told = await _told_of(seat, UPDATED, "probe_touch", uri=uri)
    same({one["uri"] for one in told}, {uri})


@TALK.probe("subscribe, updated, unsubscribe")
async def subscription(seat: Seat) -> None:
    async with seat.following(OTHER):
        async with seat.following(WATCHED):
            await _touched(seat, WATCHED)
        await seat.until_said(lambda said: json.loads(said) == [OTHER], "probe_followed")
        since = len(seat.heard)
        await seat.tool("probe_touch", uri=WATCHED)
        # What comes now on the stream of a session came after what was not to come.
        await _touched(seat, OTHER)
        same({one["uri"] for one in seat.told(UPDATED, since)}, {OTHER})
    await seat.until_said(lambda said: json.loads(said) == [], "probe_followed")
