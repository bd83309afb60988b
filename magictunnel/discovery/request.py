"""What a request asks for, as ranking sees it: words that count, the kind of doing, values apart from words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from magictunnel.discovery.lexicon import PHRASES, RELATED, VERB_KINDS
from magictunnel.discovery.literals import Literal, literals
from magictunnel.discovery.words import PREPOSITIONS, STOP, Word, stems, words

MAX_REQUEST = 4_000
MAX_WORDS = 60
MAX_SOFT = 24
PHRASE = 0.8
"""What a word counts for which a phrase stands."""

_ASKING = {
    "what": "get", "which": "list", "who": "get", "where": "get", "when": "get", "how": "get", "is": "get", "are":
    "list", "does": "get", "do": "get", "has": "get", "any": "list", "whats": "get", "have": "list", "were":
    "list", "was": "get", "did": "get",
}  # fmt: skip
_VAGUE_TEXT = """
    detail details information info properties property list name names status summary number count set kind type
    types one some copy content contents overview description value values result results everything something
    thing things way ways data lot bunch couple all me
"""
_VAGUE = frozenset(_VAGUE_TEXT.split())
_ALL_TEXT = "all every each any"
_ALL = frozenset(_ALL_TEXT.split())
_OPEN_QUESTIONS = frozenset(("how", "any", "have", "do"))
"""Words that open commands as often as questions: `how do I create`, `have it sent`."""
_BEFORE_NOUNS_TEXT = "the a an my our this of for in on with all new any"
_BEFORE_NOUNS = frozenset(_BEFORE_NOUNS_TEXT.split())
_MODAL_TEXT = "to please and then you i we let's lets now just can could would should also or need want"
_MODAL = frozenset(_MODAL_TEXT.split())
_SURE_VERBS_TEXT = "get list create delete show update search find add remove send retrieve fetch"
_SURE_VERBS = frozenset(_SURE_VERBS_TEXT.split())


@dataclass(frozen=True, slots=True)
class Asked:
    """One word of a request that counts."""

    text: str
    stem: str
    plural: bool
    is_verb: bool
    in_head: bool
    """Whether it stands before the first preposition: what is asked for, rather than where."""
    related: tuple[tuple[str, float], ...]
    weight: float
    """1; less outside the sentence that asks."""
    joined: tuple[str, ...]
    """It and a neighbour, as one word."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, taken apart."""

    words: tuple[Asked, ...]
    soft: tuple[str, ...]
    """Stems inside quotes and placeholders: perhaps words, perhaps values."""
    verbs: tuple[str, ...]
    """Kinds of doing that it asks for, the first one first."""
    pairs: frozenset[tuple[str, str]]
    """Words that count, and the next ones."""
    thing: int
    """Which of the words names what is asked for; -1: none."""
    literals: tuple[str, ...]
    """The kinds of values in it."""
    sequence: tuple[str, ...]
    """All its stems, in order."""
    proper: frozenset[str]
    """Stems that are written or used as names are: in capitals, or behind `in`, `on`, `via` and the like."""
    wants_many: bool


_CONVERTING = re.compile(
    r"\s*(?:(?:what|how much) (?:is|are|would be)|what(?:'|\u2019)s|if it(?:'|\u2019)?s|if it is)\s"
    r"[$\u20ac\u00a3]?\d[^?.!]{0,60}"
    r"(?:\b(?:in|to)\b|, what)",
    re.IGNORECASE,
)
"""`What is 5 km in miles`: a question that asks for a value in another form."""


class _Phrase(NamedTuple):
    """Some words in a row that stand for others."""

    size: int
    meaning: tuple[str, ...]
    """Stems."""


_Phrases = Mapping[int, _Phrase]
"""By the place of the first word."""


def understood(text: str) -> Request:
    """`text`, taken apart. Bounded in size, whatever the text."""
    text = text[:MAX_REQUEST]
    spans = literals(text)
    plain = words(_masked(text, spans))[: MAX_WORDS * 4]
    phrases = _phrases(plain)
    verbs = [(-1, "convert")] if _CONVERTING.match(text) else []
    verbs += _verbs(plain, phrases)
    asked = _asked(plain, {at for at, _ in verbs}, phrases, _weights(text, plain))
    return Request(
        words=asked,
        soft=_soft(spans),
        verbs=tuple(dict.fromkeys(kind for _, kind in verbs)),
        pairs=frozenset((one.stem, other.stem) for one, other in pairwise(asked)),
        thing=_thing(asked),
        literals=tuple(dict.fromkeys(span.kind for span in spans)),
        sequence=tuple(word.stem for word in plain),
        proper=_proper(text, plain),
        wants_many=_wants_many(plain, asked),
    )


