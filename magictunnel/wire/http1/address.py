"""Where requests go: the parts of a URL as HTTP/1.1 wants them, and which redirects are followed. Pure."""

from __future__ import annotations

import base64
import urllib.request
from dataclasses import dataclass

import httpx2

_PORTS = {"http": 80, "https": 443}
_REPEATED = frozenset({307, 308})
"""Redirects that keep the method and the body of a POST."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Address:
    """One URL of a server."""

    url: httpx2.URL

    @classmethod
    def of(cls, url: str) -> Address:
        """The address that a person has written.

        Raises:
            httpx2.UnsupportedProtocol: it is none of HTTP.
            httpx2.LocalProtocolError: it is no URL.
        """
        try:
            parsed = httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError) as error:
            raise httpx2.LocalProtocolError(f"not a URL: {error}") from error
        if parsed.port is not None and not 0 < parsed.port < 65536:
            raise httpx2.LocalProtocolError(f"there is no port {parsed.port}")
        if parsed.scheme not in _PORTS or not parsed.host:
            raise httpx2.UnsupportedProtocol("the URL of a server starts with http:// or https://, and names a host")
        return cls(parsed)

    @property
    def is_secure(self) -> bool:
        return self.url.scheme == "https"

    @property
    def host(self) -> str:
        """As it is looked up; an IPv6 address without brackets."""
        return self.url.raw_host.decode("ascii").strip("[]")

    @property
    def port(self) -> int:
        return self.url.port or _PORTS[self.url.scheme]

    @property
    def origin(self) -> tuple[str, str, int]:
        """What connections are made to."""
        return self.url.scheme, self.host, self.port

    @property
    def target(self) -> str:
        """What the request line names."""
        return self.url.raw_path.decode("ascii")

    @property
    def netloc(self) -> str:
        """What the Host header says."""
        return self.url.netloc.decode("ascii")

    @property
    def authorization(self) -> str:
        """The header that stands for a name and a password in the URL; empty if it has none."""
        if not self.url.userinfo:
            return ""
        pair = f"{self.url.username}:{self.url.password}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    def redirected(self, status: int, location: str) -> Address | None:
        """Where the same request goes instead, if that is no other origin; None: it is not followed."""
        moved = self._joined(location) if status in _REPEATED and location else None
        if moved is None or moved.url.scheme not in _PORTS:
            return None
        if moved.url.userinfo and moved.url.userinfo != self.url.userinfo:
            return None
        if self._is_upgrade(moved):  # to the same host: what it is to know of us, it may know there all the more
            return Address(moved.url.copy_with(userinfo=self.url.userinfo))
        return moved if moved.origin == self.origin else None

    def _is_upgrade(self, moved: Address) -> bool:
        plain, secure = ("http", self.host, 80), ("https", self.host, 443)
        return (self.origin, moved.origin) == (plain, secure)

    def _joined(self, location: str) -> Address | None:
        try:
            joined = self.url.join(location)
        except (httpx2.InvalidURL, ValueError):
            return None
        if not joined.host:
            return None
        is_ours = (joined.scheme, joined.netloc) == (self.url.scheme, self.url.netloc)
        if is_ours and not joined.userinfo:
            joined = joined.copy_with(userinfo=self.url.userinfo)
        return Address(joined.copy_with(fragment=None))

    def refusal(self, status: int, location: str) -> str:
        """Why a redirect is not followed, in the words of the SDK; empty if it is none."""
        moved = self._joined(location) if status in _REDIRECTS and location else None
        if moved is None:
            return ""
        to = moved.url.copy_with(userinfo=b"", query=None)
        if self.is_secure and to.scheme == "http":
            return (
                f"Redirect to {to} not followed: it would downgrade this HTTPS endpoint to plain HTTP.\n"
                "The server is likely behind a TLS-terminating proxy whose forwarded headers it does not trust,\n"
                f"often combined with a trailing-slash difference. Try {to.copy_with(scheme='https')} instead, "
                "or fix the proxy settings."
            )
        return f"Redirect to {to} not followed; use that URL as the endpoint if it is the intended server"


def wants_proxy(url: str) -> bool:
    """Whether the environment names a proxy for `url`: those are left to a client that knows them."""
    try:
        address = Address.of(url)
    except httpx2.TransportError:
        return False
    proxies = urllib.request.getproxies()
    named = proxies.get(address.url.scheme) or proxies.get("all")
    return bool(named) and not urllib.request.proxy_bypass(f"{address.host}:{address.port}")
