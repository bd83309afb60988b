"""What is wrong with a capability file that has the right keys, but could not work as it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Any, NamedTuple

import jsonschema_rs
from pydantic import BaseModel

from magictunnel.capabilities.content.files import path_fault
from magictunnel.capabilities.content.prompts import media_faults
from magictunnel.capabilities.content.uris import path_below, template_faults, variables
from magictunnel.capabilities.http import auth_faults
from magictunnel.capabilities.http import faults as http_faults
from magictunnel.capabilities.http.graphql import as_http
from magictunnel.capabilities.language.expression import BadExpression, named, parsed
from magictunnel.capabilities.language.model import CapabilityFile, Prompt, ResourceTemplate, Tool, Way
from magictunnel.capabilities.language.requests import GraphQL, Http
from magictunnel.capabilities.order import order_faults
from magictunnel.capabilities.processes.command import faults as command_faults
from magictunnel.catalog.model import Json
from magictunnel.config.explain import did_you_mean

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_HINTS = frozenset({"title", "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"})
_TEMPLATES = frozenset(
    {"argv", "env", "stdin", "arguments", "variables", "query", "headers", "cookies", "json_", "form"}
    | {"multipart", "body", "url", "result", "value", "filename"}
)
"""Fields in which placeholders are filled in."""


Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong, and where."""

    path: Path
    message: str
    hint: str = ""


def faults(file: CapabilityFile) -> Iterator[Fault]:
    """All that could not work."""
    yield from _twice("tools", (tool.name for tool in file.tools))
    yield from _twice("prompts", (prompt.name for prompt in file.prompts))
    yield from _twice("resources", (resource.uri for resource in file.resources))
    yield from (Fault(("auth",), message) for message in auth_faults(file.auth))
    yield from _unknown_auth(("http", "auth"), file.http.auth, file)
    for index, tool in enumerate(file.tools):
        yield from _of_tool(("tools", index), tool, file)
    for index, prompt in enumerate(file.prompts):
        yield from _of_prompt(("prompts", index), prompt, file)
    for index, resource in enumerate(file.resources):
        yield from _unknown_auth(("resources", index, "auth"), resource.auth, file)
        yield from _of_path(("resources", index, "file"), resource.file)
        yield from _of_path(("resources", index, "directory"), resource.directory)
        if resource.url is not None:
            yield from _of_http(("resources", index), Http(url=resource.url), file)
    for index, template in enumerate(file.resource_templates):
        yield from _of_template(("resourceTemplates", index), template, file)


def _twice(kind: str, names: Iterable[str]) -> Iterator[Fault]:
    seen: Counter[str] = Counter()
    for index, name in enumerate(names):
        seen[name] += 1
        if seen[name] == 2:
            yield Fault((kind, index), f"{name!a} stands here twice", "give each its own name")


def _of_tool(path: Path, tool: Tool, file: CapabilityFile) -> Iterator[Fault]:
    yield from _of_schema((*path, "inputSchema"), tool.input_schema, "object")
    if tool.output_schema is not None:
        yield from _of_schema((*path, "outputSchema"), tool.output_schema, "")
    for key in tool.annotations:
        if key not in _HINTS:
            yield Fault((*path, "annotations", key), "unknown key", did_you_mean(key, sorted(_HINTS)))
    properties = tool.input_schema.get("properties")
    known = set(properties) if isinstance(properties, dict) else set()
    if tool.steps:
        for taken in sorted(known & {"steps", "errors"}):
            yield Fault((*path, "inputSchema"), f"`{taken}` is what its steps have come to, and cannot be an argument")
        known |= {"steps"}
    if tool.result is not None and not tool.steps:
        yield Fault((*path, "result"), "belongs to `steps`")
    yield from _of_placeholders(path, tool, known | {"errors"} if tool.steps else known)
    yield from _of_way(path, tool, file)
    if tool.steps:
        for message in order_faults(tool.steps, tool.result):
            yield Fault((*path, "steps"), message)
        for index, step in enumerate(tool.steps):
            here = (*path, "steps", index)
            yield from _of_way(here, step, file)
            yield from _of_placeholders(here, step, known)
            yield from _of_condition((*here, "when"), step.when, known)


def _of_schema(path: Path, schema: Json, expected: str) -> Iterator[Fault]:
    if expected and schema.get("type") != expected:
        yield Fault(path, f"its type should be {expected}")
    try:
        jsonschema_rs.validator_for(schema, offline=True)
    except jsonschema_rs.ValidationError as error:
        yield _of_keyword((*path, *error.instance_path), error)
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        yield Fault(path, f"is no JSON Schema: {' '.join(str(error).split())[:200]}")


def _of_keyword(path: Path, error: jsonschema_rs.ValidationError) -> Fault:
    """What is wrong with a keyword of a schema."""
    if path[-1] == "type" and isinstance(error.instance, str):
        return Fault(path, f"{error.instance[:60]!a} is no type", did_you_mean(error.instance, _TYPES))
    return Fault(path, f"is no JSON Schema: {error.message[:200]}")


