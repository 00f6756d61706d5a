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

    def used(self, made: Collection[str], *, is_canceled: bool = False) -> int:
        """Credits used for the promised outputs that exist, rounded down in the user's favor.

        A part of a canceled job of which any promised output exists costs at least 1 credit,
        unless the part is free: rounding must not make an early cancellation free.
        """
        if not self.promised:
            return self.credits
        done = sum(1 for key in self.promised if key in made)
        used = self.credits * done // len(self.promised)
        return max(used, min(1, self.credits)) if is_canceled and done else used


@dataclass(frozen=True, kw_only=True)
class SpentPart:
    """What the attempts at a job used of one part of its price, and which outputs that paid for."""

    name: str
    credits: int
    keys: tuple[str, ...]
    """Task keys of the outputs that were made, sorted."""


@dataclass(frozen=True, kw_only=True)
class RetryChain:
    """What a retry is priced by: it and the attempts before it are one run, paid for once."""

    whole: tuple[PricePart, ...]
    """What the run costs with the options of this attempt, at the costs of the first one."""
    spent: tuple[SpentPart, ...]
    """What earlier attempts used, also of parts that options have dropped since."""


def total_credits(parts: Collection[PricePart]) -> int:
    return sum(part.credits for part in parts)
