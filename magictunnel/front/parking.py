"""Asking a client of the stateless era on behalf of whoever cannot wait for its next request.

There a question is the answer to a request, and the answer to it is in the same request sent again. So a call that
asks while it is still open is parked: its client gets the questions and a `requestState`, the call goes on waiting, and
the client's retry comes back to it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio
from anyio.abc import TaskGroup
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from mcp_types import METHOD_NOT_FOUND, URL_ELICITATION_REQUIRED

from magictunnel.catalog.model import Json
from magictunnel.errors import BackendError, BadParams, CannotAsk
from magictunnel.front.outbox import Outbox
from magictunnel.wire.caller import QUESTIONS, Back
from magictunnel.wire.crew import Crew

MAX_PARKED = 1_000
"""Calls that wait for answers at a time."""
_COMPANY = 0.02
"""Seconds to wait after a question for others that come with it."""
_KEPT = 60.0
"""Seconds for which the result of a call is kept whose client has not come back."""

Work = Callable[[Back], Awaitable[Json]]
"""The call, given the ways back to its caller."""


Binding = Callable[[], str]
"""What a state is bound to (see `binding_of`), made out when there is one."""


class _Question(NamedTuple):
    method: str
    params: Json
    answer: asyncio.Future[Json]


class Parked:
    """One call that can be asked about between two requests of its client. See `Back`.

    Each call of a client that can be asked is one, though few ask anything: what only those need is made later.
    """

    def __init__(self, lot: Parking, binding: Binding) -> None:
        self.id = ""
        """Given when it is parked for the first time."""
        self.binding = binding
        self.round = 0
        self.is_waiting = False
        """Whether its client has been given questions, and has not come back yet."""
        self._lot = lot
        self._task: asyncio.Task[None] | None = None
        self._questions: dict[str, _Question] = {}
        self._count = 0
        self._result: Json | None = None
        self._error: Exception | None = None
        self._is_over = False
        self._channel: Back | None = None
        self._outbox: Outbox | None = None
        self._news: asyncio.Future[None] | None = None
        """What its client's request waits for."""

    def start(self, work: Work, crew: Crew) -> None:
        """Make the call; its outcome waits for its client, for a while."""
        self._task = crew.start(self._run(work))
        self._task.add_done_callback(self._abandoned)

    async def _run(self, work: Work) -> None:
        try:
            self._result = await work(self)
        except Exception as error:  # noqa: BLE001 raised where the client's request is answered
            self._error = error
        self._end()

    def _abandoned(self, _task: asyncio.Task[None]) -> None:
        """It was cancelled, perhaps before it began."""
        if not self._is_over:
            self._error = CannotAsk("input", "the call was abandoned")
            self._end()

    def _end(self) -> None:
        self._is_over = True
        self._move()
        if self.is_waiting:
            asyncio.get_running_loop().call_later(_KEPT, self._lot.forget, self)

    async def tell(self, method: str, params: Json) -> None:
        """See `Back.tell`. What its client cannot be told now, it is told on its next request."""
        if self._is_over and self._channel is None:
            return
        if self._outbox is None:
            self._outbox = Outbox(self._pass_on)
            if self._channel is None:
                self._outbox.hold()
        await self._outbox.put(method, params)

    async def _pass_on(self, method: str, params: Json) -> None:
        if self._channel is not None:
            await self._channel.tell(method, params)

    async def ask(self, method: str, params: Json) -> Json:
        """See `Back.ask`."""
        if self._is_over:
            raise CannotAsk(method, "the call that it was for has ended")
        if method not in QUESTIONS:
            raise CannotAsk(method, "a client of the stateless era answers no such question", code=METHOD_NOT_FOUND)
        if self._lot.is_full:
            raise CannotAsk(method, f"{MAX_PARKED} calls wait for answers already", hint="try again later")
        self._count += 1
        key = f"q{self._count}"
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._questions[key] = _Question(method, _stateless_form(params), answer)
        self._move()
        try:
            return await answer
        finally:
            self._questions.pop(key, None)

    async def let_go(self) -> None:
        """See `Back.let_go`."""
        if self._channel is not None:
            await self._channel.let_go()

    def answer(self, answers: Json) -> None:
        """Take the answers that came; what is still open is asked again.

        Raises:
            BadParams: one of them is no answer.
        """
        if not all(isinstance(answer, dict) for answer in answers.values()):
            raise BadParams("inputResponses must hold an object for each question")
        for key, answer in answers.items():
            question = self._questions.pop(key, None)
            if question is not None and not question.answer.done():
                question.answer.set_result(answer)

    async def next(self, channel: Back) -> Json:
        """The result, or the questions that are open. If the client gives up meanwhile, so does the call."""
        self.is_waiting = False
        self._channel = channel
        try:
            if self._outbox is not None:
                await self._outbox.release()
            await self._until_news()
            if self._outbox is not None:
                await self._outbox.emptied()
        except asyncio.CancelledError:
            self._give_up()
            raise
        finally:
            if self._outbox is not None:
                self._outbox.hold()
            self._channel = None
        if not self._is_over:
            return self._lot.park(self)
        self._lot.forget(self)
        return self._outcome()

    async def _until_news(self) -> None:
        """Wait until it is over, or has asked something that it still wants to know."""
        while not (self._is_over or self._questions):
            self._news = asyncio.get_running_loop().create_future()
            await self._news
            if self._questions:
                await asyncio.sleep(_COMPANY)

    def _give_up(self) -> None:
        self._lot.forget(self)
        if self._task is not None:
            self._task.cancel()

    def questions(self) -> Json:
        """The open questions, as the stateless era writes them."""
        return {key: {"method": one.method, "params": one.params} for key, one in self._questions.items()}

    def _outcome(self) -> Json:
        error = self._error
        if isinstance(error, BackendError) and error.code == URL_ELICITATION_REQUIRED:
            return self._lot.visits_first(self.binding(), error.data)
        if error is not None:
            raise error
        assert self._result is not None, "it is over"
        return self._result

    def _move(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Parking:
    """All parked calls of this instance, and the states by which their clients come back to them."""

    def __init__(self) -> None:
        self._prefix = self._family = f"mt-{secrets.token_hex(4)}."
        self._codec = AESGCMRequestStateCodec([secrets.token_bytes(32)])
        self._parked: dict[str, Parked] = {}
        """Those that asked something."""
        self._crew = Crew()
        self._tasks: TaskGroup | None = None

    def share(self, family: str, label: str) -> None:
        """Have states begin as those of all workers do, and say with `label` that they are ours."""
        self._family, self._prefix = family, f"{family}{label}{secrets.token_hex(4)}."

    @property
    def count(self) -> int:
        """Calls that wait for their clients to come back."""
        return sum(parked.is_waiting for parked in self._parked.values())

    @property
    def is_full(self) -> bool:
        """Whether no further call may wait."""
        return self.count >= MAX_PARKED

    def start(self, work: Work, binding: Binding, tasks: TaskGroup) -> Parked:
        """Begin a call that may be parked; it ends with `tasks`, if not before."""
        if self._tasks is not tasks:
            self._tasks = tasks
            tasks.start_soon(self._keep, tasks)
        parked = Parked(self, binding)
        parked.start(work, self._crew)
        return parked

    async def _keep(self, tasks: TaskGroup) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self._tasks = None if self._tasks is tasks else self._tasks
            with anyio.CancelScope(shield=True):
                await self._crew.end()

    def is_ours(self, state: str) -> bool:
        """Whether a `requestState` was made by this instance, or another worker; any other is a backend's business."""
        return state.startswith(self._family)

    def resume(self, state: str, binding: Binding, answers: Any) -> Parked | None:
        """The call a client comes back to, with its answers; None: it is to be made anew.

        Raises:
            BadParams: the state is not one for this request, was used before, or is over.
        """
        content = self._unsealed(state)
        if content.get("b") != binding():
            raise BadParams("requestState belongs to another request", hint="send the same request again with it")
        if "p" not in content:
            return None
        parked = self._parked.get(content["p"])
        if parked is None or not parked.is_waiting or parked.round != content["r"]:
            raise BadParams("requestState was used before, or is over", hint="call again without it")
        parked.answer(answers if isinstance(answers, dict) else {})
        return parked

    def park(self, parked: Parked) -> Json:
        """The answer that asks the client."""
        parked.id = parked.id or secrets.token_urlsafe(12)
        parked.round += 1
        parked.is_waiting = True
        self._parked[parked.id] = parked
        return _asking(parked.questions(), self._sealed(p=parked.id, r=parked.round, b=parked.binding()))

    def visits_first(self, binding: str, data: Any) -> Json:
        """The answer to a call that is to be made again once its client has visited some URLs."""
        listed = data.get("elicitations") if isinstance(data, dict) else None
        visits = [one for one in listed or () if isinstance(one, dict)]
        questions = {
            f"q{number}": {"method": "elicitation/create", "params": _stateless_form(one)}
            for number, one in enumerate(visits, 1)
        }
        return _asking(questions, self._sealed(b=binding))

    def forget(self, parked: Parked) -> None:
        """It is over."""
        self._parked.pop(parked.id, None)

    def _sealed(self, **content: Any) -> str:
        return self._prefix + self._codec.seal(json.dumps(content).encode())

    def _unsealed(self, state: str) -> Json:
        try:
            content: Json = json.loads(self._codec.unseal(state.removeprefix(self._prefix)))
        except (InvalidRequestState, ValueError):
            raise BadParams("requestState is not as it was given out", hint="call again without it") from None
        return content


def without_answers(params: Json) -> Json:
    """The params of a repeated request as they were the first time."""
    return {key: value for key, value in params.items() if key not in ("inputResponses", "requestState")}


def binding_of(session: str, method: str, params: Json) -> str:
    """What a state is bound to: who asks, and for what."""
    what = {key: value for key, value in without_answers(params).items() if key != "_meta"}
    return hashlib.sha256(json.dumps([session, method, what], sort_keys=True).encode()).hexdigest()


def _asking(questions: Json, state: str) -> Json:
    return {"resultType": "input_required", "inputRequests": questions, "requestState": state}


def _stateless_form(params: Json) -> Json:
    """A question of the handshake era as the stateless one writes it, where it needs no id of its own."""
    return {key: value for key, value in params.items() if key not in ("elicitationId", "task")}
