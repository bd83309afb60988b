from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.config.find import find_config
from magictunnel.config.load import load, parse
from magictunnel.config.model import Config, Era, Naming, Problem, ServerConfig, Transport
from magictunnel.errors import ConfigError


def ours(servers: dict[str, Any], **top: Any) -> Config:
    """A file of ours; JSON is YAML."""
    return parse(json.dumps({"mcpServers": servers, **top}, indent=1), "/home/me/magictunnel-config.yaml")


def host(servers: dict[str, Any], **top: Any) -> Config:
    return parse(json.dumps({"mcpServers": servers, **top}, indent=1), "/home/me/claude_desktop_config.json")


def server(entry: dict[str, Any]) -> ServerConfig:
    config = ours({"a": entry})
    assert config.problems == ()
    return config.servers["a"]


def problem(entry: Any, name: str = "a") -> Problem:
    (found,) = ours({name: entry, "good": {"command": "x"}}).problems
    assert found.server == name
    assert found.line > 0
    assert len(str(found).splitlines()) == 1
    return found


def refused(text: str, file: str = "magictunnel-config.yaml") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, file)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def complaint(text: str, file: str) -> str:
    """What parse says against `text`; nothing if it makes a Config."""
    try:
        parse(text, file)
    except ConfigError as error:
        return str(error)
    return ""


# --- whole files


def test_our_yaml_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "magictunnel-config.yaml"
    path.write_text(
        """
mcpServers:
  git:        {command: uvx, args: [mcp-server-git, --repository, .]}
  everything: {url: "http://127.0.0.1:3001/mcp", headers: {Authorization: "Bearer ${keyring:everything}"}}
  legacy:     {url: "http://127.0.0.1:3002/sse", type: sse, era: handshake, timeout: 2m}
defaults:     {timeout: 90s, grace: 10}
naming:       {prefix: on-conflict, max_length: 60}
start_wait:   500ms
"""
    )

    config = load(path)

    assert list(config.servers) == ["git", "everything", "legacy"]
    assert config.servers["git"].args == ("mcp-server-git", "--repository", ".")
    assert config.servers["everything"].headers == {"Authorization": "Bearer ${keyring:everything}"}
    assert config.servers["legacy"].type is Transport.SSE
    assert config.servers["legacy"].era is Era.HANDSHAKE
    assert config.servers["legacy"].timeout == 120
    assert (config.defaults.timeout, config.defaults.grace, config.start_wait) == (90, 10, 0.5)
    assert (config.naming.prefix, config.naming.max_length) == ("on-conflict", 60)
    assert (config.problems, config.notes, config.file) == ((), (), str(path))


def test_a_hosts_own_settings_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "claude_desktop_config.json"
    path.write_text('{"globalShortcut": "", "mcpServers": {"a": {"command": "npx"}}, "numStartups": 3, "projects": {}}')

    config = load(path)

    assert list(config.servers) == ["a"]
    assert config.notes == ()


def test_our_settings_are_honoured_in_a_hosts_file() -> None:
    config = host({}, defaults={"timeout": "5s"}, naming={"separator": "_"}, start_wait=1)

    assert (config.defaults.timeout, config.naming, config.start_wait) == (5, Naming(separator="_"), 1)


def test_a_slip_in_one_of_our_settings_is_noted_in_a_hosts_file() -> None:
    assert host({}, default={}).notes == ("ignored: 'default' (did you mean 'defaults'?)",)


def test_vs_code_calls_it_servers() -> None:
    config = parse('{"servers": {"a": {"type": "stdio", "command": "x"}}, "inputs": []}', ".vscode/mcp.json")

    assert config.servers["a"].command == "x"


def test_mcp_servers_win_over_servers() -> None:
    text = '{"mcpServers": {"a": {"command": "x"}}, "servers": {"b": {"command": "y"}}}'

    config = parse(text, "mcp.json")

    assert list(config.servers) == ["a"]
    assert "servers" in config.notes[0]


