"""Request -> Call, result or error -> wire form. The one place where errors become JSON-RPC."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    SERVER_INFO_META_KEY,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from magictunnel.catalog.find import visible
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.promises import offers
from magictunnel.errors import RESOURCE_NOT_FOUND, BadParams, CallError, CannotAsk, MethodNotOffered, UnknownEntry
from magictunnel.front.pages import PAGE_SIZE, page
from magictunnel.front.progress import Progress
from magictunnel.pipeline.call import Call, Caller, Handler
from magictunnel.telemetry import call_id

Context = ServerRequestContext[Any, Any]

LISTS = {
    "tools/list": Kind.TOOL,
    "prompts/list": Kind.PROMPT,
    "resources/list": Kind.RESOURCE,
    "resources/templates/list": Kind.TEMPLATE,
}
CALLS = {"tools/call": Kind.TOOL, "prompts/get": Kind.PROMPT, "resources/read": Kind.RESOURCE}
COMPLETE = "completion/complete"
_REFERENCES = {"ref/prompt": (Kind.PROMPT, "name"), "ref/resource": (Kind.TEMPLATE, "uri")}
MAX_NAME = 8_192
"""Characters of a name or URI in a request."""
_OPENINGS = ("initialize", "server/discover")
_CACHEABLE = (*LISTS, "resources/read")
_CACHE_HINTS = frozenset({"ttlMs", "cacheScope"})
"""What the stateless era adds to the results of these; the handshake era has no such fields."""

_A_MOMENT = 0.02
"""Seconds between the SDK's reading and our answering, and between that and its writing; it has no hook for either."""

logger = logging.getLogger(__name__)


class Source(Protocol):
    """What the front needs of a gateway."""

    @property
    def live(self) -> LiveCatalog: ...

    @property
    def handle(self) -> Handler: ...

    async def settled(self) -> None: ...

    def mask(self, text: str) -> str: ...


class Handlers:
    """Answers lists from the catalog and sends calls into the pipeline, as raw JSON in and out.

    It stands in the SDK server's middleware, because a result that passes there goes out as it is; results of
    ordinary handlers are sieved to what one protocol revision knows, which would lose what backends say beyond it.
    """

    def __init__(self, source: Source, server_info: Json, page_size: int = PAGE_SIZE) -> None:
        self._source = source
        self._server_info = server_info
        self._page_size = page_size
        self._count = 0
        self._idle = anyio.Event()

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer one message, or let the SDK answer what is its own (handshake, ping, subscriptions)."""
        try:
            answer = self._answer_to(ctx.method)
            if ctx.request_id is None or (answer is None and ctx.method not in _OPENINGS):
                return await call_next(ctx)
            with self._in_flight():
                await self._source.settled()
                if answer is None:
                    return await call_next(ctx)
                return self._outer(ctx, await answer(ctx))
        except CallError as error:
            raise self._wire_error(ctx, error) from error
        except MCPError:
            raise
        except ValidationError as error:
            raise MCPError(INVALID_PARAMS, "Invalid request parameters") from error
        except Exception as error:
            number = call_id()
            logger.exception("[%s] %s: a defect of ours", number, ctx.method)
            raise MCPError(INTERNAL_ERROR, f"Internal error {number}: see the log") from error

    async def idle(self) -> None:
        """Wait until no request is being answered. A request that has just been read is given a moment to begin."""
        await anyio.sleep(_A_MOMENT)
        while self._count:
            await self._idle.wait()
        await anyio.sleep(_A_MOMENT)

    @contextmanager
    def _in_flight(self) -> Iterator[None]:
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()
                self._idle = anyio.Event()

    def _answer_to(self, method: str) -> Callable[[Context], Awaitable[Json]] | None:
        if method in LISTS:
            return self._list
        return self._call if method in CALLS or method == COMPLETE else None

    async def _list(self, ctx: Context) -> Json:
        kind = LISTS[ctx.method]
        catalog = self._source.live.current
        caller = caller_of(ctx)
        if not offers(catalog.capabilities, kind):
            raise MethodNotOffered(ctx.method)
        given, cursor = page(visible(catalog, kind, caller.allows), params_of(ctx).get("cursor"), self._page_size)
        result: Json = {kind.value: [entry.definition for entry in given]}
        return result | {"nextCursor": cursor} if cursor else result

    async def _call(self, ctx: Context) -> Json:
        catalog = self._source.live.current
        params = params_of(ctx)
        kind, name = _addressee(ctx.method, params)
        promised = (
            "completions" in catalog.capabilities if ctx.method == COMPLETE else offers(catalog.capabilities, kind)
        )
        if not promised:
            raise MethodNotOffered(ctx.method)
        call = Call(
            id=call_id(),
            method=ctx.method,
            kind=kind,
            name=name,
            params=params,
            caller=caller_of(ctx),
            catalog=catalog,
            on_progress=Progress(ctx.session.report_progress) if wants_progress(params) else None,
        )
        return await self._source.handle(call)

    def _outer(self, ctx: Context, result: Json) -> Json:
        """A result as the caller's era has it: the stateless one says what kind of result it is, and who answers."""
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            if result.get("resultType") == "input_required":
                raise CannotAsk(str(params_of(ctx).get("name", ctx.method)))
            return _without_cache_hints(result) if ctx.method in _CACHEABLE else result
        result = {"resultType": "complete"} | result
        if ctx.method in _CACHEABLE and result["resultType"] == "complete":
            result = {"ttlMs": 0, "cacheScope": "private"} | result
        meta = result.get("_meta")
        return result | {"_meta": (meta if isinstance(meta, dict) else {}) | {SERVER_INFO_META_KEY: self._server_info}}

    def _wire_error(self, ctx: Context, error: CallError) -> MCPError:
        code = error.code
        stateless = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        if isinstance(error, UnknownEntry) and ctx.method == "resources/read" and not stateless:
            code = RESOURCE_NOT_FOUND
        return MCPError(code, self._source.mask(error.message), error.data)


