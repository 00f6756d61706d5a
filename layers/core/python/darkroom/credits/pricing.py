"""Packs, prices and what to suggest to whoever is short: pure functions over the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from darkroom.kernel import catalogue
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem

SUGGESTIONS_LIMIT = 2


@dataclass(frozen=True)
class Pack:
    name: str
    credits: int
    prices: Mapping[str, Decimal]
    """Currency (ISO 4217) → amount in major units."""


def packs() -> tuple[Pack, ...]:
    return tuple(
        Pack(
            name=pack["name"],
            credits=pack["credits"],
            prices={currency: Decimal(price) for currency, price in pack["prices"].items()},
        )
        for pack in catalogue.read("packs.json")["packs"]
    )


def costs() -> Mapping[str, int]:
    """What things cost, in credits, by name."""
    return catalogue.read("prices.json")


def get_pack(name: str) -> Pack:
    """The pack with this name.

    Raises:
        InvalidInput: there is none.
    """
    for pack in packs():
        if pack.name == name:
            return pack
    raise InvalidInput(
        "unknown pack",
        fields=[problem("pack", "NOT_ALLOWED", allowed=[pack.name for pack in packs()])],
    )


def price_of(pack: Pack, currency: str) -> Decimal:
    """The pack's price in major units.

    Raises:
        InvalidInput: it is not sold in this currency.
    """
    if currency not in pack.prices:
        raise InvalidInput(
            "not sold in this currency",
            fields=[problem("currency", "NOT_ALLOWED", allowed=tuple(pack.prices))],
        )
    return pack.prices[currency]


def suggest(shortfall: int, offered: Sequence[Pack]) -> list[dict[str, Any]]:
    """Up to two packs that cover the shortfall, smallest first; else the largest pack."""
    by_size = sorted(offered, key=lambda pack: pack.credits)
    covering = [pack for pack in by_size if pack.credits >= shortfall][:SUGGESTIONS_LIMIT]
    chosen = covering or by_size[-1:]
    return [{"pack": pack.name, "credits": pack.credits} for pack in chosen]
