"""Where requests go, and which redirects lead them elsewhere."""

from __future__ import annotations

import httpx2
import pytest

from magictunnel.wire.http1.address import Address, wants_proxy

HERE = "http://host/mcp"


@pytest.mark.parametrize(
    ("url", "origin", "target", "netloc"),
    [
        ("http://host/mcp", ("http", "host", 80), "/mcp", "host"),
        ("https://Host:8443/a?b=c", ("https", "host", 8443), "/a?b=c", "host:8443"),
        ("http://[::1]:99", ("http", "::1", 99), "/", "[::1]:99"),
        ("http://me:pw@host/x y", ("http", "host", 80), "/x%20y", "host"),
        ("http://bücher.example/ü", ("http", "xn--bcher-kva.example", 80), "/%C3%BC", "xn--bcher-kva.example"),
    ],
)
def test_the_parts_of_a_url(url: str, origin: tuple[str, str, int], target: str, netloc: str) -> None:
    address = Address.of(url)

    assert (address.origin, address.target, address.netloc) == (origin, target, netloc)


@pytest.mark.parametrize("url", ["ftp://host/", "host", "http://", "", "http://host:99999999/", "http://\0/"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(httpx2.TransportError):
        Address.of(url)


@pytest.mark.parametrize(
    ("status", "location", "to"),
    [
        (307, "/mcp/", "http://host/mcp/"),
        (308, "http://host/mcp/#x", "http://host/mcp/"),
        (307, "http://HOST:80/other?a=b", "http://host/other?a=b"),
        (307, "https://host/mcp", "https://host/mcp"),
        (302, "/mcp/", None),
        (200, "/mcp/", None),
        (307, "", None),
        (307, "http://host:81/mcp", None),
        (307, "https://host:81/mcp", None),
        (307, "http://other/mcp", None),
        (307, "//other/mcp", None),
        (307, "http://me:pw@host/mcp", None),
        (307, "ftp://host/mcp", None),
        (307, "http://[bad/", None),
    ],
)
def test_which_redirects_are_followed(status: int, location: str, to: str | None) -> None:
    moved = Address.of(HERE).redirected(status, location)

    assert (None if moved is None else str(moved.url)) == to


@pytest.mark.parametrize("location", ["/mcp/", "http://host/mcp", "https://host/mcp", "https://me:p%40w@host:443/mcp"])
def test_a_redirect_keeps_who_we_are(location: str) -> None:
    moved = Address.of("http://me:p%40w@host/mcp").redirected(308, location)
    assert moved is not None
    assert moved.authorization == Address.of("http://me:p%40w@host/").authorization != ""


@pytest.mark.parametrize("location", ["https://you@host/mcp", "https://host:81/mcp", "https://other/mcp"])
def test_who_we_are_is_told_to_nobody_else(location: str) -> None:
    assert Address.of("http://me:pw@host/mcp").redirected(308, location) is None


def test_a_redirect_never_leaves_tls() -> None:
    assert Address.of("https://host/mcp").redirected(307, "http://host/mcp") is None


def test_why_a_redirect_is_not_followed() -> None:
    here = Address.of("https://host/mcp")

    assert here.refusal(302, "https://me:pw@other/x?token=1") == (
        "Redirect to https://other/x not followed; use that URL as the endpoint if it is the intended server"
    )
    assert "downgrade this HTTPS endpoint" in here.refusal(307, "http://host/mcp")
    assert here.refusal(200, "https://other/x") == here.refusal(307, "") == here.refusal(304, "/x") == ""


def test_where_a_proxy_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert not wants_proxy("http://host/mcp")

    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert wants_proxy("http://host/mcp")
    assert not wants_proxy("https://host/mcp")
    assert not wants_proxy("http://127.0.0.1:99/mcp")
    assert not wants_proxy("no url")
