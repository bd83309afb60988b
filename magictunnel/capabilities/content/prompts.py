"""Prompts of one capability file: what is listed of them, and what they come to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread
from mcp_types import INTERNAL_ERROR

from magictunnel.capabilities.content.files import encoded, mime_of, path_fault, read_bytes, within
from magictunnel.capabilities.language.expression import as_text, filled
from magictunnel.capabilities.language.model import CapabilityFile, Message, Prompt
from magictunnel.catalog.model import Json
from magictunnel.config.explain import did_you_mean
from magictunnel.errors import BackendError, BadParams, RunError, UnknownEntry

ReadResource = Callable[[str], Awaitable[Json]]
"""URI -> the result of `resources/read`. Raises CallError."""


class Prompts:
    """Those of `file`, which lies in `folder`; `read` reads the resources that they embed."""

    def __init__(self, file: CapabilityFile, folder: Path, read: ReadResource) -> None:
        self._prompts = {prompt.name: prompt for prompt in file.prompts}
        self._folder = folder
        self._read = read

    def listed(self) -> tuple[Json, ...]:
        """The definition of each."""
        return tuple(map(_defined, self._prompts.values()))

    async def got(self, name: str, arguments: Any) -> Json:
        """The result of `prompts/get`.

        Raises:
            UnknownEntry: there is none of that name.
            BadParams: an argument is missing, unknown, or no text.
            BackendError: a file, or a resource, that it embeds cannot be read.
        """
        prompt = self._prompts.get(name)
        if prompt is None:
            raise UnknownEntry("prompt", name)
        values = taken(prompt, arguments)
        messages = [await self._made(prompt, message, values) for message in prompt.messages]
        description = {"description": prompt.description} if prompt.description else {}
        return description | {"messages": [message for message in messages if message]}

    async def _made(self, prompt: Prompt, message: Message, values: Json) -> Json | None:
        """One message; None where its text comes to nothing."""
        if message.text is not None:
            text = as_text(filled(message.text, values))
            return {"role": message.role, "content": {"type": "text", "text": text}} if text.strip() else None
        if message.resource is not None:
            result = await self._read(message.resource)
            return {"role": message.role, "content": {"type": "resource", "resource": result["contents"][0]}}
        kind, path = next(_media(message))
        try:
            data = await to_thread.run_sync(partial(self._loaded, path))
        except (RunError, FileNotFoundError) as error:
            why = str(error) if isinstance(error, RunError) else f"{path!a} is not there"
            raise BackendError(INTERNAL_ERROR, f"prompt {prompt.name!r}: its {kind} {why}") from error
        return {"role": message.role, "content": {"type": kind, "data": data, "mimeType": mime_of(path)}}

    def _loaded(self, path: str) -> str:
        return encoded(read_bytes(within(self._folder, path)))


def taken(prompt: Prompt, arguments: Any) -> Json:
    """The arguments of `prompts/get`, with null for those left out. Raises BadParams as `Prompts.got` does."""
    given = {} if arguments is None else arguments
    if not isinstance(given, dict):
        raise BadParams("The arguments of a prompt should be an object")
    names = [argument.name for argument in prompt.arguments]
    for name, value in given.items():
        if name not in names:
            hint = did_you_mean(name, names) if names else "it takes none"
            raise BadParams(f"Prompt {prompt.name!r} has no argument {name[:100]!a}", hint=hint)
        if not isinstance(value, str):
            raise BadParams(f"Argument {name!r} of prompt {prompt.name!r} should be text")
    missing = [argument.name for argument in prompt.arguments if argument.required and argument.name not in given]
    if missing:
        raise BadParams(f"Prompt {prompt.name!r} needs {', '.join(missing)}", hint="give it as an argument")
    return dict.fromkeys(names) | given


def media_faults(prompt: Prompt) -> Iterator[str]:
    """What is wrong with the files that `prompt` shows or plays, as they are written."""
    for message in prompt.messages:
        for kind, path in _media(message):
            if why := path_fault(path):
                yield f"{path!a} {why}"
            elif not (mime_of(path) or "").startswith(f"{kind}/"):
                yield f"{path!a} is no {kind}, to judge by its suffix"


def _media(message: Message) -> Iterator[tuple[str, str]]:
    """Kind and path of the file that a message consists of, if it does."""
    for kind, path in (("image", message.image), ("audio", message.audio)):
        if path is not None:
            yield kind, path


def _defined(prompt: Prompt) -> Json:
    told = {
        "name": prompt.name,
        "title": prompt.title,
        "description": prompt.description,
        "arguments": [argument.model_dump(exclude_none=True) for argument in prompt.arguments] or None,
        "icons": list(prompt.icons) or None,
    }
    return {key: value for key, value in told.items() if value is not None}
