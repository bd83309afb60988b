"""A whole file of the ancestor -> one of today: what is told of its tools, and each of them tried on its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from magictunnel.capabilities.authoring.migrate.placeholders import Placeholders
from magictunnel.capabilities.authoring.migrate.report import CannotCarry, Migrated, Vault
from magictunnel.capabilities.authoring.migrate.requests import Old
from magictunnel.capabilities.authoring.migrate.routing import way
from magictunnel.capabilities.faults import faults
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.catalog.model import Json
from magictunnel.generators.names import legal

_FILE = ("metadata", "enhanced_metadata", "tools", "enhanced_tools")
_METADATA = ("name", "description", "version", "author", "tags")
_LEGACY = ("name", "title", "description", "inputSchema", "input_schema", "routing", "annotations", "hidden", "enabled")
_ENHANCED = (*_LEGACY, "core", "execution", "access")
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
_ORIGIN = frozenset({"source", "server", "original_name", "generated_at", "generator", "mcp_server"})
"""Annotations that only say where a tool came from."""
_REASONS = {
    "prompt_refs": "prompts stand in `prompts` of a file, for whoever wants them",
    "resource_refs": "resources stand in `resources` of a file, for whoever wants them",
    "sampling_strategy": "what servers ask goes to the client that called",
    "elicitation_strategy": "what servers ask goes to the client that called",
    "security": "nothing like it is enforced",
    "performance": "nothing like it is used",
    "discovery": "tools are found by their names, descriptions and arguments",
    "monitoring": "progress and cancellation need no words",
    "fallback": "a tool runs in one way",
}
_NOTHING_LIKE_IT = "there is nothing like it"


def is_old(content: Any) -> bool:
    """Whether that is the content of a file of the ancestor."""
    if not isinstance(content, Mapping):
        return False
    tools = [*_list(content, "tools"), *_list(content, "enhanced_tools")]
    return any(isinstance(tool, Mapping) and ("routing" in tool or "execution" in tool) for tool in tools)


def migrated(content: Json, file: str) -> Migrated:
    """What a file of the ancestor is today. `file`: what it is called, without ending; variables are named after it."""
    result = Migrated()
    vault = Vault(file)
    tags = _metadata(content, result)
    result.lose_rest("file", content, _FILE, _NOTHING_LIKE_IT)
    tools: dict[str, Json] = {}
    for where, given in _tools(content):
        try:
            tool = _tool(deepcopy(dict(given)), where, vault, result)
            if tool["name"] in tools:
                raise CannotCarry(f"there is a tool {tool['name']!r} already")
            tool |= {"tags": tags} if tags else {}
            _ensure_sound(tool, result.content)
            tools[tool["name"]] = tool
        except CannotCarry as error:
            result.lose(where, str(error))
    result.content["tools"] = list(tools.values())
    for name in vault.names.values():
        result.note(f"set {name} to the secret that stands in the old file")
    return result


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    found = content.get(key)
    return found if isinstance(found, list) else []


def _tools(content: Json) -> Iterator[tuple[str, Json]]:
    for key in ("tools", "enhanced_tools"):
        for index, tool in enumerate(_list(content, key)):
            if isinstance(tool, Mapping):
                yield f"{key}.{tool.get('name') or index}", dict(tool)


def _metadata(content: Json, result: Migrated) -> list[str]:
    """The file's name and description into the new one; its tags, which are those of its tools now."""
    found: Json = {}
    for key in ("enhanced_metadata", "metadata"):
        if isinstance(given := content.get(key), Mapping):
            found |= given
            result.lose_rest(key, given, _METADATA, _NOTHING_LIKE_IT)
    if name := legal(str(found.get("name") or "")):
        result.content["name"] = name
    if description := str(found.get("description") or ""):
        result.content["description"] = description
    for key in ("version", "author"):
        if found.get(key):
            result.comment.append(f"{key.capitalize()}: {' '.join(str(found[key]).split())}")
    return [str(tag) for tag in _list(found, "tags")]


