"""Packs, costs, the price of a retry, and suggestions for an account that is short of credits.

Pure functions over the catalog.

**The price of a retry.** A job and its retries form a chain that is paid for as one run. Part by
part, a retry costs what the whole part costs, at the costs that the first job of the chain was
charged with and with the retry's options, less what the attempts before have used of that part
according to their receipts; never less than 0. Where the retry leaves out an output that was
refused for its content, the whole is replaced by the share of the outputs that exist afterwards,
rounded down.

- What was used of a part that the options drop is not credited to other parts: its outputs were
  delivered. It is credited again if the part comes back.
- Where a change of options makes delivered outputs void, so that they are made again, what was
  used for them does not count: of the credits used, the share of the outputs that stand is
  credited, rounded up, so that no standing output is paid for twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from darkroom.kernel import catalog
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.money import PricePart, SpentPart
from darkroom.kernel.problems import problem

SUGGESTIONS_LIMIT = 2
REGENERATE = "regenerate"
"""The name of the cost of a regeneration, and of the one part of its price."""


@dataclass(frozen=True)
class Pack:
    name: str
    credits: int
    prices: Mapping[str, Decimal]
    """Currency (ISO 4217) → amount in major units."""
    use: Mapping[str, str] = field(default_factory=dict)
    """What its credits are enough for, by language."""


def packs() -> tuple[Pack, ...]:
    return tuple(
        Pack(
            name=pack["name"],
            credits=pack["credits"],
            prices={currency: Decimal(price) for currency, price in pack["prices"].items()},
            use=pack["for"],
        )
        for pack in catalog.read("packs.json")["packs"]
    )


def credit_usd() -> Decimal:
    """The lowest price of a credit in US dollars, at which revenue is estimated."""
    return min(pack.prices["USD"] / pack.credits for pack in packs())


def pack_names() -> list[str]:
    return [pack.name for pack in packs()]


def currencies() -> list[str]:
    """All currencies that a pack is sold in (ISO 4217)."""
    return sorted({currency for pack in packs() for currency in pack.prices})


def costs() -> Mapping[str, int]:
    """Costs in credits, by name."""
    prices: Mapping[str, int] = catalog.read("prices.json")
    return prices


def notes() -> Sequence[Mapping[str, str]]:
    """Notes for users about the prices of jobs: ``code``, and a sentence by language."""
    noted: Sequence[Mapping[str, str]] = catalog.read("price_notes.json")["notes"]
    return noted


def costs_of(names: Iterable[str]) -> dict[str, int]:
    """Today's costs with these names, and no others."""
    today = costs()
    return {name: today[name] for name in names}


def add_receipt(
    spent: Sequence[SpentPart],
    price: Sequence[PricePart],
    used: Sequence[int],
    made: Collection[str],
) -> tuple[SpentPart, ...]:
    """The spent parts after one more attempt, from its price, its receipt and its outputs."""
    total = {part.name: part for part in spent}
    for part, credits in zip(price, used, strict=True):
        before = total.get(part.name, SpentPart(name=part.name, credits=0, keys=()))
        keys = {*before.keys, *(key for key in part.promised if key in made)}
        total[part.name] = SpentPart(
            name=part.name, credits=before.credits + credits, keys=tuple(sorted(keys))
        )
    return tuple(total.values())


def without_void(spent: Sequence[SpentPart], void: Collection[str]) -> tuple[SpentPart, ...]:
    """The spent parts without these outputs, which are void and are made again."""
    return tuple(_without_void(part, void) for part in spent)


def _without_void(part: SpentPart, void: Collection[str]) -> SpentPart:
    standing = tuple(key for key in part.keys if key not in void)
    if len(standing) == len(part.keys):
        return part
    credits = -(-part.credits * len(standing) // len(part.keys))
    return SpentPart(name=part.name, credits=credits, keys=standing)


def price_of_missing(
    whole: Sequence[PricePart],
    spent: Sequence[SpentPart],
    standing: frozenset[str],
    keys: frozenset[str],
) -> tuple[PricePart, ...]:
    """The price of a retry that makes ``keys`` where the outputs ``standing`` exist already.

    Only parts with outputs to make are included.
    """
    credited = {part.name: part.credits for part in spent}
    parts = []
    for part in whole:
        planned = tuple(key for key in part.promised if key in keys)
        if planned:
            credits = max(0, part.used(standing | keys) - credited.get(part.name, 0))
            parts.append(PricePart(name=part.name, credits=credits, promised=planned))
    return tuple(parts)


def get_pack(name: str) -> Pack:
    """The pack with this name.

    Raises:
        InvalidInput: the pack does not exist.
    """
    for pack in packs():
        if pack.name == name:
            return pack
    raise InvalidInput(
        "unknown pack",
        fields=[problem("pack", "NOT_ALLOWED", allowed=pack_names())],
    )


def price_of(pack: Pack, currency: str) -> Decimal:
    """The pack's price in major units.

    Raises:
        InvalidInput: the pack is not sold in this currency.
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
