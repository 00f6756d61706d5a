"""What follows for a subscription from its state at the gateway, and when to check it: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from darkroom.kernel.limits import RECEIVED_CHECK_SECONDS
from darkroom.payments.polling import (
    CHECKOUT_LIFE_HOURS,
    FIRST_CHECK_SECONDS,
    LONGEST_CHECK_SECONDS,
)
from darkroom.payments.ports import SubscriptionState
from darkroom.payments.store import TEST_GATEWAY
from darkroom.payments.subscription_store import (
    Order,
    Subscription,
    SubscriptionStatus,
    months_after,
)

RENEWAL_PATIENCE_SECONDS = 3600
"""The gateway needs a while to collect the money for the next period."""


def derive(subscription: Subscription, state: SubscriptionState, now: datetime) -> Subscription:
    """The subscription as its state at the gateway makes it, in any order of the reads."""
    known = replace(
        subscription,
        ref=state.ref or subscription.ref,
        customer=state.customer or subscription.customer,
        session_id=subscription.session_id or state.session_id,
    )
    if subscription.order == "stop":
        # We ended it, and only the gateway has not done so yet.
        return replace(known, order=None if state.status == "ended" else "stop")
    if state.status == "pending":
        return known
    is_over = not state.renews and state.ends_at is not None and state.ends_at <= now
    # The gateway may take a while to end what it will not renew.
    if state.status == "ended" or is_over:
        return replace(
            known,
            status=SubscriptionStatus.EXPIRED,
            ends_at=min(moment for moment in (known.ends_at, now) if moment is not None),
            order=None,
        )
    paid = replace(
        known,
        started_at=state.started_at or known.started_at or now,
        ends_at=state.ends_at or known.ends_at,
    )
    if paid.order is not None and state.renews == (paid.order == "resume"):
        paid = replace(paid, order=None)
    if paid.order is not None:
        # Our own decision is newer than what the gateway knows.
        return paid
    status = SubscriptionStatus.ACTIVE if state.renews else SubscriptionStatus.CANCELED
    return replace(paid, status=status)


def after_its_period(subscription: Subscription, now: datetime) -> Subscription:
    """The subscription when its paid period may have ended, without asking the gateway: one that
    was canceled expires, and one of the test gateway is renewed."""
    ends_at = subscription.ends_at
    if ends_at is None or now < ends_at:
        return subscription
    if subscription.status is SubscriptionStatus.CANCELED:
        # A gateway that was never reached may have renewed it: then it must end there now.
        order: Order | None = None if subscription.order is None else "stop"
        return replace(subscription, status=SubscriptionStatus.EXPIRED, order=order)
    if subscription.status is SubscriptionStatus.ACTIVE and subscription.gateway == TEST_GATEWAY:
        return replace(subscription, ends_at=period_end(subscription, now))
    return subscription


def period_end(subscription: Subscription, now: datetime) -> datetime:
    """The end of the period that contains ``now``, counted in months from its start."""
    start = subscription.started_at or subscription.created_at
    months = max(0, (now.year - start.year) * 12 + now.month - start.month)
    end = months_after(start, months)
    return end if end > now else months_after(start, months + 1)


def scheduled(subscription: Subscription, now: datetime) -> Subscription:
    """The subscription with the time of its next check."""
    return replace(subscription, next_check_at=_next_check(subscription, now))


def is_given_up(subscription: Subscription, now: datetime) -> bool:
    """Whether its checkout can no longer be paid."""
    return now - subscription.created_at > timedelta(hours=CHECKOUT_LIFE_HOURS)


def _next_check(subscription: Subscription, now: datetime) -> datetime | None:
    if subscription.order is not None:
        return now + timedelta(seconds=RECEIVED_CHECK_SECONDS)
    if subscription.status is SubscriptionStatus.PENDING:
        age_seconds = (now - subscription.created_at).total_seconds()
        wait = min(max(age_seconds, FIRST_CHECK_SECONDS), LONGEST_CHECK_SECONDS)
        return now + timedelta(seconds=wait)
    if subscription.status is SubscriptionStatus.EXPIRED:
        return None
    ends_at = subscription.ends_at or now
    if subscription.gateway == TEST_GATEWAY or subscription.status is not SubscriptionStatus.ACTIVE:
        return ends_at
    patience = timedelta(seconds=RENEWAL_PATIENCE_SECONDS)
    return max(ends_at, now) + patience
