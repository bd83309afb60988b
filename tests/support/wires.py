"""Which wire a test run is over: ours, or the SDK's transports (`make stock`)."""

from __future__ import annotations

import pytest

from magictunnel.wire.ours import is_ours

own_wire = pytest.mark.skipif(not is_ours(), reason="it is about our own wire, and this run is over the SDK's")
