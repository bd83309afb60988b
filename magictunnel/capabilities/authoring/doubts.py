"""What in a capability file works, and yet is probably not what was meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from magictunnel.capabilities.http.addresses import is_public
from magictunnel.capabilities.language.expression import BadExpression, is_nameable, named, parsed
from magictunnel.capabilities.language.model import CapabilityFile, Command, Tool, Way
from magictunnel.capabilities.language.requests import ClientCredentials, Http
from magictunnel.catalog.model import Json

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SINGLE = re.compile(r"(?<![{$])\{([A-Za-z_][\w-]*)\}(?!\})")
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*\}|\$[A-Z_][A-Z0-9_]{2,}")
_OF_SHELLS = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "&>"})
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "pwsh", "powershell", "cmd"})
_OWN_MEANING = frozenset({"find", "expr", "test", "["})
"""Programs for which some signs of shells are arguments."""
_ELSEWHERE = frozenset({"allOf", "anyOf", "oneOf", "$ref", "patternProperties", "if"})
"""Keys of a schema below which further properties may be named."""


def doubts(file: CapabilityFile) -> Iterator[str]:
    """What a person should look at, each in one line that says where it is."""
    for tool in file.tools:
        where = f"tool {tool.name}"
        yield from _of_schema(tool.input_schema, where)
        yield from _of_arguments(tool, where)
        for way in _ways(tool):
            yield from _of_way(way, _arguments(tool), where)
    for resource in file.resources:
        if not _SCHEME.match(resource.uri):
            yield f"resource {resource.uri!a} has no scheme in its URI (such as docs://guide)"
    if not file.http.allow_private:
        yield from _private_hosts(file)


def _ways(tool: Tool) -> tuple[Way, ...]:
    return (tool, *(tool.steps or ()))


def _arguments(tool: Tool) -> list[str]:
    properties = tool.input_schema.get("properties")
    return list(properties) if isinstance(properties, Mapping) else []


# --- arguments


def _of_schema(schema: Json, where: str) -> Iterator[str]:
    """Arguments that have to be given, and are described nowhere."""
    if _ELSEWHERE & schema.keys():
        return
    known = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in known:
            yield f"{where}: inputSchema.required names {name!a}, which is not in its properties"


def _of_arguments(tool: Tool, where: str) -> Iterator[str]:
    """Arguments that clients may give, and that go nowhere."""
    if any(_takes_all(way) for way in _ways(tool)):
        return
    used = _used(tool)
    for name in _arguments(tool):
        if not is_nameable(name):
            yield f"{where}: no placeholder can stand for its argument {name!a} (use letters, digits, _ and -)"
        elif name not in used:
            yield f"{where}: its argument {name!a} is used nowhere (write {{{{{name}}}}} where it belongs)"


def _takes_all(way: Way) -> bool:
    """Whether all arguments go on as they are."""
    return any(called is not None and called.arguments is None for called in (way.python, way.mcp))


def _used(tool: Tool) -> set[str]:
    """The names with which paths in a tool begin, and those in single braces, which are told by themselves."""
    found = {name for text in _texts(tool) for name in (*_named(text), *_SINGLE.findall(text))}
    for step in tool.steps or ():
        if step.when is not None:
            found |= {str(path.steps[0]) for path in parsed(_bare(step.when)).paths}
    return found


def _bare(condition: str) -> str:
    return condition.strip().removeprefix("{{").removesuffix("}}")


def _texts(tool: Tool) -> Iterator[str]:
    """All text in a tool in which a placeholder might stand."""
    for way in _ways(tool):
        yield from _within([getattr(way, key) for key in ("command", "python", "http", "mcp")])
        if way.graphql is not None:
            yield from _within([way.graphql.variables, way.graphql.headers])
    yield from _within(tool.result)


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _within(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _within(member)
    elif isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield from _within(getattr(value, name))


def _named(text: str) -> set[str]:
    try:
        return named(text)
    except BadExpression:  # text in which nothing is filled in
        return set()


# --- ways to run


def _of_way(way: Way, arguments: list[str], where: str) -> Iterator[str]:
    if way.command is not None:
        yield from _of_command(way.command, where)
    if way.http is not None:
        yield from _of_http(way.http, where)
    for text in _within([way.command, way.http]):
        for name in _SINGLE.findall(text):
            if name in arguments:
                yield f"{where}: {{{name}}} is plain text (write {{{{{name}}}}} for the argument)"


def _of_command(command: Command, where: str) -> Iterator[str]:
    """Signs that mean something to a shell, which there is none."""
    program = PurePath(str(command.argv[0])).name.removesuffix(".exe")
    if program in _SHELLS:
        return
    for text in _within(command.argv[1:]):
        if text in _OF_SHELLS and program not in _OWN_MEANING:
            yield f"{where}: {text!a} in `argv` goes to the program, since there is no shell (use `steps`, or a script)"
        elif found := _VARIABLE.search(text):
            yield f"{where}: {found[0]} in `argv` stays as it is, since there is no shell (use `env`, or a script)"


def _of_http(http: Http, where: str) -> Iterator[str]:
    has_body = "json_" in http.model_fields_set or any(
        one is not None for one in (http.form, http.multipart, http.body)
    )
    if has_body and http.method in ("GET", "HEAD"):
        yield f"{where}: a {http.method} request has a body, which servers ignore or refuse (`method: POST`?)"


def _private_hosts(file: CapabilityFile) -> Iterator[str]:
    """Hosts that no request of the file reaches."""
    urls = [file.http.base_url or ""]
    for way in (way for tool in file.tools for way in _ways(tool)):
        urls += [one.url for one in (way.http, way.graphql) if one is not None]
    urls += [resource.url or "" for resource in file.resources]
    urls += [template.http.url for template in file.resource_templates if template.http is not None]
    urls += [one.token_url for one in file.auth.values() if isinstance(one, ClientCredentials)]
    for host in sorted({host for url in urls if (host := _private_host(url))}):
        yield f"{host} is no public address, so it is not reached (`allow_private: true` under `http` lets it be)"


def _private_host(url: str) -> str:
    """The host of `url`, if it is of this machine or a private network by how it is written."""
    try:
        host = urlsplit(url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return host
        return "" if is_public(ip_address(host)) else host
    except ValueError:  # a name, or no URL
        return ""
