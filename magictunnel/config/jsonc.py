"""JSON as people and hosts write it (comments, tabs, a BOM) -> the same text as YAML in flow style, line by line."""

from __future__ import annotations

import re
from pathlib import PurePath

from magictunnel.errors import ConfigError

_BOM = "\ufeff"
_SUFFIXES = frozenset({".json", ".jsonc", ".json5"})
_BRACE_FIRST = re.compile(r"(?:\s++|//[^\n]*+|#[^\n]*+|/\*[\s\S]*?\*/)*+\{")

_MAX_PLAIN_KEY = 1000
"""YAML wants a longer key, or one whose colon stands on another line, marked with `?`."""

# `//` right after a colon is the middle of a bare URL; JSON itself never has one there.
_TOKEN = re.compile(
    r"""
      (?P<string> " (?: [^"\\\n] | \\[^\n] )*+ (?P<close>")? (?: (?= (?P<gap>\s*+) : ) )? )
    | ' (?: [^'\n] )*+ '
    | (?P<comment> (?<!:)//[^\r\n]*+ | /\*[\s\S]*?(?:\*/|\Z) )
    | (?P<tab> \t )
    """,
    re.VERBOSE,
)
# What JSON allows in a string but YAML does not, or would take for a line break.
_SPECIAL = re.compile(
    r"\\(?:u[0-9a-fA-F]{4}|.)|[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def is_json(text: str, file: str) -> bool:
    """Whether `text` is meant as JSON: by the suffix of `file`, or because it starts with `{`."""
    return PurePath(file).suffix.lower() in _SUFFIXES or bool(_BRACE_FIRST.match(text.removeprefix(_BOM)))


def to_flow_yaml(text: str, file: str) -> str:
    """The JSON `text` as YAML of equal meaning, every token still on its line.

    Raises ConfigError for a string that does not end on its line, or an escape that JSON does not have.
    """

    def token(match: re.Match[str]) -> str:
        if match["string"]:
            return _string(match, file)
        if match["comment"] or match["tab"]:
            return re.sub(r"[^\r\n]", " ", match[0])
        return match[0]

    return _TOKEN.sub(token, text)


def _string(match: re.Match[str], file: str) -> str:
    def error(message: str, hint: str) -> ConfigError:
        line = match.string.count("\n", 0, match.start()) + 1
        return ConfigError(message, file=file, line=line, hint=hint)

    def special(found: re.Match[str]) -> str:
        if not found[0].startswith("\\"):
            return f"\\u{ord(found[0]):04x}"
        if len(found[0]) == 2 and found[0][1] not in '"\\/bfnrt':
            raise error(f"\\{ascii(found[0][1])[1:-1]} is not an escape that JSON has", r"write \\ for one backslash")
        return found[0]

    if not match["close"]:
        raise error("a string is not closed on its line", 'add a `"`')
    text, gap = _SPECIAL.sub(special, match[0]), match["gap"]
    if gap is not None and (len(text + gap) > _MAX_PLAIN_KEY or "\n" in gap):
        return f"? {text}"
    return text
