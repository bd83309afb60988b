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


def in_stateless_terms(capabilities: Json) -> Json:
    """What a client of the handshake era can do, as a server of the stateless one is told.

    Its sort of tasks, and word of changed roots, do not exist there; nor does the other sort of tasks in its own era.
    """
    told = {name: value for name, value in capabilities.items() if name != "tasks"}
    extensions = told.get("extensions")
    if isinstance(extensions, dict) and TASKS in extensions:
        told["extensions"] = {name: value for name, value in extensions.items() if name != TASKS}
    if isinstance(told.get("roots"), dict):
        told["roots"] = {}
    return told


def _advertised(capabilities: Json) -> list[str]:
    keys = (capabilities.get(name) for name in ("extensions", "experimental"))
    return [str(extension) for one in keys if isinstance(one, dict) for extension in one]
