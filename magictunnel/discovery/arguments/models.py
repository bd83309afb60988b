"""A configured model over HTTP: OpenAI-compatible, Anthropic-compatible or Ollama; one request, one text.

No redirect is followed, so a key goes to the configured host alone; no error tells what was sent or answered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import httpx2

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.filling import Ask, ModelFailure, Prompt
from magictunnel.errors import ConfigError
from magictunnel.secrets import Secrets

MAX_ANSWER = 1024 * 1024
"""Bytes of an answer."""
_VERSION = "2023-06-01"
_CONNECT_TIMEOUT = 5.0

Kind = Literal["openai", "anthropic", "ollama"]
_BASES: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "ollama": "http://127.0.0.1:11434",
}
_PATHS: dict[str, str] = {"openai": "/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model and where it is reached. `timeout` is in seconds, for the whole exchange."""

    kind: Kind
    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 20.0
    max_tokens: int = 512


def endpoint(
    kind: Kind,
    url: str | None,
    model: str | None,
    api_key: str | None,
    secrets: Secrets,
    *,
    timeout: float = 20.0,
    max_tokens: int = 512,
) -> Endpoint:
    """What a config says, with its `${VAR}` resolved and the key known as a secret.

    Raises:
        ConfigError: no model is named, or the URL is none.
        UnsetVariable: a variable has no value.
    """
    where = "discovery.filler"
    if not model:
        raise ConfigError(f"{where} names no model", hint=f"add `model` to {where}")
    base = secrets.expand(url or _BASES[kind], f"{where}.url").rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{where}.url is no http(s) URL", hint="write it like https://host/v1")
    key = secrets.expand(api_key, f"{where}.api_key") if api_key else None
    if key:
        secrets.remember(key)
    path = _PATHS[kind]
    if kind == "anthropic" and base.endswith("/v1"):
        path = "/messages"
    full = base if base.endswith(path) else base + path
    return Endpoint(kind, full, model, key, timeout, max_tokens)


def asking(model: Endpoint) -> Ask:
    """Puts one question at a time to a model."""

    async def ask(question: Prompt) -> str:
        return await answer_of(model, question)

    return ask


async def answer_of(model: Endpoint, question: Prompt) -> str:
    """The text that a model answers.

    Raises:
        ModelFailure: it cannot be reached, refuses, answers too late, too much, or no text.
    """
    host = urlsplit(model.url).netloc.rpartition("@")[2]
    body = b""
    try:
        with anyio.fail_after(model.timeout):
            body = await _exchange(model, question)
    except TimeoutError:
        raise ModelFailure(f"{host} did not answer within {model.timeout:g} s", hint="raise its `timeout`") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ModelFailure(f"{host} cannot be reached ({type(error).__name__})", hint="check its `url`") from None
    try:
        text = _text(model.kind, json.loads(body))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        text = None
    if not isinstance(text, str) or not text:
        raise ModelFailure(f"{host} answered no text", hint="check its `type` and `model`")
    return text


async def _exchange(model: Endpoint, question: Prompt) -> bytes:
    timeout = httpx2.Timeout(model.timeout, connect=_CONNECT_TIMEOUT)
    async with (
        httpx2.AsyncClient(timeout=timeout, follow_redirects=False) as client,
        client.stream("POST", model.url, json=_body(model, question), headers=_headers(model)) as response,
    ):
        if response.status_code != 200:
            host = urlsplit(model.url).netloc.rpartition("@")[2]
            raise ModelFailure(f"{host} answered HTTP {response.status_code}", hint=_remedy(response.status_code))
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > MAX_ANSWER:
                raise ModelFailure("its answer is too large")
            parts.append(part)
        return b"".join(parts)


def _headers(model: Endpoint) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if model.kind == "anthropic":
        headers["anthropic-version"] = _VERSION
    if model.api_key:
        name, value = ("x-api-key", "") if model.kind == "anthropic" else ("Authorization", "Bearer ")
        headers[name] = value + model.api_key
    return headers


def _body(model: Endpoint, question: Prompt) -> Json:
    user = {"role": "user", "content": question.user}
    both = [{"role": "system", "content": question.system}, user]
    match model.kind:
        case "anthropic":
            return {"model": model.model, "max_tokens": model.max_tokens, "system": question.system, "messages": [user]}
        case "ollama":
            options = {"temperature": 0, "num_predict": model.max_tokens}
            return {"model": model.model, "messages": both, "stream": False, "format": "json", "options": options}
        case _:
            return {"model": model.model, "messages": both, "max_tokens": model.max_tokens, "temperature": 0}


def _text(kind: Kind, answer: Any) -> Any:
    match kind:
        case "anthropic":
            return "".join(block["text"] for block in answer["content"] if block.get("type") == "text")
        case "ollama":
            return answer["message"]["content"]
        case _:
            return answer["choices"][0]["message"]["content"]


def _remedy(status: int) -> str:
    if status in (401, 403):
        return "check its `api_key`"
    if 300 <= status < 400:
        return "redirects are not followed: configure the URL that it leads to"
    return "check its `url` and `model`" if status == 404 else "try again later"
