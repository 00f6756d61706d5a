"""When to check a purchase without a webhook: pure, and only from its age.

A payment can be refunded or disputed for about four months: card networks give a cardholder 120
days (https://docs.stripe.com/disputes/how-disputes-work), and a dispute that is open then takes
up to three months more. Polls find changes whose webhook was lost.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from darkroom.payments.store import TEST_GATEWAY, Purchase, PurchaseStatus

FIRST_CHECK_SECONDS = 15 * 60
"""By then most customers have paid and the webhook has come."""
REFUND_CHECK_SECONDS = 60
LONGEST_CHECK_SECONDS = 6 * 3600
POLL_DAYS = (1, 3, 7, 15, 30, 60, 90, 121)
"""Ages at which a purchase that was paid is polled."""
LATE_POLL_DAYS = (160, 210)
"""More ages, while credits are reversed: the dispute may still be won, or the refund fail."""
CHECKOUT_LIFE_HOURS = 25
"""A Checkout Session lives 24 hours: https://docs.stripe.com/api/checkout/sessions/create."""
_WAITS = (PurchaseStatus.PENDING, PurchaseStatus.REFUNDING)
PENDING_LIMIT_DAYS = 30
"""Longer than the slowest payment method takes; a purchase without a payment by then has failed."""


def scheduled(purchase: Purchase, now: datetime) -> Purchase:
    """The purchase with the time of its next check."""
    moment = next_check(purchase, now)
    is_poll = moment is not None and purchase.status not in _WAITS
    return replace(purchase, next_check_at=moment, is_poll=is_poll)


def due_at(purchase: Purchase, moment: datetime) -> Purchase:
    """The purchase with an open step that is due at ``moment``."""
    return replace(purchase, next_check_at=moment, is_poll=False)


def next_check(purchase: Purchase, now: datetime) -> datetime | None:
    """The time of the purchase's next check; None if there is nothing to wait for."""
    if purchase.status is PurchaseStatus.FAILED or purchase.gateway == TEST_GATEWAY:
        return None
    if purchase.status is PurchaseStatus.PENDING:
        return _doubling(purchase.created_at, now, first_seconds=FIRST_CHECK_SECONDS)
    if purchase.status is PurchaseStatus.REFUNDING:
        decided_at = purchase.decisions[-1].at if purchase.decisions else purchase.created_at
        return _doubling(decided_at, now, first_seconds=REFUND_CHECK_SECONDS)
    is_reversed = purchase.status is PurchaseStatus.REFUNDED or purchase.reversed_credits > 0
    days = (*POLL_DAYS, *LATE_POLL_DAYS) if is_reversed else POLL_DAYS
    moments = (purchase.created_at + timedelta(days=day) for day in days)
    return next((moment for moment in moments if moment > now), None)


def is_given_up(purchase: Purchase, now: datetime) -> bool:
    """Whether to give up a pending purchase that cannot be found at the gateway.

    Without a checkout, nothing can be paid after the gateway has forgotten its request.
    """
    age = now - purchase.created_at
    if purchase.session_id is None and purchase.payment_id is None:
        return age > timedelta(hours=CHECKOUT_LIFE_HOURS)
    return age > timedelta(days=PENDING_LIMIT_DAYS)


def _doubling(since: datetime, now: datetime, *, first_seconds: int) -> datetime:
    """Wait as long as the time that has passed since."""
    age_seconds = (now - since).total_seconds()
    return now + timedelta(seconds=min(max(age_seconds, first_seconds), LONGEST_CHECK_SECONDS))
