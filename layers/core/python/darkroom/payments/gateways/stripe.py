"""Stripe: Checkout Sessions, signed webhooks, refunds, and the current state of a payment.

Sources: https://docs.stripe.com/webhooks (signature scheme, tolerance, order not guaranteed),
https://docs.stripe.com/api/idempotent_requests, https://docs.stripe.com/currencies#zero-decimal.
An event is only a hint: amounts are read from the API, credits from our own record, so events
in any order and any number lead to the same wallet.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from darkroom.kernel.clock import Clock, SystemClock
from darkroom.kernel.errors import InvalidInput, Unauthorized
from darkroom.payments.gateways.stripe_keys import StripeKeys
from darkroom.payments.ports import (
    AttemptSpent,
    Checkout,
    GatewayUnavailable,
    Ignored,
    MoneyBack,
    PaymentEvent,
    PaymentMissing,
    PaymentState,
    PaymentUnreadable,
    RefundRefused,
    SubscriptionState,
)
from darkroom.payments.store import GatewayName, Purchase
from darkroom.payments.subscription_store import Subscription

TOLERANCE_SECONDS = 300
# One call with its retry has to end well before the shortest function timeout (15 s).
TIMEOUT_SECONDS = 5
NETWORK_RETRIES_LIMIT = 1
PAGE_LIMIT = 100
MONEY_BACK_LIMIT = 1000
"""Refunds or disputes of one payment that are read one by one; older refunds count as one."""
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
SUBSCRIPTION_EVENTS = frozenset(
    {
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
    }
)
INVOICE_EVENTS = frozenset({"invoice.paid", "invoice.payment_failed"})
# https://docs.stripe.com/api/subscriptions/object (status). While a renewal is collected again and
# again (past_due), the plan stays.
_SUBSCRIBED = frozenset({"active", "past_due", "trialing"})
_ORDERS: Mapping[str, Mapping[str, Any]] = {
    "cancel": {"cancel_at_period_end": True},
    "resume": {"cancel_at_period_end": False},
}
_REFUND_STANDS = frozenset({"pending", "requires_action", "succeeded"})
_DISPUTE_OVER = frozenset({"won", "warning_closed", "prevented"})
# An early-warning inquiry takes no money; it becomes a dispute only when it is escalated.
_INQUIRY = frozenset({"warning_needs_response", "warning_under_review"})
_OBJECT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


class StripeGateway:
    """The gateway behind the official ``stripe`` package."""

    name: GatewayName = "stripe"

    def __init__(
        self,
        read_secret: Callable[[], str],
        *,
        api_base: str | None,
        return_url: str,
        clock: Clock | None = None,
    ) -> None:
        self._keys = StripeKeys(read_secret, clock or SystemClock())
        self._api_base = api_base
        self._return_url = return_url
        self._client_of_key: tuple[str, Any] | None = None

    def create_checkout(self, purchase: Purchase) -> Checkout:
        if purchase.currency is None:
            raise ValueError(f"{purchase.purchase_id} has no price")
        params = _checkout_params(purchase, self._return_url)
        # The key depends on the parameters, so that another return URL is another request.
        key = f"{purchase.purchase_id}-{purchase.attempt}-{_digest(params)}"
        session = self._write(
            lambda api: api.checkout.sessions.create(
                params=params, options={"idempotency_key": key}
            )
        )
        return Checkout(session_id=session["id"], url=session["url"])

    def refund_payment(self, purchase: Purchase) -> None:
        import stripe

        number = len(purchase.decisions)
        names = {"accountId": purchase.account_id, "purchaseId": purchase.purchase_id}
        # Without an amount, Stripe refunds exactly what is left of the payment:
        # https://docs.stripe.com/api/refunds/create
        params = {"payment_intent": purchase.payment_id, "metadata": names}
        key = f"{purchase.purchase_id}-refund-{number}-{purchase.attempt}"
        try:
            self._write(
                lambda api: api.refunds.create(params=params, options={"idempotency_key": key})
            )
        except stripe.StripeError as error:
            raise RefundRefused(str(error), code=error.code or "REFUND_REFUSED") from error

    def read_event(self, body: bytes, signature: str) -> PaymentEvent | Ignored:
        event = _parse(self._verify(body, signature))
        event_id, kind, subject = event["id"], event["type"], event["data"]["object"]
        if reason := self._why_foreign(event):
            return Ignored(event_id=event_id, type=kind, reason=reason)
        if kind in SESSION_EVENTS:
            session_id = _object_id(subject.get("id"))
            return PaymentEvent(
                event_id=event_id,
                type=kind,
                session_id=session_id,
                payment_id=None,
                is_of_subscription=subject.get("mode") == "subscription",
            )
        if kind in SUBSCRIPTION_EVENTS | INVOICE_EVENTS:
            ref = subject.get("id") if kind in SUBSCRIPTION_EVENTS else _invoiced(subject)
            if ref is not None:
                return PaymentEvent(
                    event_id=event_id,
                    type=kind,
                    session_id=None,
                    payment_id=None,
                    subscription_ref=_object_id(ref),
                    is_of_subscription=True,
                )
        payment_id = subject.get("payment_intent")
        if kind in PAYMENT_EVENTS and payment_id:
            return PaymentEvent(
                event_id=event_id, type=kind, session_id=None, payment_id=_object_id(payment_id)
            )
        return Ignored(event_id=event_id, type=kind, reason="type")

    def _why_foreign(self, event: Mapping[str, Any]) -> str | None:
        """Events of Connect and of the other mode may come to our endpoint, but not match our key:
        https://docs.stripe.com/connect/webhooks."""
        if event.get("account"):
            return "account"
        is_live = self._keys.is_live
        return "mode" if is_live is not None and event.get("livemode") is not is_live else None

    def _verify(self, body: bytes, signature: str) -> str:
        """The text of a body whose signature matches one of the secrets."""
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unauthorized("no signed text", code="BAD_SIGNATURE") from error
        # The library compares as ASCII and would fail on anything else.
        if signature.isascii():
            if _is_signed(text, signature, self._keys.webhook_secrets):
                return text
            # The secret may have been rotated since it was read.
            if self._keys.reload() and _is_signed(text, signature, self._keys.webhook_secrets):
                return text
        raise Unauthorized("the signature does not fit", code="BAD_SIGNATURE")

    def read_payment(
        self, *, session_id: str | None, payment_id: str | None
    ) -> PaymentState | None:
        session: Mapping[str, Any] = {}
        payment: Mapping[str, Any] = {}
        read = self._find
        if session_id is not None:
            session = read(lambda api: api.checkout.sessions.retrieve(session_id).to_dict())
            payment_id, read = session.get("payment_intent"), self._read
        if payment_id is not None:
            payment = read(lambda api: api.payment_intents.retrieve(payment_id).to_dict())
        names = payment.get("metadata") or session.get("metadata") or {}
        if "purchaseId" not in names or "accountId" not in names:
            return None
        # With a promotion code of 100 %, there is nothing to pay, and so no payment:
        # https://docs.stripe.com/api/checkout/sessions/object (payment_status)
        is_free = session.get("payment_status") == "no_payment_required"
        is_paid = payment.get("status") == "succeeded" or (is_free and payment_id is None)
        return PaymentState(
            account_id=names["accountId"],
            purchase_id=names["purchaseId"],
            session_id=session_id,
            payment_id=payment_id,
            is_paid=is_paid,
            has_failed=not is_paid and _is_over(session, payment),
            amount_minor=payment.get("amount_received") or 0,
            currency=str(payment.get("currency") or session.get("currency") or "").upper(),
            taken_back=self._taken_back(payment) if is_paid and payment else (),
        )

    def create_subscription(self, subscription: Subscription) -> Checkout:
        params = _subscription_params(subscription, self._return_url)
        key = f"{subscription.subscription_id}-{subscription.attempt}-{_digest(params)}"
        session = self._write(
            lambda api: api.checkout.sessions.create(
                params=params, options={"idempotency_key": key}
            )
        )
        return Checkout(session_id=session["id"], url=session["url"])

    def read_subscription(
        self, *, session_id: str | None, ref: str | None
    ) -> SubscriptionState | None:
        session: Mapping[str, Any] = {}
        found: Mapping[str, Any] = {}
        read = self._find
        if ref is None:
            session = read(lambda api: api.checkout.sessions.retrieve(session_id).to_dict())
            ref, read = session.get("subscription"), self._read
        if ref is not None:
            found = read(lambda api: api.subscriptions.retrieve(ref).to_dict())
        names = found.get("metadata") or session.get("metadata") or {}
        if "subscriptionId" not in names or "accountId" not in names:
            return None
        return SubscriptionState(
            account_id=names["accountId"],
            subscription_id=names["subscriptionId"],
            session_id=session_id,
            ref=ref,
            customer=found.get("customer"),
            status=_subscription_status(session, found),
            started_at=_moment(found.get("start_date")),
            ends_at=_moment(_period_end(found)),
            renews=not (found.get("cancel_at_period_end") or found.get("cancel_at")),
        )

    def give_order(self, subscription: Subscription) -> None:
        import stripe

        ref, order = subscription.ref, str(subscription.order)

        def call(api: Any) -> Any:
            if ref is None:
                return api.checkout.sessions.expire(subscription.session_id)
            if order == "stop":
                # The rest of the period is credited to the customer, whose new plan uses it:
                # https://docs.stripe.com/api/subscriptions/cancel
                params = {"prorate": True, "invoice_now": True}
                return api.subscriptions.cancel(ref, params=params)
            return api.subscriptions.update(ref, params=_ORDERS[order])

        try:
            self._write(call)
        except stripe.InvalidRequestError as error:
            # It has ended already, was paid meanwhile, or is of another account.
            raise PaymentMissing(f"Stripe returned {error.http_status}") from error

    def _taken_back(self, payment: Mapping[str, Any]) -> tuple[MoneyBack, ...]:
        refunds = self._list(lambda api: api.refunds, payment["id"])
        disputes = self._list(lambda api: api.disputes, payment["id"])
        over = _DISPUTE_OVER | _INQUIRY
        standing = [refund for refund in refunds if refund["status"] in _REFUND_STANDS]
        gone = [_money_back(item, payment) for item in standing]
        if len(refunds) == MONEY_BACK_LIMIT:
            gone += self._older_refunds(payment, sum(item.amount_minor for item in gone))
        gone += [_money_back(item, payment) for item in disputes if item["status"] not in over]
        return tuple(sorted(gone, key=lambda item: (item.created_at, item.id)))

    def _older_refunds(self, payment: Mapping[str, Any], known_minor: int) -> list[MoneyBack]:
        """Refunds beyond the limit, as one item. Lists begin with the newest refund, so these are
        the oldest: together they take as much as alone, and do not change later shares."""
        charge = self._read(lambda api: api.charges.retrieve(payment["latest_charge"]).to_dict())
        older_minor = charge["amount_refunded"] - known_minor
        if older_minor <= 0:
            return []
        created_at = datetime.fromtimestamp(payment["created"], UTC)
        name = f"{payment['id']}-older"
        return [MoneyBack(id=name, amount_minor=older_minor, created_at=created_at)]

    def _list(self, service: Callable[[Any], Any], payment_id: str) -> list[Any]:
        query = {"payment_intent": payment_id, "limit": PAGE_LIMIT}
        found: list[Any] = self._read(
            lambda api: list(
                islice(service(api).list(params=query).auto_paging_iter(), MONEY_BACK_LIMIT)
            )
        )
        return found

    def _find(self, call: Callable[[Any], Any]) -> Any:
        """The object that an event or a record names, if our key has access to it."""
        import stripe

        try:
            return self._send(call)
        except stripe.StripeError as error:
            if error.http_status == 404 or error.code == "resource_missing":
                raise PaymentMissing(f"Stripe returned {error.http_status}") from error
            # It belongs to an account that our key has no access to, or the key lacks a permission.
            if error.http_status == 403:
                raise PaymentUnreadable("Stripe returned 403") from error
            raise

    def _read(self, call: Callable[[Any], Any]) -> Any:
        """A part of an object that was found. A restricted key may lack the permission for it,
        which must not be mistaken for a payment without refunds."""
        import stripe

        try:
            return self._send(call)
        except stripe.PermissionError as error:
            raise GatewayUnavailable("our key may not read this") from error

    def _write(self, call: Callable[[Any], Any]) -> Any:
        import stripe

        try:
            return self._send(call)
        except stripe.PermissionError as error:
            # Our key lacks a permission, which only an operator can fix.
            raise GatewayUnavailable("Stripe returned 403") from error
        except stripe.IdempotencyError as error:
            raise AttemptSpent("the key was used for another request") from error

    def _send(self, call: Callable[[Any], Any]) -> Any:
        """One call. If Stripe refuses the key, read it again and repeat the call once."""
        import stripe

        key = self._keys.api_key
        try:
            return self._translated(call, key)
        except stripe.AuthenticationError as error:
            self._keys.reload()
            if self._keys.api_key == key:
                raise GatewayUnavailable("Stripe refuses the API key") from error
        try:
            return self._translated(call, self._keys.api_key)
        except stripe.AuthenticationError as error:
            raise GatewayUnavailable("Stripe refuses the API key") from error

    def _translated(self, call: Callable[[Any], Any], key: str) -> Any:
        import stripe

        try:
            return call(self._client(key).v1)
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise GatewayUnavailable("Stripe did not respond") from error
        except stripe.StripeError as error:
            status = error.http_status or 500
            if status == 409:
                raise GatewayUnavailable("the same request is under way there") from error
            if status >= 500:
                # Stripe stores the first result of an idempotency key, including this error, and
                # would repeat it for a day. https://docs.stripe.com/api/idempotent_requests
                raise AttemptSpent(f"Stripe returned {status}") from error
            raise

    def _client(self, key: str) -> Any:
        import stripe

        if self._client_of_key is None or self._client_of_key[0] != key:
            client = stripe.StripeClient(
                key,
                base_addresses={"api": self._api_base} if self._api_base else None,
                http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
                max_network_retries=NETWORK_RETRIES_LIMIT,
            )
            self._client_of_key = (key, client)
        return self._client_of_key[1]


