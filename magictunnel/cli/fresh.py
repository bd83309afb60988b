"""How fresh that is which the store knows of servers."""

from __future__ import annotations

import os
from collections.abc import Mapping

from magictunnel.cli.show import say
from magictunnel.config.changes import identity
from magictunnel.config.model import Config
from magictunnel.errors import StoreError
from magictunnel.store.database import open_database
from magictunnel.store.listings import Freshness, Listings
from magictunnel.store.place import store_path


async def saved_freshness(config: Config) -> Mapping[str, Freshness]:
    """When each server was last listed by a gateway, and when that changed; nothing where there is no store."""
    path = store_path(config, os.environ)
    if path is None or not path.exists():
        return {}
    wanted = {name: identity(server) for name, server in config.servers.items()}
    try:
        async with open_database(path) as database:
            return await Listings(database).freshness(wanted)
    except StoreError as error:
        say(f"note: {error}", "yellow")
        return {}
