"""Runs the requests of one file: credentials, repeats, pages, progress; and no secret in what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import quote_plus

import anyio
from anyio import to_thread

from magictunnel.capabilities.base import DEFAULT_MAX_OUTPUT, Output, Tell, silent
from magictunnel.capabilities.credentials import Access, Credentials
from magictunnel.capabilities.expression import Scope
from magictunnel.capabilities.graphql import PAYLOAD, as_http, payload_of, read
from magictunnel.capabilities.http.client import Answer, Client, NoAnswer, Watch
from magictunnel.capabilities.http.pages import Page, first, following
from magictunnel.capabilities.http.places import Misplaced, pairs_in, place_of
from magictunnel.capabilities.http.request import Built, built
from magictunnel.capabilities.http.stream import Told
from magictunnel.capabilities.http.styles import cookie_pairs, encoded
from magictunnel.capabilities.members import at_path
from magictunnel.capabilities.requests import Credential, GraphQL, Http, HttpDefaults
from magictunnel.errors import RunError, UnsetVariable
from magictunnel.secrets import Secrets

MAX_PAUSE = 60.0
"""Seconds; a server that wants us to wait for longer is not asked again in the same call."""
_PASSING = frozenset({429, 502, 503, 504})
"""Answers that may be other ones a moment later."""
_MAX_TOKEN = 1 << 20
_SHORTEST_HIDDEN = 6


class _TakesTime(Exception):
    """A keyring is to be asked, which may ask the person in front of it: not something for others to wait for."""


class HttpRunner:
    """Sends the requests of one file, over connections that are kept for a while."""

    def __init__(self, auth: Mapping[str, Credential], defaults: HttpDefaults, secrets: Secrets) -> None:
        self._defaults = defaults
        self._secrets = secrets
        self._client = Client(allow_private=defaults.allow_private)
        self._credentials = Credentials(auth, secrets, self._post)

    async def run(self, http: Http, scope: Scope, tell: Tell = silent) -> Output:
        """Send the request (or, with `pages`, several), and give what comes back.

        Raises:
            RunError: it cannot be made, may not be sent there, or no answer came.
        """
        try:
            request = await self._made(http, scope)
            return await (self._paged(http, request) if http.pages else self._single(http, request, tell))
        except RunError as error:
            raise self._masked(error) from None  # what it came from may hold what is masked

    async def run_graphql(self, graphql: GraphQL, scope: Scope, tell: Tell = silent) -> Output:
        """Send the operation, and give what stands at `select` in its data. Raises RunError: as `run`."""
        payload = payload_of(graphql, scope)
        return read(graphql, await self.run(as_http(graphql), {**scope, PAYLOAD: payload}, tell))

    async def fetch(self, url: str, auth: str | Sequence[str] | None = None) -> Output:
        """What is at `url`. Raises RunError: as `run`."""
        return await self.run(Http(url=url, auth=auth if auth is None or isinstance(auth, str) else tuple(auth)), {})

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _made(self, http: Http, scope: Scope) -> Built:
        """What is sent, without the credentials. Raises RunError: as `run`."""
        make = partial(built, http, self._defaults, scope)
        try:
            try:
                return make(self._at_once)
            except _TakesTime:
                return await to_thread.run_sync(make, self._secrets.expand, abandon_on_cancel=True)
        except UnsetVariable as error:
            raise RunError(error.message, hint=error.hint) from error

    def _at_once(self, text: str, where: str) -> str:
        if "${keyring:" in text:
            raise _TakesTime
        return self._secrets.expand(text, where)

    async def _single(self, http: Http, request: Built, tell: Tell) -> Output:
        limit = http.max_output or DEFAULT_MAX_OUTPUT
        if http.stream is None:
            return self._output(*await self._repeated(http, request, limit))

        async def tell_masked(line: str) -> None:
            await tell(self._secrets.mask(line))

        told = Told(http.stream, limit, tell_masked)
        answer, access = await self._repeated(http, request, limit, told.watch)
        await told.end()
        output = self._output(answer, access)
        if told.events is None or output.failed:
            return output
        return replace(
            output, body=b"", content_type="", value=json.loads(_without(json.dumps(told.events).encode(), access))
        )

    async def _paged(self, http: Http, request: Built) -> Output:
        assert http.pages is not None
        items: list[Any] = []
        room = http.max_output or DEFAULT_MAX_OUTPUT
        onward: Built | None = first(http.pages, request)
        for number in range(http.pages.most):
            if onward is None:
                break
            answer, access = await self._repeated(http, onward, room)
            room -= len(answer.body)
            if answer.failed:
                return replace(self._output(answer, access), value=items)
            if answer.is_cut or room <= 0:
                return Output(value=items, is_cut=True)
            page = _page(http, answer, access, number)
            items += page.items
            onward = following(http.pages, request, page)
        return Output(value=items, is_cut=onward is not None)

    async def _repeated(
        self, http: Http, request: Built, limit: int, watch: Watch | None = None
    ) -> tuple[Answer, Access]:
        """The answer to `request`, which is sent again while that may help and it may be."""
        most, pause = (http.retries.attempts, http.retries.pause) if http.retries else (1, 0.0)
        for attempt in count(1):
            asked = None
            try:
                answer, access = await self._authorized(http, request, limit, watch)
            except NoAnswer:
                if attempt >= most:
                    raise
            else:
                asked = asked_pause(answer)
                if attempt >= most or answer.status not in _PASSING or (asked or 0.0) > MAX_PAUSE:
                    return answer, access
            await anyio.sleep(min(pause * 2 ** (attempt - 1), MAX_PAUSE) if asked is None else asked)
        raise AssertionError

    async def _authorized(self, http: Http, request: Built, limit: int, watch: Watch | None) -> tuple[Answer, Access]:
        """The answer to `request` with credentials; once more with new tokens if the old ones do not do."""
        names = self._defaults.auth if http.auth is None else http.auth
        names = (names,) if isinstance(names, str) else names
        access = await self._credentials.access(names)
        answer = await self._client.send(_with(request, access), limit, watch)
        if answer.status == 401 and self._credentials.forget(access):
            access = await self._credentials.access(names)
            answer = await self._client.send(_with(request, access), limit, watch)
        return answer, access

    def _output(self, answer: Answer, access: Access) -> Output:
        body = _without(answer.body, access)
        if answer.failed:
            body = self._secrets.mask(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return Output(
            body=body,
            content_type=answer.header("content-type"),
            failed=self._secrets.mask(answer.failed),
            is_cut=answer.is_cut,
        )

    async def _post(self, name: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Ask for a token. See `credentials.Post`."""
        try:
            place = place_of(url)
        except Misplaced as error:
            raise RunError(f"auth.{name}.token_url: {error}", hint="correct the capability file") from error
        request = Built("POST", place.origin, place.path, pairs_in(place.query), tuple(headers.items()), body=body)
        answer = await self._client.send(request, _MAX_TOKEN)
        return answer.status, answer.body

    def _masked(self, error: RunError) -> RunError:
        return RunError(self._secrets.mask(error.message), hint=self._secrets.mask(error.hint))


