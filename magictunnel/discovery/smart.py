"""`smart_tool_discovery`: find, fill, call. What is not clear ends in candidates and a question; nothing runs then."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from anyio import to_thread

from magictunnel.backends.base import Request
from magictunnel.catalog.model import Entry, Json
from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.discovery.arguments.extract import Filled, Source, extract
from magictunnel.discovery.arguments.questions import answered, form
from magictunnel.discovery.asked import Mistake, SmartAsked
from magictunnel.discovery.calling import Calling
from magictunnel.discovery.doubts import forbids, unread
from magictunnel.discovery.effects import Effect, effect_of
from magictunnel.discovery.finder import Finder, Step
from magictunnel.discovery.replies import candidate, reply, summary, use_of
from magictunnel.discovery.search import Answer, Found, Scope
from magictunnel.discovery.usage import Event, Usage
from magictunnel.errors import AnswerError, CannotAsk, Unanswered

META = "magictunnel/discovery"
"""The key under `_meta` of a result that says how it came about."""
CANDIDATES = 5
_STATE = "smart:"
"""What the states begin with by which a client comes back to a call of ours that its server has a question about."""

Fill = Callable[[Entry, str, Filled, Request], Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be called, and why."""

    found: Found
    filled: Filled
    later: Sequence[Step]
    """Of the steps that come after it."""
    mode: str
    unread: tuple[str, ...] = ()
    """What of the request looks like a value, and has become none."""
    declined: bool = False
    """Whether the person behind the call would not say what is missing."""


class Smart:
    """Takes requests in plain words."""

    def __init__(
        self,
        finder: Finder,
        calling: Calling,
        usage: Usage,
        config: Callable[[], DiscoveryConfig],
        fill: Fill,
        now: Callable[[], datetime],
    ) -> None:
        self._finder = finder
        self._calling = calling
        self._usage = usage
        self._config = config
        self._fill = fill
        self._now = now

    async def answer(self, asked: SmartAsked, request: Request) -> Json:
        """Call what was asked for, or say why nothing was called.

        Raises:
            Mistake: an argument that was given is not what its tool takes.
            CallError: as a direct call.
        """
        if state := _continued(request):
            return await self._continue(state, request)
        found = await self._finder.find(asked.request, request.caller, Scope(), CANDIDATES)
        (words, first), *later = found.steps
        threshold = self._config().confidence if asked.confidence_threshold is None else asked.confidence_threshold
        self._usage.note(Event.SHOWN, [found.entry for found in first.ranked])
        words = words if later else asked.request
        if why := _why_not(first, words, threshold):
            return reply(_unclear(first, later, why))
        plan = await self._planned(asked, words, first, later, request)
        if asked.dry_run:
            return reply({"called": False, "would_call": _told(plan)})
        if plan.unread and effect_of(plan.found.entry.definition) is not Effect.READ:
            return reply(_half_read(plan))
        if plan.filled.missing:
            plan = await self._completed(plan, request)
        if plan.declined or plan.filled.missing:
            return reply(_incomplete(plan))
        if self._calling.known(plan.found.entry.name, request.caller) != plan.found.entry:
            raise Mistake(f"nothing was called: {plan.found.entry.name} has changed meanwhile (ask again)")
        self._usage.note(Event.CHOSEN, [plan.found.entry])
        return await self._called(plan.found.entry, plan.filled.arguments, request, _told(plan))

    async def _planned(
        self, asked: SmartAsked, words: str, first: Answer, later: Sequence[Step], request: Request
    ) -> _Plan:
        entry = first.ranked[0].entry
        given = asked.arguments or {}
        filled = await self._read(words, entry, given)
        if filled.missing and asked.context:
            behind = await self._read(asked.context, entry, filled.arguments)
            filled = replace(behind, sources={**behind.sources, **filled.sources})
        if wrong := _not_its_own(given, entry) or [name for name in given if name not in filled.arguments]:
            why = "; ".join(filled.problems) or f"its arguments are {', '.join(_own(entry)[:50]) or 'none'}"
            raise Mistake(f"nothing was called: {entry.name} does not take these arguments: {', '.join(wrong)} ({why})")
        if filled.missing and self._config().filler and not asked.dry_run:
            filled = await self._fill(entry, f"{asked.request}\n{asked.context}".strip(), filled, request)
        left = unread(words, entry.definition, filled.sources, given.values())
        return _Plan(first.ranked[0], filled, later, first.mode, left)

    async def _read(self, words: str, entry: Entry, given: Json) -> Filled:
        """What `words` and `given` say of the arguments; in a thread, for schemas may be as long as servers like."""
        return await to_thread.run_sync(partial(extract, words, entry.definition, now=self._now(), given=given))

    async def _completed(self, plan: _Plan, request: Request) -> _Plan:
        """With what the caller says of the arguments that are missing, if it can be asked."""
        question = form(plan.found.entry.definition, plan.filled.missing)
        if question is None or request.caller.lacks("elicitation/create", question):
            return plan
        said: Json = {}
        with suppress(CannotAsk, AnswerError, Unanswered):
            said = await request.caller.back.ask("elicitation/create", question)
        content = said.get("content")
        if said.get("action") != "accept" or not isinstance(content, dict):
            return replace(plan, declined=bool(said))
        tool = plan.found.entry.definition
        given = plan.filled.arguments | answered(tool, content)
        said_now = {name: Source("", 0, 0, "answer") for name in given if name not in plan.filled.arguments}
        filled = await self._read("", plan.found.entry, given)
        return replace(plan, filled=replace(filled, sources={**plan.filled.sources, **said_now}))

    async def _called(self, entry: Entry, arguments: Json, request: Request, told: Json) -> Json:
        result = await self._calling.call(entry, arguments, request)
        if result.get("resultType") == "input_required":
            return result | {"requestState": _state(entry, arguments, result.get("requestState"))}
        meta = result.get("_meta")
        return result | {"_meta": (meta if isinstance(meta, dict) else {}) | {META: told}}

    async def _continue(self, state: Json, request: Request) -> Json:
        """A call that its server has asked about goes on: the same tool, the same arguments."""
        entry = self._calling.server_tool(state["tool"], request.caller)
        params = {key: value for key, value in request.params.items() if key != "requestState"}
        if state["state"] is not None:
            params |= {"requestState": state["state"]}
        again = Request(request.method, params, request.caller)
        return await self._called(
            entry, state["arguments"], again, {"tool": entry.name, "arguments": state["arguments"]}
        )


