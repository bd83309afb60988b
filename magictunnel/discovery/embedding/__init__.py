"""Texts as vectors: a sentence model that runs here, or a service that is asked. Needs the `embeddings` extra (numpy).

Nothing is imported from numpy, and no model is read, before `open_embedder` is entered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from anyio import to_thread

from magictunnel.config.discovery import EmbeddingsConfig
from magictunnel.errors import DiscoveryError
from magictunnel.secrets import Secrets

MAX_TEXT = 4_000
"""Characters of a text that are embedded; models read less."""


class Embedder(Protocol):
    """Something that makes vectors of texts."""

    @property
    def id(self) -> str:
        """Which model it is: vectors of equal texts and ids are the same."""
        ...

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> list[bytes]:
        """A vector of length 1 for each text: float32, little-endian, all equally long.

        `is_query`: they are requests, not what is searched. Raises DiscoveryError.
        """
        ...


@asynccontextmanager
async def open_embedder(config: EmbeddingsConfig, secrets: Secrets, base: Path) -> AsyncIterator[Embedder]:
    """What a config names; a folder of a model is taken from `base` if it is relative.

    Raises:
        DiscoveryError: numpy or the model is missing, or the model is none we can use.
        UnsetVariable: `api_key` names a variable that is not set.
    """
    await to_thread.run_sync(_import_arrays)
    if config.url is not None:
        from magictunnel.discovery.embedding.remote import open_remote

        key = secrets.expand(config.api_key, "discovery.embeddings.api_key") if config.api_key else ""
        secrets.remember(key)
        async with open_remote(config.url, config.model, key, config.timeout, config.dimensions) as remote:
            yield remote
    else:
        from magictunnel.discovery.embedding.local import open_local

        yield await open_local(config.model, base)


def _import_arrays() -> None:
    """Takes a tenth of a second, so it has a thread. Raises DiscoveryError."""
    try:
        import magictunnel.discovery.embedding.arrays  # noqa: F401
    except ImportError as error:
        hint = "pip install 'magictunnel[embeddings]'"
        raise DiscoveryError("embeddings", f"numpy cannot be imported: {error}", hint=hint) from error
