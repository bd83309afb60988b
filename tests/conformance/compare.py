"""What two runs of one scenario say, compared check by check. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

ABSENT = "ABSENT"
_UNSAID = frozenset({ABSENT, "INFO", "SKIPPED"})
"""What is no verdict. The suite counts a skipped check as green, and writes its own log as INFO."""
_GOOD = "SUCCESS"


@dataclass(frozen=True)
class Check:
    """One check as the suite told it. Several of one scenario may have the same id."""

    id: str
    status: str
    message: str = ""
    about: str = ""


Checks = Sequence[Check]
"""The checks of one run, in the order in which the suite made them."""
Pair = tuple[Check | None, Check | None]


@dataclass(frozen=True)
class Difference:
    """One check that did not come out as it does directly. `about` tells it from others of the same id."""

    id: str
    about: str
    direct: str
    through: str
    message: str = ""

    @property
    def better(self) -> bool:
        """Whether nothing was lost: directly it is no success, and now it is one."""
        return self.through == _GOOD

    def __str__(self) -> str:
        which = f"{self.id} ({self.about})" if self.about else self.id
        return f"{which}: {self.direct} -> {self.through}{f': {self.message}' if self.message else ''}"


def differences(direct: Checks, through: Checks) -> tuple[Difference, ...]:
    """Every check whose verdict differs."""
    ids = dict.fromkeys(check.id for check in (*direct, *through))
    return tuple(told for one in ids for told in _of_one_id(_with(one, direct), _with(one, through)))


def failing(checks: Checks) -> tuple[Check, ...]:
    """What the suite itself calls a failure."""
    return tuple(check for check in checks if check.status == "FAILURE")


def passed(checks: Checks) -> bool:
    """Whether the suite calls the scenario passed: as long as nothing fails, even when everything is skipped."""
    return not failing(checks)


def succeeding(checks: Checks) -> int:
    """How many checks were made and held."""
    return sum(check.status == _GOOD for check in checks)


def made(checks: Checks) -> int:
    """How many checks were to be made."""
    return sum(check.status != "INFO" for check in checks)


def _with(one: str, checks: Checks) -> list[Check]:
    return [check for check in checks if check.id == one]


def _of_one_id(direct: list[Check], through: list[Check]) -> list[Difference]:
    pairs = _paired(direct, through)
    told = [_difference(before, after, several=len(pairs) > 1) for before, after in pairs]
    return [one for one in told if one.direct != one.through and not {one.direct, one.through} <= _UNSAID]


def _paired(direct: list[Check], through: list[Check]) -> list[Pair]:
    """Those about the same thing, wherever they stand; what is left, in order."""
    left, rest, pairs = list(through), list[Check](), list[Pair]()
    for check in direct:
        twin = next((other for other in left if other.about == check.about), None)
        if twin is None:
            rest.append(check)
        else:
            left.remove(twin)
            pairs.append((check, twin))
    return [*pairs, *zip_longest(rest, left)]


def _difference(before: Check | None, after: Check | None, *, several: bool) -> Difference:
    either = before or after
    assert either is not None
    return Difference(
        either.id,
        either.about if several else "",
        before.status if before else ABSENT,
        after.status if after else ABSENT,
        after.message if after else "",
    )
