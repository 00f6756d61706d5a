"""Usage records and the monthly sums, in the table of the account's counters.

A record is written in the same transaction as the sum of its month, and is the proof that the job
is counted: a second count finds it, and adds only what has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from darkroom.db.damage import read_all, read_item, read_or, report_unreadable
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.kernel.clock import from_iso, to_iso
from darkroom.kernel.errors import (
    AlreadyHappened,
    ConcurrentUpdate,
    CountersDamaged,
    DarkroomError,
    Unreadable,
)
from darkroom.kernel.limits import USAGE_PAGE_ITEMS
from darkroom.kernel.shapes import checked, whole
from darkroom.usage.model import AMOUNTS, ENDINGS, Amounts, UsageRecord, month_of

MONTH_PREFIX, RECORD_PREFIX = "month#", "record#"
_MOVED_ON = ConcurrentUpdate("the usage has moved on")


class AmountsItem(SalvagedItem):
    """The attributes of records and sums; absent numbers are 0."""

    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    counter = UnicodeAttribute(range_key=True)
    jobs = NumberAttribute(null=True)
    failed = NumberAttribute(null=True)
    outputs = NumberAttribute(null=True, attr_name="outputCount")
    processing_ms = NumberAttribute(null=True, attr_name="processingMs")
    translation_ms = NumberAttribute(null=True, attr_name="translationMs")
    credits = NumberAttribute(null=True)
    cost_nanos = NumberAttribute(null=True, attr_name="costNanos")
    version = NumberAttribute(null=True)


class MonthItem(AmountsItem):
    """``month#2026-11``: the sum of the month's records."""

    class Meta:
        table_name = "unbound"

    announced = UnicodeSetAttribute(null=True)
    """Levels of limits that were announced in the month."""


class UsageRecordItem(AmountsItem):
    """``record#2026-11#<end>#<job id>``: what one job used."""

    class Meta:
        table_name = "unbound"

    job_id = UnicodeAttribute(attr_name="jobId")
    ended_at = UnicodeAttribute(attr_name="endedAt")
    recipe = UnicodeAttribute()
    status = UnicodeAttribute()
    asset_id = UnicodeAttribute(null=True, attr_name="assetId")
    output_bytes = NumberAttribute(null=True, attr_name="outputBytes")
    archive_bytes = NumberAttribute(null=True, attr_name="archiveBytes")


ITEM_CLASSES = (MonthItem, UsageRecordItem)


def find_month(account_id: str, month: str) -> Amounts:
    """The sum of a month; one read, however many jobs there were.

    Raises:
        Unreadable: the sum is damaged; ``rebuild_usage`` makes it again from the records.
    """
    return find_month_version(account_id, month)[0]


def find_month_version(account_id: str, month: str) -> tuple[Amounts, int]:
    """The sum of a month, and how many times it changed."""
    try:
        item = MonthItem.get(account_id, MONTH_PREFIX + month, consistent_read=True)
    except Model.DoesNotExist:
        return Amounts(), 0
    return read_item(item, to_month)


def find_record_of(
    account_id: str, *, job_id: str, ended_at: datetime | None
) -> UsageRecord | None:
    """The record of a job that ended then. Raises: Unreadable."""
    if ended_at is None:
        return None
    key = _key(job_id, ended_at)
    try:
        item = UsageRecordItem.get(account_id, key, consistent_read=True)
    except Model.DoesNotExist:
        return None
    return read_item(item, to_record)


def list_records(account_id: str, month: str = "") -> Iterator[UsageRecord]:
    """All readable records of a month, or of all months, the oldest first."""
    prefix = f"{RECORD_PREFIX}{month}#" if month else RECORD_PREFIX
    items = UsageRecordItem.query(
        account_id, UsageRecordItem.counter.startswith(prefix), consistent_read=True
    )
    for item in items:
        with suppress(Unreadable):
            yield read_item(item, to_record)


def page_records(
    account_id: str, month: str, *, limit: int, before: str | None = None
) -> tuple[list[UsageRecord], str | None]:
    """Records of a month, the newest first, and the position of the next page."""
    prefix = f"{RECORD_PREFIX}{month}#"
    start = None if before is None else _position(account_id, prefix + before)
    items = list(
        UsageRecordItem.query(
            account_id,
            UsageRecordItem.counter.startswith(prefix),
            scan_index_forward=False,
            last_evaluated_key=start,
            limit=limit + 1,
            page_size=min(limit + 1, USAGE_PAGE_ITEMS),
            consistent_read=True,
        )
    )
    page = items[:limit]
    position = page[-1].counter.removeprefix(prefix) if len(items) > limit else None
    return read_all(page, to_record), position


