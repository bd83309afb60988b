"""Capability files, read and judged: what they declare, what is wrong with them, what a person should look at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from magictunnel.capabilities.authoring.absences import absences
from magictunnel.capabilities.authoring.doubts import doubts
from magictunnel.capabilities.authoring.literals import literals
from magictunnel.capabilities.authoring.references import references, variables
from magictunnel.capabilities.declared import declared
from magictunnel.capabilities.language.model import CapabilityFile, Tool
from magictunnel.capabilities.parse import parse
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.names import Prefix
from magictunnel.cli.diagnosis import Diagnosis
from magictunnel.cli.session import FAILED, load_config
from magictunnel.cli.show import counted, is_terminal, say, show_json, show_rows
from magictunnel.config.declared import capability_files
from magictunnel.config.find import find_config
from magictunnel.config.model import Config
from magictunnel.config.text import MAX_MADE, parse_text, read_text
from magictunnel.errors import ConfigError, MagicTunnelError
from magictunnel.gateway import own_secrets
from magictunnel.secrets import Secrets

_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one file."""

    path: str
    file: CapabilityFile | None = None
    error: ConfigError | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def counts(self) -> dict[Kind, int]:
        """How much it offers."""
        if self.file is None:
            return {}
        tools = [tool for tool in self.file.tools if tool.enabled]
        kinds = (tools, self.file.prompts, self.file.resources, self.file.resource_templates)
        return dict(zip((Kind.TOOL, Kind.PROMPT, Kind.RESOURCE, Kind.TEMPLATE), map(len, kinds), strict=True))

    @property
    def name(self) -> str:
        """Of the backend that it is."""
        return (self.file.name if self.file else None) or Path(self.path).stem


async def listed(files: Sequence[str], config: Path | None, *, as_json: bool) -> int:
    """Show what capability files declare; the exit code."""
    verdicts = await _verdicts(files, config)
    if as_json:
        show_json([_facts(one) | {"tools": _tools(one)} for one in verdicts])
    else:
        rows = [(one.name, one.path, *_offered(one), str(one.error or "")) for one in verdicts]
        show_rows(("name", "file", *(() if not is_terminal() else ("offers",)), "why not"), rows)
    return FAILED if any(one.error for one in verdicts) else 0


async def validated(files: Sequence[str], config: Path | None, *, strict: bool, as_json: bool) -> int:
    """Show which capability files are all right; the exit code. `strict`: those with warnings are not."""
    verdicts = await _verdicts(files, config)
    failed = [one for one in verdicts if one.error or (strict and one.warnings)]
    if as_json:
        show_json([_facts(one) | {"ok": one not in failed} for one in verdicts])
    else:
        rows = [(one.path, "FAILED" if one in failed else "ok", *_offered(one), _why(one, strict)) for one in verdicts]
        show_rows(("file", "status", *(() if not is_terminal() else ("offers",)), "why"), rows)
        for one in verdicts:
            for warning in one.warnings:
                say(f"{'error' if strict else 'warning'}: {one.path}: {warning}", "yellow")
    return FAILED if failed else 0


def _why(verdict: Verdict, strict: bool) -> str:
    if verdict.error:
        place = f"line {verdict.error.line}: " if verdict.error.line else ""
        return f"{place}{MagicTunnelError.__str__(verdict.error)}"
    count = len(verdict.warnings)
    return f"{count} error{'s' if count > 1 else ''}" if strict and count else ""


def _offered(verdict: Verdict) -> tuple[str, ...]:
    """Columns: one for a person, one for each kind in a pipe."""
    counts = verdict.counts
    return (_told(verdict),) if is_terminal() else tuple(str(counts.get(kind, 0)) for kind in Kind)


def _told(verdict: Verdict) -> str:
    disabled = sum(not tool.enabled for tool in verdict.file.tools) if verdict.file else 0
    return ", ".join(filter(None, (counted(verdict.counts), f"{disabled} disabled" if disabled else "")))


def _tools(verdict: Verdict) -> list[Json]:
    tools = verdict.file.tools if verdict.file else ()
    return [{"name": tool.name, "runs": how(tool), "enabled": tool.enabled} for tool in tools]


def how(tool: Tool) -> str:
    """How a tool runs, in a few words."""
    if tool.http is not None:
        return f"{tool.http.method} {tool.http.url}"
    if tool.graphql is not None:
        return f"graphql {tool.graphql.url}"
    if tool.command is not None:
        return f"command {tool.command.argv[0]}"
    if tool.python is not None:
        return f"python {tool.python.function}"
    if tool.mcp is not None:
        return f"mcp {tool.mcp.tool}"
    return f"steps {', '.join(step.name for step in tool.steps or ())}"


def _facts(verdict: Verdict) -> Json:
    error = verdict.error
    return {
        "name": verdict.name,
        "file": verdict.path,
        "counts": {kind.value: count for kind, count in verdict.counts.items()},
        "error": error.message if error else None,
        "line": (error.line or None) if error else None,
        "hint": (error.hint or None) if error else None,
        "warnings": list(verdict.warnings),
    }