@pytest.mark.parametrize("text", ["mcpServers: {}", "mcpServers:", '{"servers": {}}'])
def test_no_servers_at_all_is_legal(text: str) -> None:
    assert parse(text, "config").servers == {}


@pytest.mark.parametrize(("text", "file"), [("", "c.yaml"), ("[]", "c.json"), ("{}", "c.json"), ("defaults: {}", "c")])
def test_a_file_without_servers_says_what_was_expected(text: str, file: str) -> None:
    error = refused(text, file)

    assert "mcpServers" in error.hint
    assert "servers" in error.hint


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [
        ("mcpServers: {}\nnameing: {}", 2, "nameing: unknown key", "did you mean 'naming'?"),
        ("servers: {}", 1, "servers: unknown key", "did you mean 'mcpServers'?"),
        (
            "mcpServers: {}\nzzz: 1",
            2,
            "zzz: unknown key",
            "mcpServers, defaults, naming, discovery, visibility, start_wait",
        ),
        ("mcpServers: {}\ndefaults:\n  tiemout: 3", 3, "defaults.tiemout: unknown key", "did you mean 'timeout'?"),
        ("mcpServers: {}\ndefaults:\n  timeout: soon", 3, "defaults.timeout: should be a duration", ""),
        ("mcpServers: {}\nnaming:\n  prefix: maybe", 3, "'always', 'on-conflict' or 'never'", ""),
        ("mcpServers: {}\nnaming: {separator: '.'}", 2, "naming.separator: should be made of letters", ""),
        ("mcpServers: {}\nnaming: {max_length: 5}", 2, "naming.max_length: should be at least 32", ""),
        ("mcpServers: {}\ndefaults: []", 2, "defaults: should be a mapping", ""),
        ("mcpServers: {}\nstart_wait: -1s", 2, "start_wait: should be a duration", ""),
        ("mcpServers: [1]", 1, "mcpServers: should be a mapping", ""),
        ("mcpServers: {}\nmcpServers: {}", 2, "twice", ""),
    ],
)
def test_what_is_wrong_with_the_whole_file_is_fatal(text: str, line: int, said: str, hint: str) -> None:
    error = refused(text)

    assert (error.file, error.line) == ("magictunnel-config.yaml", line)
    assert said in error.message
    assert hint in error.hint


def test_a_wrong_setting_is_fatal_in_a_hosts_file_too() -> None:
    assert "defaults.timeout" in refused('{"mcpServers": {}, "defaults": {"timeout": []}}', "mcp.json").message


# --- one server


@pytest.mark.parametrize("key", ["type", "transport", "transportType"])
@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("http", Transport.HTTP),
        ("streamable-http", Transport.HTTP),
        ("streamableHttp", Transport.HTTP),
        ("streamable_http", Transport.HTTP),
        ("HTTP", Transport.HTTP),
        ("SSE", Transport.SSE),
    ],
)
def test_every_spelling_of_a_transport_is_understood(key: str, spelled: str, meant: Transport) -> None:
    assert server({"url": "http://x", key: spelled}).type is meant


def test_the_transport_follows_from_what_is_there() -> None:
    assert server({"command": "x"}).type is Transport.STDIO
    assert server({"command": "x", "url": None}).type is Transport.STDIO
    assert server({"command": "x", "type": "Stdio"}).type is Transport.STDIO
    assert server({"url": "http://x", "command": ""}).type is Transport.HTTP
    assert server({"serverUrl": "http://x"}).url == "http://x"


def test_a_command_may_be_launched_and_reached_at_a_url() -> None:
    both = server({"command": "x", "url": "http://x", "type": "http"})

    assert (both.type, both.command, both.url) == (Transport.HTTP, "x", "http://x")


