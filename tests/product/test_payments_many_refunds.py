"""A payment with very many refunds: the size of every transaction and record is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.credits.model import Change
from darkroom.db import commit as commit_writes
from darkroom.kernel.limits import (
    DECISIONS_LIMIT,
    REASON_LIMIT_CHARS,
    RECEIVED_CHECK_SECONDS,
    REVERSAL_CAUSES_LIMIT,
    REVERSALS_PER_COMMIT,
)
from darkroom.payments import reconcile, store
from darkroom.payments.gateways import stripe as gateway
from darkroom.payments.gateways.stripe import MONEY_BACK_LIMIT
from darkroom.payments.ports import PaymentState
from darkroom.payments.reconcile import needs_operator
from darkroom.payments.store import Decision, Purchase, PurchaseStatus
from darkroom.usecases.purchases import reconcile_payment as use_case
from darkroom.usecases.purchases.receive_payment_event import (
    receive_payment_event,
    sweep_payment_events,
)
from darkroom.usecases.purchases.reconcile_payment import derive
from tests.product.test_payments_histories import Account, Payment
from tests.support.builders import a_user
from tests.support.stripe_stand_in import Shop, open_shop
from tests.support.world import START

ITEM_LIMIT_BYTES = 400 * 1024
CREDITS, AMOUNT = 10_000, 1_000_000
NAME = "re_3PqxYtLkdIwHu7ix0aBcDeFg"
"""As long as a real id."""


def refunded(count: int, amount: int = AMOUNT, *, total: int | None = None) -> Payment:
    """A payment with this many refunds that stand; each takes at least one credit."""
    each = (amount if total is None else total) // count
    return Payment(amount, {f"{NAME[:-4]}{n:04}": (each, True) for n in range(count)})


def step(account: Account, state: PaymentState) -> Change:
    """The change of one commit."""
    account.purchase, change = derive(
        account.purchase, state=state, wallet=account.wallet, now=START
    )
    account.wallet = change.wallet
    account.entries += change.entries
    return change


def steps(account: Account, state: PaymentState) -> list[int]:
    """Commit until the purchase equals the payment; return the number of entries of each commit."""
    sizes = []
    while (change := step(account, state)).entries:
        sizes.append(len(change.entries))
    return sizes


@pytest.mark.parametrize("count", [1, 19, 20, 21, 99, 100, 101, MONEY_BACK_LIMIT])
def test_any_number_of_refunds_is_reversed_in_bounded_steps(count: int) -> None:
    account = Account(CREDITS, AMOUNT, 0)
    payment = refunded(count)

    sizes = steps(account, payment.state())

    gone = sum(item.amount_minor for item in payment.state().taken_back)
    assert max(sizes) <= REVERSALS_PER_COMMIT
    assert len(sizes) == -(-count // REVERSALS_PER_COMMIT)
    assert account.purchase.reversed_credits == CREDITS * gone // AMOUNT
    assert account.wallet.balance == 5 + CREDITS - account.purchase.reversed_credits
    assert account.breaches() == []


def test_settling_and_reversing_at_once_is_bounded_too() -> None:
    account = Account(CREDITS, AMOUNT, 0)
    fresh = Purchase(
        purchase_id="pur_2", account_id="alice", gateway="stripe", status=PurchaseStatus.PENDING,
        credits=CREDITS, pack=None, created_at=START, currency="USD", amount_minor=AMOUNT,
    )  # fmt: skip

    _, change = derive(fresh, state=refunded(500).state(), wallet=account.wallet, now=START)

    # The purchase, its share of an open debt at most, and the reversals.
    assert len(change.entries) <= REVERSALS_PER_COMMIT + 2


@pytest.mark.parametrize("seed", range(5))
def test_changes_between_two_commits_do_not_affect_the_final_state(seed: int) -> None:
    chance = random.Random(seed)
    clean, twin = Account(CREDITS, AMOUNT, 4000), Account(CREDITS, AMOUNT, 4000)
    payment = refunded(120, total=AMOUNT // 2)

    for _ in range(6):
        step(twin, payment.state())  # It crashes here; then more happens at the gateway.
        payment.do((chance.choice(["refund", "fail", "dispute", "won"]), chance.randrange(5000)))
        assert twin.breaches() == []
    steps(twin, payment.state())
    steps(clean, payment.state())

    assert twin.worth() == clean.worth()
    assert twin.purchase.reversed_credits == clean.purchase.reversed_credits


# The record


def size_of(purchase: Purchase) -> int:
    """Bytes of the stored item: names and values."""
    item = store._to_item(purchase, "f" * 32, creation="f" * 32).serialize()
    return sum(
        len(name.encode()) + len(str(value).encode())
        for name, attribute in item.items()
        for value in attribute.values()
    )


def a_full_record(causes: int) -> Purchase:
    decision = Decision(
        action="refund", reason="\U0001f600" * REASON_LIMIT_CHARS, by="u" * 200, at=START,
        operation="f" * 32, outcome="charge_already_refunded",
    )  # fmt: skip
    return Purchase(
        purchase_id="pur_" + "0" * 26, account_id="a" * 200, gateway="stripe",
        status=PurchaseStatus.SETTLED, credits=CREDITS, pack="Value", created_at=START,
        session_id="cs_" + "1" * 63, checkout_url="https://checkout.stripe.com/" + "x" * 800,
        reversals={f"reversal#{NAME}#{n}": -1000 for n in range(causes)},
        decisions=(decision,) * DECISIONS_LIMIT,
    )  # fmt: skip


def test_a_record_of_a_thousand_reversals_is_far_below_the_limit_of_an_item() -> None:
    assert size_of(a_full_record(1000)) < ITEM_LIMIT_BYTES / 4


def test_a_record_as_full_as_can_be_is_below_the_limit_of_an_item() -> None:
    assert ITEM_LIMIT_BYTES / 2 < size_of(a_full_record(REVERSAL_CAUSES_LIMIT)) < ITEM_LIMIT_BYTES


def test_a_record_at_its_limit_stops_and_waits_for_an_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (reconcile, use_case):
        monkeypatch.setattr(module, "REVERSAL_CAUSES_LIMIT", 25)
    account, state = Account(CREDITS, AMOUNT, 0), refunded(30).state()

    sizes = steps(account, state)

    assert sizes == [20, 5]
    assert len(account.purchase.reversals) == 25
    assert needs_operator(account.purchase, state)
    assert account.breaches() == []


# The whole product


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Shop:
    one_shop.stripe.take_events()
    return one_shop


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    name = a_user()
    yield name
    assert shop.breaches(name) == ()


class Stopped(BaseException):
    """The function crashes here."""


def test_a_hundred_refunds_are_small_transactions_and_a_crash_between_any_two_is_harmless(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = shop.buy(user)
    for _ in range(101):
        shop.stripe.refund(payment_id, 15)
    [event] = shop.stripe.take_events()[-1:]
    real, sizes = commit_writes, list[int]()

    def commit(writes: Any) -> None:
        if len(sizes) == 1:
            sizes.append(0)
            raise Stopped
        sizes.append(len(writes))
        real(writes)

    monkeypatch.setattr(use_case, "commit", commit)
    body = shop.stripe.body_of(event)
    signature = shop.stripe.sign(body)
    with pytest.raises(Stopped):
        receive_payment_event(shop.world.app, body=body.encode(), signature=signature)
    between = shop.worth(user)
    shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)
    sweep_payment_events(shop.world.app, lambda item, error: None)

    gone = 50 * 101 * 15 // 1599
    assert between == (5 + 50 - REVERSALS_PER_COMMIT, 0, 0, 50 - REVERSALS_PER_COMMIT)
    assert shop.worth(user) == (5 + 50 - gone, 0, 0, 50 - gone)
    # The record, the wallet, and one entry for each reversal.
    assert max(sizes) == REVERSALS_PER_COMMIT + 2
    assert [size for size in sizes if size] == [22, 22, 9]


def test_steps_left_by_a_poll_are_done_a_minute_later(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_id = shop.buy(user)
    for _ in range(45):
        shop.stripe.refund(payment_id, 33)
    shop.world.clock.move(days=1)
    monkeypatch.setattr(use_case, "RECONCILE_COMMITS_LIMIT", 1)

    seen = []
    for _ in range(3):
        shop.sweep()
        seen.append(len(shop.purchase(user).reversals))
        shop.world.clock.move(seconds=RECEIVED_CHECK_SECONDS)

    assert seen == [20, 40, 45]
    assert shop.worth(user)[3] == 50 - 50 * 45 * 33 // 1599
    due = shop.purchase(user).next_check_at
    assert due is not None
    assert due - shop.world.clock.now() > timedelta(days=1)


def test_refunds_beyond_the_individual_limit_are_counted_together(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "MONEY_BACK_LIMIT", 5)
    monkeypatch.setattr(gateway, "PAGE_LIMIT", 2)
    payment_id = shop.buy(user)
    seen, expected = [], []
    for number in range(1, 9):
        refund = shop.stripe.refund(payment_id, 160)
        refund["created"] += number
        shop.deliver_all()
        seen.append(shop.worth(user)[3])
        expected.append(50 - 50 * 160 * number // 1599)

    dispute = shop.stripe.dispute(payment_id)
    shop.deliver_all()
    wholly = shop.worth(user)
    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()

    assert seen == expected
    assert wholly == (5, 0, 0, 0)
    assert shop.worth(user)[3] == expected[-1]
