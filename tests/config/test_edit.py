from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magictunnel.catalog.model import Visibility
from magictunnel.config.edit import with_enabled, with_server, with_visibility, without_server
from magictunnel.config.load import parse
from magictunnel.config.text import parse_text
from magictunnel.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
YAML, JSON = "magictunnel-config.yaml", "mcp.json"
ENTRY = {"command": "uvx", "args": ["mcp-server-git", "--repository", "/x y"], "env": {"TOKEN": "${TOKEN}"}}

CLAUDE_DESKTOP = """\
{
  "globalShortcut": "",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/me/Désktop"]
    },
    "memory": {
      "command": "npx",
      "args": [
        "-y",
        "@modelcontextprotocol/server-memory"
      ]
    }
  }
}
"""
VS_CODE = """\
{
\t// The token is asked for once.
\t"inputs": [
\t\t{ "type": "promptString", "id": "key", "password": true },
\t],
\t"servers": {
\t\t/* The official one:
\t\t   remote. */
\t\t"github": {
\t\t\t"type": "http",
\t\t\t"url": "https://api.githubcopilot.com/mcp/", // no secrets here
\t\t},

\t\t// Runs here.
\t\t"playwright": {
\t\t\t"command": "npx", /* of node */
\t\t\t"args": ["@playwright/mcp@latest"],
\t\t}, // slow
\t\t// "old": { "command": "x" },
\t},
}
"""
CURSOR = '{"mcpServers":{"a":{"url":"http://localhost:3000/sse"},"b":{"command":"x","disabled":true}}}'
SHIPPED = (ROOT / YAML).read_text(encoding="utf-8")

KNOWN = {
    "claude_desktop_config.json": CLAUDE_DESKTOP,
    ".vscode/mcp.json": VS_CODE,
    ".cursor/mcp.json": CURSOR,
    YAML: SHIPPED,
}


def data(text: str, file: str = YAML) -> Any:
    return parse_text(text, file).data


def yaml(text: str) -> str:
    return dedent(text).lstrip("\n")


