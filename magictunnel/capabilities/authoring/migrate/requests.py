"""The ancestor's HTTP, SSE and GraphQL routing -> ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from magictunnel.capabilities.authoring.literals import has_secret, is_secret
from magictunnel.capabilities.authoring.migrate.placeholders import Placeholders
from magictunnel.capabilities.authoring.migrate.report import CannotCarry, Migrated, Vault
from magictunnel.catalog.model import Json

_WITH_BODY = ("POST", "PUT", "PATCH")
_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
_SCHEME = re.compile(r"(?P<scheme>(?:Bearer|Basic|Token|ApiKey)\s+)?(?P<secret>.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"[a-z]+://[^/?#]*", re.IGNORECASE)
_UNREAD = "nobody read it; `magictunnel generate openapi` (or graphql) makes such a file anew"
_COMMON = ("headers", "timeout")
_RETRIES = ("retry_count", "retries")


@dataclass(frozen=True, slots=True)
class Old:
    """One tool of the old file."""

    name: str
    where: str
    config: Mapping[str, Any]
    """Of its routing."""
    schema: Json
    """Its inputSchema, which may be changed."""
    fill: Placeholders
    vault: Vault
    result: Migrated


def http(old: Old) -> Json:
    """`http` of a tool. Raises CannotCarry."""
    method = str(old.config.get("method") or "GET").upper()
    request: Json = {"method": method} | _request(old, "url")
    if method in _WITH_BODY:
        request["json"] = _body(old)
    if attempts := _attempts(old, method):
        request["retries"] = {"attempts": attempts}
    old.result.lose_rest(old.where, old.config, ("method", "url", *_COMMON, *_RETRIES), _UNREAD)
    old.result.note("http tools answer with the body alone; status and headers are told only where it failed")
    return {"http": request}


def sse(old: Old) -> Json:
    """`http` of a tool that collects events. Raises CannotCarry."""
    request = _request(old, "url") | {"stream": "events"}
    known = ("url", "max_events", "event_filter", *_COMMON)
    for key in ("max_events", "event_filter"):
        if old.config.get(key):
            old.result.lose(f"{old.where}.{key}", "a stream is read to its end, or for as long as `timeout` says")
    old.result.lose_rest(old.where, old.config, known, _UNREAD)
    return {"http": request}


def graphql(old: Old) -> Json:
    """`graphql` of a tool. Raises CannotCarry."""
    request = _request(old, "endpoint")
    if "query" in request or "{{" in request["url"]:
        raise CannotCarry("its endpoint holds arguments or a key; a GraphQL endpoint is told once and for all")
    query = str(old.config.get("query") or "")
    for name in old.schema["properties"]:
        if re.search(rf"\{{{re.escape(name)}\}}", query):
            raise CannotCarry(f"its document holds {{{name}}}; write it as a variable, ${name}")
    variables = old.config.get("variables")
    if not variables:
        variables = {
            name: f"{{{name}}}" for name in old.schema["properties"] if re.search(rf"\${re.escape(name)}\b", query)
        }
    request |= {"query": query} | ({"variables": old.fill.of(variables)} if variables else {})
    if operation := old.config.get("operation_name"):
        request["operation"] = str(operation)
    known = ("endpoint", "query", "variables", "operation_name", *_COMMON)
    old.result.lose_rest(old.where, old.config, known, _UNREAD)
    return {"graphql": request}


def _request(old: Old, key: str) -> Json:
    """URL, query, headers and credentials."""
    url = old.config.get(key) or old.config.get("url")
    if not isinstance(url, str):
        raise CannotCarry(f"it has no `{key}`")
    url, auth = _without_user(url, old)
    url, _, query = old.fill.of(url).partition("?")
    host = _HOST.match(url)
    if host is None or "{" in host[0]:
        raise CannotCarry("its host comes from the arguments; a file says itself where its requests go")
    _allow_private(url, old)
    request: Json = {"url": url} | ({"auth": auth} if auth else {})
    if pairs := _query(query.partition("#")[0], old):
        request["query"] = pairs
    if headers := _headers(old):
        request["headers"] = headers
    return request


def _query(query: str, old: Old) -> Json:
    """What stands behind `?`, as parts: what is missing is left out."""
    pairs: Json = {}
    for word in query.split("&") if query else ():
        name, _, value = word.partition("=")
        if unquote(name) in pairs:
            raise CannotCarry(f"its URL has {unquote(name)!r} twice; give it a list")
        value = unquote(value.replace("+", " "))
        pairs[unquote(name)] = old.vault.reference(value, name) if is_secret(name, value) else value
    return pairs


def _headers(old: Old) -> Json:
    headers = old.config.get("headers")
    if not headers:
        return {}
    if not isinstance(headers, Mapping):
        raise CannotCarry("its headers are no mapping")
    return {name: by_reference(str(name), old.fill.of(str(value)), old.vault) for name, value in headers.items()}


def by_reference(name: str, value: str, vault: Vault) -> str:
    """A header or a variable, with a variable in place of a secret."""
    if not is_secret(name, value):
        return value
    parts = _SCHEME.fullmatch(value)
    assert parts is not None, "it matches everything"
    return (parts["scheme"] or "") + vault.reference(parts["secret"], name)


def _without_user(url: str, old: Old) -> tuple[str, list[str]]:
    """A URL without the name and the password in it, and the credential that they are now."""
    found = re.match(r"(?P<scheme>https?://)(?P<user>[^/?#@]*)@", url)
    if not found:
        return url, []
    user, _, password = found["user"].partition(":")
    if "{" in found["user"].replace("${", ""):
        raise CannotCarry("its URL takes a user from the arguments")
    secret = unquote(password) if password.startswith("${") else old.vault.reference(unquote(password), "password")
    credential = {"type": "basic", "username": unquote(user), "password": secret}
    auth = old.result.content.setdefault("auth", {})
    name = next((name for name, one in auth.items() if one == credential), f"basic_{len(auth) + 1}")
    auth[name] = credential
    return found["scheme"] + url[found.end() :], [name]


def _allow_private(url: str, old: Old) -> None:
    try:
        host = urlsplit(re.sub(r"\{\{.*?\}\}", "x", url)).hostname or ""
    except ValueError as error:
        raise CannotCarry(f"its URL is none: {error}") from error
    try:
        is_private = not ip_address(host).is_global
    except ValueError:
        is_private = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    if is_private:
        old.result.content.setdefault("http", {})["allow_private"] = True
        old.result.note("http.allow_private is set: some tools reach this machine or a private network")


def _body(old: Old) -> Json:
    """All arguments: that is what was sent."""
    if not set(old.schema["properties"]) - set(old.fill.added) or old.schema.get("additionalProperties"):
        where = f"{old.where}.method"
        old.result.lose(where, "all arguments were sent; those that inputSchema does not name are not any more")
    return {name: f"{{{{{name}}}}}" for name in old.schema["properties"] if name not in old.fill.added}


def _attempts(old: Old, method: str) -> int:
    """How often a request may be sent, all in all; 0: nothing is said of it."""
    count = next((old.config[key] for key in _RETRIES if old.config.get(key)), 0)
    if not isinstance(count, int) or not count:
        return 0
    if method not in _REPEATABLE:
        old.result.lose(f"{old.where}.retry_count", f"{method} is not sent twice: it could be done twice")
        return 0
    return min(count + 1, 10)


def ensure_plain(argv: Any) -> None:
    """Raise CannotCarry for a secret on a command line."""
    if any(isinstance(word, str) and has_secret(word) for word in argv):
        raise CannotCarry("it has a secret on its command line, which everybody can read; give it by `env`")
