"""What is stored of providers: health, cached results and the cost of every attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from darkroom.db.commit import commit_one
from darkroom.db.damage import read_all, read_or
from darkroom.db.items import BaseItem, SalvagedItem
from darkroom.db.raw import query_raw
from darkroom.db.writes import Write, put, update
from darkroom.generation.routing.health import HEALTHY, Health
from darkroom.generation.routing.prices import Bill
from darkroom.kernel.clock import from_iso, to_epoch_seconds, to_iso
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import COST_TTL_DAYS, HEALTH_TTL_SECONDS
from darkroom.kernel.shapes import fits, whole, whole_or_none

WAITING = "waiting"
_HEALTH, _CACHE = "health#", "cache#"


class ProviderItem(SalvagedItem):
    """A provider's health, or something that was made before."""

    class Meta:
        table_name = "unbound"

    pk = UnicodeAttribute(hash_key=True)
    expires_at = NumberAttribute(attr_name="expiresAt")
    failures = NumberAttribute(null=True)
    openings = NumberAttribute(null=True)
    open_until = UnicodeAttribute(null=True, attr_name="openUntil")
    files = UnicodeAttribute(null=True)
    """JSON: the facts of each stored file."""


class CostItem(SalvagedItem):
    """One attempt of one task at one provider."""

    class Meta:
        table_name = "unbound"

    job_id = UnicodeAttribute(hash_key=True, attr_name="jobId")
    call = UnicodeAttribute(range_key=True)
    """``<task key>#<attempt>``."""
    account_id = UnicodeAttribute(attr_name="accountId")
    task_key = UnicodeAttribute(attr_name="taskKey")
    kind = UnicodeAttribute()
    attempt = NumberAttribute()
    provider = UnicodeAttribute()
    model = UnicodeAttribute(null=True)
    outcome = UnicodeAttribute()
    error_code = UnicodeAttribute(null=True, attr_name="errorCode")
    detail = UnicodeAttribute(null=True)
    lines = UnicodeAttribute(null=True)
    """JSON: [[unit, quantity, unit cost or null], …]."""
    cost_nanos = NumberAttribute(null=True, attr_name="costNanos")
    currency = UnicodeAttribute(null=True)
    latency_ms = NumberAttribute(null=True, attr_name="latencyMs")
    provider_ref = UnicodeAttribute(null=True, attr_name="providerRef")
    at = UnicodeAttribute()
    expires_at = NumberAttribute(attr_name="expiresAt")


ITEM_CLASSES: tuple[type[BaseItem], ...] = (ProviderItem,)
COST_CLASSES: tuple[type[BaseItem], ...] = (CostItem,)


@dataclass(frozen=True, kw_only=True)
class CostRecord:
    """What is known of one attempt at a provider when it is submitted, or ends."""

    job_id: str
    account_id: str
    task_key: str
    kind: str
    attempt: int
    provider: str
    model: str
    outcome: str
    """``waiting`` (for a provider that delivers later), ``succeeded``, ``failed``, ``lost``
    (outcome unknown) or ``cached``."""
    at: datetime
    error_code: str | None = None
    detail: str = ""
    """The provider's message, for operators."""
    bill: Bill | None = None
    """None when nothing (more) is known of the cost."""
    latency_ms: int | None = None
    ref: str | None = None


def cost_write(record: CostRecord) -> Write:
    """Write the record; fields of an earlier record of the attempt that are missing here stay."""
    actions: list[Action] = [
        CostItem.account_id.set(record.account_id),
        CostItem.task_key.set(record.task_key),
        CostItem.kind.set(record.kind),
        CostItem.attempt.set(record.attempt),
        CostItem.provider.set(record.provider),
        # The end of a run may be recorded before its start.
        *(
            [
                CostItem.outcome.set(CostItem.outcome | WAITING),
                CostItem.at.set(CostItem.at | to_iso(record.at)),
            ]
            if record.outcome == WAITING
            else [CostItem.outcome.set(record.outcome), CostItem.at.set(to_iso(record.at))]
        ),
        CostItem.expires_at.set(to_epoch_seconds(record.at + timedelta(days=COST_TTL_DAYS))),
    ]
    if record.model:
        actions.append(CostItem.model.set(record.model))
    if record.error_code is not None:
        actions.append(CostItem.error_code.set(record.error_code))
    if record.detail:
        actions.append(CostItem.detail.set(record.detail))
    if record.latency_ms is not None and record.outcome != WAITING:
        actions.append(CostItem.latency_ms.set(record.latency_ms))
    if record.ref is not None:
        actions.append(CostItem.provider_ref.set(record.ref))
    if record.bill is not None:
        lines = [[line.unit, line.quantity, line.unit_cost] for line in record.bill.lines]
        actions += [
            CostItem.lines.set(json.dumps(lines, separators=(",", ":"))),
            CostItem.cost_nanos.set(record.bill.nanos),
            CostItem.currency.set(record.bill.currency),
        ]
    key = CostItem(record.job_id, f"{record.task_key}#{record.attempt}")
    return update(key, actions)


