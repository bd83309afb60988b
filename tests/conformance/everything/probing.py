"""Tools of our own probes, for what the suite does not look at. Each does one thing in one way, whatever the era."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated
from mcp.shared.exceptions import MCPError

from tests.conformance.everything.asking import TEXT
from tests.conformance.everything.box import Box, Context, Json, arguments, said, stateless, takes
from tests.conformance.everything.talk import elicit, input_required, known_to, push

LEVELS: tuple[types.LoggingLevel, ...] = ("debug", "info", "warning", "error")
"""Of the messages that `probe_log` sends, in this order."""
ODD_SCHEMA: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/odd",
    "$comment": "Nobody has to understand this; everybody has to leave it as it is: é 日本語 🦊 \u2028",
    "type": "object",
    "$defs": {
        "tree": {"$anchor": "tree", "type": "object", "properties": {"leaves": {"items": {"$ref": "#tree"}}}},
        "open": {"$dynamicAnchor": "node", "$dynamicRef": "#node", "unevaluatedProperties": False},
        "": {"const": None},
    },
    "properties": {
        "z": {"$ref": "#/$defs/tree", "default": None, "examples": [2**53 + 1, -0.5, 1e22, None, "", [], {}]},
        "$ref": {"type": ["integer", "null"], "maximum": 9007199254740993},
        "a/b~c": {"oneOf": [True, False, {"not": {}}]},
        "": {"prefixItems": [{"$ref": "#/$defs/open"}], "items": False, "contains": True, "minContains": 0},
    },
    "required": [],
    "patternProperties": {"^\\p{L}+$": {"deprecated": True}},
    "dependentSchemas": {"z": {"required": ["$ref"]}},
    "propertyNames": {"pattern": "^[^\\u0000]*$"},
    "x-order": ["z", "$ref", "a/b~c", ""],
    "additionalProperties": {"x-of-tomorrow": None},
}
"""What gets lost where somebody means to understand a schema, in an order that is not the alphabet's."""
ODD_ERROR: Json = {"code": -32050, "message": "Odd: é 🦊", "data": {"list": [1, None, {"deep": True}], "": 2**53 + 1}}
_WORD = takes("word", word=TEXT)

Listen = Callable[[Context, types.SubscriptionsListenRequestParams], Awaitable[Any]]


@dataclass
class _Meeting:
    """Calls that wait for one another."""

    words: list[str] = field(default_factory=list)
    complete: anyio.Event = field(default_factory=anyio.Event)


class Probing:
    """The tools, what became of their calls, and who follows which resource."""

    def __init__(self, bus: InMemorySubscriptionBus) -> None:
        self._bus = bus
        self._meetings: dict[str, _Meeting] = {}
        self._fates: dict[str, str] = {}
        self._subscribers: dict[Connection, set[str]] = {}
        self._listening: Counter[str] = Counter()
        self.box = Box()
        for name, run, schema in (
            ("probe_push", _push, _WORD),
            ("probe_input_required", _input_required, _WORD),
            ("probe_log", _log, _WORD),
            ("probe_error", _error, takes()),
            ("probe_schema", _nothing, ODD_SCHEMA),
            ("probe_meet", self._meet, takes("at", at=TEXT, word=TEXT, of={"type": "integer"})),
            ("probe_slow", self._slow, _WORD),
            ("probe_fate", self._fate, _WORD),
            ("probe_touch", self._touch, takes("uri", uri=TEXT)),
            ("probe_followed", self._followed, takes()),
        ):
            self.box.add(name, (run.__doc__ or "").strip(), run, schema)

    async def subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> Json:
        """Tell a session of the handshake era of a resource from now on."""
        connection = ctx.session._connection
        if connection not in self._subscribers:
            connection.exit_stack.callback(self._subscribers.pop, connection, None)
        self._subscribers.setdefault(connection, set()).add(str(params.uri))
        return {}

    async def unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> Json:
        """Tell it no more."""
        self._subscribers.get(ctx.session._connection, set()).discard(str(params.uri))
        return {}

    def counted(self, listen: Listen) -> Listen:
        """The same answer to `subscriptions/listen`, while it is remembered what is followed."""

        async def handle(ctx: Context, params: types.SubscriptionsListenRequestParams) -> Any:
            followed = Counter(str(uri) for uri in params.notifications.resource_subscriptions or ())
            self._listening += followed
            try:
                return await listen(ctx, params)
            finally:
                self._listening -= followed

        return handle

    async def set_level(self, ctx: Context, params: types.SetLevelRequestParams) -> Json:
        """Remember what a session of the handshake era wants to hear."""
        ctx.session._connection.state["level"] = params.level
        return {}

    async def _meet(self, ctx: Context) -> Json:
        """Waits until so many calls have come, and answers each with its own word."""
        given = arguments(ctx)
        meeting = self._meetings.setdefault(given["at"], _Meeting())
        meeting.words.append(given["word"])
        if len(meeting.words) >= given["of"]:
            meeting.complete.set()
        await meeting.complete.wait()
        return said(given["word"])

    async def _slow(self, ctx: Context) -> Json:
        """Says that it has begun, and goes on until it is cancelled."""
        word = str(arguments(ctx)["word"])
        self._fates[word] = "under way"
        try:
            await ctx.session.report_progress(0, 1, word)
            await anyio.sleep_forever()
        finally:
            self._fates[word] = "cancelled"
        return said("never")

    async def _fate(self, ctx: Context) -> Json:
        """Tells what became of a call."""
        return said(self._fates.get(str(arguments(ctx)["word"]), "unknown"))

    async def _touch(self, ctx: Context) -> Json:
        """Updates a resource, and tells those who follow it."""
        uri = str(arguments(ctx)["uri"])
        await self._bus.publish(ResourceUpdated(uri=uri))
        for connection, followed in list(self._subscribers.items()):
            if uri in followed:
                await connection.outbound.notify("notifications/resources/updated", {"uri": uri})
        return said("touched")

    async def _followed(self, _ctx: Context) -> Json:
        """Tells which resources anybody follows."""
        subscribed = {uri for followed in self._subscribers.values() for uri in followed}
        return said(json.dumps(sorted(subscribed | set(self._listening))))


async def _push(ctx: Context) -> Json:
    """Asks a person by a request of its own, as only servers of the handshake era can."""
    word = str(arguments(ctx)["word"])
    return said(json.dumps(await push(ctx, elicit(f"Please say {word}", _WORD))))


async def _input_required(ctx: Context) -> Json:
    """Asks a person by its answer, as only servers of the stateless era can."""
    known = known_to(ctx)
    word = str(arguments(ctx)["word"])
    return said(json.dumps(known["it"])) if "it" in known else input_required({"it": elicit(f"Say {word}", _WORD)}, {})


async def _log(ctx: Context) -> Json:
    """Logs at several levels, from the one that is wanted on."""
    # In the stateless era the SDK leaves out what was not asked for.
    least = "debug" if stateless(ctx) else ctx.session._connection.state.get("level", "debug")
    for level in LEVELS[LEVELS.index(least) :]:
        data = {"word": arguments(ctx)["word"], "at": level}
        await ctx.session.send_log_message(level, data, "prober", related_request_id=ctx.request_id)
    return said("logged")


async def _error(_ctx: Context) -> Json:
    """Fails with an error that has data."""
    raise MCPError(**ODD_ERROR)


async def _nothing(_ctx: Context) -> Json:
    """Has a schema."""
    return said("")
