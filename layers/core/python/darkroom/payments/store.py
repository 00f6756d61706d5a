"""Purchase records: what was bought, for how many credits and how much money."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
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
from darkroom.kernel.errors import ConcurrentUpdate, KeyReused, Unreadable
from darkroom.kernel.shapes import checked, whole, whole_or_none


class PurchaseStatus(StrEnum):
    PENDING = "pending"
    SETTLED = "settled"
    """Its credits were added to the wallet (and may have been reversed since)."""
    FAILED = "failed"
    """The payment can no longer succeed."""
    MISMATCHED = "mismatched"
    """The paid amount is not that of the record: an operator decides."""
    REFUNDING = "refunding"
    """The operator decided to refund the payment; the gateway has not confirmed it yet."""
    REFUNDED = "refunded"
    """The mismatched payment was returned to the customer."""


PAID = frozenset(
    {
        PurchaseStatus.SETTLED,
        PurchaseStatus.MISMATCHED,
        PurchaseStatus.REFUNDING,
        PurchaseStatus.REFUNDED,
    }
)
"""States of a purchase that belongs to its payment."""
POLL_SHARD = "poll"
"""Partition of the ``due`` index for purchases that are only polled in case a webhook was lost.
They never delay a purchase with an open step."""
GatewayName = Literal["test", "stripe"]
TEST_GATEWAY: Final = "test"
"""It adds credits without taking money."""
DecisionAction = Literal["accept", "refund"]
_MOVED_ON = ConcurrentUpdate("the purchase has moved on")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An operator's decision about a mismatched payment."""

    action: DecisionAction
    reason: str
    by: str
    """The operator's account."""
    at: datetime
    operation: str
    """The deciding request, by which a repeat is recognized forever."""
    credits: int | None = None
    """With ``accept``: how many credits the payment buys."""
    outcome: str | None = None
    """With ``refund``: why the gateway refused; the purchase then awaits a new decision."""


@dataclass(frozen=True, kw_only=True)
class Purchase:
    purchase_id: str
    account_id: str
    gateway: str
    """One of ``GatewayName``."""
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
    """Cause → credits taken back (negative: restored)."""
    paid_minor: int | None = None
    """The paid amount, if it differs from the record's."""
    paid_currency: str | None = None
    duplicate_of: str | None = None
    """The purchase that this payment was made for, after another payment had paid it."""
    decisions: tuple[Decision, ...] = ()
    attempt: int = 1
    """Part of the gateway's idempotency key; incremented when the gateway has stored a failure."""
    version: int = 1
    """0 while the record is not stored."""
    next_check_at: datetime | None = None
    """When the sweeper checks it again, in case a stream record or a webhook was lost."""
    is_poll: bool = False
    """The check is only for a lost webhook; no step is known to be open."""

    @property
    def reversed_credits(self) -> int:
        return sum(self.reversals.values())


class ByStatus(GlobalSecondaryIndex[Any]):
    """Purchases of all accounts by their state, for operators."""

    class Meta:
        index_name = "byStatus"
        projection = KeysOnlyProjection()

    status = UnicodeAttribute(hash_key=True)
    created_at = UnicodeAttribute(range_key=True, attr_name="createdAt")


class PurchaseItem(SalvagedItem, DueItem):
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
    paid_minor = NumberAttribute(null=True, attr_name="paidMinor")
    paid_currency = UnicodeAttribute(null=True, attr_name="paidCurrency")
    duplicate_of = UnicodeAttribute(null=True, attr_name="duplicateOf")
    decisions = UnicodeAttribute(null=True)
    """JSON, oldest first."""
    attempt = NumberAttribute(null=True)
    version = NumberAttribute(default=1)
    creation = UnicodeAttribute(null=True, attr_name="by")
    """The operation that created the record, by which a repeated request is recognized forever."""
    due = due_index()
    by_status = ByStatus()


def find_purchase(account_id: str, purchase_id: str) -> tuple[Purchase, str | None] | None:
    """The purchase and the operation that created it.

    Raises:
        Unreadable.
    """
    try:
        item = PurchaseItem.get(account_id, purchase_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, to_purchase), item.creation


def list_purchases(account_id: str) -> list[Purchase]:
    """All purchases of an account, newest first."""
    purchases = read_all(PurchaseItem.query(account_id), to_purchase)
    return sorted(purchases, key=lambda purchase: purchase.created_at, reverse=True)


def all_purchases(account_id: str) -> list[Purchase]:
    """All purchases of an account, read consistently. For audits."""
    return read_all(PurchaseItem.query(account_id, consistent_read=True), to_purchase)