def _tool(given: Json, where: str, vault: Vault, result: Migrated) -> Json:
    core, execution, access = (_mapping(given, key) for key in ("core", "execution", "access"))
    routing, place = _mapping(given, "routing"), f"{where}.routing"
    if not routing:
        routing, place = _mapping(execution, "routing"), f"{where}.execution.routing"
    kind, config = _routing(routing, place, result)
    schema = core.get("input_schema") or given.get("inputSchema") or given.get("input_schema") or {}
    if not _is_schema(schema):
        raise CannotCarry("its inputSchema is none")
    schema = {"type": "object", **schema}
    fill = Placeholders(schema)
    name = legal(str(given.get("name") or ""))
    if name != given.get("name"):
        if not name:
            raise CannotCarry("it has no name")
        result.note(f"tool {given['name']!r} is called {name!r} now")
    ran = way(kind, Old(name, f"{place}.config", config, schema, fill, vault, result))
    for unknown in dict.fromkeys(fill.unknown):
        result.note(f"{where}: {unknown} is no argument, and stays as it is written")
    for added in fill.added:
        result.note(f"{where}: {added} was in no inputSchema, and is an argument now, for it has a default")
    _lose_keys(given, core, execution, access, where, result)
    tool: Json = {"name": name} | ({"title": str(given["title"])} if given.get("title") else {})
    tool["description"] = str(core.get("description") or given.get("description") or "")
    tool["inputSchema"] = schema
    tool |= _annotations(given, where, result) | _seen(given | access) | _timeout(config, where, result)
    return tool | ran


def _is_schema(schema: Any) -> bool:
    """Whether it is one, as far as it is read here."""
    if not isinstance(schema, dict):
        return False
    return isinstance(schema.get("properties", {}), dict) and isinstance(schema.get("required", []), list)


def _routing(routing: Json, where: str, result: Migrated) -> tuple[str, Json]:
    """Type and config. What was written directly under `routing`, as the old manual had it, counts, too."""
    primary = routing.get("primary")
    if isinstance(primary, Mapping) and primary.get("type"):
        result.lose_rest(where, routing, ("type", "primary", "config"), _REASONS["fallback"])
        return _routing(dict(primary), f"{where}.primary", result)
    kind = routing.get("type")
    if not isinstance(kind, str):
        raise CannotCarry("it does not say how it runs (routing.type)")
    if isinstance(config := routing.get("config"), Mapping):
        result.lose_rest(where, routing, ("type", "config"), _REASONS["fallback"])
        return kind, dict(config)
    return kind, {key: value for key, value in routing.items() if key not in ("type", "config")}


def _mapping(given: Mapping[str, Any], key: str) -> Json:
    found = given.get(key)
    return dict(found) if isinstance(found, Mapping) else {}


def _lose_keys(given: Json, core: Json, execution: Json, access: Json, where: str, result: Migrated) -> None:
    known = _ENHANCED if core or execution else _LEGACY
    for key in sorted(set(given) - set(known)):
        result.lose_rest(where, {key: given[key]}, (), _REASONS.get(key, _NOTHING_LIKE_IT))
    result.lose_rest(f"{where}.core", core, ("description", "input_schema"), _NOTHING_LIKE_IT)
    for key in sorted(set(execution) - {"routing"}):
        result.lose_rest(f"{where}.execution", {key: execution[key]}, (), _REASONS.get(key, _NOTHING_LIKE_IT))
    result.lose_rest(f"{where}.access", access, ("hidden", "enabled"), "who may call what is not said by tools")


def _annotations(given: Json, where: str, result: Migrated) -> Json:
    found = _mapping(given, "annotations")
    hints: Json = {}
    for key in _HINTS:
        if (said := str(found.get(key, "")).lower()) in ("true", "false"):
            hints[key] = said == "true"
        elif key in found:
            result.lose(f"{where}.annotations.{key}", "it is neither true nor false")
    if origins := sorted(_ORIGIN & set(found)):
        result.note(f"annotations that only say where tools come from are left out: {', '.join(origins)}")
    result.lose_rest(f"{where}.annotations", found, {*_HINTS, *_ORIGIN}, "only MCP's own hints are annotations")
    return {"annotations": hints} if hints else {}


def _seen(given: Json) -> Json:
    found: Json = {"visibility": "search-only"} if given.get("hidden") is True else {}
    return found | ({"enabled": False} if given.get("enabled") is False else {})


def _timeout(config: Mapping[str, Any], where: str, result: Migrated) -> Json:
    timeout = config.get("timeout")
    if timeout is None:
        return {}
    if isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout <= 86_400:
        return {"timeout": timeout}
    result.lose(f"{where}.routing.config.timeout", "it is no number of seconds up to a day")
    return {}


def _ensure_sound(tool: Json, content: Json) -> None:
    """Raise CannotCarry if the new tool could not be used."""
    alone = {key: content[key] for key in ("auth", "http") if key in content} | {"tools": [tool]}
    try:
        found = CapabilityFile.model_validate(alone)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"][2:])
        raise CannotCarry(f"{path}: {' '.join(str(first['msg']).split())}") from error
    for fault in faults(found):
        raise CannotCarry(f"{'.'.join(map(str, fault.path[2:]))}: {fault.message}")
