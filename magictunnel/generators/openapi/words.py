"""Descriptions that others wrote, shortened where a sentence or a paragraph ends. Pure."""

from __future__ import annotations

import re

_TAG = re.compile(r"</?(?:p|br|b|i|em|strong|a|ul|ol|li|code|div|span|h[1-6])(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_SENTENCE = re.compile(r"[.!?:;](?=\s)|\n")
_MORE = "..."


def shortened(text: str, most: int) -> str:
    """`text` in at most `most` characters: whole paragraphs, else whole sentences, else whole words."""
    text = _BLANK_LINES.sub("\n\n", _TAG.sub("", text).strip())
    if len(text) <= most:
        return text
    pauses = [found.end() for found in _SENTENCE.finditer(text[: most + 1])]
    for end in (text.rfind("\n\n", 0, most), max(pauses, default=-1)):
        if end > most // 3:
            return text[: min(end, most)].rstrip()
    room = text[: max(most - len(_MORE), 0)]
    return room[: max(room.rfind(" "), 0) or len(room)].rstrip() + _MORE[: max(most, 0)]


def described(summary: str, description: str, most: int) -> str:
    """Both in at most `most` characters, the summary first, and not twice."""
    summary, description = summary.strip(), description.strip()
    if description.lower().startswith(summary.lower().rstrip(".")):
        summary = ""
    return shortened("\n\n".join(part for part in (summary, description) if part), most)
