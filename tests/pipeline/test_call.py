"""A chain of interceptors reads as it is written: outermost first, the innermost handler last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from magictunnel.catalog.model import Catalog, Json, Kind
from magictunnel.errors import BadParams
from magictunnel.pipeline import INTERCEPTORS, pipeline
from magictunnel.pipeline.call import Call, Handler, Interceptor, compose
from magictunnel.pipeline.log import log
from magictunnel.wire.caller import Caller

pytestmark = pytest.mark.anyio

CALL = Call("c1", "tools/call", Kind.TOOL, "x", {"name": "x"}, Caller("me"), Catalog())


def noting(word: str, notes: list[str]) -> Interceptor:
    async def interceptor(call: Call, call_next: Handler) -> Json:
        notes.append(f"{word} in")
        result = await call_next(call)
        notes.append(f"{word} out")
        return result

    return interceptor


async def test_the_first_is_outermost_and_the_handler_innermost() -> None:
    notes: list[str] = []

    async def innermost(call: Call) -> Json:
        notes.append(f"handler {call.name}")
        return {"it": "works"}

    assert await compose([noting("a", notes), noting("b", notes)], innermost)(CALL) == {"it": "works"}
    assert notes == ["a in", "b in", "handler x", "b out", "a out"]


async def test_a_chain_of_none_is_its_handler() -> None:
    result: Json = {}

    async def innermost(call: Call) -> Json:
        assert call is CALL
        return result

    assert await compose([], innermost)(CALL) is result


async def test_an_interceptor_rewrites_the_call_for_those_behind_it_and_the_result_for_those_before() -> None:
    async def rewrite(call: Call, call_next: Handler) -> Json:
        return {"wrapped": await call_next(replace(call, name="y"))}

    async def innermost(call: Call) -> Json:
        return {"name": call.name}

    assert await compose([rewrite], innermost)(CALL) == {"wrapped": {"name": "y"}}
    assert CALL.name == "x"


async def test_an_interceptor_that_refuses_keeps_the_call_from_those_behind_it() -> None:
    notes: list[str] = []

    async def refuse(_call: Call, _call_next: Handler) -> Json:
        raise BadParams("no")

    async def innermost(_call: Call) -> Json:
        raise AssertionError("it was refused")

    with pytest.raises(BadParams):
        await compose([noting("a", notes), refuse, noting("b", notes)], innermost)(CALL)
    assert notes == ["a in"]


async def test_every_call_is_logged_whatever_is_done_with_it() -> None:
    assert INTERCEPTORS[0] is log


async def test_the_pipeline_ends_at_the_router() -> None:
    async def router(call: Call) -> Json:
        return {"routed": call.name}

    assert await pipeline(router)(CALL) == {"routed": "x"}
