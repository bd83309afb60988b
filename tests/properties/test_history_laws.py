"""Laws of what is kept of listings, and of what is said of their changes."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from magictunnel.catalog.compare import compare
from magictunnel.catalog.digest import canonical, digest
from magictunnel.catalog.model import Kind, Listing
from magictunnel.store.codec import decode, encode
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings
from tests.properties.offers import law, listings, merge_law

texts = st.text(st.characters(exclude_categories=()), max_size=6)
"""Halves of UTF-16 pairs included."""
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**310),
    st.floats(allow_nan=False),
    texts,
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
objects = st.dictionaries(texts, values, max_size=4)
keys = st.sampled_from(
    ["name", "uri", "uriTemplate", "description", "inputSchema", "arguments", "annotations", "_meta"]
)
definitions = st.dictionaries(keys, values | st.sampled_from(["a", "b", {}, {"type": "object"}]), max_size=4)
odd_listings = st.builds(
    Listing,
    entries=st.dictionaries(st.sampled_from(list(Kind)), st.lists(definitions, max_size=4).map(tuple)),
    capabilities=objects,
    instructions=texts,
    hints=st.dictionaries(st.sampled_from(list(Kind)), objects, max_size=2),
)
few = settings(law, max_examples=40)
"""For laws of which each try opens a file."""


def shuffled(value: Any, random: Any) -> Any:
    """The same JSON, with its keys in another order."""
    if isinstance(value, dict):
        pairs = list(value.items())
        random.shuffle(pairs)
        return {key: shuffled(inner, random) for key, inner in pairs}
    return [shuffled(inner, random) for inner in value] if isinstance(value, list) else value


def in_another_order(listing: Listing, random: Any) -> Listing:
    entries = {kind: [shuffled(one, random) for one in found] for kind, found in listing.entries.items()}
    for found in entries.values():
        random.shuffle(found)
    return Listing(
        shuffled(entries, random),
        shuffled(listing.capabilities, random),
        listing.instructions,
        shuffled(dict(listing.hints), random),
    )


@merge_law
@given(odd_listings, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_entries_makes_no_difference(listing, random) -> None:
    other = in_another_order(listing, random)
    assert digest(listing) == digest(other)
    assert not compare(listing, other)


@merge_law
@given(odd_listings, odd_listings)
def test_something_changed_if_and_only_if_the_digests_differ(one, other) -> None:
    assert bool(compare(one, other)) == (digest(one) != digest(other))


@law
@given(listings, listings)
def test_what_was_added_one_way_is_removed_the_other(one, other) -> None:
    there, back = compare(one, other), compare(other, one)
    for how, opposite in (("added", "removed"), ("removed", "added")):
        told = sorted((change.kind, change.name) for change in there.entries if change.how == how)
        assert told == sorted((change.kind, change.name) for change in back.entries if change.how == opposite)


@merge_law
@given(odd_listings, odd_listings)
def test_what_changed_can_be_told_to_people_and_programs(one, other) -> None:
    changes = compare(one, other)
    assert json.loads(json.dumps(changes.as_json())) == changes.as_json()
    assert bool(changes.lines()) == bool(changes)
    assert all("\n" not in line for _, _, line in changes.rows())


@law
@given(odd_listings)
def test_a_listing_comes_back_from_bytes_to_the_letter(listing) -> None:
    back = decode(encode(listing))
    assert back == listing
    for mine, theirs in [(back.entries, listing.entries), (back.hints, listing.hints)]:
        assert json.dumps(dict(mine)) == json.dumps(dict(theirs))
    assert json.dumps(back.capabilities) == json.dumps(listing.capabilities)
    assert digest(back) == digest(listing)


@law
@given(values, values)
def test_canonical_text_is_the_same_for_the_same_json_only(one, other) -> None:
    assert (canonical(one) == canonical(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


@few
@given(st.lists(odd_listings, min_size=1, max_size=4))
def test_a_store_gives_back_what_it_was_given_last(found) -> None:
    async def kept(folder: str) -> None:
        async with open_database(Path(folder, "s.db")) as database:
            store = Listings(database)
            news = [await store.save("s", "i", listing, float(at)) for at, listing in enumerate(found)]
        async with open_database(Path(folder, "s.db")) as database:
            store = Listings(database)
            history = await store.history()
            (saved,) = (await store.load({"s": "i"})).values()
            read = await store.read(history)
        digests = [digest(listing) for listing in found]
        assert news == [at == 0 or digests[at] != digests[at - 1] for at in range(len(found))]
        assert [version.digest for version in history] == [one for one, new in zip(digests, news, strict=True) if new]
        assert [digest(read[version.id]) for version in history] == [version.digest for version in history]
        assert digest(saved.listing) == digests[-1]
        assert saved.listed_at == len(found) - 1

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(kept(folder))
