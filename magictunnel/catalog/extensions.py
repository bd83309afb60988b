"""Which backend owns a method that the core protocol does not know: the one whose extension it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from magictunnel.catalog.model import Catalog, Json, Listing

TASKS = "io.modelcontextprotocol/tasks"


def extensions_of(listings: Mapping[str, Listing]) -> dict[str, tuple[str, ...]]:
    """Extension id -> the backends that advertise it."""
    found: dict[str, tuple[str, ...]] = {}
    for backend, listing in sorted(listings.items()):
        for extension in _advertised(listing.capabilities):
            found[extension] = (*found.get(extension, ()), backend)
    return found


def owners(catalog: Catalog, method: str) -> tuple[str, ...]:
    """The backends whose extension `method` belongs to.

    An extension `vendor/name` owns the methods `name/…` and `vendor/name/…`, and the notifications of these names.
    """
    asked = method.removeprefix("notifications/")
    return tuple(
        dict.fromkeys(
            backend
            for extension, backends in catalog.extensions.items()
            if any(asked == name or asked.startswith(f"{name}/") for name in (extension, extension.rpartition("/")[2]))
            for backend in backends
        )
    )


def _advertised(capabilities: Json) -> list[str]:
    keys = (capabilities.get(name) for name in ("extensions", "experimental"))
    return [str(extension) for one in keys if isinstance(one, dict) for extension in one]
