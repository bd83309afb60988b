"""The index: what stands where, per backend. Immutable; a backend that changes leaves the others' parts as they are."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from sys import intern
from typing import Any, NamedTuple

from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery.documents import fields
from magictunnel.discovery.lexicon import VERB_KINDS
from magictunnel.discovery.words import PREPOSITIONS, STOP, Word, stems, words

SERVER, NAME, TITLE, FIRST, REST, PROPERTY, SAID, TAIL = (1 << bit for bit in range(8))
"""The fields of a document, as bits."""

SATURATION = 1.2
_WEIGHT = {SERVER: 1.6, NAME: 2.5, TITLE: 1.2, FIRST: 1.1, REST: 0.8, PROPERTY: 0.5, SAID: 0.2, TAIL: 0.3}
_SLOPE = {SERVER: 0.0, NAME: 0.3, TITLE: 0.3, FIRST: 0.4, REST: 0.6, PROPERTY: 0.75, SAID: 0.75, TAIL: 0.75}
_LENGTH = {SERVER: 2, NAME: 3, TITLE: 3, FIRST: 12, REST: 30, PROPERTY: 7, SAID: 40, TAIL: 40}
"""Lengths to which those of fields are compared. Constant, so that who joins or leaves moves nobody else's weights."""

MAX_KEPT = 20_000
"""Terms whose postings are kept together."""

MAX_TERMS = 600
"""Words that are kept of one field."""


@dataclass(frozen=True, slots=True)
class Document:
    """One entry, as ranking sees it."""

    entry: Entry
    server: tuple[str, ...]
    name: tuple[str, ...]
    """Stems of its own name."""
    plural: int
    """Which words of the name are plurals, as bits."""
    first: tuple[str, ...]
    """Stems of the first sentence."""
    thing: str
    """Stem of what its name says it acts on: `container` of `storage_blob_container_get`."""
    around: frozenset[str]
    """Stems of the rest of its name: parents, and what stands behind `By` or `In`."""
    head: frozenset[str]
    """Stems of the first sentence before its first preposition."""
    verbs: tuple[str, ...]
    """The kinds of doing its name tells of, or else its description."""
    arguments: frozenset[str]
    """Stems of the names of its arguments."""
    is_deprecated: bool
    has_text: bool
    takes_text: bool
    required: int
    """How many arguments it cannot be called without."""
    tags: tuple[str, ...]


