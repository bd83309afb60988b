"""The process in which one script is interpreted: started, told the script, ended. The only place that knows how.

Every script has a process of its own, so that nothing stays for the next one, and so that it can be ended whatever it
does.
"""

from __future__ import annotations

import atexit
import builtins
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from pydantic_monty import (
    AsyncMonty,
    AsyncMontySession,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
)

from magictunnel.discovery.code.limits import ScriptLimits
from magictunnel.discovery.code.outcome import ScriptFailed

NAME = "script.py"
GRACE = 1.0
"""Seconds after which a process is killed that did not stop by itself when its time was up."""
CLOSING = 5.0
"""Seconds at most to wait for a process to end."""
MAX_COMPLAINTS = 10

_OURS = "<python-input"
"""How the file is called that frames of the script itself are in; `exec` has another."""

_COMPLAINT = re.compile(rf"{re.escape(NAME)}:(\d+):(\d+): \w+\[([\w-]+)\] (.*)")
_OF_CALLS = frozenset(
    {"missing-argument", "unknown-argument", "invalid-argument-type", "too-many-positional-arguments"}
)
_BUILTINS = frozenset(dir(builtins))
_NOT_AWAITED = "CoroutineType["


class _Parting:
    """Lets threads of the interpreter's client end before Python does: one that is late aborts the whole process."""

    QUIET = 0.3
    """Seconds after its last use that it is known to be done."""

    def __init__(self) -> None:
        self._last = -self.QUIET
        atexit.register(self.wait)

    def note(self) -> None:
        """It was used just now."""
        self._last = time.monotonic()

    def wait(self) -> None:
        """Waits until it is done."""
        time.sleep(max(0.0, self._last + self.QUIET - time.monotonic()))


_parting = _Parting()


@asynccontextmanager
async def session(limits: ScriptLimits, stubs: str) -> AsyncIterator[AsyncMontySession]:
    """A process for one script, whose calls of tools are checked by `stubs`. It ends with the context, always.

    Raises ScriptFailed if it cannot be started.
    """
    stack = AsyncExitStack()
    try:
        yield await _opened(stack, limits, stubs)
    finally:
        with anyio.move_on_after(CLOSING, shield=True):
            await stack.aclose()
        _parting.note()


async def _opened(stack: AsyncExitStack, limits: ScriptLimits, stubs: str) -> AsyncMontySession:
    pool = AsyncMonty(min_processes=1, max_processes=1, request_timeout=limits.time + 2 * GRACE)
    try:
        await stack.enter_async_context(pool)
        checkout = pool.checkout(
            script_name=NAME,
            limits={
                "max_feed_duration_secs": limits.time,
                "max_memory": limits.memory,
                "max_suspensions": limits.steps,
            },
            type_check=True,
            type_check_stubs=stubs,
            type_check_format="concise",
            os_policy={"sleep": "call_host"},
        )
        return await stack.enter_async_context(checkout)
    except (RuntimeError, OSError) as error:
        raise ScriptFailed("Unavailable", "the interpreter of scripts could not be started") from error


def complaints(report: str, code: str) -> list[str]:
    """What a type checker's report says of names that do not exist, and of calls that cannot be right.

    It finds fault with much else that works, and knows fewer builtins than there are.
    """
    lines = code.splitlines()
    found: list[str] = []
    for line, column, rule, text in _COMPLAINT.findall(report):
        if _counts(rule, text) and not _is_spread(lines, int(line), int(column)):
            hint = " (`await` it)" if _NOT_AWAITED in text else ""
            found.append(f"line {line}: {text[:300]}{hint}")
    return found[:MAX_COMPLAINTS]


def _counts(rule: str, text: str) -> bool:
    if rule == "unresolved-reference":
        return text.partition("`")[2].partition("`")[0] not in _BUILTINS
    return (rule in _OF_CALLS and " function `" in text) or _NOT_AWAITED in text


def _is_spread(lines: list[str], line: int, column: int) -> bool:
    """Whether a complaint is about `**arguments`, of which a checker cannot tell what goes where."""
    return line <= len(lines) and lines[line - 1][column - 1 :].lstrip().startswith("*")


def failed(error: MontyError, limits: ScriptLimits) -> ScriptFailed:
    """What ended a script, in its own terms."""
    if isinstance(error, MontyRuntimeError | MontySyntaxError):
        kind, _, message = error.display("type-msg").partition(":")
        frames = [frame for frame in error.traceback() if frame.filename.startswith(_OURS)]
        line, source = (frames[-1].line, frames[-1].source_line or "") if frames else (0, "")
        return ScriptFailed(kind[:100], message.strip(), line, source)
    if isinstance(error, MontyCrashedError) and error.timed_out:
        return ScriptFailed("TimeoutError", f"it computed for more than {limits.time:g} s, and was stopped")
    return ScriptFailed("RuntimeError", "its interpreter broke down; nothing it had computed is left")
