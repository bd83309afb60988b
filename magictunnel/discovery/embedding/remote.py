"""A service that makes vectors: any with the `/embeddings` of OpenAI's API. What it answers is checked."""

from __future__ import annotations

import array
import hashlib
import json
import math
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from anyio import to_thread

from magictunnel.discovery.embedding import MAX_TEXT
from magictunnel.errors import DiscoveryError

AT_ONCE = 32
"""Texts in one request."""
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes."""
DIMENSIONS = range(8, 8_193)
_MAX_TOLD = 200
_HINTS = {
    401: "check `api_key` under `discovery.embeddings`",
    403: "check `api_key` under `discovery.embeddings`",
    404: "check `url` and `model` under `discovery.embeddings`",
    413: "the service takes less at once than we send",
    429: "the service is asked too often, or its quota is used up",
}
_REDIRECT = "name the address it has now: key and texts go nowhere else"


class Remote:
    """Asks a service; never follows it to another address, and never repeats the key."""

    def __init__(self, client: httpx2.AsyncClient, url: str, model: str, key: str, dimensions: int | None) -> None:
        """`url` is that of the API. Raises DiscoveryError if it is none, or `key` cannot be sent."""
        self._client = client
        self._url = _endpoint(url)
        self._key = key
        self._headers = _headers(key, self._where)
        self._asked: dict[str, Any] = {"model": model, "encoding_format": "float"}
        if dimensions is not None:
            self._asked["dimensions"] = dimensions
        self.id = "remote " + hashlib.sha256(repr((str(self._url), model, dimensions)).encode()).hexdigest()

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> list[bytes]:  # noqa: ARG002
        """See `Embedder.embed`."""
        found: list[bytes] = []
        for at in range(0, len(texts), AT_ONCE):
            found += await self._asked_for([text[:MAX_TEXT] for text in texts[at : at + AT_ONCE]])
        if len(set(map(len, found))) > 1:
            raise self._failure("it answered with vectors of several lengths")
        return found

    async def _asked_for(self, texts: Sequence[str]) -> list[bytes]:
        timeout = self._client.timeout.read or 0.0
        try:
            with anyio.fail_after(timeout):
                status, body = await self._posted(json.dumps(self._asked | {"input": texts}).encode())
        except TimeoutError as error:
            raise self._failure(f"no answer within {timeout:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise self._failure(f"no answer: {error!s:.{_MAX_TOLD}}" if str(error) else "no answer") from error
        if status != httpx2.codes.OK:
            raise self._failure(f"it answered {status}{self._reason(body)}", _hint(status))
        try:
            return await to_thread.run_sync(_vectors, body, len(texts))
        except ValueError as error:
            raise self._failure(f"it answered something else than vectors: {error}") from error

    async def _posted(self, body: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer, if it is not too long."""
        async with self._client.stream("POST", self._url, content=body, headers=self._headers) as response:
            answer = bytearray()
            async for chunk in response.aiter_raw():  # a compressed answer could be of any length
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise self._failure(f"its answer is larger than {MAX_ANSWER // 1024 // 1024} MiB")
            return response.status_code, bytes(answer)

    def _reason(self, body: bytes) -> str:
        """What the service says is wrong, as the end of a line."""
        try:
            said = json.loads(body)["error"]
            said = said["message"] if isinstance(said, dict) else said
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return ": " + " ".join(said[: 2 * _MAX_TOLD].split()) if isinstance(said, str) else ""

    def _failure(self, cause: str, hint: str = "") -> DiscoveryError:
        told = cause.replace(self._key, "***") if self._key else cause
        return DiscoveryError(self._where, told[:_MAX_TOLD], hint=hint)

    @property
    def _where(self) -> str:
        """The service, without what may be secret in its address."""
        return f"embeddings of {self._url.host}{self._url.path}"


@asynccontextmanager
async def open_remote(
    url: str, model: str | None, key: str, timeout: float, dimensions: int | None
) -> AsyncIterator[Remote]:
    """The service at `url` (of its API, with or without `/embeddings`), which has `timeout` seconds for each answer."""
    async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False) as client:
        yield Remote(client, url, model or "", key, dimensions)


def _endpoint(text: str) -> httpx2.URL:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise DiscoveryError("embeddings", f"their `url` is none: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise DiscoveryError("embeddings", "their `url` is none", hint="it begins with https:// or http://")
    path = url.path.rstrip("/")
    return url.copy_with(path=path if path.endswith("/embeddings") else path + "/embeddings")


def _headers(key: str, where: str) -> dict[str, str]:
    if not (key.isascii() and key.isprintable()):
        raise DiscoveryError(where, "its `api_key` has characters that no key has")
    return {"Content-Type": "application/json", "Accept-Encoding": "identity"} | (
        {"Authorization": f"Bearer {key}"} if key else {}
    )


def _hint(status: int) -> str:
    return _REDIRECT if 300 <= status < 400 else _HINTS.get(status, "")


def _vectors(body: bytes, count: int) -> list[bytes]:
    """The vectors of an answer, in the order in which they were asked for. Raises ValueError."""
    try:
        data = json.loads(body)["data"]
        found = {item.get("index", place): _vector(item["embedding"]) for place, item in enumerate(data)}
        ordered = [found[place] for place in range(count)]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("they are not all there") from error
    if len(data) != count or len(set(map(len, ordered))) > 1:
        raise ValueError("they are not as many, or not as long, as they have to be")
    return ordered


def _vector(numbers: Any) -> bytes:
    """`numbers` at length 1, as bytes. Raises ValueError."""
    if not isinstance(numbers, list) or len(numbers) not in DIMENSIONS:
        raise ValueError("a vector has no usable length")
    if not all(type(number) in (int, float) and abs(number) < sys.float_info.max for number in numbers):
        raise ValueError("a vector has something else than numbers in it")
    length = math.hypot(*numbers)
    if not 0 < length < math.inf:
        raise ValueError("a vector points nowhere")
    made = array.array("f", [number / length for number in numbers])
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()
