"""A request in, ranked entries out: candidates by words, put in order by all that speaks for and against them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from magictunnel.catalog.model import EMPTY, Allows, Entry, Kind, everything
from magictunnel.discovery import features, weights
from magictunnel.discovery.clauses import outcomes, split
from magictunnel.discovery.confidence import confidences, fitness
from magictunnel.discovery.features import Features
from magictunnel.discovery.index import Document, Index
from magictunnel.discovery.matching import Candidate, Matcher
from magictunnel.discovery.request import Request, names_server, understood

POOL = 60
"""Candidates that are looked at closely."""
DENSE_POOL = 30
"""Candidates that are taken in because their meaning is near, whatever their words."""
_MORE = 8
"""How many times as many are looked at when too few of the nearest may be found."""
WHOLE = 2.0
"""What the answer to all of a request counts beside those to its clauses."""

TOOLS = frozenset({Kind.TOOL})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search. None: everywhere."""

    kinds: frozenset[Kind] = TOOLS
    servers: frozenset[str] | None = None
    tags: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One entry that may be what was asked for, and why."""

    entry: Entry
    score: float
    """0 to 1; the first of an answer has 1."""
    confidence: float
    """How probable it is that this was meant: 0 to 1."""
    words: tuple[str, ...]
    """The words of the request that stand in it, as they were written."""
    features: Mapping[str, float]
    """What each feature added to its score or took from it, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, best first."""

    ranked: tuple[Found, ...] = ()
    fits: bool = False
    """False if nothing here does what was asked."""
    mode: str = "lexical"
    """What the order was made with: `lexical` or `lexical+embeddings`."""
    servers: tuple[str, ...] = ()
    """The servers that the request names."""


class Dense(Protocol):
    """Vectors of entries, set against that of one request."""

    def nearest(self, count: int) -> Sequence[tuple[Kind, str]]:
        """Kind and public name of the `count` entries nearest in meaning, nearest first."""

    def cosine(self, kind: Kind, name: str) -> float | None:
        """How near an entry is: -1 to 1. None if it has no vector yet."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with its candidates and their features, not yet in order."""

    matcher: Matcher
    candidates: list[Candidate] = field(default_factory=list)
    rows: list[Features] = field(default_factory=list)
    named: frozenset[str] = frozenset()


def search(
    index: Index,
    request: str,
    *,
    allows: Allows = everything,
    scope: Scope = Scope(),
    limit: int = 10,
    dense: Dense | None = None,
    uses: Mapping[str, int] | None = None,
) -> Answer:
    """The `limit` entries that best do what `request` asks for, among those that `allows` and `scope` leave.

    What is left out has no say in the order of the others. `uses`: how often each public name was chosen, which
    decides between equals only.
    """
    ready = prepared(index, request, allows, scope, dense)
    mode = "lexical+embeddings" if dense is not None else "lexical"
    if not ready.candidates:
        return Answer(mode=mode, servers=tuple(sorted(ready.named)))
    table = weights.FUSED if dense is not None else weights.LEXICAL
    parts = [
        {name: table[name] * value for name, value in row.items() if value and name in table} for row in ready.rows
    ]
    scores = [sum(part.values()) for part in parts]
    order = _order(ready.candidates, scores, uses or EMPTY)
    sorted_scores = [scores[at] for at in order]
    first, fused = ready.rows[order[0]], dense is not None
    fit = fitness(first, sorted_scores[0], fused=fused)
    sure = confidences(sorted_scores, first, fit, fused=fused)
    ranked = tuple(
        Found(
            entry=ready.candidates[at].document.entry,
            score=math.exp((scores[at] - sorted_scores[0]) / 3),
            confidence=sure[place],
            words=_words(ready.matcher, ready.candidates[at]),
            features=dict(sorted(parts[at].items(), key=lambda pair: -abs(pair[1]))),
        )
        for place, at in enumerate(order[: max(0, limit)])
    )
    return Answer(ranked, fit > 0, mode, tuple(sorted(ready.named)))


def _order(candidates: Sequence[Candidate], scores: Sequence[float], uses: Mapping[str, int]) -> list[int]:
    """Best first; between equals the one that was used more, then by name."""

    def rank(at: int) -> tuple[float, int, str, str]:
        entry = candidates[at].document.entry
        return (-round(scores[at], 6), -uses.get(entry.name, 0), entry.name, entry.kind)

    return sorted(range(len(candidates)), key=rank)


