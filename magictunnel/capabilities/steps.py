"""Running a tool that is several steps: each as soon as those that it comes after have ended."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

import anyio

from magictunnel.capabilities.base import Job, Output, StepScope
from magictunnel.capabilities.content.files import charset_of, media_type
from magictunnel.capabilities.language.expression import MISSING, Absent, Scope, filled, holds
from magictunnel.capabilities.language.model import OnError, Step, Tool
from magictunnel.capabilities.order import befores
from magictunnel.catalog.model import Json
from magictunnel.errors import CallError, RunError

MOST_AT_ONCE = 16
"""Steps of one call that run at the same time."""
_TOLD = 200
"""Characters of an error that are told as progress."""
_EXPLAINED = 2_000
"""Characters of what explains an error that are reported beside it."""

RunStep = Callable[[Step, Job], Awaitable[Output]]


class _Status(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class _End:
    """How one step ended."""

    status: _Status
    value: Any = None
    error: str = ""
    """Why it failed, or was skipped."""
    output: Output = field(default_factory=Output)
    is_blocked: bool = False
    """Whether it failed, or could not run because another one failed."""

    @property
    def report(self) -> Json:
        if self.status is _Status.OK:
            return {"status": self.status.value, "value": self.value}
        return {"status": self.status.value, "error": "\n".join(filter(None, (self.error, self.detail)))}

    @property
    def detail(self) -> str:
        """What explains its error."""
        return self.output.body[:_EXPLAINED].decode(errors="replace").strip()


_UNWANTED = _End(_Status.SKIPPED, error="its `when` does not hold")


async def run_steps(tool: Tool, job: Job, run: RunStep) -> Output:
    """What the steps of `tool` come to, each of them run by `run` with a scope of its own.

    A step without `when` is skipped if one that it depends on was; one with `when` then runs if that holds. Behind a
    step that failed none runs. What comes of it is `tool.result`; without that, the value of each step by name, or a
    report of each (`{"steps": {name: {"status", "value" or "error"}}}`) where some step may fail alone.
    """
    steps = tool.steps or ()
    running = _Running(steps, job, run)
    await running.all()
    if running.fatal is not None:
        return running.fatal
    is_cut = any(end.output.is_cut for end in running.ends.values())
    return replace(_told(tool, running.in_order(steps), job.scope), is_cut=is_cut)


class _Running:
    """One run of all steps."""

    def __init__(self, steps: Sequence[Step], job: Job, run: RunStep) -> None:
        self._steps = steps
        self._job = job
        self._run = run
        self._befores = befores(steps)
        self._ended = {step.name: anyio.Event() for step in steps}
        self._turns = anyio.Semaphore(MOST_AT_ONCE)
        self.ends: dict[str, _End] = {}
        self.fatal: Output | None = None
        """What the tool fails with."""

    async def all(self) -> None:
        """Run them until all have ended, or one failed that the others do not go on without."""
        async with anyio.create_task_group() as tasks:
            for step in self._steps:
                tasks.start_soon(self._one, step, tasks.cancel_scope)

    def in_order(self, steps: Sequence[Step]) -> dict[str, _End]:
        """How they ended, in the order of the file."""
        return {step.name: self.ends[step.name] for step in steps}

    async def _one(self, step: Step, everything: anyio.CancelScope) -> None:
        for name in step.depends_on:
            await self._ended[name].wait()
        scope = self._scope(step)
        end = self._hindrance(step, scope) or await self._attempt(step, scope)
        self.ends[step.name] = end
        if end.status is _Status.FAILED and step.on_error is OnError.STOP:
            self.fatal = self.fatal or replace(end.output, failed=f"step {step.name!r}: {end.error}")
            everything.cancel()
            return
        self._ended[step.name].set()
        await self._job.tell(self._progress(step, end))

    def _scope(self, step: Step) -> dict[str, Any]:
        """What `step` sees: the arguments, and what those came to that it comes after."""
        before = _values({name: self.ends[name] for name in self._befores[step.name]})
        return StepScope(self._job.scope, steps=before)

    def _hindrance(self, step: Step, scope: Scope) -> _End | None:
        """How `step` ends without being run; None: it is run."""
        behind = {name: self.ends[name] for name in step.depends_on}
        for name, end in behind.items():
            if end.is_blocked:
                why = "failed" if end.status is _Status.FAILED else "could not run"
                return _End(_Status.SKIPPED, error=f"step {name!r} {why}", is_blocked=True)
        if step.when is not None:
            return None if holds(step.when, scope) else _UNWANTED
        skipped = [name for name, end in behind.items() if end.status is _Status.SKIPPED]
        return _End(_Status.SKIPPED, error=f"step {skipped[0]!r} was skipped") if skipped else None

    async def _attempt(self, step: Step, scope: dict[str, Any]) -> _End:
        async with self._turns:
            with anyio.move_on_after(step.timeout):
                return await self._ran(step, Job(scope, self._job.request, partial(self._said, step.name)))
        return _failed(f"did not end within {step.timeout or 0:g} s")

    async def _ran(self, step: Step, job: Job) -> _End:
        try:
            output = await self._run(step, job)
        except (RunError, CallError) as error:
            return _failed(str(error))
        except Absent as error:
            return _failed(f"{error}, and nothing was run")
        if output.failed or (output.result and output.result.get("isError")):
            return _failed(output.failed or "failed", _explained(output))
        return _End(_Status.OK, value_of_output(output), output=output)

    async def _said(self, name: str, line: str) -> None:
        await self._job.tell(f"{name}: {line}")

    def _progress(self, step: Step, end: _End) -> str:
        why = f" ({end.error[:_TOLD]})" if end.error else ""
        return f"{len(self.ends)}/{len(self._steps)} {step.name}: {end.status.value}{why}"


def _failed(error: str, output: Output | None = None) -> _End:
    return _End(_Status.FAILED, error=error, output=output or Output(), is_blocked=True)


def _explained(output: Output) -> Output:
    """A failure with the text of another server's result as that of our own."""
    return output if output.result is None else Output(body=_text_of(output.result).encode(), content_type="text/plain")


