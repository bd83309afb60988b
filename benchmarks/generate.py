"""What `generate openapi` takes for large descriptions: next to reading them as JSON, and in megabytes at the peak.

`python -m benchmarks.generate [ROUNDS]`. Each round is a process of its own; figures are medians of the rounds.
"""

from __future__ import annotations

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SPECS = sorted((Path(__file__).parent.parent / "tests" / "data" / "openapi").glob("*.json.gz"))
ROUND = """
import json, sys, time
from pathlib import Path
def peak(): return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))) / 1024
began = time.process_time(); json.loads(Path(sys.argv[1]).read_text()); plain = time.process_time() - began
from magictunnel.capabilities.parse import parse
from magictunnel.generators.openapi import Options, generate
from magictunnel.generators.read import read
from magictunnel.generators.write import to_yaml
began = time.process_time()
text = to_yaml((made := generate(read(sys.argv[1]), Options(base_url="https://example.com"))).file)
generated = time.process_time() - began
began = time.process_time(); parse(text, "made.yaml"); loaded = time.process_time() - began
print(json.dumps([len(made.made), plain, generated, loaded, peak()]))
"""


def main(rounds: int) -> None:
    """Print one line for each description."""
    print(f"{'description':<22}{'MB':>6}{'tools':>7}{'generated':>11}{'x json':>8}{'loaded':>9}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for packed in SPECS:
            plain = Path(folder, packed.stem)
            plain.write_bytes(gzip.decompress(packed.read_bytes()))
            runs = [_run(plain) for _ in range(rounds)]
            tools, read, made, loaded, peak = (statistics.median(figures) for figures in zip(*runs, strict=True))
            size = plain.stat().st_size / 1e6
            print(
                f"{plain.stem:<22}{size:>6.1f}{tools:>7.0f}{made:>10.2f}s{made / read:>8.0f}{loaded:>8.2f}s{peak:>9.0f}"
            )


def _run(plain: Path) -> list[float]:
    done = subprocess.run([sys.executable, "-c", ROUND, str(plain)], capture_output=True, text=True, check=True)
    return [float(one) for one in json.loads(done.stdout)]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
