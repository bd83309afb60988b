"""What is said of a capability file with a mistake in it: each one in words, with its line and its own hint."""

import re

import pytest

from magictunnel.capabilities.parse import parse
from magictunnel.errors import ConfigError

TOOL = """tools:
  - name: ping
    inputSchema: {type: object, properties: {host: {type: string}}}
"""


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as found:
        parse(text, "a.yaml")
    return found.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("    command: echo hi\n", "command: should be a list of arguments, such as [git, status], or a mapping with"),
        ("    command: {argv: echo hi}\n", "command.argv: should be a list of arguments"),
        ("    command: []\n", "command: needs a program"),
        ("    mcp: py__x\n", "mcp: should be a mapping with `tool`"),
        ("    http: https://a/b\n", "http: should be a mapping with `url`"),
        ("    python: json\n", "python: should be `module:function`"),
        ("    python: {function: json}\n", "python.function: should be `module:function`"),
        ("    timeout: soon\n    command: [a]\n", "timeout: should be a duration such as 500ms, 30s or 2m"),
        ("    spill: 10XB\n    command: [a]\n", "spill: should be a size such as 512KB or 16MB"),
        ("    command: {argv: [a], max_output: lots}\n", "max_output: should be a size such as 512KB or 16MB"),
        ("    http: {url: 'https://a/b', method: post}\n", "method: should be a method in capital letters"),
        ("    http: {url: 'https://a/b', retries: {attempts: x}}\n", "attempts: should be a whole number"),
        ("    http: {url: 'https://a/b', auth: 3}\n", "http.auth: should be a name, or a list of names"),
        ("    http: {url: 'https://a/b', auth: [3]}\n", "http.auth: should be a name, or a list of names"),
        ("    http: {url: 'https://a/b', query: 3}\n", "http.query: should be a mapping"),
        ("    tags: a\n    command: [a]\n", "tags: should be a list"),
        ("    enabled: maybe\n    command: [a]\n", "enabled: should be true or false"),
        ("    visibility: list\n    command: [a]\n", "(did you mean 'listed'?)"),
        ("    steps: []\n", "steps: should have at least 1 in it"),
        ("    steps: [{name: a, command: [a], depends_on: b}]\n", "depends_on: should be a list"),
        ("    steps: [{name: a, command: [a], when: true}]\n", "when: should be text (put it in quotes)"),
        ("    steps: [a]\n", "steps.0: should be a mapping with `name`"),
    ],
)
def test_a_wrong_value_of_a_tool_is_told_by_what_should_stand_there(text: str, said: str) -> None:
    assert said in str(refusal(TOOL + text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompts: [{name: a, arguments: [x], messages: [{text: x}]}]", "arguments.0: should be a mapping with `name`"),
        ("prompts: [{name: a, messages: [x]}]", "messages.0: should be a mapping with one of text, image"),
        ("prompts: [{name: a, messages: [{role: asistant, text: x}]}]", "(did you mean 'assistant'?)"),
        ("auth: {k: {type: apikey, name: a, value: '${X}'}}", "auth.k.type: should be one of 'bearer', 'api_key'"),
        ("auth: {k: {type: apikey, name: a, value: '${X}'}}", "did you mean 'api_key'?"),
        ("auth: {k: {token: '${X}'}}", "auth.k.type: is missing (one of bearer, api_key, basic, oauth2)"),
        ("auth: {k: text}", "auth.k: should be a mapping"),
        ("auth: [a]", "auth: should be a mapping"),
        ("tools: {name: a}", "tools: should be a list"),
        ("tools: [{name: a b, command: [a]}]", "name: should be made of letters, digits, _ and -"),
    ],
)
def test_a_wrong_value_elsewhere_is_told_by_what_should_stand_there(text: str, said: str) -> None:
    assert said in str(refusal(text))


def test_nothing_is_said_in_words_of_programmers() -> None:
    wrong = """
tools:
  - {name: [], spill: {}, timeout: [], icons: 3, annotations: 3, result: 3, steps: 3, mcp: [], graphql: 1, http: a}
  - {name: a!, command: {argv: {}, env: 3, cwd: [], progress: 7}, python: 'a b'}
"""
    for text in (wrong, wrong.replace("\n  - {name: [],", "\n  - {name: a,"), "http: 3", "prompts: 3", "auth: {a: 3}"):
        assert not re.search(r"input|valid|instance|pattern|dictionary|\^", str(refusal(text)))


