"""What went out with a request, or into a process, can be read nowhere afterwards."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content.media import decoded
from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.model import Command, Python
from magictunnel.capabilities.language.requests import Bearer, Http, HttpDefaults, Stream
from magictunnel.capabilities.processes.command import run_command
from magictunnel.capabilities.processes.python import run_python
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from tests.capabilities.running import Heard, python, site
from tests.support.recorder import Recorder, Reply

pytestmark = pytest.mark.anyio

SECRET = "Sec/ret+value==QQQQ"
OTHER = "n0t-of-this-request"


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    with anyio.fail_after(30):
        yield


@asynccontextmanager
async def running(server: Recorder, **defaults: Any) -> AsyncIterator[HttpRunner]:
    declared = HttpDefaults.model_validate({"base_url": server.base, "allow_private": True} | defaults)
    secrets = Secrets({"SECRET": SECRET, "NUMBER": "12345678", "OTHER": OTHER})
    secrets.expand("${OTHER}", "elsewhere")
    runner = HttpRunner({"me": Bearer(type="bearer", token="${SECRET}")}, declared, secrets)
    try:
        yield runner
    finally:
        await runner.aclose()


async def asked(server: Recorder, tell: Any = None, **declared: Any) -> Output:
    async with running(server) as runner:
        more = {} if tell is None else {"tell": tell}
        return await runner.run(Http.model_validate(declared), {}, **more)


@pytest.mark.parametrize(
    "declared",
    [
        {"headers": {"X-Key": "${SECRET}"}},
        {"query": {"key": "${SECRET}"}},
        {"method": "POST", "json": {"key": "${SECRET}"}},
        {"method": "POST", "form": {"key": "${SECRET}"}},
        {"cookies": {"key": "${SECRET}"}},
        {"url": "/x?key=${SECRET}"},
    ],
)
async def test_a_secret_is_hidden_wherever_in_a_request_it_stood(server: Recorder, declared: dict[str, Any]) -> None:
    server.on("/x", lambda got: Reply(json.dumps([got.target, got.headers, got.body.decode()]).encode()))

    output = await asked(server, **({"url": "/x"} | declared))

    assert b"***" in output.body
    assert b"QQQ" not in output.body


async def test_a_secret_of_the_file_is_hidden_too(server: Recorder) -> None:
    server.on("/x", lambda request: Reply(request.header("x-key").encode()))

    async with running(server, headers={"X-Key": "${SECRET}"}) as runner:
        assert (await runner.run(Http(url="/x"), {})).body == b"***"


async def test_what_did_not_go_out_with_a_request_is_left_in_its_answer(server: Recorder) -> None:
    server.on("/x", Reply(OTHER.encode()))

    assert (await asked(server, url="/x", auth="me")).body == OTHER.encode()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"got": SECRET}).replace("/", "\\/"),
        '{"got": "' + "".join(f"\\u{ord(char):04X}" for char in SECRET) + '"}',
        json.dumps({"got": json.dumps([SECRET]).replace("/", "\\/")}),
        '{"got": "Sec%2fret%2bvalue%3d%3dQQQQ"}',
    ],
)
async def test_escapes_show_no_secret(server: Recorder, text: str) -> None:
    server.on("/x", Reply(text.encode()))
    server.on("/events", Reply(f"data: {text}\n\n".encode(), content_type="text/event-stream"))
    server.on("/pages", Reply(f"[{text}]".encode()))
    heard = Heard()

    values = [
        [json.loads((await asked(server, url="/x", auth="me")).body)],
        (await asked(server, heard, url="/events", auth="me", stream="events")).value,
        (await asked(server, url="/pages", auth="me", pages={"items": "", "link": True})).value,
    ]

    assert all("***" in value[0]["got"] and "QQQ" not in str(value) for value in values)
    assert "***" in heard.lines[0]
    assert "QQQ" not in heard.lines[0]


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "unicode_escape", "cp037"])
async def test_no_charset_shows_a_secret(server: Recorder, charset: str) -> None:
    text = f"got \u00fc {SECRET}"
    server.on("/x", Reply(text.encode(charset), content_type=f"text/plain; charset={charset}"))

    output = await asked(server, url="/x", auth="me")

    assert decoded(output.body, output.content_type) == "got \u00fc ***"


async def test_a_number_that_is_a_secret_is_hidden_in_pages(server: Recorder) -> None:
    server.on("/x", Reply(b'[{"id": 12345678, "n": 1}]'))

    output = await asked(server, url="/x?k=${NUMBER}", pages={"items": "", "link": True})

    assert output.value == [{"id": "***", "n": 1}]


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
async def test_an_answer_that_is_cut_ends_with_no_part_of_a_secret(server: Recorder, cut: int) -> None:
    server.on("/x", Reply(b"1234 " + SECRET.encode() + b" more", content_type="text/plain"))

    output = await asked(server, url="/x", auth="me", max_output=5 + cut)

    assert (output.body, output.is_cut) == (b"1234 ", True)


@pytest.mark.parametrize("stream", ["events", "lines"])
async def test_what_a_cut_leaves_of_an_event_or_a_line_is_not_told(server: Recorder, stream: str) -> None:
    text = b"data: whole\n\ndata: " + SECRET.encode()
    server.on("/x", Reply(text + b" more", content_type="text/event-stream"))
    heard = Heard()

    output = await asked(server, heard, url="/x", auth="me", stream=stream, max_output=len(text) - 2)

    assert output.is_cut
    assert "Sec" not in f"{output.value} {output.body!r} {heard.lines}"
    assert heard.lines == (["whole"] if stream == "events" else ["data: whole"])


async def test_a_line_without_end_is_read_in_little_time_and_told_by_its_beginning(server: Recorder) -> None:
    server.on("/x", Reply((b"x" * 50 for _ in range(40_000)), content_type="text/plain"))
    heard = Heard()

    with anyio.fail_after(15):
        output = await asked(server, heard, url="/x", stream="lines")

    assert len(output.body) == 2_000_000
    assert heard.lines == ["x" * 500]


async def test_a_long_path_is_told_without_a_part_of_a_secret(server: Recorder) -> None:
    url = "/" + "p" * 190 + "/${SECRET}"
    server.on(url.replace("${SECRET}", "Sec/ret+value==QQQQ"), Reply(b"", 500))

    output = await asked(server, url=url)

    assert output.failed.endswith("p/***")


async def test_a_flood_of_events_is_told_seldom_and_to_its_end(server: Recorder) -> None:
    events = (b"".join(b"data: %d\n\n" % (at * 1_000 + one) for one in range(1_000)) for at in range(50))
    server.on("/x", Reply(events, content_type="text/event-stream"))
    heard = Heard()
    begun = anyio.current_time()

    output = await asked(server, heard, url="/x", stream="events")

    assert len(output.value) == 50_000
    assert len(heard.lines) <= (anyio.current_time() - begun) * 20 + 2
    assert heard.lines[-1] == "49999"


async def test_an_error_of_what_is_told_while_it_comes_is_one_error(server: Recorder) -> None:
    async with running(server, allow_private=False) as runner:
        with pytest.raises(RunError, match="is no public address"):
            await runner.run(Http(url="/x", stream=Stream.EVENTS), {})


@pytest.mark.parametrize("cut", [1, 7, len(SECRET) - 1])
async def test_output_that_is_cut_ends_with_no_part_of_a_secret(tmp_path: Path, cut: int) -> None:
    argv = python("import os; os.write(1, b'1234 ' + os.environb[b'S'] + b' more')")
    command = Command.model_validate({"argv": argv, "env": {"S": "${SECRET}"}, "max_output": 5 + cut})

    output = await run_command(command, {}, site(tmp_path, SECRET=SECRET))

    assert (output.body, output.is_cut) == (b"1234 ", True)


@pytest.mark.parametrize("behind", [8_000 - 5, 64 * 1024 - 5])
async def test_the_end_of_a_reason_begins_with_no_part_of_a_secret(tmp_path: Path, behind: int) -> None:
    argv = python("import os, sys; os.write(2, os.environb[b'S'] + b'P' * int(sys.argv[1])); sys.exit(1)", str(behind))
    command = Command.model_validate({"argv": argv, "env": {"S": "${SECRET}"}})

    output = await run_command(command, {}, site(tmp_path, SECRET=SECRET))

    assert output.failed == "exited with 1"
    assert set(output.body.lstrip(b"*")) == {ord("P")}


@pytest.mark.parametrize("before", [470, 480, 64 * 1024 - 20])
async def test_a_long_exception_ends_with_no_part_of_a_secret(tmp_path: Path, before: int) -> None:
    tmp_path.joinpath("mine.py").write_text(
        "import os\ndef fails(before): raise ValueError('P' * before + os.environ['S'])\n"
    )
    function = Python.model_validate({"function": "mine:fails", "env": {"S": "${SECRET}"}})

    output = await run_python(function, {"before": before}, site(tmp_path, SECRET=SECRET))

    assert set(output.failed.removeprefix("ValueError: ")) <= {"P", "*"}
    assert len(output.failed) <= 500
