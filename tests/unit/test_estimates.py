"""What a task is estimated to cost, from the price table."""

from __future__ import annotations

import pytest

from darkroom.generation.routing.estimates import charges_of, dearest_nanos, estimate_nanos
from darkroom.generation.routing.prices import vendors
from darkroom.kernel.money import NANOS

FLUX, KLING = "black-forest-labs/flux-kontext-pro", "kwaivgi/kling-v2.5-turbo-pro"


@pytest.mark.parametrize(
    ("provider", "model", "kind", "params", "seconds", "usd"),
    [
        ("replicate", FLUX, "keyframe", {}, 0, "0.04"),
        ("replicate", KLING, "clip", {"durationSec": 3}, 0, "0.35"),
        ("replicate", KLING, "clip", {"durationSec": 6}, 0, "0.70"),
        ("creatomate", "renderscript", "film", {}, 0, "0.0594"),
        ("transcribe", "", "transcribe", {}, 3, "0.006"),
        ("transcribe", "", "transcribe", {}, 600, "0.24"),
        ("translate", "", "translate", {}, 60, "0.018"),
    ],
)
def test_an_attempt_is_estimated_as_the_vendor_charges_it(
    provider: str, model: str, kind: str, params: dict[str, int], seconds: float, usd: str
) -> None:
    charges = charges_of(kind, params, media_seconds=seconds)

    assert estimate_nanos(provider, model, charges) == round(float(usd) * NANOS)


def test_a_model_that_the_catalog_does_not_know_counts_as_the_dearest() -> None:
    assert estimate_nanos("replicate", "someone/new", {"image": 1}) == 80_000_000


def test_the_dearest_provider_of_a_route_counts() -> None:
    models = {"replicate": FLUX, "bedrock": "stability.stable-image-ultra-v1:1"}

    assert dearest_nanos(["replicate", "bedrock"], models, "portrait", {}) == 140_000_000
    assert dearest_nanos([], {}, "portrait", {}) == 0


def test_every_unit_of_the_price_table_is_estimated() -> None:
    """A vendor that charges by a unit that no estimate has would look free."""
    kinds = {
        "image": "keyframe",
        "clip": "clip",
        "film": "film",
        "speech": "speech",
        "script": "script",
        "transcribe": "transcribe",
        "translate": "translate",
    }
    free = [
        f"{provider} {model}"
        for provider, vendor in vendors().items()
        for model, entry in vendor["models"].items()
        if entry["capability"] in kinds
        and not estimate_nanos(
            provider, model, charges_of(kinds[entry["capability"]], {}, media_seconds=60)
        )
    ]

    assert free == []
