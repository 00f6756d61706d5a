"""Subscription records: the plan, the paid period, and the order that the gateway must get."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_all, read_item
from darkroom.db.due import (
    ONE_SHARD,
    Due,
    DueItem,
    due_fields,
    due_index,
    due_moment,
    list_due_items,
)
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import Write, put
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import ConcurrentUpdate, KeyReused
from darkroom.kernel.ids import is_id
from darkroom.kernel.shapes import checked, whole
from darkroom.payments.store import TEST_GATEWAY, GatewayName

SUBSCRIPTION_PREFIX = "sub"
Order = Literal["cancel", "resume", "stop"]
"""What the gateway has to do: not renew it, renew it again, or end it at once."""
LOCAL_SHARD = "local"
"""Partition of the ``due`` index for subscriptions whose next step asks no gateway: they end in
time, also while the gateway is down."""
_MOVED_ON = ConcurrentUpdate("the subscription has moved on")


class SubscriptionStatus(StrEnum):
    PENDING = "pending"
    """Not paid yet."""
    ACTIVE = "active"
    """Paid, and renewed at the end of its period."""
    CANCELED = "canceled"
    """Paid until the end of its period, and not renewed."""
    EXPIRED = "expired"
    """It has ended, was replaced by another, or was never paid."""


RUNNING = frozenset({SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED})


@dataclass(frozen=True, kw_only=True)
class Subscription:
    subscription_id: str
    account_id: str
    gateway: GatewayName
    plan: str
    status: SubscriptionStatus
    created_at: datetime
    currency: str
    """ISO 4217, upper case."""
    amount_minor: int
    """The price a month in the currency's smallest unit."""
    started_at: datetime | None = None
    """When it was first paid; of two that are paid, the later one decides the plan."""
    ends_at: datetime | None = None
    """The end of the paid period."""
    session_id: str | None = None
    checkout_url: str | None = None
    ref: str | None = None
    """The gateway's id of the subscription."""
    customer: str | None = None
    """The gateway's id of the customer."""
    order: Order | None = None
    """Stored before the gateway is called, and until the gateway has done it."""
    attempt: int = 1
    """Part of the gateway's idempotency key; incremented when the gateway has stored a failure."""
    version: int = 1
    next_check_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        return self.status in RUNNING

    @property
    def needs_gateway(self) -> bool:
        """Whether its next step asks the gateway."""
        if self.gateway == TEST_GATEWAY:
            return False
        return self.order is not None or self.status is not SubscriptionStatus.CANCELED


class SubscriptionItem(SalvagedItem, DueItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    subscription_id = UnicodeAttribute(range_key=True, attr_name="subscriptionId")
    gateway = UnicodeAttribute()
    plan = UnicodeAttribute()
    status = UnicodeAttribute()
    created_at = UnicodeAttribute(attr_name="createdAt")
    currency = UnicodeAttribute()
    amount_minor = NumberAttribute(attr_name="amountMinor")
    started_at = UnicodeAttribute(null=True, attr_name="startedAt")
    ends_at = UnicodeAttribute(null=True, attr_name="endsAt")
    session_id = UnicodeAttribute(null=True, attr_name="sessionId")
    checkout_url = UnicodeAttribute(null=True, attr_name="checkoutUrl")
    ref = UnicodeAttribute(null=True)
    customer = UnicodeAttribute(null=True)
    order = UnicodeAttribute(null=True)
    attempt = NumberAttribute(null=True)
    version = NumberAttribute(default=1)
    creation = UnicodeAttribute(null=True, attr_name="by")
    """The operation that created the record, by which a repeated request is recognized forever."""
    due = due_index()


Found = tuple[Subscription, str | None]
"""A subscription and the operation that created it."""


def months_after(start: datetime, months: int) -> datetime:
    """The same day and time that many months later, or the last day of a shorter month."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def find_subscription(account_id: str, subscription_id: str) -> Found | None:
    """Raises: Unreadable."""
    if not is_id(subscription_id, SUBSCRIPTION_PREFIX):
        return None
    try:
        item = SubscriptionItem.get(account_id, subscription_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, to_subscription), item.creation


def list_subscriptions(account_id: str) -> list[Subscription]:
    """All subscriptions of an account that can be read, in no order."""
    return read_all(SubscriptionItem.query(account_id, consistent_read=True), to_subscription)


def list_due(until: datetime, *, limit: int, shard: str = ONE_SHARD) -> list[Due]:
    """Items (account id, subscription id) that are due by ``until``."""
    return list_due_items(SubscriptionItem.due, until, limit=limit, shard=shard)


def create_write(subscription: Subscription, *, operation: str) -> Write:
    return put(
        _to_item(subscription, operation, creation=operation),
        condition=SubscriptionItem.subscription_id.does_not_exist(),
        refused=KeyReused("the key was used for another subscription"),
    )


def save_write(found: Found, after: Subscription, *, operation: str) -> Write:
    """Save the changed record, if it did not change since it was read."""
    before, creation = found
    moved = replace(after, version=before.version + 1)
    return put(
        _to_item(moved, operation, creation=creation),
        condition=SubscriptionItem.version == before.version,
        refused=_MOVED_ON,
    )


def to_subscription(item: SubscriptionItem) -> Subscription:
    # ``checked`` refuses other words.
    gateway: Any = item.gateway
    order: Any = item.order
    subscription = Subscription(
        subscription_id=item.subscription_id,
        account_id=item.account_id,
        gateway=gateway,
        plan=item.plan,
        status=SubscriptionStatus(item.status),
        created_at=from_iso(item.created_at),
        currency=item.currency,
        amount_minor=whole(item.amount_minor),
        started_at=from_iso(item.started_at) if item.started_at else None,
        ends_at=from_iso(item.ends_at) if item.ends_at else None,
        session_id=item.session_id,
        checkout_url=item.checkout_url,
        ref=item.ref,
        customer=item.customer,
        order=order,
        attempt=1 if item.attempt is None else whole(item.attempt),
        version=whole(item.version),
        next_check_at=due_moment(item),
    )
    return checked(subscription)


def _to_item(
    subscription: Subscription, operation: str, *, creation: str | None
) -> SubscriptionItem:
    started_at, ends_at = subscription.started_at, subscription.ends_at
    return SubscriptionItem(
        subscription.account_id,
        subscription.subscription_id,
        gateway=subscription.gateway,
        plan=subscription.plan,
        status=subscription.status.value,
        created_at=to_iso(subscription.created_at),
        currency=subscription.currency,
        amount_minor=subscription.amount_minor,
        started_at=None if started_at is None else to_iso(started_at),
        ends_at=None if ends_at is None else to_iso(ends_at),
        session_id=subscription.session_id,
        checkout_url=subscription.checkout_url,
        ref=subscription.ref,
        customer=subscription.customer,
        order=subscription.order,
        attempt=None if subscription.attempt == 1 else subscription.attempt,
        version=subscription.version,
        creation=creation,
        **due_fields(
            subscription.next_check_at,
            shard=ONE_SHARD if subscription.needs_gateway else LOCAL_SHARD,
        ),
        operation=operation,
    )
