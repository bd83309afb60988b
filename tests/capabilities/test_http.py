"""Declared requests, sent for real: what arrives at a server, and what comes back from it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.requests import Http, HttpDefaults
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from tests.support.recorder import Arrived, Recorder, Reply, as_json

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


@asynccontextmanager
async def running(server: Recorder, **defaults: Any) -> AsyncIterator[HttpRunner]:
    given = {"base_url": server.base, "allow_private": True} | defaults
    runner = HttpRunner({}, HttpDefaults.model_validate(given), Secrets({"TOKEN": "s3cret-value"}))
    try:
        yield runner
    finally:
        await runner.aclose()


async def asked(server: Recorder, scope: dict[str, Any] | None = None, tell: Any = None, **declared: Any) -> Output:
    async with running(server) as runner:
        more = {} if tell is None else {"tell": tell}
        return await runner.run(Http.model_validate(declared), scope or {}, **more)


def items(output: Output) -> Any:
    return json.loads(output.body)


async def test_a_request_arrives_as_it_was_declared(server: Recorder) -> None:
    output = await asked(
        server,
        {"id": "a/b c", "n": 3, "tags": ["x", "y z"], "cookie": "1;2"},
        method="POST",
        url="/pets/{{id}}?fixed=1",
        query={"tags": "{{tags}}"},
        headers={"X-N": "{{n}}"},
        cookies={"c": "{{cookie}}"},
        json={"n": "{{n}}"},
    )

    arrived = server.last
    assert (arrived.method, arrived.target) == ("POST", "/pets/a%2Fb%20c?fixed=1&tags=x&tags=y%20z")
    assert arrived.body == b'{"n":3}'
    assert arrived.header("host") == f"127.0.0.1:{server.port}"
    assert arrived.header("x-n") == "3"
    assert arrived.header("cookie") == "c=1%3B2"
    assert arrived.header("content-type") == "application/json"
    assert arrived.header("content-length") == "7"
    assert arrived.header("user-agent").startswith("magictunnel/")
    assert (output.failed, output.content_type, output.is_cut) == ("", "application/json", False)
    assert items(output)["path"] == "/pets/a%2Fb%20c"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST", "QUERY"])
async def test_any_method_is_sent(server: Recorder, method: str) -> None:
    output = await asked(server, method=method, url="/x")

    assert (server.last.method, server.last.body) == (method, b"")
    assert output.failed == ""


async def test_connections_are_kept(server: Recorder) -> None:
    peers = set()

    async with running(server) as runner:
        for _ in range(3):
            await runner.run(Http(url="/x"), {})
            peers |= {id(connection) for connection in runner._client._plain.connections}  # type: ignore[union-attr]

    assert len(peers) == 1


async def test_an_answer_that_tells_of_failure_is_one_with_its_body(server: Recorder) -> None:
    server.on("/pets/1", as_json({"why": "gone"}, 404))

    output = await asked(server, url="/pets/1", query={"key": "hidden"})

    assert output.failed == f"404 Not Found from GET 127.0.0.1:{server.port}/pets/1"
    assert items(output) == {"why": "gone"}


async def test_an_answer_without_a_body_is_empty(server: Recorder) -> None:
    server.on("/x", Reply(status=204))

    output = await asked(server, method="DELETE", url="/x")

    assert (output.body, output.failed) == (b"", "")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_private_addresses_are_refused_before_anything_is_sent(server: Recorder, host: str) -> None:
    async with running(server, allow_private=False) as runner:
        with pytest.raises(RunError, match=r"no public address: nothing was sent.*http\.allow_private"):
            await runner.run(Http(url=f"http://{host}:{server.port}/x"), {})

    assert server.arrived == []


async def test_who_cannot_be_reached_is_named_without_what_was_to_be_sent(server: Recorder) -> None:
    async with running(server) as runner:
        with pytest.raises(RunError, match=r"127\.0\.0\.1:1 cannot be reached: Connection refused") as caught:
            await runner.run(Http(url="http://127.0.0.1:1/${TOKEN}?key=${TOKEN}"), {})

    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_what_breaks_off_is_told(server: Recorder) -> None:
    server.on("/x", Reply(b"", headers={"content-length": "0", "content-encoding": "br"}))
    server.on("/y", Reply(b"no gzip", headers={"content-encoding": "gzip"}))

    with pytest.raises(RunError, match="encoded as 'br'"):
        await asked(server, url="/x")
    with pytest.raises(RunError, match="it is no gzip"):
        await asked(server, url="/y")


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"hello " * 50_000)),
        ("gzip", gzip.compress(b"hello " * 25_000) + gzip.compress(b"hello " * 25_000)),
        ("deflate", zlib.compress(b"hello " * 50_000)),
        ("deflate", zlib.compress(b"hello " * 50_000, wbits=-15)),
        ("identity", b"hello " * 50_000),
    ],
)
async def test_compressed_answers_are_read(server: Recorder, encoding: str, packed: bytes) -> None:
    server.on("/x", Reply(packed, headers={"content-encoding": encoding}))

    output = await asked(server, url="/x")

    assert output.body == b"hello " * 50_000
    assert server.last.header("accept-encoding") == "gzip, deflate"


async def test_no_more_is_read_than_was_said(server: Recorder) -> None:
    server.on("/x", Reply(b"0123456789"))

    assert await asked(server, url="/x", max_output=10) == Output(b"0123456789", "application/json")
    assert await asked(server, url="/x", max_output=9) == Output(b"012345678", "application/json", is_cut=True)


async def test_a_bomb_is_cut_where_it_is_unpacked(server: Recorder) -> None:
    """Two gigabytes of zeros in two megabytes: no more of them is unpacked than may be read."""
    bomb = gzip.compress(bytes(64 << 20), 9) * 32
    server.on("/x", Reply(bomb, headers={"content-encoding": "gzip"}))

    output = await asked(server, url="/x", max_output=100_000)

    assert (len(output.body), output.is_cut) == (100_000, True)


async def test_an_endless_answer_is_cut(server: Recorder) -> None:
    server.on("/x", Reply(b"x" * 65_536 for _ in range(2_000)))

    output = await asked(server, url="/x", max_output="1MB")

    assert (len(output.body), output.is_cut) == (1 << 20, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_within_the_origin_a_get_is_followed(server: Recorder, status: int) -> None:
    server.on("/old", Reply(status=status, headers={"location": "../new?a=1#top"}))

    output = await asked(server, url="/old?b=2", headers={"X-A": "1"})

    assert [one.target for one in server.arrived] == ["/old?b=2", "/new?a=1"]
    assert server.last.header("x-a") == "1"
    assert output.failed == ""


@pytest.mark.parametrize("status", [307, 308])
async def test_other_methods_are_sent_again_where_that_is_meant(server: Recorder, status: int) -> None:
    server.on("/old", Reply(status=status, headers={"location": "/new"}))

    await asked(server, method="POST", url="/old", json={"a": 1})

    assert [(one.method, one.path, one.body) for one in server.arrived] == [
        ("POST", "/old", b'{"a":1}'),
        ("POST", "/new", b'{"a":1}'),
    ]


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_other_methods_are_not_followed_elsewhere(server: Recorder, status: int) -> None:
    server.on("/old", Reply(status=status, headers={"location": "http://evil.example/"}))

    output = await asked(server, method="POST", url="/old", json={"a": 1})

    assert len(server.arrived) == 1
    assert output.failed == ""


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/",
        "//evil.example/x",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://user@127.0.0.1:{port}/",
        "/\\evil",
    ],
)
async def test_no_answer_chooses_another_host(server: Recorder, location: str) -> None:
    server.on("/old", Reply(status=302, headers={"location": location.format(port=server.port)}))

    with pytest.raises(RunError, match="sent on to"):
        await asked(server, url="/old")

    assert len(server.arrived) == 1


async def test_going_round_in_circles_ends(server: Recorder) -> None:
    server.on("/a", Reply(status=302, headers={"location": "/a"}))

    with pytest.raises(RunError, match="redirected more than 5 times"):
        await asked(server, url="/a")

    assert len(server.arrived) == 6


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_passes_is_tried_again(server: Recorder, status: int) -> None:
    server.in_turn("/x", Reply(status=status), Reply(status=status), as_json("done"))

    output = await asked(server, method="PUT", url="/x", json=1, retries={"attempts": 3, "pause": 0.01})

    assert items(output) == "done"
    assert [one.body for one in server.arrived] == [b"1", b"1", b"1"]


async def test_attempts_end(server: Recorder) -> None:
    server.on("/x", Reply(status=503))

    output = await asked(server, url="/x", retries={"attempts": 3, "pause": 0.01})

    assert output.failed.startswith("503 ")
    assert len(server.arrived) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 500, 501])
async def test_what_stays_is_not_tried_again(server: Recorder, status: int) -> None:
    server.on("/x", Reply(status=status))

    await asked(server, url="/x", retries={"attempts": 3, "pause": 0.01})

    assert len(server.arrived) == 1


async def test_without_retries_nothing_is_sent_twice(server: Recorder) -> None:
    server.on("/x", Reply(status=503))

    await asked(server, url="/x")

    assert len(server.arrived) == 1


async def test_a_server_says_how_long_to_wait(server: Recorder) -> None:
    server.in_turn("/x", Reply(status=503, headers={"retry-after": "0"}), as_json("done"))

    output = await asked(server, url="/x", retries={"attempts": 2, "pause": "1h"})

    assert items(output) == "done"


async def test_who_wants_us_to_wait_too_long_is_not_waited_for(server: Recorder) -> None:
    for told in ("86400", "Fri, 31 Dec 2100 23:59:59 GMT"):
        server.on("/x", Reply(status=429, headers={"retry-after": told}))

        output = await asked(server, url="/x", retries={"attempts": 2, "pause": 0.01})

        assert output.failed.startswith("429 ")
    assert len(server.arrived) == 2


def page_of(request: Arrived) -> int:
    return int(dict(pair.split("=") for pair in request.query.split("&") if pair).get("page", "1"))


async def test_pages_by_number_are_read_until_one_is_empty(server: Recorder) -> None:
    server.on("/x", lambda request: as_json({"data": [[1, 2], [3], []][page_of(request) - 1]}))

    output = await asked(server, url="/x?a=1", pages={"items": "data", "number": 1, "parameter": "page"})

    assert output == Output(value=[1, 2, 3])
    assert [one.query for one in server.arrived] == ["a=1&page=1", "a=1&page=2", "a=1&page=3"]


async def test_pages_by_cursor_are_read_until_there_is_none(server: Recorder) -> None:
    server.in_turn(
        "/x",
        as_json({"items": ["a"], "meta": {"next": "c&1"}}),
        as_json({"items": ["b"], "meta": {"next": 7}}),
        as_json({"items": ["c"], "meta": {"next": None}}),
    )

    output = await asked(
        server, url="/x", query={"n": 1}, pages={"items": "items", "cursor": "meta.next", "parameter": "after"}
    )

    assert output == Output(value=["a", "b", "c"])
    assert [one.query for one in server.arrived] == ["n=1", "n=1&after=c%261", "n=1&after=7"]


async def test_a_cursor_that_does_not_move_ends_the_pages(server: Recorder) -> None:
    server.on("/x", as_json({"items": [1], "next": "same"}))

    output = await asked(server, url="/x", pages={"items": "items", "cursor": "next", "parameter": "after"})

    assert output.value == [1, 1]


async def test_pages_by_link_are_followed(server: Recorder) -> None:
    server.in_turn(
        "/x",
        as_json([1], link='</x?page=0>; rel="prev", </x?page=2>; title="a, b"; rel="next last"'),
        as_json([2], link=f"<{server.base}/x?page=3>; rel=next"),
        as_json([3], link='</x?page=1>; rel="first"'),
    )

    output = await asked(server, url="/x", pages={"items": "", "link": True})

    assert output == Output(value=[1, 2, 3])
    assert [one.query for one in server.arrived] == ["", "page=2", "page=3"]


async def test_no_link_leads_to_another_host(server: Recorder) -> None:
    server.on("/x", as_json([1], link='<http://evil.example/x>; rel="next"'))

    with pytest.raises(RunError, match=r"sent on to http://evil\.example"):
        await asked(server, url="/x", pages={"items": "", "link": True})


async def test_only_so_many_pages_are_read_and_more_are_told(server: Recorder) -> None:
    server.on("/x", lambda request: as_json([page_of(request)]))

    output = await asked(server, url="/x", pages={"items": "", "number": 1, "parameter": "page", "most": 2})

    assert output == Output(value=[1, 2], is_cut=True)


async def test_pages_together_are_no_longer_than_was_said(server: Recorder) -> None:
    server.on("/x", as_json(["x" * 1_000]))

    output = await asked(server, url="/x", max_output=2_500, pages={"items": "", "number": 1, "parameter": "page"})

    assert output.is_cut
    assert len(output.value) == 2


async def test_a_page_that_fails_is_told_with_what_came_before(server: Recorder) -> None:
    server.in_turn("/x", as_json([1]), as_json("broken", 500))

    output = await asked(server, url="/x", pages={"items": "", "number": 1, "parameter": "page"})

    assert output.failed.startswith("500 Internal Server Error")
    assert output.value == [1]


@pytest.mark.parametrize(("body", "words"), [(b"<html>", "page 1 is no JSON"), (b'{"a": 1}', "no list at data")])
async def test_pages_that_are_none_are_told(server: Recorder, body: bytes, words: str) -> None:
    server.on("/x", Reply(body))

    with pytest.raises(RunError, match=words):
        await asked(server, url="/x", pages={"items": "data", "number": 1, "parameter": "page"})


async def test_events_are_told_while_they_come(server: Recorder) -> None:
    """Each is sent when the one before was told."""
    heard: list[str] = []
    told = [anyio.Event(), anyio.Event(), anyio.Event()]

    async def tell(line: str) -> None:
        heard.append(line)
        told[len(heard) - 1].set()

    async def events() -> AsyncIterator[bytes]:
        yield b'event: step\ndata: {"n": 1}\n\n: comment\n\n'
        await told[0].wait()
        yield b"data: two\ndata: lines\n\n"
        await told[1].wait()
        yield b"data: [DONE]"

    server.on("/x", lambda _: Reply(events(), content_type="text/event-stream; charset=utf-8"))

    output = await asked(server, tell=tell, url="/x", stream="events")

    assert heard == ['{"n": 1}', "two lines", "[DONE]"]
    assert output.value == [{"n": 1}, "two\nlines", "[DONE]"]


async def test_lines_are_told_while_they_come(server: Recorder) -> None:
    heard: list[str] = []
    told = [anyio.Event(), anyio.Event(), anyio.Event()]

    async def tell(line: str) -> None:
        heard.append(line)
        told[len(heard) - 1].set()

    async def lines() -> AsyncIterator[bytes]:
        yield b"one\r\ntw"
        await told[0].wait()
        yield b"o\n\n"
        await told[1].wait()
        yield b"three"

    server.on("/x", lambda _: Reply(lines(), content_type="text/plain"))

    output = await asked(server, tell=tell, url="/x", stream="lines")

    assert heard == ["one", "two", "three"]
    assert output.body == b"one\r\ntwo\n\nthree"


async def test_an_answer_that_is_no_stream_is_read_as_any_other(server: Recorder) -> None:
    heard: list[str] = []

    async def tell(line: str) -> None:
        heard.append(line)

    server.on("/x", as_json({"a": 1}))
    server.on("/y", Reply(b"data: no\n\n", 500, "text/event-stream"))

    assert items(await asked(server, tell=tell, url="/x", stream="events")) == {"a": 1}
    assert (await asked(server, tell=tell, url="/y", stream="events")).failed.startswith("500")
    assert heard == []


async def test_endless_events_are_cut(server: Recorder) -> None:
    server.on("/x", Reply((b"data: x\n\n" for _ in range(100_000)), content_type="text/event-stream"))

    output = await asked(server, url="/x", stream="events", max_output=900)

    assert (output.value, output.is_cut) == (["x"] * 100, True)


async def test_a_call_that_is_cancelled_leaves_the_others_alone(server: Recorder) -> None:
    arrived = anyio.Event()

    async def never(_: Arrived) -> Reply:
        arrived.set()
        await anyio.sleep_forever()
        raise AssertionError

    server.on("/never", never)
    async with running(server) as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, Http(url="/never"), {})
        await arrived.wait()
        tasks.cancel_scope.cancel()
    async with running(server) as runner:
        assert (await runner.run(Http(url="/x"), {})).failed == ""


async def test_no_proxy_of_the_environment_is_used(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (await asked(server, url="/x")).failed == ""


async def test_a_cookie_of_one_answer_is_not_sent_with_the_next_request(server: Recorder) -> None:
    server.on("/x", as_json(1, set_cookie="session=of-another-call"))
    async with running(server) as runner:
        for _ in range(2):
            await runner.run(Http(url="/x"), {})

    assert server.last.all("cookie") == []


async def test_a_failure_tells_no_secret_that_stands_in_the_url(server: Recorder) -> None:
    server.on("/s3cret-value/x", as_json({"path": "/s3cret-value/x"}, 404))

    output = await asked(server, url="/${TOKEN}/x")

    assert output.failed == f"404 Not Found from GET 127.0.0.1:{server.port}/***/x"
    assert items(output) == {"path": "/***/x"}


async def test_what_is_at_a_url_is_fetched(server: Recorder) -> None:
    server.on("/x.png", Reply(b"\x89PNG", content_type="image/png"))

    async with running(server) as runner:
        assert await runner.fetch(f"{server.base}/x.png") == Output(b"\x89PNG", "image/png")
