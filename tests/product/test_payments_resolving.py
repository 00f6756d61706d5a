"""Mismatched payments: an operator lists them, decides, and the decision is carried out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from darkroom.payments.polling import LONGEST_CHECK_SECONDS, REFUND_CHECK_SECONDS
from darkroom.payments.store import PurchaseStatus
from darkroom.usecases.purchases import resolve_purchase
from darkroom.workers import sweep as sweep_worker
from darkroom.workers.edge import metrics
from tests.support.builders import a_balance, a_user, everything_of, forget_responses
from tests.support.stripe_stand_in import Shop, open_shop

PRICE = 1599
"""The price of the pack Value with its 50 credits."""
REFUND = "POST /v1/refunds"


@pytest.fixture(scope="module")
def one_shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def shop(one_shop: Shop) -> Iterator[Shop]:
    one_shop.stripe.take_events()
    yield one_shop
    one_shop.stripe.recover()
    one_shop.stripe.refund_status = "succeeded"
    metrics.clear_metrics()


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    name = a_user()
    yield name
    assert shop.breaches(name) == ()


def mismatch(shop: Shop, user: str, paid: int = 1200) -> tuple[str, str]:
    """A purchase that was paid with another amount: its id and the id of the payment."""
    payment_id = shop.stripe.pay(shop.open(user), amount=paid)["id"]
    shop.deliver_all()
    return shop.purchase(user).purchase_id, payment_id


def duplicate(shop: Shop, user: str) -> tuple[str, str]:
    """A purchase that was paid a second time: the second payment's record and id."""
    payment_id = shop.stripe.paid_again(shop.buy(user))["id"]
    shop.deliver_all()
    [own] = [p for p in shop.purchases(user) if p.duplicate_of is not None]
    return own.purchase_id, payment_id


# The list


def test_an_operator_lists_payments_that_wait_for_a_decision(shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user)

    page = shop.admin("GET", "/api/admin/purchases?limit=100").body

    [item] = [item for item in page["items"] if item["accountId"] == user]
    assert item == {
        "purchaseId": purchase_id,
        "accountId": user,
        "status": "mismatched",
        "gateway": "stripe",
        "pack": "Value",
        "credits": 50,
        "amountMinor": PRICE,
        "currency": "USD",
        "paidMinor": 1200,
        "paidCurrency": "USD",
        "paymentId": payment_id,
        "sessionId": shop.session_of(purchase_id)["id"],
        "decisions": [],
        "createdAt": item["createdAt"],
    }


