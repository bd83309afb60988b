"""Connections are kept for as long as they are good, and not for longer."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http1 import dial as dial_module
from magictunnel.wire.http1 import pool as pool_module
from magictunnel.wire.http1.address import Address
from magictunnel.wire.http1.connection import Connection
from magictunnel.wire.http1.dial import Info, first_to_answer, in_turns
from magictunnel.wire.http1.head import Head
from magictunnel.wire.http1.pool import IDLE_TIMEOUT, MAX_IDLE, Pool, Unreachable
from magictunnel.wire.streamable import http_wire
from tests.wire.http1.stage import Asked, Stage, played

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Connections are made of what an event loop offers: each of those that we run on."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


async def answer(asked: Asked) -> None:
    await asked.result()


@asynccontextmanager
async def wired(*, play: Any = answer, size: int = 1) -> AsyncIterator[tuple[Any, Stage]]:
    with anyio.fail_after(10):
        async with played(play) as stage, http_wire(stage.url, {}, Evidence()) as wire:
            async with anyio.create_task_group() as tasks:
                for _ in range(size):
                    tasks.start_soon(wire.send_raw_request, "x", {})
            yield wire, stage


async def test_what_is_idle_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_TIMEOUT", 0.05)
    async with wired(size=5) as (wire, stage):
        await stage.until(lambda: stage.open == 0)
        await wire.send_raw_request("x", {})
        await stage.until(lambda: stage.open == 0)

    assert stage.accepted == 6


async def test_only_so_many_are_kept() -> None:
    at_once = MAX_IDLE + 8

    async def together(asked: Asked) -> None:
        await stages[0].until(lambda: len(stages[0].requests) == at_once)
        await asked.result()

    stages: list[Stage] = []
    with anyio.fail_after(10):
        async with played(together) as stage, http_wire(stage.url, {}, Evidence()) as wire:
            stages.append(stage)
            async with anyio.create_task_group() as tasks:
                for _ in range(at_once):
                    tasks.start_soon(wire.send_raw_request, "x", {})
            await stage.until(lambda: stage.open == MAX_IDLE)


class OnePair:
    """A connection whose other end is in hand, as a pool and whoever waits use it."""

    def __init__(self) -> None:
        ours, self.other = socket.socketpair()
        self.ours = ours
        self.connection = Connection(self._freed, lambda _one: None)
        self._is_last = False
        self.heard = anyio.Event()
        self.was_fresh = False
        self.behind = b""
        """What comes behind the last answer; nothing: its end."""

    def _freed(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()

    def on_whole(self, _head: Head, _body: bytes) -> None:
        if self._is_last and self.behind:
            self.other.send(self.behind)
        elif self._is_last:
            self.other.close()
        self.was_fresh = self.connection.is_fresh
        self.heard.set()

    def on_head(self, head: Head) -> None: ...

    def on_body(self, chunk: bytes) -> None: ...

    def on_end(self) -> None: ...

    def on_broken(self, error: Exception | None) -> None: ...

    async def asked(self, *, is_last: bool = False) -> bool:
        """Have a request answered; whether the connection then seemed fit for another, in that very step."""
        self.heard = anyio.Event()
        self._is_last = is_last
        self.connection.send(b"", b"x", self)
        self.other.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        await self.heard.wait()
        return self.was_fresh


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("behind", [b"", b"nobody asked for this"], ids=["end", "bytes"])
async def test_a_connection_with_something_behind_its_answer_is_given_nothing_more(before: int, behind: bytes) -> None:
    """However often it was kept: what its server did is known before the event loop comes round to it."""
    with anyio.fail_after(10):
        pair = OnePair()
        await asyncio.get_running_loop().create_connection(lambda: pair.connection, sock=pair.ours)

        for _ in range(before):
            assert await pair.asked()
        pair.behind = behind
        assert not await pair.asked(is_last=True)
        pair.connection.close()
        pair.other.close()


async def test_all_end_with_the_wire() -> None:
    async with wired(size=3) as (_, stage):
        assert stage.open == 3
    assert stage.accepted == 3


async def test_something_that_nobody_asked_for_ends_a_connection() -> None:
    async def talks(asked: Asked) -> None:
        await asked.result()
        if len(stages[0].requests) == 1:
            await go_on.wait()
            await asked.send(b"HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n")
            await asked.gone()

    stages: list[Stage] = []
    go_on = anyio.Event()
    with anyio.fail_after(IDLE_TIMEOUT / 2):
        async with played(talks) as stage, http_wire(stage.url, {}, Evidence()) as wire:
            stages.append(stage)
            await wire.send_raw_request("x", {})
            go_on.set()
            await stage.until(lambda: stage.open == 0)
            await wire.send_raw_request("x", {})

    assert [asked.connection for asked in stage.requests] == [1, 2]


async def test_a_host_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "CONNECT_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(address)
        with anyio.fail_after(5):
            with pytest.raises(Unreachable, match="TimeoutError"):
                await Pool(Address.of(f"http://127.0.0.1:{address[1]}/")).connect()
        for other in others:
            other.close()


async def test_a_host_that_nobody_knows_is_unreachable() -> None:
    with anyio.fail_after(10), pytest.raises(Unreachable):
        await Pool(Address.of("http://no-such-host.invalid/")).connect()


class Taker:
    """Takes one response; see `Receiver`."""

    def __init__(self) -> None:
        self.is_whole = anyio.Event()

    def on_whole(self, head: Head, body: bytes) -> None:
        self.is_whole.set()

    def on_head(self, head: Head) -> None: ...

    def on_body(self, chunk: bytes) -> None: ...

    def on_end(self) -> None:
        self.is_whole.set()

    def on_broken(self, error: Exception | None) -> None: ...


@pytest.mark.parametrize(("moved_to", "is_kept"), [("127.0.0.1", True), ("localhost", False)])
async def test_a_connection_that_was_in_use_when_its_server_moved_is_not_kept(moved_to: str, is_kept: bool) -> None:
    async def pong(asked: Asked) -> None:
        await asked.answer(200, b"pong")

    with anyio.fail_after(10):
        async with played(pong) as stage:
            pool = Pool(Address.of(stage.url))
            connection = await pool.connect()
            pool.move(Address.of(f"http://{moved_to}:{stage.port}/other"))
            taker = Taker()
            connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", b"", taker)
            await taker.is_whole.wait()
            assert pool.take() is (connection if is_kept else None)
            assert connection.is_closing != is_kept
            pool.close()


def info(family: int, host: str) -> Info:
    return family, socket.SOCK_STREAM, 0, "", (host, 80)


def test_addresses_of_both_families_take_turns() -> None:
    six, four = [info(socket.AF_INET6, f"::{n}") for n in range(3)], [info(socket.AF_INET, "1.1.1.1")]

    assert in_turns([*six, *four]) == [six[0], four[0], six[1], six[2]]
    assert in_turns([]) == []


async def test_an_address_that_works_is_found_behind_ones_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "HEAD_START", 0.01)
    with (
        socket.create_server(("127.0.0.1", 0)) as good,
        socket.create_server(("127.0.0.2", 0), backlog=0) as full,
        anyio.fail_after(5),
    ):
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in (full.getsockname(), ("127.0.0.1", 1), good.getsockname())
        ]

        with await first_to_answer(found) as connected:
            assert connected.getpeername() == good.getsockname()
        for other in others:
            other.close()


# --- TLS


def certificate(folder: Path, *names: str) -> Path:
    """A certificate that signs itself, and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.IPAddress(ipaddress.ip_address(one)) for one in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kept = folder / "certificate.pem"
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    kept.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return kept


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2"])
async def test_over_tls_only_a_server_with_the_right_certificate_is_talked_to(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, name)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(path)
    monkeypatch.setattr(pool_module, "_tls", lambda: ssl.create_default_context(cafile=str(path)))
    with anyio.fail_after(10):
        async with played(answer, theirs) as stage, http_wire(stage.url, {}, Evidence()) as wire:
            if name == "127.0.0.1":
                for text in ("x", "x" * 1_000_000, "y"):
                    assert await wire.send_raw_request("x", {"text": text}) == {}
                assert stage.accepted == 1
            else:
                with pytest.raises(Exception, match="nothing was sent"):
                    await wire.send_raw_request("x", {})
                assert stage.requests == []
