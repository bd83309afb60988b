"""From the words of a request to candidates: which document has which word where."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from magictunnel.discovery.commonness import is_known, telling
from magictunnel.discovery.index import FIRST, NAME, SERVER, TITLE, Document, Index, Postings, Shard
from magictunnel.discovery.request import Request

EXACT = 1.0
JOINED_WEIGHT = 0.9
SOFT_WEIGHT = 0.3
MANY = 4_000
TOO_COMMON = 0.1
"""A related word that stands in more than this share of MANY documents says nothing."""
MANY_VARIANTS, FEW_VARIANTS = 400, 6
"""Terms that may stand for the words of a request, in all; for one word at least. Bounds the time for long requests."""
_TOP = NAME | TITLE | SERVER | FIRST
FLOOR = 0.3
"""Documents below this share of the best first score are looked at only when there are too few others."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A term that may stand for a word of a request."""

    term: str
    worth: float
    idf: float
    postings: Postings


@dataclass(frozen=True, slots=True)
class Sought:
    """One word of a request: what may stand for it, the word itself first, and how much it tells."""

    variants: tuple[Variant, ...]
    idf: float
    count: int
    """In how many documents it stands itself."""
    is_known: bool
    """Whether it is a word of tools, here or anywhere, rather than likely a value."""


@dataclass(slots=True)
class Candidate:
    """A document, and where each word of the request stands in it."""

    number: int
    shard: Shard
    document: Document
    score: float
    masks: list[int]
    """Per word: the fields in which it stands itself, as bits."""
    near: list[int]
    """Per word: the fields in which something stands for it."""
    worths: list[float]
    """Per word: what the best of that is worth."""
    soft: list[int]
    """Per soft word: the fields in which it stands."""


class Matcher:
    """One request against one index, in some of its shards."""

    def __init__(self, index: Index, request: Request, shards: Sequence[str] | None = None) -> None:
        self._index = index
        self._inside = None if shards is None else frozenset(shards)
        self.total = max(1, len(index))
        self.request = request
        self.sought = [self._seek(word.stem, word.joined, word.related, word.weight) for word in request.words]
        self.soft = [self._seek(stem, (), (), 1.0) for stem in request.soft]

    def _seek(self, stem: str, joined: Sequence[str], related: Sequence[tuple[str, float]], weight: float) -> Sought:
        own = self._index.postings(stem)
        idf = weight * telling(stem, len(own.docs), self.total)
        variants = [Variant(stem, EXACT, idf, own)] if own.docs else []
        for term, worth in (*((term, JOINED_WEIGHT) for term in joined), *related):
            found = self._index.postings(term)
            count = len(found.docs)
            if not count or (worth < JOINED_WEIGHT and self.total > MANY and count > TOO_COMMON * self.total):
                continue
            gain = weight * telling(term, count, self.total)
            variants.append(Variant(term, worth, gain if worth == JOINED_WEIGHT else min(idf, gain), found))
        others = sorted(variants[len(own.docs) > 0 :], key=lambda variant: (-variant.worth * variant.idf, variant.term))
        most = max(FEW_VARIANTS, MANY_VARIANTS // max(1, len(self.request.words)))
        known = is_known(stem) or any(mask & _TOP for mask in own.masks)
        return Sought((*variants[: len(own.docs) > 0], *others[:most]), idf, len(own.docs), known)

    def covers(self, number: int) -> bool:
        """Whether document `number` is in one of the shards that are searched."""
        return self._inside is None or self._index.document(number).entry.backend in self._inside

    def _scores(self) -> list[float]:
        """The first score of every document: what the best variant of each word gives it."""
        scores = [0.0] * self.total
        for sought in self.sought:
            best = [0.0] * self.total if len(sought.variants) > 1 else None
            for variant in sought.variants:
                _add(scores, variant, 1.0, best)
        for sought in self.soft:
            for variant in sought.variants[:1]:
                _add(scores, variant, SOFT_WEIGHT, None)
        return scores

    def best(self, count: int, allowed: Callable[[Document], bool], more: Sequence[int] = ()) -> list[Candidate]:
        """The `count` allowed documents that score best, and those of `more` that are allowed, with what they match."""
        scores = self._scores()
        found: list[int] = []
        top = max(scores)
        for low, high in ((FLOOR * top, math.inf), (0.0, FLOOR * top)):
            if len(found) >= count:
                break
            heap = [(-scores[number], number) for number in self._between(scores, low, high)]
            heapq.heapify(heap)
            while heap and len(found) < count:
                _, number = heapq.heappop(heap)
                if allowed(self._index.document(number)):
                    found.append(number)
        known = set(found)
        found += [number for number in more if number not in known and allowed(self._index.document(number))]
        return self._matched(found, scores)

    def _between(self, scores: Sequence[float], low: float, high: float) -> list[int]:
        """The documents inside the searched shards that score above `low`, up to `high`."""
        if self._inside is None:
            return [number for number, score in enumerate(scores) if low < score <= high]
        spans = [self._index.span(name) for name in self._inside]
        return [number for start, end in spans for number in range(start, end) if low < scores[number] <= high]

    def _matched(self, numbers: Sequence[int], scores: Sequence[float]) -> list[Candidate]:
        """Candidates with the fields in which the words of the request stand."""
        size, soft = len(self.sought), len(self.soft)
        found = []
        for number in numbers:
            shard, local = self._index.place(number)
            blank = [0] * size
            document = shard.documents[local]
            found.append(Candidate(number, shard, document, scores[number], blank, blank[:], [0.0] * size, [0] * soft))
        for at, sought in enumerate(self.sought):
            for variant in sought.variants:
                for candidate, mask in _standing(found, variant.postings):
                    if variant.worth >= JOINED_WEIGHT:
                        candidate.masks[at] |= mask
                    else:
                        candidate.near[at] |= mask
                        candidate.worths[at] = max(candidate.worths[at], variant.worth)
        for at, sought in enumerate(self.soft):
            for variant in sought.variants[:1]:
                for candidate, mask in _standing(found, variant.postings):
                    candidate.soft[at] = mask
        return found


def _add(scores: list[float], variant: Variant, share: float, best: list[float] | None) -> None:
    """Give documents what the term is worth there; beyond what they got by the `best` other term for the same word."""
    unit = share * variant.worth * variant.idf
    if best is None:
        for number, weight in zip(variant.postings.docs, variant.postings.weights, strict=True):
            scores[number] += unit * weight
        return
    for number, weight in zip(variant.postings.docs, variant.postings.weights, strict=True):
        gain = unit * weight
        had = best[number]
        if gain > had:
            scores[number] += gain - had
            best[number] = gain


def _standing(candidates: Sequence[Candidate], postings: Postings) -> list[tuple[Candidate, int]]:
    """Those of the candidates in which a term stands, with the fields."""
    docs, masks = postings.docs, postings.masks
    size, found = len(docs), []
    for candidate in candidates:
        place = bisect_left(docs, candidate.number)
        if place < size and docs[place] == candidate.number:
            found.append((candidate, masks[place]))
    return found
