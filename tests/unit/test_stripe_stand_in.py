"""The stand-in for Stripe, called by Stripe's own library: what it accepts, refuses and repeats."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.support.stripe_stand_in import API_KEY, WEBHOOK_SECRET, StripeStandIn


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeStandIn]:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    with StripeStandIn() as running:
        yield running


def client(stand_in: StripeStandIn, key: str = API_KEY, **options: Any) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": stand_in.api_base}, **options)


def parameters(**changes: Any) -> Any:
    price = {
        "currency": changes.pop("currency", "usd"),
        "unit_amount": changes.pop("unit_amount", 1599),
        "product_data": {"name": "50 credits"},
    }
    given = {
        "mode": "payment",
        "client_reference_id": "pur_1",
        "metadata": {"purchaseId": "pur_1"},
        "payment_intent_data": {"metadata": {"purchaseId": "pur_1"}},
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": "https://app.example/credits?purchase=pur_1",
        "cancel_url": "https://app.example/credits?canceled=pur_1",
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def open_session(stand_in: StripeStandIn, *, key: str | None = None, **changes: Any) -> Any:
    options: Any = {"idempotency_key": key} if key else {}
    sessions = client(stand_in).v1.checkout.sessions
    return sessions.create(params=parameters(**changes), options=options)


def test_a_session_has_the_shape_of_the_library(stand_in: StripeStandIn) -> None:
    session = open_session(stand_in)

    found = client(stand_in).v1.checkout.sessions.retrieve(session.id)

    assert isinstance(found, stripe.checkout.Session)
    assert found.to_dict() == session.to_dict()
    assert (found.status, found.payment_status, found.payment_intent) == ("open", "unpaid", None)
    assert (found.amount_total, found.currency) == (1599, "usd")
    assert found.metadata is not None
    assert found.metadata["purchaseId"] == "pur_1"
    assert session.last_response.request_id.startswith("req_")


def test_a_payment_has_its_metadata_and_amount(stand_in: StripeStandIn) -> None:
    payment_id = stand_in.pay(open_session(stand_in).id)["id"]

    payment = client(stand_in).v1.payment_intents.retrieve(payment_id)

    assert (payment.status, payment.amount_received, payment.currency) == ("succeeded", 1599, "usd")
    assert payment.metadata["purchaseId"] == "pur_1"


@pytest.mark.parametrize("key", ["sk_live_123", "sk_test_wrong", "nonsense"])
def test_a_wrong_key_is_401(key: str, stand_in: StripeStandIn) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        client(stand_in, key).v1.checkout.sessions.retrieve("cs_1")

    assert refused.value.http_status == 401


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"unit_amount": "15.99"}, "parameter_invalid_integer", "unit_amount"),
        ({"unit_amount": -1}, "parameter_invalid_integer", "unit_amount"),
        ({"unit_amount": 49}, "amount_too_small", None),
        ({"unit_amount": 99, "currency": "krw"}, "amount_too_small", None),
        ({"unit_amount": 100_000_000}, "amount_too_large", None),
        ({"currency": "USD"}, None, "currency"),
        ({"currency": "xxx"}, None, "currency"),
        ({"mode": None}, "parameter_missing", "mode"),
        ({"line_items": None}, "parameter_missing", "line_items"),
        ({"success_url": None}, "parameter_missing", "success_url"),
        ({"success_url": "/credits"}, "url_invalid", "success_url"),
        ({"unknown_field": "red"}, "parameter_unknown", "unknown_field"),
        ({"payment_intent_data": {"unknown_field": "red"}}, "parameter_unknown", "unknown_field"),
        ({"metadata": {"a": {"b": "c"}}}, None, "metadata"),
        ({"metadata": {"a": "x" * 501}}, None, "metadata"),
        ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
    ],
    ids=str,
)
def test_parameters_are_checked(
    changes: dict[str, Any], code: str | None, param: str | None, stand_in: StripeStandIn
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        open_session(stand_in, **changes)

    assert (refused.value.http_status, refused.value.code) == (400, code)
    assert (param or "") in (refused.value.param or "")
    assert stand_in.sessions == {}


@pytest.mark.parametrize(("amount", "currency"), [(50, "usd"), (100, "krw"), (19_900, "krw")])
def test_amounts_are_in_the_smallest_unit(
    amount: int, currency: str, stand_in: StripeStandIn
) -> None:
    session = open_session(stand_in, unit_amount=amount, currency=currency)

    assert (session.amount_total, session.currency) == (amount, currency)


def test_a_repeated_key_returns_the_same_session(stand_in: StripeStandIn) -> None:
    first = open_session(stand_in, key="k")

    again = open_session(stand_in, key="k")

    assert again.to_dict() == first.to_dict()
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert list(stand_in.sessions) == [first.id]


def test_a_key_used_for_something_else_is_refused(stand_in: StripeStandIn) -> None:
    open_session(stand_in, key="k")

    with pytest.raises(stripe.IdempotencyError) as refused:
        open_session(stand_in, key="k", unit_amount=100)

    assert refused.value.http_status == 400


def test_a_refusal_is_not_stored_under_its_key(stand_in: StripeStandIn) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        open_session(stand_in, key="k", unit_amount=1)

    assert open_session(stand_in, key="k").amount_total == 1599


def test_a_failure_during_the_work_is_stored_under_its_key(stand_in: StripeStandIn) -> None:
    stand_in.break_down()

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            open_session(stand_in, key="k")
    assert open_session(stand_in, key="another").amount_total == 1599
    stand_in.forget_keys()
    assert open_session(stand_in, key="k").amount_total == 1599


def test_a_lost_response_has_done_its_work(stand_in: StripeStandIn) -> None:
    stand_in.lose_responses()
    never = client(stand_in, max_network_retries=0).v1.checkout.sessions

    with pytest.raises(stripe.APIConnectionError):
        never.create(params=parameters(), options={"idempotency_key": "k"})

    [session_id] = stand_in.sessions
    assert open_session(stand_in, key="k").id == session_id


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, stripe.RateLimitError), (500, stripe.APIError), (409, stripe.APIError)],
)
def test_a_requested_refusal_raises_the_error_of_the_library(
    status: int, kind: type[stripe.StripeError], stand_in: StripeStandIn
) -> None:
    stand_in.refuse(status)

    with pytest.raises(kind) as refused:
        client(stand_in, max_network_retries=0).v1.payment_intents.retrieve("pi_1")

    assert refused.value.http_status == status


def test_refunds_are_listed_newest_first_in_pages(stand_in: StripeStandIn) -> None:
    payment_id = stand_in.pay(open_session(stand_in).id)["id"]
    made = [stand_in.refund(payment_id, 10)["id"] for _ in range(12)]
    other = stand_in.pay(open_session(stand_in).id)["id"]
    stand_in.refund(other, 10)

    page = client(stand_in).v1.refunds.list({"payment_intent": payment_id, "limit": 5})

    assert page.has_more
    assert [refund.id for refund in page.data] == made[:-6:-1]
    assert [refund.id for refund in page.auto_paging_iter()] == made[::-1]


def test_no_more_can_be_refunded_than_was_paid(stand_in: StripeStandIn) -> None:
    payment_id = stand_in.pay(open_session(stand_in).id)["id"]
    refund = stand_in.refund(payment_id, 1000)

    with pytest.raises(ValueError, match="of 599"):
        stand_in.refund(payment_id, 600)

    stand_in.fail_refund(refund["id"])
    assert stand_in.refund(payment_id)["amount"] == 1599


def test_what_does_not_exist_is_404(stand_in: StripeStandIn) -> None:
    api = client(stand_in).v1

    for get in (api.checkout.sessions.retrieve, api.payment_intents.retrieve):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            get("nothing")
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_every_event_is_readable_by_the_library(stand_in: StripeStandIn) -> None:
    session_id = open_session(stand_in).id
    payment_id = stand_in.pay(session_id)["id"]
    stand_in.fail_refund(stand_in.refund(payment_id, 100)["id"])
    inquiry = stand_in.dispute(payment_id, status="warning_needs_response")
    stand_in.escalate(inquiry["id"])
    stand_in.close_dispute(inquiry["id"], "won")
    later = open_session(stand_in, key="later").id
    stand_in.pay_later(later)
    stand_in.fail_later(later)
    stand_in.expire(open_session(stand_in, key="never").id)

    kinds = []
    for sent in stand_in.take_events():
        body = stand_in.body_of(sent)
        event = stripe.Webhook.construct_event(body, stand_in.sign(body), WEBHOOK_SECRET)
        kinds.append((event.type, type(event.data.object).__name__))

    assert kinds == [
        ("checkout.session.completed", "Session"),
        ("charge.refunded", "Charge"),
        ("refund.failed", "Refund"),
        ("charge.dispute.created", "Dispute"),
        ("charge.dispute.funds_withdrawn", "Dispute"),
        ("charge.dispute.closed", "Dispute"),
        ("checkout.session.completed", "Session"),
        ("checkout.session.async_payment_failed", "Session"),
        ("checkout.session.expired", "Session"),
    ]


def test_the_library_accepts_the_signatures(stand_in: StripeStandIn) -> None:
    body, moment = '{"id": "evt_1", "name": "결제"}', int(time.time())

    signed = stand_in.sign(body, secret="whsec_other", at=moment)

    header = stripe.WebhookSignature.generate_signature_header(body, "whsec_other", moment)
    assert signed == header
