"""One gateway for all that is sent to it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.client import opened
from tests.fuzz.gate import Gate, gate


@pytest.fixture(scope="package")
def running() -> Iterator[Gate]:
    with gate() as made:
        yield made


@pytest.fixture
def alone() -> Iterator[Gate]:
    """A gateway for what may leave faults behind."""
    with gate() as made:
        yield made


@pytest.fixture(scope="package")
def session(running: Gate) -> str:
    """A session of the handshake era."""
    return opened(running.ours)


@pytest.fixture(scope="package")
def sdk_session(running: Gate) -> str:
    """One where the SDK serves."""
    return opened(running.sdks)
