from pathlib import Path

import pytest

from magictunnel.capabilities.language.requests import Style
from magictunnel.capabilities.parse import parse, read_file
from magictunnel.errors import ConfigError

TOOL = """tools:
  - name: ping
    inputSchema: {type: object, properties: {host: {type: string}, count: {type: integer}}, required: [host]}
"""


def told(text: str) -> str:
    with pytest.raises(ConfigError) as found:
        parse(text, "a.yaml")
    return str(found.value)


def test_a_tool_is_what_the_file_says() -> None:
    file = parse(TOOL + '    command: [ping, [-c, "{{count}}"], "{{host}}"]\n', "a.yaml")
    (tool,) = file.tools
    assert tool.command is not None
    assert tool.command.argv == ("ping", ["-c", "{{count}}"], "{{host}}")
    assert (tool.way, tool.enabled, tool.spill) == ("command", True, 256 * 1024)


def test_short_forms_are_the_long_ones() -> None:
    short = parse(TOOL + "    http: {url: 'https://h/{{host}}', query: {n: '{{count}}'}}\n", "a.yaml")
    long = parse(TOOL + "    http: {url: 'https://h/{{host}}', query: {n: {value: '{{count}}'}}}\n", "a.yaml")
    styled = parse(
        TOOL + "    http: {url: 'https://h/x', query: {n: {value: '{{count}}', style: deepObject}}}\n", "a.yaml"
    )
    assert short == long
    assert styled.tools[0].http is not None
    assert styled.tools[0].http.query["n"].style is Style.DEEP


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("- a\n", 1, "should be a mapping"),
        ("tools: 3\n", 1, "tools: should be a list"),
        ("tolls: []\n", 1, "tolls: unknown key (did you mean 'tools'?)"),
        (TOOL, 2, "tools.0: does not say how it runs, by one of command, python, http"),
        (TOOL + "    command: [a]\n    python: m:f\n", 2, "tools.0: runs in one way, and here are command and python"),
        (
            TOOL + "    command: {argv: [a], stdinn: x}\n",
            4,
            "tools.0.command.stdinn: unknown key (did you mean 'stdin'?)",
        ),
        (TOOL + "    command: []\n", 4, "tools.0.command"),
        (TOOL + "    command: [ping, '{{hots}}']\n", 4, "{{hots}} is no argument of it"),
        (TOOL + "    command: [ping, '{{host']\n", 4, "a placeholder does not end"),
        (TOOL + "    command: [ping, '{{host +}}']\n", 4, "is not understood"),
        (
            TOOL + "    annotations: {readOnly: true}\n    command: [a]\n",
            4,
            "tools.0.annotations.readOnly: unknown key",
        ),
        (TOOL + "    outputSchema: {type: sting}\n    command: [a]\n", 4, "no type (did you mean 'string'?)"),
        (TOOL.replace("type: string", "$ref: '#/$defs/x'") + "    command: [a]\n", 3, "'/$defs/x' does not exist"),
        (
            TOOL.replace("type: string", "$ref: 'http://127.0.0.1:1/x'") + "    command: [a]\n",
            3,
            "Retrieval is disabled",
        ),
        (TOOL.replace("type: object, p", "type: array, p") + "    command: [a]\n", 3, "its type should be object"),
        (TOOL + "    command: [a]\n  - {name: ping, command: [b]}\n", 5, "'ping' stands here twice"),
        (TOOL + "    command: [sh, -c, 'ping {{host}}']\n", 4, "a placeholder in code that sh runs"),
        (TOOL + "    http: {url: '{{host}}/x'}\n", 4, "tools.0.http.url"),
        (TOOL + "    http: {url: 'https://{{host}}/x'}\n", 4, "tools.0.http.url"),
        (TOOL + "    http: {url: 'ftp://h/x'}\n", 4, "tools.0.http.url"),
        (TOOL + "    http: {url: 'file:///etc/passwd'}\n", 4, "tools.0.http.url"),
        (TOOL + "    http: {url: /x}\n", 4, "tools.0.http.url"),
        (TOOL + "    http: {url: 'https://h/', auth: main}\n", 4, "there is no 'main' under `auth`"),
        (TOOL + "    http: {url: 'https://h/', method: POST, retries: {}}\n", 4, "not for POST"),
        (TOOL + "    http: {url: 'https://h/', json: {}, body: x}\n", 4, "takes one of json, form, multipart, body"),
        (TOOL + "    command: [a]\n    result: x\n", 5, "belongs to `steps`"),
        (
            TOOL + "    steps: [{name: a, depends_on: [b], command: [x]}, {name: b, depends_on: [a], command: [x]}]\n",
            4,
            "a -> b -> a",
        ),
        (TOOL + "    steps: [{name: a, command: [x], when: 'host =='}]\n", 4, "is expected"),
        ("auth: {main: {type: bearer, token: abc}}\n", 1, "auth.main.token: should be a reference"),
        ("auth: {main: {type: bearer, tokn: '${A}'}}\n", 1, "auth.main.token: is missing"),
        ("auth: {main: {type: magic}}\n", 1, "auth.main"),
        ("resources: [{uri: 'a:b', name: x, file: ../secret}]\n", 1, "leads out of the folder"),
        ("resources: [{uri: 'a:b', name: x, text: a, file: b}]\n", 1, "takes one of text, file, directory and url"),
        ("prompts: [{name: p, messages: [{text: 'hi {{you}}'}]}]\n", 1, "{{you}} is no argument of it"),
        ("prompts: [{name: p, messages: [{resource: 'a:b'}]}]\n", 1, "there is no resource 'a:b' in this file"),
        ("tools: [\n", 2, "not valid YAML"),
    ],
)
def test_what_cannot_work_is_told_with_its_line(text: str, line: int, message: str) -> None:
    said = told(text)
    assert said.startswith(f"a.yaml:{line}: "), said
    assert message in said
    assert "\n" not in said


def test_no_secret_that_stands_in_a_file_is_told() -> None:
    assert "hunter2" not in told("auth: {main: {type: basic, username: me, password: hunter2}}\n")


def test_several_faults_are_told_at_once() -> None:
    said = told(TOOL + "    command: [a, '{{b}}', '{{c}}']\n    annotations: {x: 1}\n")
    assert "{{b}}" in said
    assert "{{c}}" in said
    assert "line 5: tools.0.annotations.x" in said


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
        "tools: " + "[" * 5_000,
        "tools: " + "{a: " * 5_000,
    ],
    ids=["billion laughs", "deep lists", "deep mappings"],
)
def test_a_bomb_is_refused_soon(bomb: str) -> None:
    assert told(bomb).startswith("a.yaml")


def test_a_file_as_large_as_a_generated_one_is_read(tmp_path: Path) -> None:
    tool = "  - {name: t%d, description: '" + "x" * 900 + "', command: [echo, hello]}\n"
    (tmp_path / "big.yaml").write_text("tools:\n" + "".join(tool % number for number in range(2_000)))
    assert len(read_file(tmp_path / "big.yaml").tools) == 2_000


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_file(tmp_path / "none.yaml")
