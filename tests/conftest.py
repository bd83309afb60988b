"""Fixtures of all tests: asyncio under anyio's own plugin, and a bound on every test."""

from __future__ import annotations

import pytest

from tests.support.world import ERAS, TRANSPORTS


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
