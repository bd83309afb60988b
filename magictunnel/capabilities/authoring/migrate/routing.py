"""The ancestor's routing, type by type -> how a tool runs today. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from magictunnel.capabilities.authoring.literals import is_secret
from magictunnel.capabilities.authoring.migrate.placeholders import is_sole, name_in
from magictunnel.capabilities.authoring.migrate.report import CannotCarry
from magictunnel.capabilities.authoring.migrate.requests import Old, by_reference, ensure_plain, graphql, http, sse
from magictunnel.catalog.model import Json
from magictunnel.catalog.names import NameRules, public_name

_GONE: Mapping[str, str] = {
    "llm": "models are not called by tools any more; put a server for it under mcpServers",
    "websocket": "WebSockets are not spoken",
    "database": "databases are not spoken to; put a server for it under mcpServers",
    "grpc": "gRPC is not spoken (it was not then, either)",
    "smart_discovery": "finding tools is built in (`discovery` in the config)",
}


def way(kind: str, old: Old) -> Json:
    """How a tool of that routing type runs: `{"http": ...}`, say.

    Raises:
        CannotCarry: it cannot run today.
    """
    if found := _WAYS.get(kind):
        return found(old)
    if kind in _GONE:
        raise CannotCarry(_GONE[kind])
    if kind.startswith(("enhanced_", "ai_")):
        raise CannotCarry(f"routing type {kind!r} never ran")
    raise CannotCarry(f"routing type {kind!r} is not known")


def _subprocess(old: Old) -> Json:
    command, args = old.config.get("command"), old.config.get("args") or []
    if not isinstance(command, str) or not isinstance(args, list):
        raise CannotCarry("it has no `command`, or its `args` are no list")
    if old.fill.of(command) != command or "{" in command:
        raise CannotCarry("its program comes from the arguments; a file says itself what it runs")
    if any(is_secret(before.lstrip("-"), after) for before, after in _flags(args)):
        raise CannotCarry("it has a secret on its command line, which everybody can read; give it by `env`")
    ensure_plain(args)
    declared: Json = {"argv": [command, *_grouped(old.fill.of([str(one) for one in args]), old.schema)]}
    if cwd := old.config.get("working_dir") or old.config.get("cwd"):
        declared["cwd"] = str(cwd)
    if env := old.config.get("env"):
        pairs = env.items() if isinstance(env, Mapping) else ()
        declared["env"] = {name: by_reference(str(name), old.fill.of(str(value)), old.vault) for name, value in pairs}
    known = ("command", "args", "env", "timeout", "working_dir", "cwd")
    old.result.lose_rest(old.where, old.config, known, "a command has nothing like it")
    old.result.note("commands answer with what they write; exit code and stderr are told only where they failed")
    return {"command": declared}


def _flags(args: list[Any]) -> list[tuple[str, str]]:
    """Each `--flag value` and `--flag=value` among `args`."""
    words = [one for one in args if isinstance(one, str)]
    apart = [(one, after) for one, after in pairwise(words) if one.startswith("-") and "=" not in one]
    joined = [(one.partition("=")[0], one.partition("=")[2]) for one in words if one.startswith("-") and "=" in one]
    return [pair for pair in (*apart, *joined) if not pair[1].startswith(("-", "{", "$"))]


def _grouped(args: list[Any], schema: Json) -> list[Any]:
    """`args`, where a flag and its optional value are a group: without the value, it goes without the flag."""
    required = schema.get("required") or ()
    found: list[Any] = []
    for word in args:
        is_optional = is_sole(word) and name_in(word) not in required
        is_optional = is_optional and "default" not in (schema["properties"].get(name_in(word)) or {})
        if is_optional and found and isinstance(found[-1], str) and found[-1].startswith("-") and "{{" not in found[-1]:
            found[-1] = [found[-1], word]
        else:
            found.append(word)
    return found


def _external(old: Old) -> Json:
    server = old.config.get("server_name") or old.config.get("endpoint")
    tool = old.config.get("tool_name")
    if not isinstance(server, str) or not isinstance(tool, str):
        raise CannotCarry("it does not say which tool of which server it is")
    known = ("server_name", "endpoint", "tool_name", "method", "timeout", "retry_count", "mapping_metadata")
    old.result.lose_rest(old.where, old.config, known, "a tool of another server has nothing like it")
    if old.config.get("retry_count"):
        old.result.note("retry_count of external tools: the gateway itself repeats what may be repeated")
    old.result.note("tools of other servers are there by themselves; an alias is needed only for another name")
    return {"mcp": {"tool": public_name(server, tool, NameRules())}}


_WAYS: Mapping[str, Callable[[Old], Json]] = {
    "subprocess": _subprocess,
    "command": _subprocess,
    "http": http,
    "rest": http,
    "sse": sse,
    "graphql": graphql,
    "external_mcp": _external,
}
