"""A request of several steps into its clauses. Careful: what may be one need stays whole."""

from __future__ import annotations

import re
from collections.abc import Iterator

from magictunnel.discovery.lexicon import VERB_KINDS
from magictunnel.discovery.literals import literals
from magictunnel.discovery.words import STOP, stem

MAX_CLAUSES = 8
MAX_REQUEST = 8_000
MAX_OUTCOMES = 2
MIN_PIECE = 3
"""Letters; less is what numbers a step."""

_BREAK = re.compile(
    r"(?P<step>;|\n|(?<=[.!?])\s|[\u3002\uff01\uff1f\uff1b]"
    r"|(?:,\s?)?\b(?:and then|then|after that|afterwards|finally)\b,?\s)"
    r"|(?P<more>,\s(?:and\s)?(?:also\s)?|\sand\s(?:also\s)?)(?=(?P<verb>[a-z]{2,20})\s)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^\s*(?:(?:\d{1,2}|[a-z])[.)]|[-*\u2022]|step \d{1,2}:?|first(?:ly)?,?|next,?|also,?|and)\s+", re.IGNORECASE
)
_JOINING = re.compile(r"\s(?:and|also)\s*$", re.IGNORECASE)
_FIRST = re.compile(r"[^\W_]+(?:['\u2019]\w+)?")
_ASKS = re.compile(
    r"\?\s*$|^\s*(?:please|can you|could you|would you|will you|help me|let'?s|i(?:'d like| want| need| would like))\b",
    re.IGNORECASE,
)
_POLITE_TEXT = "please kindly just now also can could would will you help me i want need to like d let us s"
_POLITE = frozenset(_POLITE_TEXT.split())
_OPENING_TEXT = """
    add analyze ask book build calculate cancel change check close compare convert copy count create delete deploy
    describe disable download draft drop enable export extract fetch file find generate get give insert invite list
    make merge move notify open plot post publish read recommend remove rename reply restart retrieve run save schedule
    search send set show start stop summarize tell transfer translate turn update upload upgrade verify visualize write
    draw email store connect suggest look
"""
_OPENING = frozenset(_OPENING_TEXT.split())
_UNSURE = frozenset(("email", "file", "post", "plot", "list", "set", "show", "book", "start", "open", "draft", "store"))
"""Verbs that are nouns at least as often: behind a mere comma they open nothing."""
_MODIFYING_TEXT = """
    skip sort do don wait use focus include exclude limit ensure make keep only return order title call name address
    note remember assume consider avoid ignore prefer it this that they its confirm format
"""
_MODIFYING = frozenset(_MODIFYING_TEXT.split())
"""What a sentence starts with that says how the one before it is meant."""


def split(request: str) -> tuple[str, ...]:
    """The clauses of `request`, in order; just itself when it asks for one thing."""
    text = request[:MAX_REQUEST]
    clauses: list[str] = []
    telling = ""
    for part in _parts(text):
        if _opens(part):
            clauses.append(f"{telling} {part}".strip() if telling else part)
            telling = ""
        elif clauses:
            clauses[-1] = f"{clauses[-1]} {part}"
        else:
            telling = f"{telling} {part}".strip()
    kept = tuple(clauses[:MAX_CLAUSES])
    return kept if len(kept) > 1 else (request,)


_SAVES = re.compile(
    r"\b(?:sav(?:e|ed|ing)|write|put|store|export|output|generate|make|draft|create|report|document)\b[^.?!;]{0,60}"
    r"\b(?:to|into|in|at|as|under)\s*$",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{1,4})$")
_BEFORE = 70
"""Letters before a file in which it says what becomes of it."""


def outcomes(request: str) -> tuple[str, ...]:
    """What `request` asks for in passing: that a file be written (`... and the report to /tmp/x.md`)."""
    text = request[:MAX_REQUEST]
    files = [
        span
        for span in literals(text)
        if span.kind in ("path", "file") and _SAVES.search(text[max(0, span.start - _BEFORE) : span.start])
    ]
    kinds = [_EXTENSION.search(span.text) for span in files]
    return tuple(dict.fromkeys(f"write the {kind[1] if kind else 'new'} file" for kind in kinds))[:MAX_OUTCOMES]


def _parts(text: str) -> Iterator[str]:
    """The pieces of `text` between what may separate steps; values, which may hold anything, are not looked into."""
    plain = _covered(text)
    start = 0
    for match in _BREAK.finditer(plain):
        verb = (match["verb"] or "").lower()
        if match["more"] and (verb not in _OPENING or ("and" not in match["more"].lower() and verb in _UNSURE)):
            continue
        if piece := _bare(text[start : match.start()]):
            yield piece
        start = match.end()
    if piece := _bare(text[start:]):
        yield piece


def _covered(text: str) -> str:
    """`text` with its values covered, letter by letter."""
    out, at = [], 0
    for span in literals(text):
        out += [text[at : span.start], "_" * (span.end - span.start)]
        at = span.end
    return "".join(out) + text[at:]


def _bare(piece: str) -> str:
    """A piece without what numbers it and what joins it to the next."""
    bare = _JOINING.sub("", _LABEL.sub("", piece)).strip(" ,;\n\t")
    return bare if len(bare) > MIN_PIECE or not bare.isascii() else ""


def _opens(piece: str) -> bool:
    """Whether a piece could be a step of its own: it asks or commands, and says what."""
    said = [word.lower() for word in _FIRST.findall(piece)[:60]]
    leading = next((word for word in said if word not in _POLITE), "")
    telling = sum(word not in STOP for word in said)
    if leading in _MODIFYING or telling < 2:
        return not piece.isascii() and len(piece) > 3
    return leading in _OPENING or stem(leading) in VERB_KINDS or bool(_ASKS.search(piece))
