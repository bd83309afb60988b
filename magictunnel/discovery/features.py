"""What speaks for and against a candidate, as numbers; `weights.py` says what each counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from magictunnel.discovery.index import FIRST, NAME, PROPERTY, REST, SAID, SERVER, TAIL, TITLE, bare
from magictunnel.discovery.lexicon import READING, VERB_KINDS, WRITING, likeness
from magictunnel.discovery.matching import Candidate, Matcher
from magictunnel.discovery.request import Request

Features = dict[str, float]

_STRENGTH = {NAME: 1.0, TITLE: 0.9, SERVER: 0.8, FIRST: 0.8, REST: 0.5, PROPERTY: 0.4, SAID: 0.25, TAIL: 0.25}
_BEST = [max((worth for field, worth in _STRENGTH.items() if mask & field), default=0.0) for mask in range(256)]
"""By the fields in which a word stands, as bits: what the best of them is worth."""
_TOP = NAME | TITLE | SERVER | FIRST
_VOTERS = 10
_HUNCH = 1.0
"""What of the telling is supposed in any request, half of it to be there; a rare word tells 6 or so."""
_TAKEN, _UNTAKEN = 0.2, 0.6
"""How far what is likely a value is missed by what takes any text, and by what does not."""
_POOL = 20
_OF_SERVER = 0.8
"""What a word of a name counts that is its server's, as `notes` in `search_notes`, even if nobody asks for it."""
_SECOND = 0.4
"""What the second kind of doing counts that a tool tells of, beside the first."""

_LITERAL_WORDS: Mapping[str, frozenset[str]] = {
    kind: frozenset(stems.split())
    for kind, stems in {
        "email": "email recipi address user to cc bcc attende invite sender from mail particip",
        "url": "url uri link href websit site domain page endpoint address host",
        "path": "path file directori folder filenam sourc destin root filepath input",
        "file": "path file filenam document filepath sourc input name workbook presentat title",
        "date": "date start end time dai due sinc until from to befor after begin month year",
        "time": "time start end hour date begin",
        "channel": "channel convers room tag hashtag number issu",
        "username": "user usernam member assigne handl person login account",
        "number": "number limit count max size page amount id maximum minimum valu length a b n top k precis",
        "repository": "repositori owner project",
        "ip": "ip address host start end domain",
        "uuid": "id uuid identifi guid",
        "id": "id identifi kei key issu number",
        "phone": "phone number recipi to",
        "quoted": "name titl text content queri messag bodi subject keyword search term prompt summari descript",
    }.items()
}
"""Kind of a value -> stems that stand in the names of arguments that take such values."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What all candidates are set against, made ready once for a request."""

    terms: Mapping[str, float]
    """Every term that may stand for a word of the request -> what it is worth at best."""
    inside: Mapping[str, float]
    """Those of the words that say what is asked for, without verbs."""
    outside: Mapping[str, float]
    """Those of the other words, without verbs."""
    thing: Mapping[str, float]
    """Those of the one word that names what is asked for."""
    pairs: Mapping[tuple[str, str], float]
    """Neighbours in the request -> what they tell."""
    pairs_whole: float
    weights: tuple[float, ...]
    """Per word: what it tells; 0 if nothing anywhere stands for it."""
    whole: float
    """What these tell in all, and what words of tools would that stand nowhere here."""
    supply: int
    """How many values the request may hold."""
    lacking: float
    """The latter part of it."""
    telling: tuple[float, ...]
    """Per word: what it would tell if it stood somewhere; verbs and likely values not counted."""
    unknown: tuple[float, ...]
    """Per word: the same for what is likely a value."""
    pool: tuple[float, ...]
    """Per word: what it tells among the best candidates, which is little if all of them have it."""


