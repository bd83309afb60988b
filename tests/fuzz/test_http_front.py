"""Our reader of HTTP: whatever comes, however it is cut, each client gets its own answers in order, or is shut out."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.asking import KINDS, judge, kinds, request
from tests.fuzz.budget import tries
from tests.fuzz.client import Line, call, line
from tests.fuzz.gate import Gate
from tests.support.wires import own_wire

SDKS_OWN = "ignore:.*MemoryObjectSendStream:pytest.PytestUnraisableExceptionWarning"
"""The SDK closes no stream of a request whose client has gone before it is begun; what is lost with it is empty."""

pytestmark = [own_wire, pytest.mark.filterwarnings(SDKS_OWN)]


@given(kinds=kinds, cuts=st.lists(st.integers(0, 2_000), max_size=8), pause=st.sampled_from([0.0, 0.001, 0.005]))
@tries(40)
def test_requests_on_one_connection_are_answered_in_order_however_they_are_cut(
    running: Gate, session: str, kinds: list[str], cuts: list[int], pause: float
) -> None:
    whole = b"".join(request(kind, number, session) for number, kind in enumerate(kinds, 1))
    places = sorted({0, len(whole), *(cut * len(whole) // 2_000 for cut in cuts)})
    with line(running.ours) as wire:
        wire.send(*(whole[a:b] for a, b in pairwise(places)), pause=pause)
        answers = wire.answers(len(kinds))
    assert len(answers) == len(kinds)
    for number, (kind, answer) in enumerate(zip(kinds, answers, strict=True), 1):
        judge(kind, number, answer)
    running.check()


@pytest.mark.parametrize("kind", KINDS[:4])
def test_a_request_may_be_cut_at_every_byte(running: Gate, session: str, kind: str) -> None:
    whole = request(kind, 7, session)
    with line(running.ours) as wire:
        for at in range(1, len(whole), 7):
            wire.send(whole[:at], whole[at:], pause=0.0005)
            judge(kind, 7, wire.answers(1)[0])
    running.check()


@given(seed=st.integers(0, 2**32), count=st.integers(2, 24))
@tries(10)
def test_nobody_gets_what_is_for_another(running: Gate, session: str, seed: int, count: int) -> None:
    chance = random.Random(seed)
    lines: dict[Line, list[tuple[str, int]]] = {Line(running.ours): [] for _ in range(count)}
    try:
        for number in range(1, count * 4):
            wire = chance.choice(tuple(lines))
            kind = chance.choice(KINDS[:5])
            wire.send(request(kind, number, session))
            lines[wire].append((kind, number))
            if chance.random() < 0.1 and len(lines) > 1:  # gone, with or without its answers
                chance.choice((wire.close, wire.reset))()
                del lines[wire]
        for wire, asked in lines.items():
            answers = wire.answers(len(asked))
            assert len(answers) == len(asked)
            for (kind, number), answer in zip(asked, answers, strict=True):
                judge(kind, number, answer)
    finally:
        for wire in lines:
            wire.close()
    running.check()


# --- what is no HTTP


@given(data=st.data(), at=st.integers(0, 600), what=st.binary(min_size=1, max_size=6), is_in_place=st.booleans())
@tries(60)
def test_bytes_out_of_place_hang_nobody(
    running: Gate, data: st.DataObject, at: int, what: bytes, is_in_place: bool
) -> None:
    whole = call(1, {"nonce": 1})
    at = min(at, len(whole))
    whole = whole[:at] + what + whole[at + (len(what) if is_in_place else 0) :]
    with line(running.ours) as wire:
        wire.send(whole)
        wire.hush()
        for answer in wire.answers(3):
            assert answer.status < 500
        assert wire.is_over
    with line(running.ours) as wire:
        wire.send(call(2, {"nonce": 2}))
        judge("hot", 2, wire.answers(1)[0])
    running.check()


@given(at=st.integers(1, 400), how=st.sampled_from(["close", "reset", "hush"]), kind=st.sampled_from(KINDS[:6]))
@tries(40)
def test_who_leaves_at_any_moment_leaves_nothing(running: Gate, session: str, at: int, how: str, kind: str) -> None:
    whole = request(kind, 3, session) + request("hot", 4, session)
    with line(running.ours) as wire:
        wire.send(whole[: len(whole) * at // 400])
        getattr(wire, how)()
        if how == "hush":
            wire.answers(9)
            assert wire.is_over
    with line(running.ours) as wire:
        wire.send(request(kind, 5, session))
        judge(kind, 5, wire.answers(1)[0])
    running.check()
