"""What is shown of an answer: all of it but the secrets that went out, which a server may repeat. Pure."""

from __future__ import annotations

from typing import Any

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content.media import decoded, has_charset
from magictunnel.capabilities.http.client import Answer
from magictunnel.capabilities.processes.process import hidden
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets


def output_of(answer: Answer, given: Secrets) -> Output:
    """An answer without what was given out for it."""
    mask = given.mask_start if answer.is_cut else given.mask
    content_type = answer.header("content-type")
    body = hidden(answer.body, mask)
    if has_charset(content_type):  # in which a secret need not look like one
        text = decoded(body, content_type)
        if (masked := mask(text)) != text:
            body, content_type = masked.encode(), f"{content_type.partition(';')[0]}; charset=utf-8"
    return Output(
        body=body, content_type=given.mask(content_type), failed=given.mask(answer.failed), is_cut=answer.is_cut
    )


def shown(value: Any, body: bytes, given: Secrets) -> Any:
    """JSON that came in `body`, without what was given out for it.

    Raises:
        RunError: it is nested too deep to be looked through.
    """
    if hidden(body, given.mask) is body:
        return value
    try:
        return given.mask_json(value)
    except RecursionError as error:
        raise RunError("the answer is nested too deep") from error
