"""Registry, prices and docs agree on the providers."""

from __future__ import annotations

import functools
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from darkroom.adapters.clients import Clients
from darkroom.bootstrap.registry import cloud_providers
from darkroom.generation.ports import AsyncProvider, Provider
from darkroom.generation.routing import prices
from darkroom.generation.routing.routes import CLOUD
from darkroom.kernel.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
CAPABILITIES = ("image", "clip", "film", "speech", "script", "transcribe", "translate")
SEEN_ONLY = "moderation"


@functools.cache
def implementations() -> dict[str, Provider | AsyncProvider]:
    """Every cloud provider as the registry builds it from an empty configuration of each."""
    settings = replace(Settings.from_env({}), provider_config={name: {} for name in CLOUD})
    return cloud_providers(settings, Clients(settings))


def test_the_registry_can_build_every_provider() -> None:
    assert {provider.name for provider in implementations().values()} == CLOUD


def test_a_stand_in_is_refused_outside_local_stacks() -> None:
    settings = replace(
        Settings.from_env({}), provider_config={"fal": {"apiBase": "http://127.0.0.1:1"}}
    )

    with pytest.raises(ValueError, match="only a local stack"):
        cloud_providers(settings, Clients(settings))


def test_an_unknown_provider_is_refused_by_name() -> None:
    settings = replace(Settings.from_env({}), provider_config={"acme": {}})

    with pytest.raises(ValueError, match="unknown provider 'acme'"):
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


def vendor_table() -> str:
    """The first table of docs/providers.md, made from the catalog."""
    rows = ["| vendor | answers | limits | source |", "|---|---|---|---|"]
    rows += [
        f"| {vendor['label']} (`{name}`) | {vendor['answers']} | {vendor['limits']} | "
        f"<{vendor['source']}> |"
        for name, vendor in prices.vendors().items()
    ]
    return "\n".join(rows)


def price_table() -> str:
    """The second one: what each model costs."""
    rows = ["| capability | vendor | model | list price, USD |", "|---|---|---|---|"]
    for capability in (*CAPABILITIES, SEEN_ONLY):
        for vendor in prices.vendors().values():
            for model, entry in vendor["models"].items():
                if entry["capability"] != capability:
                    continue
                price = ", ".join(f"{cost} / {unit}" for unit, cost in entry["prices"].items())
                shown = "any" if model == prices.ANY_MODEL else f"`{model}`"
                rows.append(
                    f"| {capability} | {vendor['label']} | {shown} | {price.replace('_', ' ')} |"
                )
    return "\n".join(rows)


def test_the_tables_in_the_docs_match_the_catalog() -> None:
    text = DOCS.read_text(encoding="utf-8")

    assert vendor_table() in text
    assert price_table() in text


if __name__ == "__main__":
    print(vendor_table(), price_table(), sep="\n\n")