def _state(entry: Entry, arguments: Json, state: Any) -> str:
    return _STATE + json.dumps({"tool": entry.name, "arguments": arguments, "state": state})


def _continued(request: Request) -> Json | None:
    """What a client comes back to, if it does.

    Raises:
        Mistake: to something that never was.
    """
    state = request.params.get("requestState")
    if not isinstance(state, str) or not state.startswith(_STATE):
        return None
    try:
        known = json.loads(state.removeprefix(_STATE))
    except (ValueError, RecursionError) as error:
        raise Mistake("requestState is none of ours") from error
    if not (
        isinstance(known, dict) and isinstance(known.get("tool"), str) and isinstance(known.get("arguments"), dict)
    ):
        raise Mistake("requestState is none of ours")
    return {"state": None} | known


def _told(plan: _Plan) -> Json:
    """How a call came about, for whoever wants to know."""
    filled = plan.filled
    told: Json = {
        "tool": plan.found.entry.name,
        "use": use_of(plan.found.entry),
        "confidence": round(plan.found.confidence, 3),
        "matched": list(plan.found.words),
        "mode": plan.mode,
        "arguments": filled.arguments,
        "from": {name: _from(source) for name, source in filled.sources.items()},
    }
    told |= {"not_understood": list(plan.unread)} if plan.unread else {}
    told |= {"missing": list(filled.missing)} if filled.missing else {}
    told |= {"left_out": list(filled.problems)} if filled.problems else {}
    return told | ({"suggestions": _suggested(plan.later)} if plan.later else {})


def _from(source: Source) -> Json:
    """Where a value comes from: how it was found, and in which words, if in any."""
    return asdict(source) if source.end > source.start else {"how": source.how}


def _suggested(later: Sequence[Step]) -> Json:
    """What may come next; nothing of it was called."""
    return {
        "these_are_only_suggestions": True,
        "next_steps": [
            {"step": step.words, "candidates": [candidate(found, "name") for found in step.answer.ranked[:3]]}
            for step in later
        ],
    }


def _own(entry: Entry) -> list[str]:
    """The names of a tool's arguments."""
    schema = entry.definition.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return list(properties) if isinstance(properties, dict) else []


def _not_its_own(given: Json, entry: Entry) -> list[str]:
    """Those of `given` that a tool does not have, where it does not say that it takes others."""
    schema = entry.definition.get("inputSchema")
    takes_others = isinstance(schema, dict) and schema.get("additionalProperties", False) is not False
    own = frozenset(_own(entry))
    return [] if takes_others or not own else [name for name in given if name not in own]


def _why_not(first: Answer, words: str, threshold: float) -> str:
    """Why nothing is to be called; empty if it is clear what is."""
    if not first.ranked or not first.fits:
        return "nothing here seems to do this"
    if forbids(words):
        return "the request says what is not to be done"
    best = first.ranked[0].confidence
    return (
        "" if best >= threshold else f"the best candidate has a confidence of {best:.2f}; calling needs {threshold:.2f}"
    )


def _unclear(first: Answer, later: Sequence[Step], why: str) -> Json:
    """Nothing was called, since it is not clear what was meant."""
    asks = _question(first.ranked) if first.fits else "Can you say it in other words, or name the server?"
    candidates = [candidate(found) for found in first.ranked]
    said: Json = {"called": False, "why": why, "question": asks, "candidates": candidates}
    return said | ({"suggestions": _suggested(later)} if later else {})


def _half_read(plan: _Plan) -> Json:
    """Nothing was called, since that would be another thing than what was asked for."""
    pieces = ", ".join(repr(piece) for piece in plan.unread)
    use = use_of(plan.found.entry)
    return {
        "called": False,
        "why": f"it may change things, and it is not clear what was meant by {pieces}",
        "question": f"Which argument is it? Pass it in `arguments`, or use {use} with all of them.",
        **_told(plan),
    }


def _question(ranked: Sequence[Found]) -> str:
    """One question that tells the candidates apart."""
    choices = [f"{found.entry.name}{_about(found.entry)}" for found in ranked[:3]]
    return (
        f"Do you mean {' or '.join(choices)}?" if len(choices) > 1 else f"Do you mean {choices[0]}, and nothing else?"
    )


def _about(entry: Entry) -> str:
    said = summary(entry).split(". ")[0].rstrip(".")
    return f" ({said})" if said else ""


def _incomplete(plan: _Plan) -> Json:
    names = ", ".join(f"`{name}`" for name in plan.filled.missing)
    if plan.declined:
        why = f"the person was asked for {names}, and would not say: do not ask again"
        return {"called": False, "why": why, **_told(plan)}
    return {
        "called": False,
        "why": f"required arguments are missing: {names}",
        "question": f"What should {names} be? Call again with `arguments`.",
        **_told(plan),
    }
