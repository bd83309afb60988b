"""What can stand under `discovery` in a config."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from magictunnel.config.values import Duration, Frozen, Share

DISCOVERY = "magictunnel"
"""The name of the backend by which the tools of others are found."""


class Mode(StrEnum):
    """What clients are shown of many tools."""

    AUTO = "auto"
    SEARCH = "search"
    OFF = "off"


class FillerType(StrEnum):
    """Whose model fills in the arguments that are not found in the words of a request."""

    SAMPLING = "sampling"
    """The client's own."""
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"


class FillerConfig(Frozen):
    """A model that fills in arguments. Text is as written: `${VAR}` is resolved when it is asked."""

    type: FillerType
    url: str | None = None
    """Of the API, such as `https://api.openai.com/v1`; None: its usual one."""
    model: str | None = None
    api_key: str | None = None
    timeout: Duration = 20.0
    max_tokens: Annotated[int, Field(ge=16, le=8_192)] = 512

    @model_validator(mode="after")
    def _needs_a_model(self) -> FillerConfig:
        if self.type is not FillerType.SAMPLING and not self.model:
            raise ValueError("needs a `model`")
        return self


class EmbeddingsConfig(Frozen):
    """Where vectors come from: a model here (`model`), or a service (`url`, and the `model` it is asked for)."""

    model: str | None = None
    """The directory of a sentence model, or an installed package that has one; with `url`: its name there."""
    url: str | None = None
    """Of an OpenAI-compatible API; `/embeddings` is added to it."""
    api_key: str | None = None
    timeout: Duration = 5.0
    dimensions: Annotated[int, Field(ge=8, le=8_192)] | None = None
    """How long the vectors are that a service is asked for."""

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> EmbeddingsConfig:
        if not self.model:
            raise ValueError("needs a `model`")
        return self


class CodeConfig(Frozen):
    """Scripts of clients that call tools (`run_script`), and how much one of them may take."""

    enabled: bool = False
    time: Duration = 30.0
    """Seconds that it may compute; waiting for tools does not count."""
    timeout: Duration = 300.0
    """Seconds for the whole of it."""
    memory: Annotated[int, Field(ge=8, le=4_096)] = 64
    """MiB."""
    calls: Annotated[int, Field(ge=1, le=10_000)] = 50
    output: Annotated[int, Field(ge=100, le=10_000_000)] = 50_000
    """Characters that it may print and return."""


class DiscoveryConfig(Frozen):
    """How clients find the right one of many tools."""

    mode: Mode = Mode.AUTO
    max_tools: Annotated[int, Field(ge=0, le=1_000_000)] = 60
    """In `auto`: so many tools are listed as they are; of more, the way to search is."""
    max_tokens: Annotated[int, Field(ge=0, le=100_000_000)] = 20_000
    """The same, for the tokens that their definitions come to (estimated: four characters each)."""
    deferring: tuple[str, ...] = ("claude-code", "github-copilot-cli", "copilot-cli")
    """Names by which clients introduce themselves that search long lists by themselves; shell-style globs."""
    confidence: Share = 0.85
    """How sure `smart_tool_discovery` must be of a tool to call it."""
    embeddings: EmbeddingsConfig | None = None
    filler: FillerConfig | None = None
    code: CodeConfig = CodeConfig()