def table(matcher: Matcher, candidates: Sequence[Candidate], named: frozenset[str]) -> list[Features]:
    """The features of every candidate. `named`: the backends that the request names."""
    if not candidates:
        return []
    known = _known(matcher, candidates)
    by_score = sorted(candidates, key=lambda one: (-one.score, one.document.entry.name))
    top = by_score[0].score or 1.0
    ranks = _ranks([one.score for one in candidates])
    votes = _shares([(one.document.entry.backend, one.score) for one in by_score[:_VOTERS]])
    affinity = _affinity(matcher, candidates)
    crowd = math.log10(max(1, matcher.total)) / 5
    rows = []
    for candidate, rank in zip(candidates, ranks, strict=True):
        document = candidate.document
        backend = document.entry.backend
        row = {
            "score": candidate.score / (top + known.lacking),
            "rank": rank,
            "crowd": crowd,
            "vote": votes.get(backend, 0.0),
            "named": float(backend in named),
            "named_other": float(bool(named) and backend not in named),
            "deprecated": float(document.is_deprecated),
            "wordless": float(not document.has_text),
            **affinity[backend],
            **_coverage(matcher.request, known, candidate),
            **_name(matcher.request, known, candidate),
            **_pairs(known, candidate),
            **_thing(known, candidate),
            **_doing(matcher.request, candidate),
            **_number(matcher.request, candidate),
            **_answered(matcher.request, known, candidate),
            **_values(matcher, known, candidate),
        }
        row["verb_thing"] = max(0.0, row["verb"]) * max(row["thing"], row["thing_head"])
        row["verb_cover"] = max(0.0, row["verb"]) * row["cover_top"]
        rows.append(row)
    return rows


def _known(matcher: Matcher, candidates: Sequence[Candidate]) -> _Known:
    request, sought = matcher.request, matcher.sought
    terms: dict[str, float] = {}
    inside: dict[str, float] = {}
    outside: dict[str, float] = {}
    for word, want in zip(request.words, sought, strict=True):
        places = [terms] if word.is_verb else [terms, inside if word.in_head else outside]
        for variant in want.variants:
            for place in places:
                place[variant.term] = max(variant.worth, place.get(variant.term, 0.0))
    idf = {word.stem: want.idf for word, want in zip(request.words, sought, strict=True)}
    pairs = {pair: min(idf[pair[0]], idf[pair[1]]) for pair in request.pairs}
    pairs_whole = sum(sorted(pairs.values(), reverse=True)[:3]) or 1.0
    weights = tuple(
        want.idf * (0.5 if word.is_verb else 1.0) if want.variants else 0.0
        for word, want in zip(request.words, sought, strict=True)
    )
    thing = {variant.term: variant.worth for variant in sought[request.thing].variants} if request.thing >= 0 else {}
    nouns = [0.0 if word.is_verb else want.idf for word, want in zip(request.words, sought, strict=True)]
    telling = tuple(idf if want.is_known else 0.0 for idf, want in zip(nouns, sought, strict=True))
    unknown = tuple(0.0 if want.is_known else idf for idf, want in zip(nouns, sought, strict=True))
    supply = len(request.literals) + sum(map(bool, unknown))
    lacking = sum(idf for idf, want in zip(telling, sought, strict=True) if not want.variants)
    pool = _pool(len(sought), candidates)
    return _Known(
        terms,
        inside,
        outside,
        thing,
        pairs,
        pairs_whole,
        weights,
        (sum(weights) + lacking) or 1.0,
        supply,
        lacking,
        telling,
        unknown,
        pool,
    )


def _pool(size: int, candidates: Sequence[Candidate]) -> tuple[float, ...]:
    best = sorted(candidates, key=lambda one: -one.score)[:_POOL]
    counts = [sum(bool(one.masks[at] & _TOP) for one in best) for at in range(size)]
    return tuple(math.log(1 + (len(best) - count + 0.5) / (count + 0.5)) if count else 0.0 for count in counts)


def _ranks(scores: Sequence[float]) -> list[float]:
    """1 for the best score, 1/2 for the next and so on; equals share the better place."""
    places: dict[float, int] = {}
    rounded = [round(score, 6) for score in scores]
    for place, score in enumerate(sorted(rounded, reverse=True), 1):
        places.setdefault(score, place)
    return [1 / places[score] for score in rounded]


