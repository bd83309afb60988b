"""What calling a tool may do, by what the tool says of itself. Pure."""

from __future__ import annotations

from enum import StrEnum

from magictunnel.catalog.model import Json


class Effect(StrEnum):
    """From harmless to harmful: so that a host can ask its person about one sort, and not about another."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"

    @property
    def door(self) -> str:
        """The tool by which tools of this sort are called."""
        return f"call_{self.value}_tool"


def effect_of(definition: Json) -> Effect:
    """The sort of a tool. One that does not say, or contradicts itself, counts as what its worst word says."""
    hints = definition.get("annotations")
    if not isinstance(hints, dict):
        return Effect.DESTRUCTIVE
    reads, destroys = hints.get("readOnlyHint"), hints.get("destructiveHint")
    if reads is True:
        return Effect.READ if destroys is None or destroys is False else Effect.DESTRUCTIVE
    return Effect.WRITE if destroys is False else Effect.DESTRUCTIVE
