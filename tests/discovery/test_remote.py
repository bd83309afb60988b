"""A service that makes vectors, over real HTTP: what it is asked, and whatever it may answer."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from magictunnel.config.discovery import EmbeddingsConfig
from magictunnel.discovery.embedding import MAX_TEXT, Embedder, open_embedder
from magictunnel.discovery.embedding.remote import AT_ONCE, MAX_ANSWER
from magictunnel.errors import DiscoveryError, UnsetVariable
from magictunnel.secrets import Secrets
from tests.support.web import served

pytestmark = pytest.mark.anyio
pytest.importorskip("numpy")

KEY = "sk-very-secret-key"
Answer = Callable[[Request], Awaitable[Response]]


class Service:
    """Answers `/v1/embeddings` as it is told, and keeps what it was asked."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def embeddings(self, request: Request) -> Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        if self.answer is not None:
            return await self.answer(request)
        return JSONResponse({"data": [item(at, text) for at, text in enumerate(self.asked[-1]["input"])]})


def vector_of(text: str, length: int = 8) -> list[float]:
    return [float(len(text)), *[0.5] * (length - 1)]


def item(at: int, text: str) -> dict[str, Any]:
    return {"object": "embedding", "index": at, "embedding": vector_of(text)}


@asynccontextmanager
async def asked(service: Service, **settings: Any) -> AsyncIterator[Embedder]:
    """An embedder that asks `service`."""
    async with served(Starlette(routes=[Route("/v1/embeddings", service.embeddings, methods=["POST"])])) as port:
        config = EmbeddingsConfig(**{"url": f"http://127.0.0.1:{port}/v1", "model": "some-model", **settings})
        async with open_embedder(config, Secrets({"KEY": KEY}), Path()) as embedder:
            yield embedder


def floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


async def test_texts_are_sent_and_vectors_of_length_one_come_back() -> None:
    service = Service()
    async with asked(service, api_key="${KEY}") as embedder:
        found = await embedder.embed(["a", "bcd"], is_query=True)

    assert service.asked == [{"model": "some-model", "encoding_format": "float", "input": ["a", "bcd"]}]
    assert service.keys == [f"Bearer {KEY}"]
    length = math.hypot(*vector_of("bcd"))
    assert floats(found[1]) == pytest.approx([number / length for number in vector_of("bcd")])
    assert math.hypot(*floats(found[0])) == pytest.approx(1)


async def test_without_a_key_none_is_sent_and_dimensions_are_if_they_are_named() -> None:
    service = Service()
    async with asked(service, dimensions=8) as embedder:
        await embedder.embed(["a"])

    assert service.keys == [None]
    assert service.asked[0]["dimensions"] == 8


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/v1/embeddings", "/v1/embeddings/"])
async def test_the_address_may_be_that_of_the_api_or_of_its_embeddings(end: str) -> None:
    service = Service()
    async with served(Starlette(routes=[Route("/v1/embeddings", service.embeddings, methods=["POST"])])) as port:
        config = EmbeddingsConfig(url=f"http://127.0.0.1:{port}{end}", model="m")
        async with open_embedder(config, Secrets({}), Path()) as embedder:
            assert len(await embedder.embed(["a"])) == 1


async def test_many_texts_are_sent_in_parts_and_long_ones_are_cut() -> None:
    service = Service()
    async with asked(service) as embedder:
        found = await embedder.embed(["x" * 10_000, *["a"] * (AT_ONCE + 1)])
        assert await embedder.embed([]) == []

    assert [len(request["input"]) for request in service.asked] == [AT_ONCE, 2]
    assert len(service.asked[0]["input"][0]) == MAX_TEXT
    assert len(found) == AT_ONCE + 2


async def test_vectors_are_taken_in_the_order_that_the_service_gives_them() -> None:
    async def backwards(request: Request) -> Response:
        texts = (await request.json())["input"]
        return JSONResponse({"data": [item(at, text) for at, text in enumerate(texts)][::-1]})

    async with asked(Service()) as forwards, asked(Service(backwards)) as embedder:
        assert await embedder.embed(["a", "bcd"]) == await forwards.embed(["a", "bcd"])


async def test_another_model_address_or_length_is_another_embedder() -> None:
    ids = set()
    for url, model, length in (("http://a", "m", None), ("http://b", "m", None), ("http://a", "n", None)):
        for dimensions in (length, 64):
            config = EmbeddingsConfig(url=url, model=model, dimensions=dimensions)
            async with open_embedder(config, Secrets({}), Path()) as embedder:
                ids.add(embedder.id)
    assert len(ids) == 6


# --- what a service may answer instead


def constant(value: Any, status: int = 200) -> Answer:
    async def answer(_request: Request) -> Response:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Response(content, status, media_type="application/json")

    return answer


def vectors(*found: Any) -> Answer:
    return constant({"data": [{"embedding": vector} for vector in found]})