def refused(edit: Any, *arguments: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        edit(*arguments)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


# --- files that are known


@pytest.mark.parametrize("file", KNOWN)
def test_what_is_added_and_removed_leaves_no_trace(file: str) -> None:
    for text in (KNOWN[file], KNOWN[file].replace("\n", "\r\n"), "\ufeff" + KNOWN[file], KNOWN[file].rstrip()):
        added = with_server(text, file, "größe \U0001f600", ENTRY)

        assert parse(added, file).servers["größe \U0001f600"].args == ("mcp-server-git", "--repository", "/x y")
        assert ("\r\n" in added) == ("\r\n" in text)
        assert added.count("\n") == added.count("\r\n") or "\r\n" not in text
        assert without_server(added, file, "größe \U0001f600") == text


@pytest.mark.parametrize("file", KNOWN)
def test_a_switch_that_is_turned_off_and_on_leaves_no_trace(file: str) -> None:
    for name in parse(KNOWN[file], file).servers:
        off = with_enabled(KNOWN[file], file, name, False)

        assert parse(off, file).servers[name].enabled is False
        on = with_enabled(off, file, name, True)
        assert parse(on, file).servers[name].enabled is not False
        assert on == KNOWN[file] or '"disabled":false' in on


def test_a_server_joins_claude_desktop_in_its_own_layout() -> None:
    added = with_server(CLAUDE_DESKTOP, "claude_desktop_config.json", "git", {"command": "uvx", "args": ["x"]})

    assert added == CLAUDE_DESKTOP.replace(
        "      ]\n    }\n  }\n",
        '      ]\n    },\n    "git": {\n      "command": "uvx",\n      "args": [\n        "x"\n      ]\n    }\n  }\n',
    )


def test_a_server_leaves_claude_desktop_and_the_comma_goes_with_it() -> None:
    assert without_server(CLAUDE_DESKTOP, "c.json", "memory") == CLAUDE_DESKTOP.replace(
        ',\n    "memory": {\n      "command": "npx",\n      "args": [\n        "-y",\n'
        '        "@modelcontextprotocol/server-memory"\n      ]\n    }',
        "",
    )
    assert '"memory"' in without_server(CLAUDE_DESKTOP, "c.json", "filesystem")


def test_comments_and_trailing_commas_of_vs_code_stay() -> None:
    added = with_server(VS_CODE, JSON, "git", {"command": "uvx"})

    assert added == VS_CODE.replace("}, // slow\n", '}, // slow\n\n\t\t"git": {\n\t\t\t"command": "uvx"\n\t\t},\n')


def test_a_server_leaves_vs_code_with_the_comment_above_it() -> None:
    without = without_server(VS_CODE, JSON, "github")

    assert "official" not in without
    assert "secrets" not in without
    assert '\t"servers": {\n\t\t// Runs here.\n\t\t"playwright"' in without.replace("\n\n", "\n")
    assert "slow" not in without_server(VS_CODE, JSON, "playwright")
    assert '// "old"' in without_server(VS_CODE, JSON, "playwright")


def test_what_stands_on_one_line_stays_there() -> None:
    added = with_server(CURSOR, JSON, "c", {"command": "y"})

    assert added == CURSOR.replace("true}}}", 'true}, "c": {"command": "y"}}}')
    assert without_server(CURSOR, JSON, "a") == '{"mcpServers":{"b":{"command":"x","disabled":true}}}'
    assert without_server(CURSOR, JSON, "b") == '{"mcpServers":{"a":{"url":"http://localhost:3000/sse"}}}'


def test_a_server_joins_the_shipped_config_in_its_own_layout() -> None:
    url = "    url: http://127.0.0.1:${MAGICTUNNEL_PORT}/mcp\n"

    added = with_server(SHIPPED, YAML, "git", ENTRY)

    assert added == SHIPPED.replace(
        url,
        url
        + '\n  git:\n    command: uvx\n    args: [mcp-server-git, --repository, "/x y"]\n    env:\n'
        + '      TOKEN: "${TOKEN}"\n',
    )


def test_a_server_leaves_the_shipped_config_with_its_comments() -> None:
    without = without_server(SHIPPED, YAML, "notes")

    assert "notebook" not in without
    assert without.startswith(SHIPPED.partition("mcpServers:")[0] + "mcpServers:\n\n  # A world clock")
    assert without.endswith(SHIPPED.partition("# A world clock")[2])


# --- YAML of ours


def test_comments_between_entries_belong_to_the_entry_below_them() -> None:
    text = yaml("""
        mcpServers:
          # About none of them.

          # About a.
          a: {command: x}  # short
          # About b,
          # too.
          b:
            command: y
            # env: {A: 1}
          # About c.
          c: {command: z}
        """)

    assert without_server(text, YAML, "b") == yaml("""
        mcpServers:
          # About none of them.

          # About a.
          a: {command: x}  # short
          # About c.
          c: {command: z}
        """)
    assert without_server(text, YAML, "a") == text.replace("  # About a.\n  a: {command: x}  # short\n", "")
    assert without_server(text, YAML, "c") == text.replace("  # About c.\n  c: {command: z}\n", "")


def test_no_double_empty_line_is_left_where_a_server_was() -> None:
    text = yaml("""
        mcpServers:
          a: {command: x}

          b: {command: y}

          c: {command: z}

        defaults: {}
        """)

    assert without_server(text, YAML, "b") == text.replace("  b: {command: y}\n\n", "")
    assert without_server(text, YAML, "c") == text.replace("  c: {command: z}\n\n", "")


def test_an_entry_is_written_as_the_one_before_it() -> None:
    text = "mcpServers:\n    a: {command: x}\n"

    added = with_server(text, YAML, "b", ENTRY)

    assert added.endswith(
        '    b: {command: uvx, args: [mcp-server-git, --repository, "/x y"], env: {TOKEN: "${TOKEN}"}}\n'
    )


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("", "mcpServers:\n  a:\n    command: x\n"),
        ("# Nothing yet", "# Nothing yet\nmcpServers:\n  a:\n    command: x\n"),
        ("---\n", "---\nmcpServers:\n  a:\n    command: x\n"),
        ("mcpServers:", "mcpServers:\n  a:\n    command: x"),
        ("mcpServers:  # none\n  # yet\n", "mcpServers:  # none\n  a:\n    command: x\n  # yet\n"),
        ("mcpServers: {}\nnaming: {}\n", "mcpServers:\n  a:\n    command: x\nnaming: {}\n"),
        ("mcpServers: null # c\n", "mcpServers: # c\n  a:\n    command: x\n"),
        ("mcpServers: &s {}\n", "mcpServers: &s {a: {command: x}}\n"),
        ("mcpServers: { # c\n}\n", "mcpServers: { # c\n  a: {command: x}\n}\n"),
        ("naming: {}\r\n", "naming: {}\r\nmcpServers: {a: {command: x}}\r\n"),
        ("defaults:\n    timeout: 5\n", "defaults:\n    timeout: 5\nmcpServers:\n    a:\n        command: x\n"),
        ("{}", '{\n  "mcpServers": {\n    "a": {\n      "command": "x"\n    }\n  }\n}'),
        ('{"mcpServers": null}', '{"mcpServers": {"a": {"command": "x"}}}'),
    ],
)
def test_the_first_server_of_a_file_of_ours(text: str, added: str) -> None:
    assert with_server(text, YAML, "a", {"command": "x"}) == added
    assert data(without_server(added, YAML, "a"))["mcpServers"] == {}


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ('{"servers": {}}', '{"servers": {"a": {"command": "x"}}}'),
        (
            '{\n\t"mcpServers": {}\n}',
            '{\n\t"mcpServers": {\n\t\t"a": {\n\t\t\t"command": "x"\n\t\t}\n\t}\n}',
        ),
        ('{\n  "servers": { // none\n  }\n}', None),
        ('{\n  "servers": {\n    // none\n  }\n}', None),
        ('{\n  "servers": { /* none */ }\n}', None),
    ],
)
def test_the_first_server_of_a_hosts_file(text: str, added: str | None) -> None:
    found = with_server(text, JSON, "a", {"command": "x"})

    assert added in (None, found)
    assert [*data(found).values()] == [{"a": {"command": "x"}}]
    assert without_server(found, JSON, "a") == text


