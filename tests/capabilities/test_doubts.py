"""What is probably not meant so: told of each file, with what is on this machine and what is not."""

from pathlib import Path

import pytest

from magictunnel.capabilities.authoring.absences import absences
from magictunnel.capabilities.authoring.doubts import doubts
from magictunnel.capabilities.authoring.literals import literals
from magictunnel.capabilities.parse import parse
from magictunnel.config.text import parse_text

TOOL = """tools:
  - name: ping
    inputSchema: {type: object, properties: {host: {type: string}, n: {}}, required: [host]}
"""
ROOT = Path(__file__).parents[2]


def doubted(text: str) -> list[str]:
    return list(doubts(parse(text, "a.yaml")))


def absent(text: str, folder: Path) -> list[str]:
    return list(absences(parse(text, "a.yaml"), folder))


@pytest.mark.parametrize(
    "way",
    [
        "command: [ping, '{{host}}', '{{n}}']",
        "command: {argv: [ping], stdin: {a: ['{{host}}', '{{n > 1}}']}}",
        "http: {url: 'https://h/{{host}}', query: {n: '{{n}}'}}",
        "http: {url: 'https://h/', method: POST, json: {host: '{{host}}', n: '{{n}}'}}",
        "graphql: {url: 'https://h/', query: '{a{b}}', variables: {h: '{{host}}', n: '{{n}}'}}",
        "mcp: {tool: other}",
        "python: a:b",
        "mcp: {tool: other, arguments: {a: '{{host}}-{{n}}'}}",
        "steps: [{name: a, when: n > 1, command: [a, '{{host}}']}]",
        "steps: [{name: a, when: '{{n > 1}}', command: [a]}]\n    result: '{{host}}'",
        "steps: [{name: a, mcp: {tool: other}}]",
        "command: [sh, -c, 'echo $HOME | wc', '{{host}}', '{{n}}']",
        "command: [find, '{{host}}', -size, '{{n}}', -exec, cat, '{}', ;]",
        "command: [awk, '{print $NF}', '{{host}}', '{{n}}']",
    ],
)
def test_there_is_no_doubt_of_a_tool_that_uses_its_arguments(way: str) -> None:
    assert doubted(f"{TOOL}    {way}\n") == []


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("command: [ping, '{{host}}']", "tool ping: its argument 'n' is used nowhere (write {{n}} where it belongs)"),
        ("mcp: {tool: x, arguments: {a: '{{n}}'}}", "its argument 'host' is used nowhere"),
        ("command: [ping, '{host}', '{{n}}']", "{host} is plain text (write {{host}} for the argument)"),
        ("http: {url: 'https://h/{host}?a={{n}}', query: {b: '{{host}}'}}", "{host} is plain text"),
        ("command: [ls, $HOME, '{{host}}', '{{n}}']", "$HOME in `argv` stays as it is"),
        ("command: [ls, '${HOME}/x', '{{host}}', '{{n}}']", "${HOME} in `argv` stays as it is"),
        ("command: [ls, '{{host}}', '|', wc, '{{n}}']", "'|' in `argv` goes to the program"),
        ("command: [ls, '{{host}}', '>', out, '{{n}}']", "'>' in `argv` goes to the program"),
        ("steps: [{name: a, command: [ls, '{{host}}', '&&', ls, '{{n}}']}]", "'&&' in `argv` goes to the program"),
        ("http: {url: 'https://h/{{host}}', json: {n: '{{n}}'}}", "a GET request has a body"),
        ("http: {url: 'https://h/{{host}}', method: HEAD, body: '{{n}}'}", "a HEAD request has a body"),
        ("http: {url: 'http://127.0.0.1:80/{{host}}/{{n}}'}", "127.0.0.1 is no public address"),
        ("http: {url: 'http://localhost/{{host}}/{{n}}'}", "localhost is no public address"),
        ("graphql: {url: 'http://[::1]/', query: q, variables: {a: '{{host}}{{n}}'}}", "::1 is no public address"),
    ],
)
def test_what_is_probably_not_meant_so_is_told(way: str, said: str) -> None:
    (found,) = doubted(f"{TOOL}    {way}\n")
    assert said in found


def test_arguments_that_are_badly_named_or_not_described_are_told() -> None:
    schema = "{type: object, properties: {a.b: {}, true: {}}, required: [c]}"
    unnamed = doubted(f"tools: [{{name: t, inputSchema: {schema}, command: [a]}}]")
    assert unnamed == [
        "tool t: inputSchema.required names 'c', which is not in its properties",
        "tool t: no placeholder can stand for its argument 'a.b' (use letters, digits, _ and -)",
        "tool t: no placeholder can stand for its argument 'true' (use letters, digits, _ and -)",
    ]
    elsewhere = schema.replace("required", "allOf: [{properties: {c: {}}}], required")
    assert doubted(f"tools: [{{name: t, inputSchema: {elsewhere}, mcp: {{tool: x}}}}]") == []


