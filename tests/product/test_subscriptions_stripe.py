"""Subscriptions through Stripe: the same plan for events in any order, repeated, late or lost."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from darkroom.payments import subscription_store as store
from darkroom.usecases.plans.stop_subscriptions import stop_subscriptions
from darkroom.usecases.sweeps.sweep_subscriptions import sweep_subscriptions
from tests.support.stripe_stand_in import Shop, open_shop
from tests.support.world import START, Response


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Iterator[Shop]:
    clock = one_shop.world.clock
    clock.move(seconds=(START - clock.now()).total_seconds())
    one_shop.stripe.take_events()
    yield one_shop
    one_shop.stripe.recover()


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A new account for each test."""
    return re.sub(r"\W", "-", f"u-{request.node.name}")[-60:].strip("-_")


def now(shop: Shop) -> datetime:
    return shop.world.clock.now()


def open_checkout(shop: Shop, user: str, plan: str = "basic", *, key: str = "s") -> Response:
    return shop.world.call("POST", "/api/plans/subscribe", {"plan": plan}, user=user, key=key)


def pay(shop: Shop, user: str, plan: str = "basic", *, key: str = "s") -> Mapping[str, Any]:
    """Open a checkout and pay a month; the events wait."""
    opened = open_checkout(shop, user, plan, key=key)
    assert opened.status == 201, opened.body
    session = shop.session_of(opened.body["subscriptionId"])
    until = (now(shop) + timedelta(days=30)).timestamp()
    return shop.stripe.begin(session["id"], ends_at=until, started_at=now(shop).timestamp())


def me(shop: Shop, user: str) -> tuple[str, str]:
    body = shop.world.call("GET", "/api/me", user=user).body
    return body["plan"], body["subscriptionStatus"]


def sweep(shop: Shop) -> list[str]:
    errors: list[str] = []
    sweep_subscriptions(shop.world.app, lambda item, error: errors.append(str(error)))
    return errors


def test_a_checkout_is_opened_and_the_plan_waits_for_the_payment(shop: Shop, user: str) -> None:
    response, again = open_checkout(shop, user), open_checkout(shop, user)

    assert response.status == 201
    assert (response.body["status"], response.body["plan"]) == ("pending", "basic")
    assert response.body["checkoutUrl"].startswith("https://checkout.stripe.com/")
    assert again.body == response.body
    session = shop.session_of(response.body["subscriptionId"])
    assert (session["mode"], session["amount_total"], session["currency"]) == (
        "subscription", 999, "usd",
    )  # fmt: skip
    assert me(shop, user) == ("free", "active")


def test_a_lost_response_of_stripe_opens_one_checkout(shop: Shop, user: str) -> None:
    shop.stripe.lose_responses(3)
    first = open_checkout(shop, user)

    second = open_checkout(shop, user)

    assert (first.status, first.body["code"]) == (503, "PAYMENT_UNAVAILABLE")
    assert second.status == 201
    assert len(shop.sessions_of(second.body["subscriptionId"])) == 1


def test_a_paid_checkout_changes_the_plan(shop: Shop, user: str) -> None:
    pay(shop, user)

    responses = shop.deliver_all()

    assert {response.body["outcome"] for response in responses} == {"handled"}
    assert me(shop, user) == ("basic", "active")


def test_a_lost_webhook_is_made_up_for_by_the_sweeper(shop: Shop, user: str) -> None:
    pay(shop, user)
    shop.stripe.take_events()
    shop.world.clock.move(minutes=20)

    assert sweep(shop) == []

    assert me(shop, user) == ("basic", "active")


def stages(shop: Shop, user: str) -> Iterator[tuple[str, str]]:
    """What happens at Stripe, step by step, and what the account must show after each."""
    subscription = pay(shop, user)
    yield "basic", "active"
    shop.stripe.change(subscription["id"], cancel_at_period_end=True)
    yield "basic", "cancelled"
    shop.stripe.change(subscription["id"], cancel_at_period_end=False)
    shop.stripe.renew(subscription["id"], ends_at=(now(shop) + timedelta(days=60)).timestamp())
    yield "basic", "active"
    shop.stripe.change(subscription["id"], status="past_due")
    yield "basic", "active"
    shop.stripe.end_subscription(subscription["id"])
    yield "free", "expired"


@pytest.mark.parametrize("seed", range(4))
def test_any_event_early_late_or_again_leads_to_the_state_at_stripe(
    shop: Shop, user: str, seed: int
) -> None:
    chance, events = random.Random(seed), []

    for wanted in stages(shop, user):
        events += shop.stripe.take_events()
        delivered = chance.choices(events, k=chance.randint(1, 4))
        outcomes = {shop.deliver(event).body["outcome"] for event in delivered}
        # Only an event that was not handled before is looked at.
        if "handled" in outcomes:
            assert me(shop, user) == wanted

    chance.shuffle(events)
    for event in [*events, *events]:
        assert shop.deliver(event).status == 200
    assert me(shop, user) == wanted