@pytest.mark.parametrize(
    ("entry", "said", "hint"),
    [
        ({"command": "x", "url": "http://x"}, "both", "type: http"),
        ({}, "neither a `command` nor a `url`", ""),
        ("npx", "should be a mapping", ""),
        (None, "should be a mapping", ""),
        ({"command": "x", "type": "pigeon"}, "type: 'pigeon' is not a transport", "stdio"),
        ({"command": "x", "type": 5}, "type: this is not a transport", "stdio"),
        ({"command": "x", "type": "http"}, "http server needs a `url`", ""),
        ({"url": "http://x", "type": "stdio"}, "stdio server has a `command`", "type: http"),
        ({"url": "http://x", "type": "http", "transport": "sse"}, "transport: says something else", ""),
        ({"url": "http://x", "serverUrl": "http://y"}, "serverUrl: says something else", ""),
        ({"command": []}, "command: should name a program", ""),
        ({"command": 5}, "command: should be text", ""),
        ({"command": "x", "args": "a b"}, "args: should be a list", ""),
        ({"command": "x", "args": [["a"]]}, "args.0: should be text", ""),
        ({"command": "x", "env": []}, "env: should be a mapping", ""),
        ({"command": "x", "env": {"A": None}}, "env.A: should be text", '""'),
        ({"url": "http://x", "headers": {"A": {}}}, "headers.A: should be text", ""),
        ({"command": "x", "era": "old"}, "era: should be 'auto', 'handshake' or 'stateless'", ""),
        ({"command": "x", "timeout": "soon"}, "timeout: should be a duration", ""),
        ({"command": "x", "start_timeout": 0}, "start_timeout: should be more than 0", ""),
        ({"command": "x", "timeout": 10**30}, "timeout: should be at most 86400", ""),
        ({"command": "x", "disabled": "perhaps"}, "disabled: should be true or false", ""),
        ({"command": "x", "enabled": "perhaps"}, "enabled: should be true or false", ""),
        ({"command": "x", "disabledTools": "all"}, "disabledTools: should be a list", ""),
        ({"command": "x", "include": {"tool": []}}, "include.tool: unknown key", "did you mean 'tools'?"),
        ({"command": "x", "include": "a*"}, "include: should be a mapping", ""),
        ({"command": "x", "exclude": [1]}, "exclude.tools.0: should be text", ""),
        ({"command": "x", "alias": "a b"}, "alias: should be 1 to 64 letters", ""),
        ({"command": "x", "alias": "a" * 65}, "alias: should be 1 to 64 letters", ""),
        ({"command": "x", "tools": {"t": {"nam": 1}}}, "tools.t.nam: unknown key", "did you mean 'name'?"),
        ({"command": "x", "tools": {"t": {"name": "a b"}}}, "tools.t.name: should be made of", ""),
        ({"command": "x", "tools": {"t": 3}}, "tools.t: should be a mapping", ""),
        ({"comand": "x"}, "comand: unknown key", "did you mean 'command'?"),
        ({"command": "x", "disabledTool": []}, "disabledTool: unknown key", "did you mean 'disabledTools'?"),
        ({"command": "x", "zzz": 1, "yyy": 2}, "zzz: unknown key (and 'yyy')", "known here: enabled, timeout"),
        ({"command": "x", "env": {"K": "${input:key} ${input:id}"}}, "needs ${input:key}, ${input:id}", "VS Code"),
    ],
)
def test_a_wrong_entry_is_a_problem_and_the_others_are_served(entry: Any, said: str, hint: str) -> None:
    found = problem(entry)

    assert said in found.message
    assert hint in found.hint
    assert list(ours({"a": entry, "good": {"command": "x"}}).servers) == ["good"]


def test_a_problem_stands_at_the_line_of_its_key() -> None:
    text = "mcpServers:\n a:\n  command: x\n  tools:\n   t:\n    timeout: never\n b:\n  url: x\n  oops: 1\n"

    first, second = parse(text, "c.yaml").problems

    assert str(first).startswith("c.yaml:6: server 'a': tools.t.timeout: ")
    assert str(second).startswith("c.yaml:9: server 'b': oops: unknown key")


