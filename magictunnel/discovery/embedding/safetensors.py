"""A file of weights in the safetensors format: a header that names arrays, and their numbers, mapped from the disk."""

from __future__ import annotations

import json
import math
import mmap
from pathlib import Path
from typing import Any

from magictunnel.discovery.embedding.arrays import np
from magictunnel.errors import DiscoveryError

_LARGEST_HEADER = 16 * 1024 * 1024
_LENGTH = 8
_TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
"""Those that can be read; numpy has no BF16, which is the upper half of a F32."""


class Weights:
    """The arrays of one file, by name. They stay on the disk until they are used."""

    def __init__(self, path: Path) -> None:
        """Raises DiscoveryError where the file cannot be read, or is no such file."""
        self._path = path
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DiscoveryError(str(path), f"cannot be read: {error}") from error
        self._header, self._start = self._read_header()

    def __contains__(self, name: str) -> bool:
        return name in self._header

    def length(self, name: str) -> int:
        """How many rows the array `name` has; 1 if it does not say."""
        match self._header.get(name):
            case {"shape": [int(rows), *_]} if rows > 0:
                return rows
        return 1

    def array(self, name: str, *shape: int) -> Any:
        """The array `name` as it is stored, F32 or F16. Raises DiscoveryError if it is missing, or of another shape."""
        dtype, begin, end = self._place(name, shape)
        count = math.prod(shape)
        if end - begin != count * dtype.itemsize:
            raise self._wrong(f"the weights {name!r} are {end - begin} bytes, not {count * dtype.itemsize}")
        stored = np.frombuffer(self._bytes, dtype, count, self._start + begin).reshape(shape)
        if dtype == _TYPES["BF16"]:
            return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return stored

    def _place(self, name: str, shape: tuple[int, ...]) -> tuple[Any, int, int]:
        """The type of the numbers of `name`, and where among the data they begin and end."""
        match self._header.get(name):
            case {"dtype": str(dtype), "shape": list(found), "data_offsets": [int(begin), int(end)]}:
                pass
            case _:
                raise self._wrong(f"it has no weights {name!r}")
        if tuple(found) != shape:
            raise self._wrong(f"the weights {name!r} have the shape {found!s:.100}, not {list(shape)}")
        if dtype not in _TYPES:
            raise self._wrong(f"the weights {name!r} are of type {dtype:.20}; {', '.join(_TYPES)} can be read")
        if not 0 <= begin <= end <= len(self._bytes) - self._start:
            raise self._wrong(f"it ends before the weights {name!r} do")
        return _TYPES[dtype], begin, end

    def _read_header(self) -> tuple[dict[str, Any], int]:
        length = int.from_bytes(self._bytes[:_LENGTH], "little")
        if not 0 < length <= min(_LARGEST_HEADER, len(self._bytes) - _LENGTH):
            raise self._wrong("it is no safetensors file")
        try:
            header = json.loads(self._bytes[_LENGTH : _LENGTH + length])
        except (ValueError, RecursionError) as error:
            raise self._wrong("it is no safetensors file") from error
        if not isinstance(header, dict):
            raise self._wrong("it is no safetensors file")
        return header, _LENGTH + length

    def _wrong(self, cause: str) -> DiscoveryError:
        return DiscoveryError(str(self._path), cause, hint="name a folder with the files of a BERT sentence model")