def test_the_last_server_leaves_an_empty_mapping() -> None:
    assert without_server("mcpServers:  # c\n  a:\n    command: x\n", YAML, "a") == "mcpServers: {}  # c\n"
    assert without_server('{\n "servers": {\n  "a": {}\n }\n}', JSON, "a") == '{\n "servers": {}\n}'


def test_text_that_looks_like_a_comment_is_none() -> None:
    text = 'mcpServers:\n  a:\n    command: |\n      x\n      # y\n    url: "\n      # z"\n  b: {command: y}\n'

    assert without_server(text, YAML, "b") == text.removesuffix("  b: {command: y}\n")
    assert without_server(text, YAML, "a") == "mcpServers:\n  b: {command: y}\n"
    assert with_server(text, YAML, "c", {"command": "z"}) == text + "  c: {command: z}\n"


# --- on and off


@pytest.mark.parametrize(
    ("entry", "off", "on"),
    [
        ("{command: x}", "{command: x, enabled: false}", "{command: x}"),
        ("{command: x, enabled: true}", "{command: x, enabled: false}", "{command: x}"),
        ("{command: x, enabled: off}", "{command: x, enabled: off}", "{command: x}"),
        ("{command: x, enabled: ~}", "{command: x, enabled: false}", "{command: x}"),
        ("{disabled: true, command: x}", "{disabled: true, command: x}", "{disabled: false, command: x}"),
        ("{disabled: false, command: x}", "{disabled: true, command: x}", "{disabled: false, command: x}"),
        ("{disabled: true, enabled: false}", "{disabled: true, enabled: false}", "{disabled: false}"),
    ],
)
def test_a_switch_keeps_the_spelling_of_its_entry(entry: str, off: str, on: str) -> None:
    text = f"mcpServers:\n  a: {entry}  # c\n  b: {{command: y}}\n"

    turned_off = with_enabled(text, YAML, "a", False)

    assert turned_off == text.replace(entry, off)
    assert with_enabled(turned_off, YAML, "a", True) == text.replace(entry, on)


def test_a_switch_in_an_entry_with_lines_of_its_own() -> None:
    text = "mcpServers:\n  a:\n    command: x  # c\n    # d\n\n  b: {command: y}\n"

    off = with_enabled(text, YAML, "a", False)

    assert off == text.replace("# c\n", "# c\n    enabled: false\n")
    assert with_enabled(off, YAML, "a", True) == text


def test_where_servers_are_off_by_default_one_is_switched_on_by_name() -> None:
    text = "mcpServers:\n  a: {command: x}\n  b: {command: x, enabled: false}\ndefaults: {enabled: false}\n"

    assert with_enabled(text, YAML, "a", False) == text
    assert "a: {command: x, enabled: true}" in with_enabled(text, YAML, "a", True)
    assert "b: {command: x, enabled: true}" in with_enabled(text, YAML, "b", True)


def test_an_entry_that_is_no_mapping_has_no_switch() -> None:
    assert refused(with_enabled, "mcpServers:\n  a: npx\n", YAML, "a", False).line == 2


# --- what is refused


def test_a_name_that_is_there_is_refused_with_its_line() -> None:
    error = refused(with_server, "mcpServers:\n  git: {}\n", YAML, "git", ENTRY)

    assert error.line == 2
    assert "'git'" in error.message


