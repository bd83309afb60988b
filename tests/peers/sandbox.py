"""What the servers work on: files, a git repository, a knowledge graph and a web page, the same at every start."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
SOUND = (
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data"
)
MOMENT = 1_750_000_000
GIT_ENV = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_AUTHOR_DATE": f"{MOMENT} +0000",
    "GIT_COMMITTER_DATE": f"{MOMENT} +0000",
}
"""With the people and the time fixed, equal commits have equal hashes."""
PAGES = {
    "/page": ("text/html", "<html><head><title>A page</title></head><body><p>It says <b>hello</b>.</p></body></html>"),
    "/private": ("text/html", "<html><body><p>Not for machines.</p></body></html>"),
    "/data": ("application/json", '{"answer": [42, null, "ü"]}'),
    "/robots.txt": ("text/plain", "User-agent: *\nDisallow: /private\n"),
}


@dataclass(frozen=True)
class Sandbox:
    """Where all that is. `site` is a URL."""

    root: Path
    site: str

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def memory(self) -> Path:
        return self.root / "memory.jsonl"

    def reset(self) -> None:
        """Make everything as it was at first."""
        for folder in (self.files, self.repository):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.memory.unlink(missing_ok=True)
        self._write_files()
        self._write_repository()

    def _write_files(self) -> None:
        (self.files / "sub").mkdir()
        (self.files / "sub" / "deep.txt").write_text("deep\n", encoding="utf-8")
        (self.files / "text.txt").write_text("one\ntwo ü 漢\nthree\n", encoding="utf-8")
        (self.files / "pixel.png").write_bytes(PIXEL)
        (self.files / "sound.wav").write_bytes(SOUND)
        (self.files / "odd.bin").write_bytes(bytes(range(256)))

    def _write_repository(self) -> None:
        readme = self.repository / "readme.txt"
        readme.write_text("one\n", encoding="utf-8")
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("add", ".")
        self._git("commit", "--quiet", "--message=first")
        readme.write_text("one\ntwo\n", encoding="utf-8")

    def _git(self, *words: str) -> None:
        environ = os.environ | GIT_ENV
        subprocess.run(["git", *words], cwd=self.repository, env=environ, check=True, timeout=60)


@contextmanager
def web_site() -> Iterator[str]:
    """Serve PAGES on loopback; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, text = PAGES.get(self.path, ("", ""))
        body = text.encode()
        self.send_response(200 if kind else 404)
        if kind:
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class calls it so
        return
