"""How what was found is told to a client: as short as it asked for, and as JSON that it can act on. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from magictunnel.catalog.model import Entry, Json, Kind
from magictunnel.discovery.effects import effect_of
from magictunnel.discovery.finder import Findings
from magictunnel.discovery.search import Answer, Found

MAX_SUMMARY = 200
"""Characters of a description in a summary."""
MAX_DEFINITIONS = 400_000
"""Characters of definitions in one answer: about 100,000 tokens."""
MAX_ARGUMENTS = 20
"""Arguments that a summary names."""
_USE = {Kind.PROMPT: "prompts/get", Kind.RESOURCE: "resources/read", Kind.TEMPLATE: "resources/read"}


def reply(said: Json, *, is_error: bool = False) -> Json:
    """A tool's result that says this."""
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    result: Json = {"content": [{"type": "text", "text": text}], "structuredContent": said}
    return result | {"isError": True} if is_error else result


def mistake(text: str) -> Json:
    """A tool's result that says why there is none."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


def found_reply(found: Findings, detail: str) -> Json:
    """What `find_tools` says of what was found for a request, and in short for each of its steps if it has several."""
    said = _answer(found.whole, detail) | {"mode": found.whole.mode}
    if len(found.steps) == 1:
        return said
    return said | {"steps": [{"step": step.words} | _answer(step.answer, "name") for step in found.steps]}


def _answer(answer: Answer, detail: str) -> Json:
    bound = Bound()
    said: Json = {"found": [candidate(found, detail, bound) for found in answer.ranked]}
    if not answer.fits:
        said["note"] = (
            "nothing here seems to do this; these are the nearest"
            if answer.ranked
            else "nothing here does this; try other words"
        )
    return said


class Bound:
    """How much one answer may hold of definitions, which servers can make as long as they like."""

    def __init__(self, limit: int = MAX_DEFINITIONS) -> None:
        self._left = limit

    def fits(self, definition: Json) -> Json:
        """`definition`, or of one that is too long what it is called."""
        self._left -= len(json.dumps(definition, ensure_ascii=False))
        return {"definition": definition} if self._left >= 0 else {"too_long": "its definition would be too long here"}


def candidate(found: Found, detail: str = "summary", bound: Bound | None = None) -> Json:
    """One ranked entry at the detail that was asked for: name, summary or full."""
    entry = found.entry
    told: Json = {"name": entry.name, "score": round(found.score, 3), "confidence": round(found.confidence, 3)}
    told |= {"use": use_of(entry)}
    if detail == "name":
        return told
    told |= {"server": entry.backend, "matched": list(found.words)} | {"why": reasons(found)}
    if detail == "full":
        return told | (bound or Bound()).fits(entry.definition)
    return told | {"description": summary(entry)} | _arguments(entry)


def use_of(entry: Entry) -> str:
    """By what an entry is called."""
    return _USE.get(entry.kind) or effect_of(entry.definition).door


def reasons(found: Found) -> list[str]:
    """What counted most for (or against) an entry, strongest first."""
    strongest = sorted(found.features.items(), key=lambda item: (-abs(item[1]), item[0]))
    return [f"{name} {value:+.2f}" for name, value in strongest[:2] if abs(value) >= 0.01]


def summary(entry: Entry) -> str:
    """The beginning of a description, in one line."""
    description = entry.definition.get("description")
    text = " ".join(description[: 8 * MAX_SUMMARY].split()) if isinstance(description, str) else ""
    return text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 2].rstrip() + " …"


def _arguments(entry: Entry) -> Json:
    if entry.kind is not Kind.TOOL:
        return {}
    names = list(islice(_argument_names(entry.definition.get("inputSchema")), MAX_ARGUMENTS + 1))
    more = ["and more"] if len(names) > MAX_ARGUMENTS else []
    return {"arguments": [*names[:MAX_ARGUMENTS], *more]} if names else {}


def _argument_names(schema: Any) -> Iterator[str]:
    """`owner*: string` for one that is required, `page: integer` for one that is not."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    required = schema.get("required") if isinstance(schema, dict) else None
    needed = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    for name, about in properties.items() if isinstance(properties, dict) else ():
        sort = about.get("type") if isinstance(about, dict) else None
        yield f"{name[:64]}{'*' if name in needed else ''}{f': {sort}' if isinstance(sort, str) else ''}"
