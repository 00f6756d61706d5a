"""What the house says of its providers is what they are: roster, prices, docs."""

from __future__ import annotations

import functools
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from darkroom.adapters.clients import Clients
from darkroom.generation.ports import AsyncProvider, Provider
from darkroom.kernel.settings import Settings
from darkroom.providers import prices
from darkroom.providers.routes import CLOUD
from darkroom.roster import cloud_providers

DOCS = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
CAPABILITIES = ("image", "clip", "film", "speech", "script", "transcribe", "translate")
SEEN_ONLY = "moderation"


@functools.cache
def implementations() -> dict[str, Provider | AsyncProvider]:
    """Every cloud provider as the roster builds it from an empty configuration of each."""
    settings = replace(Settings.from_env({}), provider_config={name: {} for name in CLOUD})
    return cloud_providers(settings, Clients(settings))


def test_the_roster_can_build_every_provider() -> None:
    assert {provider.name for provider in implementations().values()} == CLOUD


def test_a_stand_in_is_refused_outside_local_stacks() -> None:
    settings = replace(
        Settings.from_env({}), provider_config={"fal": {"apiBase": "http://127.0.0.1:1"}}
    )

    with pytest.raises(ValueError, match="only a local stack"):
        cloud_providers(settings, Clients(settings))


def test_an_unknown_provider_is_refused_by_name() -> None:
    settings = replace(Settings.from_env({}), provider_config={"acme": {}})

    with pytest.raises(ValueError, match="no provider is called 'acme'"):
        cloud_providers(settings, Clients(settings))


@pytest.mark.parametrize("name", sorted(CLOUD))
def test_every_provider_has_a_price_for_each_model_it_uses_by_default(name: str) -> None:
    models = prices.vendors()[name]["models"]

    used = {
        model
        for capability in CAPABILITIES
        if (model := implementations()[name].model_of(capability))
    }

    assert used - set(models) == set() or "*" in models
    for entry in models.values():
        assert entry["capability"] in (*CAPABILITIES, SEEN_ONLY)
        assert entry["prices"], f"{name} has no prices"
        assert all(Decimal(price) >= 0 for price in entry["prices"].values())


def price_table() -> str:
    """The table of docs/providers.md, made from the catalogue."""
    rows = [
        "| vendor | does | model | list price, USD | answers | limits | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, vendor in prices.vendors().items():
        for model, entry in vendor["models"].items():
            price = ", ".join(f"{cost} / {unit}" for unit, cost in entry["prices"].items())
            shown = "any" if model == prices.ANY_MODEL else f"`{model}`"
            rows.append(
                f"| {vendor['label']} (`{name}`) | {entry['capability']} | {shown} | "
                f"{price.replace('_', ' ')} | {vendor['answers']} | {vendor['limits']} | "
                f"<{vendor['source']}> |"
            )
    return "\n".join(rows)


def test_the_table_in_the_docs_is_the_catalogue() -> None:
    assert price_table() in DOCS.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(price_table())
