"""Subscriptions through the test gateway: at once, to the end of the period, once for each key."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from darkroom.payments import subscription_store as store
from darkroom.payments.subscription_store import SubscriptionStatus
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.plans.stop_subscriptions import stop_subscriptions
from tests.support.builders import forget_responses
from tests.support.moto_world import moto_world
from tests.support.world import START, Response, World


@pytest.fixture(scope="module")
def stage() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def world(stage: World) -> World:
    stage.clock.move(seconds=(START - stage.clock.now()).total_seconds())
    return stage


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A new account for each test."""
    return re.sub(r"\W", "-", f"u-{request.node.name}")[-60:].strip("-_")


def subscribe(world: World, user: str, plan: str = "basic", *, key: str = "s") -> Response:
    return world.call("POST", "/api/plans/subscribe", {"plan": plan}, user=user, key=key)


def cancel(world: World, user: str) -> Response:
    return world.call("POST", "/api/plans/cancel", user=user)


def plan_of(world: World, user: str) -> tuple[Any, ...]:
    body = world.call("GET", "/api/me", user=user).body
    return body["plan"], body["subscriptionStatus"], body.get("subscriptionEndsAt")


def test_with_the_test_gateway_the_plan_changes_at_once(world: World, user: str) -> None:
    response = subscribe(world, user)

    assert response.status == 201
    assert set(response.body) == {"subscriptionId", "status", "plan"}
    assert (response.body["status"], response.body["plan"]) == ("active", "basic")
    assert plan_of(world, user) == ("basic", "active", "2026-02-05T09:00:00.000Z")


def test_the_auditor_can_read_an_account_with_a_plan(world: World, user: str) -> None:
    subscribe(world, user)
    cancel(world, user)

    assert audit_accounts(world.app, user).breaches == ()