_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{1,4})$")
_HOST = re.compile(r"(?:https?://)?(?:[\w-]+\.)*?([\w-]+)\.(?:com|org|net|io|ai|dev|app|co)\b", re.IGNORECASE)


def _masked(text: str, spans: Sequence[Literal]) -> str:
    """`text` with blanks where its values stand, but for the type of a file and the name of a site."""
    out, at = [], 0
    for span in spans:
        out.append(text[at : span.start])
        blank = " " * (span.end - max(at, span.start))
        telling = _telling(span)
        out.append(" " + telling + blank[len(telling) + 1 :] if len(telling) < len(blank) else blank)
        at = max(at, span.end)
    return "".join(out) + text[at:]


def _telling(span: Literal) -> str:
    """What of a value tells what the request is about, as a word."""
    if span.kind in ("file", "path") or span.is_marked:
        found = _EXTENSION.search(span.text)
        return found[1] if found and found[1].lower() in _TYPES else ""
    found = _HOST.match(span.text) if span.kind == "url" else None
    return found[1] if found else ""


_TYPES_TEXT = """
    pdf doc docx xls xlsx csv tsv ppt pptx json xml html md txt png jpg jpeg gif svg mp3 mp4 wav zip log py js ts
    sql yaml yml ipynb parquet epub tex
"""
_TYPES = frozenset(_TYPES_TEXT.split())


def _soft(spans: Sequence[Literal]) -> tuple[str, ...]:
    """Stems inside values that may hold words."""
    found = [stem for span in spans if span.kind in _WORDY or span.is_marked for stem in stems(span.text[:200])]
    return tuple(dict.fromkeys(found))[:MAX_SOFT]


_WORDY_TEXT = "quoted placeholder repository file path url domain channel username id"
_WORDY = frozenset(_WORDY_TEXT.split())


def _verbs(plain: Sequence[Word], phrases: _Phrases) -> list[tuple[int, str]]:
    """Where the verbs stand, and the kinds of doing they name. A question asks first of all to be told something."""
    named = _named_verbs(plain, phrases)
    found = [(at, kind) for at, kind in named if at in phrases or _commands(plain, at)]
    asking = next((word.text for word in plain[:4] if word.text in _ASKING), None)
    if asking and plain[0].text == asking and asking not in _OPEN_QUESTIONS:
        return [(-1, _ASKING[asking]), *found]
    if not found and asking:
        return [(-1, _ASKING[asking])]
    return found or named[:1]


def _named_verbs(plain: Sequence[Word], phrases: _Phrases) -> list[tuple[int, str]]:
    """Words that are verbs, wherever they do not stand as nouns; and phrases that are: `get rid of` gets nothing."""
    found: list[tuple[int, str]] = []
    end = 0
    for at, word in enumerate(plain):
        kind = VERB_KINDS.get(word.stem)
        if at in phrases:
            end = at + phrases[at].size
            kind = next((VERB_KINDS[stem] for stem in phrases[at].meaning if stem in VERB_KINDS), None)
        elif at < end or (at and plain[at - 1].text in _BEFORE_NOUNS):
            continue
        if kind:
            found.append((at, kind))
    return found


def _commands(plain: Sequence[Word], at: int) -> bool:
    """Whether a verb is in the form and at a place in which it asks for something to be done."""
    word, before = plain[at], plain[at - 1] if at else None
    if word.plural or word.text.endswith(("ing", "ed")):
        return False
    leads = before is None or before.text in _MODAL or before.text == "me" or before.stem in VERB_KINDS
    return leads or word.text in _SURE_VERBS or not any(other.stem in VERB_KINDS for other in plain[:at])


_PARTICLES_TEXT = "down away back rid along together aside forward"
_PARTICLES = frozenset(_PARTICLES_TEXT.split())
"""Words that mean nothing by themselves inside a phrase."""


