"""Counters of accounts: one item for each window, and one for what exists at the moment.

A counter changes only in the transaction of what it counts, with a condition on its limit, so
requests that race never pass it together. Writes here cannot recognize that an earlier attempt of
the same transaction succeeded; the other writes of the transaction do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from darkroom.db import commit_one
from darkroom.db.commit import snapshot
from darkroom.db.damage import DAMAGE, read_or, report_unreadable
from darkroom.db.items import BaseItem, SalvagedItem
from darkroom.db.writes import RawItem, Write, put, update
from darkroom.kernel.clock import to_epoch_seconds
from darkroom.kernel.errors import ConcurrentUpdate, CountersDamaged, DarkroomError
from darkroom.kernel.limits import COUNTERS_TTL_DAYS, RATES_TTL_SECONDS
from darkroom.kernel.money import NANOS
from darkroom.kernel.shapes import whole
from darkroom.limits import model
from darkroom.limits.model import DAY, HOUR, MONTH, OPEN, Policy, rate_key, window_key

MINUTE_MS = 60_000


class CounterItem(SalvagedItem):
    class Meta:
        table_name = "unbound"

    account_id = UnicodeAttribute(hash_key=True, attr_name="accountId")
    counter = UnicodeAttribute(range_key=True)
    expires_at = NumberAttribute(null=True, attr_name="expiresAt")
    # A minute, ten minutes, a ticket
    requests = NumberAttribute(null=True)
    generation = NumberAttribute(null=True)
    portraits = NumberAttribute(null=True)
    quotes = NumberAttribute(null=True)
    stream = NumberAttribute(null=True)
    # An hour
    upload_sessions = NumberAttribute(null=True, attr_name="uploadSessions")
    # A day
    free_jobs = NumberAttribute(null=True, attr_name="freeJobs")
    ingest_ms = NumberAttribute(null=True, attr_name="ingestMs")
    # A month
    jobs = NumberAttribute(null=True)
    cost_nanos = NumberAttribute(null=True, attr_name="costNanos")
    # At the moment
    drafts = NumberAttribute(null=True)
    queued = NumberAttribute(null=True)


ITEM_CLASSES: tuple[type[BaseItem], ...] = (CounterItem,)
_ATTRIBUTES: dict[str, Any] = {
    name: attribute
    for name, attribute in CounterItem.get_attributes().items()
    if isinstance(attribute, NumberAttribute) and name not in ("schema_version", "expires_at")
}


Refused = Callable[[int], DarkroomError]
"""The error for the number that did not leave enough."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """A number of one counter that a write adds to, up to a limit."""

    name: str
    """The attribute of ``CounterItem``."""
    more: int
    limit: int | None = None
    """The most that it may be afterwards, with what ``needed`` says; None is unlimited."""
    needed: int | None = None
    """What has to fit, if that is not just ``more``."""
    refused: Refused | None = None

    def fits(self, used: int) -> bool:
        return self.limit is None or used + self.wanted <= self.limit

    @property
    def wanted(self) -> int:
        return self.more if self.needed is None else self.needed


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is added to one counter, all of it or nothing."""

    account_id: str
    counter: str
    counts: tuple[Count, ...]
    expires_at: datetime | None = None

    def to_write(self) -> Write:
        """Add everything, if each number fits its limit; refused with the error of the first that
        does not."""
        actions = [_ATTRIBUTES[count.name].add(count.more) for count in self.counts]
        if self.expires_at is not None:
            actions.append(CounterItem.expires_at.set(to_epoch_seconds(self.expires_at)))
        condition = _can_count(self.counts[0])
        for count in self.counts[1:]:
            condition = condition & _can_count(count)
        item = CounterItem(self.account_id, self.counter)
        return update(item, actions, condition=condition, refused=self._refused)

    def find_refusal(self, numbers: Mapping[str, int]) -> DarkroomError | None:
        """The error that the write would be refused with for these numbers."""
        for count in self.counts:
            used = numbers.get(count.name, 0)
            if count.refused is not None and not count.fits(used):
                return count.refused(used)
        return None

    def _refused(self, stored: RawItem | None) -> DarkroomError:
        try:
            found = self.find_refusal(
                {each.name: _stored(stored, each.name) for each in self.counts}
            )
        except DAMAGE:
            found = None
        if found is not None:
            return found
        names = tuple(count.name for count in self.counts)
        report_unreadable(self.account_id, self.counter, names)
        return CountersDamaged("a counter of the account is damaged")


def check(changes: Sequence[Change]) -> None:
    """Raise what these changes would be refused with now; changes nothing."""
    keys = [(CounterItem, change.account_id, change.counter) for change in changes]
    for change, item in zip(changes, snapshot(keys) if keys else [], strict=True):
        refusal = change.find_refusal(_numbers(item))
        if refusal is not None:
            raise refusal


def _can_count(count: Count) -> Condition:
    """The number may grow. DynamoDB cannot add to what is no number, and says so without a code of
    ours."""
    attribute = _ATTRIBUTES[count.name]
    can_count: Condition = attribute.does_not_exist() | attribute.is_type()
    if count.limit is None:
        return can_count
    most = count.limit - count.wanted
    if most < 0:
        # It does not even fit beside nothing.
        never: Condition = attribute.exists() & attribute.does_not_exist()
        return never
    fits: Condition = can_count & (attribute.does_not_exist() | (attribute <= most))
    return fits


