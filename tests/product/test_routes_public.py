"""Public routes, operator routes, and the tokens that all other routes accept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from darkroom.api import mounts
from darkroom.api.auth import Caller
from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.payments.ports import PaymentGateway
from darkroom.plans.model import LIMIT_NAMES, limits_of, plan_names
from tests.support.builders import a_job, a_user, ask, buy, claims_of, confirm
from tests.support.moto_world import moto_world
from tests.support.world import World

SWEEP = "/api/admin/sweep"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for the whole file; every test has its own account."""
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


# Public


PUBLIC_READS = [
    "/api/health", "/api/plans", "/api/pricing", "/api/recipes", "/api/templates",
]  # fmt: skip
PUBLIC_PAGES = ["/docs", "/openapi.json"]


@pytest.mark.parametrize("path", [*PUBLIC_READS, *PUBLIC_PAGES])
def test_public_routes_need_no_token(path: str, world: World) -> None:
    assert path in mounts.PUBLIC_PATHS
    assert world.call("GET", path, user=None).status == 200


def test_pricing_shows_packs_and_costs(world: World) -> None:
    pricing = world.call("GET", "/api/pricing", user=None).body

    assert [(pack["name"], pack["credits"]) for pack in pricing["packs"]] == [
        ("Starter", 10),
        ("Value", 50),
        ("Pro", 120),
    ]
    for pack in pricing["packs"]:
        assert {price["currency"] for price in pack["prices"]} == {"KRW", "USD"}
        assert all(float(price["amount"]) > 0 for price in pack["prices"])
        assert set(pack["for"]) == {"en", "ko"}
    assert (pricing["costs"]["story"], pricing["costs"]["regenerate"]) == (2, 1)
    assert "CANCELED_MINIMUM" in {note["code"] for note in pricing["notes"]}


def test_pricing_says_who_takes_the_payment(world: World) -> None:
    stripe = cast(PaymentGateway, SimpleNamespace(name="stripe"))

    free = world.call("GET", "/api/pricing", user=None).body
    paid = ask(replace(world.app, payments=stripe), "GET", "/api/pricing", claims=None).body

    assert (free["gateway"], paid["gateway"]) == ("test", "stripe")


def test_plans_are_listed_from_the_smallest_with_the_limits_that_are_enforced(world: World) -> None:
    plans = world.call("GET", "/api/plans", user=None).body["items"]

    assert [plan["plan"] for plan in plans] == list(plan_names())
    for plan in plans:
        assert set(plan["name"]) == {"en", "ko"}
        limits = limits_of(plan["plan"])
        files = {f"{kind}FileBytes": size for kind, size in limits.file_bytes.items()}
        assert plan["limits"] == {**{name: limits.by_name[name] for name in LIMIT_NAMES}, **files}


def test_plans_have_a_price_a_month_in_each_currency_and_free_has_none(world: World) -> None:
    plans = world.call("GET", "/api/plans", user=None).body["items"]

    prices = {plan["plan"]: plan["prices"] for plan in plans}
    assert prices["free"] == []
    assert prices["basic"] == [
        {"currency": "USD", "amount": "9.99", "interval": "month"},
        {"currency": "KRW", "amount": "12900", "interval": "month"},
    ]
    assert all(len(prices[name]) == 2 for name in ("standard", "professional"))


def test_templates_are_filtered_by_mode_stage_and_genre(world: World) -> None:
    path = "/api/templates?mode=story&stage=spark&genre=romance"

    response = world.call("GET", path, user=None).body
    nothing = world.call("GET", "/api/templates?genre=western", user=None).body

    assert [template["templateId"] for template in response["items"]] == [
        f"story-spark-romance-{number}" for number in (1, 2, 3)
    ]
    assert response["nextCursor"] is None
    assert nothing["items"] == []


def test_recipes_name_every_choice_in_both_languages(world: World) -> None:
    recipes = world.call("GET", "/api/recipes", user=None).body

    assert recipes["recipes"] == [
        "captions", "images", "portraits", "quick", "story", "trailer",
    ]  # fmt: skip
    assert set(recipes["stages"]) == {"spark", "together", "apart"}
    assert set(recipes["genres"]) == {"romance", "comedy", "noir"}
    assert set(recipes["sliders"]) == {"intensity", "humor", "drama", "warmth", "pace"}
    for group in ("stages", "genres", "sliders"):
        assert all(set(label) >= {"en", "ko"} for label in recipes[group].values())


def test_health_reports_the_stage(world: World) -> None:
    assert world.call("GET", "/api/health", user=None).body == {"status": "ok", "stage": "test"}


# Tokens


