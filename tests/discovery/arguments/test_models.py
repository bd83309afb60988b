"""Configured models over real HTTP, each in its own dialect."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from magictunnel.discovery.arguments.filling import ModelFailure, Prompt
from magictunnel.discovery.arguments.models import MAX_ANSWER, Endpoint, answer_of, asking, endpoint
from magictunnel.errors import ConfigError, UnsetVariable
from magictunnel.secrets import Secrets
from tests.support.web import served

pytestmark = pytest.mark.anyio

KEY = "k-0123456789"
QUESTION = Prompt("rules", "question")
ANSWERS: dict[str, Any] = {
    "/v1/chat/completions": {"choices": [{"message": {"role": "assistant", "content": '{"a": 1}'}}]},
    "/v1/messages": {"content": [{"type": "thinking", "thinking": "?"}, {"type": "text", "text": '{"a": 1}'}]},
    "/api/chat": {"message": {"role": "assistant", "content": '{"a": 1}'}, "done": True},
}


class Played:
    """A server that speaks all three dialects, and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.instead: Response | None = None
        self.hangs = anyio.Event()

    async def answer(self, request: Request) -> Response:
        self.seen.append((request.url.path, dict(request.headers), await request.json()))
        if self.instead is not None:
            return self.instead
        return JSONResponse(ANSWERS[request.url.path])

    async def hang(self, _request: Request) -> Response:
        with anyio.move_on_after(5):
            await self.hangs.wait()
        return Response()


@asynccontextmanager
async def playing() -> AsyncIterator[tuple[Played, str]]:
    played = Played()
    routes = [Route("/hang/chat/completions", played.hang, methods=["POST"])]
    routes += [Route(path, played.answer, methods=["POST"]) for path in ANSWERS]
    async with served(Starlette(routes=routes)) as port:
        yield played, f"http://127.0.0.1:{port}"
        played.hangs.set()


def configured(kind: Any, url: str, **more: Any) -> Endpoint:
    return endpoint(kind, url, "small", "${KEY}", Secrets({"KEY": KEY}), **more)


@pytest.mark.parametrize(
    ("kind", "base", "path"),
    [
        ("openai", "/v1", "/v1/chat/completions"),
        ("openai", "/v1/chat/completions", "/v1/chat/completions"),
        ("anthropic", "", "/v1/messages"),
        ("anthropic", "/v1/", "/v1/messages"),
        ("ollama", "", "/api/chat"),
    ],
)
async def test_each_dialect_is_asked_once_and_read(kind: str, base: str, path: str) -> None:
    async with playing() as (played, url):
        answer = await asking(configured(kind, url + base, max_tokens=99))(QUESTION)

    assert answer == '{"a": 1}'
    ((asked, headers, body),) = played.seen
    assert asked == path
    assert body["model"] == "small"
    assert KEY in headers["x-api-key" if kind == "anthropic" else "authorization"]
    assert 99 in (body.get("max_tokens"), body.get("options", {}).get("num_predict"))
    assert "question" in str(body["messages"])
    assert "rules" in str(body)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_a_refusal_names_the_status_and_neither_key_nor_body(status: int) -> None:
    async with playing() as (played, url):
        played.instead = JSONResponse({"error": f"bad key {KEY}"}, status)
        with pytest.raises(ModelFailure, match=str(status)) as failure:
            await answer_of(configured("openai", url + "/v1"), QUESTION)

    assert KEY not in str(failure.value)
    assert len(played.seen) == 1


async def test_no_redirect_is_followed() -> None:
    async with playing() as (played, url):
        played.instead = RedirectResponse(f"{url}/api/chat", 307)
        with pytest.raises(ModelFailure, match="307"):
            await answer_of(configured("openai", url + "/v1"), QUESTION)

    assert [path for path, _, _ in played.seen] == ["/v1/chat/completions"]


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"7", b"{}", b'{"choices": 7, "content": 7, "message": 7}', b"[" * 99_999]
)
async def test_an_answer_of_another_shape_is_a_failure(kind: str, body: bytes) -> None:
    async with playing() as (played, url):
        played.instead = Response(body)
        with pytest.raises(ModelFailure, match="no text"):
            await answer_of(configured(kind, url + ("/v1" if kind == "openai" else "")), QUESTION)


async def test_an_answer_that_is_too_large_is_cut_off() -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(2 * MAX_ANSWER // 65_536):
            yield b"x" * 65_536

    async with playing() as (played, url):
        played.instead = StreamingResponse(large())
        with pytest.raises(ModelFailure, match="too large"):
            await answer_of(configured("openai", url + "/v1"), QUESTION)


async def test_a_model_that_does_not_answer_is_given_up() -> None:
    async with playing() as (played, url):
        with pytest.raises(ModelFailure, match="did not answer within"):
            await answer_of(configured("openai", url + "/hang", timeout=0.2), QUESTION)
        played.hangs.set()


async def test_a_model_that_is_not_there_is_a_failure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ModelFailure, match="cannot be reached"):
            await answer_of(configured("ollama", url), QUESTION)


def test_a_config_becomes_an_endpoint_that_does_not_show_its_key() -> None:
    secrets = Secrets({"KEY": KEY})

    found = endpoint("anthropic", None, "small", "${KEY}", secrets)

    assert (found.url, found.api_key) == ("https://api.anthropic.com/v1/messages", KEY)
    assert KEY not in repr(found)
    assert secrets.mask(f"got {KEY}") == "got ***"


@pytest.mark.parametrize(
    ("url", "model"), [(None, None), (None, ""), ("nonsense", "m"), ("file:///etc", "m"), ("http://", "m")]
)
def test_a_config_that_cannot_be_used_says_so(url: str | None, model: str | None) -> None:
    with pytest.raises(ConfigError):
        endpoint("openai", url, model, None, Secrets({}))


def test_a_key_that_is_not_set_says_so() -> None:
    with pytest.raises(UnsetVariable):
        endpoint("openai", None, "m", "${NONE}", Secrets({}))