def test_a_repeat_with_the_same_key_is_the_same_subscription(world: World, user: str) -> None:
    first, second = subscribe(world, user), subscribe(world, user)
    other = subscribe(world, user, "standard")

    assert first.body == second.body
    assert len(store.list_subscriptions(user)) == 1
    assert (other.status, other.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")


def test_a_repeat_after_its_response_was_forgotten_begins_no_second_one(
    world: World, user: str
) -> None:
    first = subscribe(world, user)
    forget_responses(world)

    assert subscribe(world, user).body == first.body
    assert len(store.list_subscriptions(user)) == 1


def test_the_key_is_required(world: World, user: str) -> None:
    response = world.call("POST", "/api/plans/subscribe", {"plan": "basic"}, user=user)

    assert (response.status, response.body["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "free"},
        {"plan": "gold"},
        {"plan": "basic", "currency": "EUR"},
        {"plan": "basic", "price": 1},
        {},
    ],
)
def test_what_is_not_sold_is_refused(world: World, user: str, body: dict[str, Any]) -> None:
    response = world.call("POST", "/api/plans/subscribe", body, user=user, key="k")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_both_routes_need_a_token(world: World) -> None:
    body = {"plan": "basic"}
    assert world.call("POST", "/api/plans/subscribe", body, user=None, key="k").status == 401
    assert world.call("POST", "/api/plans/cancel", user=None).status == 401


def test_another_plan_takes_effect_at_once_and_ends_the_one_before(world: World, user: str) -> None:
    up = subscribe(world, user, "standard", key="a")
    world.clock.move(days=3)
    down = subscribe(world, user, "basic", key="b")

    assert plan_of(world, user) == ("basic", "active", "2026-02-08T09:00:00.000Z")
    states = {one.subscription_id: one.status for one in store.list_subscriptions(user)}
    assert states == {
        up.body["subscriptionId"]: SubscriptionStatus.EXPIRED,
        down.body["subscriptionId"]: SubscriptionStatus.ACTIVE,
    }


def test_the_same_plan_again_is_the_same_subscription(world: World, user: str) -> None:
    first, second = subscribe(world, user, key="a"), subscribe(world, user, key="b")

    assert second.body == first.body


def test_a_canceled_plan_lasts_to_the_end_of_its_period_then_it_is_free(
    world: World, user: str
) -> None:
    subscribe(world, user)

    response, again = cancel(world, user), cancel(world, user)

    assert response.status == 200
    assert response.body == {"status": "cancelled", "endsAt": "2026-02-05T09:00:00.000Z"}
    assert again.body == response.body
    assert plan_of(world, user) == ("basic", "cancelled", "2026-02-05T09:00:00.000Z")
    world.advance_time(days=30)
    assert plan_of(world, user)[:2] == ("basic", "cancelled")
    world.advance_time(days=2)
    assert plan_of(world, user) == ("free", "expired", "2026-02-05T09:00:00.000Z")
    assert cancel(world, user).body["code"] == "NOT_SUBSCRIBED"


def test_an_active_plan_is_renewed_for_another_month(world: World, user: str) -> None:
    subscribe(world, user)

    world.advance_time(days=32)

    assert plan_of(world, user) == ("basic", "active", "2026-03-05T09:00:00.000Z")


def test_a_canceled_plan_continues_when_it_is_subscribed_to_again(world: World, user: str) -> None:
    first = subscribe(world, user, key="a")
    cancel(world, user)

    again = subscribe(world, user, key="b")

    assert again.body == first.body
    assert plan_of(world, user)[:2] == ("basic", "active")
    world.advance_time(days=32)
    assert plan_of(world, user)[0] == "basic"


def test_nothing_can_be_canceled_without_a_subscription(world: World, user: str) -> None:
    response = cancel(world, user)

    assert (response.status, response.body["code"]) == (409, "NOT_SUBSCRIBED")


def test_the_plan_of_an_operator_stays_until_the_subscription_ends(world: World, user: str) -> None:
    world.call("GET", "/api/credits", user=user)
    subscribe(world, user)
    path = f"/api/admin/accounts/{user}"
    world.call("PATCH", path, {"plan": "professional"}, user="root", groups="admin")

    world.advance_time(days=32)
    assert plan_of(world, user)[0] == "professional"
    cancel(world, user)
    assert plan_of(world, user)[0] == "professional"
    world.advance_time(days=32)
    assert plan_of(world, user)[:2] == ("free", "expired")


def test_an_operator_gives_a_plan_without_a_subscription(world: World, user: str) -> None:
    world.call("GET", "/api/credits", user=user)
    path = f"/api/admin/accounts/{user}"
    world.call("PATCH", path, {"plan": "standard"}, user="root", groups="admin")

    world.advance_time(days=62)

    assert plan_of(world, user) == ("standard", "active", None)


def test_the_subscriptions_of_an_erased_account_end(world: World, user: str) -> None:
    subscribe(world, user)

    assert not stop_subscriptions(world.app, user)
    assert plan_of(world, user)[:2] == ("free", "expired")


# Stopped at any call


class Stopped(BaseException):
    """The function ended at once; no handler may swallow it."""


@contextmanager
def stopped_at(number: int, kind: str) -> Iterator[list[str]]:
    """Stop before or after the call to AWS with this number, or lose its response."""
    made: list[str] = []
    real: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(self: Any, name: str, params: Any) -> Any:
        made.append(name)
        if len(made) != number:
            return real(self, name, params)
        if kind == "before":
            raise Stopped
        real(self, name, params)
        if kind == "after":
            raise Stopped
        raise ReadTimeoutError(endpoint_url="https://aws.example")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield made


def every_point(act: Callable[[str], object], *, named: str) -> Iterator[str]:
    """Let ``act`` go wrong at each of its calls, each time for another account; yields its name."""
    for kind in ("before", "after", "lost"):
        for number in itertools.count(1):
            user = f"{named}-{kind}-{number}"
            with stopped_at(number, kind) as made, suppress(Stopped):
                act(user)
            if len(made) < number:
                break
            yield user


def test_a_subscription_that_stops_anywhere_begins_once_when_it_is_repeated(world: World) -> None:
    points = 0
    for user in every_point(lambda user: subscribe(world, user), named="subscribe"):
        points += 1

        # The lock of a request that died without a trace ends after a while.
        world.clock.move(minutes=5)
        response = subscribe(world, user)
        world.clock.move(minutes=-5)

        assert response.status == 201, (user, response.body)
        assert len(store.list_subscriptions(user)) == 1, user
        assert plan_of(world, user)[:2] == ("basic", "active"), user
    assert points >= 12


def test_a_cancellation_that_stops_anywhere_ends_the_plan_when_it_is_repeated(
    world: World,
) -> None:
    points = 0
    for kind in ("before", "after", "lost"):
        for number in itertools.count(1):
            user = f"cancel-{kind}-{number}"
            subscribe(world, user)
            with stopped_at(number, kind) as made, suppress(Stopped):
                cancel(world, user)
            if len(made) < number:
                break
            points += 1

            assert cancel(world, user).status == 200
            assert plan_of(world, user)[:2] == ("basic", "cancelled"), user
            assert audit_accounts(world.app, user).breaches == ()
    assert points >= 9
