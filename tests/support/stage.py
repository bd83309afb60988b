"""Gateways whose servers are played: what a config names is a PlayedBackend, which a test has in its hands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest

from magictunnel import gateway
from magictunnel.catalog.model import Json, Kind
from magictunnel.config.model import Config, ServerConfig, Transport
from tests.support.memory import PlayedBackend


class Stage:
    """Every backend that was made for a config's server, by name; the last one is the one that is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: dict[str, list[PlayedBackend]] = defaultdict(list)
        self.configs: dict[str, list[ServerConfig]] = defaultdict(list)
        """What each of them was made of."""
        self.offers: dict[str, Mapping[Kind, list[Json]]] = {}
        """What the next backends of that name offer; otherwise one tool, `x`."""
        self.hangs = False
        """Whether the next backends never get anywhere."""
        monkeypatch.setattr(gateway, "McpBackend", self._make)

    def _make(self, name: str, config: ServerConfig, *_others: object) -> PlayedBackend:
        made = PlayedBackend(name, self.offers.get(name, {Kind.TOOL: [{"name": "x"}]}), hangs=self.hangs)
        self.made[name].append(made)
        self.configs[name].append(config)
        return made

    def __getitem__(self, name: str) -> PlayedBackend:
        return self.made[name][-1]


def entry(**keys: Any) -> ServerConfig:
    """A server's entry; other `args` make it another server."""
    return ServerConfig(**({"type": Transport.STDIO, "command": "played"} | keys))


def config(servers: Mapping[str, ServerConfig], **keys: Any) -> Config:
    """A config whose first list waits for all of its servers."""
    return Config(**({"servers": servers, "start_wait": 3_600.0} | keys))
