"""What came of a run -> the result of a tool call. Pure."""

from __future__ import annotations

import json
from typing import Any

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content.media import BINARY, blocks_of, decoded, is_textual, kind_of, text_block
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.catalog.model import Json
from magictunnel.errors import RunError
from magictunnel.wire.codec import is_writable, loads

MAX_REASON = 16_000
"""Characters told of what explains a failure."""
_SMALL = 2_000
"""Characters up to which JSON is written over several lines, for people."""
_CUT = "[There was more than is read: this is its beginning. `max_output` of the tool says how much is read.]"
_MAYBE_MORE = "[There may be more than this: `pages.most` and `max_output` of the tool say how much is read.]"


def failure(error: str | RunError) -> Json:
    """The result of a call that failed, with a line that says why."""
    return {"content": [text_block(str(error))], "isError": True}


def result_of(output: Output, *, has_schema: bool) -> Json:
    """The result that an output is.

    `has_schema`: whether the tool promises JSON (an `outputSchema`). An object is then `structuredContent`, and so it
    is where it came as text. A list or a single value is given as text alone: clients of the handshake era refuse a
    result with a `structuredContent` that is no object, and wrapping it would be an answer that nobody gave. Where no
    JSON came at all, the result is an error that shows what did.
    """
    if output.result is not None:
        return output.result
    if output.failed:
        return failure("\n\n".join(part for part in (output.failed, _reason(output)) if part))
    if not _is_sound(output.value):
        return failure("its answer holds what JSON cannot say, such as half a character, or is nested too deep")
    content = _content(output)
    result: Json = {"content": content}
    if has_schema:
        value = _value(output)
        if value is MISSING:
            return {"content": [text_block(_no_json(output)), *content], "isError": True}
        if isinstance(value, dict):
            result["structuredContent"] = value
    return result


def _is_sound(value: Any) -> bool:
    return value is MISSING or is_writable(value)


def _content(output: Output) -> list[Json]:
    if output.value is not MISSING:
        more = [text_block(_MAYBE_MORE)] if output.is_cut else []
        return [text_block(_written(output.value)), *more]
    blocks = blocks_of(output.body, output.content_type)
    return [*blocks, text_block(_CUT)] if output.is_cut else blocks


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=2) if len(text) <= _SMALL else text


def _value(output: Output) -> Any:
    """The JSON that came; MISSING if none did."""
    if output.value is not MISSING:
        return output.value
    if not is_textual(kind_of(output.body, output.content_type)):
        return MISSING
    try:
        value = loads(decoded(output.body, output.content_type).encode())
    except ValueError:
        return MISSING
    return value if _is_sound(value) else MISSING


def _no_json(output: Output) -> str:
    what = f"{kind_of(output.body, output.content_type)}, {len(output.body)} bytes" if output.body else "nothing"
    if output.is_cut:
        what = f"the first {len(output.body)} bytes of it, which is not all (raise `max_output`)"
    return f"The tool promises JSON by its outputSchema, and what came is none: {what}."


def _reason(output: Output) -> str:
    """What explains a failure, as text."""
    if output.value is not MISSING:
        text = _written(output.value) if _is_sound(output.value) else ""
    elif output.body and is_textual(kind := kind_of(output.body, output.content_type)):
        text = decoded(output.body, output.content_type).strip()
    else:
        text = f"({kind}, {len(output.body)} bytes)" if output.body and kind != BINARY else ""
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}\n[…]"
