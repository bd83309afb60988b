"""Running a script, as the rest of the program knows it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import anyio
import anyio.to_thread

from magictunnel.catalog.model import Entry, Json
from magictunnel.discovery.code.limits import CallTool, ScriptLimits
from magictunnel.discovery.code.outcome import Outcome, ScriptFailed
from magictunnel.discovery.code.signatures import checked, functions

_WORD = re.compile(r"\w+")


def available() -> str:
    """Why no script can run here, and what to do; empty if one can."""
    try:
        import pydantic_monty  # noqa: F401
    except ImportError as error:
        return f"code mode needs the package pydantic-monty ({error}): pip install 'magictunnel[code]'"
    return ""


async def run_script(code: str, tools: Sequence[Entry], call: CallTool, limits: ScriptLimits | None = None) -> Json:
    """Runs `code` with each of `tools` as an async function, and gives a `CallToolResult`.

    What goes wrong in the script is a result with `isError`, a line and a message. A cancelled `run_script` ends the
    script and its calls. An error of `call` that is no CallError comes out in an ExceptionGroup.
    """
    limits = limits or ScriptLimits()
    why = _refusal(code, limits)
    if why:
        return Outcome(failure=why).result(limits.output)
    from magictunnel.discovery.code.drive import drive

    named = functions(tools)
    mentioned = {name: named[name] for name in dict.fromkeys(_WORD.findall(code)) if name in named}
    stubs = await anyio.to_thread.run_sync(checked, mentioned)
    outcome = await drive(code, named, call, limits, stubs)
    return outcome.result(limits.output)


def _refusal(code: str, limits: ScriptLimits) -> ScriptFailed | None:
    """Why a script is not even started."""
    if len(code) > limits.code:
        return ScriptFailed("ValueError", f"the script has {len(code)} characters; {limits.code} are allowed")
    if not _is_unicode(code):
        return ScriptFailed("ValueError", "the script has characters that Unicode does not allow alone")
    why = available()
    return ScriptFailed("Unavailable", why) if why else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