NOT_VECTORS = "it answered something else than vectors"
GOOD = [1.0] * 8


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (constant(b""), NOT_VECTORS),
        (constant(b"<html>"), NOT_VECTORS),
        (constant(b"[" * 100_000), NOT_VECTORS),
        (constant([]), NOT_VECTORS),
        (constant({"data": None}), NOT_VECTORS),
        (constant({"data": {"a": 1}}), NOT_VECTORS),
        (constant({"data": [1, 2]}), NOT_VECTORS),
        (constant({"data": [{"embedding": GOOD, "index": []}]}), NOT_VECTORS),
        (constant({"data": [{"embedding": GOOD, "index": 1}, {"embedding": GOOD, "index": 1}]}), NOT_VECTORS),
        (vectors(GOOD), NOT_VECTORS),
        (vectors(GOOD, GOOD, GOOD), NOT_VECTORS),
        (vectors(GOOD, GOOD * 2), NOT_VECTORS),
        (vectors(GOOD, []), NOT_VECTORS),
        (vectors(GOOD, [1.0]), NOT_VECTORS),
        (vectors(GOOD, [1.0] * 9_000), NOT_VECTORS),
        (vectors(GOOD, "AAAA"), NOT_VECTORS),
        (vectors(GOOD, [0.0] * 8), NOT_VECTORS),
        (vectors(GOOD, [1e308] * 8), NOT_VECTORS),
        (vectors(GOOD, [10**400] * 8), NOT_VECTORS),
        (vectors(GOOD, [True] * 8), NOT_VECTORS),
        (vectors(GOOD, [None] * 8), NOT_VECTORS),
        (constant(b'{"data": [{"embedding": [NaN,1,1,1,1,1,1,1]}, {"embedding": [1,1,1,1,1,1,1,1]}]}'), NOT_VECTORS),
        (constant(b'{"data": [{"embedding": [Infinity,1,1,1,1,1,1,1]}, {"embedding": []}]}'), NOT_VECTORS),
        (constant({"error": {"message": f"wrong key: {KEY}\nsorry"}}, 401), "it answered 401: wrong key: *** sorry"),
        (constant({"error": "model not found"}, 404), "check `url` and `model`"),
        (constant({"error": {"message": "x" * 100_000}}, 500), "it answered 500: xxx"),
        (constant(b"oops", 503), "it answered 503"),
        (constant({"error": [1]}, 429), "asked too often"),
    ],
)
async def test_what_is_no_answer_is_told_in_one_line_without_the_key(answer: Answer, why: str) -> None:
    async with asked(Service(answer), api_key=KEY) as embedder:
        with pytest.raises(DiscoveryError) as caught:
            await embedder.embed(["a", "b"])

    assert why in str(caught.value)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


async def test_an_answer_that_does_not_end_is_not_read_to_its_end() -> None:
    async def endless(_request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(2 * MAX_ANSWER // 65_536):
                yield b" " * 65_536

        return StreamingResponse(chunks())

    async with asked(Service(endless)) as embedder:
        with pytest.raises(DiscoveryError, match="larger than 16 MiB"):
            await embedder.embed(["a"])


async def test_a_service_that_says_nothing_is_waited_for_no_longer_than_its_timeout() -> None:
    async def dripping(_request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await anyio.sleep(0.02)

        return StreamingResponse(chunks())

    async with asked(Service(dripping), timeout=0.3) as embedder:
        with anyio.fail_after(5), pytest.raises(DiscoveryError, match=r"no answer within 0\.3 s"):
            await embedder.embed(["a"])


async def test_key_and_texts_follow_no_redirect() -> None:
    elsewhere = Service()

    async with served(Starlette(routes=[Route("/v1/embeddings", elsewhere.embeddings, methods=["POST"])])) as port:

        async def moved(_request: Request) -> Response:
            return RedirectResponse(f"http://127.0.0.1:{port}/v1/embeddings", 307)

        async with asked(Service(moved), api_key=KEY) as embedder:
            with pytest.raises(DiscoveryError, match="it answered 307"):
                await embedder.embed(["a"])
    assert elsewhere.asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://[", "http://a..b/"])
async def test_a_service_that_is_not_there_is_told(url: str) -> None:
    async with open_embedder(EmbeddingsConfig(url=url, model="m"), Secrets({}), Path()) as embedder:
        with pytest.raises(DiscoveryError, match="no answer"):
            await embedder.embed(["a"])


@pytest.mark.parametrize("url", ["", "x", "ftp://a/b", "http://", "file:///etc/passwd", "http://a:b/"])
async def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(DiscoveryError, match="their `url` is none"):
        async with open_embedder(EmbeddingsConfig(url=url, model="m"), Secrets({}), Path()):
            pass


@pytest.mark.parametrize("key", ["a\nb", "ключ"])
async def test_a_key_that_cannot_be_sent_is_told_and_not_shown(key: str) -> None:
    with pytest.raises(DiscoveryError, match="api_key") as caught:
        async with open_embedder(EmbeddingsConfig(url="http://a", model="m", api_key=key), Secrets({}), Path()):
            pass
    assert key not in str(caught.value)


async def test_a_key_is_hidden_in_all_texts_from_then_on() -> None:
    secrets = Secrets({})
    config = EmbeddingsConfig(url="http://a", model="m", api_key=KEY)
    async with open_embedder(config, secrets, Path()):
        assert KEY not in secrets.mask(f"x {KEY} y")


async def test_a_key_that_is_not_set_is_told() -> None:
    with pytest.raises(UnsetVariable, match="NOT_THERE"):
        async with open_embedder(
            EmbeddingsConfig(url="http://a", model="m", api_key="${NOT_THERE}"), Secrets({}), Path()
        ):
            pass
