"""The socket on which clients come in: of one process, or of several beside each other on one port."""

from __future__ import annotations

import ipaddress
import socket

from magictunnel.errors import ConfigError

_BACKLOG = 1_024
"""Connections that may wait to be accepted."""


def listen_on(host: str, port: int) -> socket.socket:
    """A bound, listening socket.

    Raises:
        ConfigError: the address is taken, is not ours, or can be reached by others.
    """
    return _bound(host, port, is_listening=True)


def listen_beside(host: str, port: int) -> socket.socket:
    """A listening socket on a port that is held for us; on Linux the system spreads connections among such.

    Raises:
        ConfigError: see `listen_on`.
    """
    return _bound(host, port, is_listening=True, is_shared=True)


def hold(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen: the port is ours, and others of ours may listen beside it.

    Raises:
        ConfigError: see `listen_on`.
    """
    held = _bound(host, port)
    # Only now: whoever shares a port may share one that somebody else serves already.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return held


def _bound(host: str, port: int, *, is_listening: bool = False, is_shared: bool = False) -> socket.socket:
    if not _is_loopback(host):
        raise ConfigError(
            f"refusing to serve on {host}: whoever reaches it could use every tool",
            hint="serve on 127.0.0.1; to let others in, put a proxy that authenticates in front",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio would not set TCP_NODELAY on what it accepts, and each answer would take 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        if is_listening:
            listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="choose another with --http HOST:PORT or MAGICTUNNEL_HTTP",
        ) from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
