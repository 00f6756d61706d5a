"""Starting a purchase through Stripe: one record and one checkout for repeated requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from darkroom.bootstrap.composition import App
from darkroom.credits import pricing
from darkroom.kernel.command import new_command
from darkroom.payments.gateways import stripe as gateway
from darkroom.payments.gateways.stripe import StripeGateway
from darkroom.payments.ports import GatewayUnavailable
from darkroom.usecases.purchases import start_purchase as use_case
from darkroom.usecases.purchases.start_purchase import minor_units, start_purchase
from tests.support.builders import (
    a_balance,
    a_user,
    ask,
    claims_of,
    everything_of,
    forget_responses,
)
from tests.support.stripe_stand_in import Shop, open_shop
from tests.support.world import Response

PURCHASE = "/api/credits/purchase"
CREATE = ("POST", "/v1/checkout/sessions")


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Iterator[Shop]:
    """The shop of this file; every test has its own account."""
    one_shop.stripe.requests.clear()
    yield one_shop
    one_shop.stripe.recover()


@pytest.fixture
def user() -> str:
    return a_user()


def test_a_purchase_is_pending_and_says_where_to_pay(shop: Shop, user: str) -> None:
    response = shop.start(user, "Value")

    session = shop.session_of(response.body["purchaseId"])
    assert response.status == 201
    assert response.body == {
        "purchaseId": response.body["purchaseId"],
        "status": "pending",
        "credits": 50,
        "checkoutUrl": session["url"],
    }
    assert a_balance(shop.world, user) == (5, 0)
    [listed] = shop.world.call("GET", "/api/purchases", user=user).body["items"]
    assert (listed["status"], listed["gateway"], listed["pack"]) == ("pending", "stripe", "Value")


def test_the_checkout_has_the_price_of_the_record(shop: Shop, user: str) -> None:
    shop.open(user, "Pro")

    record = shop.purchase(user)
    session = shop.session_of(record.purchase_id)
    names = {"accountId": user, "purchaseId": record.purchase_id}
    assert (record.credits, record.amount_minor, record.currency) == (120, 3199, "USD")
    assert (session["amount_total"], session["currency"]) == (3199, "usd")
    assert session["metadata"] == names
    assert shop.stripe.pay(session["id"])["metadata"] == names
    assert session["success_url"].endswith(f"?purchase={record.purchase_id}")


@pytest.mark.parametrize(
    ("pack", "currency", "amount"),
    [
        ("Starter", "USD", 399),
        ("Value", "USD", 1599),
        ("Pro", "USD", 3199),
        ("Starter", "KRW", 4900),
        ("Value", "KRW", 19_900),
        ("Pro", "KRW", 39_900),
    ],
)
def test_a_price_is_sent_in_the_minor_unit_of_its_currency(
    pack: str, currency: str, amount: int, shop: Shop, user: str
) -> None:
    shop.open(user, pack, currency=currency)

    session = shop.session_of(shop.purchase(user).purchase_id)
    assert (session["amount_total"], session["currency"]) == (amount, currency.lower())


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("15.99", "USD", 1599), ("0.1", "USD", 10), ("4900", "KRW", 4900), ("4900", "JPY", 4900)],
)
def test_minor_units_are_exact(amount: str, currency: str, minor: int) -> None:
    assert minor_units(Decimal(amount), currency) == minor


@pytest.mark.parametrize(("amount", "currency"), [("0.001", "USD"), ("4900.5", "KRW")])
def test_a_price_with_a_fraction_of_a_minor_unit_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        minor_units(Decimal(amount), currency)


# Repeats


def test_a_repeat_returns_the_same_response_and_no_second_checkout(shop: Shop, user: str) -> None:
    first = shop.start(user)

    for _ in range(3):
        again = shop.start(user)
        assert (again.status, again.body) == (201, first.body)
        assert again.headers["idempotent-replayed"] == "true"

    assert shop.stripe.requests == [CREATE]


def test_a_repeat_after_the_response_expired_returns_the_same_checkout(
    shop: Shop, user: str
) -> None:
    first = shop.start(user)
    forget_responses(shop.world)

    again = shop.start(user)

    assert (again.status, again.body) == (201, first.body)
    assert shop.stripe.requests == [CREATE]
    assert len(shop.purchases(user)) == 1


def test_a_repeat_after_the_payment_does_not_sell_again(shop: Shop, user: str) -> None:
    shop.buy(user)
    forget_responses(shop.world)

    again = shop.start(user)

    assert again.status == 201
    assert len(shop.sessions_of(again.body["purchaseId"])) == 1
    assert a_balance(shop.world, user) == (55, 0)


def test_a_response_lost_once_is_requested_again(shop: Shop, user: str) -> None:
    shop.stripe.lose_responses()

    response = shop.start(user)

    assert response.status == 201
    assert shop.session_of(response.body["purchaseId"])["url"] == response.body["checkoutUrl"]


def fail_calls(shop: Shop, kind: str) -> None:
    """Our call fails, with all retries of the library."""
    tries = gateway.NETWORK_RETRIES_LIMIT + 1
    if kind == "lost":
        shop.stripe.lose_responses(tries)
    elif kind == "broken":
        shop.stripe.break_down()
    else:
        shop.stripe.refuse(int(kind), tries)


@pytest.mark.parametrize("kind", ["lost", "401", "403", "429", "500", "503", "409"])
def test_a_failing_gateway_is_503_and_a_repeat_continues(kind: str, shop: Shop, user: str) -> None:
    fail_calls(shop, kind)

    failed = shop.start(user)
    shop.stripe.recover()
    repeated = shop.start(user)

    assert (failed.status, failed.body["code"]) == (503, "PAYMENT_UNAVAILABLE")
    assert set(failed.body) == {"error", "code", "requestId"}
    assert int(failed.headers["retry-after"]) >= 1
    assert repeated.status == 201
    assert len(shop.purchases(user)) == 1
    assert shop.session_of(repeated.body["purchaseId"])["url"] == repeated.body["checkoutUrl"]
    assert a_balance(shop.world, user) == (5, 0)


def test_a_gateway_that_hangs_is_503_in_time(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = StripeGateway(
        lambda: shop.stripe.secret_text,
        api_base=shop.stripe.api_base,
        return_url="https://app.example/credits",
    )
    app, claims = shop.world.app, claims_of(shop.world, user)
    shop.stripe.hang(gateway.NETWORK_RETRIES_LIMIT + 1)

    def buy(one: App) -> Response:
        headers = {"idempotency-key": "k"}
        return ask(one, "POST", PURCHASE, {"pack": "Pro"}, claims=claims, headers=headers)

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "TIMEOUT_SECONDS", 0.5)
        hung = buy(replace(app, payments=hasty))
    repeated = buy(app)

    assert (hung.status, repeated.status) == (503, 201)
    assert hung.body["code"] == "PAYMENT_UNAVAILABLE"
    assert len(shop.purchases(user)) == 1


def test_the_longest_call_ends_before_the_function_times_out() -> None:
    tries = gateway.NETWORK_RETRIES_LIMIT + 1

    assert tries * gateway.TIMEOUT_SECONDS + gateway.NETWORK_RETRIES_LIMIT < 15


def test_a_failure_stored_by_the_gateway_leaves_the_users_key_usable(shop: Shop, user: str) -> None:
    for _ in range(3):
        fail_calls(shop, "broken")
        assert shop.start(user).status == 503

    response = shop.start(user)

    assert response.status == 201
    assert shop.session_of(response.body["purchaseId"])["url"] == response.body["checkoutUrl"]
    assert shop.purchase(user).attempt == 4


def test_a_changed_return_url_leaves_the_users_key_usable(shop: Shop, user: str) -> None:
    app, claims = shop.world.app, claims_of(shop.world, user)
    moved = StripeGateway(
        lambda: shop.stripe.secret_text,
        api_base=shop.stripe.api_base,
        return_url="https://new.example/credits",
    )
    shop.stripe.lose_responses(gateway.NETWORK_RETRIES_LIMIT + 1)
    assert shop.start(user).status == 503

    response = ask(
        replace(app, payments=moved), "POST", PURCHASE, {"pack": "Value"},
        claims=claims, headers={"idempotency-key": "buy"},
    )  # fmt: skip

    assert response.status == 201
    [session] = [
        s for s in shop.stripe.sessions.values() if s["url"] == response.body["checkoutUrl"]
    ]
    assert session["success_url"].startswith("https://new.example/")


@pytest.mark.parametrize("overtaken", ["before its record is read", "before it is saved"])
def test_of_two_checkouts_of_one_purchase_only_one_is_returned(
    overtaken: str, shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, payments = shop.world.app, shop.world.app.payments
    assert payments is not None
    call = new_command(app.ids, account_id=user, route="r", language="en", key="k", body={})
    moved = StripeGateway(
        lambda: shop.stripe.secret_text,
        api_base=shop.stripe.api_base,
        return_url="https://new.example/credits",
    )
    step = "retry_on_conflict" if overtaken.startswith("before its") else "commit"
    real, faster = getattr(use_case, step), list[Any]()

    def buy(payments: Any) -> Any:
        return start_purchase(app, call, payments, pack="Value", amount=None, currency=None)

    def slow(*given: Any) -> Any:
        """The same request, sent again and with another return URL, ends before this one."""
        if step == "retry_on_conflict" or shop.sessions_of(shop.purchase(user).purchase_id):
            monkeypatch.setattr(use_case, step, real)
            faster.append(buy(moved))
        return real(*given)

    shop.stripe.refuse(429)
    with pytest.raises(GatewayUnavailable):
        buy(payments)
    monkeypatch.setattr(use_case, step, slow)

    late = buy(payments)

    assert len(shop.sessions_of(late.purchase.purchase_id)) == 2
    assert late.checkout_url == faster[0].checkout_url == shop.purchase(user).checkout_url


def test_a_checkout_offers_its_price_in_no_other_currency(shop: Shop, user: str) -> None:
    session_id = shop.open(user)

    assert shop.stripe.sessions[session_id]["adaptive_pricing"] == {"enabled": False}
    assert ("adaptive_pricing[enabled]", "false") in shop.stripe.forms[-1]


class Stopped(BaseException):
    """The function crashes here."""


def test_a_purchase_that_crashed_after_its_checkout_continues_with_it(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, payments = shop.world.app, shop.world.app.payments
    assert payments is not None
    call = new_command(app.ids, account_id=user, route="r", language="en", key="k", body={})

    def die(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(use_case, "retry_on_conflict", die)
        with pytest.raises(Stopped):
            start_purchase(app, call, payments, pack="Value", amount=None, currency=None)
    again = start_purchase(app, call, payments, pack="Value", amount=None, currency=None)

    assert shop.session_of(again.purchase.purchase_id)["url"] == again.checkout_url
    assert shop.purchase(user).checkout_url == again.checkout_url


def test_a_repeat_is_sold_at_the_price_of_its_record(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_calls(shop, "500")
    shop.start(user)
    expensive = [replace(p, credits=7, prices={"USD": Decimal(99)}) for p in pricing.packs()]
    monkeypatch.setattr(pricing, "packs", lambda: tuple(expensive))

    response = shop.start(user)

    assert (response.status, response.body["credits"]) == (201, 50)
    session = shop.session_of(response.body["purchaseId"])
    assert session["amount_total"] == shop.purchase(user).amount_minor == 1599
    shop.stripe.pay(session["id"])
    shop.deliver_all()
    assert a_balance(shop.world, user) == (55, 0)


def test_a_key_of_another_purchase_is_refused(shop: Shop, user: str) -> None:
    shop.start(user, "Value")

    other = shop.start(user, "Pro")
    forget_responses(shop.world)
    later = shop.start(user, "Pro")

    for response in (other, later):
        assert (response.status, response.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert [purchase.pack for purchase in shop.purchases(user)] == ["Value"]
    assert shop.stripe.requests == [CREATE]


def test_the_same_key_of_two_accounts_is_two_purchases(shop: Shop, user: str) -> None:
    mine, theirs = shop.start(user), shop.start(a_user())

    assert mine.body["purchaseId"] != theirs.body["purchaseId"]
    assert mine.body["checkoutUrl"] != theirs.body["checkoutUrl"]


# Invalid purchases


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"amount": -50}', "amount"),
        ('{"amount": 0}', "amount"),
        ('{"amount": 1.5}', "amount"),
        ('{"amount": 50.0}', "amount"),
        ('{"amount": 1e3}', "amount"),
        ('{"amount": "50"}', "amount"),
        ('{"amount": true}', "amount"),
        (f'{{"amount": {2**53 + 1}}}', "amount"),
        ('{"amount": 50}', "pack"),  # Valid, but only with the test gateway.
        ('{"pack": "Value", "amount": 50}', "pack"),
        ("{}", "pack"),
        ('{"pack": null}', "pack"),
        ('{"pack": "Huge"}', "pack"),
        ('{"pack": "value"}', "pack"),
        ('{"pack": 50}', "pack"),
        ('{"pack": ["Value"]}', "pack"),
        ('{"pack": "Value", "currency": "krw"}', "currency"),
        ('{"pack": "Value", "currency": "EUR"}', "currency"),
        ('{"pack": "Value", "currency": "WON!"}', "currency"),
        ('{"pack": "Value", "currency": 1}', "currency"),
        ('{"pack": "Value", "price": 1}', "price"),
        ('{"pack": "Value", "credits": 9999}', "credits"),
        ('{"pack": "Value", "accountId": "bob"}', "accountId"),
    ],
)
def test_an_invalid_purchase_is_refused_before_any_write(
    body: str, path: str, shop: Shop, user: str
) -> None:
    response = shop.world.call("POST", PURCHASE, body, user=user, key="k")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert path in [field["path"] for field in response.body["fields"]]
    assert everything_of(shop.world, user) == []
    assert shop.stripe.requests == []


def test_a_refused_currency_names_the_accepted_ones(shop: Shop, user: str) -> None:
    response = shop.start(user, "Value", currency="EUR")

    [field] = response.body["fields"]
    assert "KRW" in field["message"]
    assert "USD" in field["message"]


def test_errors_are_in_the_callers_language(shop: Shop, user: str) -> None:
    fail_calls(shop, "500")

    response: Any = shop.world.call(
        "POST", PURCHASE, {"pack": "Pro"}, user=user, key="k", headers={"accept-language": "ko"}
    )

    assert "결제" in json.dumps(response.body, ensure_ascii=False)
