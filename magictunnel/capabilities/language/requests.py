"""What can stand in a capability file about requests over HTTP: `http`, `graphql` and `auth`, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from magictunnel.capabilities.language.values import Declared, Reference, Size, Template
from magictunnel.config.values import Duration

BODIES = ("json", "form", "multipart", "body")
"""The keys that say what an HTTP request carries."""


class Style(StrEnum):
    """How a list or an object is written in a URL, a header or a form (OpenAPI's names)."""

    SIMPLE = "simple"
    LABEL = "label"
    MATRIX = "matrix"
    FORM = "form"
    SPACE = "spaceDelimited"
    PIPE = "pipeDelimited"
    DEEP = "deepObject"
    JSON = "json"
    """Not by parts: the whole value as JSON."""


class Written(Declared):
    """How one value is written."""

    style: Style | None = None
    """None: as OpenAPI has it by default (`simple` in a path or header, `form` elsewhere)."""
    explode: bool | None = None
    """Whether each element stands for itself; None: only with `form` and `deepObject`."""
    reserved: bool = False
    """Whether characters such as `/` and `?` go out as they are (query only)."""


class Part(Written):
    """One named value of a request: a query parameter, a header, a cookie, a field of a form."""

    value: Template


class FilePart(Part):
    """One part of a multipart body."""

    filename: Template = None
    content_type: str | None = None
    base64: bool = False
    """Whether the value is base64 of the bytes to be sent."""


def as_part(value: Any) -> Any:
    """The part that `value` is: one that stands alone is a part with nothing said about it."""
    return value if isinstance(value, dict) and "value" in value else {"value": value}


Parts = Mapping[str, Annotated[Part, BeforeValidator(as_part)]]
FileParts = Mapping[str, Annotated[FilePart, BeforeValidator(as_part)]]


class Retries(Declared):
    """How often a request is sent again that failed on the way, or with 429, 502, 503 or 504."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """All in all."""
    pause: Duration = 0.5
    """Seconds before the second attempt; doubled before each further one, or as long as the server asks for."""


class Pages(Declared):
    """How the further pages of an answer are had: by the `Link` header, a cursor, or a number."""

    items: str
    """Path of the list in the answer, such as `data.items`; empty: the answer is the list."""
    link: bool = False
    """Follow `Link: <...>; rel="next"` within our origin."""
    cursor: str | None = None
    """Path in the answer of what the next request carries in `parameter`; the last page has none."""
    number: Annotated[int, Field(ge=0)] | None = None
    """The first page's number in `parameter`; the first page without items is the last."""
    parameter: str | None = None
    """The query parameter that names the page."""
    most: Annotated[int, Field(ge=1, le=1_000)] = 10
    """Pages at most."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum((self.link, self.cursor is not None, self.number is not None)) != 1:
            raise PydanticCustomError("one_way", "takes one of `link`, `cursor` and `number`")
        if (self.parameter is None) is not self.link:
            raise PydanticCustomError("parameter", "`parameter` belongs to `cursor` and `number`")
        return self


class Stream(StrEnum):
    """What of an answer is told as progress while it comes."""

    EVENTS = "events"
    LINES = "lines"


class Http(Declared):
    """One HTTP request. Scheme, host and port are what this file says, whatever the arguments are."""

    method: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3,7}$")] = "GET"
    url: str
    """Absolute, or what comes after `http.base_url` of the file. Placeholders may stand in its path and query."""
    path: Mapping[str, Written] = Field(default_factory=dict)
    """Placeholder in the path of `url` -> how it is written there, where not in the ordinary way."""
    query: Parts = Field(default_factory=dict)
    headers: Parts = Field(default_factory=dict)
    cookies: Parts = Field(default_factory=dict)
    json_: Template = Field(default=None, alias="json")
    form: Parts | None = None
    multipart: FileParts | None = None
    body: Template = None
    """Text as it is."""
    base64: bool = False
    """Whether `body` is base64 of the bytes to be sent."""
    content_type: str | None = None
    auth: str | tuple[str, ...] | None = None
    """Names in the file's `auth`; an empty list: none. None: what `http.auth` says."""
    retries: Retries | None = None
    pages: Pages | None = None
    stream: Stream | None = None
    max_output: Size | None = None
    """Bytes of an answer that are read."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if len(self.model_fields_set & {"json_", "form", "multipart", "body"}) > 1:
            raise PydanticCustomError("one_body", "takes one of {them}", {"them": ", ".join(BODIES)})
        if self.retries is not None and self.method not in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            raise PydanticCustomError(
                "retries", "`retries` is for methods that may be repeated, not for {method}", {"method": self.method}
            )
        return self


class GraphQL(Declared):
    """One GraphQL operation, posted to an endpoint. Only `url` says where."""

    url: str
    query: str
    """The document, as it is sent."""
    variables: Mapping[str, Template] = Field(default_factory=dict)
    """What is missing is left out."""
    operation: str | None = None
    select: str | None = None
    """Path in `data` of what is answered, such as `user`."""
    headers: Parts = Field(default_factory=dict)
    auth: str | tuple[str, ...] | None = None
    max_output: Size | None = None


class Bearer(Declared):
    """`Authorization: Bearer TOKEN`."""

    type: Literal["bearer"]
    token: Reference


class ApiKey(Declared):
    """A key in a header, in the query, or in a cookie."""

    type: Literal["api_key"]
    place: Literal["header", "query", "cookie"] = Field(default="header", alias="in")
    name: str
    value: Reference


class Basic(Declared):
    """`Authorization: Basic ...`."""

    type: Literal["basic"]
    username: str
    password: Reference


class ClientCredentials(Declared):
    """OAuth 2: a token of our own, had from `token_url` and renewed before it ends."""

    type: Literal["oauth2"]
    token_url: str
    client_id: str
    client_secret: Reference
    scopes: tuple[str, ...] = ()
    audience: str | None = None


Credential = Annotated[Bearer | ApiKey | Basic | ClientCredentials, Field(discriminator="type")]


class HttpDefaults(Declared):
    """What all HTTP requests of a file have in common."""

    base_url: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    auth: str | tuple[str, ...] = ()
    allow_private: bool = False
    """Whether addresses of this machine and of private networks may be reached."""
