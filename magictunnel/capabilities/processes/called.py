"""Run as a script, in a process of its own: calls one Python function, and writes what it returns.

The standard library only, so that it starts fast and nothing of ours can be in the way of what it imports.

In, on stdin: `{"module", "function", "path", "arguments"}`. Out, on what stdout was: one line with the kind of the
answer, and behind it JSON (`value`; `raised`: the error in one line, and where), text, or bytes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

VALUE: Final = "value"
TEXT: Final = "text"
BYTES: Final = "bytes"
MISSING: Final = "missing"
RAISED: Final = "raised"

_FRAMES = 10
LONGEST: Final = 64 * 1024
"""Characters of an error; whoever hides secrets in it cuts it to what is told."""

Answer = tuple[str, bytes]


def answer(asked: dict[str, Any]) -> Answer:
    """What calling that function comes to."""
    sys.path.insert(0, asked["path"])
    try:
        function = _function(asked["module"], asked["function"])
        return _returned(_awaited(function(**asked["arguments"])))
    except LookupError as error:
        return (MISSING, str(error.args[0]).encode()) if type(error) is _NotThere else _raised(error)
    except BaseException as error:  # noqa: BLE001  whatever it is, the caller is to hear of it
        return _raised(error)


class _NotThere(LookupError):
    """There is no such module, or no such function in it."""


def _function(module: str, name: str) -> Callable[..., Any]:
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise _NotThere(f"there is no module {module!a}") from error
        raise
    for part in name.split("."):
        if not hasattr(found, part):
            raise _NotThere(f"there is no {name!a} in module {module!a}")
        found = getattr(found, part)
    if not callable(found):
        raise _NotThere(f"{name!a} in module {module!a} is no function")
    return found  # type: ignore[no-any-return]


def _awaited(value: Any) -> Any:
    if not hasattr(value, "__await__"):
        return value
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


def _returned(value: Any) -> Answer:
    if isinstance(value, str):
        return TEXT, value.encode("utf-8", "backslashreplace")
    if isinstance(value, bytes | bytearray | memoryview):
        return BYTES, bytes(value)
    try:
        return VALUE, _json(value)
    except (TypeError, ValueError, RecursionError) as error:
        return _told(f"it returned what is not JSON: {error}", "")


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character
        return json.dumps(value, allow_nan=False).encode()


def _raised(error: BaseException) -> Answer:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    theirs = [frame for frame in frames if not frame.filename.startswith("<frozen ")]
    return _told(f"{type(error).__name__}: {error}", "".join(traceback.format_list(theirs[-_FRAMES:])))


def _told(error: str, where: str) -> Answer:
    line = " ".join(error.split()).removesuffix(":")
    return RAISED, json.dumps([line[:LONGEST], where]).encode()


def main() -> None:
    """Answer what stdin asks for. What is printed meanwhile goes to stderr."""
    channel = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    kind, said = answer(json.loads(sys.stdin.buffer.read()))
    with os.fdopen(channel, "wb") as out:
        out.write(kind.encode() + b"\n" + said)


if __name__ == "__main__":
    main()
