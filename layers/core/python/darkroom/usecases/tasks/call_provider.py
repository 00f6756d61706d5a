"""Support calls to cloud providers: the cache, cost records, health and failover.

Nothing is recorded for built-in providers. An attempt's cost record is part of the transaction
that ends the attempt; health and cache are best effort and may be lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit_one
from darkroom.generation.ports import (
    Charge,
    Meter,
    ProviderError,
    TransientProviderError,
    capability_of,
)
from darkroom.generation.routing import store as providers_store
from darkroom.generation.routing.cache import cache_key
from darkroom.generation.routing.health import HEALTHY, after_failure, out_of_quota
from darkroom.generation.routing.prices import bill, cache_seconds_of
from darkroom.generation.routing.routes import BUILT_IN, next_in
from darkroom.generation.routing.store import CostRecord
from darkroom.jobs.callback_url import callback_url
from darkroom.jobs.model import Output, Task
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import DETAIL_LIMIT_CHARS, TASK_ATTEMPTS_LIMIT

UNAVAILABLE, QUOTA = "PROVIDER_UNAVAILABLE", "PROVIDER_QUOTA"
# Another provider may do what this one cannot.
FAILS_OVER = frozenset({"PROVIDER_NOT_CONFIGURED", QUOTA, "UNSUPPORTED_KIND"})
MADE = frozenset(
    {"storage_key", "type", "mime_type", "size_bytes", "width", "height", "duration_ms", "style",
     "role", "language", "note"}
)  # fmt: skip
"""The fields of an output that the cache stores: all but its owner."""


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task at its provider, from its claim on."""

    task: Task
    model: str
    began: datetime
    meter: Meter = field(default_factory=Meter)


def record_cost(
    app: App,
    attempt: Attempt,
    *,
    outcome: str,
    error_code: str | None = None,
    detail: str = "",
    charges: Sequence[Charge] = (),
    ref: str | None = None,
) -> list[Write]:
    """The cost record of the attempt, for the transaction that ends or submits it.

    ``charges`` replace the charges that the provider recorded in the meter.
    """
    task = attempt.task
    if task.provider in BUILT_IN or not task.provider:
        return []
    now = app.clock.now()
    pairs = [(charge.unit, charge.quantity) for charge in charges or attempt.meter.charges]
    record = CostRecord(
        job_id=task.job_id,
        account_id=task.account_id,
        task_key=task.key,
        kind=task.kind,
        attempt=task.attempts,
        provider=task.provider,
        model=attempt.model,
        outcome=outcome,
        at=now,
        error_code=error_code,
        detail=detail[:DETAIL_LIMIT_CHARS],
        # The earlier record of a waiting run may contain more than the one at its end.
        bill=bill(task.provider, attempt.model, pairs) if pairs or task.run is None else None,
        latency_ms=max(0, round((now - attempt.began).total_seconds() * 1000)),
        ref=ref or attempt.meter.ref,
    )
    return [providers_store.cost_write(record)]


def callback_url_of(app: App, task: Task) -> str:
    """The callback URL for the provider of this attempt."""
    return callback_url(
        task, base_url=app.settings.callback_base_url, secret=app.signing_secret.value
    )


def record_health(app: App, task: Task, error: ProviderError | None) -> None:
    """Record the outcome for all functions. A refused request does not affect the health."""
    if task.provider in BUILT_IN or task.fault is not None:
        return
    now = app.clock.now()
    health = providers_store.find_health(task.provider)
    after = HEALTHY
    if error is not None:
        if error.error_code == QUOTA:
            after = out_of_quota(health, now)
        elif error.error_code == UNAVAILABLE:
            after = after_failure(health, now)
        else:
            return
    if after == health:
        return
    with contextlib.suppress(ConcurrentUpdate):
        commit_one(providers_store.health_write(task.provider, seen=health, health=after, now=now))


def next_provider(task: Task, error: ProviderError) -> str | None:
    """The provider of the next attempt after this failure; None for the same, or if there is no
    other.

    A permanent failure switches the provider at once. A transient one does so only before the last
    attempt: so a short disturbance changes nothing, and an outage does not fail the task.
    """
    if error.error_code in FAILS_OVER:
        return next_in(task.providers, task.provider)
    if isinstance(error, TransientProviderError) and task.attempts >= TASK_ATTEMPTS_LIMIT - 1:
        return next_in(task.providers, task.provider)
    return None


def healthy_provider(app: App, task: Task) -> str:
    """The provider of the next attempt: the task's own, or the next one whose circuit is closed.

    If all circuits are open, it is the task's own.
    """
    if len(task.providers) < 2:
        return task.provider
    now = app.clock.now()
    place = task.providers.index(task.provider) if task.provider in task.providers else 0
    for provider in task.providers[place:]:
        if provider in BUILT_IN or not providers_store.find_health(provider).is_circuit_open(now):
            return provider
    return task.provider


def find_made(app: App, attempt: Attempt) -> list[Mapping[str, Any]]:
    """The stored files of an equal recent request; empty if there is none."""
    key = _cache_key(attempt)
    if key is None:
        return []
    return list(providers_store.find_cached(key, app.clock.now()) or ())


def remember_made(app: App, attempt: Attempt, outputs: Sequence[Output]) -> None:
    """Cache the outputs for equal requests. After the job is deleted, its files are gone and the
    cache entry has no effect."""
    key = _cache_key(attempt)
    if key is None:
        return
    files = [
        {
            name: value
            for name, value in asdict(output).items()
            if name in MADE and value is not None
        }
        for output in outputs
    ]
    until = app.clock.now() + timedelta(seconds=_cache_seconds(attempt.task))
    commit_one(providers_store.cache_write(key, files=files, until=until))


def _cache_seconds(task: Task) -> int:
    return cache_seconds_of(capability_of(task.kind))


def _cache_key(attempt: Attempt) -> str | None:
    task = attempt.task
    if task.provider in BUILT_IN or task.fault is not None or not _cache_seconds(task):
        return None
    return cache_key(
        provider=task.provider,
        model=attempt.model,
        kind=task.kind,
        account_id=task.account_id,
        params=task.params,
        seed=task.seed,
        language=task.language,
        sources=[(source.key, source.storage_key) for source in task.sources],
    )