def caller_of(ctx: Context) -> Caller:
    """Who sent this request.

    Raises:
        MCPError: a session of the handshake era that has not shaken hands.
    """
    client = ctx.session.client_params
    name = client.client_info.name[:64] if client else "unnamed client"
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        meta = params_of(ctx).get("_meta", {})
        return Caller(name, stateless=True, capabilities=meta.get(CLIENT_CAPABILITIES_META_KEY) or {})
    if client is None:
        raise MCPError(INVALID_REQUEST, "This session is not initialized")
    return Caller(name, capabilities=client.capabilities.model_dump(by_alias=True, exclude_none=True))


def params_of(ctx: Context) -> Json:
    """The raw params.

    Raises:
        BadParams: they, or their `_meta`, are not an object.
    """
    params = dict(ctx.params or {})
    if not isinstance(params.get("_meta", {}), dict):
        raise BadParams("_meta must be an object")
    return params


def wants_progress(params: Json) -> bool:
    """Whether the caller gave a progress token."""
    token = params.get("_meta", {}).get("progressToken")
    return isinstance(token, str | int) and not isinstance(token, bool)


def _without_cache_hints(result: Json) -> Json:
    if _CACHE_HINTS.isdisjoint(result):
        return result
    return {key: value for key, value in result.items() if key not in _CACHE_HINTS}


def _addressee(method: str, params: Json) -> tuple[Kind, str]:
    """What kind of entry a request is for, and under which public name.

    Raises:
        BadParams: it does not say.
    """
    if method == COMPLETE:
        ref = params.get("ref")
        kind_and_key = _REFERENCES.get(str(ref.get("type"))) if isinstance(ref, dict) else None
        if not isinstance(ref, dict) or kind_and_key is None:
            raise BadParams("ref must be a ref/prompt or a ref/resource", hint="see completion/complete in the spec")
        kind, key = kind_and_key
        return kind, _text(ref, key)
    kind = CALLS[method]
    if not isinstance(params.get("arguments", {}), dict | None):
        raise BadParams("arguments must be an object")
    return kind, _text(params, kind.key)


def _text(params: Json, key: str) -> str:
    value = params.get(key)
    if not isinstance(value, str):
        raise BadParams(f"{key} must be a string")
    if len(value) > MAX_NAME:
        raise BadParams(f"{key} is longer than {MAX_NAME} characters")
    return value