def _checkout_params(purchase: Purchase, return_url: str) -> dict[str, Any]:
    ours = {"accountId": purchase.account_id, "purchaseId": purchase.purchase_id}
    price = {
        "currency": str(purchase.currency).lower(),
        "unit_amount": purchase.amount_minor,
        "product_data": {"name": f"{purchase.credits} credits"},
    }
    return {
        "mode": "payment",
        "client_reference_id": purchase.purchase_id,
        "metadata": ours,
        # Charges and disputes refer only to their payment, so it has the metadata too.
        "payment_intent_data": {"metadata": ours},
        # A price in the customer's own currency would not match our record; it can be enabled
        # by default: https://docs.stripe.com/payments/currencies/localize-prices/adaptive-pricing
        "adaptive_pricing": {"enabled": False},
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": f"{return_url}?purchase={purchase.purchase_id}",
        "cancel_url": f"{return_url}?canceled={purchase.purchase_id}",
    }


def _subscription_params(subscription: Subscription, return_url: str) -> dict[str, Any]:
    ours = {
        "accountId": subscription.account_id,
        "subscriptionId": subscription.subscription_id,
    }
    price = {
        "currency": subscription.currency.lower(),
        "unit_amount": subscription.amount_minor,
        "recurring": {"interval": "month"},
        "product_data": {"name": f"Plan {subscription.plan}"},
    }
    params: dict[str, Any] = {
        "mode": "subscription",
        "client_reference_id": subscription.subscription_id,
        "metadata": ours,
        # Events about the subscription refer only to it, so it has the metadata too.
        "subscription_data": {"metadata": ours},
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": f"{return_url}?subscription={subscription.subscription_id}",
        "cancel_url": f"{return_url}?canceled={subscription.subscription_id}",
    }
    return params | ({"customer": subscription.customer} if subscription.customer else {})


