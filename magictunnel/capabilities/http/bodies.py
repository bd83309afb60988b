"""What a request carries: JSON, a form, several parts, text or bytes. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from magictunnel.capabilities.http.names import pairs_of
from magictunnel.capabilities.http.styles import Pair, query_pairs
from magictunnel.capabilities.language.expression import MISSING, as_text
from magictunnel.capabilities.language.requests import FilePart, Http, Part, Style
from magictunnel.errors import RunError

FillPart = Callable[[Part, str], Any]
"""`(part, where it stands)` -> its value."""
Fill = Callable[[Any, str], Any]
"""`(template, where it stands)` -> its value."""

_FORM = "application/x-www-form-urlencoded"
_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""As browsers write what would end a quoted name."""


class Body(NamedTuple):
    """What is carried, and as what."""

    data: bytes
    content_type: str


def body_of(http: Http, part: FillPart, fill: Fill) -> Body | None:
    """What `http` carries; None: nothing. Raises RunError: a value is no base64."""
    if http.form is not None:
        return _form(http, part)
    if http.multipart is not None:
        return _multipart(http, part, fill)
    if "json_" in http.model_fields_set:
        return _json(http, fill(http.json_, "json"))
    return _raw(http, fill) if http.body is not None else None


def _json(http: Http, value: Any) -> Body | None:
    if value is MISSING:
        return None
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Body(data.encode(), http.content_type or "application/json")


def _form(http: Http, part: FillPart) -> Body | None:
    assert http.form is not None

    def written(name: str, one: Part) -> list[Pair]:
        return query_pairs(name, part(one, f"form.{name}"), one.style, one.explode, reserved=False)

    pairs = [f"{key}={value}" for key, value in pairs_of(http.form, written)]
    return Body("&".join(pairs).encode(), http.content_type or _FORM) if pairs else None


def _raw(http: Http, fill: Fill) -> Body | None:
    value = fill(http.body, "body")
    if value is MISSING or value is None:
        return None
    if http.base64:
        return Body(_from_base64(value, "body"), http.content_type or "application/octet-stream")
    return Body(as_text(value).encode(), http.content_type or "text/plain; charset=utf-8")


def _multipart(http: Http, part: FillPart, fill: Fill) -> Body | None:
    assert http.multipart is not None
    written = [
        one
        for name, declared in http.multipart.items()
        for one in _parts(name, declared, part(declared, f"multipart.{name}"), fill)
    ]
    if not written:
        return None
    boundary = hashlib.sha256(b"".join(written)).hexdigest()  # nobody can put into it what depends on all of it
    line = b"--" + boundary.encode()
    data = b"".join(line + b"\r\n" + one + b"\r\n" for one in written) + line + b"--\r\n"
    return Body(data, f"{http.content_type or 'multipart/form-data'}; boundary={boundary}")


def _parts(name: str, declared: FilePart, value: Any, fill: Fill) -> Iterator[bytes]:
    """Each element of a list is a part, unless that is to be written as one."""
    is_apart = isinstance(value, list) and declared.style is not Style.JSON and declared.explode is not False
    for one in value if is_apart else [value]:
        if one is not MISSING and one is not None:
            yield _one_part(name, declared, one, fill(declared.filename, f"multipart.{name}.filename"))


def _one_part(name: str, declared: FilePart, value: Any, filename: Any) -> bytes:
    data = _from_base64(value, name) if declared.base64 else _part_text(declared, value).encode()
    head = f'Content-Disposition: form-data; name="{name.translate(_QUOTED)}"'
    if filename is not MISSING and filename is not None:
        head += f'; filename="{as_text(filename).translate(_QUOTED)}"'
    if kind := declared.content_type or _part_type(declared, value, filename):
        head += f"\r\nContent-Type: {kind}"
    return head.encode() + b"\r\n\r\n" + data


def _part_text(declared: FilePart, value: Any) -> str:
    if declared.style is Style.JSON:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, list):
        return ",".join(map(as_text, value))
    return as_text(value)


def _part_type(declared: FilePart, value: Any, filename: Any) -> str:
    if declared.style is Style.JSON or (isinstance(value, dict) and not declared.base64):
        return "application/json"
    return "application/octet-stream" if declared.base64 or filename not in (MISSING, None) else ""


def _from_base64(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode("".join(as_text(value).split()).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise RunError(f"{name} is no base64: {error}", hint="encode its bytes as base64") from error
