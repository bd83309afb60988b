"""Commands: a program with its arguments, started without a shell, and what it wrote.

`${...}` may stand in `env` and `cwd`, not in `argv`: everybody on the machine sees the command lines of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from magictunnel.capabilities.base import DEFAULT_MAX_OUTPUT, Output, Site, Tell, silent
from magictunnel.capabilities.language.expression import MISSING, Absent, BadExpression, Scope, as_text, filled
from magictunnel.capabilities.language.model import Command
from magictunnel.capabilities.processes.code import code_in
from magictunnel.capabilities.processes.environment import encoded, environment, expanded, filling, plain_text
from magictunnel.capabilities.processes.process import Ended, Plan, finished, hidden
from magictunnel.capabilities.processes.progress import Progress
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets

_AS_ARGUMENT = """(pass it as an argument: [sh, -c, 'echo "$1"', sh, "{{text}}"])"""
_PLAIN_TEXT = "text/plain; charset=utf-8"


async def run_command(command: Command, scope: Scope, site: Site, tell: Tell = silent) -> Output:
    """Run it to its end. What it wrote to stdout is the answer; if it failed, the end of its stderr says why.

    Raises:
        RunError: it did not run: something is missing, or there is no such program or folder.
    """
    plan = planned(command, scope, site)
    progress = Progress(tell, site.secrets.mask)
    return outcome(await finished(plan, site.guard, progress), plan, site.secrets, command.content_type or "")


def planned(command: Command, scope: Scope, site: Site) -> Plan:
    """What would be started.

    Raises:
        RunError: something is missing, or cannot be given to a process.
    """
    for fault in faults(command):
        raise RunError(fault)
    return Plan(
        argv=arguments(command.argv, scope),
        env=environment(command.env, scope, site.secrets),
        cwd=folder(command.cwd, site, "cwd"),
        cwd_written=command.cwd or ".",
        max_output=command.max_output or DEFAULT_MAX_OUTPUT,
        stdin=_stdin(command.stdin, scope),
        max_memory=command.max_memory,
        told="stdout" if command.progress else None,
    )


def faults(command: Command) -> Iterator[str]:
    """What could not work, or would let arguments choose what runs. Pure."""
    program = command.argv[0]
    if not isinstance(program, str) or not program:
        yield "the first of `argv` should be the name of a program"
    elif "{{" in program:
        yield "the program is what the file says: the first of `argv` takes no placeholder"
    yield from (
        f"a placeholder in code that {code.program} runs: what it stands for would be run, too {_AS_ARGUMENT}"
        for code in code_in(command.argv)
        if isinstance(code.text, str) and "{{" in code.text
    )
    if "{{" in (command.cwd or ""):
        yield "`cwd` takes no placeholder"
    for name in command.env:
        if not name or "=" in name or "\0" in name:
            yield f"{name!a} is no name of a variable"


def arguments(argv: Sequence[Any], scope: Scope) -> list[str]:
    """The command line: each element one argument, whatever is in its values. Pure.

    A placeholder that stands alone and comes to a list is as many arguments; missing or null, it is left out. A group
    (a list in `argv`) is left out whole if something in it is missing, null or an empty list.

    Raises:
        RunError: a value is missing within text, or cannot be an argument (NUL).
    """
    return [plain_text(text, "an argument") for one in argv for text in _element(one, scope)]


def _element(template: Any, scope: Scope) -> list[str]:
    if isinstance(template, list | tuple):
        return _group(template, scope)
    value = filling(template, scope)
    return [] if value is MISSING or value is None else _texts(value)


def _group(templates: Sequence[Any], scope: Scope) -> list[str]:
    made: list[str] = []
    for template in templates:
        try:
            value = filled(template, scope)
        except Absent:
            return []
        except BadExpression as error:
            raise RunError(str(error)) from error
        if value is MISSING or value is None or value == []:
            return []
        made += _texts(value)
    return made


def _texts(value: Any) -> list[str]:
    return [as_text(one) for one in value] if isinstance(value, list) else [as_text(value)]


def _stdin(template: Any, scope: Scope) -> bytes:
    value = filling(template, scope)
    return b"" if value is MISSING else encoded(as_text(value), "stdin")


def folder(written: str | None, site: Site, where: str) -> Path:
    """A folder that the file names: relative to the file, or from `~`.

    Raises:
        RunError: it refers to what has no value.
    """
    return site.folder / Path(expanded(written or "", site.secrets, where)).expanduser()


def outcome(ended: Ended, plan: Plan, secrets: Secrets, content_type: str) -> Output:
    """What a process that wrote its answer to stdout came to."""
    if ended.is_cut and ended.out:
        return Output(hidden(ended.out, secrets.mask_start), content_type, is_cut=True)
    if ended.is_cut:
        failed = f"wrote more than {plan.max_output} bytes to stderr, and was ended"
        return Output(ended.reason(secrets), _PLAIN_TEXT, failed=failed)
    if ended.failure:
        return Output(ended.reason(secrets), _PLAIN_TEXT, failed=ended.failure)
    return Output(hidden(ended.out, secrets.mask), content_type)