def asked_pause(answer: Answer) -> float | None:
    """Seconds for which the server asks to be left alone; None: it does not ask."""
    text = answer.header("retry-after").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _page(http: Http, answer: Answer, access: Access, number: int) -> Page:
    """What is in `answer`. Raises RunError: no list where one should be."""
    assert http.pages is not None
    try:
        value = json.loads(_without(answer.body, access))
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{answer.request.told}: page {number + 1} is no JSON", hint="`pages` reads JSON only"
        ) from error
    items = at_path(value, http.pages.items)
    if not isinstance(items, list):
        raise RunError(
            f"{answer.request.told}: page {number + 1} has no list at {http.pages.items or 'its top'}",
            hint="correct `pages.items` in the capability file",
        )
    return Page(answer, value, items, number)


def _with(request: Built, access: Access) -> Built:
    return request.having(
        query=[(encoded(name), encoded(value)) for name, value in access.query],
        headers=access.headers,
        cookies=[pair for name, value in access.cookies for pair in cookie_pairs(name, value)],
    )


def _without(body: bytes, access: Access) -> bytes:
    """What came back, without the secrets that went out: a server may repeat them."""
    forms = {form for secret in access.hidden if len(secret) >= _SHORTEST_HIDDEN for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        body = body.replace(form, b"***")
    return body


def _forms(secret: str) -> Iterator[bytes]:
    """How a secret may stand in an answer: as it is, in JSON, in a URL, in a form."""
    for text in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield text.encode()
    yield encoded(secret).encode()
    yield quote_plus(secret).encode()
