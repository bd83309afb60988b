"""Servers and clients that others wrote, fetched once into a folder beside the project, at exact versions.

They are kept apart from our own environment: npm packages in `.peers/npm`, Python ones in an environment for each
group that resolves together. A change of versions here makes the folder anew.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".peers"
INSTALL_TIMEOUT = 600
"""Seconds that one installation may take."""

NPM = (
    "@modelcontextprotocol/server-everything@2026.8.31",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    "@modelcontextprotocol/server-sequential-thinking@2026.8.31",
    "@modelcontextprotocol/sdk@1.32.2",
    "@modelcontextprotocol/inspector@2.12.0",
    "@modelcontextprotocol/client@2.4.0",
)
SERVERS = ("mcp-server-git==2026.10.19", "mcp-server-time==2026.10.19", "mcp-server-fetch==2026.10.24")
FASTMCP = ("fastmcp==4.1.2",)

NODE = shutil.which("node") if shutil.which("npm") else None
"""The Node that runs what comes from npm; None: that part is left out."""
NO_NODE = "node and npm are not installed: the servers and clients from npm are left out"

Install = Callable[[Path, tuple[str, ...]], None]


@dataclass(frozen=True)
class Peers:
    """Where everything is, once it is installed."""

    npm: Path
    servers: Path
    fastmcp: Path

    @property
    def node(self) -> str:
        assert NODE is not None, NO_NODE
        return NODE

    def package(self, name: str) -> Path:
        """The folder of one of the npm packages of the MCP project."""
        return self.npm / "node_modules" / "@modelcontextprotocol" / name


def installed() -> Peers:
    """Install what is missing; a second run finds everything in place."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
    if NODE is not None:
        _once(CACHE / "npm", NPM, _npm_install)
    _once(CACHE / "servers", SERVERS, _pip_install)
    _once(CACHE / "fastmcp", FASTMCP, _pip_install)
    return Peers(CACHE / "npm", _python(CACHE / "servers"), _python(CACHE / "fastmcp"))


def _once(folder: Path, packages: tuple[str, ...], install: Install) -> None:
    stamp, wanted = folder / "installed.txt", "\n".join((sys.version, *packages))
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install(folder, packages)
    stamp.write_text(wanted, encoding="utf-8")


def _npm_install(folder: Path, packages: tuple[str, ...]) -> None:
    npm = shutil.which("npm")
    assert npm is not None
    _run([npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", *packages])


def _pip_install(folder: Path, packages: tuple[str, ...]) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(_python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])


def _python(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