def _words(matcher: Matcher, candidate: Candidate) -> tuple[str, ...]:
    matched = zip(matcher.request.words, candidate.masks, candidate.near, strict=True)
    return tuple(word.text for word, mask, near in matched if mask or near)


def prepared(
    index: Index,
    request: str,
    allows: Allows = everything,
    scope: Scope = Scope(),
    dense: Dense | None = None,
) -> Prepared:
    """The candidates for `request` with their features. Nothing that is not allowed is among them."""

    def allowed(document: Document) -> bool:
        entry = document.entry
        if entry.kind not in scope.kinds or (scope.tags is not None and scope.tags.isdisjoint(document.tags)):
            return False
        return allows(entry)

    servers = None if scope.servers is None else [name for name in index.shards if name in scope.servers]
    matcher = Matcher(index, understood(request), servers)
    near = [] if dense is None else _near(index, dense, lambda at: matcher.covers(at) and allowed(index.document(at)))
    candidates = matcher.best(POOL, allowed, near)
    named = _named(index, matcher.request, scope, allowed)
    rows = features.table(matcher, candidates, named)
    if dense is not None:
        features.add_dense(
            rows,
            [dense.cosine(one.document.entry.kind, one.document.entry.name) for one in candidates],
            [one.document.entry.backend for one in candidates],
        )
    return Prepared(matcher, candidates, rows, named)


def _near(index: Index, dense: Dense, admits: Callable[[int], bool]) -> list[int]:
    """The DENSE_POOL documents nearest in meaning that `admits` takes: the others must not crowd them out."""
    found: list[int] = []
    seen, count = 0, DENSE_POOL
    while len(found) < DENSE_POOL:
        nearest = dense.nearest(count)
        numbers = [index.number(kind, name) for kind, name in nearest[seen:]]
        found += [at for at in numbers if at is not None and admits(at)]
        if len(nearest) < count:
            break
        seen, count = count, count * _MORE
    return found[:DENSE_POOL]


def _named(index: Index, request: Request, scope: Scope, allowed: Callable[[Document], bool]) -> frozenset[str]:
    """The backends that the request names, of those that have something allowed."""
    return frozenset(
        name
        for stem in request.proper
        for own, name in index.named(stem)
        if names_server(request, own)
        and (scope.servers is None or name in scope.servers)
        and any(map(allowed, index.shards[name].documents))
    )


def search_steps(
    index: Index,
    request: str,
    *,
    allows: Allows = everything,
    scope: Scope = Scope(),
    limit: int = 10,
    dense: Sequence[Dense | None] | None = None,
    uses: Mapping[str, int] | None = None,
) -> tuple[Answer, tuple[Answer, ...]]:
    """The answer to the whole of `request`, and one for each of its clauses; for a single need these are the same.

    The first answer takes the request as a whole and its clauses together. `dense`: one for each of `split(request)`.
    """
    ask = partial(search, index, allows=allows, scope=scope, limit=limit, uses=uses)
    clauses, files = split(request), outcomes(request)
    nears = dense or [None] * len(clauses)
    steps = tuple(ask(clause, dense=near) for clause, near in zip(clauses, nears, strict=True))
    whole = steps[0] if len(steps) == 1 else ask(request)
    parts = (*(steps if len(steps) > 1 else ()), *map(ask, files))
    return (_merged(whole, parts, limit, steps[-1].mode) if parts else whole), steps


def _merged(whole: Answer, parts: Sequence[Answer], limit: int, mode: str) -> Answer:
    """Several answers as one, by the places in them, in `whole` WHOLE times; what is first there stays first."""
    known: dict[tuple[Kind, str], Found] = {}
    worth: dict[tuple[Kind, str], float] = {}
    for answer, share in ((whole, WHOLE), *((part, 1.0) for part in parts)):
        for place, found in enumerate(answer.ranked, 1):
            key = (found.entry.kind, found.entry.name)
            known.setdefault(key, found)
            worth[key] = worth.get(key, 0.0) + share / (place + 0.5)
    lead = next(iter(known), None)
    order = sorted(known, key=lambda key: (key != lead, -worth[key], key[1], key[0]))
    answers = (whole, *parts)
    servers = tuple(dict.fromkeys(name for answer in answers for name in answer.servers))
    fits = any(answer.fits for answer in answers)
    return Answer(tuple(known[key] for key in order[: max(0, limit)]), fits, mode, servers)
