"""What looks like a credential is hidden, and what does not is left alone."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.arguments.hiding import HIDDEN, hidden, holds_hidden, is_secret_name

KEY = "abcdefghijklmnop" + "1234567890"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("use the password hunter2 please", "hunter2"),
        ("password=swordfish now", "swordfish"),
        ("my password is swordfish", "swordfish"),
        ("set DB_PASSWORD: 'two words'", "two words"),
        ('{"api_key": "abc-def"}', "abc-def"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("with bearer abcdefgh", "abcdefgh"),
        (f"key sk-{KEY}", KEY),
        (f"token ghp_{KEY}", KEY),
        (f"AKIA{KEY.upper()}", KEY.upper()),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.abcdefgh", "eyJzdWIiOiIxMjM0"),
        ("postgres://admin:s3cret@db/x", "s3cret"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow and cut off", "MIIEow"),
        ("upload aB3dE5fG7hI9jK1lM3nO5pQ7", "aB3dE5fG7hI9jK1lM3nO5pQ7"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ("set the password of bob to Tr0ub4dor&3", "Tr0ub4dor&3"),
        ("change bob's password to correct horse", "horse"),
        ("the token for the build server is swordfish", "swordfish"),
        ("login bob:hunter2", "bob:hunter2"),
        ("log in to example.com as bob:hunter2 and look", "bob:hunter2"),
        ("curl -u bob:hunter2 https://example.com", "hunter2"),
        ("curl --user 'bob:two words' https://example.com", "two words"),
        ("deploy --api-key=swordfish now", "swordfish"),
        ("deploy --db-password swordfish now", "swordfish"),
        ("pass: 'hunter2'", "hunter2"),
        ("create bob with password swordfish", "swordfish"),
        ("https://example.com/a?v=1&sig=ab%2Fcd&x=2", "ab%2Fcd"),
        ("https://example.com/#access_token=swordfish&x=2", "swordfish"),
        ("https://example.com/a?key=swordfish", "swordfish"),
        ("card 4111 1111 1111 1111, 12/27", "1111"),
        ("order 12 5500-0000-0000-0004", "0004"),
        ("pay with 378282246310005", "378282246310005"),
        ("his number is 078-05-1120", "078-05-1120"),
        ("password: correct horse battery", "horse"),
        ("my password is correct horse battery", "battery"),
        ("my password is hunter2", "hunter2"),
        ("password:\n  correct horse", "horse"),
        ("**Password:** swordfish", "swordfish"),
        ("PIN 1234", "1234"),
        ("password='correct horse", "horse"),
        ("password=Tr0ub'4dor now", "4dor"),
        ("my verification code is 123456", "123456"),
        ("bearer token swordfish", "swordfish"),
        ("connection string: Server=db; Pwd=two", "two"),
        ("dsn=postgres;pwd=two", "two"),
        ('{"clientSecretValue": "a b"}', "a b"),
        ('{"x": {"authHeader": "a \\"b\\" fish"}}', "fish"),
        ('{"password":12345678,"user":"bob"}', "12345678"),
        ('{"tokens": ["one", "two"], "user": "bob"}', "two"),
        ('{"credentials": {"user": "bob", "word": "two"}}', "two"),
        ('{"credentials": {"user": "bob", "word": "cut o', "cut o"),
    ],
)
def test_a_credential_is_hidden(text: str, secret: str) -> None:
    assert secret not in hidden(text)
    assert HIDDEN in hidden(text)
    assert holds_hidden({"a": [hidden(text)]})


@pytest.mark.parametrize(
    "text",
    [
        "reset the password for bob",
        "list my tokens and keys",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 of octocat/hello-world",
        "project 9123a4b056c7d890e1f2a3f4, 123e4567-e89b-12d3-a456-426614174000",
        "see https://example.com:8080/a/very/long/path/with/many/parts/in/it",
        "a_rather_long_identifier_in_snake_case and anotherRatherLongIdentifier",
        "reset my password",
        "pass the ball",
        "token budget 5000",
        "the key result",
        "author: Bob",
        "the password is wrong, please reset it",
        "why is the token expired",
        "add the token to the vault",
        "basic authentication for all users, and basic URL tests",
        "sign in with password authentication",
        "log in at 10:30",
        "list issues with label:bug",
        "page token: abc, max tokens: 5000",
        "https://example.com/a?country_code=US&page=2",
        "call 555-123-4567 or +49 30 1234567, order 1234567890123456",
        "DNS domain pkc-abc123.eastus2.azure.confluent.cloud",
        "cookie recipes with 2 eggs, pin 3 messages",
        '{"secret_name": "prod", "password_policy": "strict"}',
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert hidden(text) == text


def test_what_follows_the_line_or_sentence_of_a_credential_stays() -> None:
    assert hidden("password: a b c. Then list issues") == f"password: {HIDDEN}. Then list issues"
    assert hidden("create bob with password: a b, region: eu") == f"create bob with password: {HIDDEN}, region: eu"
    assert hidden("password: a b\nregion: eu") == f"password: {HIDDEN}\nregion: eu"
    assert hidden("password='a b' region=eu") == f"password='{HIDDEN}' region=eu"
    assert hidden("x?sig=abc&page=2") == f"x?sig={HIDDEN}&page=2"
    assert hidden("-u bob:abc https://example.com") == f"-u {HIDDEN} https://example.com"


def test_of_the_schema_of_a_credential_only_values_are_hidden() -> None:
    password = {
        "type": "string",
        "description": "of the database",
        "minLength": 8,
        "default": "Tr0ub4dor&3",
        "examples": ["hunter2"],
        "anyOf": [{"const": "swordfish"}, {"type": "string", "enum": ["horse"]}],
    }
    host = {"type": "string", "default": "localhost", "examples": ["db"]}
    schema = {"login": {"type": "object", "properties": {"dbPassword": password, "host": host}}}

    shown = json.loads(hidden(json.dumps(schema)))["login"]["properties"]

    assert shown["host"] == host
    assert shown["dbPassword"] == password | {
        "default": HIDDEN,
        "examples": HIDDEN,
        "anyOf": [HIDDEN, {"type": "string", "enum": HIDDEN}],
    }


def test_the_schema_of_a_group_of_credentials_keeps_its_shape() -> None:
    group = {"type": "object", "properties": {"user": {"type": "string", "default": "bob"}}, "required": ["user"]}

    shown = json.loads(hidden(json.dumps({"credentials": group})))["credentials"]

    assert shown == group | {"properties": {"user": {"type": "string", "default": HIDDEN}}}


@pytest.mark.parametrize("depth", [50, 5_000])
@pytest.mark.parametrize("end", ["", "}"])
def test_json_that_is_deep_or_cut_is_hidden(depth: int, end: str) -> None:
    text = '{"token": ' * depth + '"swordfish"' + end * depth

    assert "swordfish" not in hidden(text)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "apiKey",
        "api-key",
        "db_password",
        "access_token",
        "clientSecret",
        "token",
        "PassWord",
        "authHeader",
        "bearer",
        "pincode",
        "clientSecretValue",
        "dsn",
        "connection_string",
        "connectionString",
        "DBPassword",
        "APIKey",
        "accountPassword",
        "database_url",
        "db_pass",
        "pw",
        "OAuthToken",
        "accesstoken",
        "x-api-key",
        "sessionId",
        "card_number",
    ],
)
def test_properties_that_hold_credentials_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "next_page_token",
        "max_tokens",
        "key",
        "author",
        "title",
        "keyword",
        "tokenize",
        "pageToken",
        "syncToken",
        "tokenBudget",
        "secret_name",
        "passwordPolicy",
        "auth_type",
        "token_url",
        "publicKey",
        "pinned",
        "pass_rate",
        "boardingPass",
        "keyResult",
        "country_code",
        "",
        "___",
        "\ud800",
    ],
)
def test_other_properties_are_not_taken_for_such(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "part",
    [
        *("password ", "password=", "://a:", "eyJ", "-----BEGIN PRIVATE KEY-----", "sk-", "a_", "A1a", "1 ", "4111 "),
        *("set password of a b c ", "login a:", "connect as ", "-u a", "user x and ", "a: ", "?a=", "&key=", '"', "'a"),
        *("password is ", "token:[", 'token:{"', '"password":{"a":"b",', 'token:["', "a b c: ", "--a-", "x=\n", "\\"),
    ],
)
def test_no_repetition_takes_long(part: str) -> None:
    start = time.perf_counter()
    hidden(part * (50_000 // len(part)))
    assert time.perf_counter() - start < 5  # a quadratic pattern takes minutes


@given(st.text(alphabet="pasword tken:=\"'{}[],;.\n?&-u12a", max_size=300))
def test_any_text_can_be_looked_at(text: str) -> None:
    assert isinstance(hidden(text), str)


@given(st.text(max_size=200))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert hidden(hidden(text)) == hidden(text)
