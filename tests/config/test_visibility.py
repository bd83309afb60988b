from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.model import Entry, Kind, Visibility
from magictunnel.config.visibility import enabled, fits, ruled, seen

AUTO, LISTED, HIDDEN, DISABLED = Visibility


def entry(server: str, name: str) -> Entry:
    return Entry(Kind.TOOL, f"{server}__{name}", server, name, {})


LOG, ADD, FIND = ENTRIES = [entry("git", "log"), entry("git", "add"), entry("web", "find")]


def test_a_new_rule_comes_behind_the_others() -> None:
    assert list(ruled({"*": AUTO}, "git__log", HIDDEN, ENTRIES).items()) == [("*", AUTO), ("git__log", HIDDEN)]


def test_a_rule_stays_where_it_is_unless_another_one_wins_over_it() -> None:
    rules = {"git__log": LISTED, "git__add": HIDDEN, "web": LISTED}

    assert list(ruled(rules, "git__log", DISABLED, ENTRIES)) == list(rules)
    assert list(ruled(rules | {"git__*": AUTO}, "git__log", DISABLED, ENTRIES))[-1] == "git__log"
    assert list(ruled(rules | {"git": AUTO}, "git__log", DISABLED, ENTRIES))[-1] == "git__log"


def test_patterns_that_may_meet_one_day_are_kept_in_order() -> None:
    assert list(ruled({"git__*": LISTED, "*__log2": AUTO}, "git__*", HIDDEN, ENTRIES))[-1] == "git__*"


def test_what_is_disabled_by_its_own_rule_is_enabled_without_it() -> None:
    assert enabled({"web": LISTED, "git__log": DISABLED}, "git__log", ENTRIES) == {"web": LISTED}
    assert enabled({"git__log": HIDDEN}, "git__log", ENTRIES) == {"git__log": HIDDEN}
    assert enabled({"gone": DISABLED}, "gone", ENTRIES) == {}


def test_what_is_disabled_by_a_wider_rule_gets_one_of_its_own() -> None:
    rules = enabled({"git__log": DISABLED, "git__*": DISABLED}, "git__log", ENTRIES)

    assert list(rules.items()) == [("git__*", DISABLED), ("git__log", AUTO)]
    assert seen(rules, ADD) is DISABLED


def test_to_enable_many_takes_back_what_disables_each_of_them() -> None:
    rules = {"git__log": DISABLED, "git__add": HIDDEN, "web__find": DISABLED}

    assert enabled(rules, "git__*", ENTRIES) == {"git__add": HIDDEN, "web__find": DISABLED}


PATTERNS = st.sampled_from(["*", "git", "web", "git__*", "*__log", "git__log", "git__add", "web__find", "gone"])
RULES = st.dictionaries(PATTERNS, st.sampled_from(list(Visibility)), max_size=6)


@given(rules=RULES, pattern=PATTERNS, visibility=st.sampled_from(list(Visibility)))
def test_what_is_ruled_last_holds_and_changes_nothing_else(
    rules: dict[str, Visibility], pattern: str, visibility: Visibility
) -> None:
    after = ruled(rules, pattern, visibility, ENTRIES)

    for one in ENTRIES:
        assert seen(after, one) is visibility or not fits(pattern, one)
        assert seen(after, one) is seen(rules, one) or fits(pattern, one)
    assert list(ruled(after, pattern, visibility, ENTRIES).items()) == list(after.items())


@given(rules=RULES, pattern=PATTERNS)
def test_what_is_enabled_is_not_disabled_and_nothing_else_becomes_so(
    rules: dict[str, Visibility], pattern: str
) -> None:
    after = enabled(rules, pattern, ENTRIES)

    for one in ENTRIES:
        assert not (fits(pattern, one) and seen(after, one) is DISABLED)
        assert seen(after, one) is not DISABLED or seen(rules, one) is DISABLED
    assert list(enabled(after, pattern, ENTRIES).items()) == list(after.items())
