"""Value types of prices that several rooms exchange. Credits are integers, always."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PricePart:
    """One line of a price: what it is for, what it costs, and which outputs it promises."""

    name: str
    credits: int
    promised: tuple[str, ...]
    """Task keys whose outputs this part pays for."""

    def used(self, made: Collection[str]) -> int:
        """Credits earned by the promised outputs that exist, rounded down in the user's favour."""
        if not self.promised:
            return self.credits
        done = sum(1 for key in self.promised if key in made)
        return self.credits * done // len(self.promised)


def total_credits(parts: Collection[PricePart]) -> int:
    return sum(part.credits for part in parts)
