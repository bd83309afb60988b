"""The descriptions in `tests/data/openapi`."""

from __future__ import annotations

import gzip
from pathlib import Path

from magictunnel.generators.read import Source, read

FOLDER = Path(__file__).parent.parent / "data" / "openapi"
_ENDINGS = (".json", ".yaml", ".gz")
_FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in _ENDINGS and "-as-" not in path.name)
NAMES = [*_FILES, "petstore-in-files-3.0/openapi.yaml"]


def spec(name: str, folder: Path) -> Source:
    """The one called `name`; `folder` takes what has to be unpacked."""
    path = FOLDER / name
    if path.suffix == ".gz":
        unpacked = folder / path.stem
        unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        path = unpacked
    return read(str(path))


def judged_by(name: str, folder: Path) -> Source:
    """The same as one OpenAPI 3 document, made by others where it is not that already."""
    if name == "petstore-in-files-3.0/openapi.yaml":
        return spec("petstore-3.0.json", folder)
    if "-2.0" in name:
        return spec(f"{name.partition('.')[0]}.0-as-3.0.json", folder)
    return spec(name, folder)