@pytest.mark.parametrize("edit", [without_server, lambda text, file, name: with_enabled(text, file, name, True)])
def test_a_name_that_is_not_there_gets_a_guess(edit: Any) -> None:
    assert refused(edit, "mcpServers:\n  github: {}\n", YAML, "gihtub").hint == "did you mean 'github'?"
    assert "no servers" in refused(edit, "", YAML, "a").hint
    assert "included file" in refused(edit, "include: [a.json]", YAML, "a").hint


def test_a_file_that_cannot_be_read_is_refused_as_ever() -> None:
    assert refused(with_server, "[]", YAML, "a", ENTRY).message == "should be a mapping"
    assert "mapping of names" in refused(with_server, "mcpServers: [a]", YAML, "a", ENTRY).message
    with pytest.raises(ConfigError, match="not valid YAML"):
        with_server("a: b: c", YAML, "a", ENTRY)
    assert "has no `mcpServers`" in refused(with_server, '{"a": 1}', JSON, "a", ENTRY).message


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("mcpServers:\n  a: &x {command: x}\n  b: *x\n", lambda text: without_server(text, YAML, "a")),
        ("mcpServers:\n  a: &x {command: x}\n  b: *x\n", lambda text: with_enabled(text, YAML, "a", False)),
        ("mcpServers:\n  a: &x {command: x}\n  b: *x\n", lambda text: with_enabled(text, YAML, "b", False)),
        ("mcpServers:\n  a: &x {command: x}\n  b: {<<: *x}\n", lambda text: with_enabled(text, YAML, "a", False)),
        ("x: &x {a: {command: x}}\nmcpServers: {<<: *x}\n", lambda text: without_server(text, YAML, "a")),
        ("x: &x {a: {command: x}}\nmcpServers: *x\n", lambda text: with_server(text, YAML, "b", ENTRY)),
        ("x: &x {enabled: false}\nmcpServers: {a: {<<: *x}}\n", lambda text: with_enabled(text, YAML, "a", True)),
        ("---\n# c\n...\n", lambda text: with_server(text, YAML, "a", ENTRY)),
        ("mcpServers:\n  ? a\n  : {command: x}\n  ? b\n  : {}\n", lambda text: without_server(text, YAML, "a")),
        ("mcpServers:\n  a:\n    command: |+\n      x\n\n", lambda text: with_server(text, YAML, "b", ENTRY)),
    ],
)
def test_what_is_tied_to_something_else_is_left_to_a_person(text: str, edit: Any) -> None:
    assert refused(edit, text).hint == "edit the file by hand"


def test_a_switch_fills_a_value_that_is_left_out() -> None:
    text = "mcpServers:\n  a:\n    enabled:  # c\n    command: x\n"

    assert with_enabled(text, YAML, "a", False) == text.replace("enabled:", "enabled: false")


def test_an_alias_is_removed_where_nothing_depends_on_it() -> None:
    text = "mcpServers:\n  a: &x {command: x}\n  b: *x\n  c: {<<: *x, timeout: 5}\n"

    assert without_server(text, YAML, "b") == text.replace("  b: *x\n", "")
    assert without_server(text, YAML, "c") == text.replace("  c: {<<: *x, timeout: 5}\n", "")
    assert with_server(text, YAML, "d", {"command": "z"}) == text + "  d: {command: z}\n"
    assert "timeout: 5, enabled: false}" in with_enabled(text, YAML, "c", False)


# --- rules of visibility


def changed(text: str, file: str = YAML, **rules: str) -> str:
    """`text` after the edit, which says what it is to say."""
    edited = with_visibility(text, file, rules)
    assert list(data(edited, file)["visibility"].items()) == list(rules.items())
    return edited


@pytest.mark.parametrize("file", KNOWN)
def test_the_first_rule_leaves_a_known_file_as_it_was(file: str) -> None:
    rules = {"a*": "search-only", "größe__\U0001f600": "disabled"}
    for text in (KNOWN[file], KNOWN[file].replace("\n", "\r\n"), "\ufeff" + KNOWN[file], KNOWN[file].rstrip()):
        ruled = with_visibility(text, file, rules)

        assert {name: str(seen) for name, seen in parse(ruled, file).visibility.items()} == rules
        assert parse(ruled, file).servers == parse(text, file).servers
        assert ("\r\n" in ruled) == ("\r\n" in text)
        assert without_comma(ruled) == without_comma(text)
        assert data(with_visibility(ruled, file, {}), file) == data(text, file) | {"visibility": {}}


