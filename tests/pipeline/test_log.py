"""Each call leaves one line, whatever came of it, and nothing of what was in it."""

from __future__ import annotations

import logging
import re

import anyio
import pytest

from magictunnel.catalog.model import Catalog, Json, Kind
from magictunnel.errors import BackendError, CallError, UnknownEntry
from magictunnel.pipeline.call import Call
from magictunnel.pipeline.log import log
from magictunnel.wire.caller import Caller

pytestmark = pytest.mark.anyio

SECRET = "the content of an argument"
CALL = Call("c1", "tools/call", Kind.TOOL, "a__x", {"arguments": {"k": SECRET}}, Caller("me"), Catalog())


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def only_line(caplog: pytest.LogCaptureFixture) -> str:
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    line = record.getMessage()
    assert SECRET not in line
    assert re.search(r" \(\d+\.\d ms\)$", line)
    return line


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"content": [{"type": "text", "text": SECRET}]}, "ok"),
        ({"content": [{"type": "text", "text": SECRET}], "isError": True}, "error result"),
    ],
)
async def test_a_result_passes_and_is_told_by_its_kind(
    result: Json, outcome: str, lines: pytest.LogCaptureFixture
) -> None:
    async def call_next(_call: Call) -> Json:
        return result

    assert await log(CALL, call_next) is result
    assert only_line(lines).startswith(f"[c1] tools/call a__x by me: {outcome} (")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (
            UnknownEntry("tool", "a__x", hint="did you mean a__y?"),
            "unknown_entry: Unknown tool: a__x (did you mean a__y?)",
        ),
        (BackendError(-7, "no"), "backend_error: no"),
    ],
)
async def test_an_error_passes_and_is_told_by_its_name(
    error: CallError, outcome: str, lines: pytest.LogCaptureFixture
) -> None:
    async def call_next(_call: Call) -> Json:
        raise error

    with pytest.raises(CallError) as caught:
        await log(CALL, call_next)
    assert caught.value is error
    assert f": {outcome} (" in only_line(lines)


async def test_a_defect_passes_and_is_told_by_its_class_alone(lines: pytest.LogCaptureFixture) -> None:
    async def call_next(_call: Call) -> Json:
        raise KeyError(SECRET)

    with pytest.raises(KeyError):
        await log(CALL, call_next)
    assert ": defect: KeyError (" in only_line(lines)


async def test_a_cancelled_call_is_told_too(lines: pytest.LogCaptureFixture) -> None:
    async def call_next(_call: Call) -> Json:
        scope.cancel()
        await anyio.sleep_forever()
        return {}

    with anyio.fail_after(5), anyio.CancelScope() as scope:
        await log(CALL, call_next)
    assert ": cancelled (" in only_line(lines)
