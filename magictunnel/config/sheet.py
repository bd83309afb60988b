"""A config's text with the places of its values: which lines, comments and commas belong to which of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from magictunnel.config.spans import Span, Style, spans
from magictunnel.config.text import Document

_YAML_TRIVIA = re.compile(r"[ \t\r\n]+|(?P<comma>,)|(?P<comment>#[^\r\n]*)")
_JSON_TRIVIA = re.compile(r"[ \t\r\n]+|(?P<comma>,)|(?P<comment>//[^\r\n]*|#[^\r\n]*|/\*[\s\S]*?\*/)")


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands between two values: white space, comments, and perhaps a comma."""

    start: int
    end: int
    comma: int | None
    comments: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of a text, the first of which starts at `start`; `end` is before the last one's line break."""

    start: int
    end: int


@dataclass(frozen=True)
class Sheet:
    """`text`, which starts without a BOM, and the value it consists of."""

    text: str
    root: Span
    is_json: bool

    @cached_property
    def newline(self) -> str:
        """How lines are broken here."""
        return "\r\n" if "\r\n" in self.text else "\n"

    @cached_property
    def unit(self) -> str:
        """By how much one level is indented here."""
        blocks = [member.value for member in self.root.members if member.value.style is Style.BLOCK]
        inside = next((span for span in ([self.root] if self.is_json else blocks) if span.members), None)
        indent = self.before(inside.members[0].start) if inside else ""
        return indent if indent.isspace() else "  "

    @property
    def is_laid_out(self) -> bool:
        """Whether this is JSON in which each member of the whole has a line of its own."""
        first = self.root.members[0].start if self.root.members else 0
        return self.is_json and not self.before(first).strip()

    def before(self, at: int) -> str:
        """What stands before `at` in its line."""
        return self.text[self._line_start(at) : at]

    def indent(self, at: int) -> str:
        """The white space at the start of the line of `at`."""
        line = self.before(at)
        return line[: len(line) - len(line.lstrip())]

    def line_end(self, at: int) -> int:
        """The end of the line of `at`, before its line break."""
        end = self.text.find("\n", at)
        if end == -1:
            return len(self.text)
        return end - 1 if end > at and self.text[end - 1] == "\r" else end

    def line_above(self, start: int) -> Lines | None:
        """The line before the one that starts at `start`."""
        if not start:
            return None
        above = self._line_start(start - 1)
        return Lines(above, self.line_end(above))

    def is_blank(self, lines: Lines | None) -> bool:
        """Whether there is nothing to see in `lines`."""
        return lines is not None and not self.text[lines.start : lines.end].strip()

    def is_open_below(self, lines: Lines) -> bool:
        """Whether an empty line, or the end, comes after `lines`."""
        below = self.text.find("\n", lines.end) + 1
        return not below or self.is_blank(Lines(below, self.line_end(below)))

    def gap(self, start: int) -> Gap:
        """What stands between `start` and the next thing that means something."""
        pattern = _JSON_TRIVIA if self.is_json else _YAML_TRIVIA
        at, comma = start, None
        comments: list[tuple[int, int]] = []
        while (found := pattern.match(self.text, at)) and (comma is None or not found["comma"]):
            comma = at if found["comma"] else comma
            comments += [found.span()] if found["comment"] else []
            at = found.end()
        return Gap(start, at, comma, tuple(comments))

    def gap_before(self, mapping: Span, index: int) -> Gap:
        """What stands before a member of `mapping`, up to the value or brace there."""
        return self.gap(mapping.members[index - 1].value.end if index else mapping.inner)

    def lines(self, mapping: Span, index: int) -> Lines | None:
        """The lines that belong to one member of `mapping` alone; None if it shares one with something else.

        With the comments directly above it, those behind it, and those below it that are indented deeper.
        """
        member = mapping.members[index]
        if self.before(member.start).strip():
            return None
        indent = self.before(member.start)
        end = self._last(self.gap(member.value.end), indent)
        stop = self.line_end(end)
        if self.text[end:stop].strip():
            return None
        return Lines(self._first(self.gap_before(mapping, index), member.start, indent), stop)

    def _first(self, gap: Gap, at: int, indent: str) -> int:
        """The start of the line of `at`, or of the first of the comments directly above it."""
        start = self._line_start(at)
        for first, last in reversed(gap.comments):
            if self.before(first) != indent or self.text[last:start].strip() or self.text.count("\n", last, start) > 1:
                break
            start = self._line_start(first)
        return start

    def _last(self, gap: Gap, indent: str) -> int:
        """The end of what belongs to the member that ends where `gap` starts."""
        end = gap.start
        for first, last in gap.comments:
            line = self.before(first)
            if not line.strip() and not (line.startswith(indent) and len(line) > len(indent)):
                break
            end = last
        if gap.comma is not None and gap.comma >= end and "\n" not in self.text[end : gap.comma]:
            end = gap.comma + 1
        return end

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1


def sheet_of(text: str, document: Document) -> Sheet | None:
    """The sheet of `text`, of which `document` was read; None if it has no value at all."""
    root = spans(text, document.file, is_json=document.is_json)
    return Sheet(text, root, document.is_json) if root else None