def test_of_two_paid_plans_the_later_one_decides_in_any_order_and_the_other_is_ended(
    shop: Shop, user: str
) -> None:
    for number, order in enumerate(itertools.permutations(range(2))):
        name = f"{user}-{number}"
        first = pay(shop, name, "standard", key="a")
        earlier = shop.stripe.take_events()
        shop.world.clock.move(hours=1)
        second = pay(shop, name, "basic", key="b")
        later = shop.stripe.take_events()

        for place in order:
            for event in (earlier, later)[place]:
                shop.deliver(event)
        shop.world.clock.move(minutes=10)
        assert sweep(shop) == []
        shop.deliver_all()

        assert me(shop, name) == ("basic", "active")
        assert shop.stripe.subscriptions[first["id"]]["status"] == "canceled"
        assert shop.stripe.subscriptions[second["id"]]["status"] == "active"


def test_a_change_is_paid_by_the_same_customer_and_ends_the_plan_before(
    shop: Shop, user: str
) -> None:
    first = pay(shop, user, "basic", key="a")
    shop.deliver_all()
    shop.world.clock.move(days=2)

    second = pay(shop, user, "standard", key="b")
    shop.deliver_all()
    shop.world.clock.move(minutes=10)
    assert sweep(shop) == []
    shop.deliver_all()

    assert me(shop, user) == ("standard", "active")
    assert second["customer"] == first["customer"]
    assert shop.stripe.subscriptions[first["id"]]["status"] == "canceled"


def test_a_canceled_plan_lasts_to_the_end_and_needs_no_gateway_to_end(
    shop: Shop, user: str
) -> None:
    subscription = pay(shop, user)
    shop.deliver_all()

    response = shop.world.call("POST", "/api/plans/cancel", user=user)

    assert response.body == {"status": "cancelled", "endsAt": "2026-02-04T09:00:00.000Z"}
    assert shop.stripe.subscriptions[subscription["id"]]["cancel_at_period_end"] is True
    shop.deliver_all()
    assert me(shop, user) == ("basic", "cancelled")
    shop.world.clock.move(days=31)
    shop.stripe.refuse(500, times=20)
    sweep(shop)
    assert me(shop, user) == ("free", "expired")


def test_a_late_event_of_an_ended_plan_does_not_bring_it_back(shop: Shop, user: str) -> None:
    pay(shop, user)
    events = shop.stripe.take_events()
    for event in events:
        shop.deliver(event)
    shop.world.call("POST", "/api/plans/cancel", user=user)
    shop.world.clock.move(days=31)
    sweep(shop)

    # Stripe has not ended it yet, and an event that never came before comes now.
    late = shop.stripe.event("customer.subscription.updated", events[0]["data"]["object"])
    assert shop.deliver(late).body["outcome"] == "handled"

    assert me(shop, user) == ("free", "expired")


def test_a_cancellation_is_stored_first_and_its_order_is_repeated(shop: Shop, user: str) -> None:
    subscription = pay(shop, user)
    shop.deliver_all()
    shop.stripe.refuse(500, times=4, path="POST /v1/subscriptions")

    response = shop.world.call("POST", "/api/plans/cancel", user=user)

    assert response.status == 200
    assert me(shop, user) == ("basic", "cancelled")
    assert shop.stripe.subscriptions[subscription["id"]]["cancel_at_period_end"] is False
    shop.stripe.recover()
    shop.world.clock.move(minutes=10)
    assert sweep(shop) == []
    assert shop.stripe.subscriptions[subscription["id"]]["cancel_at_period_end"] is True
    assert [one.order for one in store.list_subscriptions(user)] == [None]


def test_a_canceled_plan_continues_at_stripe_too(shop: Shop, user: str) -> None:
    subscription = pay(shop, user)
    shop.deliver_all()
    shop.world.call("POST", "/api/plans/cancel", user=user)

    again = open_checkout(shop, user, key="again")

    assert (again.body["status"], "checkoutUrl" in again.body) == ("active", False)
    assert shop.stripe.subscriptions[subscription["id"]]["cancel_at_period_end"] is False
    assert me(shop, user) == ("basic", "active")


def test_a_renewal_moves_the_end_and_a_missed_one_is_polled(shop: Shop, user: str) -> None:
    subscription = pay(shop, user)
    shop.deliver_all()
    until = now(shop) + timedelta(days=61)
    shop.stripe.renew(subscription["id"], ends_at=until.timestamp())
    shop.stripe.take_events()
    shop.world.clock.move(days=31)

    assert sweep(shop) == []

    body = shop.world.call("GET", "/api/me", user=user).body
    assert body["subscriptionEndsAt"] == "2026-03-07T09:00:00.000Z"
    assert me(shop, user) == ("basic", "active")


def test_a_checkout_that_was_never_paid_changes_nothing(shop: Shop, user: str) -> None:
    opened = open_checkout(shop, user)
    session = shop.session_of(opened.body["subscriptionId"])

    shop.stripe.expire(session["id"])
    shop.deliver_all()

    assert me(shop, user) == ("free", "active")
    assert [one.next_check_at for one in store.list_subscriptions(user)] == [None]


def test_an_erased_account_is_charged_no_more(shop: Shop, user: str) -> None:
    subscription = pay(shop, user)
    shop.deliver_all()
    waiting = shop.session_of(open_checkout(shop, user, "standard", key="b").body["subscriptionId"])

    assert stop_subscriptions(shop.world.app, user)
    assert sweep(shop) == []

    assert not stop_subscriptions(shop.world.app, user)
    assert shop.stripe.sessions[waiting["id"]]["status"] == "expired"
    assert shop.stripe.subscriptions[subscription["id"]]["status"] == "canceled"
    assert me(shop, user) == ("free", "expired")
    assert {one.order for one in store.list_subscriptions(user)} == {None}
