"""Asking the caller, written once for both eras: pushed as requests in one, given back as input_required in the other.

A talk is a function from what is known (answers by key) to what to ask next, or to the result. In the handshake era
its questions are sent while the call waits. In the stateless era each round is a call of its own, and what earlier
rounds brought comes back in requestState.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types import CLIENT_CAPABILITIES_META_KEY, MISSING_REQUIRED_CLIENT_CAPABILITY

from tests.conformance.everything.box import Context, Json, stateless

_NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
"""Which capability of a client a request of ours needs."""


@dataclass(frozen=True)
class Asks:
    """Requests by key; `remembers` gives back a requestState even when there is nothing to remember yet."""

    requests: dict[str, Json]
    remembers: bool = False


Talk = Callable[[Json], Awaitable[Asks | Json]]


async def hold(ctx: Context, talk: Talk) -> Json:
    """Answer one call with a talk, in the era of its caller."""
    known = known_to(ctx) if stateless(ctx) else {}
    while True:
        step = await talk(known)
        if not isinstance(step, Asks):
            return step
        _must_be_able(ctx, step)
        if stateless(ctx):
            return input_required(step.requests, known, remembers=step.remembers)
        known = known | await _push_all(ctx, step.requests)


def capabilities(ctx: Context) -> Json:
    """What the client declared: in the request itself, or in the handshake."""
    if stateless(ctx):
        return dict(((ctx.params or {}).get("_meta") or {}).get(CLIENT_CAPABILITIES_META_KEY) or {})
    declared = ctx.session.client_capabilities
    return declared.model_dump(by_alias=True, exclude_none=True) if declared else {}


def needs(request: Json) -> str:
    """The capability that a request to a client needs."""
    return _NEEDS[request["method"]]


def missing(**required: Json) -> MCPError:
    """The error that tells a client which capabilities a request needs."""
    told = f"This needs the client to declare {', '.join(required)}"
    return MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, told, {"requiredCapabilities": required})


def elicit(message: str, schema: Json) -> Json:
    """A request for what a person fills in."""
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sample(text: str, tokens: int = 100) -> Json:
    """A request for what a model says to one text."""
    message = {"role": "user", "content": {"type": "text", "text": text}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": tokens}}


def roots() -> Json:
    """A request for the client's roots."""
    return {"method": "roots/list", "params": {}}


def known_to(ctx: Context) -> Json:
    """All answers so far. What is no object answers nothing, so it is asked for again."""
    params = ctx.params or {}
    # The boundary in front of us has verified the state: it is what we gave out.
    state = params.get("requestState")
    earlier: Json = json.loads(state) if state else {}
    given = params.get("inputResponses") or {}
    return earlier | {key: answer for key, answer in given.items() if isinstance(answer, dict)}


def input_required(requests: dict[str, Json], known: Json, *, remembers: bool = False) -> Json:
    """The answer that asks; what is known comes back in its state."""
    result: Json = {"resultType": "input_required", "inputRequests": requests}
    return result | ({"requestState": json.dumps(known)} if known or remembers else {})


def _must_be_able(ctx: Context, step: Asks) -> None:
    declared = capabilities(ctx)
    lacking: Json = {need: {} for request in step.requests.values() if (need := needs(request)) not in declared}
    if lacking:
        raise missing(**lacking)


async def _push_all(ctx: Context, requests: dict[str, Json]) -> Json:
    """Send requests at once, as one result of the other era has them at once; returns the answers by key.

    Raises:
        MCPError: the client answered one with an error.
    """
    answers: Json = {}
    failed: list[MCPError] = []

    async def one(key: str, request: Json) -> None:
        # Out of a task group it would come as a group of errors, which the SDK tells as a defect of the server.
        try:
            answers[key] = await push(ctx, request)
        except MCPError as error:
            failed.append(error)

    async with anyio.create_task_group() as tasks:
        for key, request in requests.items():
            tasks.start_soon(one, key, request)
    if failed:
        raise failed[0]
    return answers


async def push(ctx: Context, request: Json) -> Json:
    """Send a request to the client, on the stream of the call that it belongs to."""
    beside = ServerMessageMetadata(related_request_id=ctx.request_id)
    answer: types.Result
    match request["method"]:
        case "elicitation/create":
            asked = types.ElicitRequest.model_validate(request)
            answer = await ctx.session.send_request(asked, types.ElicitResult, metadata=beside)
        case "sampling/createMessage":
            prompt = types.CreateMessageRequest.model_validate(request)
            answer = await ctx.session.send_request(prompt, types.CreateMessageResult, metadata=beside)
        case _:
            answer = await ctx.session.send_request(types.ListRootsRequest(), types.ListRootsResult, metadata=beside)
    return answer.model_dump(by_alias=True, mode="json", exclude_none=True)
