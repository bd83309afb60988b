"""Everything is installed once, each tour is taken once, and a table at the end says what was compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.compare import KINDS
from tests.peers.install import Peers, installed
from tests.peers.recorder import Recorder
from tests.peers.sandbox import Sandbox, web_site

_RECORDER = pytest.StashKey[Recorder]()


@pytest.fixture(scope="session")
def peers() -> Peers:
    """What others wrote, installed."""
    return installed()


@pytest.fixture(scope="session")
def recorder(
    peers: Peers, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Recorder]:
    """All tours through the servers."""
    with web_site() as site:
        found = Recorder(peers, Sandbox(tmp_path_factory.mktemp("peers"), site))
        request.config.stash[_RECORDER] = found
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was compared with what."""
    recorder = config.stash.get(_RECORDER, None)
    if recorder is None:
        return
    row = "{:<22}{:>7}{:>9}{:>11}{:>11}{:>16}".format
    terminalreporter.write_line("")
    terminalreporter.write_line(row("server", "tools", "prompts", "resources", "templates", "calls compared"))
    for name, count in recorder.compared.items():
        listed = recorder.direct(name, "handshake").listed
        terminalreporter.write_line(row(name, *(len(listed[kind]) for kind in KINDS), count))
    terminalreporter.write_line(row("", "", "", "", "", recorder.compared.total()))
