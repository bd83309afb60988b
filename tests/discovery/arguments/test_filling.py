"""What a model is told, and what becomes of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import Filled, Source
from magictunnel.discovery.arguments.filling import ModelFailure, Prompt, fill, parsed, sampled, sampling

pytestmark = pytest.mark.anyio

TOOL: Json = {
    "name": "create_ticket",
    "description": "Create a ticket",
    "inputSchema": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "maxLength": 40},
            "priority": {"type": "string", "enum": ["low", "high"]},
            "note": {"type": "string"},
            "api_key": {"type": "string"},
        },
        "required": ["title", "priority", "api_key"],
    },
}
KNOWN = Filled({"note": "by phone"}, {"note": Source("by phone", 0, 8, "quoted")}, ("title", "priority", "api_key"))
REQUEST = "the printer is on fire, urgent! password: hunter2, internal-name"


class Model:
    """Answers always the same, and remembers what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Prompt] = []

    async def __call__(self, prompt: Prompt) -> str:
        self.asked.append(prompt)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, str) else json.dumps(self.answer)


async def filled_by(answer: Any, request: str = REQUEST) -> tuple[Filled, Model]:
    model = Model(answer)
    mask = lambda text: text.replace("internal-name", "***")  # noqa: E731
    return await fill(TOOL, request, KNOWN, model, mask=mask), model


async def test_what_a_model_finds_says_that_it_is_from_there() -> None:
    filled, _ = await filled_by({"title": "the printer is on fire", "priority": "high"})

    assert filled.arguments == {"note": "by phone", "title": "the printer is on fire", "priority": "high"}
    assert filled.sources["title"] == Source("the printer is on fire", 0, 22, "model")
    assert filled.sources["priority"] == Source("", 0, 0, "model")
    assert filled.sources["note"].how == "quoted"
    assert filled.missing == ("api_key",)


async def test_it_is_asked_once_for_what_is_missing_and_sees_no_secrets() -> None:
    _, model = await filled_by({})

    (question,) = model.asked
    shown = question.system + question.user
    assert "title" in shown
    assert "printer is on fire" in shown
    assert "hunter2" not in shown
    assert "internal-name" not in shown
    assert "api_key" not in shown


async def test_only_missing_properties_are_taken_from_it() -> None:
    filled, _ = await filled_by({"note": "mine", "api_key": "made up", "other": 1, "priority": "low"})

    assert filled.arguments == {"note": "by phone", "priority": "low"}


async def test_what_the_schema_refuses_is_a_problem() -> None:
    filled, _ = await filled_by({"title": "x" * 41, "priority": "urgent"})

    assert filled.arguments == {"note": "by phone"}
    assert filled.problems == ("'title' is longer than 40", "'priority' is none of the listed values")
    assert filled.missing == ("title", "priority", "api_key")


@pytest.mark.parametrize("value", ["[secret]", "say [secret]", "***", None, "", []])
async def test_what_was_hidden_comes_back_as_no_value(value: Any) -> None:
    filled, _ = await filled_by({"title": value})

    assert "title" in filled.missing


@pytest.mark.parametrize(
    "answer", ["", "no idea", "[1]", '{"title": ', '{"title": NaN}', "{" * 10_000, ModelFailure("gone")]
)
async def test_a_model_that_does_not_help_changes_nothing_but_says_so(answer: Any) -> None:
    filled, _ = await filled_by(answer)

    assert (filled.arguments, filled.missing) == (KNOWN.arguments, KNOWN.missing)
    assert filled.problems[0].startswith("the model did not help: ")


async def test_nothing_is_asked_where_nothing_may_be() -> None:
    model = Model({})
    whole = Filled({"title": "x"}, {}, ())
    secret = Filled({"title": "x"}, {}, ("api_key",))

    assert await fill(TOOL, REQUEST, whole, model, mask=str) is whole
    assert await fill(TOOL, REQUEST, secret, model, mask=str) is secret
    assert model.asked == []


async def test_a_question_is_bounded_whatever_a_tool_and_a_request_say() -> None:
    model = Model({})
    huge: Json = {
        "name": "x" * 99_999,
        "description": "y" * 99_999,
        "inputSchema": {"properties": {"a": ["z" * 99_999]}},
    }

    await fill(huge, "w " * 500_000, Filled({"b": "v" * 99_999}, {}, ("a",)), model, mask=str)

    assert len(model.asked[0].user) < 16_000


@pytest.mark.parametrize(
    "answer", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Sure: {"a": 1} as you said', '{"a": 1}{"b": 2}']
)
def test_an_object_is_found_in_what_is_around_it(answer: str) -> None:
    assert parsed(answer) == {"a": 1}


def test_the_callers_own_model_is_asked_by_sampling() -> None:
    params = sampling(Prompt("rules", "question"), 256)

    assert params["messages"] == [{"role": "user", "content": {"type": "text", "text": "question"}}]
    assert (params["systemPrompt"], params["maxTokens"], params["includeContext"]) == ("rules", 256, "none")


def test_the_text_of_a_sampling_result_is_found_in_either_shape() -> None:
    assert sampled({"content": {"type": "text", "text": "a"}}) == "a"
    assert (
        sampled({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}) == "ab"
    )


@pytest.mark.parametrize(
    "result", [None, [], {}, {"content": 7}, {"content": [{"type": "image"}]}, {"content": {"text": 7}}]
)
def test_a_sampling_result_without_text_is_a_failure(result: Any) -> None:
    with pytest.raises(ModelFailure):
        sampled(result)
