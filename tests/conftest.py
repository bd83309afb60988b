"""Fixtures of all tests: asyncio under anyio's own plugin, and a bound on every test."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.world import ERAS, TRANSPORTS

os.environ["MAGICTUNNEL_STORE"] = "off"
"""No test reads or writes what the person who runs it has; those that keep something name a file of their own."""

os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="mt-")
"""Nor are their gateways to be found among those of that person."""
atexit.register(shutil.rmtree, os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)

os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "data" / "authority.pem")
"""No test leaves this machine, and to read whom it trusts takes each client of the SDK longer than most tests."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=ERAS)
def client_era(request: pytest.FixtureRequest) -> str:
    """The era of the client in front."""
    return str(request.param)


@pytest.fixture(params=ERAS)
def server_era(request: pytest.FixtureRequest) -> str:
    """The era of the server behind."""
    return str(request.param)


@pytest.fixture(params=TRANSPORTS)
def over(request: pytest.FixtureRequest) -> str:
    """How the server behind is reached."""
    return str(request.param)
