"""What providers charge: list prices from the catalog, and what a call costs by them. Pure.

Amounts are counted in billionths of the currency (nanos), so that a token's price is an integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from darkroom.kernel import catalog
from darkroom.kernel.money import NANOS

ANY_MODEL = "*"
_PROVIDERS = "providers.json"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of what a call costs."""

    unit: str
    quantity: float
    unit_cost: str | None
    """In the currency, as a decimal; None when no price is known."""

    @property
    def nanos(self) -> int:
        if self.unit_cost is None:
            return 0
        amount = Decimal(str(self.quantity)) * Decimal(self.unit_cost) * NANOS
        return int(amount.to_integral_value(ROUND_HALF_UP))


@dataclass(frozen=True, kw_only=True)
class Bill:
    lines: tuple[Line, ...]
    currency: str

    @property
    def nanos(self) -> int:
        return sum(line.nanos for line in self.lines)


def vendors() -> Mapping[str, Mapping[str, Any]]:
    """Every cloud provider: label, models with capability and unit prices, limits, source."""
    providers: Mapping[str, Mapping[str, Any]] = catalog.read(_PROVIDERS)["providers"]
    return providers


def cache_seconds_of(capability: str) -> int:
    """How long a result is reused for an equal request; 0 is never."""
    seconds: int = catalog.read(_PROVIDERS)["cacheSeconds"].get(capability, 0)
    return seconds


def bill(provider: str, model: str, charges: Sequence[tuple[str, float]]) -> Bill:
    """What (unit, quantity) pairs cost at list price."""
    models = vendors().get(provider, {}).get("models", {})
    found = models.get(model) or models.get(ANY_MODEL) or {}
    prices = found.get("prices", {})
    return Bill(
        lines=tuple(
            Line(unit=unit, quantity=quantity, unit_cost=prices.get(unit))
            for unit, quantity in charges
        ),
        currency=found.get("currency", "USD"),
    )
