"""Follows `$ref` through a description and the files beside it."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from magictunnel.errors import ConfigError
from magictunnel.generators.read import Source

MAX_DOCUMENTS = 2_000
_MAX_CHAIN = 50


class NotCarried(Exception):
    """Something in a description that no tool can be made of; says what it is."""


class Node(NamedTuple):
    """A part of a description, and the URL of the document that it stands in."""

    value: Any
    base: str

    def at(self, key: str, default: Any = None) -> Node:
        """What it holds under `key`."""
        return Node(self.value.get(key, default) if isinstance(self.value, dict) else default, self.base)


class Documents:
    """All documents of one description, each read once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._documents: dict[str, Any] = {source.where: source.document}

    @property
    def root(self) -> Node:
        """The document that was asked for."""
        return Node(self._source.document, self._source.where)

    def resolved(self, node: Node) -> Node:
        """`node`, or what it refers to in the end.

        Raises:
            NotCarried: it leads nowhere, or round and round.
        """
        for _ in range(_MAX_CHAIN):
            reference = reference_of(node.value)
            if reference is None:
                return node
            node = self.target(reference, node.base)
        raise NotCarried(f"$ref {reference_of(node.value)} leads back to itself")

    def target(self, reference: str, base: str) -> Node:
        """What `reference`, which stands in the document `base`, refers to. Raises NotCarried: nothing."""
        url, fragment = urldefrag(urljoin(base, reference))
        node = Node(self._document(url or base, reference), url or base)
        if fragment and not fragment.startswith("/"):
            raise NotCarried(f"$ref {reference} is an anchor, not a path")
        for part in unquote(fragment).split("/")[1:]:
            node = self._member(node, part.replace("~1", "/").replace("~0", "~"), reference)
        return node

    def _member(self, node: Node, key: str, reference: str) -> Node:
        if reference_of(node.value) is not None and key not in node.value:
            node = self.resolved(node)
        value = node.value
        if isinstance(value, dict) and key in value:
            return Node(value[key], node.base)
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            return Node(value[int(key)], node.base)
        raise NotCarried(f"$ref {reference} leads nowhere")

    def _document(self, url: str, reference: str) -> Any:
        if url not in self._documents:
            if len(self._documents) >= MAX_DOCUMENTS:
                raise NotCarried(f"$ref {reference}: there are more than {MAX_DOCUMENTS} documents")
            try:
                self._documents[url] = self._source.beside(url)
            except ConfigError as error:
                raise NotCarried(f"$ref {reference}: {error.message}") from error
        return self._documents[url]


def reference_of(value: Any) -> str | None:
    """The `$ref` that `value` is."""
    reference = value.get("$ref") if isinstance(value, dict) else None
    return reference if isinstance(reference, str) else None
