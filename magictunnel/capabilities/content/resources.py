"""Resources of one capability file: what is listed of them, and what is read."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from anyio import to_thread
from mcp_types import INTERNAL_ERROR

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content.files import contents, mime_of, read_bytes, within
from magictunnel.capabilities.content.uris import below, path_below, plain, values_in
from magictunnel.capabilities.language.expression import MISSING, Absent, Scope, as_text, filled
from magictunnel.capabilities.language.model import CapabilityFile, Resource, ResourceTemplate
from magictunnel.capabilities.language.requests import Http
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendError, BadParams, RunError, UnknownEntry

logger = logging.getLogger(__name__)

MOST_FILES = 1_000
"""Files of one directory that are listed. All of them can be read."""
_MOST_LOOKED_AT = 20_000
"""Names of one directory that are looked at to find them."""
_URI_LIST = "text/uri-list"

Fetch = Callable[[str, str | tuple[str, ...] | None], Awaitable[Output]]
"""`(URL, names of credentials)` -> what is there. Raises RunError."""

RunHttp = Callable[[Http, Scope], Awaitable[Output]]
"""One request, filled in. Raises RunError."""


class Resources:
    """Those of `file`, which lies in `folder`."""

    def __init__(self, file: CapabilityFile, folder: Path, fetch: Fetch, run: RunHttp) -> None:
        self._resources = {resource.uri: resource for resource in file.resources}
        self._directories = [resource for resource in file.resources if resource.directory is not None]
        self._templates = file.resource_templates
        self._folder = folder
        self._fetch = fetch
        self._run = run

    def listed(self) -> tuple[Json, ...]:
        """The definition of each; of a directory, also that of each file in it now. Blocks while it looks there."""
        return tuple(definition for one in self._resources.values() for definition in self._definitions(one))

    def templates(self) -> tuple[Json, ...]:
        """The definitions of the templates; each directory is one, too."""
        of_directories = (
            _defined(one, {"uriTemplate": below(one.uri, "") + "{+path}"}, one.mime_type) for one in self._directories
        )
        own = (_defined(one, {"uriTemplate": one.uri_template}, one.mime_type) for one in self._templates)
        return (*of_directories, *own)

    async def read(self, uri: str) -> Json:
        """The result of `resources/read`.

        Raises:
            UnknownEntry: there is nothing of that URI.
            BadParams: a value in it is missing, or no name of a file.
            BackendError: what is there cannot be read.
        """
        try:
            return {"contents": [await self._content(uri)]}
        except FileNotFoundError:
            raise UnknownEntry("resource", uri, hint="its file is not there") from None
        except Absent as error:
            raise BadParams(f"{uri} cannot be read: {error}") from error
        except RunError as error:
            raise BackendError(INTERNAL_ERROR, f"{uri} cannot be read: {error}") from error

    async def _content(self, uri: str) -> Json:
        if (resource := self._resources.get(uri)) is not None:
            return await self._of_resource(resource)
        for directory in self._directories:
            if path := path_below(directory.uri, uri):
                return await self._of_file(uri, self._root(directory), path, directory.mime_type)
        for template in self._templates:
            if (values := values_in(template.uri_template, uri)) is not None:
                return await self._of_template(uri, template, values)
        raise UnknownEntry("resource", uri)

    async def _of_resource(self, resource: Resource) -> Json:
        uri = resource.uri
        if resource.text is not None:
            return contents(uri, resource.text.encode(), resource.mime_type)
        if resource.file is not None:
            return await self._of_file(uri, self._folder, resource.file, resource.mime_type)
        if resource.directory is not None:
            found = await to_thread.run_sync(partial(_files, self._root(resource)))
            lines = (f"{below(uri, path)}\r\n" for path, _size in found)  # as RFC 2483 ends them
            return contents(uri, "".join(lines).encode(), _URI_LIST)
        assert resource.url is not None, "the model has seen to it"
        return _of_output(uri, await self._fetch(resource.url, resource.auth), resource.mime_type)

    async def _of_template(self, uri: str, template: ResourceTemplate, values: dict[str, str]) -> Json:
        if template.http is not None:
            return _of_output(uri, await self._run(template.http, values), template.mime_type)
        if template.text is not None:
            return contents(uri, as_text(filled(template.text, values)).encode(), template.mime_type)
        for name, value in values.items():
            if not plain(value):
                raise BadParams(
                    f"{name} {value[:100]!a} is no name of a file", hint="it takes no /, and no leading dot"
                )
        path = as_text(filled(template.file, values))
        return await self._of_file(uri, self._folder, path, template.mime_type)

    async def _of_file(self, uri: str, root: Path, path: str, mime_type: str | None) -> Json:
        data = await to_thread.run_sync(lambda: read_bytes(within(root, path)))
        return contents(uri, data, mime_type or mime_of(path))

    def _root(self, directory: Resource) -> Path:
        return within(self._folder, directory.directory or "")

    def _definitions(self, resource: Resource) -> Iterator[Json]:
        if resource.directory is not None:
            yield _defined(resource, {"uri": resource.uri}, _URI_LIST)
            yield from self._of_directory(resource)
        elif resource.file is not None:
            mime_type = resource.mime_type or mime_of(resource.file)
            yield _defined(resource, {"uri": resource.uri}, mime_type) | self._size(resource.file)
        elif resource.text is not None:
            size = {"size": len(resource.text.encode())}
            yield _defined(resource, {"uri": resource.uri}, resource.mime_type or "text/plain") | size
        else:
            yield _defined(resource, {"uri": resource.uri}, resource.mime_type)

    def _of_directory(self, resource: Resource) -> Iterator[Json]:
        try:
            found = _files(self._root(resource))
        except RunError as error:
            logger.warning("%s: %s", resource.uri, error)
            return
        for path, size in found:
            mime_type = resource.mime_type or mime_of(path)
            definition = {"uri": below(resource.uri, path), "name": path}
            yield definition | ({"mimeType": mime_type} if mime_type else {}) | {"size": size}

    def _size(self, path: str) -> Json:
        try:
            return {"size": within(self._folder, path).stat().st_size}
        except (OSError, RunError):
            return {}


def _defined(one: Resource | ResourceTemplate, address: Json, mime_type: str | None) -> Json:
    told = {"name": one.name, "title": one.title, "description": one.description, "mimeType": mime_type}
    return address | {key: value for key, value in told.items() if value is not None}


def _of_output(uri: str, output: Output, mime_type: str | None) -> Json:
    if output.failed:
        raise RunError(output.failed)
    if output.is_cut:
        raise RunError(f"there is more of it than the {len(output.body)} bytes that are read")
    if output.value is not MISSING:
        return contents(uri, json.dumps(output.value, ensure_ascii=False).encode(), mime_type or "application/json")
    made = contents(uri, output.body, output.content_type)
    return made | {"mimeType": mime_type} if mime_type else made


def _files(root: Path) -> list[tuple[str, int]]:
    """The files below `root`, which is resolved: paths with `/` between names, and bytes. Blocks."""
    found = list(islice(_walked(root), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        logger.warning("%s has more files than the %s that are listed", root, MOST_FILES)
    return found[:MOST_FILES]


def _walked(root: Path) -> Iterator[tuple[str, int]]:
    """Folder by folder, by name. Hidden ones are passed over, and links that lead out."""
    looked_at = 0
    for place, folders, names in os.walk(root):
        folders[:] = sorted(filter(plain, folders))
        for name in sorted(filter(plain, names)):
            looked_at += 1
            if looked_at > _MOST_LOOKED_AT:
                return
            path = Path(place, name)
            if (size := _size_within(root, path)) is not None:
                yield path.relative_to(root).as_posix(), size


def _size_within(root: Path, path: Path) -> int | None:
    """Bytes of an ordinary file; None: it is none, or not really below `root`."""
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return None
        return path.stat().st_size if path.is_file() else None
    except (OSError, RuntimeError):
        return None
