"""Requests for an export, in the table of the account's counters. They expire with their zip.

Whether an export is ready is not stored here: the zip in the storage says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.db.damage import read_item
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import AlreadyHappened, DarkroomError
from darkroom.kernel.limits import EXPORT_AGAIN_SECONDS, EXPORT_LIFE_DAYS, EXPORT_SEND_SECONDS
from darkroom.kernel.shapes import checked, whole

EXPORT = "export"


class ExportItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    counter = UnicodeAttribute(range_key=True)
    """``export``: an account has one at a time."""
    export_id = UnicodeAttribute(attr_name="exportId")
    requested_at = UnicodeAttribute(attr_name="requestedAt")
    sent_at = NumberAttribute(attr_name="sentAt")
    """Unix seconds of the last message to the worker."""
    expires_at = NumberAttribute(attr_name="expiresAt")


@dataclass(frozen=True, kw_only=True)
class AccountExport:
    account_id: str
    export_id: str
    requested_at: datetime
    expires_at: datetime


class AlreadyRequested(DarkroomError):
    """Not a failure: the export that was requested before."""

    def __init__(self, export_id: str) -> None:
        super().__init__()
        self.export_id = export_id


def find_export(account_id: str, *, now: datetime) -> AccountExport | None:
    """The account's export, unless it has expired. Raises: Unreadable."""
    try:
        item = ExportItem.get(account_id, EXPORT, consistent_read=True)
    except Model.DoesNotExist:
        return None
    export = read_item(item, to_export)
    return export if export.expires_at > now else None


def request_write(account_id: str, *, export_id: str, now: datetime) -> Write:
    """Request an export; refused with AlreadyRequested if there was another a short time ago."""

    def refused(stored: RawItem | None) -> DarkroomError:
        return AlreadyRequested((stored or {}).get("exportId", {}).get("S", export_id))

    item = ExportItem(
        account_id,
        EXPORT,
        export_id=export_id,
        requested_at=to_iso(now),
        sent_at=to_epoch_seconds(now),
        expires_at=to_epoch_seconds(now + timedelta(days=EXPORT_LIFE_DAYS)),
    )
    long_ago = to_iso(now - timedelta(seconds=EXPORT_AGAIN_SECONDS))
    free = ExportItem.counter.does_not_exist() | (ExportItem.requested_at <= long_ago)
    return put(item, condition=free, refused=refused)


def send_again_write(export: AccountExport, *, now: datetime) -> Write:
    """Count a further message to the worker; refused with AlreadyHappened if one was sent a moment
    ago."""
    seconds = to_epoch_seconds(now)
    return update(
        ExportItem(export.account_id, EXPORT),
        [ExportItem.sent_at.set(seconds)],
        condition=(ExportItem.export_id == export.export_id)
        & (ExportItem.sent_at <= seconds - EXPORT_SEND_SECONDS),
        refused=AlreadyHappened("the worker has its message"),
    )


def to_export(item: ExportItem) -> AccountExport:
    export = AccountExport(
        account_id=item.account_id,
        export_id=item.export_id,
        requested_at=from_iso(item.requested_at),
        expires_at=datetime.fromtimestamp(whole(item.expires_at), UTC),
    )
    return checked(export)
