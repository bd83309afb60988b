"""What a tool would run or send for some arguments, with its secrets as the references that the file has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from magictunnel.capabilities.command import arguments
from magictunnel.capabilities.expression import MISSING, Absent, as_text, filled
from magictunnel.capabilities.graphql import PAYLOAD, as_http, payload_of
from magictunnel.capabilities.http.request import Built, Expand, built
from magictunnel.capabilities.http.styles import cookie_pairs, encoded
from magictunnel.capabilities.model import CapabilityFile, Command, Mcp, Python, Tool, Way
from magictunnel.capabilities.requests import ApiKey, Basic, Bearer, Credential, Http
from magictunnel.catalog.model import Json
from magictunnel.errors import RunError

_PLACES = ("url", "http.base_url")
"""Where a reference has to be resolved to know where a request goes."""


class Preview:
    """Of the tools of one file. `expand`: resolves references, for those that say where a request goes."""

    def __init__(self, file: CapabilityFile, expand: Expand) -> None:
        self._file = file
        self._expand = expand

    def of(self, tool: Tool, scope: Json) -> Json:
        """What `tool` does for the arguments in `scope`; of several steps, what each does as far as is known before.

        Raises:
            RunError: something is missing, or cannot be sent.
        """
        if tool.steps is None:
            return self._way(tool, scope)
        return {"steps": [{"name": step.name} | self._step(step, scope) for step in tool.steps]}

    def _step(self, step: Way, scope: Json) -> Json:
        try:
            return self._way(step, scope)
        except (RunError, Absent):  # it waits for what others come to
            declared = getattr(step, step.way).model_dump(mode="json", by_alias=True, exclude_defaults=True)
            return {step.way: declared}

    def _way(self, way: Way, scope: Json) -> Json:
        try:
            if way.http is not None:
                return {"http": self._http(way.http, scope)}
            if way.graphql is not None:
                payload = payload_of(way.graphql, scope)
                request = self._http(as_http(way.graphql), {**scope, PAYLOAD: payload})
                return {"graphql": {**request, "body": payload}}
            if way.command is not None:
                return {"command": _command(way.command, scope)}
            if way.python is not None:
                return {"python": _python(way.python, scope)}
            assert way.mcp is not None, "the model has seen to it"
            return {"mcp": _mcp(way.mcp, scope)}
        except Absent as error:
            raise RunError(str(error), hint=f"give {error.name}") from error

    def _http(self, http: Http, scope: Json) -> Json:
        request = built(http, self._file.http, scope, self._only_places)
        names = self._file.http.auth if http.auth is None else http.auth
        for name in (names,) if isinstance(names, str) else names:
            request = _having(request, self._file.auth[name])
        told = {"method": request.method, "url": request.url, "headers": dict(request.lines)}
        return told | ({"body": _text(request.body)} if request.body is not None else {})

    def _only_places(self, text: str, where: str) -> str:
        return self._expand(text, where) if where in _PLACES else text


def _having(request: Built, credential: Credential) -> Built:
    """`request` with what a credential adds, by reference."""
    match credential:
        case Bearer(token=token):
            return request.having(headers=[("Authorization", f"Bearer {token}")])
        case Basic(username=user, password=password):
            return request.having(headers=[("Authorization", f"Basic {user}:{password}")])
        case ApiKey(place="query", name=name, value=value):
            return request.having(query=[(encoded(name), value)])
        case ApiKey(place="cookie", name=name, value=value):
            return request.having(cookies=[*cookie_pairs(name, value, None, None)])
        case ApiKey(name=name, value=value):
            return request.having(headers=[(name, value)])
        case _:
            return request.having(headers=[("Authorization", f"Bearer (a token from {credential.token_url})")])


def _text(body: bytes) -> str:
    """A body for a person: its text, or its size."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"[{len(body):,} bytes]"


def _command(command: Command, scope: Json) -> Json:
    stdin = filled(command.stdin, scope)
    told = {
        "argv": arguments(command.argv, scope),
        "cwd": command.cwd,
        "env": filled(command.env, scope) or None,
        "stdin": None if stdin is MISSING or stdin is None else as_text(stdin),
    }
    return {key: value for key, value in told.items() if value is not None}


def _python(python: Python, scope: Json) -> Json:
    told = {
        "function": python.function,
        "path": python.path,
        "arguments": _given(python.arguments, scope),
        "env": filled(python.env, scope) or None,
    }
    return {key: value for key, value in told.items() if value is not None}


def _mcp(mcp: Mcp, scope: Json) -> Json:
    return {"tool": mcp.tool, "arguments": _given(mcp.arguments, scope)}


def _given(declared: Any, scope: Json) -> Any:
    """The arguments that the file declares, else those of the call."""
    return (
        {name: value for name, value in scope.items() if name != "steps"}
        if declared is None
        else filled(declared, scope)
    )


def lines(preview: Json) -> Iterator[str]:
    """It as lines for a person."""
    for way, told in preview.items():
        if way == "steps":
            for step in told:
                name, *_ = step.values()
                yield f"step {name}"
                yield from (f"  {line}" for line in lines({key: one for key, one in step.items() if key != "name"}))
        elif "url" in told and "method" in told:
            yield f"{told['method']} {told['url']}"
            yield from (f"{name}: {value}" for name, value in told.get("headers", {}).items())
            yield from _shown(told.get("body"))
        elif "argv" in told:
            yield f"run {_words(told['argv'])}"
            yield from (f"{key}: {as_text(told[key])}" for key in ("cwd", "env", "stdin") if key in told)
        else:
            name = told.get("function") or told.get("tool") or ""
            yield f"{way} {name} {as_text(told.get('arguments', {}))}"


def _shown(body: Any) -> Iterator[str]:
    if body is None:
        return
    yield ""
    if isinstance(body, dict):
        yield str(body.get("query", "")).rstrip()
        yield f"variables: {as_text(body.get('variables', {}))}"
    else:
        yield str(body)


def _words(argv: Sequence[str]) -> str:
    """Each argument by itself, so that it is seen where one ends."""
    return as_text(list(argv))
