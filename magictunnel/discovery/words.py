"""Text into terms: identifiers taken apart, words reduced to stems, Chinese as pairs of characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from magictunnel.discovery.synonyms import ABBREVIATIONS, BRANDS, JOINED

_RUN = re.compile(r"[^\W_]{1,200}(?:['\u2019](?=(?:s|t|re|ve|ll|d|m)\b)[a-z]+)?")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^A-Za-z\d]+")
_CJK = re.compile(r"[぀-ヿ㐀-鿿豈-﫿가-힯]+")
_LONGEST_WORD = 40
_VOWELS = frozenset("aeiou")

_STOP_TEXT = """
    a an the this that these those it its is are was were be been being am do does did done has have had having i
    me my mine we us our ours you your yours he him his she her hers they them their theirs of in on at by for
    from to into onto with within without about as and or but if then than so such also can could would should may
    might must will shall please just any some each every there here what which who whom whose when where why how
    not no nor only very too via per etc eg ie want need like let lets help know s t re ve ll d m up out off over
    under between both using use used able across against along among around before after again further own same
    other more most
"""
STOP = frozenset(_STOP_TEXT.split())


_PREPOSITIONS_TEXT = """
    in on of for from to into onto with without at by within inside using via under between across about against
    that which whose where named called titled when if so because given as based
"""
PREPOSITIONS = frozenset(_PREPOSITIONS_TEXT.split())


class Word(NamedTuple):
    """One word of a text."""

    text: str
    """As written, in lower case."""
    stem: str
    plural: bool
    start: int
    """Where its run of letters starts in the text."""


def _spans(text: str) -> Iterator[tuple[str, int]]:
    """Runs of letters and digits, and where they start; runs of Chinese, Japanese and Korean apart from others."""
    for match in _RUN.finditer(text):
        run, start = match[0], match.start()
        if run.isascii():
            yield run, start
            continue
        end = 0
        for block in _CJK.finditer(run):
            if block.start() > end:
                yield run[end : block.start()], start + end
            yield block[0], start + block.start()
            end = block.end()
        if end < len(run):
            yield run[end:], start + end


@lru_cache(maxsize=50_000)
def _pieces(run: str) -> tuple[str, ...]:
    """The words in one run of letters and digits, in lower case."""
    if len(run) > _LONGEST_WORD and run.isascii():
        return (run[:_LONGEST_WORD].lower(),)
    if _CJK.match(run):
        run = run[:400]
        return tuple(run[at : at + 2] for at in range(len(run) - 1)) or (run,)
    lower = run.replace("\u2019", "'").lower()
    if lower.endswith("'s"):
        return _pieces(run[:-2])
    if "'" in lower:
        return (lower.partition("'")[0],)
    if lower in BRANDS or lower in ABBREVIATIONS:
        return ABBREVIATIONS.get(lower, (lower,))
    if lower in JOINED:
        return JOINED[lower]
    parts = [part.lower() for part in _PART.findall(run)]
    if len(parts) < 2:
        return (lower,)
    return _joined_parts(parts, lower)


def _joined_parts(parts: list[str], whole: str) -> tuple[str, ...]:
    """Parts of a camelCase word; short bits as in `v2`, `s3`, `mp3`, `IDs` stay with their neighbours."""
    if len(parts) == 2 and (len(parts[0]) < 3 or len(parts[1]) < 2) and not (set(parts) & STOP):
        return (whole,) if len(whole) < 8 else tuple(parts)
    out: list[str] = []
    for part in parts:
        out.extend(ABBREVIATIONS.get(part, (part,)))
    return tuple(out)


def words(text: str) -> list[Word]:
    """The words of `text`, in order: identifiers taken apart, abbreviations written out."""
    return [Word(*one, start) for run, start in _spans(text) for one in _worded(run)]


@lru_cache(maxsize=100_000)
def _worded(run: str) -> tuple[tuple[str, str, bool], ...]:
    return tuple((piece, stem(piece), is_plural(piece)) for piece in _pieces(run))


def stems(text: str) -> list[str]:
    """The stems of the words of `text` that carry meaning, in order."""
    return [stem for run in _RUN.findall(text) for stem in _stems(run)]


@lru_cache(maxsize=100_000)
def _stems(run: str) -> tuple[str, ...]:
    return tuple(stem(piece) for part, _ in _spans(run) for piece in _pieces(part) if piece not in STOP)


def is_plural(word: str) -> bool:
    """Whether `word` looks like the plural of a noun (`lists`, `entries`; not `status`, `access`)."""
    if word in _PLURALS:
        return True
    return len(word) > 3 and word[-1] == "s" and word[-2] not in "sui" and word not in _SINGULARS


_PLURALS_TEXT = "people children data indices criteria media skus apis ids dbs vms"
_PLURALS = frozenset(_PLURALS_TEXT.split())
_SINGULARS_TEXT = """
    this does has was always kubernetes postgres redis news aws https dns rss css sas ios series gas canvas atlas
