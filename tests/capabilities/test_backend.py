"""A capability file as a backend: listed and called through a whole gateway, by clients of both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.catalog.model import Json, Kind, Visibility
from magictunnel.config.load import load
from magictunnel.errors import BadParams, CallError, DeadlineExceeded, UnknownEntry
from magictunnel.gateway import Gateway, build, running
from magictunnel.pipeline.call import Call
from magictunnel.telemetry import call_id
from magictunnel.wire.caller import Caller

pytestmark = pytest.mark.anyio

PATIENCE = 20.0
FILE = r"""
instructions: Use it well.
tools:
  - name: say
    title: Say
    description: Says it.
    annotations: {readOnlyHint: true}
    tags: [speech]
    inputSchema:
      {type: object, properties: {what: {type: string}, times: {type: integer, default: 2}}, required: [what]}
    command: [printf, "%s/%s", "{{what}}", "{{times}}"]
  - name: fail
    command: [sh, -c, "echo useful >&2; exit 3"]
  - name: slow
    timeout: 300ms
    command: [sleep, "60"]
  - name: hidden
    visibility: search-only
    command: [echo, found]
  - name: gone
    enabled: false
    command: [echo, no]
  - name: alias
    inputSchema: {type: object, properties: {word: {type: string}}, required: [word]}
    mcp: {tool: demo__say, arguments: {what: "{{word}}", times: 1}}
  - name: count
    inputSchema: {type: object, properties: {steps: {type: integer}}}
    python: counting:count
  - name: counted
    inputSchema: {type: object, properties: {steps: {type: integer}}}
    mcp: {tool: demo__count}
  - name: itself
    mcp: {tool: demo__itself}
  - name: nobody
    mcp: {tool: demo__sya}
  - name: shaped
    outputSchema: {type: object, properties: {a: {type: integer}}, required: [a]}
    command: [echo, '{"a": 1}']
  - name: much
    spill: 1KB
    command: [sh, -c, "seq 1 5000"]
  - name: both
    inputSchema: {type: object, properties: {what: {type: string}}, required: [what]}
    steps:
      - {name: a, command: [printf, "%s", "{{what}}!"]}
      - {name: b, depends_on: [a], mcp: {tool: demo__say, arguments: {what: "{{steps.a}}"}}}
    result: {said: "{{steps.b}}"}
prompts:
  - {name: greet, arguments: [{name: who, required: true}], messages: [{text: "Greet {{who}}."}, {resource: "demo://note"}]}
resources:
  - {uri: "demo://note", name: note, text: a note}
