"""Processes of their own that do something to a store, all at the same time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from tests.support.memory import until

_PATIENCE = 60.0
"""Seconds after which a process that does not end is ended."""
_FRAME = """
import anyio, sys
from pathlib import Path
from tests.store.{module} import {work}

def ready():
    print("ready", flush=True)
    sys.stdin.readline()

anyio.run({work}, Path(sys.argv[1]), sys.argv[2], ready)
"""


@contextmanager
def process(module: str, work: str, path: Path, name: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process that runs `work(path, name, ready)` of a test module; `ready` waits in it until it is told to go."""
    source = _FRAME.format(module=module, work=work)
    started = subprocess.Popen(
        [sys.executable, "-c", source, str(path), name],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    patience = Timer(_PATIENCE, started.kill)
    patience.start()
    try:
        assert started.stdout
        assert started.stdout.readline() == "ready\n"
        yield started
    finally:
        patience.cancel()
        started.kill()
        started.communicate()


def go(started: subprocess.Popen[str]) -> None:
    """Have it go on, if it has not."""
    assert started.stdin
    started.stdin.write("go\n")
    started.stdin.flush()


async def ended(started: Iterable[subprocess.Popen[str]]) -> list[int]:
    """Have all go on at once, and wait for their ends; returns their exit codes."""
    started = list(started)
    for one in started:
        go(one)
    await until(lambda: all(one.poll() is not None for one in started), within=30)
    return [one.returncode for one in started]
