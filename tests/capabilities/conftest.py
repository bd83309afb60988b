"""A server that notes what arrives, for whoever sends requests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.recorder import Recorder, recorder


@pytest.fixture
async def server() -> AsyncIterator[Recorder]:
    async with recorder() as app:
        yield app
