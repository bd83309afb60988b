"""Fixtures of all tests: asyncio under anyio's own plugin, and a bound on every test."""

from __future__ import annotations

import os

import pytest

from tests.support.world import ERAS, TRANSPORTS

os.environ["MAGICTUNNEL_STORE"] = "off"
"""No test reads or writes what the person who runs it has; those that keep something name a file of their own."""


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
