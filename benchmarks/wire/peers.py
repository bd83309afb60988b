"""Gateways that others wrote, at exact versions: `python -m benchmarks.wire.install` installs those that are measured.

Each group is an environment of its own in `.peers/bench`. One that does not install is left out of what is measured.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.wire.place import ROOT

FOLDER = ROOT / ".peers" / "bench"
PATIENCE = 900
"""Seconds that one installation may take."""


@dataclass(frozen=True)
class Group:
    """Packages that are installed together."""

    name: str
    packages: tuple[str, ...]
    is_npm: bool = False

    @property
    def folder(self) -> Path:
        """Where it is."""
        return FOLDER / self.name

    @property
    def is_installed(self) -> bool:
        """Whether all of it is there, at these versions."""
        stamp = self.folder / "installed.txt"
        return stamp.exists() and stamp.read_text(encoding="utf-8") == self._wanted()

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / ("node_modules/.bin" if self.is_npm else "bin") / name)

    def _wanted(self) -> str:
        return "\n".join((sys.version, *self.packages))

    def install(self) -> None:
        """Install it anew. Raises OSError or subprocess.SubprocessError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.is_npm:
            words = ["npm", "install", "--prefix", str(self.folder), "--ignore-scripts", "--no-audit", "--no-fund"]
            _run([*words, *self.packages])
        else:
            _run([sys.executable, "-m", "venv", str(self.folder)])
            pip = [self.program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, *self.packages])
        (self.folder / "installed.txt").write_text(self._wanted(), encoding="utf-8")


FASTMCP = Group("fastmcp", ("fastmcp==4.1.2", "uvloop==0.23.0", "httptools==0.9.0"))
"""With what MagicTunnel has for speed, at the versions of requirements.lock; FastMCP runs without them too."""
MCP_PROXY = Group("mcp-proxy", ("mcp-proxy==0.13.0",))
NPM = Group("npm", ("mcp-hub@4.2.1", "supergateway@4.0.0"), is_npm=True)
CONTEXT_FORGE = Group("contextforge", ("mcp-contextforge-gateway==1.0.7.post20260921",))


def _run(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise OSError(f"{words[0]}: {done.stderr[-400:]}")
