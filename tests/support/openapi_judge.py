"""Sends what a generated tool sends to a real server, and has openapi-core judge it by the description itself."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import loads
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.http import parse_cookie

from tests.support.openapi_forms import Forms

FORMS = ("multipart/", "application/x-www-form-urlencoded")
BYTES = ("application/octet-stream", "image/", "application/pdf", "application/gzip", "application/zip")
OF_PROPERTIES = re.compile(
    r"^Invalid (path|query) parameter: .*Tried to write read-only property with [^\]]* at \[\]\]$"
)
"""`readOnly` is said of properties; of a whole parameter it means nothing."""
JSON = {
    kind: lambda value, **_: loads(value)
    for kind in ("application/json-patch+json", "application/merge-patch+json", "application/scim+json", "*/*")
}
METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "QUERY")


@dataclass(frozen=True)
class Arrived:
    """One request, as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Mock:
    """A server that takes everything."""

    url: str
    arrived: list[Arrived] = field(default_factory=list)


@contextmanager
def mock() -> Iterator[Mock]:
    """One that runs meanwhile."""
    found: list[Arrived] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.append(Arrived(self.command, self.path, list(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    for method in METHODS:
        setattr(Handler, f"do_{method}", Handler._take)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Mock(f"http://127.0.0.1:{server.server_port}", found)
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class Judged:
    """A request in the words of openapi-core."""

    host_url: str
    path: str
    path_pattern: str
    method: str
    parameters: RequestParameters
    body: bytes | None
    content_type: str


class Judge:
    """Knows one description (OpenAPI 3), whose server is at `url`; `where` is what its references are relative to."""

    def __init__(self, document: dict[str, Any], url: str, where: str = "") -> None:
        document = without_defaults(document)
        self._document = document
        self._url = url
        self._where = where
        self._judges: dict[tuple[str, bool], OpenAPI] = {}
        self._forms = Forms(document, where)

    def faults(self, arrived: Arrived, what: str) -> list[str]:
        """What is wrong with a request that was meant as `what` (`GET /pets/{petId}`)."""
        method, _, template = what.partition(" ")
        target = urlsplit(arrived.target)
        variables = _variables(template.partition("?")[0], target.path)
        if arrived.method != method or variables is None:
            return [f"{arrived.method} {arrived.target} is not {what}"]
        headers = Headers(arrived.headers)
        cookies = parse_cookie(headers.get("Cookie", ""))
        query = parse_qsl(target.query, keep_blank_values=True)
        parameters = RequestParameters(
            query=ImmutableMultiDict(query), header=headers, cookie=ImmutableMultiDict(cookies), path=variables
        )
        kind = headers.get("Content-Type", "application/octet-stream")
        media = self._media(template, method, kind) if arrived.body else None
        request = Judged(self._url, target.path, template, method.lower(), parameters, arrived.body or None, kind)
        judge = self._judge(template, media is None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a parameter is deprecated, that a scheme is none of HTTP's
            faults = [_told(error) for error in judge.iter_request_errors(request)]
        faults = [fault for fault in faults if not OF_PROPERTIES.search(fault)]
        faults += self._forms.of_query(target.query, self._deep(template, method))
        if media is not None and not kind.startswith(BYTES):
            faults += self._forms.faults(arrived.body, kind, media)
        return faults

    def faults_of_answer(self, answer: Any, what: str) -> list[str]:
        """What is wrong with `answer`, JSON, where the one that means success is expected."""
        method, _, template = what.partition(" ")
        operation = self._resolved(self._item(template)[method.lower()])
        status = next(status for status in (*operation["responses"], "default") if status[0] in "2d")
        said = self._resolved(operation["responses"][status])
        kinds = [one for one in said["content"] if "json" in one or one == "*/*"]
        schema = said["content"]["application/json" if "application/json" in kinds else kinds[0]]["schema"]
        return self._forms.faults_of(answer, schema, is_sent=False)

    def _media(self, template: str, method: str, kind: str) -> dict[str, Any] | None:
        """What is said of a body of this kind, if it is one that openapi-core does not read."""
        body = self._resolved(self._resolved(self._item(template)[method.lower()]).get("requestBody", {}))
        plain = kind.partition(";")[0]
        content = {one.partition(";")[0]: media for one, media in body.get("content", {}).items()}
        return content.get(plain) if plain.startswith((*BYTES, *FORMS)) else None

    def _deep(self, template: str, method: str) -> list[dict[str, Any]]:
        """Those parameters of which openapi-core reads the plainest only, or none."""
        item = self._resolved(self._document["paths"][template])
        operation = self._resolved(item[method.lower()])
        given = [self._resolved(one) for one in (*item.get("parameters", ()), *operation.get("parameters", ()))]
        return [one for one in given if self._is_ours(one)]

    def _is_ours(self, parameter: dict[str, Any]) -> bool:
        parameter = self._resolved(parameter)
        return parameter.get("style") == "deepObject" or parameter.get("in") == "querystring"

    def _item(self, template: str) -> dict[str, Any]:
        """What openapi-core is to judge by; the server is another one."""
        item = self._resolved(self._document["paths"][template])
        return {
            key: self._plain(self._resolved(one)) if isinstance(one, dict) else self._shallow(one)
            for key, one in item.items()
            if key != "servers"
        }

    def _plain(self, operation: dict[str, Any]) -> dict[str, Any]:
        return {key: self._shallow(one) for key, one in operation.items() if key != "servers"}

    def _shallow(self, value: Any) -> Any:
        """Without the parameters that are read by `Forms`."""
        if not isinstance(value, list):
            return value
        return [one for one in value if not isinstance(one, dict) or not self._is_ours(one)]

    def _resolved(self, node: Any) -> Any:
        while "$ref" in node:
            place: Any = self._document
            for step in unquote(node["$ref"]).removeprefix("#/").split("/"):
                step = step.replace("~1", "/").replace("~0", "~")
                place = place[int(step)] if isinstance(place, list) else place[step]
            node = place
        return node

    def _judge(self, template: str, reads_bodies: bool) -> OpenAPI:
        key = template, reads_bodies
        if key not in self._judges:
            item = self._item(template)
            if not reads_bodies:
                item = {
                    name: {k: v for k, v in one.items() if k != "requestBody"} if isinstance(one, dict) else one
                    for name, one in item.items()
                }
            document = self._document | {"paths": {template: item}, "servers": [{"url": self._url}]}
            config = Config(spec_validator_cls=None, extra_media_type_deserializers=JSON)
            self._judges[key] = OpenAPI.from_dict(document, config=config, base_uri=self._where)
        return self._judges[key]


def without_defaults(value: Any) -> Any:
    """A description without the defaults of its schemas: nobody sends them, and some break their own schema."""
    if isinstance(value, dict):
        return {key: without_defaults(one) for key, one in value.items() if key != "default" or isinstance(one, dict)}
    return [without_defaults(one) for one in value] if isinstance(value, list) else value


def _variables(template: str, path: str) -> dict[str, str] | None:
    """What stands in `path` for the variables of `template`."""
    names = re.findall(r"\{([^{}]+)\}", template)
    pattern = "([^/]+)".join(re.escape(part) for part in re.split(r"\{[^{}]+\}", template))
    found = re.fullmatch(pattern, path) or re.fullmatch(pattern, unquote(path))
    if found is None:
        return None
    plain = dict(zip(names, map(unquote, found.groups()), strict=True))
    marked = {f"{mark}{name}{end}": one for name, one in plain.items() for mark in (".", ";") for end in ("", "*")}
    return plain | marked  # openapi-core looks for the styles `label` and `matrix` under such names


def _told(error: Exception) -> str:
    parts = []
    one: BaseException | None = error
    while one is not None and len(parts) < 4:
        details = getattr(one, "schema_errors", ())
        parts.append(
            f"{one!s}" + "".join(f" [{str(detail.message)[:200]} at {list(detail.path)}]" for detail in details)
        )
        one = one.__cause__
    return " <- ".join(dict.fromkeys(parts))[:800]