def count_writes(before: UsageRecord | None, after: UsageRecord, *, operation: str) -> list[Write]:
    """Store the record, and add what it has more than ``before`` to the sum of its month.

    Refused with ConcurrentUpdate if the record is not as it was read.
    """
    stored = replace(after, version=(before.version if before else 0) + 1)
    amounts = after.amounts - (before.amounts if before else Amounts())
    item = _to_item(stored, operation)
    if before is None:
        condition: Condition = UsageRecordItem.counter.does_not_exist()
    else:
        condition = UsageRecordItem.version == before.version
    writes = [put(item, condition=condition, refused=_MOVED_ON)]
    if amounts != Amounts():
        writes.append(_add_write(after.account_id, month_of(after.ended_at), amounts))
    return writes


def replace_month_write(
    account_id: str, month: str, amounts: Amounts, *, seen: int | None, operation: str
) -> Write:
    """Replace the sum of a month, if it did not change since version ``seen``; None replaces a
    damaged one as it is."""
    version = MonthItem.version
    if seen is None:
        condition: Any = version.does_not_exist() | ~version.is_type()
    else:
        condition = version == seen if seen else version.does_not_exist()
    return update(
        MonthItem(account_id, MONTH_PREFIX + month),
        [
            *(getattr(MonthItem, name).set(getattr(amounts, name)) for name in AMOUNTS),
            version.set((seen or 0) + 1),
        ],
        condition=condition,
        refused=_MOVED_ON,
        operation=operation,
    )


def find_announced(account_id: str, month: str) -> frozenset[str]:
    """The levels that were announced in the month; none where the item is damaged."""
    try:
        item = MonthItem.get(account_id, MONTH_PREFIX + month, consistent_read=True)
    except Model.DoesNotExist:
        return frozenset()
    return read_or(item, lambda found: frozenset(found.announced or ()), frozenset())


def announced_write(account_id: str, month: str, level: str) -> Write:
    """Note that the level was announced in the month; refused if it was."""
    announced = MonthItem.announced
    # An attribute of another type cannot be added to; the auditor names it.
    can_add: Any = announced.does_not_exist() | announced.is_type()
    return update(
        MonthItem(account_id, MONTH_PREFIX + month),
        [announced.add({level})],
        condition=can_add & ~announced.contains(level),
        refused=AlreadyHappened("already announced"),
    )


def to_record(item: UsageRecordItem) -> UsageRecord:
    if item.status not in ENDINGS:
        raise ValueError("no end of a job")
    record = UsageRecord(
        account_id=item.account_id,
        job_id=item.job_id,
        ended_at=from_iso(item.ended_at),
        recipe=item.recipe,
        status=item.status,
        asset_id=item.asset_id,
        amounts=amounts_of(item),
        output_bytes=whole(item.output_bytes or 0),
        archive_bytes=whole(item.archive_bytes or 0),
        version=whole(item.version),
    )
    return checked(record)


def amounts_of(item: AmountsItem) -> Amounts:
    return Amounts(**{name: whole(getattr(item, name) or 0) for name in AMOUNTS})


def to_month(item: MonthItem) -> tuple[Amounts, int]:
    return amounts_of(item), whole(item.version or 0)


def _add_write(account_id: str, month: str, amounts: Amounts) -> Write:
    added = {name: number for name, number in _numbers(amounts).items() if number}
    attributes = [*(getattr(MonthItem, name) for name in added), MonthItem.version]
    # DynamoDB refuses to add to what is no number, with an error that has no code of ours.
    can_add: Any = attributes[0].does_not_exist() | attributes[0].is_type()
    for attribute in attributes[1:]:
        can_add &= attribute.does_not_exist() | attribute.is_type()

    def damaged(_stored: RawItem | None) -> DarkroomError:
        report_unreadable(account_id, MONTH_PREFIX + month, tuple(added))
        return CountersDamaged("the account's counters are damaged")

    return update(
        MonthItem(account_id, MONTH_PREFIX + month),
        [
            *(getattr(MonthItem, name).add(number) for name, number in added.items()),
            MonthItem.version.add(1),
        ],
        condition=can_add,
        refused=damaged,
    )


def _to_item(record: UsageRecord, operation: str) -> UsageRecordItem:
    return UsageRecordItem(
        record.account_id,
        _key(record.job_id, record.ended_at),
        job_id=record.job_id,
        ended_at=to_iso(record.ended_at),
        recipe=record.recipe,
        status=record.status,
        asset_id=record.asset_id,
        output_bytes=record.output_bytes or None,
        archive_bytes=record.archive_bytes or None,
        version=record.version,
        operation=operation,
        **_numbers(record.amounts),
    )


def _numbers(amounts: Amounts) -> dict[str, Any]:
    return {name: getattr(amounts, name) or None for name in AMOUNTS}


def _key(job_id: str, ended_at: datetime) -> str:
    return f"{RECORD_PREFIX}{month_of(ended_at)}#{to_iso(ended_at)}#{job_id}"


def _position(account_id: str, counter: str) -> dict[str, dict[str, str]]:
    return {"accountId": {"S": account_id}, "counter": {"S": counter}}
