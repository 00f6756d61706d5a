"""Counters of analytics, and the marks of units that were counted once.

A counter's key is its kind, month and one of ``COUNTER_SHARDS`` numbers; within it, day and key.
So a busy day writes to several keys, and a period is read with so many queries for each month,
however many events it had.

All of it derives from the log. It belongs to an epoch: a rebuild counts the log into the next one
while readers still see this one.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from darkroom.analytics.model import Count, CounterKind, FirstTime
from darkroom.db.damage import read_all, read_or
from darkroom.db.items import SalvagedItem
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import AlreadyHappened, ConcurrentUpdate, DarkroomError
from darkroom.kernel.limits import CLIENT_EVENTS_PER_DAY_LIMIT, COUNTER_SHARDS
from darkroom.kernel.shapes import whole

EPOCH_KEY: Final = "epoch"
FIRST_EPOCH: Final = 1
_LONE: Final = "-"
_COUNTED = ConcurrentUpdate("this unit was counted a moment ago")


class CounterItem(SalvagedItem):
    """The counters of one key on one day, or of all time."""

    class Meta:
        table_name = "unbound"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    confirmed = NumberAttribute(null=True)
    done = NumberAttribute(null=True)
    failed = NumberAttribute(null=True)
    canceled = NumberAttribute(null=True)
    latency_ms = NumberAttribute(null=True, attr_name="latencyMs")
    upgrades = NumberAttribute(null=True)
    shares = NumberAttribute(null=True)
    views = NumberAttribute(null=True)
    regenerations = NumberAttribute(null=True)
    upgrade_jobs = NumberAttribute(null=True, attr_name="upgradeJobs")
    share_jobs = NumberAttribute(null=True, attr_name="shareJobs")
    view_jobs = NumberAttribute(null=True, attr_name="viewJobs")
    regenerate_jobs = NumberAttribute(null=True, attr_name="regenerateJobs")
    accounts = NumberAttribute(null=True)
    upgrade_accounts = NumberAttribute(null=True, attr_name="upgradeAccounts")
    share_accounts = NumberAttribute(null=True, attr_name="shareAccounts")
    view_accounts = NumberAttribute(null=True, attr_name="viewAccounts")
    regenerate_accounts = NumberAttribute(null=True, attr_name="regenerateAccounts")
    jobs = NumberAttribute(null=True)
    credits = NumberAttribute(null=True)
    cost_nanos = NumberAttribute(null=True, attr_name="costNanos")
    started = NumberAttribute(null=True)
    succeeded = NumberAttribute(null=True)
    uploads_failed = NumberAttribute(null=True, attr_name="uploadsFailed")
    queued = NumberAttribute(null=True)
    running = NumberAttribute(null=True)


class MarkItem(SalvagedItem):
    """What was counted of a unit (a job, or an account with a template), each kind once; or the
    events of an account's client on one day; or the epoch. It names accounts only by a digest."""

    class Meta:
        table_name = "unbound"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    accounts = BooleanAttribute(null=True)
    upgrade = BooleanAttribute(null=True)
    share = BooleanAttribute(null=True)
    view = BooleanAttribute(null=True)
    regenerate = BooleanAttribute(null=True)
    number = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True, attr_name="expiresAt")
    """Unix seconds; the table's TTL."""


