"""Where quoted text stands in a request. Pure, one pass; apostrophes in words are no quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENING = re.compile(r"```|[\"'`“\u2018«„「『]")
_CLOSING = {
    "```": "```",
    '"': '"',
    "'": "'",
    "`": "`",
    "“": "”",
    "\u2018": "\u2019",
    "«": "»",
    "„": "“",
    "「": "」",
    "『": "』",
}
_SINGLE = re.compile(r"'")
_SINGLE_CURLY = re.compile(r"[\u2018\u2019]")
_FENCE_NAME = re.compile(r"[A-Za-z0-9+#-]{0,20}\n")


def quotes(text: str) -> Iterator[tuple[int, int, str]]:
    """Start and end (with the quotes), and what stands between, of every quotation in `text`, left to right."""
    place = 0
    unclosed: set[str] = set()
    while (match := _OPENING.search(text, place)) is not None:
        mark, start, place = match.group(), match.start(), match.end()
        if mark in unclosed or not _opens(text, mark, start):
            continue
        end = _single_end(text, place, mark) if mark in "'\u2018" else _end(text, place, mark)
        if end is None:
            if mark not in "'\u2018":
                unclosed.add(mark)  # there is none further on either
            continue
        inner = text[place:end]
        if mark == "```" and (name := _FENCE_NAME.match(inner)):
            inner = inner[name.end() :]
        if inner.strip():
            place = end + len(_CLOSING[mark])
            yield start, place, inner.strip("\n") if mark == "```" else inner.replace("\\" + mark, mark).strip()


def _opens(text: str, mark: str, start: int) -> bool:
    """Whether a quotation can start here: not within a word, not behind a number (`5"`)."""
    if mark in "'\u2018" and text[start + 1 : start + 2].isspace():
        return False
    return start == 0 or mark in ("```", "“", "«", "„", "「", "『") or not text[start - 1].isalnum()


def _end(text: str, place: int, mark: str) -> int | None:
    """Where the closing mark stands; an escaped one does not close."""
    end = text.find(_CLOSING[mark], place)
    while end > 0 and text[end - 1] == "\\":
        end = text.find(_CLOSING[mark], end + 1)
    return end if end >= 0 else None


def _single_end(text: str, place: int, mark: str) -> int | None:
    """Where a single quote closes: behind a character and before none that belongs to a word.

    Where another one opens before, the first was an apostrophe.
    """
    for match in (_SINGLE if mark == "'" else _SINGLE_CURLY).finditer(text, place):
        at = match.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if not after.isalnum() and not before.isspace() and at > place:
            return at
        if not before.isalnum() and not after.isspace():
            return None
    return None
