"""Purchase records: our own word on what was bought, for how many credits and how much money."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.due import Due, DueItem, due_fields, due_index, due_moment, list_due_items
from darkroom.db.writes import RawItem, Write, put
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import ConcurrentUpdate, DarkroomError, Unprocessable


class PurchaseStatus(StrEnum):
    PENDING = "pending"
    SETTLED = "settled"
    """Its credits are in the wallet (and may have been reversed since)."""
    FAILED = "failed"
    """The payment can no longer succeed."""
    MISMATCHED = "mismatched"
    """What was paid is not what was asked for: an operator has to look."""


@dataclass(frozen=True, kw_only=True)
class Purchase:
    purchase_id: str
    account_id: str
    gateway: str
    """``test`` or ``stripe``."""
    status: PurchaseStatus
    credits: int
    pack: str | None
    created_at: datetime
    currency: str | None = None
    """ISO 4217, upper case; None with the test gateway."""
    amount_minor: int | None = None
    """The price in the currency's smallest unit."""
    session_id: str | None = None
    checkout_url: str | None = None
    payment_id: str | None = None
    reversals: dict[str, int] = field(default_factory=dict)
    """Cause → credits taken back (negative: given back again)."""
    version: int = 1
    next_check_at: datetime | None = None
    """When the sweeper derives its projections again, should they have been lost."""

    @property
    def reversed_credits(self) -> int:
        return sum(self.reversals.values())


class PurchaseItem(DueItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    purchase_id = UnicodeAttribute(range_key=True, attr_name="purchaseId")
    gateway = UnicodeAttribute()
    status = UnicodeAttribute()
    credits = NumberAttribute()
    pack = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute(attr_name="createdAt")
    currency = UnicodeAttribute(null=True)
    amount_minor = NumberAttribute(null=True, attr_name="amountMinor")
    session_id = UnicodeAttribute(null=True, attr_name="sessionId")
    checkout_url = UnicodeAttribute(null=True, attr_name="checkoutUrl")
    payment_id = UnicodeAttribute(null=True, attr_name="paymentId")
    reversals = UnicodeAttribute(null=True)
    version = NumberAttribute(default=1)
    creation = UnicodeAttribute(null=True, attr_name="by")
    """The operation that made the record: recognises a repeated request for ever."""
    due = due_index()


def find_purchase(account_id: str, purchase_id: str) -> tuple[Purchase, str | None] | None:
    """The purchase and the operation that created it."""
    try:
        item = PurchaseItem.get(account_id, purchase_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return to_purchase(item), item.creation


def list_purchases(account_id: str) -> list[Purchase]:
    """All purchases of an account, newest first."""
    purchases = [to_purchase(item) for item in PurchaseItem.query(account_id)]
    return sorted(purchases, key=lambda purchase: purchase.created_at, reverse=True)


def all_purchases(account_id: str) -> list[Purchase]:
    """All purchases of an account, consistently. For audits."""
    return [to_purchase(item) for item in PurchaseItem.query(account_id, consistent_read=True)]


def list_due(until: datetime, *, limit: int) -> list[Due]:
    """Items (account id, purchase id) that should have been looked at by ``until``."""
    return list_due_items(PurchaseItem.due, until, limit=limit)


def create_write(purchase: Purchase, operation: str) -> Write:
    def refused(stored: RawItem | None) -> DarkroomError:
        return Unprocessable("the key was used for another purchase", code="IDEMPOTENCY_MISMATCH")

    item = _to_item(purchase, operation, creation=operation)
    return put(item, condition=PurchaseItem.purchase_id.does_not_exist(), refused=refused)


def save_write(before: Purchase, after: Purchase, operation: str, *, creation: str | None) -> Write:
    """The record as it will be, if it still is as it was read."""

    def refused(stored: RawItem | None) -> DarkroomError:
        return ConcurrentUpdate("the purchase has moved on")

    moved = replace(after, version=before.version + 1)
    item = _to_item(moved, operation, creation=creation)
    return put(item, condition=PurchaseItem.version == before.version, refused=refused)


def to_purchase(item: PurchaseItem) -> Purchase:
    return Purchase(
        purchase_id=item.purchase_id,
        account_id=item.account_id,
        gateway=item.gateway,
        status=PurchaseStatus(item.status),
        credits=int(item.credits),
        pack=item.pack,
        created_at=from_iso(item.created_at),
        currency=item.currency,
        amount_minor=None if item.amount_minor is None else int(item.amount_minor),
        session_id=item.session_id,
        checkout_url=item.checkout_url,
        payment_id=item.payment_id,
        reversals=json.loads(item.reversals or "{}"),
        version=int(item.version),
        next_check_at=due_moment(item),
    )


def _to_item(purchase: Purchase, operation: str, *, creation: str | None) -> PurchaseItem:
    return PurchaseItem(
        purchase.account_id,
        purchase.purchase_id,
        gateway=purchase.gateway,
        status=purchase.status.value,
        credits=purchase.credits,
        pack=purchase.pack,
        created_at=to_iso(purchase.created_at),
        currency=purchase.currency,
        amount_minor=purchase.amount_minor,
        session_id=purchase.session_id,
        checkout_url=purchase.checkout_url,
        payment_id=purchase.payment_id,
        reversals=json.dumps(purchase.reversals, separators=(",", ":"))
        if purchase.reversals
        else None,
        version=purchase.version,
        creation=creation,
        **due_fields(purchase.next_check_at),
        operation=operation,
    )
