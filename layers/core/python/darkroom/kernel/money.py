"""Prices as value types, shared by several packages. Credits are always integers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

NANOS = 10**9
"""Real money is counted in billionths of the currency, so that a token's price is an integer."""


@dataclass(frozen=True, kw_only=True)
class PricePart:
    """One line of a price: what it is for, its credits, and the outputs it promises."""

    name: str
    credits: int
    promised: tuple[str, ...]
    """Task keys whose outputs this part pays for."""

    def used(self, made: Collection[str], *, is_canceled: bool = False) -> int:
        """Credits used for the promised outputs that exist, rounded down in the user's favor.

        For a canceled job, a part with any existing output costs at least 1 credit, unless the part
        is free: rounding must not make an early cancellation free.
        """
        if not self.promised:
            return self.credits
        done = sum(1 for key in self.promised if key in made)
        used = self.credits * done // len(self.promised)
        return max(used, min(1, self.credits)) if is_canceled and done else used


@dataclass(frozen=True, kw_only=True)
class SpentPart:
    """The credits of one part of a price that the attempts at a job used, and the paid outputs."""

    name: str
    credits: int
    keys: tuple[str, ...]
    """Task keys of the outputs that were made, sorted."""


@dataclass(frozen=True, kw_only=True)
class RetryChain:
    """What the price of a retry depends on: it and earlier attempts are one run, paid for once."""

    whole: tuple[PricePart, ...]
    """The price of the whole run, with the options of this attempt and the costs of the first."""
    spent: tuple[SpentPart, ...]
    """What earlier attempts used, including parts that later options dropped."""


def total_credits(parts: Collection[PricePart]) -> int:
    return sum(part.credits for part in parts)
