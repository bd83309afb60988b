"""Which addresses may be reached, and connections to just those: a name is resolved once, checked, and connected to."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import anyio
import httpcore2

from magictunnel.errors import RunError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""`(host, port)` -> addresses. Raises OSError."""
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_WITH_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
"""NAT64, and what came before mapped addresses: an IPv4 address stands in their last 32 bits."""
_NOT_OURS = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv4Network("168.63.129.16/32"))
"""Global by their number, and yet of services next to the machine (the metadata of two clouds), or of relays."""
_GIVEN_OUT = IPv6Network("2000::/3")
"""All IPv6 addresses of the internet are among these."""
_FOR_BOOKS = IPv6Network("3fff::/20")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""What stands before an IPv4 address in the last 64 bits."""
_LEAST_WAIT = 2.0
"""Seconds that each of several addresses is given at least."""


def is_public(address: Address) -> bool:
    """Whether `address` is one of the internet's: of no machine, network or service that only we can reach."""
    if isinstance(address, IPv6Address):
        inner = _ipv4_in(address)
        if inner is not None:
            return is_public(inner)
        if address not in _GIVEN_OUT or address in _FOR_BOOKS or _is_of_private_site(address):
            return False
    elif any(address in network for network in _NOT_OURS):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _ipv4_in(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which packets for `address` come in the end."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _WITH_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _is_of_private_site(address: IPv6Address) -> bool:
    """Whether packets for `address` come, through a tunnel within a site, to an IPv4 address that is not public."""
    before, last = divmod(int(address) & 0xFFFF_FFFF_FFFF_FFFF, 1 << 32)
    return before in _ISATAP and not is_public(IPv4Address(last))


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of `host`. Raises OSError: it has none."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


def checked(host: str, addresses: Iterable[str]) -> list[str]:
    """Those of `addresses` that are public.

    Raises:
        RunError: none is.
    """
    all_of_them = list(addresses)
    if public := [one for one in all_of_them if is_public(ip_address(one.partition("%")[0]))]:
        return public
    raise RunError(
        f"{host} is at {', '.join(all_of_them[:3])}, which is no public address: nothing was sent",
        hint="write `http.allow_private: true` in the capability file if it is meant to be reached",
    )


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses only, unless `allow_private`."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolved) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of `host` that takes it.

        Raises:
            RunError: it has no address that may be reached.
            httpcore2.ConnectError, httpcore2.ConnectTimeout: it has none, or none takes it.
        """
        options = list(socket_options or ())
        try:
            with anyio.fail_after(timeout):
                *others, last = await self._addresses(host, port)
                share = None if timeout is None else max(timeout / (len(others) + 1), _LEAST_WAIT)
                for address in others:
                    with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                        return await self._inner.connect_tcp(address, port, share, local_address, options)
                return await self._inner.connect_tcp(last, port, None, local_address, options)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout from error

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"its name is not known ({error})") from error
        return addresses if self._allow_private else checked(host, addresses)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


def tls_context() -> ssl.SSLContext:
    """What TLS connections are checked by: the authorities that this machine trusts."""
    return httpcore2.default_ssl_context()