def test_private_hosts_are_told_wherever_they_stand_unless_they_are_allowed() -> None:
    text = """
auth: {a: {type: oauth2, token_url: 'http://10.0.0.1/token', client_id: x, client_secret: '${X}'}}
http: {base_url: 'http://192.168.1.1'}
resources: [{uri: 'a:b', name: x, url: 'http://169.254.169.254/latest'}]
resourceTemplates: [{uriTemplate: 'a:{b}', name: x, http: {url: 'https://example.com/{{b}}'}}]
"""
    hosts = [said.split()[0] for said in doubted(text)]
    assert hosts == ["10.0.0.1", "169.254.169.254", "192.168.1.1"]
    assert doubted(text.replace("http: {base_url", "http: {allow_private: true, base_url")) == []


def test_a_uri_without_a_scheme_is_told() -> None:
    assert "'notes' has no scheme" in doubted("resources: [{uri: notes, name: x, text: y}]")[0]


def test_what_is_not_on_this_machine_is_told(tmp_path: Path) -> None:
    text = """
tools:
  - {name: a, command: [no-such-program-here]}
  - {name: b, command: [echo hi there]}
  - {name: c, command: [./script]}
  - {name: d, command: {argv: [echo], cwd: nowhere}}
  - {name: e, python: 'no_such_module.here:f'}
  - {name: f, steps: [{name: a, python: {function: 'm:f', path: nowhere}}]}
prompts: [{name: p, messages: [{image: no.png}, {audio: no.wav}]}]
resources:
  - {uri: 'a:b', name: x, file: no.md}
  - {uri: 'a:c', name: x, directory: no}
resourceTemplates: [{uriTemplate: 'a:d/{e}', name: x, file: 'no/{{e}}.md'}]
"""
    said = absent(text, tmp_path)
    assert said == [
        "tool a: there is no program 'no-such-program-here' on this machine",
        "tool b: there is no program 'echo hi there' on this machine "
        "(each argument is an element of its own: [echo, hi, there])",
        "tool c: there is no program './script' on this machine",
        "tool d: there is no folder 'nowhere'",
        "tool e: there is no module 'no_such_module.here' in the folder of the file, and none installed",
        "tool f: there is no folder 'nowhere'",
        "tool f: there is no module 'm' in nowhere, and none installed",
        "prompt p: there is no file 'no.png'",
        "prompt p: there is no file 'no.wav'",
        "resource a:b: there is no file 'no.md'",
        "resource a:c: there is no folder 'no'",
        "resource template a:d/{e}: there is no folder 'no'",
    ]


def test_what_is_there_is_not_told_and_no_module_is_run(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "script").chmod(0o700)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("a")
    (tmp_path / "mine.py").write_text("raise RuntimeError('it was run')\n")
    text = """
tools:
  - {name: a, command: [./script]}
  - {name: b, command: {argv: [echo], cwd: docs}}
  - {name: c, command: {argv: [hidden-away], env: {PATH: /opt/x}}}
  - {name: d, command: {argv: [echo], cwd: '${SOMEWHERE}'}}
  - {name: e, python: 'mine:f'}
  - {name: f, python: 'json:dumps'}
  - {name: g, python: 'pydantic.main:f'}
  - {name: h, python: {function: 'm:f', path: '${SOMEWHERE}'}}
resources: [{uri: 'a:b', name: x, file: docs/a.md}, {uri: 'a:c', name: x, directory: docs}]
resourceTemplates: [{uriTemplate: 'a:d/{e}', name: x, file: 'docs/{{e}}.md'}]
"""
    assert absent(text, tmp_path) == []


@pytest.mark.parametrize("file", sorted((ROOT / "capabilities").glob("*.yaml")), ids=lambda path: path.name)
def test_there_is_no_doubt_of_the_files_that_are_shipped(file: Path) -> None:
    text = file.read_text("utf-8")
    assert doubted(text) + absent(text, file.parent) == []


@pytest.mark.parametrize(
    ("credential", "is_told"),
    [
        ("{type: bearer, token: '${T:-ghp_abcdefghijklmnopqrstuvwxyz}'}", True),
        ("{type: basic, username: '${U:-me}', password: '${P:-hunter2}'}", True),
        ("{type: basic, username: '${U:-me}', password: '${P}'}", False),
        ("{type: bearer, token: '${keyring:T}'}", False),
    ],
)
def test_a_secret_that_stands_in_place_of_an_unset_one_is_told(credential: str, is_told: bool) -> None:
    content = parse_text(f"auth: {{k: {credential}}}", "a.yaml").data
    assert bool(list(literals(content))) is is_told
