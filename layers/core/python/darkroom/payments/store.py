"""Purchase records: our own word on what was bought, for how many credits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.items import BaseItem
from darkroom.db.writes import RawItem, Write, put
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import DarkroomError, Unprocessable


@dataclass(frozen=True, kw_only=True)
class Purchase:
    purchase_id: str
    account_id: str
    gateway: str
    status: str
    """``settled`` (credits are in the wallet)."""
    credits: int
    pack: str | None
    created_at: datetime


class PurchaseItem(BaseItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    purchase_id = UnicodeAttribute(range_key=True, attr_name="purchaseId")
    gateway = UnicodeAttribute()
    status = UnicodeAttribute()
    credits = NumberAttribute()
    pack = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute(attr_name="createdAt")


def find_purchase(account_id: str, purchase_id: str) -> tuple[Purchase, str | None] | None:
    """The purchase and the operation that wrote it."""
    try:
        item = PurchaseItem.get(account_id, purchase_id, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return to_purchase(item), item.operation


def list_purchases(account_id: str) -> list[Purchase]:
    """All purchases of an account, newest first."""
    purchases = [to_purchase(item) for item in PurchaseItem.query(account_id)]
    return sorted(purchases, key=lambda purchase: purchase.created_at, reverse=True)


def create_write(purchase: Purchase, operation: str) -> Write:
    def refused(stored: RawItem | None) -> DarkroomError:
        return Unprocessable("the key was used for another purchase", code="IDEMPOTENCY_MISMATCH")

    item = PurchaseItem(
        purchase.account_id,
        purchase.purchase_id,
        gateway=purchase.gateway,
        status=purchase.status,
        credits=purchase.credits,
        pack=purchase.pack,
        created_at=to_iso(purchase.created_at),
        operation=operation,
    )
    return put(item, condition=PurchaseItem.purchase_id.does_not_exist(), refused=refused)


def to_purchase(item: PurchaseItem) -> Purchase:
    return Purchase(
        purchase_id=item.purchase_id,
        account_id=item.account_id,
        gateway=item.gateway,
        status=item.status,
        credits=int(item.credits),
        pack=item.pack,
        created_at=from_iso(item.created_at),
    )
