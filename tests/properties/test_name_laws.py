"""Laws of names: no two things share one, every one is legal and stays the same, and nothing offered is lost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.merge import MergeRules, Override, ServerRules, merge
from magictunnel.catalog.model import Kind, Listing
from magictunnel.catalog.names import NameRules, Prefix, digested_name, is_legal, public_name, public_uri
from tests.properties.offers import RULES, SEPARATORS, aliases, law, merge_law, merges, offered, originals, pair

LEGAL = re.compile(r"[A-Za-z0-9_-]+\Z")
name_rules = st.builds(NameRules, separator=st.sampled_from(SEPARATORS), max_length=st.sampled_from([32, 33, 64, 128]))
sticks = st.text(alphabet="_-a.0é\ud800", min_size=1, max_size=9)
pairs = st.tuples(aliases | sticks, originals | sticks)


@law
@given(st.lists(pairs, unique=True, max_size=30), name_rules)
def test_two_pairs_never_share_a_name(found, rules) -> None:
    names = [public_name(*one, rules) for one in found]
    assert len(set(names)) == len(names)


@law
@given(pairs, pairs, name_rules)
def test_a_name_made_to_look_like_another_is_not_it(one, other, rules) -> None:
    """A server calls its tool what we call somebody else's; then what we would call *that*, and so on."""
    for make in (public_name, digested_name):
        copied = make(*one, rules)
        for alias in (one[0], other[0]):
            cut = copied.removeprefix(alias + rules.separator)
            for impostor in ((alias, copied), (alias, cut or "x")):
                assert impostor == one or public_name(*impostor, rules) != public_name(*one, rules)


@law
@given(pairs, name_rules)
def test_a_name_is_legal_and_fits(one, rules) -> None:
    for name in (public_name(*one, rules), digested_name(*one, rules)):
        assert LEGAL.match(name)
        assert len(name) <= rules.max_length
        assert is_legal(name, rules)


@law
@given(st.from_regex(r"[a-z0-9-]+(_[a-z0-9-]+)?", fullmatch=True), st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True))
def test_an_ordinary_name_is_kept(alias, original) -> None:
    plain = f"{alias}__{original}"
    if len(plain) <= 64 and not re.search(r"_[0-9a-f]{10}\Z", plain):
        assert public_name(alias, original, RULES) == plain


@law
@given(st.lists(st.tuples(aliases, st.sampled_from(["x:1", "file:///a", "a+x:1"])), unique=True))
def test_two_owners_never_share_a_uri(found) -> None:
    by_uri: dict[str, list[str]] = {}
    for alias, uri in found:
        by_uri.setdefault(uri, []).append(public_uri(alias, uri))
    assert all(len(set(names)) == len(names) for names in by_uri.values())
    assert all(re.match(r"[a-z][a-z0-9-]*\+", name) for names in by_uri.values() for name in names)