"""
_SINGULARS = frozenset(_SINGULARS_TEXT.split())


# The stemmer below is that of M. F. Porter (1980), which joins `deletion` with `delete` and `entries` with `entry`.
_STEP2 = (
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"),
)  # fmt: skip
_STEP3 = (("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""))
_STEP4_TEXT = "ement ance ence able ible ment ant ent ism ate iti ous ive ize ion al er ic ou"
_STEP4 = tuple(_STEP4_TEXT.split())
_IRREGULAR = {
    "sent": "send", "wrote": "write", "written": "write", "made": "make", "found": "find", "ran": "run", "running":
    "run", "people": "person", "children": "child", "indices": "index", "indexes": "index", "analysis": "analyz",
    "analyses": "analyz", "analyze": "analyz", "analyse": "analyz", "news": "news", "creation": "creat", "deleted":
    "delet", "retrieval": "retriev", "information": "info", "latest": "latest", "done": "do", "bought": "buy", "sold":
    "sell", "spent": "spend", "paid": "pay", "said": "say", "gone": "go", "went": "go", "kept": "keep", "built":
    "build", "matches": "match", "happening": "happen", "setting": "setting", "settings": "setting", "building":
    "building", "meeting": "meeting", "meetings": "meeting", "general": "general", "generate": "generat", "generates":
    "generat", "generated": "generat", "generating": "generat", "generation": "generat", "generator": "generat",
    "international": "international", "organization": "organiz", "organisation": "organiz", "organizations":
    "organiz", "org": "organiz", "policies": "policy", "policy": "policy", "series": "series", "weather": "weather",
    "number": "number", "numbers": "number", "numeric": "number", "universal": "universal", "university":
    "university", "emails": "email", "user": "user", "users": "user", "used": "use", "server": "server", "servers":
    "server", "service": "servic", "services": "servic", "order": "order", "orders": "order", "character":
    "character", "production": "production", "product": "product", "products": "product",
}  # fmt: skip


def _vowels(word: str) -> list[bool]:
    """Which letters are vowels; `y` after a consonant is one."""
    out: list[bool] = []
    for letter in word:
        out.append(letter in _VOWELS or (letter == "y" and bool(out) and not out[-1]))
    return out


def _measure(word: str) -> int:
    """How many times vowels are followed by consonants."""
    marks = _vowels(word)
    return sum(one and not other for one, other in pairwise(marks))


def _ends_short(word: str) -> bool:
    """Whether it ends with consonant, vowel, consonant, as `fil` of `filing` does."""
    marks = _vowels(word)
    return len(word) > 2 and marks[-3:] == [False, True, False] and word[-1] not in "wxy"


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The part of an English word that its forms share. Other words come back as they are."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return word[:-1] if word in {"ids", "dbs", "vms", "ips", "urls"} else word
    return _without_ending(_without_suffix(_without_inflection(word)))


def _without_inflection(word: str) -> str:
    if word.endswith("s"):
        if word.endswith(("sses", "ies", "ches", "shes", "xes", "zes")):
            word = word[:-2]
        elif not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    if not word.endswith("eed"):
        word = _without_past(word)
    elif _measure(word[:-3]):
        word = word[:-1]
    if word.endswith("y") and any(_vowels(word[:-1])):
        word = word[:-1] + "i"
    return word


def _without_past(word: str) -> str:
    base = word[:-2] if word.endswith("ed") else word[:-3] if word.endswith("ing") else ""
    if not base or not any(_vowels(base)):
        return word
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if len(base) > 2 and base[-1] == base[-2] and base[-1] not in "aeioulsz":
        return base[:-1]
    return base + "e" if _measure(base) == 1 and _ends_short(base) else base


def _without_suffix(word: str) -> str:
    for suffixes in (_STEP2, _STEP3):
        for suffix, instead in suffixes:
            if word.endswith(suffix):
                if _measure(word[: -len(suffix)]):
                    word = word[: -len(suffix)] + instead
                break
    return word


def _without_ending(word: str) -> str:
    for suffix in _STEP4:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            if _measure(base) > 1 and (suffix != "ion" or base.endswith(("s", "t"))):
                word = base
            break
    if word.endswith("e"):
        base = word[:-1]
        measure = _measure(base)
        word = base if measure > 1 or (measure == 1 and not _ends_short(base)) else word
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
