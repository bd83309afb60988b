"""`capabilities test`: a tool of a file run by itself, with what it runs or sends, and what comes of it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from magictunnel.backends.base import Request
from magictunnel.capabilities.arguments import Arguments
from magictunnel.capabilities.authoring.preview import Preview, lines
from magictunnel.capabilities.base import Output, Site
from magictunnel.capabilities.content.result import result_of
from magictunnel.capabilities.language.model import CapabilityFile, Tool
from magictunnel.capabilities.parse import read_file
from magictunnel.capabilities.ways import Ways
from magictunnel.catalog.model import Json
from magictunnel.cli.arguments import parse_arguments
from magictunnel.cli.declaring import how
from magictunnel.cli.session import FAILED
from magictunnel.cli.show import content_text, say, show_json, show_rows, show_text
from magictunnel.errors import ConfigError, RunError
from magictunnel.gateway import own_secrets
from magictunnel.secrets import Secrets

_PATIENCE = 60.0
"""Seconds for a tool that does not say how long it takes."""


async def shown(path: Path, *, as_json: bool) -> int:
    """Show the tools of a file and how they run; the exit code."""
    file = await run_sync(read_file, path)
    if as_json:
        show_json([_facts(tool) for tool in file.tools])
    else:
        rows = [(tool.name, how(tool), _described(tool)) for tool in file.tools]
        show_rows(("tool", "runs", "description"), rows)
    return 0


def _facts(tool: Tool) -> Json:
    return {"name": tool.name, "runs": how(tool), "enabled": tool.enabled, "inputSchema": tool.input_schema}


def _described(tool: Tool) -> str:
    """The first line of its description, behind whether it is offered at all."""
    return ("" if tool.enabled else "(disabled) ") + tool.description.partition("\n")[0]


async def tried(path: Path, name: str, words: Sequence[str], *, dry_run: bool, as_json: bool) -> int:
    """Run a tool of a file (or, with `dry_run`, only look at what it would do); the exit code.

    Raises:
        ConfigError: the file cannot be used, or has no such tool.
        RunError: what it would do cannot be told, for something is missing.
    """
    file = await run_sync(read_file, path)
    tool = _named(file, name, path)
    arguments = parse_arguments(words, tool.input_schema)
    secrets = own_secrets()
    request = Preview(file, secrets.expand).of(tool, Arguments(tool.input_schema).taken(arguments))
    if dry_run:
        _show_request(request, secrets, as_json)
        return 0
    if not as_json:
        for line in lines(request):
            say(f"> {secrets.mask(line)}", "dim")
    result = await _result(file, Path(await anyio.Path(path).absolute()).parent, tool, arguments, secrets)
    if as_json:
        show_json({"request": _masked(request, secrets), "result": result})
    else:
        texts = list(content_text(result.get("content")))
        show_text("\n".join(texts)) if texts else show_json(result)
    return FAILED if result.get("isError") else 0


def _named(file: CapabilityFile, name: str, path: Path) -> Tool:
    names = [tool.name for tool in file.tools]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"see magictunnel capabilities test {path}"
        raise ConfigError(f"there is no tool {name!r}", file=str(path), hint=hint)
    return file.tools[names.index(name)]


async def _result(file: CapabilityFile, folder: Path, tool: Tool, arguments: Json, secrets: Secrets) -> Json:
    """What a call of it is answered."""
    ways = Ways(file, Site(folder, secrets, _nobody))
    limit = tool.timeout or _PATIENCE
    try:
        with anyio.fail_after(limit):
            output = await ways.run(tool, arguments, Request("tools/call", {"name": tool.name}), _tell)
    except RunError as error:
        output = Output(failed=str(error))
    except TimeoutError:
        output = Output(failed=f"no answer within {limit:g} s (the tool's `timeout` says how long it may take)")
    finally:
        with anyio.CancelScope(shield=True):
            await ways.aclose()
    return result_of(output, has_schema=tool.output_schema is not None)


async def _nobody(name: str, _arguments: Json, _request: Request) -> Json:
    raise RunError(
        f"{name} is a tool of another server, which is not started for this", hint=f"try `magictunnel call {name}`"
    )


async def _tell(line: str) -> None:
    say(line, "dim")


def _show_request(request: Json, secrets: Secrets, as_json: bool) -> None:
    if as_json:
        show_json({"request": _masked(request, secrets)})
    else:
        show_text("\n".join(map(secrets.mask, lines(request))))


def _masked(value: object, secrets: Secrets) -> object:
    """JSON with every secret in its texts hidden."""
    if isinstance(value, str):
        return secrets.mask(value)
    if isinstance(value, dict):
        return {key: _masked(one, secrets) for key, one in value.items()}
    return [_masked(one, secrets) for one in value] if isinstance(value, list) else value
