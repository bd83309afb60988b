"""What a model has to know to write a script; the signatures of the tools come on top of it."""

from __future__ import annotations

from magictunnel.discovery.code.limits import MEBIBYTE, ScriptLimits


def about(limits: ScriptLimits) -> str:
    """How scripts are written here, and what they may take."""
    return _ABOUT.format(
        calls=limits.calls,
        time=f"{limits.time:g}",
        total=f"{limits.total:g}",
        memory=limits.memory // MEBIBYTE,
        output=limits.output,
    )


_ABOUT = """\
A script is Python, run in a sandbox: no files, no network, no processes, no packages. Each tool is an async function \
with keyword arguments: `await` it, outside functions too. Calls in `await asyncio.gather(a(), b())` run at once.
A call gives the tool's structured content if it has any, else its text, or what that is the JSON of if it is an \
object or a list; several blocks of content are a list. Images and other bytes are not given, only their size. A call \
that fails raises RuntimeError with the tool's message.
The value of the last line, and what is printed, is all that is told of a script: filter and sum up inside it.
There are asyncio.gather and asyncio.sleep (no tasks, no `return_exceptions`), json, re, math, datetime, time and some \
more modules of Python's own; there is no `async with`.
Limits: {calls} calls, {time} s of computing, {total} s in all, {memory} MiB, {output} characters of result."""
