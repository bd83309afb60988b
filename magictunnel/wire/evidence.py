"""What a server left behind that explains its failure: stderr, junk on stdout, its exit code, an HTTP status."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

KEPT_LINES = 50
MAX_LINE = 500
"""Characters kept of one line of a server's talk."""
_LOOKED_AT = 64 * 1024


@dataclass(slots=True)
class Evidence:
    """Filled by the transport as things happen; bounded, whatever the server says, and without our secrets."""

    mask: Callable[[str], str] = str
    """Hides secrets; before anything is cut, since half a secret would not be known for one."""
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    junk: int = 0
    """Lines on stdout that were not JSON-RPC, and were skipped."""
    first_junk: str = ""
    hung_up: bool = False
    """It closed its stdout itself: it has ended, or is about to."""
    exit_code: int | None = None
    http_status: int | None = None
    """The status of the last HTTP answer that was an error."""
    broke: str = ""
    """Why we ended the connection ourselves, if we did."""

    def heard(self, line: bytes) -> str:
        """Keep one line of stderr; returns it as text."""
        text = self._readable(line)
        self.stderr.append(text)
        return text

    def skipped(self, line: bytes) -> None:
        """Count one line of stdout that is not JSON-RPC."""
        self.junk += 1
        self.first_junk = self.first_junk or self._readable(line)

    def _readable(self, line: bytes) -> str:
        text = self.mask(line[:_LOOKED_AT].decode("utf-8", "replace").strip())
        return "".join(char if char.isprintable() else " " for char in text)[:MAX_LINE]