def _stored(stored: RawItem | None, name: str) -> int:
    held = (stored or {}).get(_ATTRIBUTES[name].attr_name, {"N": "0"})
    return whole(float(held["N"]))


# Windows


def count_request(account_id: str, now: datetime) -> tuple[int, int]:
    """Count a request, also one over the limit; returns the number of requests and of submissions
    in this minute."""
    change = Change(
        account_id=account_id,
        counter=rate_key(model.REQUESTS, now),
        counts=(Count(name=model.REQUESTS.name, more=1),),
        expires_at=_rates_expire(model.REQUESTS, now),
    )
    raw = commit_one(change.to_write())
    return _stored(raw, model.REQUESTS.name), _stored(raw, model.GENERATION.name)


def rate_change(
    account_id: str,
    policy: Policy,
    now: datetime,
    *,
    refused: Refused,
    more: int = 1,
    scope: str | None = None,
) -> Change:
    """Count ``more`` by this policy. ``scope`` is what it counts for, if that is not a window of
    the account."""
    # What is counted by the minute is in one item, so that one write returns all of it.
    first = model.REQUESTS if policy.seconds == model.REQUESTS.seconds else policy
    return Change(
        account_id=account_id,
        counter=scope or rate_key(first, now),
        counts=(Count(name=policy.name, more=more, limit=policy.limit, refused=refused),),
        expires_at=_rates_expire(policy, now),
    )


def hour_change(account_id: str, now: datetime, *counts: Count) -> Change:
    return Change(
        account_id=account_id,
        counter=window_key("hour", HOUR, now),
        counts=counts,
        expires_at=now + timedelta(hours=2),
    )


def day_change(account_id: str, now: datetime, *counts: Count) -> Change:
    return Change(
        account_id=account_id,
        counter=window_key("day", DAY, now),
        counts=counts,
        expires_at=now + timedelta(days=2),
    )


def month_change(account_id: str, month: str, now: datetime, *counts: Count) -> Change:
    return Change(
        account_id=account_id,
        counter=f"month#{month}",
        counts=counts,
        expires_at=now + timedelta(days=COUNTERS_TTL_DAYS),
    )


def open_change(account_id: str, *counts: Count) -> Change:
    return Change(account_id=account_id, counter=OPEN, counts=counts)


def _rates_expire(policy: Policy, now: datetime) -> datetime:
    return now + timedelta(seconds=policy.seconds + RATES_TTL_SECONDS)


# What one job cost


def find_settled(account_id: str, job_id: str) -> int | None:
    """The nanos that the job's month has for it, once they were settled."""
    [item] = snapshot([(CounterItem, account_id, _cost_key(job_id))])
    return None if item is None else whole(item.cost_nanos or 0)


def settled_write(
    account_id: str, job_id: str, *, before: int | None, nanos: int, now: datetime
) -> Write:
    """Note what the job's month has for it from now on, if that was ``before`` until now."""
    item = CounterItem(
        account_id,
        _cost_key(job_id),
        cost_nanos=nanos,
        expires_at=to_epoch_seconds(now + timedelta(days=COUNTERS_TTL_DAYS)),
    )
    condition: Condition = CounterItem.counter.does_not_exist()
    if before is not None:
        condition = CounterItem.cost_nanos == before
    return put(item, condition=condition, refused=ConcurrentUpdate("settled meanwhile"))


def _cost_key(job_id: str) -> str:
    return f"cost#{job_id}"


# Reads


def find_counts(account_id: str, now: datetime) -> dict[str, int]:
    """Every number of the account's current windows, and of what exists now, by attribute."""
    keys = [
        window_key("hour", HOUR, now),
        window_key("day", DAY, now),
        window_key("month", MONTH, now),
        rate_key(model.REQUESTS, now),
        rate_key(model.PORTRAITS, now),
        OPEN,
    ]
    found: dict[str, int] = {}
    for item in snapshot([(CounterItem, account_id, key) for key in keys]):
        found |= _numbers(item)
    return found


def _numbers(item: CounterItem | None) -> dict[str, int]:
    """The numbers of an item; none if it does not exist, or is damaged."""
    nothing: dict[str, int] = {}
    return nothing if item is None else read_or(item, numbers_of, nothing)


def numbers_of(item: CounterItem) -> dict[str, int]:
    """The numbers of an item, by attribute."""
    held = {name: getattr(item, name) for name in _ATTRIBUTES}
    return {name: whole(number) for name, number in held.items() if number is not None}


def find_used(account_id: str, now: datetime) -> dict[str, float]:
    """What the account has used of the limits that are counted here, by the limits' names."""
    found = find_counts(account_id, now)
    return {
        "jobsPerMonth": found.get("jobs", 0),
        "freeJobsPerDay": found.get("free_jobs", 0),
        "draftsOpen": max(0, found.get("drafts", 0)),
        "queuedJobs": max(0, found.get("queued", 0)),
        "uploadSessionsPerHour": found.get("upload_sessions", 0),
        "ingestMinutesPerDay": round(found.get("ingest_ms", 0) / MINUTE_MS, 2),
        "providerCostUsd": round(found.get("cost_nanos", 0) / NANOS, 6),
    }
