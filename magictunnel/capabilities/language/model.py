"""What can stand in a capability file, as frozen values. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from magictunnel.capabilities.language.requests import Credential, GraphQL, Http, HttpDefaults
from magictunnel.capabilities.language.values import Declared, Size, Template
from magictunnel.catalog.model import Json, Visibility
from magictunnel.config.values import Duration, LegalName

WAYS = ("command", "python", "http", "graphql", "mcp", "steps")
"""The keys that say how a tool runs."""


def as_argv(value: Any) -> Any:
    """A command that is a list of its arguments, as the mapping that it stands for."""
    return {"argv": value} if isinstance(value, list) else value


class Command(Declared):
    """One process, started without a shell."""

    argv: Annotated[tuple[Template, ...], Field(min_length=1)]
    """Each element is one argument, whatever is in it. A list among them is left out if something in it is missing; a
    placeholder that is a list stands for as many arguments.
    """
    cwd: str | None = None
    """Relative to the file; None: the file's folder."""
    env: Mapping[str, Template] = Field(default_factory=dict)
    """Added to a plain environment (PATH, HOME, LANG and such)."""
    stdin: Template = None
    """Text, or JSON that is written as such."""
    progress: bool = False
    """Whether its lines are told as progress while it runs."""
    content_type: str | None = None
    """Of what it writes; None: found out."""
    max_output: Size | None = None
    """Bytes of its output that are read; with more it is ended."""
    max_memory: Size | None = None
    """Bytes that it, and each of its children, may have (Linux)."""


def as_function(value: Any) -> Any:
    """A function that is named alone, as the mapping that it stands for."""
    return {"function": value} if isinstance(value, str) else value


class Python(Declared):
    """A function, called with the arguments by name, in a process of its own."""

    function: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")]
    """`module:function`; what it returns is JSON, text or bytes."""
    path: str | None = None
    """Folder of the module, relative to the file; None: the file's folder."""
    arguments: Mapping[str, Template] | None = None
    """None: those of the call."""
    env: Mapping[str, Template] = Field(default_factory=dict)
    max_output: Size | None = None
    max_memory: Size | None = None


class Mcp(Declared):
    """A tool of another server behind us."""

    tool: str
    """Its public name."""
    arguments: Mapping[str, Template] | None = None
    """None: those of the call."""


class Way(Declared):
    """How something runs: one of these."""

    command: Annotated[Command, BeforeValidator(as_argv)] | None = None
    python: Annotated[Python, BeforeValidator(as_function)] | None = None
    http: Http | None = None
    graphql: GraphQL | None = None
    mcp: Mcp | None = None

    @property
    def way(self) -> str:
        """Which of them."""
        return next(name for name in WAYS if getattr(self, name, None) is not None)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(getattr(self, name, None) is not None for name in WAYS) != 1:
            raise PydanticCustomError("one_way", "says how it runs in one of {them}", {"them": ", ".join(WAYS)})
        return self


class OnError(StrEnum):
    """What becomes of the others when a step fails."""

    STOP = "stop"
    """The tool fails."""
    GO_ON = "continue"
    """Those that depend on it are skipped."""


class Step(Way):
    """One step of several. It sees the arguments, and `steps.NAME` of each step that it comes after."""

    name: LegalName
    depends_on: tuple[str, ...] = ()
    when: str | None = None
    """An expression; where it is not true, the step is skipped."""
    on_error: OnError = OnError.STOP
    timeout: Duration | None = None


class Tool(Way):
    """One tool: what clients are told of it, and how it runs."""

    name: LegalName
    title: str | None = None
    description: str = ""
    input_schema: Json = Field(default_factory=lambda: {"type": "object", "properties": {}}, alias="inputSchema")
    output_schema: Json | None = Field(default=None, alias="outputSchema")
    annotations: Json = Field(default_factory=dict)
    icons: tuple[Json, ...] = ()
    meta: Json = Field(default_factory=dict, alias="_meta")
    tags: tuple[str, ...] = ()
    timeout: Duration | None = None
    visibility: Visibility | None = None
    enabled: bool = True
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)] | None = None
    result: Template = None
    """What several steps come to; None: what each of them came to, by name."""
    spill: Size = 256 * 1024
    """Bytes of a result above which the rest of it becomes a resource to be read."""


class PromptArgument(Declared):
    """What a prompt is given."""

    name: str
    title: str | None = None
    description: str | None = None
    required: bool = False


class Message(Declared):
    """One message of a prompt: text, or one of the others."""

    role: Literal["user", "assistant"] = "user"
    text: str | None = None
    image: str | None = None
    """A file, relative to this one."""
    audio: str | None = None
    resource: str | None = None
    """The URI of a resource of this file, which is embedded."""

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if sum(one is not None for one in (self.text, self.image, self.audio, self.resource)) != 1:
            raise PydanticCustomError("one_content", "takes one of text, image, audio and resource")
        return self


class Prompt(Declared):
    """One prompt."""

    name: LegalName
    title: str | None = None
    description: str | None = None
    arguments: tuple[PromptArgument, ...] = ()
    messages: Annotated[tuple[Message, ...], Field(min_length=1)]
    icons: tuple[Json, ...] = ()


class Source(Declared):
    """Where the content of a resource comes from: one of these."""

    text: str | None = None
    file: str | None = None
    """Relative to this one."""
    directory: str | None = None
    """Each file in it is a resource, below the URI of this one."""
    url: str | None = None
    """Fetched when it is read."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.text, self.file, self.directory, self.url)) != 1:
            raise PydanticCustomError("one_source", "takes one of text, file, directory and url")
        return self


class Resource(Source):
    """One resource, or one for each file of a directory."""

    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = Field(default=None, alias="mimeType")
    auth: str | tuple[str, ...] | None = None
    """For `url`, as in `http`."""


class ResourceTemplate(Declared):
    """Resources by a pattern: `{name}` in the URI is an argument of how each is read."""

    uri_template: str = Field(alias="uriTemplate")
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: str | None = Field(default=None, alias="mimeType")
    text: str | None = None
    file: str | None = None
    """Path with placeholders, which stays within the file's folder."""
    http: Http | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.text, self.file, self.http)) != 1:
            raise PydanticCustomError("one_source", "takes one of text, file and http")
        return self


class CapabilityFile(Declared):
    """A whole file."""

    name: LegalName | None = None
    """Of the backend that it is; None: the file's own."""
    description: str | None = None
    instructions: str = ""
    """What clients are told of all of it."""
    auth: Mapping[LegalName, Credential] = Field(default_factory=dict)
    http: HttpDefaults = HttpDefaults()
    concurrency: Annotated[int, Field(ge=1, le=1_000)] = 32
    """How many programs and requests of the file are under way at once; others wait for their turn."""
    tools: tuple[Tool, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    resources: tuple[Resource, ...] = ()
    resource_templates: tuple[ResourceTemplate, ...] = Field(default=(), alias="resourceTemplates")