def read_through(name: str, path: str, secrets: Secrets) -> Diagnosis:
    """What is found of the capability file that is called `name`: what it offers, and what its references want."""
    verdict = _verdict(path, secrets, None)
    if verdict.error or verdict.file is None:
        return Diagnosis(name, None, error=str(verdict.error))
    content = parse_text(read_text(Path(path), MAX_MADE), path, MAX_MADE).data
    unset = list(_unset(content, secrets))
    read = [("read", "ok", path), ("list", "ok", _told(verdict) or "nothing")]
    error = "; ".join(one.message for one in unset)
    read += [("resolve", "failed" if unset else "ok", error)] if variables(content) else []
    todo = tuple(dict.fromkeys(one.hint for one in unset if one.hint))
    return Diagnosis(name, None, read=tuple(read), error=error, next=(*todo, f"edit {path}") if unset else ())


# --- reading


async def _verdicts(files: Sequence[str], path: Path | None) -> list[Verdict]:
    config = _config(path, is_needed=not files)
    paths = _paths(files) if files or config is None else list(config.declared)
    if not paths:
        where = ", ".join(files) if files else f"`capabilities` of {config.file if config else 'the config'}"
        hint = "name a file, or begin one with `magictunnel capabilities init`"
        raise ConfigError(f"there are no capability files: {where}", hint=hint)
    secrets = own_secrets()
    verdicts = [await run_sync(_verdict, path, secrets, config) for path in paths]
    return list(_with_clashes(verdicts, config)) if config and not files else verdicts


def _config(path: Path | None, *, is_needed: bool) -> Config | None:
    """The config; None where there is none, and none `is_needed`."""
    if path is None and not is_needed:
        try:
            find_config(None, os.environ, Path.cwd())
        except ConfigError:
            return None
    return load_config(path)


def _paths(words: Sequence[str]) -> list[str]:
    """The files that are named: by themselves, by globs, or by their folders."""
    found: dict[str, None] = {}
    for word in words:
        if Path(word).is_dir():
            inside = sorted(str(one) for one in Path(word).rglob("*") if one.suffix.lower() in _SUFFIXES)
            found |= dict.fromkeys(inside)
        else:
            found |= dict.fromkeys(os.path.normpath(one) for one in capability_files([word], Path()))
    return list(found)


def _verdict(path: str, secrets: Secrets, config: Config | None) -> Verdict:
    try:
        text = read_text(Path(path), MAX_MADE)
        file = parse(text, path)
    except ConfigError as error:
        return Verdict(path, error=error)
    content = parse_text(text, path, MAX_MADE).data
    found = (*_warnings(file, config), *doubts(file), *absences(file, Path(path).parent), *_secrets(content, secrets))
    return Verdict(path, file, warnings=found)


def _warnings(file: CapabilityFile, config: Config | None) -> Iterator[str]:
    for tool in file.tools:
        if not tool.description.strip():
            yield f"tool {tool.name} has no description, by which it is found and chosen"
        for name in _called(tool):
            if why := _unknown(name, config):
                yield f"tool {tool.name} calls {name}, {why}"
    for prompt in file.prompts:
        if not prompt.description:
            yield f"prompt {prompt.name} has no description"


def _secrets(content: Any, secrets: Secrets) -> Iterator[str]:
    """References that have no value here, and secrets that stand where one should be."""
    yield from map(str, _unset(content, secrets))
    for literal in literals(content):
        yield f"{literal.where} looks like a secret that stands in the file (write ${{VARIABLE}} or ${{keyring:NAME}})"


def _unset(content: Any, secrets: Secrets) -> Iterator[MagicTunnelError]:
    """What is wrong with the references in the content of a file."""
    for reference in references(content):
        try:
            secrets.expand(reference.text, reference.where)
        except MagicTunnelError as error:
            yield error


def _called(tool: Tool) -> Iterator[str]:
    """The tools of other servers that it calls."""
    yield from (way.mcp.tool for way in (tool, *(tool.steps or ())) if way.mcp is not None)


def _unknown(name: str, config: Config | None) -> str:
    """Why there may be no tool of that public name; nothing if a server of the config is called as it begins."""
    if config is None:
        return "and no config says whether it is there (-c FILE)"
    rules = config.naming
    if rules.prefix is not Prefix.ALWAYS:
        return ""
    aliases = {server.alias or key for key, server in config.servers.items()} | set(declared(config).files)
    if any(name.startswith(alias + rules.separator) for alias in aliases):
        return ""
    return f"and no server in {config.file} is called so"


def _with_clashes(verdicts: Sequence[Verdict], config: Config) -> Iterator[Verdict]:
    """The same, where those whose names are taken cannot be used, either."""
    problems = {problem.file: problem for problem in declared(config).problems}
    for one in verdicts:
        problem = problems.get(one.path)
        if one.error is None and problem is not None:
            error = ConfigError(problem.message, file=problem.file, line=problem.line, hint=problem.hint)
            yield Verdict(one.path, one.file, error, one.warnings)
        else:
            yield one