def page_purchases(
    account_id: str, *, status: PurchaseStatus | None, limit: int, after: str | None
) -> tuple[list[Purchase], str | None]:
    """Purchases of an account by id, and the id after which the next page starts."""
    found = PurchaseItem.query(
        account_id,
        filter_condition=None if status is None else PurchaseItem.status == status.value,
        limit=limit,
        last_evaluated_key=None if after is None else _key(account_id, after),
        consistent_read=True,
        attributes_to_get=["accountId", "purchaseId"],
    )
    purchases = list(_readable([(account_id, item.purchase_id) for item in found]))
    last = found.last_evaluated_key
    return purchases, None if last is None else last["purchaseId"]["S"]


def page_by_status(
    status: PurchaseStatus, *, limit: int, after: dict[str, Any] | None
) -> tuple[list[Purchase], dict[str, Any] | None]:
    """Purchases of all accounts in one state, oldest first, and the position of the next page.

    The index is eventually consistent. A purchase that has left the state is left out, so a page
    may be short.
    """
    found = PurchaseItem.by_status.query(
        status.value, limit=limit, page_size=limit, last_evaluated_key=after
    )
    keys = [(item.account_id, item.purchase_id) for item in found]
    purchases = [purchase for purchase in _readable(keys) if purchase.status is status]
    return purchases, found.last_evaluated_key


def _readable(keys: Sequence[tuple[str, str]]) -> Iterator[Purchase]:
    """The readable purchases with these keys; the auditor reports the others."""
    for account_id, purchase_id in keys:
        try:
            found = find_purchase(account_id, purchase_id)
        except Unreadable:
            continue
        if found is not None:
            yield found[0]


def list_due(until: datetime, *, limit: int, shard: str = ONE_SHARD) -> list[Due]:
    """Items (account id, purchase id) that are due by ``until``."""
    return list_due_items(PurchaseItem.due, until, limit=limit, shard=shard)


def create_write(purchase: Purchase, *, operation: str) -> Write:
    item = _to_item(purchase, operation, creation=operation)
    return put(
        item,
        condition=PurchaseItem.purchase_id.does_not_exist(),
        refused=KeyReused("the key was used for another purchase"),
    )


def save_write(before: Purchase, after: Purchase, *, operation: str, creation: str | None) -> Write:
    """Save the changed record, if it did not change since it was read (version 0: not stored)."""
    moved = replace(after, version=before.version + 1)
    item = _to_item(moved, operation, creation=creation)
    if before.version == 0:
        return put(item, condition=PurchaseItem.purchase_id.does_not_exist(), refused=_MOVED_ON)
    return put(item, condition=PurchaseItem.version == before.version, refused=_MOVED_ON)


def to_purchase(item: PurchaseItem) -> Purchase:
    purchase = Purchase(
        purchase_id=item.purchase_id,
        account_id=item.account_id,
        gateway=item.gateway,
        status=PurchaseStatus(item.status),
        credits=whole(item.credits),
        pack=item.pack,
        created_at=from_iso(item.created_at),
        currency=item.currency,
        amount_minor=whole_or_none(item.amount_minor),
        session_id=item.session_id,
        checkout_url=item.checkout_url,
        payment_id=item.payment_id,
        reversals=json.loads(item.reversals or "{}"),
        paid_minor=whole_or_none(item.paid_minor),
        paid_currency=item.paid_currency,
        duplicate_of=item.duplicate_of,
        decisions=tuple(_to_decision(shape) for shape in json.loads(item.decisions or "[]")),
        attempt=1 if item.attempt is None else whole(item.attempt),
        version=whole(item.version),
        next_check_at=due_moment(item),
        is_poll=item.due_shard == POLL_SHARD,
    )
    return checked(purchase)


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
        paid_minor=purchase.paid_minor,
        paid_currency=purchase.paid_currency,
        duplicate_of=purchase.duplicate_of,
        decisions=_decisions_to_json(purchase.decisions),
        attempt=None if purchase.attempt == 1 else purchase.attempt,
        version=purchase.version,
        creation=creation,
        **due_fields(purchase.next_check_at, shard=POLL_SHARD if purchase.is_poll else ONE_SHARD),
        operation=operation,
    )


def _to_decision(shape: Mapping[str, Any]) -> Decision:
    decision = Decision(
        action=shape["action"],
        reason=shape["reason"],
        by=shape["by"],
        at=from_iso(shape["at"]),
        operation=shape["op"],
        credits=shape.get("credits"),
        outcome=shape.get("outcome"),
    )
    return checked(decision)


def _decisions_to_json(decisions: Sequence[Decision]) -> str | None:
    shapes = [
        {
            "action": decision.action,
            "reason": decision.reason,
            "by": decision.by,
            "at": to_iso(decision.at),
            "op": decision.operation,
            **({} if decision.credits is None else {"credits": decision.credits}),
            **({} if decision.outcome is None else {"outcome": decision.outcome}),
        }
        for decision in decisions
    ]
    return json.dumps(shapes, ensure_ascii=False, separators=(",", ":")) if shapes else None


def _key(account_id: str, purchase_id: str) -> dict[str, dict[str, str]]:
    return {"accountId": {"S": account_id}, "purchaseId": {"S": purchase_id}}