def test_all_faults_of_an_entry_are_told_in_one_line() -> None:
    message = problem({"command": "x", "era": "old", "timeout": "soon"}).message

    assert "era: " in message
    assert "; timeout: " in message or message.startswith("timeout: ")


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "a\nb", "a\x1b[0m", "a\u2028b"])
def test_a_name_nobody_could_show_is_a_problem(name: str) -> None:
    assert "1 to 64 characters" in problem({"command": "x"}, name).message


def test_names_are_free_otherwise() -> None:
    names = ["My Server", "é/ü.x", "8080", "a" * 64]

    assert list(ours({name: {"command": "x"} for name in names}).servers) == names


def test_a_command_may_be_a_list() -> None:
    config = parse("mcpServers: {a: {command: [python, -m, 3.10], args: [1.0, x]}}", "c.yaml")

    assert config.servers["a"].command == "python"
    assert config.servers["a"].args == ("-m", "3.10", "1.0", "x")


def test_numbers_and_booleans_become_text_as_they_are_written() -> None:
    text = "mcpServers: {a: {command: x, args: [8080, -1.50], env: {A: 012, B: True, C: 1e5}, headers: {D: false}}}"

    entry = parse(text, "c.yaml").servers["a"]

    assert entry.args == ("8080", "-1.50")
    assert entry.env == {"A": "012", "B": "true", "C": "1e5"}
    assert entry.headers == {"D": "false"}


def test_variables_stay_as_written() -> None:
    entry = server({"command": "${BIN:-npx}", "env": {"A": "${env:B}", "C": "$D"}})

    assert (entry.command, entry.env) == ("${BIN:-npx}", {"A": "${env:B}", "C": "$D"})


def test_a_server_is_switched_off_either_way() -> None:
    assert server({"command": "x", "disabled": True}).enabled is False
    assert server({"command": "x", "enabled": False}).enabled is False
    assert server({"command": "x", "disabled": False}).enabled is True
    assert server({"command": "x", "disabled": False, "enabled": False}).enabled is False
    assert server({"command": "x"}).enabled is None


def test_tools_that_a_host_names_are_taken_literally() -> None:
    entry = server({"command": "x", "disabledTools": ["a*"], "excludeTools": ["b"], "includeTools": ["c[1]"]})

    assert entry.exclude.tools == ("a[*]", "b")
    assert entry.include.tools == ("c[[]1]",)


def test_a_plain_list_of_globs_is_about_tools() -> None:
    entry = server({"command": "x", "include": ["a*"], "exclude": {"prompts": ["p"]}, "disabledTools": ["t"]})

    assert entry.include.tools == ("a*",)
    assert (entry.exclude.tools, entry.exclude.prompts) == (("t",), ("p",))


def test_copilots_list_of_tools_is_an_include() -> None:
    entry = server({"command": "x", "type": "local", "tools": ["*"]})

    assert (entry.type, entry.include.tools, entry.tools) == (Transport.STDIO, ("*",), {})


def test_one_tool_has_its_own_settings() -> None:
    tool = server({"command": "x", "tools": {"t": {"name": "find", "enabled": False, "timeout": "1m"}}}).tools["t"]

    assert (tool.name, tool.enabled, tool.timeout) == ("find", False, 60)


def test_a_relative_folder_starts_at_our_file_and_stays_in_a_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    folders = {"rel": "sub", "abs": "/srv", "home": "~/x", "var": "${ROOT}/x"}
    entries = {name: {"command": "x", "cwd": cwd} for name, cwd in folders.items()}

    in_ours = {name: entry.cwd for name, entry in ours(entries).servers.items()}
    in_hosts = {name: entry.cwd for name, entry in host(entries).servers.items()}

    assert in_ours == {"rel": "/home/me/sub", "abs": "/srv", "home": "/home/me/x", "var": "${ROOT}/x"}
    assert in_hosts == in_ours | {"rel": "sub"}


# --- what hosts write


