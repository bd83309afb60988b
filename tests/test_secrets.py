"""Variables become values, and no value that was given out can be read anywhere afterwards."""

from __future__ import annotations

import pytest

from magictunnel.errors import UnsetVariable
from magictunnel.secrets import Secrets

ENVIRON = {"TOKEN": "s3cret-value", "LONGER": "s3cret-value-and-more", "SHORT": "abc", "EMPTY": "", "HOME": "/home/me"}


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(ENVIRON)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${TOKEN}", "s3cret-value"),
        ("${env:TOKEN}", "s3cret-value"),
        ("Bearer ${TOKEN}!", "Bearer s3cret-value!"),
        ("${SHORT}${SHORT}", "abcabc"),
        ("${NONE:-fallback}", "fallback"),
        ("${NONE:-}", ""),
        ("${EMPTY:-fallback}", "fallback"),
        ("${TOKEN:-fallback}", "s3cret-value"),
        ("${env:NONE:-http://x:1/y}", "http://x:1/y"),
        ("$TOKEN $ {TOKEN} ${} ${1} $${", "$TOKEN $ {TOKEN} ${} ${1} $${"),
        ("plain", "plain"),
    ],
)
def test_references_are_resolved_and_other_text_stays(secrets: Secrets, text: str, value: str) -> None:
    assert secrets.expand(text, "args") == value


@pytest.mark.parametrize("name", ["NONE", "EMPTY"])
def test_a_variable_without_a_value_or_default_is_told_with_its_place_and_remedy(secrets: Secrets, name: str) -> None:
    with pytest.raises(UnsetVariable) as caught:
        secrets.expand(f"x ${{{name}}}", "headers.Authorization")

    assert str(caught.value) == (
        f"${{{name}}} in headers.Authorization is not set (set {name}, or write ${{{name}:-default}})"
    )


def test_a_value_is_not_expanded_again() -> None:
    assert Secrets({"A": "${B}", "B": "x"}).expand("${A}", "args") == "${B}"


def test_what_was_given_out_is_hidden_everywhere(secrets: Secrets) -> None:
    assert secrets.mask("s3cret-value") == "s3cret-value"

    secrets.expand("${TOKEN}", "args")

    assert secrets.mask("a s3cret-value, and s3cret-value") == "a ***, and ***"


def test_of_a_secret_that_contains_another_no_rest_is_left(secrets: Secrets) -> None:
    secrets.expand("${TOKEN} ${LONGER}", "args")

    assert secrets.mask("x s3cret-value-and-more y") == "x *** y"


def test_what_is_too_common_to_be_secret_is_not_hidden(secrets: Secrets) -> None:
    secrets.expand("${SHORT} ${HOME} ${NONE:-fallback}", "args")

    assert secrets.mask("abc in /home/me fallback") == "abc in /home/me fallback"


def test_odd_characters_in_a_secret_are_no_pattern() -> None:
    secrets = Secrets({"ODD": ".*(a|b)+["})
    secrets.expand("${ODD}", "args")

    assert secrets.mask("xyz .*(a|b)+[") == "xyz ***"


def test_without_an_environment_given_the_one_of_this_moment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets()
    monkeypatch.setenv("MAGICTUNNEL_TEST_VARIABLE", "set later")

    assert secrets.expand("${MAGICTUNNEL_TEST_VARIABLE}", "args") == "set later"