class Shard:
    """The documents of one backend, and which terms stand in which of them (compressed rows)."""

    __slots__ = ("docs", "documents", "kinds", "masks", "name_counts", "starts", "terms", "weights")

    def __init__(self, entries: Sequence[Entry]) -> None:
        rows: dict[str, list[Any]] = {}
        documents = []
        for number, entry in enumerate(entries):
            document, terms = _analysed(entry)
            documents.append(document)
            for term, (mask, weight) in terms.items():
                rows.setdefault(term, []).extend((number, mask, weight))
        self.documents = tuple(documents)
        self.terms = {intern(term): at for at, term in enumerate(rows)}
        self.starts = array("I", accumulate((len(row) // 3 for row in rows.values()), initial=0))
        flat = [*chain.from_iterable(rows.values())]
        self.docs, self.masks, self.weights = array("I", flat[::3]), array("B", flat[1::3]), array("f", flat[2::3])
        self.name_counts = _counts(documents)
        self.kinds = _siblings(documents)

    def row(self, term: str) -> tuple[int, int]:
        """Where the postings of `term` start and end."""
        at = self.terms.get(term, -1)
        return (self.starts[at], self.starts[at + 1]) if at >= 0 else (0, 0)


def _counts(documents: Sequence[Document]) -> dict[str, int]:
    """In how many names each stem stands."""
    counts: dict[str, int] = {}
    for document in documents:
        for term in set(document.name):
            counts[term] = counts.get(term, 0) + 1
    return counts


def bare(document: Document) -> tuple[str, ...]:
    """The name without its verbs: what siblings such as `x_list` and `x_get` share."""
    return tuple(sorted({term for term in document.name if term not in VERB_KINDS}))


def _siblings(documents: Sequence[Document]) -> dict[tuple[str, ...], frozenset[str]]:
    """Names without verbs -> the kinds of doing that are on offer under it."""
    found: dict[tuple[str, ...], set[str]] = {}
    for document in documents:
        found.setdefault(bare(document), set()).update(document.verbs[:1])
    return {base: frozenset(kinds) for base, kinds in found.items() if len(kinds) > 1}


def _analysed(entry: Entry) -> tuple[Document, dict[str, tuple[int, float]]]:
    said = fields(entry)
    whole = words(said.name)[:24]
    name = [word for word in whole if word.text not in STOP]
    texts = {
        SERVER: stems(said.server),
        NAME: [word.stem for word in name],
        TITLE: stems(" ".join([said.title, *said.tags])),
        FIRST: stems(said.first),
        REST: stems(said.rest),
        PROPERTY: stems(" ".join(name for name, _ in said.properties)),
        SAID: stems(" ".join(text for _, text in said.properties)),
        TAIL: stems(said.tail),
    }
    thing, around = _thing(_own(whole, texts[SERVER]))
    document = Document(
        entry=entry,
        server=tuple(map(intern, texts[SERVER])),
        name=tuple(map(intern, texts[NAME])),
        plural=sum(1 << at for at, word in enumerate(name) if word.plural),
        first=tuple(map(intern, texts[FIRST][:30])),
        thing=thing,
        around=around,
        head=_head(said.first),
        verbs=_verbs(_own(name, texts[SERVER]), texts[TITLE], texts[FIRST]),
        arguments=frozenset(map(intern, texts[PROPERTY][:60])),
        is_deprecated=said.is_deprecated,
        has_text=bool(said.first),
        takes_text=said.takes_text,
        required=said.required,
        tags=said.tags,
    )
    return document, _terms(texts)


def _thing(name: Sequence[Word]) -> tuple[str, frozenset[str]]:
    """What a name says that its owner acts on, and the rest of the name; verbs at either end belong to neither."""
    low, high = 0, len(name)
    while high - low > 1 and name[low].stem in VERB_KINDS:
        low += 1
    while high - low > 1 and name[high - 1].stem in VERB_KINDS:
        high -= 1
    cut = next((at for at in range(low + 1, high) if name[at].text in PREPOSITIONS), high)
    nouns = [word.stem for word in name[low:cut] if word.text not in STOP]
    rest = [word.stem for word in name[cut:high] if word.text not in STOP]
    return (intern(nouns[-1]) if nouns else ""), frozenset(map(intern, (*nouns[:-1], *rest)))


def _head(first: str) -> frozenset[str]:
    """The stems before the first preposition of a sentence, without its verb."""
    said = words(first[:140])[:16]
    cut = next((at for at, word in enumerate(said) if at > 1 and word.text in PREPOSITIONS), len(said))
    return frozenset(
        intern(word.stem)
        for at, word in enumerate(said[:cut])
        if word.text not in STOP and not (at == 0 and word.stem in VERB_KINDS)
    )


def _verbs(name: Sequence[Word], title: Sequence[str], first: Sequence[str]) -> tuple[str, ...]:
    """Kinds of doing: of the outer words of the name, which is where names have verbs, then of the description."""
    outer = [word.stem for word in ([name[0], name[-1]] if name else [])]
    found = [VERB_KINDS[stem] for stem in (*outer, *first[:1], *title[:1]) if stem in VERB_KINDS]
    if not found:
        inner = [stem for stem in (*(word.stem for word in name[1:3]), *first[1:4]) if stem in VERB_KINDS]
        found = [VERB_KINDS[stem] for stem in inner[:1]]
    return tuple(dict.fromkeys(found))


def _own(name: Sequence[Word], server: Sequence[str]) -> Sequence[Word]:
    """A name without its server's, which some put before all names: `slack_post_message` of `slack`."""
    start = 0
    while start < len(name) - 1 and name[start].stem in server:
        start += 1
    return name[start:]


def _terms(texts: Mapping[int, Sequence[str]]) -> dict[str, tuple[int, float]]:
    """Term -> the fields in which it stands, and its saturated weight."""
    masks: dict[str, int] = {}
    weights: dict[str, float] = {}
    for field, terms in texts.items():
        kept = terms[:MAX_TERMS]
        slope = _SLOPE[field]
        unit = _WEIGHT[field] / (1 - slope + slope * len(kept) / _LENGTH[field]) if kept else 0.0
        for term in (*kept, *_neighbours(kept)) if field in (NAME, SERVER) else kept:
            masks[term] = masks.get(term, 0) | field
            weights[term] = weights.get(term, 0.0) + unit
    return {term: (mask, weights[term] / (SATURATION + weights[term])) for term, mask in masks.items()}


def _neighbours(terms: Sequence[str]) -> list[str]:
    """Two words that stand side by side, as one: some write `key vault`, others `keyvault`."""
    return [one + other for one, other in pairwise(terms)]


def _own_names(shards: Mapping[str, Shard]) -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """First stem of a backend's name -> the stems of the name, and the backend. Stems that many share are left out."""
    spread = Counter(word for shard in shards.values() for word in set(shard.documents[0].server))
    common = {word for word, count in spread.items() if count > max(3, len(shards) // 8)}
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for name, shard in shards.items():
        own = tuple(word for word in shard.documents[0].server if word not in common)
        if own:
            found.setdefault(own[0], []).append((own, name))
    return found


_Holders = Mapping[str, Sequence[str]]
"""Term -> the backends in whose shards it stands, so that rare terms are found without asking every shard."""


def _held(shards: Mapping[str, Shard]) -> _Holders:
    found: dict[str, list[str]] = {}
    for backend, shard in shards.items():
        for term in shard.terms:
            found.setdefault(term, []).append(backend)
    return found


def _held_again(holders: _Holders, backend: str, old: Shard | None, new: Shard | None) -> _Holders:
    """`holders` after the shard of `backend` is another one. What was there before stays as it is."""
    before, after = old.terms if old else {}, new.terms if new else {}
    found = dict(holders)
    for term in before.keys() - after.keys():
        found[term] = [name for name in found[term] if name != backend]
        if not found[term]:
            del found[term]
    for term in after.keys() - before.keys():
        found[term] = [*found.get(term, ()), backend]
    return found


class Postings(NamedTuple):
    """The documents of the whole index in which a term stands, in order; its weights and fields there."""

    docs: array[int]
    weights: array[float]
    masks: array[int]


class Index:
    """All that can be found. `Index()` is empty."""

    __slots__ = ("_bounds", "_count", "_holders", "_names", "_numbers", "_order", "_places", "_postings", "shards")

    def __init__(self, shards: Mapping[str, Shard] | None = None, holders: _Holders | None = None) -> None:
        self.shards: Mapping[str, Shard] = dict(sorted((shards or {}).items()))
        """By backend, in the order of their names, so that the order of joining leaves no trace."""
        self._order = tuple(self.shards.values())
        self._bounds = array("I")
        self._count = 0
        for shard in self._order:
            self._bounds.append(self._count)
            self._count += len(shard.documents)
        self._places = {backend: at for at, backend in enumerate(self.shards)}
        self._holders = _held(self.shards) if holders is None else holders
        self._names = _own_names(self.shards)
        self._numbers: dict[tuple[Kind, str], int] = {}
        self._postings: dict[str, Postings] = {}

    @classmethod
    def of(cls, entries: Mapping[str, Sequence[Entry]]) -> Index:
        """An index of all entries of many backends."""
        return cls({backend: Shard(group) for backend, group in entries.items() if group})

    def replaced(self, backend: str, entries: Sequence[Entry]) -> Index:
        """A new index with `entries` as all that `backend` offers; with none, without it."""
        shards = {name: shard for name, shard in self.shards.items() if name != backend}
        if entries:
            shards[backend] = Shard(entries)
        return Index(shards, _held_again(self._holders, backend, self.shards.get(backend), shards.get(backend)))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        for shard in self._order:
            yield from (document.entry for document in shard.documents)

    def postings(self, term: str) -> Postings:
        """Where `term` stands. Put together when first asked for, and kept."""
        found = self._postings.get(term)
        if found is None:
            if len(self._postings) >= MAX_KEPT:
                self._postings.clear()
            found = self._postings[term] = self._gathered(term)
        return found

    def _gathered(self, term: str) -> Postings:
        found = Postings(array("I"), array("f"), array("B"))
        for at in sorted(self._places[backend] for backend in self._holders.get(term, ())):
            start, shard = self._bounds[at], self._order[at]
            low, high = shard.row(term)
            found.docs.extend([start + doc for doc in shard.docs[low:high]])
            found.weights.extend(shard.weights[low:high])
            found.masks.extend(shard.masks[low:high])
        return found

    def place(self, number: int) -> tuple[Shard, int]:
        """The shard of document `number`, and its number there."""
        at = bisect_right(self._bounds, number) - 1
        return self._order[at], number - self._bounds[at]

    def document(self, number: int) -> Document:
        """The document with this number."""
        shard, local = self.place(number)
        return shard.documents[local]

    def named(self, stem: str) -> Sequence[tuple[tuple[str, ...], str]]:
        """The backends whose names start with `stem`, each with the stems of its name that tell it from others."""
        return self._names.get(stem, ())

    def span(self, backend: str) -> tuple[int, int]:
        """The numbers of the documents of `backend`: the first, and that behind the last."""
        at = self._places[backend]
        return self._bounds[at], self._bounds[at] + len(self._order[at].documents)

    def number(self, kind: Kind, name: str) -> int | None:
        """The number of the document with this kind and public name."""
        if not self._numbers:
            self._numbers = {(entry.kind, entry.name): number for number, entry in enumerate(self)}
        return self._numbers.get((kind, name))
