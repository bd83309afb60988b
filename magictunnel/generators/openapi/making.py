"""Makes the whole capability file of a description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from magictunnel.catalog.model import Json
from magictunnel.errors import ConfigError
from magictunnel.generators.base import Generated, LeftOut, Made, Progress, not_public
from magictunnel.generators.names import legal, tool_name
from magictunnel.generators.openapi import swagger
from magictunnel.generators.openapi.documents import Documents, NotCarried
from magictunnel.generators.openapi.operations import Broken, Operation, operations
from magictunnel.generators.openapi.options import Options, matches
from magictunnel.generators.openapi.schemas import Schemas
from magictunnel.generators.openapi.security import Credentials, schemes_of
from magictunnel.generators.openapi.servers import is_private, url_of
from magictunnel.generators.openapi.tools import Tools
from magictunnel.generators.openapi.words import shortened
from magictunnel.generators.read import Source, told

_MAX_NAME = 40
_MAX_NOTED = 5


class Making:
    """One description on its way to being a file."""

    def __init__(self, source: Source, options: Options) -> None:
        version = _version(source)
        self._source = source
        self._options = options
        self._documents = Documents(source)
        self._notes: list[str] = []
        self._left_out: list[LeftOut] = []
        self._base_url = self._server()
        root = self._documents.root
        title = root.at("info").at("title").value
        self._title = title if isinstance(title, str) and title.strip() else source.name
        self._credentials = Credentials(
            self._documents, schemes_of(root), options.env_prefix or _first_words(self._title), self._base_url
        )
        is_old = version.startswith(("2.", "3.0"))
        sent, answered = (
            Schemas(self._documents, is_old, hides, options.max_description) for hides in ("readOnly", "writeOnly")
        )
        home = source.where if source.where.startswith("http") else self._base_url + "/"
        self._tools = Tools(self._documents, options, self._credentials, (sent, answered), home)

    def generated(self, progress: Progress) -> Generated:
        """See `generate`."""
        all_of_them = list(self._operations())
        made = []
        for done, (name, operation) in enumerate(all_of_them):
            if done % 50 == 0:
                progress("operations", done, len(all_of_them))
            if one := self._made(name, operation):
                made.append(one)
        progress("operations", len(all_of_them), len(all_of_them))
        return Generated(self._file(made), tuple(made), tuple(self._left_out), tuple(self._noted()))

    def _operations(self) -> Iterator[tuple[str, Operation]]:
        """Those that are wanted, each with the name of its tool, which does not depend on what is wanted."""
        options = self._options
        taken: set[str] = set()
        filtered = 0
        for one in operations(self._documents):
            if isinstance(one, Broken):
                self._left_out.append(LeftOut(one.told, one.why))
                continue
            wanted = one.id if options.naming == "operation-id" else ""
            name = tool_name(options.prefix + (wanted or _by_path(one)), taken, one.told)
            taken.add(name)
            if (
                matches(options.tags, one.tags)
                and matches(options.paths, [one.path])
                and matches(tuple(glob.upper() for glob in options.methods), [one.method])
                and matches(options.operations, [one.id, name])
            ):
                yield name, one
            else:
                filtered += 1
        if filtered:
            self._notes.append(f"{filtered} operations do not fit the filters")

    def _made(self, name: str, operation: Operation) -> Made | None:
        if operation.node.value.get("deprecated") is True and not self._options.deprecated:
            self._left_out.append(LeftOut(operation.told, "it is deprecated"))
            return None
        try:
            return Made(name, operation.told, self._tools.made(name, operation))
        except NotCarried as reason:
            self._left_out.append(LeftOut(operation.told, str(reason)))
        except RecursionError:
            self._left_out.append(LeftOut(operation.told, "it is nested too deeply"))
        return None

    def _server(self) -> str:
        """Where all is that says nothing else."""
        if self._options.base_url:
            return url_of({"url": self._options.base_url}, self._source.where)
        root = self._documents.root.value
        said = swagger.servers(root) if "swagger" in root else root.get("servers")
        found, reasons = [], []
        for server in (said if isinstance(said, list) else []) or [{"url": "/"}]:
            try:
                found.append(url_of(server, self._source.where))
            except NotCarried as reason:
                reasons.append(str(reason))
        if not found:
            raise ConfigError(
                f"it does not say where its server is: {reasons[0]}",
                file=told(self._source.where),
                hint="name it with --base-url",
            )
        others = [url for url in dict.fromkeys(found[1:]) if url != found[0]]
        if others:
            self._notes.append(
                f"The server is {found[0]}; there are others: {', '.join(others[:_MAX_NOTED])} (choose with --base-url)"
            )
        return found[0]

    def _file(self, made: list[Made]) -> Json:
        root = self._documents.root
        file: Json = {"name": _first_words(self._title).rstrip("_-").lower() or "api"}
        description = root.at("info").at("description").value
        text = description if isinstance(description, str) else ""
        file["description"] = shortened(text, self._options.max_description) or self._title
        if self._credentials.auth:
            file["auth"] = self._credentials.auth
        tools = [one.tool for one in made]
        file["http"] = {"base_url": self._base_url, "headers": {"Accept": "application/json"}}
        if common := _common_auth(tools):
            file["http"]["auth"] = list(common)
        file["tools"] = [_without_common(tool, common) for tool in tools]
        return file

    def _noted(self) -> Iterator[str]:
        if is_private(self._base_url):
            yield not_public(self._base_url)
        yield from self._notes
        yield from self._tools.notes()


def _version(source: Source) -> str:
    document = source.document if isinstance(source.document, dict) else {}
    version = str(document.get("openapi", document.get("swagger", "")))
    if version.startswith(("3.0", "3.1", "3.2")) or (version in ("2.0", "2") and "swagger" in document):
        return version
    what = f"it is OpenAPI {version[:20]}" if version else "it is no OpenAPI document (there is no `openapi` in it)"
    raise ConfigError(what, file=told(source.where), hint="OpenAPI 3.0, 3.1, 3.2 and Swagger 2.0 are read")


def _first_words(title: str) -> str:
    """As many as make a short name."""
    words = legal(title)
    return words if len(words) <= _MAX_NAME else words[:_MAX_NAME].rpartition("_")[0] or words[:_MAX_NAME]


def _by_path(operation: Operation) -> str:
    """`GET /pets/{petId}` -> `get_pets_by_petId`."""
    parts = [part for part in operation.path.split("/") if part]
    words = [f"by_{part[1:-1]}" if part.startswith("{") and part.endswith("}") else part for part in parts]
    return "_".join([operation.method.lower(), *words])


def _common_auth(tools: list[Json]) -> tuple[str, ...]:
    """What most of them need."""
    counted = Counter(tool["http"]["auth"] for tool in tools)
    return tuple(counted.most_common(1)[0][0]) if counted else ()


def _without_common(tool: Json, common: tuple[str, ...]) -> Json:
    auth = tool["http"].pop("auth")
    if auth != common:
        tool["http"]["auth"] = list(auth)
    return tool
