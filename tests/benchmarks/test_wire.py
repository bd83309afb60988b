"""The pure parts of `benchmarks/wire`: what is read off sockets, what is asked, and what figures come to."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.wire.bars import verdicts
from benchmarks.wire.chart import chart
from benchmarks.wire.cores import on_one_core
from benchmarks.wire.events import Chunks, Events
from benchmarks.wire.guard import ratios, warnings
from benchmarks.wire.messages import Calls, Era, WrongAnswer
from benchmarks.wire.peers import FASTMCP
from benchmarks.wire.place import PAIRS, ROOT
from benchmarks.wire.plan import Plan, quick
from benchmarks.wire.records import Results, Skip, load, percentile
from benchmarks.wire.report import page
from benchmarks.wire.responses import Responses
from benchmarks.wire.table import table
from benchmarks.wire.targets import DIRECT, FLOOR, FLOOR_UVLOOP, LEANEST, OURS, TUNED_UVLOOP

BODY = b'{"jsonrpc":"2.0","id":1,"result":{}}'
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nMcp-Session-Id: s1\r\n\r\n%s" % (len(BODY), BODY)
EVENT = b"event: message\r\ndata: " + BODY + b"\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (7, EVENT[:7], len(EVENT) - 7, EVENT[7:])
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED


def cut(data: bytes, places: set[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % len(data) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.sampled_from([PLAIN, EVENTS]), st.sets(st.integers(0, 1_000), max_size=8))
def test_a_response_is_whole_with_its_last_byte_however_it_comes(data: bytes, places: set[int]) -> None:
    responses = Responses()
    *early, last = [responses.feed(part) for part in cut(data, places)]
    assert early == [None] * len(early)
    assert last is not None
    assert last.messages() == [BODY]
    again = responses.feed(PLAIN)
    assert again is not None
    assert again.session == "s1"


@given(st.sets(st.integers(0, 1_000), max_size=8))
def test_a_stream_of_events_gives_each_once_however_it_comes(places: set[int]) -> None:
    chunks, events, found = Chunks(), Events(), []
    stream = CHUNKED.removesuffix(b"0\r\n\r\n")
    for part in cut(stream + stream, places):
        found += events.feed(chunks.feed(part))
    assert found == [BODY, BODY]


@pytest.mark.parametrize("era", Era)
def test_a_call_accepts_its_own_answer_and_no_other(era: Era) -> None:
    calls = Calls("srv0__100%", era)
    asked = json.loads(calls.make(calls.template(), 42))
    assert (asked["id"], asked["params"]["name"], asked["params"]["arguments"]) == (42, "srv0__100%", {"text": "t42"})
    answer = {"jsonrpc": "2.0", "id": 42, "result": {"content": [{"type": "text", "text": "t42"}]}}
    calls.check(answer, 42)
    for wrong in (answer | {"id": 43}, {"id": 42, "error": {}}, answer | {"result": {"content": []}}):
        with pytest.raises(WrongAnswer):
            calls.check(wrong, 42)


def results() -> Results:
    """A run in which we add twice what the floor adds, and four times what the leanest does, everywhere."""
    about = {"processor": "P", "cores": "2", "memory": "8 GB", "kernel": "K", "python": "3"}
    began = {"commit": "abc1234 with changes", "plan": Plan().told, "began": "2026-01-01 10:00"}
    found = Results(about, {"mcp": "2"}, run=began | {"ended": "2026-01-01 11:00"})
    for pair in PAIRS:
        for name, p50, cpu in ((DIRECT, 0.1, 0.1), (FLOOR, 0.2, 0.2), (LEANEST, 0.15, 0.1), (OURS, 0.3, 0.6)):
            found.record("latency", name, pair, 1).add(0, p50=p50, p95=p50, cpu=cpu, rate=1 / p50)
            found.record("throughput", name, pair, 1).add(0, p50=2 * p50, p95=p50, cpu=cpu, rate=1 / p50)
            found.record("throughput", name, pair, 64).add(0, p50=p50, p95=p50, cpu=cpu, rate=1 / p50)
    return found


def test_bars_compare_what_is_added_and_tell_what_was_not_measured() -> None:
    met = {one.text: one.is_met for one in verdicts(results())}
    told = {one.text: one.told for one in verdicts(results())}
    assert f"{PAIRS[0]} 2;" in told[f"(no bar) added p50 over all cores, as a multiple of that of {FLOOR}"]
    assert met["added p50 at most 1.5x that of raw asyncio relay"] is False
    assert met["calls/s at 64 at once, at least 0.6x those of raw asyncio relay"] is True
    assert met["p95 at 64 at once within 4x of p50"] is True
    assert met[f"(no bar) calls/s at 64 at once, as a multiple of those of {FLOOR_UVLOOP}"] is None
    assert met[f"(no bar) added p50, as a multiple of that of {TUNED_UVLOOP}"] is None
    assert met["an idle session: at most 40 KB"] is None


def test_the_guard_warns_above_a_quarter_more() -> None:
    now = ratios(results())
    assert set(now) == {str(pair) for pair in PAIRS}
    assert all(ratio == pytest.approx(3) for ratio in now.values())
    pair = str(PAIRS[0])
    assert warnings(now, {pair: 2.5, "gone": 1.0}) == []
    (line,) = warnings(now, {pair: 2.3})
    assert pair in line


def test_the_page_and_the_chart_have_every_target_and_nothing_sticks_out() -> None:
    text, picture = page(results()), ElementTree.fromstring(chart(results()))
    assert "| MagicTunnel | 0.3 (1.5x) |" in text
    assert "Cold start" not in text
    assert "Run: commit abc1234 with changes, 2026-01-01 10:00 to 2026-01-01 11:00 UTC, 5 rounds of 0.25 s, 15" in text
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    bars = [bar.attrib for bar in picture.iter("{http://www.w3.org/2000/svg}rect") if "x" in bar.attrib]
    assert len(bars) == 2 * len(PAIRS) * 4
    assert all(float(bar["x"]) + float(bar["width"]) < width for bar in bars)
    assert all(float(bar["y"]) + float(bar["height"]) < height for bar in bars)


def test_everybody_is_told_next_to_both_relays() -> None:
    text = page(results())
    for base, added, rate in ((FLOOR, "2x", "0.667x"), (LEANEST, "4x", "0.5x")):
        told = text.partition(f"Added / {base}:")[2].partition("\n\n")[2].partition("\n\n")[0]
        assert f"| {OURS} | {' | '.join([added] * 4)} |" in told
        assert f"| {base} | {' | '.join(['1x'] * 4)} |" in told
        assert DIRECT not in told
        assert rate in text
    head, *lines = table(results()).splitlines()
    assert head.split()[-4:] == ["added/raw", "added/leanest", "cpu/raw", "cpu/leanest"]
    assert next(line for line in lines if OURS in line).split()[-4:] == ["2.00", "4.00", "3.00", "6.00"]


def test_what_was_left_out_is_told_once_and_what_does_not_apply_in_a_line() -> None:
    found = results()
    for measure, where, why in (
        ("latency", str(PAIRS[0]), ""),
        ("latency", str(PAIRS[1]), ""),
        ("list", str(PAIRS[0]), ""),
        ("list", str(PAIRS[0]), ""),
        ("memory", str(PAIRS[2]), "NotRunning: it has ended | at /a/path"),
    ):
        found.skips.append(Skip(measure, "other", where, why))
    told = page(found).partition("## Left out\n\n")[2].partition("\n\n")[0].splitlines()
    assert told == [
        f"- other: memory, {PAIRS[2]}: it has ended",
        f"- other: does not apply to latency ({PAIRS[0]}, {PAIRS[1]}); list ({PAIRS[0]})",
    ]
    assert table(found).count("without other") == 1


def test_a_run_without_relays_is_told_without_ratios() -> None:
    alone = Results(results().machine, {}, [one for one in results().records if one.target == OURS])
    assert "Added" not in page(alone)
    assert table(alone)


def test_fastmcp_is_tuned_with_the_loop_and_the_parser_that_we_have() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert all(f"\n{package} " in lock for package in FASTMCP.packages if not package.startswith("fastmcp"))


def test_only_a_run_that_leaves_nothing_out_makes_a_page() -> None:
    assert Plan().is_whole
    assert Plan(rounds=3, budget=0.1).is_whole
    assert not Plan(pairs=PAIRS[:1]).is_whole
    assert not Plan(sizes=()).is_whole
    assert not quick().is_whole


def test_what_bars_are_set_for_has_more_rounds_unless_it_has_to_be_quick() -> None:
    plan = Plan(rounds=5)
    assert (plan.rounds_of_calls("latency", 1), plan.rounds_of_calls("throughput", 64)) == (15, 45)
    assert plan.rounds_of_calls("throughput", 1) == plan.rounds_of_results(10_000_000) == 5
    assert plan.rounds_of_results(1_000) == 3
    assert quick().rounds_of_calls("latency", 1) == quick().rounds


def test_a_narrowed_run_names_only_what_it_has_measured() -> None:
    assert "5 rounds of 0.25 s, 15 of single calls, 45 of 64 at once, 3 of lists" in Plan().told
    assert "15 of single calls, 3 of lists" in Plan(at_once=(16,)).told


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is one core to choose"
)
def test_all_that_was_started_shares_a_core_for_a_while() -> None:
    before = os.sched_getaffinity(0)
    with subprocess.Popen(["sleep", "60"]) as child:
        with on_one_core():
            assert os.sched_getaffinity(0) == os.sched_getaffinity(child.pid) == {min(before)}
        assert os.sched_getaffinity(0) == os.sched_getaffinity(child.pid) == before
        child.kill()


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    results().save(tmp_path / "run.json")
    assert load(tmp_path / "run.json") == results()


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    assert percentile(values, share) in values
