"""Stripe: Checkout Sessions, signed webhooks, and the state of a payment read afresh.

Sources: https://docs.stripe.com/webhooks (signature scheme, tolerance, order not guaranteed),
https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/currencies#zero-decimal.
An event is only a hint: amounts are read from the API, credits from our own record, so events
in any order and any number lead to the same wallet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any

from darkroom.kernel.errors import InvalidInput, Unauthorized
from darkroom.payments.ports import (
    Checkout,
    GatewayUnavailable,
    MoneyBack,
    PaymentEvent,
    PaymentState,
)
from darkroom.payments.store import Purchase

TOLERANCE_SECONDS = 300
# One call with its retry has to end well before the shortest function does (15 s).
TIMEOUT_SECONDS = 5
NETWORK_RETRIES_LIMIT = 1
PAGE_LIMIT = 100
MONEY_BACK_LIMIT = 1000
SESSION_EVENTS = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
    }
)
PAYMENT_EVENTS = frozenset(
    {
        "charge.refunded",
        "charge.refund.updated",
        "refund.created",
        "refund.failed",
        "refund.updated",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)
_REFUND_STANDS = frozenset({"pending", "requires_action", "succeeded"})
_DISPUTE_OVER = frozenset({"won", "warning_closed", "prevented"})
# An early-warning inquiry takes no money; it becomes a dispute only when it is escalated.
_INQUIRY = frozenset({"warning_needs_response", "warning_under_review"})


class StripeGateway:
    """The gateway behind the official ``stripe`` package."""

    name = "stripe"

    def __init__(
        self, read_secret: Callable[[], str], *, api_base: str | None, return_url: str
    ) -> None:
        self._read_secret = read_secret
        self._api_base = api_base
        self._return_url = return_url

    @cached_property
    def _secret(self) -> Mapping[str, Any]:
        """``{"apiKey": "sk_…", "webhookSecrets": ["whsec_…", …]}``: two while one is rotated."""
        return json.loads(self._read_secret())

    @cached_property
    def _client(self) -> Any:
        import stripe

        return stripe.StripeClient(
            self._secret["apiKey"],
            base_addresses={"api": self._api_base} if self._api_base else None,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
            max_network_retries=NETWORK_RETRIES_LIMIT,
        )

    def create_checkout(self, purchase: Purchase) -> Checkout:
        ours = {"accountId": purchase.account_id, "purchaseId": purchase.purchase_id}
        if purchase.currency is None:
            raise ValueError(f"{purchase.purchase_id} has no price")
        currency = purchase.currency.lower()
        session = self._ask(
            lambda: self._client.v1.checkout.sessions.create(
                params={
                    "mode": "payment",
                    "client_reference_id": purchase.purchase_id,
                    "metadata": ours,
                    # Charges and disputes know only their payment, so it carries the names too.
                    "payment_intent_data": {"metadata": ours},
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": currency,
                                "unit_amount": purchase.amount_minor,
                                "product_data": {"name": f"{purchase.credits} credits"},
                            },
                        }
                    ],
                    "success_url": f"{self._return_url}?purchase={purchase.purchase_id}",
                    "cancel_url": f"{self._return_url}?canceled={purchase.purchase_id}",
                },
                options={"idempotency_key": purchase.purchase_id},
            )
        )
        return Checkout(session_id=session["id"], url=session["url"])

    def read_event(self, body: bytes, signature: str) -> PaymentEvent | None:
        event_id, kind, subject = _parse(self._verify(body, signature))
        if kind in SESSION_EVENTS:
            return PaymentEvent(
                event_id=event_id, type=kind, session_id=subject.get("id"), payment_id=None
            )
        payment_id = subject.get("payment_intent")
        if kind in PAYMENT_EVENTS and payment_id:
            return PaymentEvent(
                event_id=event_id, type=kind, session_id=None, payment_id=payment_id
            )
        return None

    def _verify(self, body: bytes, signature: str) -> str:
        """The text of a body that one of the secrets has signed."""
        import stripe

        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unauthorized("no signed text", code="BAD_SIGNATURE") from error
        # The library compares as ASCII and would fail on anything else.
        for secret in self._secret["webhookSecrets"] if signature.isascii() else ():
            try:
                stripe.WebhookSignature.verify_header(text, signature, secret, TOLERANCE_SECONDS)
            except stripe.SignatureVerificationError:
                continue
            return text
        raise Unauthorized("the signature does not fit", code="BAD_SIGNATURE")

    def read_payment(
        self, *, session_id: str | None, payment_id: str | None
    ) -> PaymentState | None:
        api = self._client.v1
        session: Mapping[str, Any] = {}
        if session_id is not None:
            session = self._ask(lambda: api.checkout.sessions.retrieve(session_id).to_dict())
            payment_id = session.get("payment_intent")
        payment: Mapping[str, Any] = {}
        if payment_id is not None:
            payment = self._ask(lambda: api.payment_intents.retrieve(payment_id).to_dict())
        names = payment.get("metadata") or session.get("metadata") or {}
        if "purchaseId" not in names or "accountId" not in names:
            return None
        is_paid = payment.get("status") == "succeeded"
        return PaymentState(
            account_id=names["accountId"],
            purchase_id=names["purchaseId"],
            session_id=session_id,
            payment_id=payment_id,
            is_paid=is_paid,
            has_failed=not is_paid and _is_over(session, payment),
            amount_minor=payment.get("amount_received") or 0,
            currency=str(payment.get("currency") or session.get("currency") or "").upper(),
            taken_back=self._taken_back(payment_id) if is_paid else (),
        )

    def _taken_back(self, payment_id: str | None) -> tuple[MoneyBack, ...]:
        refunds = self._list(self._client.v1.refunds, payment_id)
        disputes = self._list(self._client.v1.disputes, payment_id)
        standing = [refund for refund in refunds if refund["status"] in _REFUND_STANDS]
        over = _DISPUTE_OVER | _INQUIRY
        standing += [dispute for dispute in disputes if dispute["status"] not in over]
        found = [
            MoneyBack(
                id=item["id"],
                amount_minor=item["amount"],
                created_at=datetime.fromtimestamp(item["created"], UTC),
            )
            for item in standing
        ]
        return tuple(sorted(found, key=lambda item: (item.created_at, item.id)))

    def _list(self, service: Any, payment_id: str | None) -> list[Any]:
        query = {"payment_intent": payment_id, "limit": PAGE_LIMIT}
        return self._ask(
            lambda: list(islice(service.list(params=query).auto_paging_iter(), MONEY_BACK_LIMIT))
        )

    def _ask(self, call: Callable[[], Any]) -> Any:
        import stripe

        try:
            return call()
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise GatewayUnavailable("Stripe did not answer") from error
        except stripe.StripeError as error:
            status = error.http_status or 500
            # 401 and 403: our key is wrong or was withdrawn, which an operator mends and no
            # client can; 409: the same request is still under way there.
            if status >= 500 or status in (401, 403, 409):
                raise GatewayUnavailable(f"Stripe answered {status}") from error
            raise


def _parse(text: str) -> tuple[str, str, Mapping[str, Any]]:
    """Id, type and subject of an event."""
    try:
        event = json.loads(text)
        event_id, kind, subject = event["id"], event["type"], event["data"]["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("not an event") from error
    if not (isinstance(event_id, str) and isinstance(kind, str) and isinstance(subject, dict)):
        raise InvalidInput("not an event")
    return event_id, kind, subject


def _is_over(session: Mapping[str, Any], payment: Mapping[str, Any]) -> bool:
    """Whether an unpaid payment can no longer succeed.

    A completed session whose payment asks for a new method is a delayed payment that failed.
    """
    failed_later = (
        session.get("status") == "complete" and payment.get("status") == "requires_payment_method"
    )
    return session.get("status") == "expired" or payment.get("status") == "canceled" or failed_later