def status_with(app: App, claims: dict[str, Any] | None) -> int:
    return ask(app, "GET", "/api/purchases", claims=claims).status


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": None},
        {"sub": 7},
        {"token_use": None},
        {"token_use": "id"},
        {"token_use": "refresh"},
        {"exp": None},
        {"exp": "0"},
    ],
)
def test_only_claims_of_an_access_token_are_accepted(
    changes: dict[str, Any], world: World, user: str
) -> None:
    assert status_with(world.app, claims_of(world, user)) == 200
    assert status_with(world.app, claims_of(world, user, **changes)) == 401


def test_a_request_without_claims_is_refused(world: World) -> None:
    assert status_with(world.app, None) == 401
    assert status_with(world.app, {}) == 401


@pytest.mark.parametrize("claims", [{"exp": "soon"}, {"exp": "nan"}, {"sub": ""}])
def test_unreadable_claims_are_refused(claims: dict[str, Any], world: World, user: str) -> None:
    assert status_with(world.app, claims_of(world, user, **claims)) == 401


def test_a_token_is_valid_before_its_expiry_and_not_at_it(world: World, user: str) -> None:
    now = int(world.clock.now().timestamp())

    assert status_with(world.app, claims_of(world, user, exp=str(now + 1))) == 200
    assert status_with(world.app, claims_of(world, user, exp=str(now))) == 401


def test_the_issuer_and_the_audience_are_checked_if_configured(world: World, user: str) -> None:
    settings = replace(world.settings, jwt_issuer="https://issuer", jwt_audience="client")
    app = replace(world.app, settings=settings)
    good: dict[str, Any] = {"iss": "https://issuer", "client_id": "client"}

    statuses = {
        name: status_with(app, claims_of(world, user, **claims))
        for name, claims in {
            "cognito": good,
            "oidc": {"iss": "https://issuer", "aud": "client"},
            "no issuer": good | {"iss": None},
            "another issuer": good | {"iss": "https://issuer/"},
            "no audience": good | {"client_id": None},
            "another client": good | {"client_id": "other"},
            "another audience": good | {"aud": "other"},
        }.items()
    }

    assert statuses == {name: 200 if name in ("cognito", "oidc") else 401 for name in statuses}


def test_only_the_group_makes_an_admin(world: World, user: str) -> None:
    def status(groups: Any) -> int:
        claims = claims_of(world, user, **{"cognito:groups": groups})
        return ask(world.app, "POST", SWEEP, {}, claims=claims).status

    assert {status(groups) for groups in ("admin", "[admin]", "[staff admin]", ["admin"])} == {200}
    others: tuple[Any, ...] = ("", None, "administrators", "[nadmin]", [])
    assert {status(groups) for groups in others} == {403}


def test_the_account_comes_from_the_token_and_not_from_the_body(world: World, user: str) -> None:
    assert "account_id" in Caller.__dataclass_fields__
    buy(world, 7, user)

    for name in ("userId", "accountId", "sub"):
        body = {"amount": 1, name: "bob"}
        response = world.call("POST", "/api/credits/purchase", body, user=user, key=name)
        assert response.status == 400


# Operators


def test_sweeping_needs_an_admin_and_test_hooks(world: World, user: str) -> None:
    admin = claims_of(world, user, **{"cognito:groups": "admin"})

    anonymous = world.call("POST", SWEEP, {}, user=None)
    anyone = world.call("POST", SWEEP, {}, user=user)
    operator = world.call("POST", SWEEP, {}, user=user, groups="admin")
    real_stack = ask(world.without_test_hooks(), "POST", SWEEP, {}, claims=admin)

    assert (anonymous.status, anyone.status, operator.status) == (401, 403, 200)
    assert anyone.body["code"] == "FORBIDDEN"
    assert isinstance(operator.body["done"], dict)
    assert (real_stack.status, real_stack.body["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("body", [{"now": "soon"}, {"now": 5}, {"x": 1}, {"now": "2026-13-01"}])
def test_a_sweep_with_an_invalid_time_is_refused(
    body: dict[str, Any], world: World, user: str
) -> None:
    response = world.call("POST", SWEEP, body, user=user, groups="admin")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_a_sweep_can_run_with_a_later_time(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    later = to_iso(world.clock.now() + timedelta(hours=7))

    response = world.call("POST", SWEEP, {"now": later}, user=user, groups="admin")

    assert response.body["done"]["timed_out"] >= 1
    job = a_job(world, job_id, user)
    assert (job["status"], job["receipt"]["refunded"]) == ("failed", 2)
    assert job["receipt"]["reason"] in ("JOB_TIMEOUT", "QUEUE_TIMEOUT")
