"""Servers that hang up, lie, flood, or are not who they should be: each a clear error, and nothing beyond the call."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.requests import Bearer, Http, HttpDefaults
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from tests.wire.http1.stage import Asked, Stage, played
from tests.wire.http1.test_pool import certificate

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


@asynccontextmanager
async def running() -> AsyncIterator[HttpRunner]:
    runner = HttpRunner(
        {"me": Bearer(type="bearer", token="${KEY}")}, HttpDefaults(allow_private=True), Secrets({"KEY": "s3cret-key"})
    )
    try:
        yield runner
    finally:
        await runner.aclose()


async def asked(stage: Stage, **declared: Any) -> Output:
    async with running() as runner:
        return await runner.run(Http.model_validate({"url": stage.url, "auth": "me"} | declared), {})


async def done(request: Asked) -> None:
    await request.json("done")


async def test_who_hangs_up_without_an_answer_is_told() -> None:
    async def play(request: Asked) -> None:
        request.hang_up()

    async with played(play) as stage:
        with pytest.raises(RunError, match=r"GET 127\.0\.0\.1:\d+/mcp/\*\*\*: the answer broke off") as caught:
            await asked(stage, url=stage.url + "/${KEY}", query={"key": "hidden"})

        assert len(stage.requests) == 1
    assert "hidden" not in str(caught.value)


async def test_who_hangs_up_within_an_answer_is_told() -> None:
    async def play(request: Asked) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        request.hang_up()

    async with played(play) as stage:
        with pytest.raises(RunError, match="the answer broke off"):
            await asked(stage)


async def test_what_broke_off_is_tried_again_if_the_file_says_so() -> None:
    async def play(request: Asked) -> None:
        if len(stage.requests) == 1:
            request.hang_up()
        else:
            await done(request)

    async with played(play) as stage:
        output = await asked(stage, retries={"attempts": 2, "pause": 0.01})

        assert (json.loads(output.body), len(stage.requests)) == ("done", 2)


async def test_events_of_an_answer_that_broke_off_are_not_those_of_the_next() -> None:
    async def play(request: Asked) -> None:
        await request.stream()
        await request.chunk(b"data: " + str(len(stage.requests)).encode())
        if len(stage.requests) == 1:
            request.hang_up()
        else:
            await request.end()

    async with played(play) as stage:
        output = await asked(stage, stream="events", retries={"attempts": 2, "pause": 0.01})

        assert output.value == [2]


async def test_what_broke_off_is_tried_only_so_often() -> None:
    async def play(request: Asked) -> None:
        request.hang_up()

    async with played(play) as stage:
        with pytest.raises(RunError, match="broke off"):
            await asked(stage, method="DELETE", retries={"attempts": 3, "pause": 0.01})

        assert len(stage.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_told(answer: bytes) -> None:
    async def play(request: Asked) -> None:
        await request.send(answer)
        request.hang_up()

    async with played(play) as stage:
        with pytest.raises(RunError, match="the answer broke off") as caught:
            await asked(stage)

    assert len(str(caught.value)) < 500


async def test_a_strange_status_says_no_more_than_its_number_and_a_few_words() -> None:
    async def play(request: Asked) -> None:
        await request.send(b"HTTP/1.1 799 " + b"Bearer s3cret-key \x07" * 9 + b"\r\ncontent-length: 0\r\n\r\n")

    async with played(play) as stage:
        try:
            failed = (await asked(stage)).failed
        except RunError as error:
            failed = str(error)

    assert "s3cret-key" not in failed
    assert failed.isprintable()


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    async def play(request: Asked) -> None:
        await request.json(request.connection)
        request.hang_up()

    async with played(play) as stage, running() as runner:
        for _ in range(3):
            await runner.run(Http(url=stage.url), {})
            await stage.until(lambda: stage.open == 0)

        assert stage.accepted == 3


async def test_an_answer_that_is_cut_leaves_no_connection_behind() -> None:
    async def play(request: Asked) -> None:
        await request.answer(body=b"x" * 5_000_000)

    async with played(play) as stage, running() as runner:
        output = await runner.run(Http(url=stage.url, max_output=10), {})

        assert output.is_cut
        await stage.until(lambda: stage.open == 0)


async def test_a_call_that_is_cancelled_hangs_up() -> None:
    async def play(request: Asked) -> None:
        await request.gone()

    async with played(play) as stage, running() as runner:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runner.run, Http(url=stage.url), {})
            await stage.until(lambda: stage.requests)
            tasks.cancel_scope.cancel()
        await stage.until(lambda: stage.open == 0)


async def test_many_more_calls_than_connections_are_all_answered() -> None:
    async with played(done) as stage, running() as runner, anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(runner.run, Http(url=stage.url), {})

    assert len(stage.requests) == 100
    assert stage.accepted <= 32


async def test_after_it_was_closed_a_runner_may_be_used_again() -> None:
    async with played(done) as stage, running() as runner:
        for _ in range(2):
            assert (await runner.run(Http(url=stage.url), {})).failed == ""
            await runner.aclose()

        await stage.until(lambda: stage.open == 0)


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2"])
async def test_over_tls_only_a_server_with_the_right_certificate_is_told_anything(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(path)

    async with played(done, theirs) as stage:
        if name == "127.0.0.1":
            assert json.loads((await asked(stage)).body) == "done"
        else:
            with pytest.raises(RunError, match=r"cannot be reached: .*certificate"):
                await asked(stage)

            assert stage.requests == []