def _asked(plain: Sequence[Word], verbs: set[int], phrases: _Phrases, weights: Sequence[float]) -> tuple[Asked, ...]:
    """The words that count, each once, with what can stand for it."""
    inside = {near for at, one in phrases.items() for near in range(at + 1, at + one.size)}
    kept = [
        at
        for at, word in enumerate(plain)
        if at in phrases or not (word.text in STOP or (at in inside and word.text in _PARTICLES))
    ]
    found: dict[str, Asked] = {}
    context = _context(plain, verbs)
    for place, at in enumerate(kept[:MAX_WORDS]):
        word = plain[at]
        around = [plain[kept[near]].stem for near in (place - 1, place + 1) if 0 <= near < len(kept)]
        joined = ((around[0] + word.stem,) if place else ()) + (
            (word.stem + around[-1],) if place + 1 < len(kept) else ()
        )
        related = (
            *((stem, PHRASE) for stem in (phrases[at].meaning if at in phrases else ())),
            *RELATED.get(word.stem, ()),
        )
        is_verb = at in verbs and not _names_thing(phrases.get(at))
        asked = Asked(word.text, word.stem, word.plural, is_verb, at < context, related, weights[at], joined)
        found.setdefault(word.stem, asked)
    return tuple(found.values())


def _names_thing(phrase: _Phrase | None) -> bool:
    """Whether a phrase tells of more than what to do, as `write down` does of notes."""
    return phrase is not None and any(stem not in VERB_KINDS for stem in phrase.meaning)


_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ASKS = re.compile(
    r"\?\s*$|\b(?:please|pls|can you|could you|would you|will you|help me|let'?s)\b"
    r"|\bi(?:'d like| want| need| would like)\b",
    re.IGNORECASE,
)
BESIDE = 0.5
"""What a word counts that stands in a sentence that asks for nothing, beside one that does."""


def _weights(text: str, plain: Sequence[Word]) -> list[float]:
    """What each word counts: less in sentences that merely tell, if another one asks."""
    edges = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    spans = [(low, high) for low, high in pairwise(edges) if text[low:high].strip()]
    asks = [_does_ask(text[low:high]) for low, high in spans]
    if not any(asks) or all(asks):
        return [1.0] * len(plain)
    weights, at = [], 0
    for word in plain:
        while at + 1 < len(spans) and word.start >= spans[at][1]:
            at += 1
        weights.append(1.0 if asks[at] else BESIDE)
    return weights


def _does_ask(sentence: str) -> bool:
    opening = words(sentence[:80])[:1]
    return bool(_ASKS.search(sentence)) or (bool(opening) and opening[0].stem in VERB_KINDS)


def _context(plain: Sequence[Word], verbs: set[int]) -> int:
    """Where the words end that say what is asked for: at the first preposition behind a noun that means something."""
    seen = False
    for at, word in enumerate(plain):
        if word.text in PREPOSITIONS and seen:
            return at
        vague = word.text in _VAGUE or word.text in STOP or word.text in _ASKING
        seen = seen or not (vague or at in verbs)
    return len(plain)


def _phrases(plain: Sequence[Word]) -> _Phrases:
    """Where groups of words start that stand for something, and for what."""
    found: dict[int, _Phrase] = {}
    for at, word in enumerate(plain):
        for phrase, meaning in PHRASES.get(word.text, ()):
            if tuple(other.text for other in plain[at : at + len(phrase)]) == phrase:
                found[at] = _Phrase(len(phrase), meaning)
                break
    return found


_BEFORE_NAMES_TEXT = "a an in on via using with from to through my our the at"
_BEFORE_NAMES = frozenset(_BEFORE_NAMES_TEXT.split())


def _proper(text: str, plain: Sequence[Word]) -> frozenset[str]:
    """Stems that may be somebody's name."""
    found = set()
    for at, word in enumerate(plain):
        capital = at > 0 and text[word.start : word.start + 1].isupper()
        if capital or (at > 0 and plain[at - 1].text in _BEFORE_NAMES):
            found.add(word.stem)
    return frozenset(found)


def names_server(request: Request, own: Sequence[str]) -> bool:
    """Whether a server whose name has the words `own` is named: all of them in a row, used as a name."""
    if own[0] not in request.proper:
        return False
    size = len(own)
    return any(request.sequence[at : at + size] == tuple(own) for at in range(len(request.sequence) - size + 1))


def _thing(asked: Sequence[Asked]) -> int:
    """The last noun of those that say what is asked for, vague ones set aside where others are."""
    nouns = [at for at, word in enumerate(asked) if word.in_head and not word.is_verb]
    telling = [at for at in nouns if asked[at].text not in _VAGUE]
    return (telling or nouns or [-1])[-1]


def _wants_many(plain: Sequence[Word], asked: Sequence[Asked]) -> bool:
    """Whether the wording asks for more than one thing: `all`, or a plural as what is asked for."""
    at = _thing(asked)
    if at < 0:
        return any(word.text in _ALL for word in plain)
    place = next(place for place, word in enumerate(plain) if word.stem == asked[at].stem)
    return asked[at].plural or any(word.text in _ALL for word in plain[max(0, place - 4) : place])
