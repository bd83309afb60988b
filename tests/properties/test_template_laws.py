"""Laws of URI templates: what RFC 6570 can make of one matches it, and nobody can make matching slow."""

from __future__ import annotations

import string
import subprocess
import sys
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.find import expansions
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Catalog, Kind, Listing, everything
from magictunnel.catalog.templates import MAX_LENGTH, matches
from tests.properties.offers import law

RESERVED = ":/?#[]@!$&'()*+,;="
OPERATORS = {
    # operator: (what stands first, between values, whether values are named, what stays unescaped)
    "": ("", ",", False, ""),
    "+": ("", ",", False, RESERVED),
    "#": ("#", ",", False, RESERVED),
    ".": (".", ".", False, ""),
    "/": ("/", "/", False, ""),
    ";": (";", ";", True, ""),
    "?": ("?", "&", True, ""),
    "&": ("&", "&", True, ""),
}

Value = str | list[str] | None
names = st.text(string.ascii_lowercase, min_size=1, max_size=3)
values = st.none() | st.text(max_size=6).filter(lambda text: text.isprintable()) | st.lists(st.text("ab/é", max_size=3))
expressions = st.tuples(
    st.sampled_from(list(OPERATORS)),
    st.lists(st.tuples(names, st.sampled_from(["", "*"]), values), min_size=1, max_size=3),
)
literals = st.text(alphabet=string.ascii_letters + string.digits + "-._~:/?#@!$&'()*+,;=%", max_size=6)
parts = st.lists(literals | expressions, max_size=6)


def written(part: str | tuple[str, list[tuple[str, str, Value]]]) -> str:
    """One part of a template as a server writes it."""
    if isinstance(part, str):
        return part
    operator, variables = part
    return "{" + operator + ",".join(name + star for name, star, _ in variables) + "}"


def expanded(part: str | tuple[str, list[tuple[str, str, Value]]]) -> str:
    """One part of a template as RFC 6570, section 3.2, expands it."""
    if isinstance(part, str):
        return part
    operator, variables = part
    first, between, named, kept = OPERATORS[operator]
    texts = [text for name, star, value in variables for text in _texts(name, star, value, operator, named, kept)]
    return first + between.join(texts) if texts else ""


def _texts(name: str, star: str, value: Value, operator: str, named: bool, kept: str) -> list[str]:
    if value is None or value == []:
        return []
    escaped = [quote(each, safe=kept + "-._~") for each in ([value] if isinstance(value, str) else value)]
    told = escaped if star else [",".join(escaped)]
    if not named:
        return told
    return [f"{name}={text}" if text or operator != ";" else name for text in told]


@law
@given(parts)
def test_what_a_template_expands_to_matches_it(made) -> None:
    assert matches("".join(map(written, made)), "".join(map(expanded, made)))


@law
@given(parts, literals)
def test_a_template_without_expressions_matches_itself_alone(made, other) -> None:
    uri = "".join(map(expanded, made))
    assert matches(uri, uri)
    assert matches(other, uri) == (other == uri)


@law
@given(parts, st.sampled_from(["/", "?", "#"]))
def test_a_simple_expression_stays_in_its_segment(made, mark) -> None:
    before = "".join(map(expanded, made))
    assert matches(before + "{id}", before + "abc%2Fd")
    assert not matches(before + "{id}", before + "a" + mark + "b")


@law
@given(st.text(alphabet="{}+#./;?&a,* é\ud800", max_size=30), st.text(max_size=30))
def test_anything_may_be_asked(template, uri) -> None:
    assert matches(template, uri) in (True, False)


@law
@given(parts, st.sampled_from(["a+", "s-x-0123456789+"]))
def test_a_template_told_apart_by_its_owner_leads_to_the_owners_uri(made, owner) -> None:
    template, uri = "".join(map(written, made)), "x:" + "".join(map(expanded, made))
    listing = Listing({Kind.TEMPLATE: [{"uriTemplate": "x:" + template}]})
    catalog = merge({"a": listing, "b": listing}, MergeRules())
    assert [(entry.backend, known) for entry, known in expansions(catalog, "a+" + uri, everything)] == [("a", uri)]
    assert ("b", uri) in [(entry.backend, known) for entry, known in expansions(catalog, "b+" + uri, everything)]
    assert isinstance(catalog, Catalog)
    assert owner


HOSTILE = """
from magictunnel.catalog.templates import MAX_LENGTH, matches
made = [
    ("{a}" * (MAX_LENGTH // 3), "x" * MAX_LENGTH),
    ("{+a}" * (MAX_LENGTH // 4), "x" * (MAX_LENGTH - 1) + "\\n"),
    ("{a}b" * (MAX_LENGTH // 4), "b" * MAX_LENGTH),
    ("{a}b" * (MAX_LENGTH // 4 - 1) + "{a}c", "b" * MAX_LENGTH),
    ("x:{a}/{b}" + "{?c}" * 100 + "!", "x:" + "/" * 4_000 + "?"),
    ("{" * MAX_LENGTH, "{" * MAX_LENGTH),
    ("{a" * (MAX_LENGTH // 2), "a" * MAX_LENGTH),
]
print([[matches(template, uri) for template, uri in made] for _ in range(10)][-1])
"""


def test_a_template_made_to_be_slow_is_not() -> None:
    """A read asks every template there is, on the loop that serves everybody: none may take seconds.

    In a process of its own, since a match that does not end could not be ended here; the bound is a hundred times
    what it takes.
    """
    ran = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=True, timeout=15)
    assert ran.stdout.strip() == "[True, True, True, False, False, True, False]"


def test_what_is_too_long_matches_nothing() -> None:
    assert not matches("{+a}", "x" * (MAX_LENGTH + 1))
    assert not matches("x" * (MAX_LENGTH + 1), "x" * (MAX_LENGTH + 1))
    assert matches("{+a}", "x" * MAX_LENGTH)
