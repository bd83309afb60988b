"""What a process gives back of what it has used."""

from __future__ import annotations

import subprocess
import sys

import pytest

LARGE_BLOCKS = """
import sys
from magictunnel.cli.memory import give_back

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if "give back" in sys.argv:
    give_back()
before = resident()
kept = []
for size in (1_000_000, 10_000_000, 10_000_000):
    blocks = [bytearray(b"x") * size for _ in range(2)]
    kept.append(bytearray(b"x") * 100_000)
    del blocks
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is told")
def test_large_blocks_go_back_to_the_system() -> None:
    def kept(*words: str) -> int:
        told = subprocess.run([sys.executable, "-c", LARGE_BLOCKS, *words], capture_output=True, check=True, timeout=60)
        return int(told.stdout)

    assert kept("give back") < min(8_000_000, kept() / 2)
