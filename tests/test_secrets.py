"""Variables become values, and no value that was given out can be read anywhere afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring

from magictunnel.errors import UnsetSecret, UnsetVariable
from magictunnel.secrets import Secrets
from magictunnel.telemetry import printable

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


def test_a_secret_is_hidden_where_its_control_characters_were_made_spaces_too() -> None:
    """As in a line of the log."""
    secrets = Secrets({})
    secrets.remember("hunter2\thunter3")

    assert secrets.mask(printable("it is hunter2\thunter3!", keep="")) == "it is ***!"


def test_odd_characters_in_a_secret_are_no_pattern() -> None:
    secrets = Secrets({"ODD": ".*(a|b)+["})
    secrets.expand("${ODD}", "args")

    assert secrets.mask("xyz .*(a|b)+[") == "xyz ***"


def test_without_an_environment_given_the_one_of_this_moment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets()
    monkeypatch.setenv("MAGICTUNNEL_TEST_VARIABLE", "set later")

    assert secrets.expand("${MAGICTUNNEL_TEST_VARIABLE}", "args") == "set later"


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[PlaintextKeyring]:
    """A real keyring, of this test alone."""
    before = keyring.get_keyring()
    ours = PlaintextKeyring()
    ours.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(before)


@pytest.fixture
def no_ring() -> Iterator[None]:
    """A machine without a keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    yield
    keyring.set_keyring(before)


class Locked(KeyringBackend):
    """A keyring that cannot be opened."""

    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("not\nopened")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked

    def delete_password(self, service: str, username: str) -> None:
        raise KeyringLocked


@pytest.mark.parametrize("name", ["github", "my api/token:1", "a.b-c"])
def test_a_secret_in_the_keyring_is_had_by_its_name_and_hidden(ring: PlaintextKeyring, name: str) -> None:
    ring.set_password("magictunnel", name, "from-the-ring")
    secrets = Secrets({})

    assert secrets.expand(f"Bearer ${{keyring:{name}}}!", "headers.Authorization") == "Bearer from-the-ring!"
    assert secrets.mask("it was from-the-ring") == "it was ***"


def test_a_secret_that_is_set_anew_is_had_anew(ring: PlaintextKeyring) -> None:
    secrets = Secrets({})
    for value in ("first-value", "second-value"):
        ring.set_password("magictunnel", "github", value)

        assert secrets.expand("${keyring:github}", "args") == value


def test_variables_and_the_keyring_go_together(ring: PlaintextKeyring) -> None:
    ring.set_password("magictunnel", "TOKEN", "of-the-ring")

    assert Secrets(ENVIRON).expand("${TOKEN} ${keyring:TOKEN} ${X:-y}", "args") == "s3cret-value of-the-ring y"


def test_a_value_from_the_keyring_is_not_expanded_again(ring: PlaintextKeyring) -> None:
    ring.set_password("magictunnel", "odd", "${TOKEN} ${keyring:odd}")

    assert Secrets(ENVIRON).expand("${keyring:odd}", "args") == "${TOKEN} ${keyring:odd}"


@pytest.mark.parametrize("service", ["", "other"])
def test_a_secret_that_is_not_in_the_keyring_is_told_with_its_place_and_remedy(
    ring: PlaintextKeyring, service: str
) -> None:
    if service:
        ring.set_password(service, "github", "of another program")

    with pytest.raises(UnsetSecret) as caught:
        Secrets({"github": "a variable"}).expand("${keyring:github}", "headers.Authorization")

    assert str(caught.value) == (
        "${keyring:github} in headers.Authorization: it is not in the keyring (keyring set magictunnel github)"
    )
    assert isinstance(caught.value, UnsetVariable)


def test_a_machine_without_a_keyring_says_so(no_ring: None) -> None:
    with pytest.raises(UnsetSecret, match="this machine has no keyring"):
        Secrets({}).expand("${keyring:github}", "env.TOKEN")


def test_a_keyring_that_is_locked_says_so_in_one_line() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Locked())
    try:
        with pytest.raises(UnsetSecret, match=r"the keyring did not give it: not opened \(unlock the keyring\)"):
            Secrets({}).expand("${keyring:github}", "env.TOKEN")
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("text", ["${keyring:}", "${keyring}", "$keyring:x", "${keyrings:x}"])
def test_what_is_no_reference_to_the_keyring_stays(no_ring: None, text: str) -> None:
    assert Secrets({"keyring": "${keyring}"}).expand(text, "args") == text


def test_who_wants_nothing_from_a_keyring_does_not_wait_for_one() -> None:
    code = (
        "import sys; from magictunnel.secrets import Secrets;"
        "Secrets({}).expand('${A:-b}', ''); print('keyring' in sys.modules)"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout == "False\n"