def _told(tool: Tool, ends: dict[str, _End], scope: Scope) -> Output:
    """What comes of all steps."""
    if tool.result is None:
        may_fail_alone = any(step.on_error is OnError.GO_ON for step in tool.steps or ())
        reports = {name: end.report for name, end in ends.items()}
        return Output(value={"steps": reports} if may_fail_alone else _values(ends))
    errors = {name: end.report["error"] for name, end in ends.items() if end.status is _Status.FAILED}
    try:
        value = filled(tool.result, {**scope, "steps": _values(ends), "errors": errors})
    except Absent as error:
        whys = "; ".join(f"{name}: {end.error}" for name, end in ends.items() if end.error)
        return Output(failed=f"`result` cannot be made: {error}" + (f" ({whys})" if whys else ""))
    return Output(value=None if value is MISSING else value)


def _values(ends: dict[str, _End]) -> Json:
    return {name: end.value for name, end in ends.items() if end.status is _Status.OK}


def value_of_output(output: Output) -> Any:
    """What a step came to, as later ones see it.

    JSON where it is said to be JSON, or is an object or a list; else text, without the line ends at its end, as a shell
    has it; base64 of what is neither.
    """
    if output.result is not None:
        structured = output.result.get("structuredContent")
        return _json_or_text(_text_of(output.result)) if structured is None else structured
    if output.value is not MISSING:
        return output.value
    try:
        text = output.body.decode(charset_of(output.content_type))
    except (UnicodeDecodeError, LookupError):
        return base64.b64encode(output.body).decode("ascii")
    return _json_or_text(text, is_json="json" in media_type(output.content_type))


def _json_or_text(text: str, *, is_json: bool = False) -> Any:
    if is_json or text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text, parse_constant=_no_json)
        except (ValueError, RecursionError):
            pass  # it only looks like JSON, or says that it is: whoever reads it sees the text
    return text.rstrip("\r\n")


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _text_of(result: Json) -> str:
    """All text of a result of another server."""
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = (block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))
