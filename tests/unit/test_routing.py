"""The pure rules of routing: order, health, prices and the cache key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom.generation.ports import capability_of
from darkroom.generation.routing import prices
from darkroom.generation.routing.cache import cache_key
from darkroom.generation.routing.health import (
    FAILURES_LIMIT,
    HEALTHY,
    OPEN_LIMIT_SECONDS,
    OPEN_SECONDS,
    OUT_OF_QUOTA_SECONDS,
    Health,
    after_failure,
    out_of_quota,
)
from darkroom.generation.routing.routes import (
    CLOUD,
    FAL,
    LATER,
    LOCAL_SPEECH,
    LOCAL_STUDIO,
    REPLICATE,
    check_routes,
    next_in,
    order_of,
)
from tests.contract.test_providers import implementations

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


# Routes


@pytest.mark.parametrize(
    ("kind", "provider"),
    [
        ("keyframe", LOCAL_STUDIO),
        ("portrait", LOCAL_STUDIO),
        ("picture", LOCAL_STUDIO),
        ("clip", LOCAL_STUDIO),
        ("film", LOCAL_STUDIO),
        ("speech", LOCAL_SPEECH),
        ("script", LOCAL_SPEECH),
        ("transcribe", LOCAL_SPEECH),
        ("translate", LOCAL_SPEECH),
        ("captions", LOCAL_SPEECH),
    ],
)
def test_without_configuration_the_built_in_providers_do_everything(
    kind: str, provider: str
) -> None:
    order = order_of({}, capability=capability_of(kind), recipe="story", plan="free")

    assert order == (provider,)


def test_the_most_specific_route_wins() -> None:
    routes = {
        "image": [REPLICATE],
        "professional:image": [FAL],
        "portraits/image": ["bedrock"],
        "professional:portraits/image": [FAL, REPLICATE],
    }

    def order(recipe: str, plan: str) -> tuple[str, ...]:
        return order_of(routes, capability="image", recipe=recipe, plan=plan)

    assert order("story", "free") == (REPLICATE,)
    assert order("story", "professional") == (FAL,)
    assert order("portraits", "free") == ("bedrock",)
    assert order("portraits", "professional") == (FAL, REPLICATE)


def test_a_route_to_an_unknown_provider_is_an_error_that_names_it() -> None:
    check_routes({"image": [REPLICATE, LOCAL_STUDIO]}, frozenset({REPLICATE}))

    with pytest.raises(ValueError, match=r"'clip' names 'fal'"):
        check_routes({"clip": [FAL]}, frozenset({REPLICATE}))


def test_the_next_provider_in_an_order_or_none() -> None:
    order = (REPLICATE, FAL, LOCAL_STUDIO)

    assert next_in(order, REPLICATE) == FAL
    assert next_in(order, LOCAL_STUDIO) is None
    assert next_in((), LOCAL_STUDIO) is None
    assert next_in(order, "gone") is None


def test_only_declared_providers_are_asynchronous() -> None:
    assert {name for name, provider in implementations().items() if hasattr(provider, "poll")} == (
        LATER
    )
    assert set(implementations()) == CLOUD


# Health


def failed(times: int, health: Health = HEALTHY, now: datetime = NOW) -> Health:
    for _ in range(times):
        health = after_failure(health, now)
    return health


def test_a_few_failures_keep_the_circuit_closed() -> None:
    assert not failed(FAILURES_LIMIT - 1).is_circuit_open(NOW)


def test_five_failures_in_a_row_open_the_circuit_for_half_a_minute() -> None:
    health = failed(FAILURES_LIMIT)

    assert health.is_circuit_open(NOW + timedelta(seconds=OPEN_SECONDS - 1))
    assert not health.is_circuit_open(NOW + timedelta(seconds=OPEN_SECONDS))


def test_failures_of_calls_in_flight_do_not_extend_the_open_circuit() -> None:
    assert failed(3 * FAILURES_LIMIT) == failed(FAILURES_LIMIT)


def test_each_later_failure_doubles_the_open_time_up_to_ten_minutes() -> None:
    health, now, pauses = failed(FAILURES_LIMIT), NOW, []
    for _ in range(8):
        assert health.open_until is not None
        pauses.append((health.open_until - now).total_seconds())
        now = health.open_until
        health = after_failure(health, now)

    assert pauses == [30, 60, 120, 240, 480, OPEN_LIMIT_SECONDS, OPEN_LIMIT_SECONDS, 600]


def test_an_empty_account_opens_the_circuit_at_once() -> None:
    health = out_of_quota(HEALTHY, NOW)

    assert health.open_until == NOW + timedelta(seconds=OUT_OF_QUOTA_SECONDS)


# Prices


def test_a_bill_is_exact_to_the_billionth() -> None:
    model = {"prices": {"input_token": "0.000001", "output_token": "0.000005"}, "currency": "USD"}
    listed = {"acme": {"models": {"small": model}}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prices, "vendors", lambda: listed)
        bill = prices.bill("acme", "small", [("input_token", 1234), ("output_token", 567)])

    assert bill.nanos == 1234 * 1000 + 567 * 5000
    assert bill.currency == "USD"
    assert [line.unit_cost for line in bill.lines] == ["0.000001", "0.000005"]


def test_usage_without_a_price_is_recorded_too() -> None:
    bill = prices.bill("unknown", "nothing", [("image", 2)])

    assert bill.nanos == 0
    assert [(line.unit, line.quantity, line.unit_cost) for line in bill.lines] == [
        ("image", 2, None)
    ]


# Cache

ONE: dict[str, Any] = {
    "provider": "replicate",
    "model": "flux",
    "kind": "portrait",
    "account_id": "alice",
    "params": {"prompt": "a dog", "style": "CLASSIC"},
    "seed": 7,
    "language": "en",
    "sources": [("photo_1", "clean/alice/ast_1/image.jpg")],
}


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "fal"},
        {"model": "flux-2"},
        {"kind": "picture"},
        {"params": {"prompt": "a cat", "style": "CLASSIC"}},
        {"seed": 8},
        {"language": "ko"},
        {"sources": [("photo_1", "clean/alice/ast_2/image.jpg")]},
        {"sources": []},
        {"account_id": "bob"},
    ],
)
def test_another_request_has_another_key(change: dict[str, Any]) -> None:
    assert cache_key(**(ONE | change)) != cache_key(**ONE)


def test_the_order_of_parameters_does_not_matter() -> None:
    again = ONE | {"params": {"style": "CLASSIC", "prompt": "a dog"}}

    assert cache_key(**again) == cache_key(**ONE)


def test_only_a_script_without_sources_is_shared_between_accounts() -> None:
    def key(account_id: str, **changes: Any) -> str:
        return cache_key(**(ONE | {"sources": [], "account_id": account_id} | changes))

    assert key("alice", kind="script") == key("bob", kind="script")
    assert key("alice", kind="picture") != key("bob", kind="picture")
    assert key("alice", kind="script", sources=ONE["sources"]) != key(
        "bob", kind="script", sources=ONE["sources"]
    )
