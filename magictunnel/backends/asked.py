"""Whose business it is when a server of the handshake era asks or tells something: decided here, nowhere else. Pure.

Over streamable HTTP each call has a stream of its own, so it is known which call a message belongs to. Over one pipe
nothing says so; then it is decided only where it cannot be wrong, since a question that is put to the wrong client is
worse than one that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcp_types import METHOD_NOT_FOUND

from magictunnel.catalog.model import Json
from magictunnel.errors import CannotAsk
from magictunnel.wire.caller import Caller

_APART = "give this server `session: per_client` in the config, so that each client has a connection of its own"


def whom_to_ask(
    sender: Caller | None, in_flight: Sequence[Caller], present: Sequence[Caller], method: str, params: Json
) -> Caller:
    """The caller that a server's question is for.

    `sender`: the caller of the call on whose own stream it came, if it came on one. `in_flight`: the callers of all
    calls under way on this connection, in the order they were sent. `present`: the sessions there are; one is asked
    outside of any call only if it is the only one that could be meant.

    Raises:
        CannotAsk: nobody can answer it, or it is open who is meant.
    """
    if sender is not None:
        return _able([sender], method, params)[0]
    able = _able(in_flight or present, method, params)
    if len({_client(caller) for caller in able}) > 1:
        raise CannotAsk(method, "several clients are using this server, and it does not say which one", hint=_APART)
    return able[-1]


def whom_to_tell(sender: Caller | None, in_flight: Sequence[Caller], present: Sequence[Caller]) -> list[Caller]:
    """The callers that a server's message is for: of one call, that call's; of none, every session's."""
    if sender is not None:
        return [sender]
    if not in_flight:
        return list(present)
    return [in_flight[-1]] if len({_client(caller) for caller in in_flight}) == 1 else []


def _able(callers: Sequence[Caller], method: str, params: Json) -> list[Caller]:
    lacking = [caller.lacks(method, params) for caller in callers]
    able = [caller for caller, lack in zip(callers, lacking, strict=True) if not lack]
    if able:
        return able
    if not callers:
        raise CannotAsk(method, "no client is there to be asked", code=METHOD_NOT_FOUND)
    raise CannotAsk(method, f"the client does not support {lacking[0]}", code=METHOD_NOT_FOUND)


def _client(caller: Caller) -> object:
    """What two calls have in common if one client made them; a request that stands alone is its own client."""
    return caller.session or id(caller)
