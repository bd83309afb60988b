"""One key into a mapping's text, or out of it with the comments that belong to it; every other byte stays.

What is done here may come out wrong where a text is written in an odd way: whoever uses it checks the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from magictunnel.config.sheet import Gap, Lines, Sheet
from magictunnel.config.spans import Member, Span, Style
from magictunnel.config.spell import json_text, yaml_flow, yaml_lines

Splice = tuple[int, int, str]
"""`text[start:end]`, and what comes in its place."""

_NO_MEMBERS = re.compile(r"~|null|Null|NULL|\{\s*\}|")


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """`text` with all of `splices` done; of two at one place, the first comes first."""
    parts: list[str] = []
    at = 0
    for start, end, new in sorted(splices, key=lambda splice: splice[0]):
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


# --- in


def replace(sheet: Sheet, member: Member, value: Any) -> list[Splice]:
    """Have `member` stand for `value`."""
    start, end = member.value.start, member.value.end
    space = " " if start == end else ""
    indent = sheet.indent(member.start) if sheet.is_laid_out else None
    return [(start, end, space + _spelled(sheet, value, indent))]


def fill(sheet: Sheet, parent: Member, key: str, value: Any) -> list[Splice]:
    """Add `key` to the mapping of `parent`, a member of the root, in which nothing stands."""
    span = parent.value
    if sheet.root.style is Style.BLOCK and _NO_MEMBERS.fullmatch(sheet.text[span.start : span.end]):
        gone = len(sheet.before(span.start)) - len(sheet.before(span.start).rstrip())
        written = _in_lines(sheet, yaml_lines(key, value, sheet.unit), sheet.indent(parent.start) + sheet.unit)
        line = sheet.line_end(span.end)
        return [(span.start - gone, span.end, ""), (line, line, written)]
    return add(sheet, span, key, value) if span.style is Style.FLOW else replace(sheet, parent, {key: value})


def add(sheet: Sheet, mapping: Span, key: str, value: Any) -> list[Splice]:
    """Add `key` to `mapping`, as its last one, written as the one before it is."""
    if not mapping.members:
        return _add_first(sheet, mapping, key, value)
    last = mapping.members[-1]
    lines = sheet.lines(mapping, len(mapping.members) - 1)
    if lines is None:  # within braces; in anything else, this comes out wrong
        return [(last.value.end, last.value.end, f", {_pair(sheet, key, value)}")]
    indent = sheet.before(last.start)
    is_short = last.value.style is Style.FLOW and "\n" not in sheet.text[last.value.start : last.value.end]
    apart = sheet.newline if len(mapping.members) > 1 and sheet.is_blank(sheet.line_above(lines.start)) else ""
    if mapping.style is Style.BLOCK:
        written = [_pair(sheet, key, value)] if is_short else yaml_lines(key, value, sheet.unit)
        return [(lines.end, lines.end, apart + _in_lines(sheet, written, indent))]
    pair = _pair(sheet, key, value, None if is_short else indent)
    if sheet.gap(last.value.end).comma is not None:
        return [(lines.end, lines.end, apart + _in_lines(sheet, [pair + ","], indent))]
    return [(last.value.end, last.value.end, ","), (lines.end, lines.end, apart + _in_lines(sheet, [pair], indent))]


def _add_first(sheet: Sheet, mapping: Span, key: str, value: Any) -> list[Splice]:
    """Add `key` to a mapping in braces that is empty but for comments."""
    start, margin = mapping.inner, sheet.indent(mapping.inner)
    indent = margin + sheet.unit
    comments = sheet.gap(start).comments
    if comments:
        behind_the_brace = [last for first, last in comments if sheet.before(first).strip()]
        at = max(behind_the_brace, default=start)
        return [(at, at, _in_lines(sheet, [_pair(sheet, key, value, indent)], indent))]
    if not sheet.is_laid_out:
        return [(start, mapping.end - 1, _pair(sheet, key, value))]
    written = _in_lines(sheet, [_pair(sheet, key, value, indent)], indent)
    return [(start, mapping.end - 1, written + sheet.newline + margin)]


def _in_lines(sheet: Sheet, lines: list[str], indent: str) -> str:
    """`lines`, each with a line break before it."""
    return "".join(sheet.newline + indent + line for line in lines)


def _pair(sheet: Sheet, key: str, value: Any, indent: str | None = None) -> str:
    """`key: value`, on one line unless `indent`, at which it starts, is given."""
    if sheet.is_json:
        return f"{json_text(key)}: {_spelled(sheet, value, indent)}"
    return f"{yaml_flow(key)}: {yaml_flow(value)}"


def _spelled(sheet: Sheet, value: Any, indent: str | None) -> str:
    if not sheet.is_json:
        return yaml_flow(value)
    if indent is None:
        return json_text(value)
    return json_text(value, sheet.unit).replace("\n", sheet.newline + indent)


# --- out


def take(sheet: Sheet, mapping: Span, index: int) -> list[Splice]:
    """Take one member out of `mapping`: nothing is done where it cannot be told from its surroundings."""
    lines = sheet.lines(mapping, index)
    if mapping.style is Style.FLOW:
        return _take_from_braces(sheet, mapping, index, lines)
    if lines is None:
        return []
    gone = _whole_lines(sheet, lines, is_last=index == len(mapping.members) - 1)
    return [(mapping.inner, mapping.inner, " {}"), gone] if len(mapping.members) == 1 else [gone]


def _take_from_braces(sheet: Sheet, mapping: Span, index: int, lines: Lines | None) -> list[Splice]:
    is_last = index == len(mapping.members) - 1
    before, after = sheet.gap_before(mapping, index), sheet.gap(mapping.members[index].value.end)
    gone = _whole_lines(sheet, lines, is_last=is_last) if lines else _within_line(sheet, mapping, index, before, after)
    start, end, _ = gone
    if (
        len(mapping.members) == 1
        and not (sheet.text[mapping.inner : start] + sheet.text[end : mapping.end - 1]).strip()
    ):
        return [(mapping.inner, mapping.end - 1, "")]
    comma = before.comma if after.comma is None else after.comma
    if comma is None or start <= comma < end:
        return [gone]
    return [(comma, comma + 1, ""), gone]


def _whole_lines(sheet: Sheet, lines: Lines, *, is_last: bool) -> Splice:
    """Cuts out `lines`, and the empty line above them if one too many would be left."""
    start = lines.start
    above = sheet.line_above(start)
    if above and sheet.is_blank(above) and (is_last or sheet.is_open_below(lines)):
        start, above = above.start, sheet.line_above(above.start)
    return (above.end if above else start, lines.end, "")


def _within_line(sheet: Sheet, mapping: Span, index: int, before: Gap, after: Gap) -> Splice:
    """Cuts a member out of a line that has something else in it, too."""
    start, end = mapping.members[index].start, mapping.members[index].value.end
    if after.comma is not None:
        end = after.comma + 1
        if index < len(mapping.members) - 1:
            behind = sheet.text[end : after.end]
            return (start, end + len(behind) - len(behind.lstrip(" \t")), "")
    left = before.start + len(sheet.text[before.start : start].rstrip())
    in_line_comment = any(last == left and not sheet.text.startswith("/*", first) for first, last in before.comments)
    return (start if in_line_comment else left, end, "")
