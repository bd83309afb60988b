"""What can stand in a config, as frozen values. No behaviour beyond resolving the three levels."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from magictunnel.catalog.model import Visibility
from magictunnel.catalog.names import Prefix
from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.config.values import Duration, Frozen, LegalName

DEFAULT_TIMEOUT = 60.0
DEFAULT_SESSION_IDLE_TIMEOUT = 1_800.0


class Transport(StrEnum):
    """How a server is reached."""

    STDIO = "stdio"
    SSE = "sse"
    HTTP = "http"


class Era(StrEnum):
    """Which protocol era we open a backend in; `auto` asks it."""

    AUTO = "auto"
    HANDSHAKE = "handshake"
    STATELESS = "stateless"


class Sharing(StrEnum):
    """Who shares a connection to a server, and with it the server's state (and its process)."""

    SHARED = "shared"
    PER_CLIENT = "per_client"


class Start(StrEnum):
    """When a server is started."""

    EAGER = "eager"
    LAZY = "lazy"


class Settings(Frozen):
    """Keys with the same meaning at each level: `defaults`, then a server, then one of its tools. The nearest wins."""

    enabled: bool | None = None
    """Whether it is offered at all."""
    timeout: Duration | None = None
    """Seconds a call may take before it is cancelled and answered with an error."""
    ask_timeout: Duration | None = None
    """Seconds for the caller to answer a question that a call leads to; they are not the call's own."""


class ServerSettings(Settings):
    """Keys that concern a whole server: in `defaults` for all, in a server's entry for that one."""

    start_timeout: Duration | None = None
    """Seconds a server may take from launch to its complete listing."""
    grace: Duration | None = None
    """Seconds for which the entries of a server that went down stay listed."""
    poll: Duration | None = None
    """Seconds between two looks at a subscribed resource, where the server cannot tell of updates itself."""
    session: Sharing | None = None
    """Whether all clients share one connection to it, or each has its own."""
    start: Start | None = None
    """Whether it is started with us, or by the first call of something it offers."""
    idle_timeout: Duration | None = None
    """Seconds without a call after which it is stopped, until the next call."""
    heartbeat: Duration | None = None
    """Seconds of silence after which it is asked for a sign of life."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many calls it is sent at once; others wait, each client in its turn."""


class ToolConfig(Settings):
    """What a person may change about one tool, prompt or resource."""

    name: LegalName | None = None
    """Its public name, instead of the derived one."""
    description: str | None = None
    """Its public description, instead of the server's."""


class Globs(Frozen):
    """Which entries of a server, by their own names there (resources and templates: by URI). Shell-style globs."""

    tools: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None


class ServerConfig(ServerSettings):
    """One server. Text is as written: `${VAR}` is resolved when the server is started, not before."""

    type: Transport
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    era: Era = Era.AUTO
    alias: str | None = None
    """Stands for the server's own name in public names."""
    include: Globs = Globs()
    exclude: Globs = Globs()
    tools: Mapping[str, ToolConfig] = Field(default_factory=dict)


class Naming(Frozen):
    """How public names are made."""

    prefix: Prefix = Prefix.ALWAYS
    separator: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,8}$")] = "__"
    max_length: Annotated[int, Field(ge=32, le=128)] = 64


class Problem(Frozen):
    """Why one server's entry, or a whole included file, was left out: `str()` is one line for a person."""

    server: str
    """Empty if a whole file is meant."""
    message: str
    file: str = ""
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        return f"{self._place}{f'server {self.server!r}: ' if self.server else ''}{self._told}"

    @property
    def placed(self) -> str:
        """Where, what is wrong, and what to do; for where the server's name stands already."""
        return f"{self._place}{self._told}"

    @property
    def _place(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line) if part) + ": " if self.file else ""

    @property
    def _told(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Included(Frozen):
    """Another file whose servers are served, too."""

    file: str
    """Its path; a relative one is so as that of the file that includes it."""
    servers: tuple[str, ...] = ()
    """Those whose entry stands there, whether it can be used or not."""
    is_read: bool = True
    """Whether it could be read; if not, that is among the problems."""


class Config(Frozen):
    """The whole file and those it includes: the servers that can be used, and a problem for each that cannot."""

    servers: Mapping[str, ServerConfig] = Field(default_factory=dict)
    """By name, in the order of the file, and then in that of the files it includes."""
    include: tuple[Included, ...] = ()
    defaults: ServerSettings = ServerSettings()
    naming: Naming = Naming()
    discovery: DiscoveryConfig = DiscoveryConfig()
    visibility: Mapping[str, Visibility] = Field(default_factory=dict)
    """Public name (URI), glob of them, or name of a server -> where it is seen; the last one that fits decides."""
    start_wait: Duration = 5.0
    """Seconds the first list may wait for servers that are still starting."""
    session_idle_timeout: Duration = DEFAULT_SESSION_IDLE_TIMEOUT
    """Seconds without a request after which the session of a client over HTTP is ended."""
    capabilities: tuple[str, ...] = ()
    """Capability files: paths, or globs of them, as seen from the folder of this file."""
    store: str | None = None
    """The SQLite file that keeps what servers offered, or `off`; None: the usual place."""
    problems: tuple[Problem, ...] = ()
    """Entries left out because they are wrong; the others are served."""
    notes: tuple[str, ...] = ()
    """Things worth telling a person that stop nothing (a host's key we have no use for, an entry that is us)."""
    file: str = ""
    digests: tuple[tuple[str, str | None], ...] = ()
    """The files that this was read from, and the sha256 (hex) of each; None: it could not be read."""
    declared: tuple[str, ...] = ()
    """The capability files that were there."""

    @property
    def files(self) -> tuple[str, ...]:
        """All files that this was read from or would be, if they were there; our own first."""
        return (self.file, *(included.file for included in self.include), *self.declared)

    def file_of(self, server: str) -> str:
        """The file in which the entry of `server` stands."""
        return next((included.file for included in self.include if server in included.servers), self.file)


DEFAULT_ASK_TIMEOUT = 600.0
DEFAULT_START_TIMEOUT = 30.0
DEFAULT_GRACE = 30.0
DEFAULT_HEARTBEAT = 30.0


class Resolved(Frozen):
    """Settings with every key decided."""

    enabled: bool = True
    timeout: float = DEFAULT_TIMEOUT
    ask_timeout: float = DEFAULT_ASK_TIMEOUT
    start_timeout: float = DEFAULT_START_TIMEOUT
    grace: float = DEFAULT_GRACE
    poll: float | None = None
    session: Sharing = Sharing.SHARED
    start: Start = Start.EAGER
    idle_timeout: float | None = None
    heartbeat: float = DEFAULT_HEARTBEAT
    concurrency: int | None = None


def resolve(*levels: Settings) -> Resolved:
    """Settle every key from `levels`, outermost first: a nearer level's value wins over a farther one's."""
    decided: dict[str, Any] = {}
    for level in levels:
        decided |= {key: value for key in Resolved.model_fields if (value := getattr(level, key, None)) is not None}
    return Resolved(**decided)
