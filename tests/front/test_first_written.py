"""What the next host is told at once is what it would be told later; it is kept whole, and for us alone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from magictunnel.config.load import load
from magictunnel.front import first_written
from magictunnel.front.first_talk import CLIENT_CAPABILITIES, CLIENT_INFO, LISTS, PROTOCOL_VERSION, Talk
from magictunnel.front.first_words import Words, read_words
from magictunnel.front.first_written import Keeper, answers_of
from magictunnel.front.pipe import PipeClient
from magictunnel.front.server import FrontServer
from magictunnel.gateway import Gateway, build, running
from magictunnel.store.place import words_path
from tests.front.test_pipe import Heard
from tests.support.process import config_file, entry
from tests.support.raw import Json, Script, tool
from tests.support.wires import own_wire

pytestmark = [pytest.mark.anyio, own_wire]

PATIENCE = 20.0
OFFERS = {
    "tools": [tool("é", title="\u2028"), tool("two", inputSchema={"type": "object", "maximum": 2**70})],
    "prompts": [{"name": "p"}],
    "resources": [{"uri": "a://b", "name": "r"}],
    "resourceTemplates": [{"uriTemplate": "a://{b}", "name": "t"}],
}
MODES: list[Json] = [{}, {"discovery": {"mode": "search"}}, {"discovery": {"mode": "auto", "max_tools": 1}}]


def config(folder: Path, offers: Mapping[str, Any] = OFFERS, **more: Any) -> Path:
    script = Script(name="srv", offers=dict(offers), instructions="be kind")
    return config_file(folder, {"srv": entry(script, folder)}, **more)


def dialogue(version: str, name: str) -> list[Json]:
    """What a client of that name asks first."""
    about = {"name": name, "version": "1"}
    if version in HANDSHAKE_PROTOCOL_VERSIONS:
        opening = {"protocolVersion": version, "capabilities": {"roots": {}}, "clientInfo": about}
        asked = [("initialize", opening), ("ping", {}), *((method, {}) for method in LISTS)]
    else:
        meta = {"_meta": {PROTOCOL_VERSION: version, CLIENT_CAPABILITIES: {}, CLIENT_INFO: about}}
        asked = [(method, meta) for method in ("server/discover", *LISTS)]
    return [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(asked)
    ]


async def later(gateway: Gateway, asked: list[Json]) -> list[Json]:
    """What the front answers."""
    heard = Heard()
    client = PipeClient(FrontServer(gateway), heard)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        answers = []
        for message in asked:
            client.peer.received(json.dumps(message).encode())
            answers.append(await heard.answer(message["id"]))
        client.peer.end()
    return answers


def at_once(words: Words, asked: list[Json]) -> list[Json]:
    """What the thread answers."""
    talk = Talk(words)
    heard = [talk.take(json.dumps(message).encode()) for message in asked]
    return [
        json.loads(b'{"jsonrpc":"2.0","id":%d' % message["id"] + (one.answer if one else b"?"))
        for message, one in zip(asked, heard, strict=True)
    ]


async def up(gateway: Gateway) -> None:
    await gateway.settled()
    for name in gateway.status:
        await gateway.tried(name)


@pytest.mark.parametrize("name", ["raw", "claude-code"])
@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_what_is_said_at_once_is_what_is_said_later(mode: Json, name: str, tmp_path: Path) -> None:
    file, environ = config(tmp_path, **mode), {"MAGICTUNNEL_STORE": str(tmp_path / "s.db")}
    path = words_path(str(file), environ)
    assert path is not None
    with anyio.fail_after(PATIENCE):
        async with running(build(load(file))) as gateway, anyio.create_task_group() as tasks:
            await up(gateway)
            tasks.start_soon(Keeper(gateway, environ).run)
            while (words := read_words(path)) is None:
                await anyio.sleep(0.02)
            for version in (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS):
                asked = dialogue(version, name)
                assert at_once(words, asked) == await later(gateway, asked)
            assert gateway.audience.callers == []
            tasks.cancel_scope.cancel()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == [path.name]


async def test_what_is_not_promised_is_not_answered_at_once(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with running(build(load(config(tmp_path, {"tools": [tool("x")]}, discovery={"mode": "off"})))) as gateway:
            await up(gateway)
            names = await answers_of(gateway)

    assert {name.split(" ")[0] for name in names} == {"initialize", "ping", "server/discover", "tools/list"}


async def test_a_change_is_kept_and_so_is_a_store_of_the_configs_own(tmp_path: Path) -> None:
    """Such a config says where only when it is read, so what was kept before that was known is taken away."""
    file, environ = config(tmp_path), {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    kept = tmp_path / "kept"
    with anyio.fail_after(PATIENCE):
        async with running(build(load(file))) as gateway, anyio.create_task_group() as tasks:
            await up(gateway)
            keeper = Keeper(gateway, environ)
            keeper._path = kept
            tasks.start_soon(keeper.run)
            while read_words(kept) is None:
                await anyio.sleep(0.02)
            gateway.apply(load(config(tmp_path, discovery={"mode": "off"})))
            while read_words(kept) is None:
                await anyio.sleep(0.02)
            gateway.apply(load(config(tmp_path, store=str(tmp_path / "own.db"))))
            while await anyio.Path(kept).exists():
                await anyio.sleep(0.02)
            tasks.cancel_scope.cancel()


async def test_where_not_every_server_is_known_nothing_is_kept(tmp_path: Path) -> None:
    script = Script(name="bad", exit_at_once=3)
    file, environ = config_file(tmp_path, {"bad": entry(script, tmp_path)}), {"MAGICTUNNEL_STORE": str(tmp_path / "s")}
    with anyio.fail_after(PATIENCE):
        async with running(build(load(file))) as gateway, anyio.create_task_group() as tasks:
            await up(gateway)
            assert not gateway.is_complete
            keeper = Keeper(gateway, environ)
            await keeper._keep(tmp_path / "kept")
            tasks.cancel_scope.cancel()

    assert not (tmp_path / "kept").exists()


async def test_where_nothing_is_to_be_kept_nobody_looks_for_it(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with running(build(load(config(tmp_path)))) as gateway:
            await Keeper(gateway, {"MAGICTUNNEL_STORE": "off"}).run()


async def test_whatever_keeps_it_from_being_kept_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up before the first answer: that comes as an error of a whole group of tasks, or of none."""
    monkeypatch.setattr(first_written, "_PATIENCE", 0.0)
    file, environ = config(tmp_path), {"MAGICTUNNEL_STORE": str(tmp_path / "s.db")}
    with anyio.fail_after(PATIENCE):
        async with running(build(load(file))) as gateway:
            await up(gateway)
            await Keeper(gateway, environ).keep()
    path = words_path(str(file), environ)
    assert path is not None
    assert not path.exists()


def test_of_what_others_keep_in_a_folder_of_that_name_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_written, "_MAX_FILES", 2)
    foreign = [tmp_path / name for name in ("notes.txt", "x" * 32, "0" * 31, ".0")]
    own = [tmp_path / f"{number:032x}" for number in range(4)]
    for at, path in enumerate([*foreign, *own]):
        path.touch()
        os.utime(path, (at, at))

    first_written._prune(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*foreign, *own[2:]])
