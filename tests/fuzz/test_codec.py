"""JSON and lines from anywhere: read as they are meant or refused, and never as another message."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from magictunnel.wire.codec import (
    MAX_DEPTH,
    Raw,
    answered_number,
    dumps,
    is_writable,
    joined,
    loads,
    message,
    without,
    writable,
)
from magictunnel.wire.lines import Lines, LineTooLong
from magictunnel.wire.messages import error_line, error_of_answer, request_line, result_line
from tests.fuzz.budget import tries

whole_text = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | whole_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(whole_text, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(whole_text, values, max_size=4)
numbers = st.integers(-(10**30), 10**30) | whole_text


@given(values)
@tries(100)
def test_what_is_written_is_read_again(value: Any) -> None:
    text = dumps(value)

    assert loads(text) == value
    assert repr(loads(text)) == repr(value)
    assert b"\n" not in text
    assert b"\r" not in text


@given(values, st.booleans(), st.sampled_from([None, 1]))
@tries(100)
def test_what_others_write_is_read_as_they_meant_it(value: Any, is_ascii: bool, indent: int | None) -> None:
    assert repr(loads(json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode())) == repr(value)


@given(values, st.integers(0, 5_000))
@tries(100)
def test_the_same_is_read_among_much_text_and_little(value: Any, length: int) -> None:
    assert repr(loads(dumps([value, "1" * length, value]))) == repr([value, "1" * length, value])


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d8 1-eE.nulNaIfity\n\t', max_size=40).map(str.encode))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 100_000)
@example(b'"\\ud800"')
@tries(100)
def test_garbage_is_read_or_refused(text: bytes) -> None:
    for read in (loads, message, answered_number):
        try:
            read(text)  # type: ignore[operator]
        except ValueError:
            continue


SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")])
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(NUMBERS, st.lists(whole_text, max_size=3), SEPARATORS, st.booleans())
@example("1.10", [], (",", ":"), True)
@example("1E+2", [], (",", ":"), False)
@tries(150)
def test_a_number_is_passed_on_as_it_was_written(
    number: str, texts: list[str], separators: tuple[str, str], is_first: bool
) -> None:
    """As the SDKs write an answer. Of integers only `-0` may become `0`."""
    assume(number != "-0")
    result = json.dumps({"texts": texts, "n": 7}, separators=separators, ensure_ascii=False)
    result = result.removesuffix("7}") + number + "}"
    line = (
        f'{{"result":{result},"jsonrpc":"2.0","id":1}}' if is_first else f'{{"jsonrpc":"2.0","id":1,"result":{result}}}'
    )

    passed = b"".join(map(bytes, result_line(1, message(line.encode())["result"]))).decode()

    assert passed.endswith(f"{number}}}}}\n")
    assert json.loads(passed)["result"] == json.loads(result)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(2 * 10**19, 10**20) | st.integers(), st.booleans())
@tries(150)
def test_a_long_number_stays_whole_wherever_it_stands(before: int, after: int, number: int, is_answer: bool) -> None:
    members = {"a": "x" * before, "n": [number], "z": "x" * after}
    whole = {"jsonrpc": "2.0", "id": 1} | ({"result": members} if is_answer else {"method": "m", "params": members})

    text = json.dumps(whole).encode()
    assert repr(message(text)) == repr(loads(text)) == repr(whole)


any_text = st.text(st.characters(categories=["Cs", "Ll", "So"]), max_size=4)


@given(st.dictionaries(any_text, values | any_text | st.lists(any_text, max_size=3), max_size=3))
@tries(100)
def test_half_a_character_is_one_that_is_missing_and_all_else_stays(value: dict[str, Any]) -> None:
    told = writable(value)

    assert is_writable(told)
    if is_writable(value):
        assert told is value
    elif len({*map(_missing, value)}) == len(value):
        assert told == {_missing(key): _missing(one) for key, one in value.items()}


def _missing(value: Any) -> Any:
    """The same with the sign for a missing character instead of each half of one."""
    if isinstance(value, list):
        return [_missing(one) for one in value]
    if isinstance(value, dict):
        return {_missing(key): _missing(one) for key, one in value.items()}
    if not isinstance(value, str):
        return value
    whole = re.sub("[\ud800-\udbff][\udc00-\udfff]", lambda pair: _joined(pair[0]), value)
    return re.sub("[\ud800-\udfff]", "\ufffd", whole)


def _joined(pair: str) -> str:
    return chr(0x10000 + ((ord(pair[0]) - 0xD800) << 10) + ord(pair[1]) - 0xDC00)


@given(st.integers(1, 2_000))
@tries(30)
def test_what_is_nested_too_deep_for_others_is_refused(depth: int) -> None:
    value: Any = "\ud800"
    for _ in range(depth):
        value = [value]
    if depth <= 100:
        assert is_writable(writable({"value": value}))
    elif depth > MAX_DEPTH:
        with pytest.raises(ValueError, match="nested too deep"):
            writable({"value": value})


@given(st.integers(1, 2_000))
@tries(20)
def test_depth_is_read_and_written_or_refused(depth: int) -> None:
    text = b"[" * depth + b"]" * depth
    try:
        value = loads(text)
        assert dumps(value) == text
    except ValueError:
        assert depth > MAX_DEPTH - 5


@given(
    fields=st.permutations(["jsonrpc", "id", "result", "error", "x", "id", "result"]).flatmap(
        lambda names: st.integers(1, 7).map(lambda count: names[:count])
    ),
    data=st.data(),
    separators=SEPARATORS,
    tail=st.sampled_from([b"", b"}", b"{}", b" ", b"\t\r", b"\x0b", b"\x00", b',"id":3}', b"\xff"]),
)
@tries(150)
def test_a_line_is_one_message_and_never_another(
    fields: list[str], data: st.DataObject, separators: tuple[str, str], tail: bytes
) -> None:
    comma, colon = separators
    tricks = [
        '{"a":1}',
        "{}",
        '{"id":2}',
        '{"x":"}"}',
        '{"x":"\\",\\"id\\":2,\\"y\\":{}"}',
        '{"a":1},"id":2,"y":{}',
        "[]",
        "null",
        "7",
    ]
    ids = ["1", '"1"', "-1", "1.0", '"x"', '"\\u0031"', "null", "12345678901234567890123", "1e3", "true"]
    drawn = {"jsonrpc": ['"2.0"', '"1.0"', "2.0"], "id": ids, "result": tricks, "error": tricks, "x": tricks}
    text = comma.join(f'"{name}"{colon}{data.draw(st.sampled_from(drawn[name]))}' for name in fields)
    line = b"{" + text.encode() + b"}" + tail
    try:
        meant = json.loads(line)
    except ValueError:
        meant = None
    try:
        read = message(line)
    except ValueError:
        assert meant is None
        return
    if meant is not None:
        assert repr(dict(read)) == repr(meant) or {**read, "result": None} == {**meant, "result": None}
        assert read.get("result") == meant.get("result")
    else:  # white space that JSON does not know may stand at the end
        assert read == json.loads(line.strip())
    if isinstance(read.get("result"), Raw):
        assert json.loads(dumps(read["result"])) == read["result"]
        assert b"\n" not in dumps(read["result"])


@given(number=numbers, result=objects, method=whole_text)
@tries(60)
def test_messages_are_one_line_each(number: int | str, result: dict[str, Any], method: str) -> None:
    answer = b"".join(result_line(number, result))
    assert answer.count(b"\n") == 1
    assert message(answer.strip()) == {"jsonrpc": "2.0", "id": number, "result": result}
    relayed = message(answer.strip())["result"]
    assert b"".join(result_line(number, relayed)) == answer
    asked = request_line(number, method, result)
    assert asked.count(b"\n") == 1
    assert message(asked) == {"jsonrpc": "2.0", "id": number, "method": method} | ({"params": result} if result else {})


@given(result=objects, added=objects, off=st.lists(whole_text, max_size=2), separators=SEPARATORS, data=st.data())
@tries(150)
def test_what_is_changed_at_its_end_is_written_as_what_it_is(
    result: dict[str, Any], added: dict[str, Any], off: list[str], separators: tuple[str, str], data: st.DataObject
) -> None:
    result = {"": "x" * data.draw(st.sampled_from([0, 6_000]))} | result
    text = json.dumps(result, ensure_ascii=False, separators=separators)
    now = message(b'{"jsonrpc":"2.0","id":1,"result":%s}' % text.encode())["result"]
    for key in off + data.draw(st.permutations(list(result))):
        kept, now = now, without(now, key)
        assert now == {name: one for name, one in kept.items() if name != key}
        assert repr(loads(dumps(now))) == repr(dict(now))
    whole = joined(now, {name: one for name, one in added.items() if name not in now})
    assert whole == added | now
    assert repr(loads(dumps(whole))) == repr(dict(whole))
    assert b"".join(result_line(1, whole)) == b'{"jsonrpc":"2.0","id":1,"result":%s}\n' % dumps(whole)


def test_what_an_sdk_added_is_taken_off_and_ours_added_without_writing_the_rest_anew() -> None:
    known = '"content":[ {"n": 1.50, "big":12345678901234567890123, "text":"%s"} ]' % ("x" * 6_000)
    text = f'{{{known},"resultType":"complete","_meta":{{"a":{{"b":1}}}}}}'
    read = message(b'{"jsonrpc":"2.0","id":1,"result":%s}' % text.encode())["result"]

    bare = without(without(read, "_meta"), "resultType")

    assert dumps(bare) == f"{{{known}}}".encode()
    assert dumps(joined(bare, {"_meta": {"c": 2}})) == f'{{{known},"_meta":{{"c":2}}}}'.encode()
    assert dumps(joined(joined(bare, {"x": 1}), {"y": 2})) == f'{{{known},"x":1,"y":2}}'.encode()
    assert dumps(read) == text.encode()
    blank = message(b'{"jsonrpc":"2.0","id":1,"result":{%s}}' % (b" " * 6_000))["result"]
    assert dumps(joined(blank, {"x": 1})) == b'{"x":1}'


@given(error=values)
@tries(60)
def test_an_error_of_any_kind_is_an_error(error: Any) -> None:
    found = error_of_answer({"jsonrpc": "2.0", "id": 1, "error": error})
    assert (found is None) == (error is None)
    if found is not None:
        assert json.loads(b"".join(error_line(1, found)))["error"]["code"] == found.code


@given(
    pieces=st.lists(
        st.sampled_from([b"a", b"\n", b"\r\n", b" ", b"\xff", b"\x0b", b"\x1c", b"bcd" * 5, b"\n\n"]), max_size=20
    ),
    data=st.data(),
)
@tries(100)
def test_lines_are_the_same_wherever_they_are_cut(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(0, len(whole)), max_size=8))})
    lines = Lines(1_000)
    found = [line for a, b in pairwise(cuts) for line in lines.feed(whole[a:b])]
    assert found == [line.strip() for line in whole.split(b"\n")[:-1] if line.strip()]


@given(st.lists(st.integers(1, 40), max_size=12))
@tries(60)
def test_what_has_no_end_is_refused_and_held_no_longer(sizes: list[int]) -> None:
    lines, held = Lines(100), 0
    for size in sizes:
        held += size
        if held > 100:
            with pytest.raises(LineTooLong):
                tuple(lines.feed(b"x" * size))
            return
        assert not tuple(lines.feed(b"x" * size))


# --- what was found


@pytest.mark.parametrize(
    "text", [b'"\xed\xa0\x80"', b"\xff\xfe{\0}\0", "\ufeff{}".encode(), '{"a":1}'.encode("utf-16-le")]
)
def test_what_is_not_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 codec errors are of any kind
        loads(text)


@pytest.mark.parametrize("value", [b'"\xed\xa0\x80"', b"NaN", b"-Infinity"])
def test_what_is_relayed_as_it_came_is_json(value: bytes) -> None:
    try:
        read = message(b'{"jsonrpc":"2.0","id":1,"result":{"a":%s}}' % value)
    except ValueError:
        return
    json.loads(b"".join(result_line(1, read["result"])).decode(), parse_constant=pytest.fail)
