"""The tools of the talker: each does one thing that a server can do to its client during a call."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, get_args

import anyio
import mcp_types as types
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp_types import LOG_LEVEL_META_KEY

from tests.conformance.everything.box import Box, Context, Json, arguments, said, stateless, takes
from tests.conformance.everything.talk import Asks, elicit, hold, roots, sample
from tests.support.talk_lists import SORTS

if TYPE_CHECKING:
    from tests.support.talker import Talker

LEVELS: tuple[str, ...] = get_args(types.LoggingLevel)
"""Ascending."""
TEXT: Json = {"type": "string"}
_WORD = takes("word", word=TEXT)
_NONCE = takes("nonce", nonce=TEXT)


class Tools:
    """All of them, in `box`."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self.box = Box()
        put = self.box.add
        for name in ("elicit", "hurry"):
            put(name, "Asks a person for a word, and goes on without one.", self._elicit, _NONCE)
        put("insist", "Asks a person for a word; without one it goes on until it is cancelled.", self._elicit, _NONCE)
        put("sample", "Asks a model.", self._sample, _NONCE)
        put("roots", "Asks for roots.", self._roots)
        put("progress", "Tells of three steps.", self._progress, _NONCE)
        put("log", "Says something at each level that is wanted.", self._log, _NONCE)
        put("blurt", "Says something at each level, wanted or not.", self._log, _NONCE)
        put("slow", "Goes on until it is cancelled.", self._slow, _NONCE)
        put("was_cancelled", "What became of a call.", self._fate, _NONCE)
        put("touch", "Updates the resource.", self._touch, takes("uri", uri=TEXT))
        put("subscriptions", "What is followed now.", self._subscriptions)
        for name, run, support in (("work", talker.jobs.work, "optional"), ("job", talker.jobs.job, "required")):
            put(name, "Goes on as a task.", run, takes(endless={"type": "boolean"}, nonce=TEXT))
            self.box.tools[name].definition["execution"] = {"taskSupport": support}
        for kind in ("tools", "prompts", "resources", "templates"):
            self.box.add(f"change_{kind}", "Adds or removes an entry.", self._changer(kind))

    async def _elicit(self, ctx: Context) -> Json:
        nonce = str(arguments(ctx)["nonce"])

        async def talk(known: Json) -> Asks | Json:
            if "answer" not in known:
                return Asks({"answer": elicit(f"Say {nonce}", _WORD)})
            answer = known["answer"]
            return _told(nonce=nonce, action=answer.get("action"), content=answer.get("content"))

        async with self._under_way(nonce):
            try:
                return await hold(ctx, talk)
            except MCPError as error:
                if stateless(ctx):
                    raise
                if (ctx.params or {})["name"] == "insist":
                    await anyio.sleep_forever()
                return _told(nonce=nonce, error=error.code, message=error.message)

    async def _sample(self, ctx: Context) -> Json:
        async def talk(known: Json) -> Asks | Json:
            if "answer" not in known:
                return Asks({"answer": sample(str(arguments(ctx)["nonce"]))})
            return _told(model=known["answer"].get("model"), content=known["answer"].get("content"))

        return await hold(ctx, talk)

    async def _roots(self, ctx: Context) -> Json:
        async def talk(known: Json) -> Asks | Json:
            if "answer" not in known:
                return Asks({"answer": roots()})
            return _told(roots=[root["uri"] for root in known["answer"]["roots"]])

        return await hold(ctx, talk)

    async def _progress(self, ctx: Context) -> Json:
        for step in (1, 2, 3):
            await ctx.session.report_progress(step, 3, f"{arguments(ctx)['nonce']} {step}")
        return said("three steps")

    async def _log(self, ctx: Context) -> Json:
        meta: Any = (ctx.params or {}).get("_meta") or {}
        least = meta.get(LOG_LEVEL_META_KEY) if stateless(ctx) else ctx.session._connection.state.get("level", "debug")
        if (ctx.params or {})["name"] == "blurt":
            least = LEVELS[0]
        for level in LEVELS[LEVELS.index(least) :] if least else ():
            told: Any = {"level": level, "data": arguments(ctx)["nonce"], "logger": "talker"}
            message = types.LoggingMessageNotification.model_validate({"params": told})
            await ctx.session.send_notification(message, related_request_id=ctx.request_id)
        return said("said")

    async def _slow(self, ctx: Context) -> Json:
        nonce = str(arguments(ctx)["nonce"])
        async with self._under_way(nonce):
            await ctx.session.report_progress(0, 1, nonce)
            await anyio.sleep_forever()
        return said("never")

    async def _fate(self, ctx: Context) -> Json:
        return said(self._talker.fates.get(str(arguments(ctx)["nonce"]), "unknown"))

    async def _touch(self, ctx: Context) -> Json:
        uri = str(arguments(ctx)["uri"])
        await self._talker.bus.publish(ResourceUpdated(uri=uri))
        await self._talker.tell("notifications/resources/updated", {"uri": uri}, uri)
        return said("touched")

    async def _subscriptions(self, _ctx: Context) -> Json:
        return _told(uris=self._talker.subscribed)

    def _changer(self, kind: str) -> Any:
        async def change(_ctx: Context) -> Json:
            self._talker.extras ^= {kind}
            await self._talker.bus.publish(SORTS[kind].event)
            await self._talker.tell(SORTS[kind].news)
            return _told(extra=kind in self._talker.extras)

        return change

    @asynccontextmanager
    async def _under_way(self, nonce: str) -> AsyncIterator[None]:
        fates = self._talker.fates
        fates[nonce] = "under way"
        try:
            yield
        except anyio.get_cancelled_exc_class():
            fates[nonce] = "cancelled"
            raise
        finally:
            if fates[nonce] == "under way":
                fates[nonce] = "answered"


def _told(**what: Any) -> Json:
    return said(json.dumps(what))