def without_comma(text: str) -> str:
    """`text` without the rules in it, the comma before them, and white space."""
    squeezed = "".join(text.removeprefix("\ufeff").split())
    found = re.fullmatch(r"(.*?),?\"?visibility\"?:\{?\"a\*.*?disabled\"?\}?,?(.*)", squeezed, re.DOTALL)
    return "".join(found.groups()).replace(",}", "}") if found else squeezed.replace(",}", "}")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "visibility:\n  x: listed\n"),
        ("mcpServers: {}\n", "mcpServers: {}\nvisibility: {x: listed}\n"),
        ("mcpServers:\n    a:\n        command: y\n", None),
        ("visibility:\nmcpServers: {}\n", "visibility:\n  x: listed\nmcpServers: {}\n"),
        ("visibility: {}  # none\nmcpServers: {}\n", "visibility:  # none\n  x: listed\nmcpServers: {}\n"),
        ("visibility: {y: auto}\nmcpServers: {}\n", "visibility: {x: listed}\nmcpServers: {}\n"),
        ("{mcpServers: {}}", '{mcpServers: {}, "visibility": {"x": "listed"}}'),
    ],
)
def test_the_only_rule_of_a_file_of_ours(text: str, after: str | None) -> None:
    ruled = changed(text, x="listed")

    if after is None:
        after = text + "visibility:\n    x: listed\n"
    assert ruled == after
    assert changed(ruled, x="listed") == ruled


RULES = yaml("""
    # mine
    visibility:
      # About a.
      a: listed  # for now
      "b*": search-only
      # About c.
      c: auto

    mcpServers: {x: {command: y}}  # the end
    """)


def test_a_rule_that_keeps_its_place_changes_only_its_value() -> None:
    rules = {"a": "listed", "b*": "search-only", "c": "auto"}

    assert changed(RULES, **rules) == RULES
    assert changed(RULES, **rules | {"a": "disabled"}) == RULES.replace("a: listed", "a: disabled")
    assert changed(RULES, **rules, d="listed") == RULES.replace("c: auto\n", "c: auto\n  d: listed\n")


def test_a_rule_that_is_to_win_is_written_anew_at_the_end() -> None:
    moved = changed(RULES, **{"b*": "search-only", "c": "auto", "a": "disabled"})

    assert moved == RULES.replace("  # About a.\n  a: listed  # for now\n", "").replace(
        "c: auto\n", "c: auto\n  a: disabled\n"
    )


def test_a_rule_that_goes_takes_its_comment_along() -> None:
    assert changed(RULES, a="listed", c="auto") == RULES.replace('  "b*": search-only\n', "")
    assert changed(RULES, **{"b*": "search-only", "c": "auto"}) == RULES.replace(
        "  # About a.\n  a: listed  # for now\n", ""
    )


def test_rules_in_json_with_comments() -> None:
    text = '{\n\t"servers": {}, // none\n\t"visibility": {\n\t\t"a": "auto", // why\n\t\t"b": "listed"\n\t}\n}\n'

    assert changed(text, JSON, a="auto", b="disabled") == text.replace('"listed"', '"disabled"')
    assert changed(text, JSON, b="listed", a="disabled") == text.replace('\t\t"a": "auto", // why\n', "").replace(
        '"listed"\n', '"listed",\n\t\t"a": "disabled"\n'
    )
    assert changed(CURSOR, JSON, a="listed") == CURSOR[:-1] + ', "visibility": {"a": "listed"}}'


def test_rules_that_are_tied_to_something_else_or_no_rules_are_left_to_a_person() -> None:
    tied = "x: &x {a: auto, b: auto}\nvisibility: *x\n"
    assert refused(with_visibility, tied, YAML, {"a": "listed", "b": "auto"}).hint == "edit the file by hand"
    assert "should be a mapping" in refused(with_visibility, "visibility: [a]\n", YAML, {"a": "listed"}).message
    assert refused(with_visibility, "[]", YAML, {"a": "listed"}).message == "should be a mapping"


NAMES = st.sampled_from(["a", "b", "git__*", "größe", "x y", "*", "resource://a?b", "yes", "1"])
SEEN = st.sampled_from([str(one) for one in Visibility])


@settings(deadline=None)
@given(before=st.dictionaries(NAMES, SEEN), after=st.dictionaries(NAMES, SEEN), file=st.sampled_from([*KNOWN]))
def test_any_rules_become_any_others(before: dict[str, str], after: dict[str, str], file: str) -> None:
    text = with_visibility(KNOWN[file], file, before)
    edited = with_visibility(text, file, after)

    assert list(data(edited, file).get("visibility", {}).items()) == list(after.items())
    assert data(edited, file)[next(key for key in data(text, file) if key in ("servers", "mcpServers"))]
    assert parse(edited, file).servers == parse(KNOWN[file], file).servers