def leave_costs(job_id: str, *, left_to: str) -> None:
    """Let the cost records of a job name ``left_to`` as their account. Safe to repeat."""
    for raw in query_raw(CostItem, job_id):
        if raw.get("accountId", {}).get("S") != left_to:
            item = CostItem(job_id, raw["call"]["S"])
            commit_one(
                update(
                    item,
                    [CostItem.account_id.set(left_to), CostItem.detail.remove()],
                    condition=CostItem.call.exists(),
                    refused=ConcurrentUpdate("the record is gone"),
                )
            )


def list_costs(job_id: str) -> list[CostItem]:
    """Every call that was made for a job, by task and attempt."""
    return read_all(CostItem.query(job_id, consistent_read=True), _sound)


def _sound(item: CostItem) -> CostItem:
    if not (isinstance(item.provider, str) and isinstance(item.outcome, str)):
        raise TypeError("no record of a call")
    from_iso(item.at)
    whole(item.attempt), whole_or_none(item.cost_nanos), whole_or_none(item.latency_ms)
    json.loads(item.lines or "[]")
    return item


def find_health(provider: str) -> Health:
    """The provider's health; healthy without a record, or with an expired or damaged one."""
    try:
        item = ProviderItem.get(_HEALTH + provider)
    except Model.DoesNotExist:
        return HEALTHY
    return read_or(item, _to_health, HEALTHY)


def _to_health(item: ProviderItem) -> Health:
    return Health(
        failures=whole(item.failures or 0),
        openings=whole(item.openings or 0),
        open_until=from_iso(item.open_until) if item.open_until else None,
    )


def health_write(provider: str, *, seen: Health, health: Health, now: datetime) -> Write:
    """Write the health, unless another function wrote it since ``seen``, which counts as much."""
    item = ProviderItem(
        _HEALTH + provider,
        expires_at=to_epoch_seconds(now + timedelta(seconds=HEALTH_TTL_SECONDS)),
        failures=health.failures,
        openings=health.openings,
        open_until=to_iso(health.open_until) if health.open_until else None,
    )
    condition = ProviderItem.failures == seen.failures
    if seen.is_healthy:
        # A damaged record counts as none.
        damaged = ~ProviderItem.failures.is_type()
        condition = ProviderItem.pk.does_not_exist() | condition | damaged
    return put(item, condition=condition, refused=ConcurrentUpdate("another function wrote first"))


def find_cached(key: str, now: datetime) -> Sequence[Mapping[str, Any]] | None:
    """The files of an equal request that was made before; None when there was none lately, or
    its record is damaged."""
    try:
        item = ProviderItem.get(_CACHE + key)
    except Model.DoesNotExist:
        return None
    nothing: tuple[int, list[dict[str, Any]]] = (0, [])
    expires_at, files = read_or(item, _to_cached, nothing)
    return files if files and expires_at > to_epoch_seconds(now) else None


def _to_cached(item: ProviderItem) -> tuple[int, list[dict[str, Any]]]:
    files = json.loads(item.files or "[]")
    if not isinstance(files, list) or not all(fits(file, dict) for file in files):
        raise TypeError("no list of files")
    return whole(item.expires_at), files


def cache_write(key: str, *, files: Sequence[Mapping[str, Any]], until: datetime) -> Write:
    text = json.dumps([dict(file) for file in files], separators=(",", ":"))
    item = ProviderItem(_CACHE + key, expires_at=to_epoch_seconds(until), files=text)
    return put(item)
