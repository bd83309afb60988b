"""What a tool would run or send for some arguments, with its secrets as the references that the file has. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from magictunnel.capabilities.base import arguments_of
from magictunnel.capabilities.http.graphql import PAYLOAD, as_http, payload_of
from magictunnel.capabilities.http.pages import first
from magictunnel.capabilities.http.request import Built, Expand, built
from magictunnel.capabilities.http.styles import cookie_pairs, encoded
from magictunnel.capabilities.language.expression import MISSING, Absent, BadExpression, as_text, filled, holds, parsed
from magictunnel.capabilities.language.model import CapabilityFile, Command, Mcp, Python, Step, Tool, Way
from magictunnel.capabilities.language.requests import ApiKey, Basic, Bearer, Credential, Http
from magictunnel.capabilities.processes.command import arguments
from magictunnel.catalog.model import Json
from magictunnel.errors import RunError

_PLACES = ("url", "http.base_url")
"""Where a reference has to be resolved to know where a request goes."""
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")


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
        return {"steps": [self._step(step, scope) for step in tool.steps]}

    def _step(self, step: Step, scope: Json) -> Json:
        """One step. What others come to before it is not known yet: that is shown as it is written."""
        told: Json = {"name": step.name}
        told |= {"depends_on": list(step.depends_on)} if step.depends_on else {}
        told |= {"when": step.when} if step.when is not None else {}
        if step.when is not None and not _waits(_bare(step.when)) and not holds(step.when, scope):
            told["skipped"] = "its `when` does not hold"
        declared = getattr(step, step.way).model_dump(mode="json", by_alias=True, exclude_unset=True)
        waiting: dict[str, str] = {}
        try:
            way = Way.model_validate({step.way: _each(declared, lambda text: _marked(text, waiting))})
            known: Json = _each(self._way(way, scope), lambda text: _unmarked(text, waiting))
            return told | known
        except (RunError, ValueError):  # it cannot be made of a placeholder
            return told | {step.way: declared}

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
        if http.pages is not None:
            request = first(http.pages, request)
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
    return arguments_of(scope) if declared is None else filled(declared, scope)


# --- what is not known yet


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """JSON with each of its texts changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each(one, change) for key, one in value.items()}
    return [_each(one, change) for one in value] if isinstance(value, list | tuple) else value


def _marked(text: str, waiting: dict[str, str]) -> str:
    """`text` with a word, as a literal, for each placeholder that waits for steps: it comes through any encoding."""

    def mark(found: re.Match[str]) -> str:
        if not _waits(found[1]):
            return found[0]
        word = "step" + hashlib.sha256(found[0].encode()).hexdigest()[:29]
        waiting[word] = found[0]
        return f'{{{{"{word}"}}}}'

    return _PLACEHOLDER.sub(mark, text)


def _unmarked(text: str, waiting: Mapping[str, str]) -> str:
    for word, written in waiting.items():
        text = text.replace(word, written)
    return text


def _waits(expression: str) -> bool:
    """Whether it depends on what steps come to."""
    try:
        return any(path.steps[0] == "steps" for path in parsed(expression).paths)
    except BadExpression:
        return False


def _bare(condition: str) -> str:
    return condition.strip().removeprefix("{{").removesuffix("}}")


# --- for a person


def lines(preview: Json) -> Iterator[str]:
    """It as lines for a person."""
    for text in _texts(preview):
        yield from _LINE_END.split(text)


def _texts(preview: Json) -> Iterator[str]:
    for way, told in preview.items():
        if way == "steps":
            for step in told:
                yield _headline(step)
                ran = {key: one for key, one in step.items() if isinstance(one, dict)}
                yield from (f"  {line}" for line in lines(ran))
        elif "url" in told and "method" in told:
            yield f"{told['method']} {told['url']}"
            yield from (f"{name}: {value}" for name, value in told.get("headers", {}).items())
            yield from _shown(told.get("body"))
        elif "argv" in told:
            yield f"run {_words(told['argv'])}"
            yield from (f"{key}: {as_text(told[key])}" for key in ("cwd", "env", "stdin") if key in told)
        elif "function" in told or "tool" in told:
            yield f"{way} {told.get('function') or told['tool']} {as_text(told.get('arguments', {}))}"
        else:
            yield f"{way} {as_text(told)}"


def _headline(step: Json) -> str:
    """A step's name, and whether and after what it runs."""
    after = f"after {', '.join(step['depends_on'])}" if "depends_on" in step else ""
    when = f"when {step['when']}" if "when" in step else ""
    told = "; ".join(part for part in (after, when) if part)
    skipped = f": skipped, {step['skipped']}" if "skipped" in step else ""
    return f"step {step['name']}" + (f" ({told})" if told else "") + skipped


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
