"""What a declared request and the arguments of a call come to; whatever is in them, it goes where the file says."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from magictunnel.capabilities.http import auth_faults, faults
from magictunnel.capabilities.http.places import Origin
from magictunnel.capabilities.http.request import Built, built
from magictunnel.capabilities.language.requests import Credential, Http, HttpDefaults
from magictunnel.errors import RunError

V1 = HttpDefaults(base_url="https://api.example.com/v1")
HOSTILE = [
    "../admin", "..", ".", "%2e%2e", "..%2fadmin", "a/../../b", "..\\b", "//evil.com", "@evil.com", "evil.com#", "?x=1",
    "#top", "a b", "\r\nHost: evil.com", "\0", ":80@evil.com/", "https://evil.com", "", "ü", "{{b}}", "${HOME}",
]  # fmt: skip


def made(scope: dict[str, Any] | None = None, defaults: HttpDefaults = V1, **declared: Any) -> Built:
    http = Http.model_validate(declared)
    assert list(faults(http, defaults)) == []
    return built(http, defaults, scope or {})


@pytest.mark.parametrize(
    ("base", "url", "whole"),
    [
        ("https://h/v1", "/pets", "https://h/v1/pets"),
        ("https://h/v1/", "pets", "https://h/v1/pets"),
        ("https://h/v1/", "/pets/", "https://h/v1/pets/"),
        ("https://h", "pets", "https://h/pets"),
        ("https://h", "", "https://h/"),
        ("https://h/v1", "", "https://h/v1"),
        ("https://h/v1/", "", "https://h/v1/"),
        ("https://h/v1", "?a=1", "https://h/v1?a=1"),
        ("https://h/v1", "//evil.com/x", "https://h/v1/evil.com/x"),
        ("https://h:8443/v1", "/x", "https://h:8443/v1/x"),
        ("https://h/v1", "http://OTHER:8080/x", "http://other:8080/x"),
        (None, "HTTPS://Exämple.com:443/a%20b?c=d%20e", "https://xn--exmple-cua.com/a%20b?c=d%20e"),
        (None, "http://[::1]:8080/x", "http://[::1]:8080/x"),
        (None, "https://h?x=1", "https://h/?x=1"),
        (None, "https://h/caf\u00e9/v1/items:search", "https://h/caf%C3%A9/v1/items:search"),
    ],
)
def test_a_url_stands_behind_the_base_of_the_file_or_alone(base: str | None, url: str, whole: str) -> None:
    assert made(defaults=HttpDefaults(base_url=base), url=url).url == whole


@pytest.mark.parametrize(
    ("declared", "defaults", "words"),
    [
        ({"url": "/pets"}, HttpDefaults(), "no absolute URL"),
        ({"url": "https://{{host}}/x"}, V1, "placeholder in its scheme, host or port"),
        ({"url": "https://h:{{port}}/x"}, V1, "placeholder in its scheme, host or port"),
        ({"url": "https://h{{rest}}"}, V1, "placeholder in its scheme, host or port"),
        ({"url": "{{scheme}}://h/x"}, V1, "placeholder in its scheme, host or port"),
        ({"url": "{{url}}"}, HttpDefaults(), "no absolute URL"),
        ({"url": "/x"}, HttpDefaults(base_url="https://{{host}}/"), "no absolute URL without placeholders"),
        ({"url": "/x"}, HttpDefaults(base_url="api.example.com"), "no absolute URL"),
        ({"url": "/x"}, HttpDefaults(base_url="https://h/?a=1"), "query or a fragment"),
        ({"url": "https://user:pass@h/x"}, V1, "user or a password"),
        ({"url": "https://h\\@evil.com/x"}, V1, "backslash"),
        ({"url": "https://h/a b"}, V1, "white space"),
        ({"url": "https://h/x#y"}, V1, "fragment"),
        ({"url": "https://h/../x"}, V1, "`..`"),
        ({"url": "https://h/%2e%2E/x"}, V1, "`..`"),
        ({"url": "https:///x"}, V1, "no host"),
        ({"url": "https://h:0/x"}, V1, "no host and port"),
        ({"url": "https://h:99999/x"}, V1, "no host and port"),
        ({"url": "https://h:/x"}, V1, "no host and port"),
        ({"url": "https://h|x/"}, V1, "no host and port"),
        ({"url": "https://a..\u00e4/"}, V1, "host that is no name"),
        ({"url": "file:///etc/passwd"}, V1, "neither http:// nor https://"),
        ({"url": "ftp://h/x"}, V1, "neither http:// nor https://"),
        ({"url": "/x", "headers": {"Host": "evil.com"}}, V1, "headers.Host: cannot be set"),
        ({"url": "/x", "headers": {"content-length": "3"}}, V1, "cannot be set"),
        ({"url": "/x", "headers": {"Transfer-Encoding": "chunked"}}, V1, "cannot be set"),
        ({"url": "/x", "headers": {"Proxy-Authorization": "x"}}, V1, "cannot be set"),
        ({"url": "/x", "headers": {"a b": "x"}}, V1, "is no name of a header"),
        ({"url": "/x", "headers": {"A:": "x"}}, V1, "is no name of a header"),
        ({"url": "/x", "headers": {"A": "x\r\nB: y"}}, V1, "line end"),
        ({"url": "/x"}, HttpDefaults(base_url="https://h", headers={"Host": "x"}), "http.headers.Host"),
        ({"url": "/x", "cookies": {"a;b": "x"}}, V1, "no name of a cookie"),
        ({"url": "/x/{{id}}", "path": {"other": {"style": "label"}}}, V1, "path.other stands nowhere"),
        ({"url": "/x/{{id}}", "path": {"id": {"style": "form"}}}, V1, "form is not for path (simple, label, matrix"),
        ({"url": "/x", "query": {"a": {"value": 1, "style": "matrix"}}}, V1, "matrix is not for query"),
        ({"url": "/x", "headers": {"A": {"value": 1, "reserved": True}}}, V1, "reserved is for `query` only"),
        ({"url": "/x", "base64": True}, V1, "base64 belongs to `body`"),
        ({"url": "/x", "content_type": "text/plain"}, V1, "content_type belongs to"),
    ],
)
def test_what_cannot_work_is_told_while_loading(declared: dict[str, Any], defaults: HttpDefaults, words: str) -> None:
    http = Http.model_validate(declared)

    found = list(faults(http, defaults))

    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize("url", ["${BASE}/x", "${SCHEME}://${HOST}:${PORT}/x", "https://h:${PORT:-80}/${X}?y=${Z}"])
def test_a_reference_may_stand_anywhere_in_a_url(url: str) -> None:
    assert list(faults(Http(url=url), HttpDefaults())) == []


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"type": "api_key", "name": "Host", "value": "${K}"}, "k.name: 'Host' cannot be set"),
        ({"type": "api_key", "name": "a b", "value": "${K}"}, "is no name of a header"),
        ({"type": "api_key", "in": "cookie", "name": "a;b", "value": "${K}"}, "is no name of a cookie"),
        ({"type": "oauth2", "token_url": "/t", "client_id": "a", "client_secret": "${K}"}, "no absolute URL"),
        ({"type": "oauth2", "token_url": "https://h/{{x}}", "client_id": "a", "client_secret": "${K}"}, "placeholders"),
    ],
)
def test_credentials_that_cannot_work_are_told_while_loading(declared: dict[str, Any], words: str) -> None:
    (found,) = auth_faults(TypeAdapter(dict[str, Credential]).validate_python({"k": declared}))

    assert words in found


def test_a_reference_may_be_the_start_of_a_url_and_chooses_the_host() -> None:
    http = Http(url="/x")
    defaults = HttpDefaults(base_url="${API}/v1")
    assert list(faults(http, defaults)) == []

    request = built(http, defaults, {}, lambda text, _: text.replace("${API}", "https://h.example"))

    assert request.url == "https://h.example/v1/x"


def test_a_reference_followed_by_a_placeholder_chooses_no_host() -> None:
    http = Http(url="${API}{{rest}}/x")

    assert len(list(faults(http, HttpDefaults()))) == 1
    with pytest.raises(RunError, match="placeholder in its scheme, host or port"):
        built(http, HttpDefaults(), {"rest": ".evil.com"}, lambda text, _: text.replace("${API}", "https://h"))


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_leaves_its_place_in_the_url(value: str) -> None:
    """It is one segment of the path, or refused; and one value in the query."""
    try:
        request = made({"id": value}, url="/pets/{{id}}/toys?q={{id}}", query={"p": "{{id}}"})
    except RunError:
        return

    assert request.origin == Origin("https", "api.example.com", 443)
    start, segment, end = request.path.rsplit("/", 2)
    assert (start, end) == ("/v1/pets", "toys")
    assert not set(segment) & set("?#@: \\{}$")
    assert [name for name, _ in request.query] == ["q", "p"]
    assert request.url.isascii()
    assert request.url.isprintable()


@given(st.text(), st.text())
def test_whatever_is_given_the_request_goes_to_the_host_of_the_file(one: str, other: str) -> None:
    try:
        request = made(
            {"a": one, "b": other}, url="/x-{{a}}/{{b}}/z?q={{a}}", query={"p": "{{b}}"}, cookies={"c": "{{a}}"}
        )
    except RunError:
        return

    assert request.url.startswith("https://api.example.com/v1/x-")
    assert request.path.count("/") == 4
    assert request.url.count("?") == 1
    assert "#" not in request.url
    assert all(line.isprintable() for pair in request.lines for line in pair)


@pytest.mark.parametrize("value", ["", ".", "..", "../x", "a/../b", "%2e%2e", "..\\x", [], {}, [None], ["..", "."]])
def test_a_value_that_means_another_place_cannot_stand_in_a_path(value: Any) -> None:
    with pytest.raises(RunError, match="cannot stand in a path"):
        made({"id": value}, url="/pets/{{id}}")


def test_a_value_and_what_stands_around_it_cannot_make_up_what_one_may_not_be() -> None:
    with pytest.raises(RunError, match="a would lead to another place, or to none, and cannot stand in a path"):
        made({"a": ["", None]}, url="/x/.{{a}}", path={"a": {"style": "label"}})


@pytest.mark.parametrize(
    ("url", "scope", "style"),
    [
        ("/compare/{{a}}..{{b}}", {"a": "x/", "b": "/y"}, {}),
        ("/compare/{{a}}..{{b}}", {"a": "x%2f", "b": "%2fy"}, {}),
        ("/x/{{a}}", {"a": ["", "/etc"]}, {"style": "label", "explode": True}),
        ("/x/{{a}}", {"a": {"../": "x"}}, {}),
        ("/x/{{a}}", {"a": {"..\\": "x"}}, {"explode": True}),
        ("/x/{{a}}", {"a": "..;x"}, {}),
    ],
)
def test_a_segment_climbs_however_it_is_put_together(url: str, scope: dict[str, Any], style: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="cannot stand in a path"):
        made(scope, url=url, path={"a": style})


@given(st.dictionaries(st.text("./%2ef\\;x", max_size=4), st.text("./%2ef\\;x", max_size=4), min_size=1, max_size=3))
def test_no_object_leads_to_another_place(value: dict[str, str]) -> None:
    styles: list[dict[str, Any]] = [{}, {"style": "label", "explode": True}, {"style": "matrix", "explode": True}]
    for style in styles:
        try:
            path = made({"a": value}, url="/x/{{a}}", path={"a": style}).path
        except RunError:
            continue
        decoded = unquote(unquote(path)).replace("\\", "/")
        assert not {".", ".."} & set(decoded.split("/"))


@pytest.mark.parametrize("value", [None, "absent"])
def test_a_path_is_not_made_without_its_values(value: Any) -> None:
    with pytest.raises(RunError, match="id is missing, and the request needs it"):
        made({"id": value} if value is None else {}, url="/pets/{{id}}")


def test_placeholders_in_a_path_are_written_as_it_is_said() -> None:
    path = {"a": {"style": "label", "explode": True}, "b": {"style": "matrix"}, "c": {"style": "json"}}

    request = made({"a": [1, 2], "b": [3, 4], "c": {"d": 5}}, url="/x{{a}}/y{{b}}/{{ c }}", path=path)

    assert request.path == "/v1/x.1.2/y;b=3,4/%7B%22d%22%3A5%7D"


def test_query_parameters_keep_their_types_and_are_left_out_when_missing() -> None:
    query = {"n": "{{n}}", "yes": "{{yes}}", "gone": "{{gone}}", "null": "{{null}}", "text": "id-{{n}}", "fixed": 7}
    query |= {"tags": {"value": "{{tags}}", "explode": False}, "f": {"value": "{{f}}", "style": "deepObject"}}

    request = made(
        {"n": 3, "yes": True, "null": None, "tags": ["a", "b c"], "f": {"x": 1}}, url="/x?k=v&flag", query=query
    )

    assert request.target == "/v1/x?k=v&flag=&n=3&yes=true&text=id-3&fixed=7&tags=a,b%20c&f%5Bx%5D=1"


def test_text_is_not_put_together_without_a_value() -> None:
    with pytest.raises(RunError, match="gone is missing"):
        made(url="/x", query={"q": "id-{{gone}}"})
    with pytest.raises(RunError, match="gone is missing"):
        made(url="/x?q={{gone}}")


def test_headers_of_a_tool_take_the_place_of_those_of_the_file() -> None:
    defaults = HttpDefaults(base_url="https://h", headers={"X-Team": "a", "Accept": "text/plain"})

    request = made(
        {"n": [1, 2]}, defaults, url="/", method="POST", headers={"x-team": "{{n}}", "gone": "{{gone}}"}, json={"a": 1}
    )

    assert request.lines == [("Accept", "text/plain"), ("Content-Type", "application/json"), ("x-team", "1,2")]


@pytest.mark.parametrize(
    "value", ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\x1b[0m", "\x85", "\x9f", "\u20ac", ["a", "b\r\n"], {"a\r\n": 1}]
)
def test_no_value_becomes_another_header(value: Any) -> None:
    with pytest.raises(RunError, match="header X-A cannot carry"):
        made({"a": value}, url="/x", headers={"X-A": "{{a}}"})


def test_cookies_are_one_header_in_which_no_value_starts_another() -> None:
    request = made({"a": "x; admin=1", "b": ["1", "2"]}, url="/", cookies={"a": "{{a}}", "b": "{{b}}", "c": "{{gone}}"})

    assert request.lines == [("Cookie", "a=x%3B%20admin=1; b=1; b=2")]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.text("a;= ,"), max_size=3))
def test_no_name_of_a_member_starts_another_cookie(value: dict[str, str]) -> None:
    request = made({"a": value}, url="/", cookies={"a": "{{a}}", "session": "fixed"})

    pairs = [pair.partition("=") for pair in dict(request.lines)["Cookie"].split("; ")]
    assert [(unquote(name), unquote(one)) for name, _, one in pairs] == [*value.items(), ("session", "fixed")]
    assert all(name.isascii() and not set(name) & set('()<>@,;:\\"/[]?={} \t') for name, _, _ in pairs)


@pytest.mark.parametrize(
    "declared",
    [
        {"query": {"x": "{{prefs}}", "admin": "no"}},
        {"query": {"admin": "{{gone}}", "x": {"value": "{{prefs}}", "style": "form", "explode": True}}},
        {"url": "/x?admin=no", "query": {"x": "{{prefs}}"}},
        {"method": "POST", "form": {"x": "{{prefs}}", "admin": "no"}},
        {"cookies": {"x": "{{prefs}}", "admin": "no"}},
        {"query": {"x": {"value": "{{prefs}}", "style": "deepObject"}, "x[admin]": "no"}},
    ],
)
@pytest.mark.parametrize("name", ["admin", "ADMIN"])
def test_no_object_takes_a_name_that_the_file_gives_a_value(declared: dict[str, Any], name: str) -> None:
    with pytest.raises(RunError, match=r"x has a member .* and the file gives that a value itself"):
        made({"prefs": {name: "yes", "b": 1}}, **({"url": "/x"} | declared))

    made({"prefs": {"b": 1}}, **({"url": "/x"} | declared))


def test_a_list_of_a_name_is_that_name() -> None:
    with pytest.raises(RunError, match="has a member"):
        made({"x": {"admin[0]": "yes"}}, url="/x", query={"x": "{{x}}", "admin": "no"})


@pytest.mark.parametrize(
    ("declared", "scope", "body", "content_type"),
    [
        ({"json": {"a": "{{a}}", "b": "{{b}}"}}, {"a": [1, None]}, b'{"a":[1,null]}', "application/json"),
        ({"json": "{{a}}"}, {"a": "text"}, b'"text"', "application/json"),
        ({"json": "{{a}}"}, {}, None, None),
        ({"json": None}, {}, b"null", "application/json"),
        ({"json": {}, "content_type": "application/merge-patch+json"}, {}, b"{}", "application/merge-patch+json"),
        (
            {"form": {"a": "{{a}}", "b": "{{b}}"}},
            {"a": ["1 2", "&"]},
            b"a=1%202&a=%26",
            "application/x-www-form-urlencoded",
        ),
        ({"form": {"a": "{{a}}"}}, {}, None, None),
        ({"body": "say {{a}}"}, {"a": "hé"}, "say hé".encode(), "text/plain; charset=utf-8"),
        ({"body": "{{a}}", "content_type": "text/csv"}, {"a": "1,2"}, b"1,2", "text/csv"),
        ({"body": "{{a}}"}, {}, None, None),
        ({"body": "{{a}}", "base64": True}, {"a": "AP8K\n"}, b"\x00\xff\n", "application/octet-stream"),
    ],
)
def test_a_body_is_made_of_what_was_given(
    declared: dict[str, Any], scope: dict[str, Any], body: bytes | None, content_type: str | None
) -> None:
    request = made(scope, url="/", method="POST", **declared)

    assert request.body == body
    assert dict(request.lines).get("Content-Type") == content_type


def test_what_is_no_base64_is_not_sent() -> None:
    with pytest.raises(RunError, match="body is no base64"):
        made({"a": "not base64!"}, url="/", method="POST", body="{{a}}", base64=True)


def test_half_a_character_is_not_sent() -> None:
    for declared in ({"json": "{{a}}"}, {"url": "/{{a}}"}, {"query": {"a": "{{a}}"}}):
        with pytest.raises(RunError, match="half a character"):
            made({"a": "\ud800"}, **{"url": "/", "method": "POST", **declared})


def parts_of(request: Built) -> list[tuple[bytes, bytes]]:
    """Head and body of each part, as a server reads them."""
    content_type = dict(request.lines)["Content-Type"]
    boundary = content_type.partition("boundary=")[2].encode()
    assert request.body is not None
    first, *parts, last = request.body.split(b"--" + boundary)
    assert (first, last) == (b"", b"--\r\n")
    found = (part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts)
    return [(head, body) for head, _, body in found]


def test_several_parts_are_sent_as_they_are() -> None:
    multipart = {
        "note": "{{note}}",
        "file": {"value": "{{file}}", "base64": True, "filename": "{{name}}", "content_type": "image/png"},
        "many": "{{many}}",
        "meta": "{{meta}}",
        "gone": "{{gone}}",
    }
    scope = {
        "note": "a\r\nb",
        "file": base64.b64encode(b"\x89PNG\0").decode(),
        "name": 'x".png\r\nEvil: 1',
        "many": ["1", 2],
        "meta": {"a": [1]},
    }

    assert parts_of(made(scope, url="/", method="POST", multipart=multipart)) == [
        (b'Content-Disposition: form-data; name="note"', b"a\r\nb"),
        (
            b'Content-Disposition: form-data; name="file"; filename="x%22.png%0D%0AEvil: 1"\r\nContent-Type: image/png',
            b"\x89PNG\0",
        ),
        (b'Content-Disposition: form-data; name="many"', b"1"),
        (b'Content-Disposition: form-data; name="many"', b"2"),
        (b'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json', b'{"a":[1]}'),
    ]


def test_references_are_resolved_in_what_the_file_says_never_in_what_is_given() -> None:
    http = Http.model_validate({"url": "/x", "method": "POST", "headers": {"A": "${KEY}"}, "json": ["${KEY}", "{{a}}"]})

    request = built(http, V1, {"a": "${KEY}"}, lambda text, _: text.replace("${KEY}", "value"))

    assert dict(request.lines)["A"] == "value"
    assert request.body == b'["value","${KEY}"]'


def test_a_request_is_told_without_its_query() -> None:
    assert made(url="/x?key=1").told == "GET api.example.com/v1/x"
