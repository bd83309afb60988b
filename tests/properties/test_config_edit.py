"""Laws of edits in a config's text: what was meant happens, and nothing else does, to the byte."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from magictunnel.config.edit import with_enabled, with_server, without_server
from magictunnel.config.text import parse_text
from magictunnel.errors import ConfigError
from tests.properties.config_texts import COMMENT, Written, entries, files, json_files, names, yaml_files
from tests.properties.offers import merge_law as law

EDITS = st.sampled_from(["add", "remove", "on", "off"])


def said(text: str, file: str) -> Any:
    return parse_text(text, file).data


def comments(text: str) -> set[str]:
    return set(COMMENT.findall(text))


def is_within(part: str, whole: str) -> bool:
    """Whether `whole` can be had by only putting something into `part`."""
    rest = iter(whole)
    return all(character in rest for character in part)


@law
@given(files)
def test_the_texts_say_what_they_should(written: Written) -> None:
    assert said(written.text, written.file) == written.data


@law
@given(files, names, entries)
def test_a_server_that_is_added_and_removed_leaves_no_trace(written: Written, name: str, entry: dict) -> None:
    assume(name not in written.servers)

    added = with_server(written.text, written.file, name, entry)

    assert said(added, written.file) == written.with_servers(written.servers | {name: entry})
    assert list(said(added, written.file)[written.key]) == [*written.servers, name]
    assert is_within(written.text, added)
    assert without_server(added, written.file, name) == written.text


@law
@given(yaml_files(least=0) | json_files(least=0), st.lists(st.tuples(names, entries), unique_by=lambda pair: pair[0]))
def test_servers_can_be_added_one_after_the_other_to_none(written: Written, servers: list) -> None:
    text, wanted = written.text, dict(written.servers)
    for name, entry in servers:
        if name not in wanted:
            text = with_server(text, written.file, name, entry)
            wanted[name] = entry

    assert (said(text, written.file)[written.key] or {}) == wanted
    assert comments(text) == comments(written.text)


@law
@given(files, st.data())
def test_a_server_goes_with_its_own_comments_and_no_others(written: Written, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*written.servers]))

    text = without_server(written.text, written.file, name)

    left = {key: value for key, value in written.servers.items() if key != name}
    assert said(text, written.file) == written.with_servers(left)
    assert comments(text) == comments(written.text) - written.about[name]
    emptied = text if left else text.replace("mcpServers: {}", "mcpServers:")
    assert is_within(text, written.text) or is_within(emptied, written.text)


@law
@given(files, st.data())
def test_all_servers_can_be_removed_in_any_order(written: Written, data: st.DataObject) -> None:
    text = written.text
    for name in data.draw(st.permutations([*written.servers])):
        text = without_server(text, written.file, name)

    assert said(text, written.file) == written.with_servers({})


@law
@given(files, st.data())
def test_a_switch_changes_one_key_and_can_be_undone(written: Written, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*written.servers]))
    entry = written.servers[name]

    off = with_enabled(written.text, written.file, name, False)
    on = with_enabled(off, written.file, name, True)

    assert with_enabled(off, written.file, name, False) == off
    assert with_enabled(on, written.file, name, True) == on
    for text in (off, on):
        now = said(text, written.file)[written.key].pop(name)
        assert {**now, "enabled": 0, "disabled": 0} == {**entry, "enabled": 0, "disabled": 0}
        assert comments(text) >= comments(written.text) - written.about[name]
    if "enabled" not in entry and not entry.get("disabled") and written.data.get("defaults") != {"enabled": False}:
        assert on == written.text


@law
@given(files, st.data(), EDITS)
def test_a_text_with_a_piece_missing_is_edited_rightly_or_refused(
    written: Written, data: st.DataObject, edit: str
) -> None:
    cut = sorted(data.draw(st.tuples(*[st.integers(0, len(written.text))] * 2)))
    text = (
        written.text[: cut[0]] + data.draw(st.sampled_from(["", "", " ", "\n", "*a", "&a "])) + written.text[cut[1] :]
    )
    name = data.draw(st.sampled_from([*written.servers]))

    with contextlib.suppress(ConfigError):
        check(text, written.file, name, edit)


@law
@given(st.text("{}[]:,\"'#*&!|>- \n/<~ab0", max_size=30), EDITS, st.sampled_from(["a.json", "a.yaml"]))
def test_noise_is_edited_rightly_or_refused(noise: str, edit: str, file: str) -> None:
    for text in (noise, f"mcpServers:{noise}", f"mcpServers:\n  a: {noise}", f'{{"mcpServers": {{"a": {noise}}}}}'):
        with contextlib.suppress(ConfigError):
            check(text, file, "a", edit)


def check(text: str, file: str, name: str, edit: str) -> None:
    """Edit `text`, and see that nothing but what was meant is different in what it says."""
    before = said(text, file) or {}
    if edit == "add":
        after = said(with_server(text, file, "new", {"command": "x"}), file)
    elif edit == "remove":
        after = said(without_server(text, file, name), file)
    else:
        after = said(with_enabled(text, file, name, edit == "on"), file)
    key = "mcpServers" if "mcpServers" in after else "servers"
    touched = {"new"} if edit == "add" else {name}
    assert {k: v for k, v in before.items() if k != key} == {k: v for k, v in after.items() if k != key}
    old, new = before.get(key) or {}, after[key]
    assert {k: v for k, v in old.items() if k not in touched} == {k: v for k, v in new.items() if k not in touched}
    assert (edit == "remove") == (not touched & new.keys())
