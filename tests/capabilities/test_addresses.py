"""Only public addresses are reached, and the one that was checked is the one that is connected to."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

import anyio
import httpcore2
import pytest
from anyio.abc import SocketStream
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.http.addresses import GuardedNetwork, checked, is_public
from magictunnel.errors import RunError

PRIVATE = {
    "this machine": ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "::", "::1"],
    "private networks": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fec0::1"],
    "a provider's network": ["100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"],
    "this link": ["169.254.169.254", "fe80::1", "fe80::a9fe:a9fe"],
    "many at once": ["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1", "ff0e::1"],
    "nobody": ["192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "2001:db8::1", "100::1"],
    "nobody yet": ["3fff::1", "5f00::1", "4000::1", "100:0:0:1::1", "2001:2::1", "2001:10::1"],
    "a site": ["2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1", "fe80::5efe:8.8.8.8"],
    "a relay": ["192.88.99.1", "64:ff9b:1::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1"],
    "translated": ["64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254"],
    "tunnelled": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:1::80ff:fffe"],
}
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2606:4700::5efe:8.8.8.8",
]


@pytest.mark.parametrize("address", [one for some in PRIVATE.values() for one in some])
def test_what_only_we_can_reach_is_private(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_everybody_can_reach_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_no_more_public_within_an_ipv6_one(address: IPv4Address) -> None:
    for start in ("::ffff:0:0", "64:ff9b::", "::"):
        assert is_public(IPv6Address(int(IPv6Address(start)) + int(address))) is is_public(address)


def test_of_several_addresses_the_public_ones_are_used() -> None:
    assert checked("h", ["10.0.0.1", "8.8.8.8", "fe80::1%eth0", "1.1.1.1"]) == ["8.8.8.8", "1.1.1.1"]


def test_the_refusal_says_where_it_led_and_what_allows_it() -> None:
    with pytest.raises(RunError, match=r"metadata\.example is at 169\.254\.169\.254.*http\.allow_private: true"):
        checked("metadata.example", ["169.254.169.254"])


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port on loopback, and what those who came said first."""
    came: list[bytes] = []

    async def take(stream: SocketStream) -> None:
        async with stream:
            came.append(await stream.receive())

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, take)
        yield listener.extra(anyio.abc.SocketAttribute.local_port), came
        tasks.cancel_scope.cancel()


class Names:
    """Resolves every name to the next answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> list[str]:
        self.asked += 1
        return list(self._answers.pop(0))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "localhost.", "127.1", "0x7f000001", "2130706433", "0", "::1", "::ffff:127.0.0.1"],
)
async def test_this_machine_is_refused_by_any_name(host: str) -> None:
    with anyio.fail_after(10):
        async with listening() as (port, came):
            with pytest.raises((RunError, httpcore2.ConnectError)) as caught:
                await GuardedNetwork(allow_private=False).connect_tcp(host, port, 5)

            assert came == []
    if isinstance(caught.value, RunError):
        assert "http.allow_private" in str(caught.value)


@pytest.mark.anyio
async def test_a_name_is_resolved_once_and_what_was_checked_is_what_is_connected_to() -> None:
    """A name that leads elsewhere the second time finds nobody who asks again."""
    names = Names(["192.0.2.1"], ["127.0.0.1"])
    with anyio.fail_after(10):
        async with listening() as (port, came):
            with pytest.raises(RunError):
                await GuardedNetwork(allow_private=False, resolve=names).connect_tcp("rebinding.example", port, 5)

            assert (names.asked, came) == (1, [])


@pytest.mark.anyio
async def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    with anyio.fail_after(10):
        async with listening() as (port, came):
            network = GuardedNetwork(allow_private=True, resolve=Names(["::1", "127.0.0.1"]))

            stream = await network.connect_tcp("two.example", port, 5)

            await stream.write(b"hello")
            assert await stream.read(1, 5) == b""
            await stream.aclose()
            assert came == [b"hello"]


@pytest.mark.anyio
async def test_a_name_without_addresses_cannot_be_reached() -> None:
    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with anyio.fail_after(10), pytest.raises(httpcore2.ConnectError, match="name is not known"):
        await GuardedNetwork(allow_private=True, resolve=unknown).connect_tcp("nowhere.example", 80, 5)


@pytest.mark.anyio
async def test_tls_is_checked_for_the_name_not_for_the_address() -> None:
    """The first words of a TLS connection name the host that the file says."""
    with anyio.fail_after(10):
        async with listening() as (port, came):
            network = GuardedNetwork(allow_private=True, resolve=Names(["127.0.0.1"]))
            async with httpcore2.AsyncConnectionPool(
                network_backend=network, ssl_context=ssl.create_default_context()
            ) as pool:
                with pytest.raises(httpcore2.ConnectError):
                    await pool.request("GET", f"https://api.example.com:{port}/")

    assert b"api.example.com" in came[0]