def test_a_list_with_wrong_elements_is_not_called_too_short() -> None:
    assert "at least" not in str(refusal("prompts: [{name: a, messages: [3]}]"))


def test_each_hint_stands_behind_the_mistake_that_it_is_about() -> None:
    error = refusal(TOOL + "    comand: [a]\n    tiemout: 3\n    enabled: 3x\n")
    assert error.hint == ""
    assert error.message == (
        "tools.0.comand: unknown key (did you mean 'command'?); line 5: tools.0.tiemout: unknown key "
        "(did you mean 'timeout'?); line 6: tools.0.enabled: should be true or false"
    )


def test_a_hint_for_all_mistakes_is_told_once() -> None:
    error = refusal(TOOL + "    command: [a, '{{b}}', '{{c}}']\n")
    assert (str(error).count("inputSchema.properties"), error.hint) == (1, "name it in inputSchema.properties")


@pytest.mark.parametrize(
    ("content", "wrong", "right"),
    [
        ("tools: [{name: a, input_schema: {}, command: [a]}]", "input_schema", "inputSchema"),
        ("tools: [{name: a, output_schema: {}, command: [a]}]", "output_schema", "outputSchema"),
        ("resources: [{name: a, uri: 'a:b', text: x, mime_type: a/b}]", "mime_type", "mimeType"),
        ("resourceTemplates: [{name: a, uri_template: 'a:{b}', text: x}]", "uri_template", "uriTemplate"),
        ("resource_templates: []", "resource_templates", "resourceTemplates"),
        ("tools: [{name: a, http: {url: 'https://a/b', json_: {}}}]", "json_", "json"),
    ],
)
def test_a_key_has_one_spelling(content: str, wrong: str, right: str) -> None:
    said = str(refusal(content))
    assert f"{wrong}: unknown key (did you mean {right!r}?)" in said


@pytest.mark.parametrize(
    "value",
    [
        "command: [echo, {{host}}]",
        "http: {url: {{host}}}",
        "http: {url: https://h/{{host}}}",
        "http:\n      body: {{host}} is",
        "mcp: {{host}}",
    ],
)
def test_a_placeholder_without_quotes_is_told_to_be_put_in_quotes(value: str) -> None:
    error = refusal(f"{TOOL}    {value}\n")
    assert error.hint == 'put what has a placeholder in it in quotes: "{{host}}"'
    assert error.line == 4 + value.count("\n")


def test_another_mistake_of_yaml_has_nothing_to_do_with_placeholders() -> None:
    assert "quotes" not in str(refusal(TOOL + "    command: [echo, '{{host}}'\n"))
    assert "quotes" not in str(refusal(TOOL + "    http:\n      url: https://h/{{host}}\n     query: 3\n"))


def test_a_mistake_in_the_result_of_steps_is_told_with_its_line() -> None:
    assert refusal(TOOL + "    steps: [{name: a, command: [x]}]\n    result: '{{steps.b}}'\n").line == 5


def test_a_file_of_the_ancestor_is_told_to_be_migrated() -> None:
    error = refusal("metadata: {name: a}\ntools: [{name: a, routing: {type: command, config: {command: ls}}}]\n")
    assert error.message == "this is a file of MagicTunnel 0.3"
    assert error.hint == "magictunnel capabilities migrate a.yaml -o NEW"


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ("      - {name: a, command: [x]}\n      - {name: b, depends_on: [z], command: [x]}\n", 6),
        ("      - {name: a, command: [x]}\n      - {name: b, command: [x, '{{steps.a}}']}\n", 6),
        ("      - {name: a, command: [x]}\n      - {name: b, depends_on: [b], command: [x]}\n", 6),
        ("      - {name: a, command: [x]}\n      - {name: c, command: [x]}\n      - {name: a, command: [x]}\n", 7),
    ],
)
def test_a_mistake_in_a_step_is_told_with_the_line_of_that_step(steps: str, line: int) -> None:
    assert refusal(f"{TOOL}    steps:\n{steps}").line == line