ITEM_CLASSES: Final = (CounterItem, MarkItem)
COUNTERS: Final[Mapping[str, Any]] = {
    attribute.attr_name: attribute
    for attribute in CounterItem.get_attributes().values()
    if isinstance(attribute, NumberAttribute) and attribute.attr_name != "sv"
}
_FLAGS: Final[Mapping[str, Any]] = {
    attribute.attr_name: attribute
    for attribute in MarkItem.get_attributes().values()
    if isinstance(attribute, BooleanAttribute)
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """The counters of one key on one day (None: of all time)."""

    key: str
    day: str | None
    counts: Mapping[str, int]


# Epochs


def find_epoch() -> int:
    """The epoch that events are counted in and that readers see."""
    try:
        item = MarkItem.get(EPOCH_KEY, _LONE, consistent_read=True)
    except Model.DoesNotExist:
        return FIRST_EPOCH
    return read_or(item, lambda found: whole(found.number), FIRST_EPOCH)


def epoch_write(epoch: int) -> Write:
    return put(MarkItem(EPOCH_KEY, _LONE, number=epoch))


# Writes


def count_writes(counts: Iterable[Count], *, epoch: int, spread: str) -> list[Write]:
    """Add to the counters, in one write for each item. ``spread`` is the event's id."""
    added: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for count in counts:
        for name, number in count.added.items():
            added[_counter_key(count, epoch=epoch, spread=spread)][name] += number
    return [
        update(
            CounterItem(pk, sk), [COUNTERS[name].add(number) for name, number in numbers.items()]
        )
        for (pk, sk), numbers in added.items()
    ]


def find_first_times(candidates: Sequence[FirstTime], *, epoch: int) -> list[FirstTime]:
    """Those of the candidates that are not counted yet."""
    found = []
    for candidate in candidates:
        try:
            mark = MarkItem.get(_mark_key(candidate.unit, epoch), _LONE, consistent_read=True)
        except Model.DoesNotExist:
            found.append(candidate)
            continue
        # A damaged flag is one that was set: nothing ever removes a flag.
        is_damaged = candidate.flag in mark.unreadable
        if not is_damaged and not mark.attribute_values.get(_python_name(candidate.flag)):
            found.append(candidate)
    return found


def mark_write(first_time: FirstTime, *, epoch: int, expires_at: datetime) -> Write:
    """Mark the unit as counted. Refused with ConcurrentUpdate if it is already."""
    flag = _FLAGS[first_time.flag]
    return update(
        MarkItem(_mark_key(first_time.unit, epoch), _LONE),
        [flag.set(True), MarkItem.expires_at.set(to_epoch_seconds(expires_at))],
        condition=flag.does_not_exist(),
        refused=_COUNTED,
    )


class DayIsFull(AlreadyHappened):
    """The account's client has sent as many events today as it may."""


def client_events_write(account_id: str, *, number: int, now: datetime, operation: str) -> Write:
    """Count events that a client sends.

    Refused with DayIsFull if they do not fit into the account's day, and with AlreadyHappened if
    this operation has counted them.
    """

    def refused(stored: RawItem | None) -> DarkroomError:
        if (stored or {}).get("op", {}).get("S") == operation:
            return AlreadyHappened("recorded by an earlier request")
        return DayIsFull("too many events today")

    item = MarkItem(f"client#{_digest(account_id)}#{now:%Y-%m-%d}", _LONE)
    most = CLIENT_EVENTS_PER_DAY_LIMIT - number
    fits: Any = MarkItem.number.does_not_exist() | (MarkItem.number <= most)
    is_new: Any = MarkItem.operation.does_not_exist() | (MarkItem.operation != operation)
    return update(
        item,
        [
            MarkItem.number.add(number),
            MarkItem.expires_at.set(to_epoch_seconds(now + timedelta(days=2))),
        ],
        condition=fits & is_new,
        refused=refused,
        operation=operation,
    )


# Reads


def list_rows(kind: CounterKind, *, first: date, last: date, epoch: int) -> list[Row]:
    """The counters of a kind from the first day to the last, both included; one row for each key
    and day of each shard."""
    found: list[Row] = []
    for month in _months(first, last):
        for shard in range(COUNTER_SHARDS):
            items = CounterItem.query(
                f"{epoch}#{kind}#{month}#{shard}",
                CounterItem.sk.between(f"{first.isoformat()}#", f"{last.isoformat()}$"),
            )
            found += read_all(items, _row)
    return found


def list_totals(kind: CounterKind, *, epoch: int) -> list[Row]:
    """The counters of a kind that are of all time."""
    found: list[Row] = []
    for shard in range(COUNTER_SHARDS):
        found += read_all(CounterItem.query(f"{epoch}#{kind}##{shard}"), _row)
    return found


def _row(item: CounterItem) -> Row:
    day, _, key = item.sk.partition("#")
    counts = {
        name: whole(number)
        for name in COUNTERS
        if (number := getattr(item, _python_name(name))) is not None
    }
    if any(number < 0 for number in counts.values()):
        raise ValueError("a counter below zero")
    return Row(key=key, day=day or None, counts=counts)


def _counter_key(count: Count, *, epoch: int, spread: str) -> tuple[str, str]:
    # There are many templates, so each may have its own place. Of the other kinds there are few
    # keys, which all events share.
    spread = count.key if count.kind in ("template", "experiment") else spread
    shard = zlib.crc32(spread.encode()) % COUNTER_SHARDS
    month = (count.day or "")[:7]
    return f"{epoch}#{count.kind}#{month}#{shard}", f"{count.day or ''}#{count.key}"


def _mark_key(unit: str, epoch: int) -> str:
    kind, _, rest = unit.partition("#")
    return f"{epoch}#{kind}#{_digest(rest)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _months(first: date, last: date) -> Iterator[str]:
    month = first.replace(day=1)
    while month <= last:
        yield f"{month:%Y-%m}"
        month = (month + timedelta(days=32)).replace(day=1)


_PYTHON_NAMES: Final = {
    attribute.attr_name: name
    for item_class in ITEM_CLASSES
    for name, attribute in item_class.get_attributes().items()
}


def _python_name(stored: str) -> str:
    return _PYTHON_NAMES[stored]
