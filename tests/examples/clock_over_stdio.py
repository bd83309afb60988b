"""The world clock of the examples, over stdio: for tests in which its port does not matter."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location(
        "clock_server", Path(__file__).parents[2] / "examples/clock_server.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["clock_server"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.server.run("stdio")
