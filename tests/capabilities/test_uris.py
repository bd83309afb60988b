"""URIs of resources by a pattern, and of files in a directory."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.content.uris import below, path_below, plain, template_faults, values_in
from magictunnel.catalog.templates import matches

VALUES = st.text(min_size=1, max_size=20).filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text))


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("docs://{name}", "docs://a", {"name": "a"}),
        ("docs://{name}.md", "docs://a.md.md", {"name": "a.md"}),
        ("x:{a}-{b}", "x:1-2-3", {"a": "1", "b": "2-3"}),
        ("x:{a}/{b}/end", "x:1/2/end", {"a": "1", "b": "2"}),
        ("x:{a}", "x:%2e%2e%2Fetc", {"a": "../etc"}),
        ("x:{a}", "x:a/b", None),
        ("x:{a}", "x:", None),
        ("x:{a}", "x:%ff", None),
        ("x:{a}{b}", "x:a", None),
        ("x:{a}", "y:a", None),
    ],
)
def test_values_are_found_in_a_uri(template: str, uri: str, values: dict[str, str] | None) -> None:
    assert values_in(template, uri) == values


@given(VALUES, VALUES)
def test_what_a_template_was_filled_with_is_found_again(one: str, other: str) -> None:
    uri = f"x://{quote(one, safe='')}/to/{quote(other, safe='')}"
    assert values_in("x://{one}/to/{other}", uri) == {"one": one, "other": other}


@given(st.text("ab/-", max_size=12))
def test_values_are_found_wherever_there_are_some(text: str) -> None:
    template = "x:{a}-{b}ab{c}"
    found = values_in(template, f"x:{text}")
    if found is None:
        assert not (matches(template, f"x:{text}") and _splits(text))
    else:
        assert f"{found['a']}-{found['b']}ab{found['c']}" == text


def _splits(text: str) -> bool:
    """The same, by trying everything."""
    ends = [
        (text[:dash], text[dash + 1 : ab], text[ab + 2 :])
        for dash in range(len(text))
        for ab in range(dash + 1, len(text))
        if text[dash] == "-" and text.startswith("ab", ab)
    ]
    return any(all(part and "/" not in part for part in parts) for parts in ends)


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("docs://{+path}", "{+path} is not understood"),
        ("docs://{a,b}", "{a,b} is not understood"),
        ("docs://{a}/{a}", "{a} stands there twice"),
        ("docs://{a}{b}", "something between two variables"),
        ("docs://{a", "a brace stands there without"),
        ("{a}", "begin with a scheme"),
        ("docs://a", "no {name} in it"),
        ("docs://{a}" + "x" * 9_000, "more than 8192 characters"),
    ],
)
def test_a_template_that_could_not_be_matched_is_told(template: str, fault: str) -> None:
    assert fault in "; ".join(template_faults(template))


def test_a_template_that_can_be_matched_has_no_fault() -> None:
    assert not list(template_faults("docs://{area}/{name}.md"))


@given(
    st.sampled_from(["docs://guide", "docs://guide/", "docs://", "file:///x"]), st.lists(VALUES, min_size=1, max_size=4)
)
def test_a_file_below_a_directory_is_found_by_its_uri(directory: str, names: list[str]) -> None:
    path = "/".join(names)
    found = path_below(directory, below(directory, path))
    assert found == (path if all(map(plain, path.split("/"))) else None)


@pytest.mark.parametrize(
    "rest",
    [
        "../x",
        "a/../../x",
        "%2e%2e/x",
        "%2E%2E%2Fx",
        "a%2fb",
        ".env",
        "a/.git/config",
        "",
        "a//b",
        "a%00",
        "..%5Cx",
        "%ff",
    ],
)
def test_no_uri_leads_out_of_a_directory_or_to_what_is_hidden(rest: str) -> None:
    assert path_below("docs://guide", f"docs://guide/{rest}") is None


def test_another_directory_is_not_the_same() -> None:
    assert path_below("docs://guide", "docs://guidebook/x") is None
