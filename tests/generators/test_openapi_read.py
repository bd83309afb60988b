"""Reading a description: JSON and YAML 1.2, files and URLs, within bounds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.errors import ConfigError
from magictunnel.generators import read as reading
from magictunnel.generators import yaml
from magictunnel.generators.names import argument_name, legal_argument, tool_name, variable_name
from magictunnel.generators.read import read
from magictunnel.generators.yaml import parse

ROOT = b'{"openapi": "3.0.0", "paths": {}}'

PLAIN = st.characters(min_codepoint=0xA0, max_codepoint=0xD7FF) | st.characters(min_codepoint=32, max_codepoint=126)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(PLAIN, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-:", max_size=3), inner, max_size=3),
    max_leaves=9,
)


@pytest.fixture
def site() -> Iterator[str]:
    """Origin of a server that has a description, another beside it, and redirects to both."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            away = {"/moved": "/api/spec.json", "/api/moved.json": "/api/other.yaml", "/loop": "/loop"}
            found = {"/api/spec.json": ROOT, "/api/other.yaml": b"a: on", "/large": b"x" * 2_000}
            body = found.get(self.path, b"")
            self.send_response(302 if self.path in away else 200 if body else 404)
            if self.path in away:
                self.send_header("Location", away[self.path])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def test_a_url_is_read_where_it_leads_and_so_is_what_lies_beside_it(site: str) -> None:
    source = read(f"{site}/moved")
    assert source.where == f"{site}/api/spec.json"
    assert source.name == "spec"
    assert source.beside(f"{site}/api/other.yaml") == {"a": "on"}


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.1:1/a", "http://169.254.169.254/a", "file:///etc/passwd", "ftp://a/b"]
)
def test_what_lies_elsewhere_is_not_read(site: str, elsewhere: str) -> None:
    with pytest.raises(ConfigError, match="outside its origin"):
        read(f"{site}/api/spec.json").beside(elsewhere)


def test_what_lies_beside_may_not_lead_elsewhere(site: str) -> None:
    with pytest.raises(ConfigError, match="the server answered 302"):
        read(f"{site}/api/spec.json").beside(f"{site}/api/moved.json")


@pytest.mark.parametrize(
    ("path", "why"), [("/gone", "the server answered 404"), ("/loop", "cannot be read"), ("/large", "larger than")]
)
def test_a_url_that_cannot_be_read_says_why(site: str, path: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1_000)
    with pytest.raises(ConfigError, match=why):
        read(site + path)


def test_secrets_of_a_url_are_not_told(site: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(f"{site.replace('//', '//ann:pass@')}/gone?token=hidden")
    assert "hidden" not in str(caught.value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize("spec", ["ftp://a/b", "file:///a", "gone.yaml"])
def test_what_is_neither_a_file_nor_a_url_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"neither a file|cannot be read"):
        read(spec)


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"{", "a.json", "not valid JSON"),
        (b"\xff\xfe", "a.yaml", "not UTF-8"),
        (b"a: [", "a.yaml", "not valid YAML"),
        (b"a: 1\n---\nb: 2", "a.yaml", "several documents"),
        (b"a: *gone", "a.yaml", "undefined alias|stands for nothing"),
        (b"a: &a [*a]", "a.yaml", "undefined alias|stands for nothing"),
        (b"[" * 5_000, "a.yaml", "nested deeper|not valid YAML"),
    ],
)
def test_what_is_no_json_and_no_yaml_is_refused(tmp_path: Path, content: bytes, name: str, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        read(str(tmp_path / name))


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [" + ", ".join("x" * 9) + "]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="more than 3,000,000 values"):
        parse("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize("has_library", [True, False])
def test_yaml_is_read_as_1_2_and_keys_are_text(has_library: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_library:
        monkeypatch.setattr(yaml, "find_spec", lambda _name: None)
    text = "a: on\nb: no\nc: 2020-01-02\nd: 0x1F\n200: ok\nnull: 1\ne: 1_000\nf: .inf\ng: 1.5\nh: !!str 12\n"
    text += "i: 99999999999999999999"
    assert parse(text, "a.yaml") == {
        "a": "on", "b": "no", "c": "2020-01-02", "d": 31, "200": "ok", "null": 1, "e": "1_000", "f": ".inf", "g": 1.5,
        "h": "12", "i": 1e20,
    }  # fmt: skip
    assert parse("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}", "a.yaml")["more"] == {"x": 1, "y": 3}


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    text = orjson.dumps(value).decode()
    assert parse(text, "a.yaml") == orjson.loads(text)


@given(st.lists(st.text(max_size=80), max_size=12, unique=True))
def test_names_of_tools_are_legal_unique_and_short(wanted: list[str]) -> None:
    taken: set[str] = set()
    for one in wanted:
        name = tool_name(one, taken, f"GET /{one}")
        assert name not in taken
        assert 0 < len(name) <= 50
        assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in name)
        taken.add(name)


@given(st.lists(st.tuples(st.text(max_size=80), st.sampled_from(["path", "query", "header"])), max_size=12))
def test_names_of_arguments_are_legal_and_unique(wanted: list[tuple[str, str]]) -> None:
    taken: set[str] = set()
    for one, place in wanted:
        name = argument_name(one, taken, place)
        assert name not in taken
        assert legal_argument(name)
        taken.add(name)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_names_of_variables_are_legal(parts: list[str]) -> None:
    name = variable_name(*parts)
    assert name == name.upper()
    assert name.isascii()
    assert name.isidentifier()
