"""How a server is reached, as text that may be shown: its address, and the command line for a person's own shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from magictunnel.backends.transports import Target, resolve
from magictunnel.config.model import ServerConfig, Transport
from magictunnel.errors import UnsetVariable
from magictunnel.secrets import SERVICE, Secrets

_SHOWN = frozenset({"HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER"})
"""Variables whose values are no secrets."""
_SWITCH = re.compile(r"\d{0,5}|true|false|yes|no|on|off", re.IGNORECASE)
"""Values that are none either."""
_PORT = "8123"
"""Stands for the free port that a server is given which we start and then reach."""
_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Address:
    """How a server is started or reached, with every variable resolved, and without secrets."""

    command: str
    """With the full path of the program; a program that is not found stands as it is written."""
    cwd: str
    env: Mapping[str, str]
    url: str


def address(config: ServerConfig, secrets: Secrets) -> Address | None:
    """How the server of `config` is reached; None if one of its variables has no value."""
    try:
        target = resolve(config, secrets)
    except UnsetVariable:
        return None
    words = [_program(target), *target.command[1:]] if target.command else []
    is_anywhere = "MAGICTUNNEL_PORT" in (config.url or "")
    return Address(
        command=secrets.mask(shlex.join(words)),
        cwd=secrets.mask(target.cwd or os.getcwd()),
        env={name: _shown(name, config.env.get(name), value, secrets) for name, value in target.env.items()},
        url=secrets.mask(without_credentials(config.url or "" if is_anywhere else target.url)),
    )


def without_credentials(url: str) -> str:
    """A URL without what stands before its host or behind its path."""
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return ""


def by_hand(config: ServerConfig, secrets: Secrets) -> str:
    """What to type to see for oneself: the server's own command, or a request to its address.

    Variables stay variables, for the shell to fill in; other secrets are hidden.
    """
    if config.command:
        given = [f"{name}={_word(_hidden(name, value), secrets)}" for name, value in config.env.items()]
        words = [_word(word, secrets) for word in (config.command, *config.args)]
        folder = f"cd {_word(config.cwd, secrets)} && " if config.cwd else ""
        return folder + " ".join([*given, *words])
    stream = ["-N"] if config.type is Transport.SSE else []
    headers = [("Accept", "text/event-stream"), *config.headers.items()]
    sent = [part for name, value in headers for part in ("-H", _word(f"{name}: {_hidden(name, value)}", secrets))]
    return " ".join(["curl", "-i", "--max-time", "5", *stream, *sent, _word(_hidden_parts(config.url or ""), secrets)])


def _program(target: Target) -> str:
    """The full path of the program, as it is looked for with the server's own PATH and folder."""
    program = target.command[0]
    if os.sep in program:
        return os.path.join(target.cwd or os.getcwd(), program)
    return shutil.which(program, path=target.env.get("PATH")) or program


def _shown(name: str, written: str | None, value: str, secrets: Secrets) -> str:
    """The value of a variable, if that is no secret; else where it comes from, if that stands in the config."""
    if written is not None and "${" in written and name not in _SHOWN:
        return written
    is_literal = written is not None and "${" not in written
    shown = value if is_literal else secrets.mask(value)
    return shown if name in _SHOWN or _SWITCH.fullmatch(value) else _HIDDEN


def _hidden(name: str, written: str) -> str:
    """What stands in the config for a variable or a header, unless it may be a secret."""
    is_open = "${" in written or name in (*_SHOWN, "Accept") or _SWITCH.fullmatch(written)
    return written if is_open else _HIDDEN


def _hidden_parts(url: str) -> str:
    """A URL as it is written, with what may be a secret in it hidden."""
    url = re.sub(r"(?<=//)(?![^/@]*\$\{)[^/@]+@", f"{_HIDDEN}@", url)
    return re.sub(r"(?<=[?&])([^=&#]+)=(?!\$\{)[^&#]+", rf"\1={_HIDDEN}", url)


class _Marked(dict[str, str]):
    """An environment in which each variable has its own name, marked, for a value."""

    def __init__(self, *, every: bool) -> None:
        super().__init__({name: f"\0{name}\0" for name, value in os.environ.items() if value})
        self._every = every
        self["MAGICTUNNEL_PYTHON"] = sys.executable

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name) or (f"\0{name}\0" if self._every else default)


def _word(written: str, secrets: Secrets) -> str:
    """One word of a command line: as it is written in the config, each reference to a variable as a shell's."""
    pieces = list(_pieces(written))
    if len(pieces) == 1:
        return shlex.quote(secrets.mask(pieces[0]))
    quoted = [_filled_in(piece) if at % 2 else _in_quotes(secrets.mask(piece)) for at, piece in enumerate(pieces)]
    return f'"{"".join(quoted)}"'


def _pieces(written: str) -> Iterator[str]:
    """Text and names of variables, in turns. Of one that is not set, its default is text."""
    own = {"MAGICTUNNEL_PORT": _PORT}
    try:
        marked = Secrets(_Marked(every=False), _marked_key).expand(written, "", own)
    except UnsetVariable:
        marked = Secrets(_Marked(every=True), _marked_key).expand(written, "", own)
    yield from marked.split("\0")


def _marked_key(name: str, _where: str) -> str:
    return f"\0keyring:{name}\0"


def _filled_in(reference: str) -> str:
    """What a shell puts in the place of a variable, or of a secret in the keyring."""
    kind, _, name = reference.partition(":")
    return f"$(keyring get {SERVICE} {shlex.quote(name)})" if kind == "keyring" else f"${{{reference}}}"


def _in_quotes(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)