def _of_way(path: Path, way: Way, file: CapabilityFile) -> Iterator[Fault]:
    if way.command is not None:
        yield from (Fault((*path, "command"), message) for message in command_faults(way.command))
    if way.http is not None:
        yield from _of_http((*path, "http"), way.http, file)
    if way.graphql is not None:
        yield from _of_graphql((*path, "graphql"), way.graphql, file)


def _of_http(path: Path, http: Http, file: CapabilityFile) -> Iterator[Fault]:
    yield from (Fault((*path, "url"), message) for message in http_faults(http, file.http))
    yield from _unknown_auth((*path, "auth"), http.auth, file)


def _of_graphql(path: Path, graphql: GraphQL, file: CapabilityFile) -> Iterator[Fault]:
    yield from (Fault((*path, "url"), message) for message in http_faults(as_http(graphql), file.http))
    if "{{" in graphql.url:
        yield Fault((*path, "url"), "takes no placeholders")
    yield from _unknown_auth((*path, "auth"), graphql.auth, file)


def _unknown_auth(path: Path, names: str | tuple[str, ...] | None, file: CapabilityFile) -> Iterator[Fault]:
    for name in (names,) if isinstance(names, str) else names or ():
        if name not in file.auth:
            yield Fault(path, f"there is no {name!r} under `auth`", did_you_mean(name, file.auth) if file.auth else "")


def _of_placeholders(path: Path, value: Any, known: Container[str]) -> Iterator[Fault]:
    """Placeholders that are none, or name what nobody gives."""
    for key, template in _templates(value):
        try:
            unknown = sorted(name for name in named(template) if name not in known)
        except BadExpression as error:
            yield Fault((*path, *key), str(error))
            continue
        for name in unknown:
            yield Fault((*path, *key), f"{{{{{name}}}}} is no argument of it", "name it in inputSchema.properties")


def _templates(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Where in a way to run placeholders may stand, and what stands there."""
    for name, field in type(value).model_fields.items():
        found = getattr(value, name)
        here = (*path, field.alias or name)
        if name in _TEMPLATES and found is not None:
            yield from _within(found, here)
        elif isinstance(found, BaseModel):
            yield from _templates(found, here)


def _within(found: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The templates of one field: parts with a name each, or JSON."""
    if isinstance(found, dict) and any(isinstance(part, BaseModel) for part in found.values()):
        for name, part in found.items():
            yield from _templates(part, (*path, name))
    else:
        yield path, found


def _of_condition(path: Path, condition: str | None, known: Container[str]) -> Iterator[Fault]:
    if condition is None:
        return
    text = condition.strip().removeprefix("{{").removesuffix("}}")
    try:
        unknown = [place.steps[0] for place in parsed(text).paths if place.steps[0] not in known]
    except BadExpression as error:
        yield Fault(path, str(error))
        return
    yield from (Fault(path, f"{name} is no argument of it") for name in unknown)


def _of_prompt(path: Path, prompt: Prompt, file: CapabilityFile) -> Iterator[Fault]:
    known = {argument.name for argument in prompt.arguments}
    uris = {resource.uri for resource in file.resources}
    directories = [resource.uri for resource in file.resources if resource.directory is not None]
    yield from (Fault((*path, "messages"), message) for message in media_faults(prompt))
    for index, message in enumerate(prompt.messages):
        here = (*path, "messages", index)
        embedded = message.resource
        is_known = embedded in uris or any(path_below(one, embedded or "") for one in directories)
        if embedded is not None and not is_known:
            yield Fault((*here, "resource"), f"there is no resource {message.resource!a} in this file")
        yield from _names_in((*here, "text"), message.text, known, "argument of it")


def _of_template(path: Path, template: ResourceTemplate, file: CapabilityFile) -> Iterator[Fault]:
    known = set(variables(template.uri_template))
    yield from (Fault((*path, "uriTemplate"), message) for message in template_faults(template.uri_template))
    for key in ("text", "file"):
        yield from _names_in((*path, key), getattr(template, key), known, "variable of its URI")
    if template.http is not None:
        yield from _of_http((*path, "http"), template.http, file)
        yield from _of_placeholders((*path, "http"), template.http, known)


def _of_path(path: Path, named_file: str | None) -> Iterator[Fault]:
    if named_file is not None and (message := path_fault(named_file)):
        yield Fault(path, f"{named_file!a} {message}")


def _names_in(path: Path, text: str | None, known: Container[str], what: str) -> Iterator[Fault]:
    try:
        unknown = [name for name in sorted(named(text or "")) if name not in known]
    except BadExpression as error:
        yield Fault(path, str(error))
        return
    yield from (Fault(path, f"{{{{{name}}}}} is no {what}") for name in unknown)
