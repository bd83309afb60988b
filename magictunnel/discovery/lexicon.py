"""Kinds of doing and related words, made ready for looking up by stem."""

from __future__ import annotations

from collections.abc import Mapping

from magictunnel.discovery import synonyms
from magictunnel.discovery.words import stem, stems, words

GROUP_WEIGHT = 0.5
VERB_WEIGHT = 0.45
HINT_WEIGHT = 0.4


_SECTIONS = synonyms.sections()


def _verbs() -> dict[str, str]:
    """Stem of a verb -> the kind of doing it names; the first that claims it has it."""
    kinds: dict[str, str] = {}
    for line in _SECTIONS["verbs"]:
        kind, _, names = line.partition(": ")
        for name in names.split():
            kinds.setdefault(stem(name), kind)
    return kinds


def _related() -> dict[str, tuple[tuple[str, float], ...]]:
    """Stem -> the stems that can stand for it, each with what it is worth."""
    worth: dict[str, dict[str, float]] = {}

    def relate(one: str, other: str, weight: float) -> None:
        if one != other:
            known = worth.setdefault(one, {})
            known[other] = max(weight, known.get(other, 0.0))

    for line in _SECTIONS["groups"]:
        group = dict.fromkeys(stems(line))
        for one in group:
            for other in group:
                relate(one, other, GROUP_WEIGHT)
    for line in _SECTIONS["hints"]:
        left, _, right = line.partition(" > ")
        for other in stems(right):
            relate(stem(left), other, HINT_WEIGHT)
    for verb, kind in VERB_KINDS.items():
        relate(verb, stem(kind), VERB_WEIGHT)
    return {one: tuple(sorted(others.items(), key=lambda item: (-item[1], item[0]))) for one, others in worth.items()}


def _phrases() -> dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]:
    """First word of a phrase -> the phrases that start with it, longest first, each with the stems it stands for."""
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for line in _SECTIONS["phrases"]:
        left, _, right = line.partition(" = ")
        phrase = tuple(word.text for word in words(left))
        found.setdefault(phrase[0], []).append((phrase, tuple(stems(right))))
    return {first: tuple(sorted(group, key=lambda pair: -len(pair[0]))) for first, group in found.items()}


VERB_KINDS: Mapping[str, str] = _verbs()
RELATED: Mapping[str, tuple[tuple[str, float], ...]] = _related()
PHRASES = _phrases()
READING = frozenset(
    ("list", "get", "search", "count", "compare", "analyze", "validate", "calculate", "download", "visit", "recommend")
)
WRITING = frozenset(
    ("create", "update", "delete", "send", "stop", "upload", "move", "merge", "restore", "approve", "deny", "deploy")
)


def likeness(asked: str, done: str) -> float:
    """How far one kind of doing can stand for another: 1 is the same, below 0 the contrary."""
    if asked == done:
        return 1.0
    found = synonyms.LIKE.get((asked, done))
    return found if found is not None else synonyms.LIKE.get((done, asked), 0.0)
