"""Python functions, each call in a process of its own."""

from __future__ import annotations

import json
import sys

from magictunnel.capabilities.base import DEFAULT_MAX_OUTPUT, Output, Site, Tell, arguments_of, silent
from magictunnel.capabilities.language.expression import Scope
from magictunnel.capabilities.language.model import Python
from magictunnel.capabilities.processes import called
from magictunnel.capabilities.processes.command import folder, outcome
from magictunnel.capabilities.processes.environment import environment, filling
from magictunnel.capabilities.processes.process import Ended, Plan, finished, hidden
from magictunnel.capabilities.processes.progress import Progress
from magictunnel.catalog.model import Json
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from magictunnel.wire.codec import loads

_PLAIN_TEXT = "text/plain; charset=utf-8"
_LONGEST_TOLD = 500
"""Characters told of an error."""


async def run_python(python: Python, scope: Scope, site: Site, tell: Tell = silent) -> Output:
    """Call it, and wait for what it returns: JSON, text or bytes. The lines it prints are told as progress.

    Raises:
        RunError: it was not called: something is missing, or there is no such function, module or folder.
    """
    plan = planned(python, scope, site)
    ended = await finished(plan, site.guard, Progress(tell, site.secrets.mask))
    kind, is_whole, said = ended.out.partition(b"\n")
    if not is_whole or ended.is_cut or ended.code:
        return _broken_off(ended, plan, kind.decode("ascii", "replace"), said, site.secrets)
    return _answered(kind.decode("ascii", "replace"), said, python, site.secrets)


def planned(python: Python, scope: Scope, site: Site) -> Plan:
    """The process that would call it.

    Raises:
        RunError: something is missing, or cannot be given to a process.
    """
    if "{{" in (python.path or ""):
        raise RunError("`path` takes no placeholder")
    place = folder(python.path, site, "path")
    module, _, function = python.function.partition(":")
    asked = {"module": module, "function": function, "path": str(place), "arguments": _arguments(python, scope)}
    return Plan(
        # -P: this package's folder is not where its modules are looked for.
        argv=[sys.executable, "-P", "-X", "utf8", called.__file__],
        env=environment(python.env, scope, site.secrets),
        cwd=place,
        cwd_written=python.path or ".",
        max_output=python.max_output or DEFAULT_MAX_OUTPUT,
        stdin=json.dumps(asked).encode(),
        max_memory=python.max_memory,
        told="stderr",
    )


def _arguments(python: Python, scope: Scope) -> Json:
    """By name: what the file says, or those of the call."""
    if python.arguments is None:
        return arguments_of(scope)
    made: Json = filling(python.arguments, scope)
    return made


def _answered(kind: str, said: bytes, python: Python, secrets: Secrets) -> Output:
    if kind == called.MISSING:
        raise RunError(said.decode(), hint=f"correct `function` ({python.function}), or `path`")
    if kind == called.RAISED:
        error, where = loads(said)
        told = (secrets.mask if len(error) < called.LONGEST else secrets.mask_start)(error)[:_LONGEST_TOLD]
        return Output(secrets.mask(where).encode("utf-8", "replace"), _PLAIN_TEXT, failed=told)
    shown = hidden(said, secrets.mask)
    if kind == called.VALUE:
        value = loads(said)
        return Output(value=value if shown is said else secrets.mask_json(value))
    return Output(shown, _PLAIN_TEXT if kind == called.TEXT else "application/octet-stream")


def _broken_off(ended: Ended, plan: Plan, kind: str, said: bytes, secrets: Secrets) -> Output:
    """Of one that did not come to answer, or not to the end of its answer."""
    if ended.is_cut and said:
        content_type = "application/octet-stream" if kind == called.BYTES else _PLAIN_TEXT
        return Output(hidden(said, secrets.mask_start), content_type, is_cut=True)
    if ended.is_cut or ended.failure:
        return outcome(ended, plan, secrets, "")
    return Output(ended.reason(secrets), _PLAIN_TEXT, failed="ended before the function returned")
