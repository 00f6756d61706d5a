"""Payments of an erased account: none is credited silently, and its books go on under the
pseudonym."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darkroom.kernel.pseudonyms import pseudonym_of
from darkroom.payments.store import PurchaseStatus
from darkroom.usecases.accounts.erasure.move_books import move_wallet
from darkroom.usecases.accounts.erasure.steps import Subject
from darkroom.workers.erase import handle_erasures
from tests.support.builders import a_user
from tests.support.stripe_stand_in import Shop, open_shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def user(shop: Shop) -> str:
    shop.stripe.take_events()
    return a_user()


def accept_erasure(shop: Shop, user: str) -> None:
    assert shop.world.call("DELETE", "/api/account", user=user).status == 202


def erase(shop: Shop, user: str) -> str:
    """Erase the account as far as a run goes; returns its pseudonym."""
    accept_erasure(shop, user)
    handle_erasures(shop.world.app)
    return pseudonym_of(shop.world.app.signing_secret.value, user)


def test_an_open_checkout_that_is_paid_later_brings_no_credits_and_waits_for_an_operator(
    shop: Shop, user: str
) -> None:
    shop.world.call("GET", "/api/credits", user=user)
    session_id = shop.open(user)
    pseudonym = erase(shop, user)

    shop.stripe.pay(session_id)
    statuses = [response.status for response in shop.deliver_all()]

    assert set(statuses) == {200}
    assert shop.purchase(pseudonym).status is PurchaseStatus.MISMATCHED
    assert (shop.purchases(user), shop.wallet(pseudonym).balance) == ([], 5)
    refunded = shop.resolve(pseudonym, shop.purchase(pseudonym).purchase_id, action="refund")
    assert refunded.status == 200
    assert shop.breaches(pseudonym) == ()


def test_a_payment_while_the_account_is_being_erased_brings_no_credits(
    shop: Shop, user: str
) -> None:
    shop.world.call("GET", "/api/credits", user=user)
    session_id = shop.open(user)
    accept_erasure(shop, user)

    shop.stripe.pay(session_id)
    statuses = {response.status for response in shop.deliver_all()}

    assert statuses == {200}
    assert shop.purchase(user).status is PurchaseStatus.MISMATCHED
    assert shop.wallet(user).balance == 5


def test_a_checkout_of_an_account_without_a_wallet_opens_none_with_a_bonus(
    shop: Shop, user: str
) -> None:
    session_id = shop.open(user)
    pseudonym = erase(shop, user)

    shop.stripe.pay(session_id)
    statuses = {response.status for response in shop.deliver_all()}

    assert statuses == {200}
    assert shop.wallet(pseudonym).balance == 0
    assert shop.breaches(pseudonym) == ()


def test_a_late_chargeback_reverses_the_credits_under_the_pseudonym(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    pseudonym = erase(shop, user)
    before = shop.wallet(pseudonym).balance

    shop.stripe.dispute(payment_id)
    statuses = {response.status for response in shop.deliver_all()}

    assert statuses == {200}
    assert (before, shop.wallet(pseudonym).balance) == (55, 5)
    assert shop.breaches(pseudonym) == ()


def test_an_event_between_the_move_of_wallet_and_purchase_is_handled_later(
    shop: Shop, user: str
) -> None:
    payment_id = shop.buy(user)
    accept_erasure(shop, user)
    pseudonym = pseudonym_of(shop.world.app.signing_secret.value, user)
    move_wallet(shop.world.app, Subject(account_id=user, pseudonym=pseudonym))

    shop.stripe.refund(payment_id)
    [event] = shop.stripe.take_events()
    first = shop.deliver(event).status
    handle_erasures(shop.world.app)
    again = shop.deliver(event).status

    assert (first, again) == (503, 200)
    assert shop.wallet(pseudonym).balance == 5
    assert shop.breaches(pseudonym) == ()