"""


class Scene:
    def __init__(self, gateway: Gateway, told: list[tuple[str, Json]]) -> None:
        self.gateway = gateway
        self.told = told

    async def request(self, method: str, kind: Kind, name: str, params: Json) -> Json:
        caller = Caller("test", session="h1", back=self)
        call = Call(call_id(), method, kind, name, params, caller, self.gateway.live.current)
        return await self.gateway.handle(call)

    async def call(self, name: str, **arguments: Any) -> Json:
        return await self.request("tools/call", Kind.TOOL, f"demo__{name}", {"name": name, "arguments": arguments})

    async def tell(self, method: str, params: Json) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: Json) -> Json:
        raise AssertionError(f"nobody is asked: {method} {params}")

    async def let_go(self) -> None:
        """Nothing holds a stream open."""


@asynccontextmanager
async def scene(tmp_path: Path, text: str = FILE) -> AsyncIterator[Scene]:
    (tmp_path / "demo.yaml").write_text(text)
    (tmp_path / "config.yaml").write_text("capabilities: ['demo.yaml']\ndiscovery: {mode: off}\n")
    with anyio.fail_after(PATIENCE):
        async with running(build(load(tmp_path / "config.yaml"))) as gateway:
            await gateway.settled()
            yield Scene(gateway, [])


def text_of(result: Json) -> str:
    return str(result["content"][0]["text"])


async def test_it_is_listed_before_anything_runs_with_all_that_clients_are_told(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(FILE)
    (tmp_path / "config.yaml").write_text("capabilities: ['*.yaml']\n")
    catalog = build(load(tmp_path / "config.yaml")).live.current
    say, hidden = (catalog.of(Kind.TOOL)[f"demo__{name}"] for name in ("say", "hidden"))
    assert say.definition["title"] == "Say"
    assert say.definition["annotations"] == {"readOnlyHint": True}
    assert say.definition["_meta"] == {"tags": ["speech"]}
    assert "demo__gone" not in catalog.of(Kind.TOOL)
    assert list(catalog.of(Kind.PROMPT)) == ["demo__greet"]
    assert "demo://note" in catalog.of(Kind.RESOURCE)
    assert hidden.visibility is Visibility.SEARCH_ONLY


async def test_arguments_arrive_as_they_are_and_defaults_are_filled_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        said = await here.call("say", what="a 'b' \"c\"; $(d)\n--e")
        assert text_of(said) == "a 'b' \"c\"; $(d)\n--e/2"
        assert "isError" not in said


async def test_what_is_not_as_the_schema_says_runs_nothing_and_is_told_as_a_result(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        wrong = await here.call("say", what=3)
        assert wrong["isError"] is True
        assert 'what: 3 is not of type "string"' in text_of(wrong)


async def test_a_failure_is_told_with_what_explains_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        failed = await here.call("fail")
        assert failed["isError"] is True
        assert "3" in text_of(failed)
        assert "useful" in text_of(failed)


async def test_a_tool_has_the_time_that_its_file_gives_it(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        with pytest.raises(DeadlineExceeded, match=r"0\.3 s"):
            await here.call("slow")


async def test_tools_call_each_other_through_the_whole_pipeline(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert text_of(await here.call("alias", word="hey")) == "hey/1"
        assert '"said": "hey!/2"' in text_of(await here.call("both", what="hey"))


async def test_an_argument_may_be_called_steps_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text("def count(steps):\n    return steps + 1\n")
    async with scene(tmp_path) as here:
        assert text_of(await here.call("count", steps=3)) == "4"
        assert text_of(await here.call("counted", steps=3)) == "4"


async def test_a_tool_that_calls_itself_without_end_is_stopped(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        result = await here.call("itself")
        assert result["isError"] is True
        assert "call each other more than 8 deep" in text_of(result)


async def test_a_tool_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert "did you mean demo__say" in text_of(await here.call("nobody"))


async def test_json_is_structured_where_it_is_promised(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert (await here.call("shaped"))["structuredContent"] == {"a": 1}


async def test_what_is_too_much_can_be_read_as_a_resource(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        result = await here.call("much")
        (link,) = [one for one in result["content"] if one["type"] == "resource_link"]
        assert sum(len(one.get("text", "")) for one in result["content"]) < 3_000
        whole = await here.request("resources/read", Kind.RESOURCE, link["uri"], {"uri": link["uri"]})
        assert whole["contents"][0]["text"].split() == [str(number) for number in range(1, 5_001)]
        other = link["uri"][:-3] + "abc"
        with pytest.raises(CallError):
            await here.request("resources/read", Kind.RESOURCE, other, {"uri": other})


async def test_no_more_run_at_once_than_the_file_allows(tmp_path: Path) -> None:
    alone = "mkdir lock && sleep 0.1 && rmdir lock"
    text = f"concurrency: 1\ntools: [{{name: alone, command: [sh, -c, '{alone}']}}]\n"
    async with scene(tmp_path, text) as here, anyio.create_task_group() as tasks:
        results: list[Json] = []

        async def call() -> None:
            results.append(await here.call("alone"))

        for _ in range(4):
            tasks.start_soon(call)
    assert [result.get("isError") for result in results] == [None] * 4


async def test_a_refresh_looks_into_directories_again(tmp_path: Path) -> None:
    (tmp_path / "docs/deep").mkdir(parents=True)
    async with scene(tmp_path, "resources: [{uri: 'docs://x', name: docs, directory: docs}]\n") as here:
        (tmp_path / "docs/deep/new.md").write_text("new")
        await here.gateway.refresh("demo")
        assert "docs://x/deep/new.md" in here.gateway.live.current.of(Kind.RESOURCE)


async def test_prompts_and_resources_are_there_too(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        prompt = await here.request(
            "prompts/get", Kind.PROMPT, "demo__greet", {"name": "x", "arguments": {"who": "Bo"}}
        )
        assert [message["content"]["type"] for message in prompt["messages"]] == ["text", "resource"]
        assert prompt["messages"][0]["content"]["text"] == "Greet Bo."
        with pytest.raises(BadParams):
            await here.request("prompts/get", Kind.PROMPT, "demo__greet", {"name": "x"})


async def test_a_tool_that_is_disabled_is_unknown(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        with pytest.raises(UnknownEntry):
            await here.call("gone")


async def test_instructions_of_a_file_are_told_under_its_name(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert "# demo\nUse it well." in here.gateway.views.instructions(Caller("test"))
