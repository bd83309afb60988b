"""A GraphQL schema -> the content of a capability file. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    parse,
    validate,
)

from magictunnel.catalog.model import Json
from magictunnel.generators.base import Generated, LeftOut, Made, Progress, silent
from magictunnel.generators.graphql.select import Selector
from magictunnel.generators.graphql.types import Schemas, Unusable, default_of
from magictunnel.generators.names import argument_name, legal_argument, tool_name
from magictunnel.generators.openapi.words import shortened

_NO_STREAM = "subscriptions go on without end; a tool answers once"


@dataclass(frozen=True, slots=True)
class Options:
    """What is made, and how."""

    url: str
    """The endpoint."""
    depth: int = 2
    """Levels of objects that are asked for."""
    operations: tuple[str, ...] = ()
    """Names of fields, or shell-style globs of them; none: all."""
    deprecated: bool = False
    prefix: str = ""
    """Of the tools' names."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request: header -> its value, by reference."""
    max_description: int = 1_000


def generate(schema: GraphQLSchema, options: Options, progress: Progress = silent) -> Generated:
    """One tool for each query and each mutation of `schema`."""
    made: dict[str, Made] = {}
    left_out: list[LeftOut] = []
    operations = list(_operations(schema))
    selector = Selector(schema, deprecated=options.deprecated)
    for done, (kind, name, found) in enumerate(operations):
        progress("operations", done, len(operations))
        what = f"{kind.value} {name}"
        try:
            _ensure_wanted(kind, name, found, options)
            tool = _tool(kind, name, found, selector, options)
            _ensure_valid(tool, schema)
        except Unusable as error:
            left_out.append(LeftOut(what, str(error)))
            continue
        wanted = options.prefix + (name if options.prefix + name not in made else f"{kind.value}_{name}")
        tool["name"] = tool_name(wanted, made, what)
        made[tool["name"]] = Made(tool["name"], what, tool)
    credentials = _credentials(options.headers)
    file: Json = {"auth": credentials, "http": {"auth": list(credentials)}} if credentials else {}
    file["tools"] = [one.tool for one in made.values()]
    return Generated(file, tuple(made.values()), tuple(left_out))


def _operations(schema: GraphQLSchema) -> Iterator[tuple[OperationType, str, GraphQLField]]:
    for kind in OperationType:
        root = schema.get_root_type(kind)
        for name, found in root.fields.items() if isinstance(root, GraphQLObjectType) else ():
            yield kind, name, found


def _ensure_wanted(kind: OperationType, name: str, found: GraphQLField, options: Options) -> None:
    if kind is OperationType.SUBSCRIPTION:
        raise Unusable(_NO_STREAM)
    if options.operations and not any(fnmatchcase(name, glob) for glob in options.operations):
        raise Unusable("not asked for by --operation")
    if found.deprecation_reason is not None and not options.deprecated:
        why = shortened(" ".join(found.deprecation_reason.split()), 100)
        raise Unusable(f"deprecated: {why} (--deprecated takes it)")


def _ensure_valid(tool: Json, schema: GraphQLSchema) -> None:
    if errors := validate(schema, parse(tool["graphql"]["query"])):
        raise Unusable(f"what would ask for it is not valid: {errors[0].message}")


def _tool(kind: OperationType, name: str, found: GraphQLField, selector: Selector, options: Options) -> Json:
    changes = kind is OperationType.MUTATION
    schemas = Schemas(nulls=changes, deprecated=options.deprecated, max_description=options.max_description // 2)
    arguments = _arguments(found, options)
    input_schema = schemas.of_arguments({_property(argument): value for argument, value in arguments.items()})
    graphql: Json = {"url": options.url, "query": _document(kind, name, found, arguments, selector, options.depth)}
    if arguments:
        graphql["variables"] = {argument: f"{{{{{_property(argument)}}}}}" for argument in arguments}
    return {
        "name": name,
        "description": shortened(
            found.description or f"The {kind.value} `{name}`: {found.type}.", options.max_description
        ),
        "inputSchema": input_schema,
        "annotations": {"readOnlyHint": False, "destructiveHint": True} if changes else {"readOnlyHint": True},
        "graphql": graphql | {"select": name},
    }


def _arguments(found: GraphQLField, options: Options) -> Mapping[str, GraphQLArgument]:
    def is_taken(argument: GraphQLArgument) -> bool:
        is_needed = isinstance(argument.type, GraphQLNonNull) and not default_of(argument)
        return options.deprecated or is_needed or argument.deprecation_reason is None

    return {name: argument for name, argument in found.args.items() if is_taken(argument)}


def _property(argument: str) -> str:
    """What a tool calls it."""
    return argument if legal_argument(argument) else argument_name(argument, (), "argument")


def _document(
    kind: OperationType,
    name: str,
    found: GraphQLField,
    arguments: Mapping[str, GraphQLArgument],
    selector: Selector,
    depth: int,
) -> str:
    declared = ", ".join(f"${name}: {_declared(argument)}" for name, argument in arguments.items())
    given = ", ".join(f"{name}: ${name}" for name in arguments)
    head = f"{kind.value}({declared})" if declared else kind.value
    field = f"{name}({given})" if given else name
    return f"{head} {{\n  {field}{selector.text(found.type, depth)}\n}}\n"


def _declared(argument: GraphQLArgument) -> str:
    """The type of its variable: one that may be left out where there is a default."""
    type_ = argument.type
    return str(type_.of_type if isinstance(type_, GraphQLNonNull) and default_of(argument) else type_)


def _credentials(headers: Mapping[str, str]) -> Json:
    """What the headers carry, as the file's `auth`."""
    return {
        re.sub(r"[^A-Za-z0-9_-]", "_", name).lower(): {"type": "api_key", "in": "header", "name": name, "value": value}
        for name, value in headers.items()
    }