def test_a_hosts_own_keys_are_noted() -> None:
    config = host({"a": {"command": "x", "autoApprove": [], "whatever": 1, "hedaers": {}, "tools": {"t": {"new": 1}}}})

    assert config.problems == ()
    assert config.notes == (
        "server 'a': ignored: autoApprove, whatever, hedaers (did you mean 'headers'?)",
        "server 'a': ignored: tools.t.new",
    )


def test_a_hosts_own_keys_are_noted_in_our_file_too() -> None:
    config = ours({"a": {"command": "x", "description": "", "alwaysAllow": []}})

    assert config.problems == ()
    assert config.notes == ("server 'a': ignored: description, alwaysAllow",)


def test_an_env_file_is_told_to_have_no_effect() -> None:
    (note,) = host({"a": {"command": "x", "envFile": ".env"}}).notes

    assert "envFile is not read" in note


def test_milliseconds_of_a_host_are_recognised() -> None:
    config = host({"a": {"command": "x", "timeout": 600000}, "b": {"command": "x", "timeout": 3600}})

    assert (config.servers["a"].timeout, config.servers["b"].timeout) == (600, 3600)
    assert config.notes == ("server 'a': timeout 600000 is taken as milliseconds",)


def test_a_misspelt_command_in_a_hosts_file_is_pointed_out() -> None:
    (found,) = host({"a": {"comand": "x"}}).problems

    assert "did you mean 'command' where it says 'comand'?" in found.hint


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "magictunnel"},
        {"command": "/usr/local/bin/magictunnel", "args": ["serve"]},
        {"command": r"C:\bin\MagicTunnel.exe"},
        {"command": "python3", "args": ["-u", "-m", "magictunnel"]},
        {"command": ["python3", "-m", "magictunnel"]},
        {"command": "uvx", "args": ["magictunnel@latest", "serve"]},
        {"command": "uvx", "args": ["--python", "3.12", "magictunnel"]},
        {"command": "uvx", "args": ["--from", "git+https://example.org/x", "magictunnel"]},
        {"command": "uv", "args": ["--directory", "/src", "run", "magictunnel"]},
        {"command": "pipx", "args": ["run", "magictunnel==1.0"]},
        {"command": "cmd", "args": ["/c", "uvx", "magictunnel"]},
    ],
)
def test_magictunnel_itself_is_left_out(entry: dict) -> None:
    config = host({"me": entry, "a": {"command": "x"}})

    assert list(config.servers) == ["a"]
    assert config.problems == ()
    assert config.notes == ("server 'me': is MagicTunnel itself; left out so that it does not call itself",)


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "uvx", "args": ["mcp-server-git", "--repository", "magictunnel"]},
        {"command": "npx", "args": ["magictunnel"]},
        {"command": "uvx", "args": ["magictunnel-tools"]},
        {"command": "/opt/magictunnel/bin/server"},
    ],
)
def test_a_server_that_only_mentions_magictunnel_is_kept(entry: dict) -> None:
    assert list(host({"a": entry}).servers) == ["a"]


# --- servers among each other


def test_the_later_of_two_servers_with_one_alias_is_a_problem() -> None:
    config = ours({"git": {"command": "x"}, "b": {"command": "y", "alias": "git"}, "c": {"command": "z"}})

    assert list(config.servers) == ["git", "c"]
    assert [found.server for found in config.problems] == ["b"]
    assert "'git'" in config.problems[0].message


def test_an_alias_frees_the_servers_own_name() -> None:
    assert ours({"a": {"command": "x", "alias": "b"}, "b": {"command": "y", "alias": "a"}}).problems == ()


def test_the_later_of_two_servers_that_want_one_tool_name_is_a_problem() -> None:
    entry = {"command": "x", "tools": {"t": {"name": "find"}}}
    config = ours({"a": entry, "b": entry, "c": {"command": "x"}})

    assert list(config.servers) == ["a", "c"]
    assert "tools.t.name: 'find' is already the name of a tool of server 'a'" in config.problems[0].message


