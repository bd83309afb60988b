"""Which of a client's first messages are answered at once: what is exactly right, and no surprise. Pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from magictunnel.front.first_words import Words, name_of

PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
LISTS = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")

MAX_LINE = 64 * 1024
_MAX_BRACKETS = 200
_MAX_ID = 128
_KEYS = {"jsonrpc", "id", "method", "params"}
_ABOUT = {"name", "version", "title", "description", "websiteUrl"}
"""What a client may say of itself here, each a text. (Whatever else there is, is for the SDK to look at.)"""


class Heard(NamedTuple):
    """One line of the client."""

    line: bytes
    message: dict[str, Any]
    answer: bytes
    """What it was answered with, behind its id; empty: it wanted no answer, and is to be passed on."""


class Talk:
    """What has been said so far. Its era is what it opens with."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._view: str | None = None
        """Of a client that has shaken hands."""
        self._is_stateless = False

    def take(self, line: bytes) -> Heard | None:
        """What to do with a line. None: it, and all that comes after it, is for others."""
        message = _message(line)
        if message is None:
            return None
        if "id" not in message:
            return Heard(line, message, b"")
        answer = self._answer(message["method"], message.get("params", {}))
        return Heard(line, message, answer) if answer else None

    def _answer(self, method: str, params: dict[str, Any]) -> bytes | None:
        meta = params.get("_meta", {})
        if not isinstance(meta, dict) or type(meta.get("progressToken", "")) not in (str, int):
            return None
        if PROTOCOL_VERSION in meta:
            return self._stateless(method, params, meta)
        if self._is_stateless or meta.keys() - {"progressToken"}:
            return None
        if method == "initialize":
            return self._shake(params)
        is_plain = self._view is not None and not params.keys() - {"_meta"}
        return self._words.get(name_of(method, "", self._view or "")) if is_plain else None

    def _shake(self, params: dict[str, Any]) -> bytes | None:
        about: Any = params.get("clientInfo")
        version: Any = params.get("protocolVersion")
        wanted = {"protocolVersion", "clientInfo", "capabilities"}
        is_right = wanted <= params.keys() <= {*wanted, "_meta"} and isinstance(version, str)
        if self._view is not None or not is_right or not _is_client(about) or not _can(params["capabilities"]):
            return None
        view = self._words.view(about["name"])
        answer = self._words.get(name_of("initialize", version, view))
        self._view = view if answer else None
        return answer

    def _stateless(self, method: str, params: dict[str, Any], meta: dict[str, Any]) -> bytes | None:
        about, version = meta.get(CLIENT_INFO, {"name": "", "version": ""}), meta[PROTOCOL_VERSION]
        is_right = isinstance(version, str) and LOG_LEVEL not in meta and params.keys() == {"_meta"}
        if self._view is not None or not is_right or not _is_client(about) or not _can(meta.get(CLIENT_CAPABILITIES)):
            return None
        answer = self._words.get(name_of(method, version, self._words.view(about["name"])))
        self._is_stateless = self._is_stateless or answer is not None
        return answer


def _message(line: bytes) -> dict[str, Any] | None:
    """A request or a notification that nobody could read in another way."""
    if len(line) > MAX_LINE or b"\\ud" in line.lower() or line.count(b"{") + line.count(b"[") > _MAX_BRACKETS:
        return None
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_refused)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.keys() - _KEYS or message.get("jsonrpc") != "2.0":
        return None
    is_right = isinstance(message.get("method"), str) and isinstance(message.get("params", {}), dict)
    return message if is_right and _is_id(message.get("id", 0)) else None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_id(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and value.isascii() and len(value) <= _MAX_ID)


def _is_client(about: Any) -> bool:
    """Whether a client says who it is."""
    if not isinstance(about, dict) or not {"name", "version"} <= about.keys() <= _ABOUT:
        return False
    return all(isinstance(value, str) for value in about.values())


def _can(capabilities: Any) -> bool:
    """Whether these are the capabilities of a client."""
    return isinstance(capabilities, dict) and all(_is_capability(*one) for one in capabilities.items())


def _is_capability(name: str, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if name == "roots":
        return all(key == "listChanged" and isinstance(flag, bool) for key, flag in value.items())
    if name in ("experimental", "extensions"):
        return all(isinstance(one, dict) for one in value.values())
    return name in ("sampling", "elicitation", "tasks") and _is_tree(value)


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_tree, value.values()))
