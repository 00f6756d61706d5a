"""What a task will cost at most, before it runs. Pure.

The quantities are those that vendors charge for one successful attempt; what is rounded up by a
vendor is rounded up here. Cost records replace the estimate when the job has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from darkroom.generation.ports import capability_of
from darkroom.generation.routing.prices import ANY_MODEL, Line, vendors

CLIP_LENGTHS_SECONDS = (5, 10)
"""The lengths that vendors charge for."""
TRANSCRIBED_MIN_SECONDS = 15
FILM_CREDITS = 6.0
"""Of the longest film, a trailer of 20 seconds: 720 × 1280 pixels, 30 frames a second."""
CHARACTERS_PER_SECOND = 20.0
"""Of fast speech."""
SPEECH_CHARACTERS = 1500
SCRIPT_TOKENS = {"input_token": 8000.0, "output_token": 4000.0}


def charges_of(
    kind: str, params: Mapping[str, Any], *, media_seconds: float
) -> Mapping[str, float]:
    """Unit → quantity of one task; ``media_seconds`` is the length of what it reads."""
    capability = capability_of(kind)
    if capability == "image":
        return {"image": 1.0}
    if capability == "clip":
        wanted = float(params.get("durationSec", 0))
        lengths = (seconds for seconds in CLIP_LENGTHS_SECONDS if seconds >= wanted)
        return {"second": float(next(lengths, wanted))}
    if capability == "film":
        return {"credit": FILM_CREDITS}
    if capability == "transcribe":
        return {"second": max(TRANSCRIBED_MIN_SECONDS, media_seconds)}
    if capability == "translate":
        return {"character": media_seconds * CHARACTERS_PER_SECOND}
    if capability == "speech":
        return {"character": float(SPEECH_CHARACTERS)}
    return SCRIPT_TOKENS if capability == "script" else {}


def estimate_nanos(provider: str, model: str, charges: Mapping[str, float]) -> int:
    """The list price in nanos. A model that the catalog does not know counts as the provider's
    dearest."""
    return sum(
        Line(unit=unit, quantity=quantity, unit_cost=_unit_cost(provider, model, unit)).nanos
        for unit, quantity in charges.items()
    )


def dearest_nanos(
    providers: Sequence[str],
    models: Mapping[str, str],
    kind: str,
    params: Mapping[str, Any],
    *,
    media_seconds: float = 0,
) -> int:
    """The cost of a task at the dearest of the providers that may run it."""
    charges = charges_of(kind, params, media_seconds=media_seconds)
    return max(
        (estimate_nanos(provider, models.get(provider, ""), charges) for provider in providers),
        default=0,
    )


def _unit_cost(provider: str, model: str, unit: str) -> str | None:
    models = vendors().get(provider, {}).get("models", {})
    known = models.get(model) or models.get(ANY_MODEL) or {"prices": {}}
    if unit in known["prices"]:
        cost: str = known["prices"][unit]
        return cost
    costs = [entry["prices"][unit] for entry in models.values() if unit in entry["prices"]]
    return max(costs, key=float, default=None)
