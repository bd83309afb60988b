"""The credentials of a file: what they add to a request, and the OAuth tokens that are had for them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import quote_plus, urlencode

import anyio
from anyio import to_thread

from magictunnel.capabilities.language.requests import ApiKey, Basic, Bearer, ClientCredentials, Credential
from magictunnel.errors import RunError, UnsetVariable
from magictunnel.secrets import Secrets

Pair = tuple[str, str]

TOKEN_TIMEOUT = 30.0
"""Seconds that a token is waited for."""
_EARLY = 30.0
"""Seconds before its end from which on a token is not used any more."""
_UNTOLD = 300.0
"""Seconds that a token is kept whose end is not told."""
_LONGEST = 24 * 60 * 60.0
UNSENDABLE = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")
"""What no header may hold: line ends, other controls, and what is not in Latin-1."""

Post = Callable[[str, str, Mapping[str, str], bytes], Awaitable[tuple[int, bytes]]]
"""`(name of the credential, URL, headers, body)` -> status and body. Raises RunError."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request is given, and what in it nobody may read afterwards."""

    headers: tuple[Pair, ...] = ()
    query: tuple[Pair, ...] = ()
    cookies: tuple[Pair, ...] = ()
    hidden: tuple[str, ...] = ()

    def __add__(self, other: Access) -> Access:
        return Access(
            self.headers + other.headers,
            self.query + other.query,
            self.cookies + other.cookies,
            self.hidden + other.hidden,
        )


@dataclass(slots=True)
class _Token:
    """One credential's token, and who fetches it."""

    text: str = ""
    ends: float = 0.0
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def is_good(self) -> bool:
        return bool(self.text) and monotonic() < self.ends


class Credentials:
    """Resolves the credentials of one file when they are used."""

    def __init__(self, declared: Mapping[str, Credential], secrets: Secrets, post: Post) -> None:
        self._declared = declared
        self._secrets = secrets
        self._post = post
        self._tokens: dict[str, _Token] = {}

    async def access(self, names: Sequence[str]) -> Access:
        """What the credentials of these names add to a request, all of them.

        Raises:
            RunError: there is none of that name, a secret is not set, or no token can be had.
        """
        access = Access()
        for name in names:
            access += await self._one(name)
        return access

    def forget(self, access: Access) -> bool:
        """Have new tokens fetched instead of those in `access`; whether there was any."""
        tokens = [token for token in self._tokens.values() if token.text in access.hidden]
        for token in tokens:
            token.text = ""
        return bool(tokens)

    async def _one(self, name: str) -> Access:
        match self._declared.get(name):
            case Bearer() as bearer:
                return _bearer(await self._given(bearer.token, name, "token"))
            case ApiKey() as key:
                return _api_key(key, await self._given(key.value, name, "value"))
            case Basic() as basic:
                user = await self._given(basic.username, name, "username")
                return self._basic(user, await self._given(basic.password, name, "password"))
            case ClientCredentials() as client:
                return _bearer(await self._token(name, client))
            case None:
                raise RunError(f"there is no credential {name!r} in this file", hint=f"declare {name} under `auth`")

    def _basic(self, user: str, password: str) -> Access:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._secrets.remember(pair)
        return Access(headers=(("Authorization", f"Basic {pair}"),), hidden=(password, pair))

    async def _given(self, reference: str, name: str, key: str) -> str:
        """A secret by its reference."""
        where = f"auth.{name}.{key}"
        try:
            if "${keyring:" in reference:  # which may take its time, or ask the person in front of it
                value = await to_thread.run_sync(self._secrets.expand, reference, where, abandon_on_cancel=True)
            else:
                value = self._secrets.expand(reference, where)
        except UnsetVariable as error:
            raise RunError(error.message, hint=error.hint) from error
        if UNSENDABLE.search(value):
            raise RunError(
                f"{where} is no secret that can be sent: it has a line end or another control, or is not in Latin-1",
                hint="set it anew, without a line end",
            )
        return value

    async def _token(self, name: str, client: ClientCredentials) -> str:
        token = self._tokens.setdefault(name, _Token())
        async with token.lock:
            if not token.is_good:
                token.text, lasts = await self._fetched(name, client)
                token.ends = monotonic() + lasts
            return token.text

    async def _fetched(self, name: str, client: ClientCredentials) -> tuple[str, float]:
        """A token, and the seconds for which it may be used."""
        user = quote_plus(await self._given(client.client_id, name, "client_id"))
        secret = quote_plus(await self._given(client.client_secret, name, "client_secret"))
        form = {"grant_type": "client_credentials"}
        if client.scopes:
            form["scope"] = " ".join(client.scopes)
        if client.audience is not None:
            form["audience"] = client.audience
        access = self._basic(user, secret)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = await self._given(client.token_url, name, "token_url")
        try:
            with anyio.fail_after(TOKEN_TIMEOUT):
                status, body = await self._post(name, url, headers | dict(access.headers), urlencode(form).encode())
        except TimeoutError as error:
            raise RunError(f"auth.{name}: no token within {TOKEN_TIMEOUT:g} s", hint="try again later") from error
        text, lasts = _read(name, status, body, self._secrets.mask)
        self._secrets.remember(text)
        return text, lasts


def _bearer(token: str) -> Access:
    return Access(headers=(("Authorization", f"Bearer {token}"),), hidden=(token,))


def _api_key(key: ApiKey, value: str) -> Access:
    match key.place:
        case "header":
            return Access(headers=((key.name, value),), hidden=(value,))
        case "query":
            return Access(query=((key.name, value),), hidden=(value,))
        case "cookie":
            return Access(cookies=((key.name, value),), hidden=(value,))


def _read(name: str, status: int, body: bytes, mask: Callable[[str], str]) -> tuple[str, float]:
    """The token in an answer, and the seconds for which it may be used. Raises RunError: there is none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    told = answer if isinstance(answer, dict) else {}
    text = told.get("access_token")
    if status != 200 or not isinstance(text, str) or not text.isascii() or not text.isprintable() or not text:
        why = told.get("error")
        reason = f"{status}, {mask(why)[:80]}" if isinstance(why, str) else str(status)
        raise RunError(
            f"auth.{name}: no token was given (answer: {reason})",
            hint=f"check `client_id`, `client_secret`, `scopes` and `token_url` of auth.{name}",
        )
    return text, _lasts(told.get("expires_in"))


def _lasts(told: object) -> float:
    try:
        seconds = float(told) if isinstance(told, int | float | str) else _UNTOLD
    except ValueError:
        seconds = _UNTOLD
    return min(seconds, _LONGEST) - _EARLY
