"""A stateless server asks by answering "input required"; for callers of the handshake era we drive its rounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import anyio

from magictunnel.catalog.model import Json
from magictunnel.errors import AnswerError, CannotAsk
from magictunnel.wire.caller import Caller

MAX_ROUNDS = 100
"""How often one call may ask."""
_MAX_QUESTIONS = 100
"""Questions in one round."""
_PAUSE = 0.5
"""Seconds before a server is called again that wants nothing but to be called again."""
_ANSWERS = ("inputResponses", "requestState")

Send = Callable[[Json], Awaitable[Json]]
"""Params -> result."""


def asks(result: Json) -> bool:
    """Whether this result is questions, and no result yet."""
    return result.get("resultType") == "input_required"


async def drive(params: Json, caller: Caller, send: Send) -> Json:
    """Send `params`, put what the server asks to `caller`, and send again with the answers, until it is content.

    Raises:
        CannotAsk, AnswerError: a question that the caller cannot or will not answer.
    """
    plain = {key: value for key, value in params.items() if key not in _ANSWERS}
    result = await send(plain)
    for _ in range(MAX_ROUNDS):
        if not asks(result):
            return result
        questions = result.get("inputRequests") or {}
        again = plain | {key: result[key] for key in ("requestState",) if key in result}
        if questions:
            again["inputResponses"] = await _answers(questions, caller)
        else:
            await anyio.sleep(_PAUSE)
        result = await send(again)
    raise CannotAsk("input", f"it was asked for {MAX_ROUNDS} times in one call")


async def _answers(questions: Any, caller: Caller) -> Json:
    """Question by key -> answer by key; all are asked at once."""
    if not isinstance(questions, dict) or len(questions) > _MAX_QUESTIONS:
        raise CannotAsk("input", f"its inputRequests are no object with at most {_MAX_QUESTIONS} questions")
    answers: Json = {}
    failures: list[Exception] = []

    async def ask(key: str, question: Any) -> None:
        try:
            answers[key] = await _answer(question, caller)
        except Exception as error:  # noqa: BLE001 the first of them is raised below, by itself and not in a group
            failures.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for key, question in questions.items():
            tasks.start_soon(ask, key, question)
    if failures:
        raise failures[0]
    return answers


async def _answer(question: Any, caller: Caller) -> Json:
    method = question.get("method") if isinstance(question, dict) else None
    params = question.get("params", {}) if isinstance(question, dict) else None
    if not isinstance(method, str) or not isinstance(params, dict | None):
        raise CannotAsk("input", "one of its inputRequests is no request")
    params = params or {}
    if lack := caller.lacks(method, params):
        raise CannotAsk(method, f"the client does not support {lack}")
    if params.get("mode") == "url":
        # The handshake era tells visits apart by an id, which the stateless one does without.
        params = {"elicitationId": uuid4().hex} | params
    try:
        return await caller.back.ask(method, params)
    except AnswerError:
        if method != "elicitation/create":
            raise
        return {"action": "cancel"}  # what its client could not show, nobody has answered
