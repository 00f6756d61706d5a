"""Two counters per account: the bytes that it stores, and its files that are being uploaded.

They change only in the transaction that changes an asset or a usage record, by the amounts of that
item. So at every moment they equal the sums over the account's assets and records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from darkroom.db.damage import DAMAGE, read_or, report_unreadable
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import RawItem, Write, update
from darkroom.kernel.errors import ConcurrentUpdate, CountersDamaged, DarkroomError
from darkroom.kernel.shapes import whole
from darkroom.plans import model
from darkroom.plans.model import limits_of

STORAGE = "storage"


class StorageItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    counter = UnicodeAttribute(range_key=True)
    used_bytes = NumberAttribute(null=True, attr_name="usedBytes")
    open_uploads = NumberAttribute(null=True, attr_name="openUploads")
    version = NumberAttribute(null=True)
    """How many times the counters changed; a recount is for one of them."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    used_bytes: int = 0
    open_uploads: int = 0
    version: int = field(default=0, compare=False)


def find_stored(account_id: str) -> Stored:
    """The counters of the account; zero if it never uploaded, or they are damaged."""
    try:
        item = StorageItem.get(account_id, STORAGE, consistent_read=True)
    except Model.DoesNotExist:
        return Stored()
    return read_or(item, stored_of, Stored())


def stored_of(item: StorageItem) -> Stored:
    return Stored(
        used_bytes=whole(item.used_bytes or 0),
        open_uploads=whole(item.open_uploads or 0),
        version=whole(item.version or 0),
    )


def take_write(
    account_id: str,
    *,
    plan: str,
    used_bytes: int,
    uploads: int,
    needed_bytes: int,
    needed_uploads: int,
) -> Write:
    """Add to the counters if ``needed_bytes`` and ``needed_uploads`` fit into the plan.

    The write is refused with PlanLimit. It cannot recognize that an earlier attempt of the same
    transaction succeeded; the other writes of the upload do.
    """
    limits = limits_of(plan)
    most_bytes = limits.storage_bytes - needed_bytes
    most_uploads = limits.concurrent_uploads - needed_uploads

    def refused(stored: RawItem | None) -> DarkroomError:
        try:
            open_uploads, stored_bytes = (
                _counted(stored, "openUploads"),
                _counted(stored, "usedBytes"),
            )
        except DAMAGE:
            return _damaged(stored)
        if open_uploads > most_uploads:
            return model.uploads_limit(plan, open_uploads=open_uploads, more=needed_uploads)
        return model.storage_limit(plan, used_bytes=stored_bytes, more_bytes=needed_bytes)

    item = StorageItem
    # An account that has never uploaded has no counter; then only the new files must fit.
    if most_bytes < 0 or most_uploads < 0:
        fits: Any = item.counter.exists() & item.counter.does_not_exist()
    else:
        fits = (
            _can_count()
            & (item.used_bytes.does_not_exist() | (item.used_bytes <= most_bytes))
            & (item.open_uploads.does_not_exist() | (item.open_uploads <= most_uploads))
        )
    return update(
        StorageItem(account_id, STORAGE),
        [
            item.used_bytes.add(used_bytes),
            item.open_uploads.add(uploads),
            item.version.add(1),
        ],
        condition=fits,
        refused=refused,
    )


def count_write(account_id: str, *, used_bytes: int, uploads: int) -> Write:
    """Add to the counters, or subtract, without regard to the plan."""

    return update(
        StorageItem(account_id, STORAGE),
        [
            StorageItem.used_bytes.add(used_bytes),
            StorageItem.open_uploads.add(uploads),
            StorageItem.version.add(1),
        ],
        condition=_can_count(),
        refused=_damaged,
    )


def _can_count() -> Condition:
    """DynamoDB refuses to add to what is no number, with an error that has no code of ours."""
    used, uploads, version = StorageItem.used_bytes, StorageItem.open_uploads, StorageItem.version
    can_count: Condition = (
        (used.does_not_exist() | used.is_type())
        & (uploads.does_not_exist() | uploads.is_type())
        & (version.does_not_exist() | version.is_type())
    )
    return can_count


def recounted_write(account_id: str, *, actual: Stored, operation: str) -> Write:
    """Replace the counters by a recount, if they did not change since its version; a damaged item
    is replaced as it is."""
    item = StorageItem
    unchanged: Any = item.version == actual.version
    if actual.version == 0:
        unchanged = item.version.does_not_exist()
    return update(
        StorageItem(account_id, STORAGE),
        [
            item.used_bytes.set(actual.used_bytes),
            item.open_uploads.set(actual.open_uploads),
            item.version.set(actual.version + 1),
        ],
        condition=unchanged | (item.version.exists() & ~item.version.is_type()),
        refused=ConcurrentUpdate("the counters have changed"),
        operation=operation,
    )


def _counted(stored: RawItem | None, name: str) -> int:
    held = (stored or {}).get(name, {"N": "0"})
    return whole(float(held["N"]))


def _damaged(stored: RawItem | None) -> DarkroomError:
    account_id = (stored or {}).get("accountId", {}).get("S", "")
    report_unreadable(account_id, STORAGE, ("usedBytes", "openUploads", "version"))
    return CountersDamaged("the account's counters are damaged")
