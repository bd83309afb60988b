import pytest

from magictunnel.capabilities.arguments import Arguments
from magictunnel.errors import RunError

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3, "maximum": 9}},
    "required": ["city"],
}


def test_what_is_left_out_is_as_the_schema_says() -> None:
    assert Arguments(SCHEMA).taken({"city": "Rome"}) == {"city": "Rome", "days": 3}
    assert Arguments(SCHEMA).taken({"city": "Rome", "days": 1}) == {"city": "Rome", "days": 1}
    assert Arguments({"type": "object"}).taken(None) == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, '"city" is a required property'),
        ({"city": 3}, 'city: 3 is not of type "string"'),
        ({"city": "x", "days": 10}, "days: 10 is greater than the maximum"),
        (["city"], "should be an object"),
    ],
)
def test_what_is_not_as_the_schema_says_is_told(given: object, told: str) -> None:
    with pytest.raises(RunError, match=told):
        Arguments(SCHEMA).taken(given)


def test_an_argument_that_nobody_would_read_is_refused() -> None:
    with pytest.raises(RunError, match=r"no argument 'citi' \(did you mean 'city'\?\)"):
        Arguments(SCHEMA).taken({"city": "Rome", "citi": "Rome"})
    with pytest.raises(RunError, match="it takes none"):
        Arguments({"type": "object"}).taken({"a": 1})


def test_arguments_that_nobody_could_write_are_refused() -> None:
    deep: object = 1
    for _ in range(1_000):
        deep = [deep]
    for given in ({"a": deep}, {"a": "\ud800"}):
        with pytest.raises(RunError, match="too deep, or hold half a character"):
            Arguments({"type": "object", "properties": {"a": {}}}).taken(given)


@pytest.mark.parametrize("more", [{"additionalProperties": True}, {"patternProperties": {"^x": {}}}, {"allOf": [{}]}])
def test_where_the_schema_says_how_others_are_there_may_be_others(more: dict[str, object]) -> None:
    assert Arguments({"type": "object"} | more).taken({"x1": 1}) == {"x1": 1}


def test_of_a_long_value_it_is_told_what_is_wrong_with_it() -> None:
    with pytest.raises(RunError) as found:
        Arguments({"type": "object", "properties": {"a": {"maxLength": 5}}}).taken({"a": "x" * 100_000})
    assert "longer than 5" in str(found.value)
    assert len(str(found.value)) < 300


def test_numbers_of_any_size_are_held_against_it() -> None:
    wide = Arguments({"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}})
    with pytest.raises(RunError, match="greater than the maximum"):
        wide.taken({"n": 2**70})
