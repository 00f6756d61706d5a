"""A purchase after its checkout: settled once, reversed exactly, matched to its payment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.api.lambda_handler import metrics
from darkroom.bootstrap.composition import App
from darkroom.payments.ports import PaymentGateway, PaymentState
from darkroom.payments.store import PurchaseStatus
from darkroom.usecases.purchases.receive_payment_event import receive_payment_event
from darkroom.workers import sweep as sweep_worker
from tests.support.builders import a_balance, a_user, ask, cancel, confirm, everything_of, finish
from tests.support.laws import AT_ONCE_TABLES, MONEY_LAWS, read_books, read_state
from tests.support.stripe_stand_in import Shop, open_shop
from tests.support.world import Response

STORY = 2
PRICE = 1599
"""The price of the pack Value with its 50 credits."""


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Iterator[Shop]:
    """The shop of this file. After each test the books of all accounts are audited."""
    one_shop.stripe.take_events()
    metrics.clear_metrics()
    yield one_shop
    one_shop.stripe.recover()


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    name = a_user()
    yield name
    assert shop.breaches(name) == ()


def use_up(shop: Shop, user: str, credits: int) -> None:
    """Take credits as a job would: the bonus first, then the oldest purchase."""
    adjust(shop, user, -credits)


def adjust(shop: Shop, user: str, amount: int) -> None:
    body, key = {"amount": amount, "reason": "A test"}, f"{user} {amount}"
    path = f"/api/admin/accounts/{user}/credits"
    response = shop.world.call("POST", path, body, user="root", groups="admin", key=key)
    if response.status != 201:
        raise AssertionError(response.body)


def causes(shop: Shop, user: str) -> dict[str, int]:
    """Ledger of the account: cause → change of the balance."""
    wallet = shop.world.call("GET", "/api/credits", user=user).body
    return {entry["id"]: entry["amount"] for entry in wallet["transactions"]}


# Settling


def test_a_paid_purchase_brings_its_credits(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)

    purchase = shop.purchase(user)
    assert (purchase.status, purchase.payment_id) == (PurchaseStatus.SETTLED, payment_id)
    assert a_balance(shop.world, user) == (55, 0)
    assert causes(shop, user) == {f"purchase#{purchase.purchase_id}": 50, "bonus#signup": 5}


def test_a_new_account_gets_bonus_and_credits(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    assert [item for item in everything_of(shop.world, user) if "balance" in item] == []

    shop.stripe.pay(session_id)
    shop.deliver_all()

    assert a_balance(shop.world, user) == (55, 0)


def test_one_payment_settles_once_for_any_number_of_events(shop: Shop, user: str) -> None:
    shop.stripe.pay(shop.open(user))
    [event] = shop.stripe.take_events()
    copies = [event, event] + [{**event, "id": f"evt_copy_{user}_{n}"} for n in range(3)]

    outcomes = [shop.deliver(copy).body["outcome"] for copy in copies]

    assert outcomes == ["handled", "repeated", "handled", "handled", "handled"]
    assert a_balance(shop.world, user) == (55, 0)


def test_credits_come_from_the_record_and_not_from_the_event(shop: Shop, user: str) -> None:
    shop.stripe.pay(shop.open(user))
    [event] = shop.stripe.take_events()
    event["data"]["object"] |= {"amount_total": 10**9, "metadata": {"accountId": "mallory"}}

    shop.deliver(event)

    assert a_balance(shop.world, user) == (55, 0)


def test_a_refund_received_before_its_payment_is_settled_and_reversed(
    shop: Shop, user: str
) -> None:
    payment_id = shop.stripe.pay(shop.open(user))["id"]
    shop.stripe.refund(payment_id)
    completed, refunded = shop.stripe.take_events()

    assert shop.deliver(refunded).status == 200
    assert a_balance(shop.world, user) == (5, 0)
    assert shop.purchase(user).status is PurchaseStatus.SETTLED
    assert shop.deliver(completed).status == 200
    assert a_balance(shop.world, user) == (5, 0)


@pytest.mark.parametrize("pays", [True, False])
def test_a_delayed_payment_is_pending_until_it_succeeds(pays: bool, shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    shop.stripe.pay_later(session_id)
    shop.deliver_all()
    waiting = shop.purchase(user).status

    (shop.stripe.succeed_later if pays else shop.stripe.fail_later)(session_id)
    shop.deliver_all()

    assert waiting is PurchaseStatus.PENDING
    expected = (PurchaseStatus.SETTLED, 55) if pays else (PurchaseStatus.FAILED, 5)
    assert (shop.purchase(user).status, a_balance(shop.world, user)[0]) == expected


def test_an_expired_session_fails_its_purchase(shop: Shop, user: str) -> None:
    shop.stripe.expire(shop.open(user))

    shop.deliver_all()

    assert shop.purchase(user).status is PurchaseStatus.FAILED
    assert a_balance(shop.world, user) == (5, 0)


def test_a_declined_card_leaves_the_session_open_for_another(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    declined = shop.stripe.decline(session_id)
    shop.deliver(shop.stripe.event("charge.refunded", {"payment_intent": declined["id"]}))
    between = shop.purchase(user).status

    shop.stripe.pay(session_id)
    shop.deliver_all()

    assert between is PurchaseStatus.PENDING
    assert a_balance(shop.world, user) == (55, 0)


# Refunds


@pytest.mark.parametrize(
    ("refunds", "left"),
    [
        ([PRICE], 0),
        ([1], 50),
        ([31], 50),
        ([32], 49),
        ([799], 26),
        ([800], 25),
        ([PRICE - 1], 1),
        ([533, 533], 17),
        ([533, 533, 533], 0),
        ([16] * 3, 49),
        ([400, 400, 400, 399], 0),
    ],
    ids=str,
)
def test_refunds_take_their_proportion_rounded_in_the_users_favor(
    refunds: list[int], left: int, shop: Shop, user: str
) -> None:
    payment_id = shop.buy(user)

    for amount in refunds:
        shop.stripe.refund(payment_id, amount)
        shop.deliver_all()

    assert left == 50 - 50 * sum(refunds) // PRICE
    assert shop.worth(user) == (5 + left, 0, 0, left)


def test_each_refund_has_its_own_ledger_entry(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    first = shop.stripe.refund(payment_id, 800)["id"]
    second = shop.stripe.refund(payment_id)["id"]
    shop.stripe.refunds[first]["created"] -= 1

    shop.deliver_all()

    ledger = causes(shop, user)
    assert (ledger[f"reversal#{first}"], ledger[f"reversal#{second}"]) == (-25, -25)


def test_a_refund_that_failed_gives_back_what_it_took(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    refund = shop.stripe.refund(payment_id, 800, status="pending")
    shop.deliver_all()
    taken = a_balance(shop.world, user)

    shop.stripe.fail_refund(refund["id"])
    shop.deliver_all()

    assert taken == (30, 0)
    assert shop.worth(user) == (55, 0, 0, 50)


def test_a_failed_refund_among_others_leaves_no_rounding_error(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    refunds = [shop.stripe.refund(payment_id, 533)["id"] for _ in range(3)]
    shop.deliver_all()

    shop.stripe.fail_refund(refunds[0])
    shop.deliver_all()

    assert shop.worth(user) == (5 + 17, 0, 0, 17)


def test_more_refunds_than_a_page_holds_are_all_seen(
    shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.payments.gateways.stripe.PAGE_LIMIT", 2)
    payment_id = shop.buy(user)
    for _ in range(5):
        shop.stripe.refund(payment_id, 320 if _ < 4 else None)

    shop.deliver_all()

    assert shop.worth(user) == (5, 0, 0, 0)


class Overtaken:
    """A gateway whose first responses are outdated when they arrive."""

    def __init__(self, gateway: PaymentGateway, meanwhile: Callable[[], None], at: int) -> None:
        self.name = gateway.name
        self.create_checkout = gateway.create_checkout
        self.read_event = gateway.read_event
        self._gateway, self._meanwhile, self._at = gateway, meanwhile, at
        self._reads = 0

    def read_payment(
        self, *, session_id: str | None, payment_id: str | None
    ) -> PaymentState | None:
        state = self._gateway.read_payment(session_id=session_id, payment_id=payment_id)
        self._reads += 1
        if self._reads == self._at:
            self._meanwhile()
        return state


@pytest.mark.parametrize("at", [1, 2])
def test_an_outdated_response_undoes_nothing(at: int, shop: Shop, user: str) -> None:
    app, payment_id = shop.world.app, shop.buy(user)
    assert app.payments is not None
    shop.stripe.refund(payment_id, 400)
    [slow] = shop.stripe.take_events()

    def meanwhile() -> None:
        shop.stripe.refund(payment_id, 400)
        [fast] = shop.stripe.take_events()
        take_in(app, shop, fast)

    overtaken: Any = Overtaken(app.payments, meanwhile, at)
    take_in(replace(app, payments=overtaken), shop, slow)

    assert shop.worth(user) == (30, 0, 0, 25)


def take_in(app: App, shop: Shop, event: dict[str, Any]) -> None:
    body = shop.stripe.body_of(event)
    receive_payment_event(app, body=body.encode(), signature=shop.stripe.sign(body))


# Disputes


def test_a_dispute_takes_credits_and_a_won_one_returns_them(shop: Shop, user: str) -> None:
    dispute = shop.stripe.dispute(shop.buy(user))
    shop.deliver_all()
    taken = shop.worth(user)

    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()

    assert taken == (5, 0, 0, 0)
    assert shop.worth(user) == (55, 0, 0, 50)
    assert causes(shop, user)[f"reversal#{dispute['id']}"] == -50


def test_a_lost_dispute_keeps_the_credits(shop: Shop, user: str) -> None:
    dispute = shop.stripe.dispute(shop.buy(user))

    shop.stripe.close_dispute(dispute["id"], "lost")
    shop.deliver_all()

    assert shop.worth(user) == (5, 0, 0, 0)


def test_an_inquiry_takes_nothing_until_it_is_escalated(shop: Shop, user: str) -> None:
    inquiry = shop.stripe.dispute(shop.buy(user), status="warning_needs_response")
    shop.deliver_all()
    worth_before = shop.worth(user)

    shop.stripe.escalate(inquiry["id"])
    shop.deliver_all()

    assert worth_before == (55, 0, 0, 50)
    assert shop.worth(user) == (5, 0, 0, 0)


def test_an_appealed_dispute_takes_the_credits_again(shop: Shop, user: str) -> None:
    dispute = shop.stripe.dispute(shop.buy(user))
    seen = []

    for status in ("won", "appeal", "won", "appeal", "lost"):
        if status == "appeal":
            shop.stripe.escalate(dispute["id"])
        else:
            shop.stripe.close_dispute(dispute["id"], status)
        shop.deliver_all()
        seen.append(shop.worth(user)[0])

    assert seen == [55, 5, 55, 5, 5]


def test_refund_and_dispute_together_never_take_more_than_was_bought(shop: Shop, user: str) -> None:
    shop.buy(user, "Value", key="other")
    payment_id = shop.buy(user, "Value", key="this")
    shop.stripe.refund(payment_id, 800)
    dispute = shop.stripe.dispute(payment_id)
    shop.deliver_all()
    both = shop.worth(user)

    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()

    assert both == (55, 0, 0, 50)
    assert shop.worth(user) == (80, 0, 0, 75)


def test_a_won_dispute_and_a_failed_refund_return_all_credits(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    dispute = shop.stripe.dispute(payment_id)
    shop.deliver_all()
    refund = shop.stripe.refund(payment_id, 800)
    shop.deliver_all()

    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()
    between = shop.worth(user)
    shop.stripe.fail_refund(refund["id"])
    shop.deliver_all()

    assert between == (30, 0, 0, 25)
    assert shop.worth(user) == (55, 0, 0, 50)


# Debts


def test_credits_spent_before_the_reversal_become_a_debt(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Starter")
    for key in ("first", "second"):
        finish(shop.world, confirm(shop.world, user, mode="trailer", key=key).body["jobId"])

    shop.stripe.refund(payment_id)
    shop.deliver_all()

    assert shop.worth(user) == (0, 0, 5, 0)


def test_a_reversal_takes_other_purchases_before_it_makes_a_debt(shop: Shop, user: str) -> None:
    first = shop.buy(user, "Starter", key="first")
    use_up(shop, user, 15)
    shop.world.clock.move(seconds=1)
    shop.buy(user, "Starter", key="second")

    shop.stripe.refund(first, 200)
    shop.deliver_all()
    partly = shop.worth(user)
    shop.stripe.refund(first)
    shop.deliver_all()

    assert partly == (5, 0, 0, 5)
    assert shop.worth(user) == (0, 0, 0, 0)


def test_a_reversal_takes_no_gifts_but_its_debt_blocks_them(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Starter")
    use_up(shop, user, 10)
    adjust(shop, user, 4)

    shop.stripe.dispute(payment_id)
    shop.deliver_all()

    assert shop.worth(user) == (4, 0, 5, 0)
    assert confirm(shop.world, user, key="blocked").body["code"] == "CREDITS_DEBT"


def test_spending_in_debt_is_402_and_changes_nothing(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Starter")
    use_up(shop, user, 15)
    shop.stripe.refund(payment_id)
    shop.deliver_all()
    before = everything_of(shop.world, user)

    response = confirm(shop.world, user, key="blocked")

    assert (response.status, response.body["code"]) == (402, "CREDITS_DEBT")
    assert response.body == {
        "error": response.body["error"],
        "code": "CREDITS_DEBT",
        "needed": STORY,
        "balance": 0,
        "shortfall": 10 + STORY,
        "suggestions": [{"pack": "Value", "credits": 50}, {"pack": "Pro", "credits": 120}],
        "requestId": response.body["requestId"],
    }
    assert everything_of(shop.world, user) == before


def test_the_next_purchase_pays_the_debt_first(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Value", key="first")
    use_up(shop, user, 55)
    shop.stripe.refund(payment_id)
    shop.deliver_all()
    in_debt = shop.worth(user)

    shop.buy(user, "Starter", key="second")
    still = shop.worth(user), confirm(shop.world, user, key="blocked").status
    shop.buy(user, "Value", key="third")

    assert in_debt == (0, 0, 50, 0)
    assert still == ((0, 0, 40, 0), 402)
    assert shop.worth(user) == (10, 0, 0, 10)
    assert confirm(shop.world, user, key="free").status == 202


@pytest.mark.parametrize("refund_at", [0, 1, 2], ids=["first", "between", "last"])
@pytest.mark.parametrize("turned", [False, True])
def test_refunds_and_cancellations_in_any_order_give_the_same_wallet(
    refund_at: int, turned: bool, shop: Shop, user: str
) -> None:
    """Two trailers hold the bonus and half of the purchase; the payment is refunded in full."""
    payment_id = shop.buy(user, "Starter")
    jobs = [
        confirm(shop.world, user, mode="trailer", key=key).body["jobId"] for key in ("one", "two")
    ]
    for step, job_id in enumerate([*(reversed(jobs) if turned else jobs), None]):
        if step == refund_at:
            shop.stripe.refund(payment_id)
            shop.deliver_all()
        if job_id is not None:
            cancel(shop.world, job_id, user)

    assert shop.worth(user)[:3] == (5, 0, 0)
    assert confirm(shop.world, user, key="free").status == 202


def test_credits_and_quote_report_an_open_debt_and_an_operator_clears_it(
    shop: Shop, user: str
) -> None:
    payment_id = shop.buy(user, "Starter")
    use_up(shop, user, 12)
    shop.stripe.refund(payment_id)
    shop.deliver_all()
    inputs = {"prompt": "a red boat", "count": 1}

    def quote() -> tuple[int, bool]:
        body = {"recipe": "images", "inputs": inputs}
        response = shop.world.call("POST", "/api/jobs/quote", body, user=user)
        return response.body["debt"], response.body["sufficient"]

    def clear(body: dict[str, Any], key: str) -> Response:
        path = f"/api/admin/accounts/{user}/debt"
        return shop.world.call("POST", path, body, user="root", groups="admin", key=f"{user} {key}")

    owed = shop.world.call("GET", "/api/credits", user=user).body["debt"], quote()
    part = clear({"amount": 3, "reason": "Goodwill"}, "part")
    again = clear({"amount": 3, "reason": "Goodwill"}, "part")
    too_much = clear({"amount": 5, "reason": "Goodwill"}, "more")
    rest = clear({"reason": "Goodwill"}, "rest")
    nothing = clear({"reason": "Goodwill"}, "none")
    adjust(shop, user, 1)

    assert owed == (7, (7, False))
    assert (part.status, part.body["debt"], part.body["balance"]) == (201, 4, 0)
    assert again.body == part.body
    assert (too_much.status, too_much.body["fields"][0]["path"]) == (400, "amount")
    assert (rest.status, rest.body["debt"]) == (201, 0)
    assert (nothing.status, nothing.body["code"]) == (409, "NO_DEBT")
    assert quote() == (0, True)
    assert shop.world.call("POST", f"/api/admin/accounts/{user}/debt", {"reason": "x"}, user=user,
                           key="no").status == 403  # fmt: skip


def test_a_gift_pays_the_debt_first(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Starter")
    use_up(shop, user, 15)
    shop.stripe.refund(payment_id)
    shop.deliver_all()

    adjust(shop, user, 4)
    still = shop.worth(user)
    adjust(shop, user, 8)

    assert still[:3] == (0, 0, 6)
    assert shop.worth(user)[:3] == (2, 0, 0)


def test_a_won_dispute_forgives_the_debt_it_made(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Value")
    use_up(shop, user, 25)
    dispute = shop.stripe.dispute(payment_id)
    shop.deliver_all()
    in_debt = shop.worth(user)

    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()

    assert in_debt == (0, 0, 20, 0)
    assert shop.worth(user) == (30, 0, 0, 30)


def test_a_dispute_won_after_the_debt_was_paid_brings_credits(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user, "Starter", key="first")
    use_up(shop, user, 15)
    dispute = shop.stripe.dispute(payment_id)
    shop.deliver_all()
    shop.buy(user, "Value", key="second")
    paid = shop.worth(user)

    shop.stripe.close_dispute(dispute["id"], "won")
    shop.deliver_all()

    assert paid == (40, 0, 0, 40)
    assert shop.worth(user) == (50, 0, 0, 50)


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_reversal_does_not_take_credits_held_by_a_running_job(
    succeeds: bool, shop: Shop, user: str
) -> None:
    payment_id = shop.buy(user, "Starter")
    use_up(shop, user, 5)
    job_id = confirm(shop.world, user, mode="trailer", key="running").body["jobId"]

    shop.stripe.refund(payment_id)
    shop.deliver_all()
    held = shop.worth(user)
    finish(shop.world, job_id, failing=[] if succeeds else ["kf_1", "kf_2", "kf_3"])

    assert held == (0, 5, 5, 0)
    balance, still_held, debt, _ = shop.worth(user)
    # Two of the six promised outputs were made for one credit; the other four pay the debt.
    assert (balance, still_held, debt) == (0, 0, 5 if succeeds else 1)
    assert confirm(shop.world, user, key="blocked").body["code"] == "CREDITS_DEBT"


# Mismatched payments


def mismatches() -> float:
    """The metric as counted and not yet published."""
    counted = metrics.metric_set.get("PaymentMismatches", {"Value": []})
    return sum(counted["Value"])


@pytest.mark.parametrize(
    "wrong", [{"amount": 1}, {"amount": PRICE - 1}, {"amount": PRICE + 1}, {"currency": "krw"}]
)
def test_a_wrong_amount_or_currency_gives_no_credits_and_is_counted(
    wrong: dict[str, Any], shop: Shop, user: str
) -> None:
    shop.stripe.pay(shop.open(user), **wrong)

    [response] = shop.deliver_all()

    assert (response.status, response.body) == (200, {"outcome": "handled"})
    assert shop.purchase(user).status is PurchaseStatus.MISMATCHED
    assert a_balance(shop.world, user) == (5, 0)
    assert mismatches() == 1


def test_a_mismatch_that_was_refunded_takes_nothing(shop: Shop, user: str) -> None:
    payment_id = shop.stripe.pay(shop.open(user), amount=100)["id"]
    shop.stripe.refund(payment_id)

    shop.deliver_all()

    assert shop.worth(user) == (5, 0, 0, 0)


def test_the_sweeper_counts_a_mismatch_as_well(shop: Shop, user: str) -> None:
    shop.stripe.pay(shop.open(user), amount=1)
    shop.stripe.refuse(500, 2)
    [response] = shop.deliver_all()
    assert (response.status, mismatches()) == (503, 0)
    shop.stripe.recover()
    shop.world.clock.move(minutes=20)

    sweep_worker.handle_schedule(shop.world.app)

    assert shop.purchase(user).status is PurchaseStatus.MISMATCHED
    assert mismatches() >= 1


def test_a_matching_payment_is_not_counted(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    shop.stripe.refund(payment_id, 100)
    shop.deliver_all()

    assert mismatches() == 0


def test_a_second_payment_of_a_purchase_has_its_own_record_and_is_counted(
    shop: Shop, user: str
) -> None:
    payment_id = shop.buy(user)
    shop.stripe.refund(payment_id, 800)
    shop.deliver_all()
    before, money = shop.purchase(user), shop.worth(user)

    again = shop.stripe.paid_again(payment_id)
    responses = shop.deliver_all()
    [first, second] = sorted(shop.purchases(user), key=lambda p: p.duplicate_of is not None)

    assert [response.status for response in responses] == [200]
    assert (first, shop.worth(user)) == (before, money)
    assert second.status is PurchaseStatus.MISMATCHED
    assert (second.payment_id, second.duplicate_of) == (again["id"], first.purchase_id)
    assert (second.credits, second.paid_minor, second.paid_currency) == (50, PRICE, "USD")
    assert mismatches() == 1


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"order": "1"},
        {"purchaseId": "pur_1"},
        {"accountId": "unknown"},
        {"accountId": "unknown", "purchaseId": "pur_1"},
    ],
    ids=str,
)
def test_a_foreign_payment_is_acknowledged_and_changes_nothing(
    names: dict[str, str], shop: Shop
) -> None:
    session = shop.stripe.a_session(metadata=names, payment_intent_data={"metadata": names})
    payment = shop.stripe.pay(session["id"])
    shop.stripe.refund(payment["id"])

    responses = shop.deliver_all()

    assert [response.status for response in responses] == [200, 200]
    assert everything_of(shop.world, "unknown") == []
    assert mismatches() == 0


def test_a_payment_cannot_name_another_accounts_purchase(shop: Shop, user: str) -> None:
    shop.open(user)
    names = {"accountId": a_user(), "purchaseId": shop.purchase(user).purchase_id}
    session = shop.stripe.a_session(metadata=names, payment_intent_data={"metadata": names})
    shop.stripe.pay(session["id"])

    shop.deliver_all()

    assert shop.purchase(user).status is PurchaseStatus.PENDING
    assert everything_of(shop.world, names["accountId"]) == []


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}),
        ("customer.created", {"id": "cus_1"}),
        ("charge.refunded", {"id": "ch_1", "payment_intent": None}),
    ],
)
def test_other_events_are_ignored_and_not_stored(
    kind: str, subject: dict[str, Any], shop: Shop
) -> None:
    before = shop.world.scan("webhooks")

    response = shop.deliver(shop.stripe.event(kind, subject))

    assert (response.status, response.body) == (200, {"outcome": "ignored"})
    assert shop.world.scan("webhooks") == before


def test_without_a_gateway_there_is_no_webhook_route(shop: Shop) -> None:
    app = replace(shop.world.app, payments=None)
    body = shop.stripe.body_of(shop.stripe.event("charge.refunded", {"payment_intent": "pi_1"}))
    headers = {"stripe-signature": shop.stripe.sign(body)}

    response = ask(app, "POST", "/api/webhooks/stripe", body, claims=None, headers=headers)

    assert (response.status, response.body["code"]) == (404, "NOT_FOUND")


def test_the_independent_laws_hold_for_every_account(shop: Shop) -> None:
    # The last test of the file: it reads the items of all others.
    books = read_books(read_state(shop.world, AT_ONCE_TABLES))

    assert [breach for law in MONEY_LAWS for breach in law(books)] == []