def test_names_are_the_same_in_every_release_and_every_process() -> None:
    """A client's rules and habits hang on these: whoever changes one breaks somebody's configuration."""
    pinned = {
        ("git", "status"): "git__status",
        ("acme", "_status"): "acme___status",
        ("acme_", "status"): "acme___status_89cfbd8273",
        ("a", "read.file"): "a__read_file_956f34509a",
        ("server" * 15, "tool" * 20): "serverserverserverserverse__tooltooltooltooltooltoolt_5d3a283cfc",
        ("a", "\ud800"): "a____c418f3dc7e",
    }
    uris = {("git", "file:///x"): "git+file:///x", ("My Server", "x:1"): "s-my-server-0e5f748252+x:1"}
    code = (
        "import json, sys; from magictunnel.catalog.names import NameRules, public_name, public_uri;"
        "names, uris = json.load(sys.stdin);"
        "print(json.dumps([[public_name(*one, NameRules()) for one in names], [public_uri(*one) for one in uris]]))"
    )
    asked = json.dumps([list(pinned), list(uris)])
    answer = subprocess.run(
        [sys.executable, "-c", code], input=asked, capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(answer.stdout) == [list(pinned.values()), list(uris.values())]
    assert [public_name(*one, RULES) for one in pinned] == list(pinned.values())


@merge_law
@given(merges())
def test_merged_names_are_legal_and_belong_to_one_thing(made) -> None:
    found, rules = made
    catalog = merge(found, rules)
    for kind in Kind:
        owners = Counter(pair(entry) for entry in catalog.of(kind).values())
        assert all(count == 1 for count in owners.values())
    for kind in (Kind.TOOL, Kind.PROMPT):
        assert all(is_legal(name, rules.names) for name in catalog.of(kind))


@merge_law
@given(merges())
def test_nothing_that_is_offered_vanishes(made) -> None:
    """Each pair is listed, or at least a call can reach it; and what is not listed is told to the operator."""
    found, rules = made
    catalog = merge(found, rules)
    for kind in Kind:
        listed = {pair(entry) for entry in catalog.of(kind).values()}
        callable_too = {pair(entry) for name, entry in catalog.accepted[kind].items() if name not in catalog.of(kind)}
        told = {server for clash in catalog.conflicts if clash.kind is kind for server in clash.backends}
        for one in offered(found, rules, kind):
            assert one in listed | callable_too
            assert one in listed or one[0] in told


@merge_law
@given(merges())
def test_every_clash_is_told(made) -> None:
    found, rules = made
    catalog = merge(found, rules)
    for kind in (Kind.RESOURCE, Kind.TEMPLATE):
        claimed = Counter(name for _, name in offered(found, rules, kind))
        told = {clash.name for clash in catalog.conflicts if clash.kind is kind}
        assert {name for name, count in claimed.items() if count > 1} <= told
    if rules.prefix is Prefix.NEVER:
        wanted = [name for _, name in offered(found, rules, Kind.PROMPT) if is_legal(name, rules.names)]
        told = {clash.name for clash in catalog.conflicts if clash.kind is Kind.PROMPT}
        assert {name for name, count in Counter(wanted).items() if count > 1} <= told


@merge_law
@given(merges())
def test_a_prefixed_name_means_its_own_pair_or_an_entry_that_is_listed_so(made) -> None:
    """A tool that is called like another one's prefixed name does not get that one's calls."""
    found, rules = made
    catalog = merge(found, rules)
    for kind in (Kind.TOOL, Kind.PROMPT):
        for server, name in offered(found, rules, kind):
            prefixed = public_name(rules.of(server).alias, name, rules.names)
            if prefixed not in catalog.of(kind):
                assert pair(catalog.accepted[kind][prefixed]) == (server, name)


def _listing(*names: str) -> Listing:
    return Listing({Kind.TOOL: [{"name": name} for name in names]})


@pytest.mark.parametrize("mode", list(Prefix))
def test_a_tool_named_like_anothers_prefixed_name(mode: Prefix) -> None:
    """`b` loses the bare name `x` to `a`, and `c` has a tool that is called as `b`'s would be with its prefix."""
    rules = MergeRules(prefix=mode, servers={name: ServerRules(alias=name) for name in "abc"})
    catalog = merge({"a": _listing("x"), "b": _listing("x"), "c": _listing("b__x")}, rules)
    reached = {pair(entry) for entry in (*catalog.of(Kind.TOOL).values(), *catalog.accepted[Kind.TOOL].values())}
    assert reached == {("a", "x"), ("b", "x"), ("c", "b__x")}


def test_a_bare_name_does_not_take_anothers_prefixed_one() -> None:
    """Alone with its name and first in order, `c` could be called `a__x`; but that is how `a`'s `x` may be called."""
    rules = MergeRules(prefix=Prefix.ON_CONFLICT, servers={name: ServerRules(alias=name) for name in "ca"})
    catalog = merge({"a": _listing("x"), "c": _listing("a__x")}, rules)
    assert list(catalog.of(Kind.TOOL)) == ["c__a__x", "x"]
    assert pair(catalog.accepted[Kind.TOOL]["a__x"]) == ("a", "x")


def test_two_renames_to_one_name_leave_both_reachable() -> None:
    rename = {"x": Override(name="same")}
    rules = MergeRules(servers={name: ServerRules(alias=name, overrides=rename) for name in "ab"})
    catalog = merge({"a": _listing("x"), "b": _listing("x")}, rules)
    assert pair(catalog.of(Kind.TOOL)["same"]) == ("a", "x")
    assert pair(catalog.accepted[Kind.TOOL]["b__x"]) == ("b", "x")
    assert [clash.name for clash in catalog.conflicts] == ["same"]


def test_a_uri_made_to_look_like_anothers_qualified_one() -> None:
    """`b` lists what `a`'s shared resource is called through us: neither may be read in place of the other."""
    shared, forged = {"uri": "x:1"}, {"uri": "a+x:1"}
    found = {
        "a": Listing({Kind.RESOURCE: [shared]}),
        "b": Listing({Kind.RESOURCE: [forged]}),
        "c": Listing({Kind.RESOURCE: [shared]}),
    }
    for order in ("abc", "bac"):
        catalog = merge(found, MergeRules(servers={name: ServerRules(alias=name) for name in order}))
        reached = {**catalog.accepted[Kind.RESOURCE], **catalog.of(Kind.RESOURCE)}
        assert {pair(entry) for entry in reached.values()} == {("a", "x:1"), ("b", "a+x:1"), ("c", "x:1")}
        assert all(entry.backend == "b" for name, entry in reached.items() if name.startswith("b+"))