def test_the_list_is_by_state_and_by_account_in_signed_pages(shop: Shop, user: str) -> None:
    mismatch(shop, user)
    for key in ("a", "b"):
        shop.open(user, key=key)

    def pages(query: str) -> list[list[str]]:
        found: list[list[str]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = shop.admin("GET", f"/api/admin/purchases?{query}{cursor}").body
            found.append([item["purchaseId"] for item in page["items"]])
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        return found

    mine = [purchase.purchase_id for purchase in shop.purchases(user)]
    pending = [p.purchase_id for p in shop.purchases(user) if p.status is PurchaseStatus.PENDING]
    by_account = pages(f"account={user}&limit=1")
    assert [*chain(*by_account)] == sorted(mine)
    assert all(len(page) <= 1 for page in by_account)
    assert [*chain(*pages(f"account={user}&status=pending&limit=1"))] == sorted(pending)
    assert set(pending) <= set(chain(*pages("status=pending&limit=2")))
    assert not set(pending) & set(chain(*pages("status=settled")))


def test_a_purchase_that_cannot_be_read_does_not_hide_the_others(shop: Shop, user: str) -> None:
    mismatch(shop, user)
    broken = a_user()
    mismatch(shop, broken)
    table = shop.world.settings.tables["purchases"]
    [item] = [i for i in shop.world.scan("purchases") if i["accountId"]["S"] == broken]
    damaged = {**item, "credits": {"S": "many"}, "decisions": {"S": "["}}
    shop.world.client("dynamodb").put_item(TableName=table, Item=damaged)

    pages = [
        shop.admin("GET", f"/api/admin/purchases?limit=100{query}")
        for query in ("", f"&account={broken}")
    ]
    shop.world.client("dynamodb").put_item(TableName=table, Item=item)

    assert [page.status for page in pages] == [200, 200]
    assert user in {one["accountId"] for one in pages[0].body["items"]}
    assert pages[1].body["items"] == []


def test_a_cursor_is_valid_only_for_its_list(shop: Shop, user: str) -> None:
    for key in ("a", "b"):
        shop.open(user, key=key)
    page = shop.admin("GET", f"/api/admin/purchases?account={user}&limit=1").body

    for path in (
        f"account={user}&status=pending&cursor={page['nextCursor']}",
        f"account={user}&cursor={page['nextCursor']}x",
    ):
        response = shop.admin("GET", f"/api/admin/purchases?{path}")
        assert (response.status, response.body["code"]) == (400, "BAD_CURSOR")


def test_only_operators_list_and_resolve(shop: Shop, user: str) -> None:
    purchase_id, _ = mismatch(shop, user)
    path = f"/api/admin/purchases/{purchase_id}/resolve"
    body = {"accountId": user, "action": "accept", "credits": 50, "reason": "Mine"}

    responses = [
        shop.world.call(method, url, sent, user=who, key="k")
        for method, url, sent in (("GET", "/api/admin/purchases", None), ("POST", path, body))
        for who in (user, None)
    ]

    assert [response.status for response in responses] == [403, 401, 403, 401]
    assert shop.purchase(user).status is PurchaseStatus.MISMATCHED


@pytest.mark.parametrize(
    ("query", "path"), [("status=paid", "status"), ("limit=0", "limit"), ("account=", "account")]
)
def test_an_invalid_list_is_400(query: str, path: str, shop: Shop) -> None:
    response = shop.admin("GET", f"/api/admin/purchases?{query}")

    assert (response.status, response.body["fields"][0]["path"]) == (400, path)


# Accepting


def test_accepted_credits_are_added_like_any_others(shop: Shop, user: str) -> None:
    purchase_id, _ = mismatch(shop, user)

    response = shop.resolve(user, purchase_id, action="accept", credits=37)

    assert (response.status, response.body["status"], response.body["credits"]) == (
        200,
        "settled",
        37,
    )
    [decision] = response.body["decisions"]
    assert (decision["action"], decision["credits"], decision["by"]) == ("accept", 37, "root")
    assert decision["reason"] == "A test"
    assert shop.worth(user) == (42, 0, 0, 37)


@pytest.mark.parametrize("refunded_first", [True, False])
def test_a_refund_reverses_accepted_credits_in_proportion_to_what_was_paid(
    refunded_first: bool, shop: Shop, user: str
) -> None:
    purchase_id, payment_id = mismatch(shop, user, paid=1200)

    for step in ("refund", "accept") if refunded_first else ("accept", "refund"):
        if step == "accept":
            shop.resolve(user, purchase_id, action="accept", credits=40)
        else:
            shop.stripe.refund(payment_id, 300)
            shop.deliver_all()
    partly = shop.worth(user)
    shop.stripe.refund(payment_id)
    shop.deliver_all()

    assert partly == (35, 0, 0, 30)
    assert shop.worth(user) == (5, 0, 0, 0)


def test_the_sweeper_finishes_an_acceptance_that_crashed_before_its_reversals(
    shop: Shop, user: str
) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    shop.stripe.refund(payment_id, 600)
    shop.stripe.refuse(500, 2, path="/v1/payment_intents")
    response = shop.resolve(user, purchase_id, action="accept", credits=40)
    between = shop.worth(user)
    shop.stripe.recover()
    shop.world.clock.move(seconds=1)

    shop.sweep()

    assert (response.status, between) == (200, (45, 0, 0, 40))
    assert shop.worth(user) == (25, 0, 0, 20)


def test_accepted_credits_pay_an_open_debt_first(shop: Shop, user: str) -> None:
    first = shop.buy(user, "Starter", key="first")
    body = {"amount": -15, "reason": "Used"}
    shop.admin("POST", f"/api/admin/accounts/{user}/credits", body, key=user)
    shop.stripe.refund(first)
    shop.deliver_all()
    shop.stripe.pay(shop.open(user), amount=1200)
    shop.deliver_all()
    [wrong] = [p for p in shop.purchases(user) if p.status is PurchaseStatus.MISMATCHED]

    shop.resolve(user, wrong.purchase_id, action="accept", credits=37)

    assert shop.worth(user) == (27, 0, 0, 27)


# Refunding


@pytest.mark.parametrize("arrange", [mismatch, duplicate])
def test_a_refund_goes_to_the_customer_and_moves_no_credits(
    arrange: Any, shop: Shop, user: str
) -> None:
    purchase_id, payment_id = arrange(shop, user)
    money = shop.worth(user)

    response = shop.resolve(user, purchase_id, action="refund")
    shop.deliver_all()

    assert (response.status, response.body["status"]) == (200, "refunded")
    [refund] = [r for r in shop.stripe.refunds.values() if r["payment_intent"] == payment_id]
    assert refund["amount"] == shop.stripe.payments[payment_id]["amount_received"]
    assert refund["metadata"] == {"accountId": user, "purchaseId": purchase_id}
    assert shop.worth(user) == money


def forget_amount(shop: Shop, user: str, purchase_id: str) -> None:
    """Change the record to that of an earlier version."""
    table, client = shop.world.settings.tables["purchases"], shop.world.client("dynamodb")
    [item] = [
        item
        for item in shop.world.scan("purchases")
        if user in json.dumps(item) and "paidMinor" in item and purchase_id in json.dumps(item)
    ]
    del item["paidMinor"], item["paidCurrency"]
    client.put_item(TableName=table, Item=item)
    assert shop.purchase(user).paid_minor is None


def test_a_mismatch_of_an_earlier_version_is_refunded_at_once(shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    forget_amount(shop, user, purchase_id)

    response = shop.resolve(user, purchase_id, action="refund")

    assert (response.status, response.body["status"]) == (200, "refunded")
    assert refunds_of(shop, payment_id) == [1200]
    assert shop.purchase(user).paid_minor == 1200


def test_an_amount_that_cannot_be_read_leaves_the_mismatch_open(shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    forget_amount(shop, user, purchase_id)
    shop.stripe.refuse(500, 20)

    response = shop.resolve(user, purchase_id, action="refund")
    shop.stripe.recover()

    assert response.status == 503
    assert shop.purchase(user).status is PurchaseStatus.MISMATCHED
    assert shop.resolve(user, purchase_id, action="refund").body["status"] == "refunded"
    assert refunds_of(shop, payment_id) == [1200]


def test_only_the_rest_of_a_payment_is_refunded(shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user, paid=1200)
    shop.stripe.refund(payment_id, 500)

    shop.resolve(user, purchase_id, action="refund")

    assert refunds_of(shop, payment_id) == [500, 700]


def fail_calls(shop: Shop, kind: str) -> None:
    """The call that creates the refund fails, with all retries of the library."""
    if kind == "lost":
        shop.stripe.lose_responses(2, path=REFUND)
    elif kind == "broken":
        shop.stripe.break_down(1, path=REFUND)
    else:
        shop.stripe.refuse(int(kind), 2, path=REFUND)


@pytest.mark.parametrize("kind", ["lost", "broken", "401", "403", "429", "500"])
def test_the_sweeper_makes_a_refund_without_a_response_once(
    kind: str, shop: Shop, user: str
) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    fail_calls(shop, kind)

    response = shop.resolve(user, purchase_id, action="refund")
    shop.stripe.recover()
    shop.world.clock.move(seconds=REFUND_CHECK_SECONDS)
    shop.sweep()

    assert (response.status, response.body["status"]) == (200, "refunding")
    assert shop.purchase(user).status is PurchaseStatus.REFUNDED
    assert refunds_of(shop, payment_id) == [1200]


def refunds_of(shop: Shop, payment_id: str) -> list[int]:
    refunds = shop.stripe.refunds.values()
    return [refund["amount"] for refund in refunds if refund["payment_intent"] == payment_id]


def test_retries_of_a_refund_without_a_response_become_less_frequent(shop: Shop, user: str) -> None:
    purchase_id, _ = mismatch(shop, user)
    shop.stripe.refuse(429, 1000, path=REFUND)
    shop.resolve(user, purchase_id, action="refund")
    waits = []

    for _ in range(12):
        due = shop.purchase(user).next_check_at
        assert due is not None
        waits.append((due - shop.world.clock.now()).total_seconds())
        shop.world.clock.move(seconds=waits[-1])
        shop.sweep()

    assert waits[:4] == [60, 60, 120, 240]
    assert waits[-1] == LONGEST_CHECK_SECONDS


def test_money_refunded_outside_is_not_refunded_again(shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    shop.stripe.refund(payment_id)

    response = shop.resolve(user, purchase_id, action="refund")

    assert response.body["status"] == "refunded"
    assert refunds_of(shop, payment_id) == [1200]
    assert ("POST", "/v1/refunds") not in shop.stripe.requests[-4:]


def test_a_refund_in_the_vendors_own_dashboard_ends_the_mismatch(shop: Shop, user: str) -> None:
    _, payment_id = mismatch(shop, user)

    shop.stripe.refund(payment_id)
    shop.deliver_all()

    assert shop.purchase(user).status is PurchaseStatus.REFUNDED
    [listed] = shop.listed(user)
    assert listed["message"] == "This payment was refunded. No credits were added."


def test_a_refund_that_fails_later_returns_to_the_operator(shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    shop.resolve(user, purchase_id, action="refund")
    [refund] = [r for r in shop.stripe.refunds.values() if r["payment_intent"] == payment_id]

    shop.stripe.fail_refund(refund["id"])
    shop.deliver_all()
    reopened = shop.purchase(user).status
    again = shop.resolve(user, purchase_id, action="refund", key="again")

    assert reopened is PurchaseStatus.MISMATCHED
    assert again.body["status"] == "refunded"
    assert refunds_of(shop, payment_id) == [1200, 1200]


@pytest.mark.parametrize(("status", "outcome"), [("failed", "REFUND_FAILED")])
def test_a_refund_that_fails_at_once_is_reported_and_open_again(
    status: str, outcome: str, shop: Shop, user: str
) -> None:
    purchase_id, _ = mismatch(shop, user)
    shop.stripe.refund_status = status

    response = shop.resolve(user, purchase_id, action="refund")

    assert response.body["status"] == "mismatched"
    assert response.body["decisions"][0]["outcome"] == outcome


def test_a_refund_refused_by_stripe_is_explained_and_can_be_accepted_instead(
    shop: Shop, user: str
) -> None:
    purchase_id, payment_id = mismatch(shop, user)
    shop.stripe.dispute(payment_id, 100)

    refused = shop.resolve(user, purchase_id, action="refund")
    accepted = shop.resolve(user, purchase_id, action="accept", credits=12, key="again")

    assert refused.body["status"] == "mismatched"
    assert refused.body["decisions"][0]["outcome"] == "charge_disputed"
    assert accepted.body["status"] == "settled"
    assert [decision["action"] for decision in accepted.body["decisions"]] == ["refund", "accept"]
    assert shop.worth(user) == (5 + 11, 0, 0, 11)


# Repeated and impossible decisions


@pytest.mark.parametrize("decision", [{"action": "accept", "credits": 9}, {"action": "refund"}])
def test_a_repeated_decision_is_carried_out_once(decision: Any, shop: Shop, user: str) -> None:
    purchase_id, payment_id = mismatch(shop, user)

    first = shop.resolve(user, purchase_id, **decision)
    again = shop.resolve(user, purchase_id, **decision)
    forget_responses(shop.world)
    later = shop.resolve(user, purchase_id, **decision)

    assert first.body == again.body == later.body
    assert len(refunds_of(shop, payment_id)) == (decision["action"] == "refund")
    assert a_balance(shop.world, user)[0] == 5 + decision.get("credits", 0)


def test_a_decided_payment_cannot_be_decided_again(shop: Shop, user: str) -> None:
    purchase_id, _ = mismatch(shop, user)
    shop.resolve(user, purchase_id, action="accept", credits=9)
    before = everything_of(shop.world, user)

    other = shop.resolve(user, purchase_id, action="refund", key="other")

    assert (other.status, other.body["code"]) == (409, "NOT_RESOLVABLE")
    assert everything_of(shop.world, user) == before


def test_a_settled_purchase_cannot_be_decided(shop: Shop, user: str) -> None:
    shop.buy(user)
    shop.open(user, key="pending")

    for purchase in shop.purchases(user):
        for decision in ({"action": "accept", "credits": 9}, {"action": "refund"}):
            response = shop.resolve(user, purchase.purchase_id, key=str(decision), **decision)
            assert (response.status, response.body["code"]) == (409, "NOT_RESOLVABLE")
    assert a_balance(shop.world, user) == (55, 0)


def test_decisions_are_bounded(shop: Shop, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_purchase, "DECISIONS_LIMIT", 2)
    purchase_id, _ = mismatch(shop, user)
    shop.stripe.refund_status = "failed"

    responses = [
        shop.resolve(user, purchase_id, action="refund", key=str(n), reason="x" * 500)
        for n in range(3)
    ]

    assert [response.status for response in responses] == [200, 200, 409]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"credits": 0}, "credits"),
        ({"credits": -1}, "credits"),
        ({"credits": 1.5}, "credits"),
        ({"credits": "9"}, "credits"),
        ({"credits": 10_001}, "credits"),
        ({"credits": None}, "credits"),
        ({"action": "refund"}, "credits"),
        ({"action": "forget"}, "action"),
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "reason"),
        ({"accountId": ""}, "accountId"),
        ({"amount": 1}, "amount"),
    ],
    ids=str,
)
def test_an_invalid_decision_is_400_and_changes_nothing(
    change: dict[str, Any], path: str, shop: Shop, user: str
) -> None:
    purchase_id, _ = mismatch(shop, user)
    before = everything_of(shop.world, user)

    decision: dict[str, Any] = {"action": "accept", "credits": 9} | change
    response = shop.resolve(user, purchase_id, **decision)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert response.body["fields"][0]["path"] == path
    assert everything_of(shop.world, user) == before


