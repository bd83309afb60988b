"""The control channel: whom it answers, what it answers to anything at all, and what is left of those that are gone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from magictunnel.admin.channel import MAX_REQUEST, Channel
from magictunnel.admin.place import folder, own_socket
from magictunnel.admin.reach import Running, running
from magictunnel.catalog.model import Json
from magictunnel.config.load import load
from magictunnel.errors import ConfigError
from magictunnel.gateway import Gateway, build
from magictunnel.gateway import running as run_gateway
from magictunnel.reload import Reloader
from tests.support.gateways import IS_ROOT, NOBODY, is_answered, own_env, socket_of, steered
from tests.support.memory import until
from tests.support.process import config_file, entry, shell
from tests.support.raw import Script, tool

pytestmark = pytest.mark.anyio

GOOD = Script(name="good", offers={"tools": [tool("echo")]})
PATIENCE = 15.0


@dataclass
class Scene:
    """A gateway in this process, and its channel."""

    gateway: Gateway
    config: Path

    async def say(self, *lines: bytes) -> list[Json]:
        """What is answered to these lines on one connection, until it is hung up or all are answered."""
        answers: list[Json] = []
        async with await anyio.connect_unix(own_socket()) as stream:
            received = b""
            with contextlib.suppress(anyio.BrokenResourceError):  # it may hang up before it has read all
                await stream.send(b"".join(line + b"\n" for line in lines))
            while received.count(b"\n") < len(lines):
                try:
                    received += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    break
            answers += [json.loads(line) for line in received.splitlines()]
        return answers

    async def ask(self, **request: object) -> Json:
        (answer,) = await self.say(json.dumps(request).encode())
        return answer


@asynccontextmanager
async def scene(tmp_path: Path, **servers: Json) -> AsyncIterator[Scene]:
    config = config_file(tmp_path, servers or {"good": entry(GOOD, tmp_path)})
    with anyio.fail_after(PATIENCE):
        async with run_gateway(build(load(config))) as gateway, anyio.create_task_group() as tasks:
            tasks.start_soon(Channel(gateway, Reloader(gateway), "in a test").serve)
            await until(lambda: is_answered(own_socket()))
            await gateway.settled()
            yield Scene(gateway, config)
            # anyio's raw sockets cannot be cancelled in the very moment in which the other end hangs up.
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()


# --- who is answered, and where


async def test_its_socket_is_for_us_alone_and_goes_with_it(tmp_path: Path) -> None:
    async with scene(tmp_path):
        seen = os.stat(own_socket())
        assert stat.S_ISSOCK(seen.st_mode)
        assert stat.S_IMODE(seen.st_mode) == 0o600
        assert seen.st_uid == os.getuid()

    assert not own_socket().exists()


async def test_what_a_killed_process_of_our_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(own_socket()))

    async with scene(tmp_path) as here:
        assert "result" in await here.ask(do="about")


async def test_where_there_can_be_no_channel_a_gateway_does_without(tmp_path: Path) -> None:
    folder().chmod(0o770)
    config = config_file(tmp_path, {"good": entry(GOOD, tmp_path)})
    with anyio.fail_after(PATIENCE):
        async with run_gateway(build(load(config))) as gateway:
            await Channel(gateway, Reloader(gateway), "in a test").serve()


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else for a moment")
async def test_another_user_is_hung_up_on_even_if_the_doors_were_open(tmp_path: Path, runtime: Path) -> None:
    async with scene(tmp_path) as here:
        path = own_socket()
        for door, mode in ((runtime, 0o711), (path.parent, 0o711), (path, 0o666)):
            os.chmod(door, mode)
        line = "import socket, sys, os; os.setuid(int(sys.argv[2])); s = socket.socket(socket.AF_UNIX);"
        line += ' s.connect(sys.argv[1]); s.send(b\'{"do": "about"}\\n\'); print(s.recv(99))'
        words = [sys.executable, "-S", "-c", line, str(path), str(NOBODY)]
        done = await anyio.run_process(words, check=False, stderr=subprocess.PIPE)

        assert done.stdout.strip() == b"b''" or re.search(b"BrokenPipeError|ConnectionResetError", done.stderr)
        for door in (runtime, path.parent):
            os.chmod(door, 0o700)
        assert "result" in await here.ask(do="about")


# --- what is answered


async def test_it_says_what_it_is_and_how_its_servers_are(tmp_path: Path) -> None:
    async with scene(tmp_path, good=entry(GOOD, tmp_path), wrong={"commnd": "x"}) as here:
        about = (await here.ask(do="about"))["result"]
        assert about["pid"] == os.getpid()
        assert about["config"] == str(here.config)
        assert about["serves"] == "in a test"
        good, wrong = (await here.ask(do="status"))["result"]["servers"]

    assert (good["server"], good["state"], good["counts"]["tools"], good["is_down"]) == ("good", "ready", 1, False)
    assert (wrong["server"], wrong["state"], wrong["is_down"]) == ("wrong", "wrong", True)
    assert "did you mean 'command'" in wrong["last_error"]["cause"]


@pytest.mark.parametrize(
    "line",
    [
        b"junk",
        b"\xff\xfe",
        b"[" * 50_000,
        b"null",
        b"[]",
        b'"about"',
        b"{}",
        b'{"do": "nothing"}',
        b'{"do": ["about"]}',
        b'{"do": null}',
        b'{"do": "restart"}',
        b'{"do": "restart", "server": 7}',
        b'{"do": "restart", "server": "nobody"}',
        b'{"do": "refresh", "server": ["good"]}',
        b'{"do": "refresh", "server": "nobody"}',
    ],
    ids=lambda line: line[:40].decode(errors="replace"),
)
async def test_junk_is_answered_with_an_error_and_harms_nobody(line: bytes, tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        refusal, after = await here.say(line, b'{"do": "about"}')

    assert refusal["error"]["message"]
    assert after["result"]["pid"] == os.getpid()


@pytest.mark.parametrize("server", [["good"], {"good": 1}, 7, None, "nobody"])
async def test_a_reload_for_what_is_no_servers_name_is_a_plain_reload(server: object, tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        assert await here.ask(do="reload", server=server) == {"result": {"told": "nothing changed"}}


async def test_a_request_that_is_too_long_is_refused_and_hung_up_on(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        (refusal,) = await here.say(b"x" * (MAX_REQUEST * 4), b'{"do": "about"}')
        assert refusal["error"]["message"] == f"a request has at most {MAX_REQUEST} bytes"
        assert "result" in await here.ask(do="about")


async def test_whoever_hangs_up_or_never_reads_harms_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        for line in (b"", b'{"do": "status"', b'{"do": "status"}\n' * 2_000):
            async with await anyio.connect_unix(own_socket()) as stream:
                await stream.send(line)
        async with await anyio.connect_unix(own_socket()) as silent:
            await silent.send(b'{"do": "status"}\n' * 2_000)
            assert "result" in await here.ask(do="about")


async def test_a_config_that_cannot_be_used_is_told_with_its_place_and_changes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        here.config.write_text('{"mcpServers": {\n"good": {"command"', "utf-8")
        refusal = (await here.ask(do="reload"))["error"]
        assert refusal["message"].startswith("not valid JSON")
        assert (refusal["file"], refusal["line"]) == (str(here.config), 2)
        (good,) = (await here.ask(do="status"))["result"]["servers"]

    assert good["state"] == "ready"


async def test_a_reload_tells_what_changed_and_how_a_server_fares(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        servers = {"good": entry(GOOD, tmp_path), "dead": shell("echo 'no license' >&2; exit 3")}
        config_file(tmp_path, servers)
        done = (await here.ask(do="reload", server="dead"))["result"]

    assert done["told"] == "added dead"
    assert done["status"]["is_down"]
    assert done["status"]["last_error"] == {
        "phase": "handshake",
        "cause": "the process ended with exit code 3",
        "hint": "its stderr ends: no license",
    }


async def test_a_restart_and_a_refresh_tell_how_the_server_is_afterwards(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        before = (await here.ask(do="status"))["result"]["servers"][0]
        restarted = (await here.ask(do="restart", server="good"))["result"]["status"]
        refreshed = (await here.ask(do="refresh", server="good"))["result"]["status"]

    assert (restarted["state"], restarted["restarts"]) == ("ready", before["restarts"] + 1)
    assert (refreshed["state"], refreshed["restarts"]) == ("ready", before["restarts"] + 1)
    assert before["listed_at"] < restarted["listed_at"] < refreshed["listed_at"]


async def test_a_refresh_of_a_server_that_is_down_tells_why_it_is(tmp_path: Path) -> None:
    """It may have been about to come up when somebody asked."""
    async with scene(tmp_path) as here:
        config_file(tmp_path, {"good": entry(GOOD, tmp_path), "dead": shell("echo 'no license' >&2; exit 3")})
        await here.ask(do="reload", server="dead")
        refreshed = (await here.ask(do="refresh", server="dead"))["result"]["status"]

    assert refreshed["is_down"]
    assert refreshed["last_error"]["cause"] == "the process ended with exit code 3"


# --- from the shell's end


async def test_gateways_are_found_by_their_file_by_links_to_it_and_by_what_it_includes(
    tmp_path: Path, runtime: Path
) -> None:
    env = own_env(runtime)
    included = config_file(tmp_path, {"good": entry(GOOD, tmp_path)})
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(f"include: [{included.name}]\n", "utf-8")
    second.write_text("mcpServers: {}\n", "utf-8")
    link = tmp_path / "link.yaml"
    os.symlink(first, link)

    async with steered(first, env) as (one, _), steered(second, env) as (other, _):
        pids = {"first": one.process.pid, "second": other.process.pid}
        assert [found.pid for found in await running()] == [pids["first"], pids["second"]]
        for file, expected in ((first, "first"), (link, "first"), (included, "first"), (second, "second")):
            assert [found.pid for found in await running(file)] == [pids[expected]]
        assert await running(tmp_path / "third.yaml") == []


async def test_what_is_left_of_a_killed_gateway_is_removed_and_its_last_words_are_none(
    tmp_path: Path, runtime: Path
) -> None:
    env = own_env(runtime)
    async with steered(config_file(tmp_path, {}), env) as (host, _):
        (known,) = await running()
        host.process.send_signal(signal.SIGKILL)
        await host.ended()
        assert socket_of(host, env).exists()

        with pytest.raises(ConfigError, match=rf"the gateway {known.pid} has ended \(start it again\)"):
            await known.ask("status")
        assert await running() == []
        assert not socket_of(host, env).exists()


async def test_a_gateway_that_is_just_starting_is_left_alone() -> None:
    """Between its birth and its first ear a socket refuses as one does whose process was killed."""
    alive, dead = own_socket(), folder() / f"{2**22 + 1}.sock"
    with socket.socket(socket.AF_UNIX) as starting, socket.socket(socket.AF_UNIX) as killed:
        starting.bind(str(alive))
        killed.bind(str(dead))

        assert await running() == []
        assert [path.exists() for path in (alive, dead)] == [True, False]
        starting.listen()
        assert is_answered(alive)


async def test_a_gateway_that_is_stopped_is_not_waited_for(tmp_path: Path, runtime: Path) -> None:
    async with steered(config_file(tmp_path, {}), own_env(runtime)) as (host, _):
        host.process.send_signal(signal.SIGSTOP)
        with anyio.fail_after(PATIENCE):
            assert await running() == []
        host.process.send_signal(signal.SIGCONT)
        with anyio.fail_after(PATIENCE):
            assert [found.pid for found in await running()] == [host.process.pid]


@pytest.mark.parametrize(
    "answer", [b"", b"junk\n", b"[1]\n", b"{}\n", b'{"result": {}}\n', b'{"result": {"pid": 1}}\n']
)
async def test_whoever_else_listens_there_is_no_gateway(answer: bytes) -> None:
    listener = await anyio.create_unix_listener(folder() / "1.sock")

    async def reply(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(answer)

    with anyio.fail_after(PATIENCE):
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, reply)
            assert await running() == []
            tasks.cancel_scope.cancel()


async def test_a_refusal_keeps_its_place(tmp_path: Path, runtime: Path) -> None:
    config = config_file(tmp_path, {})
    async with steered(config, own_env(runtime)):
        gateway: Running = (await running())[0]
        config.write_text("{", "utf-8")
        with pytest.raises(ConfigError) as caught:
            await gateway.ask("reload")

    assert str(caught.value).startswith(f"{config}:1: not valid JSON")
