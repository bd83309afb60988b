"""The descriptions in `tests/data/openapi`."""

from __future__ import annotations

import gzip
from pathlib import Path

from magictunnel.generators.read import Source, read

FOLDER = Path(__file__).parent.parent / "data" / "openapi"
_ENDINGS = (".json", ".yaml", ".gz")
_STAND_IN = ("-as-", "-whole-")
_FILES = sorted(
    path.name
    for path in FOLDER.iterdir()
    if path.suffix in _ENDINGS and not any(part in path.name for part in _STAND_IN)
)
SEPARATE = "petstore-separate-3.0/spec/openapi.yaml"
NAMES = [*_FILES, "petstore-in-files-3.0/openapi.yaml", SEPARATE]


def spec(name: str, folder: Path) -> Source:
    """The one called `name`; `folder` takes what has to be unpacked."""
    path = FOLDER / name
    if path.suffix == ".gz":
        unpacked = folder / path.stem
        unpacked.write_bytes(gzip.decompress(path.read_bytes()))
        path = unpacked
    return read(str(path), FOLDER / "petstore-separate-3.0" if name == SEPARATE else None)


def judged_by(name: str, folder: Path) -> Source:
    """The same as one OpenAPI 3 document, made by others where it is not that already."""
    if name == "petstore-in-files-3.0/openapi.yaml":
        return spec("petstore-3.0.json", folder)
    if name == SEPARATE:
        return spec("petstore-separate-whole-3.0.yaml", folder)
    if "-2.0" in name:
        return spec(f"{name.partition('.')[0]}.0-as-3.0.json", folder)
    return spec(name, folder)