def _shares(scores: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Backend -> its share in the squares of some candidates' scores."""
    votes: dict[str, float] = {}
    for backend, score in scores:
        votes[backend] = votes.get(backend, 0.0) + max(0.0, score) ** 2
    whole = sum(votes.values()) or 1.0
    return {backend: vote / whole for backend, vote in votes.items()}


def _affinity(matcher: Matcher, candidates: Sequence[Candidate]) -> dict[str, Features]:
    """Backend -> how far the words of the request are its words: by its share in them, and by their share in it."""
    shards = {candidate.document.entry.backend: candidate.shard for candidate in candidates}
    own = [(want.variants[0].term, want.idf, want.count) for want in matcher.sought if want.count]
    found: dict[str, Features] = {}
    for backend, shard in shards.items():
        share = density = 0.0
        for term, idf, count in own:
            low, high = shard.row(term)
            if high > low:
                share += idf * (high - low) / count
                density += idf * math.sqrt((high - low) / len(shard.documents))
        found[backend] = {"share": share, "density": density}
    for name in ("share", "density"):
        top = max(row[name] for row in found.values()) or 1.0
        for row in found.values():
            row[name] /= top
    return found


def _coverage(request: Request, known: _Known, candidate: Candidate) -> Features:
    """How much of the request is in the document, by what its words tell."""
    strength = top = lower = argument = only_near = missed = pooled = matched = 0.0
    rows = zip(request.words, known.weights, known.pool, candidate.masks, candidate.near, candidate.worths, strict=True)
    for word, weight, pool, mask, near, worth in rows:
        best = _BEST[mask]
        pooled += pool * best
        strength += weight * max(best, _BEST[near] * worth)
        if mask & _TOP:
            top += weight
        else:
            top += weight * worth if near & _TOP else 0.0
            lower += weight if mask & REST else 0.0
            argument += weight if mask & (PROPERTY | SAID) and not mask & REST else 0.0
        if not mask:
            only_near += weight * worth
            missed += 0.0 if word.is_verb or not weight else 1 - worth
        matched += 1.0 if mask & FIRST else 0.5 if near & FIRST else 0.0
    whole = known.whole
    return {
        "cover": strength / whole,
        "cover_top": top / whole,
        "cover_lower": lower / whole,
        "cover_argument": argument / whole,
        "cover_near": only_near / whole,
        "pool": pooled / (sum(known.pool) or 1.0),
        "missed": min(3.0, missed) / 3,
        "precision": min(1.5, matched / math.sqrt(len(candidate.document.first) or 1)),
    }


def _answered(request: Request, known: _Known, candidate: Candidate) -> Features:
    """How much of what is asked for is there at all, words that stand nowhere counted as missing.

    What is likely a value (`milk`, `Paris`) is hardly missed where an argument takes any text.
    """
    found = whole = head = head_found = 0.0
    missing = _TAKEN if candidate.document.takes_text else _UNTAKEN
    thing = 0.5 if request.thing < 0 else 0.5 * (1 - missing) if known.unknown[request.thing] else 0.0
    rows = zip(known.telling, known.unknown, candidate.masks, candidate.near, candidate.worths, strict=True)
    for at, (weight, unknown, mask, near, worth) in enumerate(rows):
        there = max(_BEST[mask], _BEST[near] * worth)
        weight += unknown if mask or near else unknown * missing
        whole += weight
        found += weight * there
        if request.words[at].in_head:
            head += weight
            head_found += weight * there
        if at == request.thing:
            thing = max(thing, there)
    return {
        "answered": _smoothed(found, whole),
        "answered_head": _smoothed(head_found, head),
        "answered_thing": thing,
    }


def _smoothed(part: float, whole: float) -> float:
    """A share; near a half where there is little to take shares of."""
    return (part + _HUNCH / 2) / (whole + _HUNCH)


def _name(request: Request, known: _Known, candidate: Candidate) -> Features:
    """How much of the document's name was asked for, and how much was not."""
    document, counts = candidate.document, candidate.shard.name_counts
    size, name = len(candidate.shard.documents), candidate.document.name
    whole = found = quoted = extras = own = own_found = 0.0
    for at, term in enumerate(name):
        if term in VERB_KINDS and at in (0, len(name) - 1):
            continue
        weight = math.log(1 + size / counts[term]) + 0.3
        joined = [known.terms.get(one + other, 0.0) for one, other in pairwise(name[max(0, at - 1) : at + 2])]
        asked = max([known.terms.get(term, 0.0), *joined])
        near = max(asked, _OF_SERVER if term in document.server else 0.0)
        if asked == near:
            own += weight
            own_found += weight * near
        whole += weight
        found += weight * near
        extras += weight * (1 - near)
        quoted += weight if near < 0.8 and term in request.soft else 0.0
    whole = whole or 1.0
    return {
        "name": found / whole,
        "name_own": own_found / (own or 1.0),
        "name_quoted": quoted / whole,
        "extras": min(3.0, extras / (math.log(1 + size) + 0.3)),
    }


def _pairs(known: _Known, candidate: Candidate) -> Features:
    """Words that stand side by side in the request and in the first sentence, by what they tell."""
    if not known.pairs:
        return {"pairs": 0.0}
    found = sum(known.pairs.get(pair, 0.0) for pair in set(pairwise(candidate.document.first)))
    return {"pairs": min(1.0, found / known.pairs_whole)}


def _thing(known: _Known, candidate: Candidate) -> Features:
    """Whether what is asked for is what the candidate acts on, or merely stands around it."""
    document, inside, outside = candidate.document, known.inside, known.outside
    within = inside.get(document.thing, 0.0)
    around = [max(inside.get(term, 0.0), outside.get(term, 0.0)) for term in document.around]
    return {
        "thing": known.thing.get(document.thing, 0.0),
        "thing_head": max((known.thing.get(term, 0.0) for term in document.head), default=0.0),
        "thing_inside": within,
        "thing_outside": outside.get(document.thing, 0.0) * (1 - within),
        "head": sum(inside.get(term, 0.0) for term in document.head) / (len(document.head) or 1),
        "around": sum(around) / (len(around) or 1),
    }


def _doing(request: Request, candidate: Candidate) -> Features:
    """Whether it does the kind of thing that is asked for."""
    offered, asked = candidate.document.verbs, request.verbs
    if not offered or not asked:
        return {"verb": 0.0, "verb_same": 0.0, "verb_against": 0.0}
    likenesses = [likeness(asked[0], offered[0]), *(_SECOND * likeness(asked[0], kind) for kind in offered[1:2])]
    reading, writing = asked[0] in READING, asked[0] in WRITING
    against = (reading and offered[0] in WRITING) or (writing and offered[0] in READING)
    return {
        "verb": max(likenesses),
        "verb_same": float(asked[0] == offered[0]),
        "verb_against": float(against),
    }


def _number(request: Request, candidate: Candidate) -> Features:
    """Whether one thing or many are asked for, against what the name and its siblings offer."""
    document = candidate.document
    kind = document.verbs[0] if document.verbs else ""
    contrast = 0.0
    if kind in ("list", "get") and {"list", "get"} <= candidate.shard.kinds.get(bare(document), frozenset()):
        contrast = 1.0 if (kind == "list") == request.wants_many else -1.0
    reads = not request.verbs or request.verbs[0] in READING
    gets = kind == "get" and any(term in VERB_KINDS for term in document.name)
    is_list = kind in ("list", "search") or document.plural > 0
    return {
        "contrast": contrast,
        "many": float(reads and request.wants_many and is_list),
        "single": float(reads and not request.wants_many and gets and not document.plural),
    }


def _values(matcher: Matcher, known: _Known, candidate: Candidate) -> Features:
    """Whether the kinds of values in the request have an argument to go to; and words inside quotes."""
    arguments = candidate.document.arguments
    kinds = [kind for kind in matcher.request.literals if kind in _LITERAL_WORDS]
    fitting = sum(not _LITERAL_WORDS[kind].isdisjoint(arguments) for kind in kinds)
    whole = sum(sought.idf for sought in matcher.soft if sought.count) or 1.0
    quoted = sum(sought.idf * _BEST[mask] for sought, mask in zip(matcher.soft, candidate.soft, strict=True))
    return {
        "values": fitting / len(kinds) if kinds else 0.0,
        "demand": max(0, min(4, candidate.document.required) - known.supply) / 4,
        "quoted": quoted / whole,
    }


def add_dense(rows: Sequence[Features], cosines: Sequence[float | None], backends: Sequence[str]) -> None:
    """Nearness in meaning, put beside the other features: as it is, and against the nearest."""
    known = [cosine for cosine in cosines if cosine is not None]
    mean, top = sum(known) / (len(known) or 1), max(known, default=0.0)
    nears = [mean if cosine is None else cosine for cosine in cosines]
    order = sorted(range(len(rows)), key=lambda at: -nears[at])
    votes = _shares([(backends[at], nears[at]) for at in order[:_VOTERS]])
    for at, (row, rank) in enumerate(zip(rows, _ranks(nears), strict=True)):
        row["near"] = nears[at]
        row["near_relative"] = nears[at] / top if top > 0 else 0.0
        row["near_rank"] = rank
        row["near_vote"] = votes.get(backends[at], 0.0)
        row["near_both"] = row["near_relative"] * row["score"]
