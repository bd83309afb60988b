"""Which URIs a template can make: every operator, and text that is none."""

from __future__ import annotations

import pytest

from magictunnel.catalog.templates import MAX_LENGTH, matches


@pytest.mark.parametrize(
    ("template", "uri", "expected"),
    [
        ("x:1", "x:1", True),
        ("x:1", "x:12", False),
        ("x:1", "ax:1", False),
        ("x:{id}", "x:7", True),
        ("x:{id}", "x:", True),
        ("x:{id}", "y:7", False),
        ("x:{id}", "x:a/b", False),
        ("x:{id}", "x:a?b", False),
        ("x:{+path}", "x:a/b?c#d", True),
        ("x:{#frag}", "x:#top", True),
        ("x:a{.ext}", "x:a.json", True),
        ("x:a{.ext}", "x:a/b", False),
        ("x:{/a,b}", "x:/1/2", True),
        ("x:{/a}", "x:/1?q", False),
        ("x:p{;a}", "x:p;a=1", True),
        ("x:p{?q,r}", "x:p?q=1&r=a/b", True),
        ("x:p{?q}", "x:p?q=1#f", False),
        ("x:p?a=1{&q}", "x:p?a=1&q=2", True),
        ("x:{id:3}/{rest*}", "x:abc/d", True),
        ("x:{a}/{b}", "x:1/2", True),
        ("x:{a}/{b}", "x:1/2/3", False),
        ("x:{a}-{b}", "x:1-2-3", True),
        ("x:{a}{b}/c", "x:12/c", True),
        ("{+a}end", "the end of the end", True),
        ("x:{unclosed", "x:{unclosed", True),
        ("x:{unclosed", "x:1", False),
        ("x:.*", "x:abc", False),
        ("x:{id}", "x:ä%20", True),
        ("", "", True),
    ],
)
def test_a_uri_is_matched_by_what_the_template_can_expand_to(template: str, uri: str, expected: bool) -> None:
    assert matches(template, uri) is expected


def test_the_longest_uri_that_is_looked_at_still_matches() -> None:
    longest = "x:" + "a" * (MAX_LENGTH - 2)

    assert matches("x:{id}", longest)
    assert not matches("x:{id}", longest + "a")
