"""What an entry says of itself, field by field, however oddly its definition is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from magictunnel.catalog.model import Entry

MAX_DESCRIPTION = 6_000
MAX_PROPERTIES = 80
MAX_PROPERTY_TEXT = 300
MAX_ENUM = 40
MAX_FIRST = 300

_SENTENCE_END = re.compile(
    r"(?<=[.!?\u3002\uff01\uff1f])(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)\s+|(?<=[\u3002\uff01\uff1f])|\n\s*\n|\n(?=\s*[-*#A-Z])"
)
_TAIL = re.compile(
    r"^\W{0,6}(?:args?|arguments?|parameters?|params?|inputs?|outputs?|returns?|raises?|required|optional|examples?"
    r"|notes?|usage|see also|responses?|result)\b[\w ]{0,20}\W{0,3}(?::|$)",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:do not|don't|don\u2019t|never|cannot|can't|not) (?:be )?"
    r"(?:use[ds]?|call(?:ed)?|meant|intended|suitable|for)\b"
    r"|\binstead\b|\buse (?:the )?`?[\w-]+`? (?:tool )?(?:for|if|when|to)\b|\bnot supported\b|\bunlike\b",
    re.IGNORECASE,
)
_DEPRECATED = re.compile(r"\bdeprecated\b|\bobsolete\b|\bno longer (?:supported|maintained)\b", re.IGNORECASE)
_GENERIC_TEXT = "mcp server servers official tool tools api service client the"
_GENERIC = frozenset(_GENERIC_TEXT.split())


@dataclass(frozen=True, slots=True)
class Fields:
    """The texts of one entry."""

    server: str
    name: str
    title: str
    first: str
    """The first sentence of its description."""
    rest: str
    tail: str
    """What a description says of arguments, results and examples."""
    properties: tuple[tuple[str, str], ...]
    """Names of arguments, and what is said of each, with the values it may take."""
    tags: tuple[str, ...]
    required: int
    """Arguments without which it cannot be called."""
    takes_text: bool
    """Whether one of its arguments is any text at all, rather than one of some values or a number."""
    is_deprecated: bool


def text(value: Any, limit: int) -> str:
    """`value` if it is text, cut to `limit` characters; else nothing."""
    return value[:limit] if isinstance(value, str) else ""


def fields(entry: Entry) -> Fields:
    """The texts of `entry`, each bounded."""
    definition = entry.definition
    description = text(definition.get("description"), MAX_DESCRIPTION)
    first, rest, tail = _sorted_sentences(description)
    name = text(definition.get("name"), 200) if entry.original.find("://") > 0 else entry.original[:200]
    return Fields(
        server=_server(entry.backend),
        name=name,
        title=text(definition.get("title") or _hint(definition, "title"), 200),
        first=first,
        rest=rest,
        tail=tail,
        properties=tuple(_properties(definition)),
        tags=tags(entry),
        required=_required(definition),
        takes_text=_takes_text(definition),
        is_deprecated=bool(_DEPRECATED.search(description)),
    )


@lru_cache(maxsize=2_000)
def _server(backend: str) -> str:
    """The words of a server's name that not every server has."""
    return " ".join(part for part in re.split(r"[\W_]+", backend[:200]) if part.lower() not in _GENERIC)


def _hint(definition: Mapping[str, Any], key: str) -> Any:
    annotations = definition.get("annotations")
    return annotations.get(key) if isinstance(annotations, dict) else None


def _sorted_sentences(description: str) -> tuple[str, str, str]:
    """First sentence, other ones, those on arguments and results; those on what it is not for are left out."""
    first, rest, tail = "", [], []
    in_tail = False
    for sentence in _SENTENCE_END.split(description):
        sentence = sentence.strip()
        in_tail = in_tail or bool(_TAIL.match(sentence))
        if not sentence:
            continue
        if in_tail:
            tail.append(sentence)
        elif not first:
            first = sentence
        elif not _ELSEWHERE.search(sentence):
            rest.append(sentence)
    first, more = first[:MAX_FIRST], first[MAX_FIRST:]
    return first, " ".join([more, *rest]), " ".join(tail)


def _properties(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The arguments of a tool or prompt: name and what is said of it."""
    for name, meaning in islice(_arguments(definition).items(), MAX_PROPERTIES):
        yield str(name)[:100], _said(meaning)
    arguments = definition.get("arguments")
    for argument in arguments[:MAX_PROPERTIES] if isinstance(arguments, list) else ():
        if isinstance(argument, dict):
            yield text(argument.get("name"), 100), text(argument.get("description"), MAX_PROPERTY_TEXT)


def _arguments(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = definition.get("inputSchema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _required(definition: Mapping[str, Any]) -> int:
    schema = definition.get("inputSchema")
    required = schema.get("required") if isinstance(schema, dict) else None
    return min(len(required), MAX_PROPERTIES) if isinstance(required, list) else 0


def _takes_text(definition: Mapping[str, Any]) -> bool:
    """Whether an argument is any text: a prompt's always is."""
    meanings = islice(_arguments(definition).values(), MAX_PROPERTIES)
    return any(map(_is_text, meanings)) or bool(definition.get("arguments"))


def _is_text(meaning: Any) -> bool:
    if not isinstance(meaning, dict):
        return False
    kind = meaning.get("type", "string")
    return (kind == "string" or (isinstance(kind, list) and "string" in kind[:10])) and not (
        "enum" in meaning or "format" in meaning or "const" in meaning
    )


def _said(meaning: Any) -> str:
    if not isinstance(meaning, dict):
        return ""
    enum = meaning.get("enum")
    values = [value[:60] for value in enum[:MAX_ENUM] if isinstance(value, str)] if isinstance(enum, list) else []
    return " ".join([text(meaning.get("description"), MAX_PROPERTY_TEXT), *values])


def tags(entry: Entry) -> tuple[str, ...]:
    """The tags its server gave an entry, wherever servers write them."""
    definition = entry.definition
    meta = definition.get("_meta")
    found: list[Any] = [definition.get("tags")]
    if isinstance(meta, dict):
        found.append(meta.get("tags"))
        found += [part.get("tags") for part in islice(meta.values(), 20) if isinstance(part, dict)]
    lists = [group[:MAX_ENUM] for group in found if isinstance(group, list)]
    return tuple(dict.fromkeys(tag[:100] for group in lists for tag in group if isinstance(tag, str)))


def views(entry: Entry) -> tuple[str, str]:
    """The two texts of an entry to embed: server, name and description; name and first sentence."""
    said = fields(entry)
    name = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", said.name)).strip()
    description = text(entry.definition.get("description"), MAX_DESCRIPTION)
    title = f"{said.title}. " if said.title else ""
    return f"{said.server} {name}. {title}{description}".strip(), f"{name}: {said.first or said.title}".strip(": ")
