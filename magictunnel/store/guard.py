"""Who uses the file of a store: it is never moved away from under anybody, and a damaged one is set aside once."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

if sys.platform != "win32":
    import fcntl

COMPANIONS = ("-wal", "-shm", "")
"""What SQLite writes beside a file, and the file itself: it goes last, so that until then what is left is damaged."""


class Guard:
    """A lock beside the file, shared by all who use it. Windows needs none: what is open there cannot be moved.

    Whoever has an SQLite file open deletes its `-wal` by name at the end, so the file must not be another by then.

    Raises:
        OSError: the folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> bool:
        """Become one of those who use the file; False while somebody sets it aside."""
        return self._locked(alone=False)

    def create(self) -> int:
        """See to it that there is a file, for its owner's eyes only. Returns which one it is."""
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        return os.stat(self.path).st_ino

    def set_aside(self, damaged: int) -> Path | None:
        """Move the file `damaged` away, and stop using it. None if others use it, or one of them was faster."""
        moved = None
        if self._locked(alone=True) and os.stat(self.path).st_ino == damaged:
            moved = self.path.with_name(f"{self.path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
            for companion in COMPANIONS:
                source = Path(f"{self.path}{companion}")
                if source.exists():
                    source.rename(f"{moved}{companion}")
        self._release()
        return moved

    def close(self) -> None:
        os.close(self._lock)

    def _locked(self, *, alone: bool) -> bool:
        if sys.platform == "win32":
            return True
        try:
            fcntl.flock(self._lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(self) -> None:
        if sys.platform != "win32":
            fcntl.flock(self._lock, fcntl.LOCK_UN)
