"""Unusual responses of Stripe and missing webhooks: no payment is lost or stuck."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.kernel.errors import Unauthorized
from darkroom.kernel.limits import (
    GATEWAY_FAILURES_LIMIT,
    GATEWAY_SWEEP_SECONDS,
    POLLS_PER_SWEEP,
    SECRET_RELOAD_SECONDS,
)
from darkroom.payments import store
from darkroom.payments.gateways.stripe import NETWORK_RETRIES_LIMIT, StripeGateway
from darkroom.payments.polling import (
    CHECKOUT_LIFE_HOURS,
    FIRST_CHECK_SECONDS,
    LATE_POLL_DAYS,
    LONGEST_CHECK_SECONDS,
    PENDING_LIMIT_DAYS,
    POLL_DAYS,
)
from darkroom.payments.ports import Ignored
from darkroom.payments.store import PurchaseStatus
from darkroom.usecases.sweeps import sweep_purchases as sweep_module
from tests.support.builders import a_balance, a_user
from tests.support.stripe_stand_in import API_KEY, Shop, open_shop
from tests.support.world import ManualClock

PRICE = 1599
TRIES = NETWORK_RETRIES_LIMIT + 1


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Iterator[Shop]:
    """The shop of this file, without due purchases of other tests."""
    one_shop.stripe.recover()
    one_shop.stripe.take_events()
    table = one_shop.world.settings.tables["purchases"]
    for item in one_shop.world.scan("purchases"):
        key = {name: item[name] for name in ("accountId", "purchaseId")}
        one_shop.world.client("dynamodb").update_item(
            TableName=table, Key=key, UpdateExpression="REMOVE dueShard, nextCheckAt"
        )
    one_shop.stripe.requests.clear()
    yield one_shop
    one_shop.stripe.recover()


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    name = a_user()
    yield name
    assert shop.breaches(name) == ()


# Events of others


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"account": "acct_connected"}, "account"), ({"livemode": True}, "mode")],
)
def test_an_event_of_another_account_or_mode_is_ignored(
    change: dict[str, Any], reason: str, shop: Shop, user: str
) -> None:
    shop.stripe.pay(shop.open(user))
    [event] = shop.stripe.take_events()
    stored, requests_before = shop.world.scan("webhooks"), len(shop.stripe.requests)

    response = shop.deliver({**event, **change})

    assert (response.status, response.body) == (200, {"outcome": "ignored"})
    assert shop.world.scan("webhooks") == stored
    assert len(shop.stripe.requests) == requests_before
    assert shop.world.app.payments is not None
    body = shop.stripe.body_of({**event, **change})
    read = shop.world.app.payments.read_event(body.encode(), shop.stripe.sign(body))
    assert isinstance(read, Ignored)
    assert read.reason == reason


@pytest.mark.parametrize(
    ("api_key", "livemode", "is_ours"),
    [
        ("sk_test_1", False, True),
        ("rk_test_1", True, False),
        ("sk_live_1", True, True),
        ("rk_live_1", False, False),
        ("sk_org_1", True, True),
    ],
)
def test_events_of_the_mode_of_our_key_are_accepted(
    api_key: str, livemode: bool, is_ours: bool, shop: Shop
) -> None:
    text = json.dumps({"apiKey": api_key, "webhookSecrets": [shop.stripe.webhook_secret]})
    payments = StripeGateway(lambda: text, api_base=None, return_url="https://app.example")
    event = shop.stripe.event("checkout.session.expired", {"id": "cs_1"}, livemode=livemode)
    body = shop.stripe.body_of(event)

    read = payments.read_event(body.encode(), shop.stripe.sign(body))

    assert isinstance(read, Ignored) is not is_ours


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("checkout.session.completed", {"id": "cs_of_another_account"}),
        ("charge.refunded", {"payment_intent": "pi_of_another_account"}),
    ],
)
@pytest.mark.parametrize("status", [403, 404])
def test_an_event_about_an_object_that_our_key_cannot_read_is_ignored(
    kind: str, subject: dict[str, Any], status: int, shop: Shop
) -> None:
    event = shop.stripe.event(kind, subject)
    if status == 403:
        shop.stripe.refuse(403, path="/v1/")

    first, again = shop.deliver(event), shop.deliver(event)

    assert (first.status, first.body["outcome"]) == (200, "ignored")
    assert (again.status, again.body["outcome"]) == (200, "repeated")


@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/disputes"])
def test_a_key_without_permission_to_read_refunds_is_an_outage_and_settles_nothing(
    path: str, shop: Shop, user: str
) -> None:
    shop.stripe.pay(shop.open(user))
    [event] = shop.stripe.take_events()
    shop.stripe.refuse(403, path=path)

    refused, again = shop.deliver(event), shop.deliver(event)

    assert (refused.status, refused.body["code"]) == (503, "PAYMENT_UNAVAILABLE")
    assert (again.status, a_balance(shop.world, user)) == (200, (55, 0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": {"$gt": ""}},
        {"id": "x" * 256},
        {"id": ""},
        {"data": {"object": {"id": 7}}},
        {"data": {"object": {"id": None}}},
        {"data": {"object": {"id": "../v1/refunds"}}},
        {"data": {"object": {"id": "cs_" + "1" * 300}}},
    ],
    ids=str,
)
def test_a_signed_event_with_an_invalid_id_is_400(wrong: dict[str, Any], shop: Shop) -> None:
    event = shop.stripe.event("checkout.session.expired", {"id": "cs_1"}) | wrong

    response = shop.deliver(event)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert shop.stripe.requests == []


def test_a_body_of_a_megabyte_is_413_and_a_deeply_nested_one_is_400(shop: Shop) -> None:
    large = shop.post("x" * 1_000_001, "t=1,v1=0")
    text = "[" * 100_000
    deep = shop.post(text, shop.stripe.sign(text))

    assert [large.status, deep.status] == [413, 400]
    assert shop.stripe.requests == []


# Disputes in another currency


def test_a_dispute_in_another_currency_takes_all_credits(shop: Shop, user: str) -> None:
    dispute = shop.stripe.dispute(shop.buy(user), 100, currency="eur")
    shop.deliver_all()
    taken = shop.worth(user)

    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()

    assert taken == (5, 0, 0, 0)
    assert shop.worth(user) == (55, 0, 0, 50)


# Keys that were rotated


class Vault:
    """A secret that may be rotated; counts how often it is read."""

    def __init__(self, shop: Shop, **shape: Any) -> None:
        self.shape = {"apiKey": API_KEY, "webhookSecrets": [shop.stripe.webhook_secret], **shape}
        self.text: str | None = None
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        return self.text if self.text is not None else json.dumps(self.shape)


def gateway_of(shop: Shop, vault: Vault, clock: ManualClock) -> StripeGateway:
    return StripeGateway(
        vault.read,
        api_base=shop.stripe.api_base,
        return_url="https://app.example/credits",
        clock=clock,
    )


def test_a_rotated_webhook_secret_is_read_again_once_a_minute(shop: Shop) -> None:
    vault, clock = Vault(shop, webhookSecrets=["whsec_old"]), ManualClock()
    payments = gateway_of(shop, vault, clock)
    body = shop.stripe.body_of(shop.stripe.event("checkout.session.expired", {"id": "cs_1"}))
    signed = shop.stripe.sign(body)
    for _ in range(50):
        with pytest.raises(Unauthorized):
            payments.read_event(body.encode(), signed)
    reads = vault.reads

    vault.shape["webhookSecrets"] = [shop.stripe.webhook_secret]
    with pytest.raises(Unauthorized):
        payments.read_event(body.encode(), signed)
    clock.move(seconds=SECRET_RELOAD_SECONDS)
    payments.read_event(body.encode(), signed)

    assert (reads, vault.reads) == (2, 3)


def test_a_rotated_api_key_is_read_again_after_401(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    vault, clock = Vault(shop, apiKey="sk_test_revoked"), ManualClock()
    payments = gateway_of(shop, vault, clock)
    body = shop.stripe.body_of(shop.stripe.event("checkout.session.expired", {"id": "cs_1"}))
    payments.read_event(body.encode(), shop.stripe.sign(body))
    vault.shape["apiKey"] = API_KEY

    state = payments.read_payment(session_id=session_id, payment_id=None)

    assert state is not None
    assert vault.reads == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        '{"apiKey": 1, "webhookSecrets": []}',
        '{"apiKey": "sk_test_1", "webhookSecrets": "whsec"}',
    ],
)
def test_a_new_secret_that_is_damaged_leaves_the_old_one_in_use(text: str, shop: Shop) -> None:
    vault, clock = Vault(shop), ManualClock()
    payments = gateway_of(shop, vault, clock)
    body = shop.stripe.body_of(shop.stripe.event("checkout.session.expired", {"id": "cs_1"}))
    payments.read_event(body.encode(), shop.stripe.sign(body))
    vault.text = text

    for forged in ("whsec_forged", "w", ""):
        with pytest.raises(Unauthorized):
            payments.read_event(body.encode(), shop.stripe.sign(body, secret=forged))

    payments.read_event(body.encode(), shop.stripe.sign(body))


# Missing webhooks


def test_a_payment_without_a_webhook_is_found(shop: Shop, user: str) -> None:
    shop.stripe.pay(shop.open(user))
    shop.world.clock.move(seconds=FIRST_CHECK_SECONDS)

    assert shop.sweep() == {"polled": 1}

    assert a_balance(shop.world, user) == (55, 0)


def test_checks_of_a_checkout_become_less_frequent_until_it_ends(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    waits = []
    for _ in range(8):
        due = shop.purchase(user).next_check_at
        assert due is not None
        waits.append((due - shop.world.clock.now()).total_seconds())
        shop.world.clock.move(seconds=waits[-1])
        shop.sweep()
    shop.stripe.expire(session_id)
    shop.world.clock.move(seconds=LONGEST_CHECK_SECONDS)
    shop.sweep()

    assert waits[:3] == [FIRST_CHECK_SECONDS, FIRST_CHECK_SECONDS, 2 * FIRST_CHECK_SECONDS]
    assert waits[-1] == LONGEST_CHECK_SECONDS
    ended = shop.purchase(user)
    assert (ended.status, ended.next_check_at) == (PurchaseStatus.FAILED, None)


def test_a_delayed_payment_without_its_second_event_is_found(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    shop.stripe.pay_later(session_id)
    shop.deliver_all()
    shop.world.clock.move(days=3)
    shop.sweep()
    between = a_balance(shop.world, user)

    shop.stripe.succeed_later(session_id)
    shop.world.clock.move(seconds=LONGEST_CHECK_SECONDS)
    shop.sweep()

    assert between == (5, 0)
    assert a_balance(shop.world, user) == (55, 0)


def test_a_refund_without_a_webhook_is_found_until_the_dispute_window_closes(
    shop: Shop, user: str
) -> None:
    payment_id, bought_at = shop.buy(user), shop.world.clock.now()
    shop.stripe.requests.clear()
    ages = []
    while (due := shop.purchase(user).next_check_at) is not None:
        shop.world.clock.move(seconds=(due - shop.world.clock.now()).total_seconds())
        ages.append((due - bought_at).days)
        if ages[-1] == POLL_DAYS[-1]:
            shop.stripe.refund(payment_id)
        assert shop.sweep() == {"polled": 1}

    assert ages == [*POLL_DAYS, *LATE_POLL_DAYS]
    assert POLL_DAYS[-1] > 120
    assert shop.worth(user) == (5, 0, 0, 0)
    # A poll of a paid purchase: the payment, its refunds, its disputes.
    assert len(shop.stripe.requests) == 3 * len(ages)


def test_a_dispute_won_without_a_webhook_is_found(shop: Shop, user: str) -> None:
    dispute = shop.stripe.dispute(shop.buy(user))
    shop.deliver_all()
    shop.world.clock.move(days=POLL_DAYS[-1])
    shop.sweep()
    shop.stripe.close_dispute(dispute["id"], "won")

    shop.world.clock.move(days=LATE_POLL_DAYS[0])
    shop.sweep()

    assert shop.worth(user) == (55, 0, 0, 50)


def test_a_purchase_whose_checkout_was_never_opened_ends(shop: Shop, user: str) -> None:
    shop.stripe.refuse(500, TRIES)
    assert shop.start(user).status == 503
    shop.stripe.recover()
    shop.world.clock.move(hours=CHECKOUT_LIFE_HOURS - 1)
    shop.sweep()
    waiting = shop.purchase(user).status
    shop.world.clock.move(hours=7)
    shop.sweep()
    ended = shop.purchase(user)

    again = shop.start(user)

    assert (waiting, ended.status) == (PurchaseStatus.PENDING, PurchaseStatus.FAILED)
    assert (again.status, again.body["status"]) == (201, "pending")
    shop.stripe.pay(shop.session_of(ended.purchase_id)["id"])
    shop.deliver_all()
    assert a_balance(shop.world, user) == (55, 0)


def test_a_checkout_that_stripe_no_longer_knows_ends_after_a_month(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    del shop.stripe.sessions[session_id]
    seen = []
    for days in (1, PENDING_LIMIT_DAYS):
        shop.world.clock.move(days=days)
        seen.append((shop.sweep(), shop.purchase(user).status))

    assert seen == [
        ({"error": 1}, PurchaseStatus.PENDING),
        ({"polled": 1}, PurchaseStatus.FAILED),
    ]


# A sweep is bounded


def test_pending_purchases_are_polled_before_paid_ones(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sweep_module._SHARDS, store.POLL_SHARD, 2)
    others = [a_user() for _ in range(3)]
    for other in others:
        shop.buy(other)
    shop.world.clock.move(days=5)
    shop.stripe.pay(shop.open(user))
    shop.world.clock.move(seconds=FIRST_CHECK_SECONDS)

    first, second = shop.sweep(), shop.sweep()

    assert a_balance(shop.world, user) == (55, 0)
    assert (first, second) == ({"polled": 3}, {"polled": 1})
    assert POLLS_PER_SWEEP <= 50


def test_a_gateway_that_is_down_ends_the_sweep_early_and_loses_nothing(shop: Shop) -> None:
    users = [a_user() for _ in range(GATEWAY_FAILURES_LIMIT + 2)]
    for name in users:
        shop.stripe.pay(shop.open(name))
    shop.stripe.take_events()
    shop.stripe.refuse(429, 1000)
    shop.world.clock.move(seconds=FIRST_CHECK_SECONDS)

    down = shop.sweep()
    shop.stripe.recover()
    up = shop.sweep()
    shop.world.clock.move(hours=1)
    later = shop.sweep()

    assert down == {"error": GATEWAY_FAILURES_LIMIT}
    assert (up, later) == ({"polled": 2}, {"polled": GATEWAY_FAILURES_LIMIT})
    assert {a_balance(shop.world, name) for name in users} == {(55, 0)}


def test_a_slow_gateway_ends_the_sweep_in_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        shop.open(a_user())
    shop.world.clock.move(seconds=FIRST_CHECK_SECONDS)
    real = sweep_module._check

    def slow(*given: Any) -> Any:
        shop.world.clock.move(seconds=GATEWAY_SWEEP_SECONDS * 2 / 3)
        return real(*given)

    monkeypatch.setattr(sweep_module, "_check", slow)

    assert shop.sweep() == {"polled": 2}


def test_an_unreadable_purchase_is_deferred_and_does_not_stop_the_others(
    shop: Shop, user: str
) -> None:
    broken = a_user()
    for name in (broken, user):
        shop.stripe.pay(shop.open(name))
    shop.stripe.take_events()
    table = shop.world.settings.tables["purchases"]
    [item] = [i for i in shop.world.scan("purchases") if i["accountId"]["S"] == broken]
    damaged = {**item, "createdAt": {"S": "yesterday"}}
    shop.world.client("dynamodb").put_item(TableName=table, Item=damaged)
    shop.world.clock.move(seconds=FIRST_CHECK_SECONDS)

    first, second = shop.sweep(), shop.sweep()
    shop.world.client("dynamodb").put_item(TableName=table, Item=item)

    assert (first, second) == ({"error": 1, "polled": 1}, {})
    assert a_balance(shop.world, user) == (55, 0)


def test_a_purchase_of_a_removed_gateway_is_not_polled(shop: Shop, user: str) -> None:
    shop.stripe.pay(shop.open(user))
    shop.world.clock.move(seconds=FIRST_CHECK_SECONDS)
    app = replace(shop.world.app, payments=None)

    done = sweep_module.sweep_purchases(app, lambda item, error: None)

    assert done == {"postponed": 1}
    shop.world.clock.move(seconds=LONGEST_CHECK_SECONDS)
    shop.sweep()
    assert a_balance(shop.world, user) == (55, 0)