def test_a_server_with_a_problem_takes_no_names() -> None:
    config = ours({"a": {"command": "x", "alias": "n", "era": "old"}, "b": {"command": "x", "alias": "n"}})

    assert list(config.servers) == ["b"]


# --- nothing else than Config or ConfigError

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["${input:x}", "~/x", "~x", "a\0b", "1e999", "http", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_ENTRIES = st.dictionaries(
    st.sampled_from(
        [*ServerConfig.model_fields, "transport", "serverUrl", "disabled", "disabledTools", "includeTools", "envFile"]
    )
    | st.text(max_size=5),
    _VALUES,
    max_size=6,
)


@given(st.dictionaries(st.text(max_size=4), _ENTRIES | _VALUES, max_size=3), st.sampled_from(["c.json", "c.yaml"]))
def test_any_entries_make_a_config(servers: dict, file: str) -> None:
    config = parse(json.dumps({"mcpServers": servers}), file)

    assert not config.servers.keys() & {found.server for found in config.problems}
    assert all("\n" not in str(found) for found in config.problems)


@given(
    st.dictionaries(st.sampled_from(["mcpServers", "servers", "defaults", "naming", "start_wait"]), _VALUES)
    | st.text()
    | _VALUES,
    st.sampled_from(["c.json", "c.yaml", ""]),
)
def test_any_text_makes_a_config_or_a_config_error(value: Any, file: str) -> None:
    text = value if isinstance(value, str) else json.dumps(value)

    assert "\n" not in complaint(text, file)


# --- which file


def test_a_named_file_is_used_whether_it_exists_or_not(tmp_path: Path) -> None:
    (tmp_path / "magictunnel-config.yaml").write_text("mcpServers: {}")

    assert find_config(Path("any.json"), {"MAGICTUNNEL_CONFIG": "/b.yaml"}, tmp_path) == Path("any.json")
    assert find_config(None, {"MAGICTUNNEL_CONFIG": "/b.yaml"}, tmp_path) == Path("/b.yaml")
    assert find_config(None, {"MAGICTUNNEL_CONFIG": "b.yaml"}, tmp_path) == tmp_path / "b.yaml"
    assert find_config(None, {"MAGICTUNNEL_CONFIG": "~/b", "HOME": "/h"}, tmp_path) == Path("/h/b")


def test_the_file_here_is_used_before_the_users(tmp_path: Path) -> None:
    users = tmp_path / "xdg" / "magictunnel" / "config.yaml"
    users.parent.mkdir(parents=True)
    users.write_text("mcpServers: {}")
    environ = {"MAGICTUNNEL_CONFIG": "", "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": "/nowhere"}

    assert find_config(None, environ, tmp_path) == users
    (tmp_path / "magictunnel-config.yaml").write_text("mcpServers: {}")
    assert find_config(None, environ, tmp_path) == tmp_path / "magictunnel-config.yaml"


def test_the_users_file_stands_under_dot_config_by_default(tmp_path: Path) -> None:
    users = tmp_path / ".config" / "magictunnel" / "config.yaml"
    users.parent.mkdir(parents=True)
    users.write_text("mcpServers: {}")

    assert find_config(None, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}, tmp_path) == users


def test_no_file_at_all_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(None, {}, tmp_path)

    assert "MAGICTUNNEL_CONFIG" in caught.value.hint
    assert str(tmp_path) in caught.value.hint


def test_a_config_knows_the_bytes_it_was_read_from(tmp_path: Path) -> None:
    file, more = tmp_path / "c.yaml", tmp_path / "more.json"
    file.write_bytes("# \u00e9\r\nmcpServers: {}\ninclude: [more.json, gone.json]\n".encode())
    more.write_bytes(b'{"mcpServers": {}}')

    assert dict(load(file).digests) == {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest(),
        str(more): hashlib.sha256(more.read_bytes()).hexdigest(),
        str(tmp_path / "gone.json"): None,
    }
