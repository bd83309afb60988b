"""Runs the requests of one file: credentials, repeats, pages, progress; and no secret in what comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import count
from typing import Any

import anyio
from anyio import to_thread

from magictunnel.capabilities.base import DEFAULT_MAX_OUTPUT, Output, Tell, silent
from magictunnel.capabilities.http.client import Answer, Client, NoAnswer, Watch
from magictunnel.capabilities.http.credentials import Access, Credentials
from magictunnel.capabilities.http.graphql import PAYLOAD, as_http, payload_of, read
from magictunnel.capabilities.http.pages import Page, first, following
from magictunnel.capabilities.http.places import Misplaced, pairs_in, place_of
from magictunnel.capabilities.http.request import Built, built
from magictunnel.capabilities.http.shown import output_of, shown
from magictunnel.capabilities.http.stream import Told
from magictunnel.capabilities.http.styles import cookie_pairs, encoded
from magictunnel.capabilities.language.expression import Scope
from magictunnel.capabilities.language.members import at_path
from magictunnel.capabilities.language.requests import Credential, GraphQL, Http, HttpDefaults
from magictunnel.capabilities.processes.progress import Progress
from magictunnel.errors import RunError, UnsetVariable
from magictunnel.secrets import Secrets

MAX_PAUSE = 60.0
"""Seconds; a server that wants us to wait for longer is not asked again in the same call."""
_PASSING = frozenset({429, 502, 503, 504})
"""Answers that may be other ones a moment later."""
_MAX_TOKEN = 1 << 20


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
            given = self._secrets.apart()
            request = replace(await self._made(http, scope, given), mask=given.mask)
            return await (self._paged(http, request, given) if http.pages else self._single(http, request, given, tell))
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

    async def _made(self, http: Http, scope: Scope, given: Secrets) -> Built:
        """What is sent, without the credentials. Raises RunError: as `run`."""

        def at_once(text: str, where: str) -> str:
            if "${keyring:" in text:
                raise _TakesTime
            return given.expand(text, where)

        make = partial(built, http, self._defaults, scope)
        try:
            try:
                return make(at_once)
            except _TakesTime:
                return await to_thread.run_sync(make, given.expand, abandon_on_cancel=True)
        except UnsetVariable as error:
            raise RunError(error.message, hint=error.hint) from error

    async def _single(self, http: Http, request: Built, given: Secrets, tell: Tell) -> Output:
        limit = http.max_output or DEFAULT_MAX_OUTPUT
        if http.stream is None:
            return output_of(await self._repeated(http, request, given, limit), given)
        progress = Progress(tell, self._secrets.mask)
        told = Told(http.stream, limit, progress.heard)

        async def answered() -> Answer:
            answer = await self._repeated(http, request, given, limit, told.watch)
            if not answer.is_cut:
                await told.end()
            return answer

        answer = await progress.during(answered)
        output = output_of(answer, given)
        if told.events is None or output.failed:
            return output
        return replace(output, body=b"", content_type="", value=shown(told.events, answer.body, given))

    async def _paged(self, http: Http, request: Built, given: Secrets) -> Output:
        assert http.pages is not None
        items: list[Any] = []
        room = http.max_output or DEFAULT_MAX_OUTPUT
        onward: Built | None = first(http.pages, request)
        for number in range(http.pages.most):
            if onward is None:
                break
            answer = await self._repeated(http, onward, given, room)
            room -= len(answer.body)
            if answer.failed:
                return replace(output_of(answer, given), value=items)
            if answer.is_cut or room <= 0:
                return Output(value=items, is_cut=True)
            page = _page(http, answer, number)
            items += shown(page.items, answer.body, given)
            onward = following(http.pages, request, page)
        return Output(value=items, is_cut=onward is not None)

    async def _repeated(
        self, http: Http, request: Built, given: Secrets, limit: int, watch: Watch | None = None
    ) -> Answer:
        """The answer to `request`, which is sent again while that may help and it may be."""
        most, pause = (http.retries.attempts, http.retries.pause) if http.retries else (1, 0.0)
        for attempt in count(1):
            asked = None
            try:
                answer = await self._authorized(http, request, given, limit, watch)
            except NoAnswer:
                if attempt >= most:
                    raise
            else:
                asked = asked_pause(answer)
                if attempt >= most or answer.status not in _PASSING or (asked or 0.0) > MAX_PAUSE:
                    return answer
            await anyio.sleep(min(pause * 2 ** (attempt - 1), MAX_PAUSE) if asked is None else asked)
        raise AssertionError

    async def _authorized(self, http: Http, request: Built, given: Secrets, limit: int, watch: Watch | None) -> Answer:
        """The answer to `request` with credentials; once more with new tokens if the old ones do not do."""
        names = self._defaults.auth if http.auth is None else http.auth
        names = (names,) if isinstance(names, str) else names
        access = await self._credentials.access(names)
        answer = await self._client.send(_with(request, access, given), limit, watch)
        if answer.status == 401 and self._credentials.forget(access):
            access = await self._credentials.access(names)
            answer = await self._client.send(_with(request, access, given), limit, watch)
        return answer

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


def _page(http: Http, answer: Answer, number: int) -> Page:
    """What is in `answer`. Raises RunError: no list where one should be."""
    assert http.pages is not None
    try:
        value = json.loads(answer.body)
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


def _with(request: Built, access: Access, given: Secrets) -> Built:
    """`request` with credentials, which `given` hides from now on."""
    for secret in access.hidden:
        given.remember(secret)
    return request.having(
        query=[(encoded(name), encoded(value)) for name, value in access.query],
        headers=access.headers,
        cookies=[pair for name, value in access.cookies for pair in cookie_pairs(name, value)],
    )