def _invoiced(invoice: Mapping[str, Any]) -> Any:
    """The subscription of an invoice, which stands in one place or another by the API's version."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return details.get("subscription") or invoice.get("subscription")


def _subscription_status(
    session: Mapping[str, Any], found: Mapping[str, Any]
) -> Literal["pending", "active", "ended"]:
    if not found:
        return "ended" if session.get("status") == "expired" else "pending"
    if found["status"] in _SUBSCRIBED:
        return "active"
    return "pending" if found["status"] == "incomplete" else "ended"


def _period_end(found: Mapping[str, Any]) -> int | None:
    """Newer versions of the API have the period in the items of the subscription."""
    ends = [found.get("current_period_end")]
    ends += [item.get("current_period_end") for item in found.get("items", {}).get("data", ())]
    return max((end for end in ends if end is not None), default=None)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _digest(params: Mapping[str, Any]) -> str:
    text = json.dumps(params, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_signed(text: str, signature: str, secrets: tuple[str, ...]) -> bool:
    import stripe

    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(text, signature, secret, TOLERANCE_SECONDS)
        except stripe.SignatureVerificationError:
            continue
        return True
    return False


def _parse(text: str) -> Mapping[str, Any]:
    """An event with an id, a type and a subject."""
    try:
        event = json.loads(text)
        event_id, kind, subject = event["id"], event["type"], event["data"]["object"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("not an event") from error
    _object_id(event_id)
    if not (isinstance(kind, str) and isinstance(subject, dict)):
        raise InvalidInput("not an event")
    return dict(event)


def _object_id(value: Any) -> str:
    if not (isinstance(value, str) and _OBJECT_ID.fullmatch(value)):
        raise InvalidInput("not an id")
    return value


def _money_back(item: Mapping[str, Any], payment: Mapping[str, Any]) -> MoneyBack:
    """A dispute's amount is in a currency of its own (https://docs.stripe.com/api/disputes/object),
    for which there is no rate here. It takes the whole payment: most disputes are about that. An
    operator can correct a partial dispute, but not recover credits that a thief has spent."""
    in_currency = item["currency"] == payment["currency"]
    return MoneyBack(
        id=item["id"],
        amount_minor=item["amount"] if in_currency else payment["amount_received"],
        created_at=datetime.fromtimestamp(item["created"], UTC),
    )


def _is_over(session: Mapping[str, Any], payment: Mapping[str, Any]) -> bool:
    """Whether an unpaid payment can no longer succeed.

    A completed session whose payment requires a new method is a delayed payment that failed.
    """
    failed_later = (
        session.get("status") == "complete" and payment.get("status") == "requires_payment_method"
    )
    return session.get("status") == "expired" or payment.get("status") == "canceled" or failed_later