def test_a_decision_needs_a_key_and_a_purchase(shop: Shop, user: str) -> None:
    purchase_id, _ = mismatch(shop, user)
    body = {"accountId": user, "action": "refund", "reason": "A test"}

    keyless = shop.admin("POST", f"/api/admin/purchases/{purchase_id}/resolve", body)
    unknown = shop.resolve(user, "pur_unknown", action="refund")
    elsewhere = shop.resolve(a_user(), purchase_id, action="refund")

    assert (keyless.status, keyless.body["code"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    endless = shop.resolve(user, "x" * 3000, action="refund")

    assert [unknown.status, elsewhere.status, endless.status] == [404, 404, 400]


@pytest.mark.parametrize("which", ["first", "second"])
def test_two_payments_of_one_purchase_are_refunded_each_on_its_own(
    which: str, shop: Shop, user: str
) -> None:
    own_id, second_payment = duplicate(shop, user)
    [bought] = [p for p in shop.purchases(user) if p.duplicate_of is None]
    shop.resolve(user, own_id, action="accept", credits=50)
    both = shop.worth(user)
    assert bought.payment_id is not None

    shop.stripe.refund(bought.payment_id if which == "first" else second_payment)
    shop.deliver_all()

    assert both == (105, 0, 0, 100)
    assert shop.worth(user) == (55, 0, 0, 50)
    reversed_ = {p.purchase_id: p.reversed_credits for p in shop.purchases(user)}
    assert reversed_ == {
        bought.purchase_id: 50 * (which == "first"),
        own_id: 50 * (which == "second"),
    }


# A promotion code of 100 %


def test_a_free_checkout_ends_and_an_operator_decides(shop: Shop, user: str) -> None:
    session_id = shop.open(user)
    shop.stripe.pay_nothing(session_id)
    shop.deliver_all()
    ended = shop.purchase(user)

    refund = shop.resolve(user, ended.purchase_id, action="refund", key="refund")
    accept = shop.resolve(user, ended.purchase_id, action="accept", credits=50)

    assert (ended.status, ended.paid_minor) == (PurchaseStatus.MISMATCHED, 0)
    assert (refund.status, refund.body["fields"][0]["path"]) == (400, "action")
    assert accept.body["status"] == "settled"
    assert shop.worth(user) == (55, 0, 0, 50)


# The purchase shown to the user, and the log


def test_the_user_sees_the_result_of_the_decision(shop: Shop, user: str) -> None:
    purchase_id, _ = mismatch(shop, user)

    [english], [korean] = shop.listed(user), shop.listed(user, "ko")
    shop.resolve(user, purchase_id, action="accept", credits=50)
    [accepted] = shop.listed(user)

    assert english["status"] == "mismatched"
    assert english["message"].startswith("The amount paid differs from the price.")
    assert "환불" in korean["message"]
    assert "message" not in accepted


def test_a_refunded_purchase_is_shown_as_refunded(shop: Shop, user: str) -> None:
    payment_id = shop.buy(user)
    usual = shop.listed(user)
    shop.stripe.refund(payment_id, 800)
    shop.deliver_all()
    partly = shop.listed(user)
    shop.stripe.refund(payment_id)
    shop.deliver_all()
    [wholly] = shop.listed(user)

    assert not {"message", "creditsReversed"} & set(usual[0])
    assert (partly[0]["creditsReversed"], wholly["creditsReversed"]) == (25, 50)
    assert partly[0]["message"].startswith("Part of this payment")
    assert wholly["message"].startswith("This payment was refunded or disputed")
    assert {"paymentId", "decisions", "accountId"} & set(wholly) == set()


def test_a_failed_purchase_is_shown_as_failed(shop: Shop, user: str) -> None:
    shop.stripe.expire(shop.open(user))
    shop.deliver_all()

    [listed] = shop.listed(user)

    assert (listed["status"], "not completed" in listed["message"]) == ("failed", True)


@pytest.mark.parametrize("found_by", ["webhook", "event sweep", "poll"])
def test_the_log_names_purchase_and_payment_for_every_source(
    found_by: str, shop: Shop, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    payment_id = shop.stripe.pay(shop.open(user), amount=1)["id"]
    if found_by == "event sweep":
        shop.stripe.refuse(429, path="/v1/payment_intents")
    if found_by != "poll":
        shop.deliver_all()
    if found_by != "webhook":
        shop.world.clock.move(minutes=20)
        done = sweep_worker.handle_schedule(shop.world.app)
        counted = "payment_misplaced" if found_by == "event sweep" else "purchase_misplaced"
        assert done[counted] >= 1

    purchase_id = shop.purchase(user).purchase_id
    logged = [vars(record) for record in caplog.records if record.message == "payment_mismatch"]
    assert (purchase_id, payment_id) in {(one["purchase_id"], one["payment_id"]) for one in logged}
