"""HTTP+SSE, the transport of the first revisions: answers come on another stream than the requests they are for."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared._httpx_utils import sse_within_origin, stream_within_origin
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http import MAX_EVENT, CallClient, error_of
from magictunnel.wire.typed import decode
from magictunnel.wire.written import line_of

_LAST_POSTS = 1.0
"""Seconds for what was being sent when the stream of answers ended: its refusal says that it was not executed."""
_FIRST_POST = 2.0
"""Seconds that all that is sent after `notifications/initialized` waits until that has arrived."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def one_way_wire(url: str, headers: Mapping[str, str], evidence: Evidence) -> AsyncIterator[WireDispatcher]:
    """A dispatcher over one such connection. The SDK's client has a limit of 1 MiB for an answer, and ends with the
    first request that is refused.

    Raises:
        httpx2.HTTPError, httpx2.SSEError: there is no such server.
        ConnectionResetError: it did not say where requests go.
    """
    async with (
        CallClient(headers, evidence, ("GET", "POST")) as client,
        sse_within_origin(client, url, max_event_size=MAX_EVENT) as source,
    ):
        source.response.raise_for_status()
        events = aiter(source)
        endpoint = await _endpoint(events, url)
        inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_send, outbox = anyio.create_memory_object_stream[SessionMessage](0)
        async with inbox, received, to_send, outbox, anyio.create_task_group() as tasks:
            wire = WireDispatcher(received, to_send)
            client.answer_aside(lambda number, message: wire.answer(number, error_of(message)))
            tasks.start_soon(_receive, events, inbox, wire, client, evidence)
            tasks.start_soon(_send, outbox, client, endpoint)
            yield wire
            tasks.cancel_scope.cancel()


async def _endpoint(events: AsyncIterator[Any], url: str) -> str:
    """Where requests go: at the same origin, or what is sent there would leave it."""
    async for event in events:
        if event.event == "endpoint":
            base = httpx2.URL(url)
            endpoint = base.join(event.data)
            if (endpoint.scheme, endpoint.netloc) != (base.scheme, base.netloc):
                raise httpx2.SSEError(f"its requests are to go to another origin, {endpoint.copy_with(query=None)}")
            return str(endpoint)
    raise ConnectionResetError("the server hung up before it said where requests go")


async def _receive(
    events: AsyncIterator[Any],
    inbox: MemoryObjectSendStream[SessionMessage | Exception],
    wire: WireDispatcher,
    client: CallClient,
    evidence: Evidence,
) -> None:
    """Pass on what comes, until its end; that is told only when it is known what became of what was being sent."""
    async with inbox:
        try:
            async for event in events:
                is_message = event.event == "message" and event.data
                if is_message and (message := decode(event.data.encode(), evidence.skipped)):
                    await inbox.send(message)
        except httpx2.SSEError as error:
            evidence.broke = f"its stream of answers cannot be read: {error}"
        except httpx2.HTTPError as error:
            logger.debug("the stream of answers broke: %s", error)
        wire.ending()
        with anyio.move_on_after(_LAST_POSTS):
            await client.until_quiet(lambda: wire.waiting)


async def _send(outbox: MemoryObjectReceiveStream[SessionMessage], client: CallClient, endpoint: str) -> None:
    async with anyio.create_task_group() as tasks:
        async for sent in outbox:
            message, body = sent.message, line_of(sent.message)
            if isinstance(message, JSONRPCNotification) and message.method == "notifications/initialized":
                # A server may refuse what overtakes it; of the others none is owed to arrive before another.
                with anyio.move_on_after(_FIRST_POST):
                    await _post(client, endpoint, body)
            else:
                tasks.start_soon(_post, client, endpoint, body)


async def _post(client: CallClient, endpoint: str, body: bytes) -> None:
    """One message; what is wrong with its way there, `CallClient` has made an answer of."""
    async with stream_within_origin(client, "POST", endpoint, json=body) as response:
        if response.is_redirect:
            client.lead_nowhere(response.request)
            return
        try:
            await response.aread()
        except httpx2.HTTPError as error:
            # Its head has come, so it was taken: the answer comes on the stream, and so do those of everybody else.
            logger.debug("a message was taken, but the response to it is not whole: %s", error)
