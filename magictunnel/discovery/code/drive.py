"""One script from start to end: what it calls is called, what it waits for is waited for, and all of it is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import EllipsisType
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from pydantic_monty import (
    AsyncFunctionSnapshot,
    AsyncFutureSnapshot,
    AsyncMontySession,
    AsyncNameLookupSnapshot,
    ExternalFuture,
    ExternalSettledResult,
    MontyComplete,
    MontyError,
    MontyTypingError,
)
from pydantic_monty import AsyncSnapshot as Step

from magictunnel.catalog.model import Entry, Json
from magictunnel.discovery.code import worker
from magictunnel.discovery.code.limits import CallTool, ScriptLimits
from magictunnel.discovery.code.outcome import Outcome, ScriptFailed
from magictunnel.discovery.code.signatures import Parameter, parameters
from magictunnel.discovery.code.values import NotJson, ToolFailed, cleaned, plain, result_value
from magictunnel.errors import CallError

MAX_ARGUMENTS = 1_000_000
"""Characters of the arguments of one call, as JSON."""

_SLEEP = "time.sleep"
_ASYNC_SLEEP = "asyncio.sleep"
_PENDING: ExternalFuture = {"future": ...}

_Answer = ExternalSettledResult


async def drive(code: str, tools: Mapping[str, Entry], call: CallTool, limits: ScriptLimits, stubs: str) -> Outcome:
    """Runs a script that may call `tools` (by identifier), and says what became of it.

    It raises nothing of the script's; an error of `call` that is no CallError comes out in an ExceptionGroup.
    """
    async with anyio.create_task_group() as group:
        script = _Script(tools, call, limits, group)
        outcome = await script.outcome(code, stubs)
        group.cancel_scope.cancel()
    return outcome


class _Printed:
    """What a script prints, which another thread hears. Past `flood` characters `stop` is called, once, in the loop."""

    def __init__(self, limits: ScriptLimits, stop: Callable[[], None]) -> None:
        self._room = limits.output
        self._left = limits.flood
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._texts: list[str] = []
        self.flooded = False
        self.whole = True

    def __call__(self, _stream: str, text: str) -> None:
        if self._room > 0:
            self._texts.append(text[: self._room])
        self._room -= len(text)
        self._left -= len(text)
        self.whole = self._room >= 0
        if self._left < 0 and not self.flooded:
            self.flooded = True
            self._loop.call_soon_threadsafe(self._stop)

    @property
    def text(self) -> str:
        return cleaned("".join(self._texts))


class _Script:
    """Answers what one script asks for until it ends. `group` owns the calls that are under way."""

    def __init__(self, tools: Mapping[str, Entry], call: CallTool, limits: ScriptLimits, group: TaskGroup) -> None:
        self._tools = tools
        self._call = call
        self._limits = limits
        self._group = group
        self._scope = anyio.CancelScope()
        self._printed = _Printed(limits, self._scope.cancel)
        self._known: dict[str, Mapping[str, Parameter]] = {}
        self._calls = self._made = self._ended = 0
        """Calls of tools: written, begun since the script waited for them, and done."""
        self._waiting: dict[int, Callable[[], Awaitable[Any]]] = {}
        """What was called and is not awaited yet, by its number. As in Python, it does not run until then."""
        self._running: set[int] = set()
        self._settled: dict[int, _Answer] = {}
        self._news = anyio.Event()

    async def outcome(self, code: str, stubs: str) -> Outcome:
        value, failure = None, None
        try:
            value = await self._bounded(code, stubs)
        except ScriptFailed as error:
            failure = error
        except MontyError as error:
            failure = worker.failed(error, self._limits)
        printed = self._printed
        return Outcome(value, failure, printed.text, printed.whole, self._made, self._notes())

    async def _bounded(self, code: str, stubs: str) -> Any:
        """The value of the script. Raises ScriptFailed, MontyError."""
        self._scope.deadline = anyio.current_time() + self._limits.total
        with self._scope:
            async with worker.session(self._limits, stubs) as session:
                return await self._value(session, code)
        if self._printed.flooded:
            raise ScriptFailed("RuntimeError", f"it printed more than {self._limits.flood} characters, and was stopped")
        raise ScriptFailed("TimeoutError", f"it took longer than {self._limits.total:g} s, and was stopped")

    async def _value(self, session: AsyncMontySession, code: str) -> Any:
        """Runs it, unless it cannot be right: then nothing of it runs."""
        try:
            return await self._driven(await session.feed_start(code, print_callback=self._printed))
        except MontyTypingError as error:
            wrong = worker.complaints(error.display(), code)
        if wrong or self._calls:
            raise ScriptFailed("TypeError", "\n".join(["nothing was run, because", *wrong]))
        step = await session.feed_start(code, print_callback=self._printed, skip_type_check=True)
        return await self._driven(step)

    async def _driven(self, step: Step) -> Any:
        while not isinstance(step, MontyComplete):
            step = await self._answered(step)
        return step.output

    async def _answered(self, step: AsyncFunctionSnapshot | AsyncNameLookupSnapshot | AsyncFutureSnapshot) -> Step:
        if isinstance(step, AsyncFutureSnapshot):
            return await step.resume(await self._news_of(step.pending_call_ids))
        if isinstance(step, AsyncNameLookupSnapshot):
            name = step.variable_name
            return await (step.resume(value=_reference(name)) if name in self._tools else step.resume())
        if step.is_os_function:
            return await self._system(step)
        return await step.resume(self._called(step))

    def _called(self, step: AsyncFunctionSnapshot) -> _Answer | ExternalFuture:
        """Takes a call of a tool, which is made when the script waits for it, or refuses it."""
        tool = self._tools.get(step.function_name)
        if tool is None:
            return {"exc_type": "NameError", "message": f"name {step.function_name!r} is not defined"}
        if self._calls >= self._limits.calls:
            return _error(f"a script may make {self._limits.calls} calls, and this one has made them")
        try:
            given = arguments(self._parameters(tool), step.args, step.kwargs)
        except NotJson as error:
            return {"exc_type": "TypeError", "message": f"{step.function_name}(): {error}"}
        self._calls += 1
        self._waiting[step.call_id] = partial(self._result, tool, given)
        return _PENDING

    def _parameters(self, tool: Entry) -> Mapping[str, Parameter]:
        if tool.name not in self._known:
            self._known[tool.name] = parameters(tool)
        return self._known[tool.name]

    async def _result(self, tool: Entry, given: Json) -> Any:
        self._made += 1
        try:
            result = await self._call(tool, given)
        finally:
            self._ended += 1
        return await anyio.to_thread.run_sync(result_value, result)

    async def _system(self, step: AsyncFunctionSnapshot) -> Step:
        """Answers what is no tool: sleeping, and nothing else."""
        if step.function_name not in (_SLEEP, _ASYNC_SLEEP):
            return await step.resume_not_handled()
        seconds = self._seconds(step.args)
        if step.function_name == _SLEEP:
            await anyio.sleep(seconds)
            return await step.resume({"return_value": None})
        self._waiting[step.call_id] = partial(anyio.sleep, seconds)
        return await step.resume(_PENDING)

    def _seconds(self, given: tuple[Any, ...]) -> float:
        seconds = given[0] if given else 0
        return min(float(seconds), self._limits.total) if isinstance(seconds, int | float) and seconds > 0 else 0.0

    async def _news_of(self, numbers: list[int]) -> dict[int, _Answer]:
        """What became of at least one of these calls, once something has. Those not made yet are made now."""
        for number in numbers:
            if job := self._waiting.pop(number, None):
                self._running.add(number)
                self._group.start_soon(self._settle, number, job)
            elif number not in self._running and number not in self._settled:
                self._settled[number] = _error("this call is unknown")
        while not (ready := self._settled.keys() & set(numbers)):
            self._news = anyio.Event()
            await self._news.wait()
        return {number: self._settled.pop(number) for number in ready}

    async def _settle(self, number: int, job: Callable[[], Awaitable[Any]]) -> None:
        try:
            self._settled[number] = {"return_value": await job()}
        except (CallError, ToolFailed) as error:
            self._settled[number] = _error(str(error))
        self._running.discard(number)
        self._news.set()

    def _notes(self) -> tuple[str, ...]:
        """What of the script did not happen, or not to its end."""
        told = (
            (self._calls - self._made, "not awaited, so it was not made"),
            (self._made - self._ended, "still under way when the script ended, and was cancelled"),
        )
        return tuple(f"Calls: {count} of them {what}." for count, what in told if count)


def arguments(known: Mapping[str, Parameter], args: tuple[Any, ...], kwargs: Json) -> Json:
    """The arguments of a call under the tool's own names. Raises NotJson.

    None for a parameter that may be left out, and takes no null, leaves it out.
    """
    if args:
        raise NotJson("arguments must be given by keyword")
    given: Json = {}
    for key, value in kwargs.items():
        parameter = known.get(key)
        name = parameter.name if parameter else key
        if name in given:
            raise NotJson(f"two arguments for {name!r}")
        if value is None and parameter and not parameter.required and not parameter.takes_none:
            continue
        given[cleaned(name)] = value
    copied: Json = plain(given, MAX_ARGUMENTS)
    return copied


def _reference(name: str) -> Callable[[], EllipsisType]:
    """What stands for a tool where a script names it without calling it; only its name crosses over."""

    def function() -> EllipsisType:
        return ...

    function.__name__ = name
    return function


def _error(message: str) -> _Answer:
    return {"exc_type": "RuntimeError", "message": cleaned(message)}
