"""What goes with asking a cloud provider: whether it made the same before, what it cost, how it
is, and who is asked instead.

Of what is built in nothing is noted. What an attempt cost is part of the transaction that ends it;
health and cache are only advice, and may be lost.
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
from darkroom.generation.routing.health import WELL, after_failure, out_of_quota
from darkroom.generation.routing.prices import bill, cache_seconds_of
from darkroom.generation.routing.routes import BUILT_IN, next_in
from darkroom.generation.routing.store import Call
from darkroom.jobs.model import Output, Task
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import DETAIL_LIMIT_CHARS, TASK_ATTEMPTS_LIMIT

UNAVAILABLE, QUOTA = "PROVIDER_UNAVAILABLE", "PROVIDER_QUOTA"
# Another provider may well do what this one cannot.
FAILS_OVER = frozenset({"PROVIDER_NOT_CONFIGURED", QUOTA, "UNSUPPORTED_KIND"})
MADE = frozenset(
    {"storage_key", "type", "mime_type", "size_bytes", "width", "height", "duration_ms", "style",
     "role", "language", "note"}
)  # fmt: skip
"""What is remembered of an output: all but whose it is."""


@dataclass(frozen=True)
class Asked:
    """One attempt at a task's provider, from its claim on."""

    task: Task
    model: str
    began: datetime
    meter: Meter = field(default_factory=Meter)


def note(
    app: App,
    asked: Asked,
    outcome: str,
    *,
    error_code: str | None = None,
    detail: str = "",
    charges: Sequence[Charge] = (),
    ref: str | None = None,
) -> list[Write]:
    """The record of what the attempt cost, for the transaction that ends it (or hands it over).

    ``charges`` are what is known besides what the provider noted in the meter.
    """
    task = asked.task
    if task.provider in BUILT_IN or not task.provider:
        return []
    now = app.clock.now()
    pairs = [(charge.unit, charge.quantity) for charge in charges or asked.meter.charges]
    call = Call(
        job_id=task.job_id,
        account_id=task.account_id,
        task_key=task.key,
        kind=task.kind,
        attempt=task.attempts,
        provider=task.provider,
        model=asked.model,
        outcome=outcome,
        at=now,
        error_code=error_code,
        detail=detail[:DETAIL_LIMIT_CHARS],
        # An earlier note of a run that is waited for may know more than its end.
        bill=bill(task.provider, asked.model, pairs) if pairs or task.run is None else None,
        latency_ms=max(0, round((now - asked.began).total_seconds() * 1000)),
        ref=ref or asked.meter.ref,
    )
    return [providers_store.cost_write(call)]


def note_health(app: App, task: Task, error: ProviderError | None) -> None:
    """Let everybody know how the provider just did; its refusals of a request say nothing."""
    if task.provider in BUILT_IN or task.fault is not None:
        return
    now = app.clock.now()
    health = providers_store.find_health(task.provider)
    after = WELL
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
        commit_one(providers_store.health_write(task.provider, health, after, now))


def next_provider(task: Task, error: ProviderError) -> str | None:
    """Who makes the next attempt after this failure; None if the same, or nobody else can.

    What a provider cannot do goes on at once. What it could not do now is left to it, but for the
    last attempt: so a hiccup changes nothing, and an outage does not end the task.
    """
    if error.error_code in FAILS_OVER:
        return next_in(task.providers, task.provider)
    if isinstance(error, TransientProviderError) and task.attempts >= TASK_ATTEMPTS_LIMIT - 1:
        return next_in(task.providers, task.provider)
    return None


def well_provider(app: App, task: Task) -> str:
    """Who is to make the next attempt: the task's provider, or the next that is not left alone.

    When all of them are, the first is as good as any.
    """
    if len(task.providers) < 2:
        return task.provider
    now = app.clock.now()
    place = task.providers.index(task.provider) if task.provider in task.providers else 0
    for provider in task.providers[place:]:
        if provider in BUILT_IN or not providers_store.find_health(provider).is_open(now):
            return provider
    return task.provider


def find_made(app: App, asked: Asked) -> list[Mapping[str, Any]]:
    """The stored files of an equal request, made not long ago; empty when there are none."""
    key = _cache_key(asked)
    if key is None:
        return []
    return list(providers_store.find_cached(key, app.clock.now()) or ())


def remember_made(app: App, asked: Asked, outputs: Sequence[Output]) -> None:
    """Let an equal request find what was made; when the job is deleted, its files are gone, and
    nothing is found."""
    key = _cache_key(asked)
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
    until = app.clock.now() + timedelta(seconds=_cache_seconds(asked.task))
    commit_one(providers_store.cache_write(key, files, until))


def _cache_seconds(task: Task) -> int:
    return cache_seconds_of(capability_of(task.kind))


def _cache_key(asked: Asked) -> str | None:
    task = asked.task
    if task.provider in BUILT_IN or task.fault is not None or not _cache_seconds(task):
        return None
    return cache_key(
        provider=task.provider,
        model=asked.model,
        kind=task.kind,
        account_id=task.account_id,
        params=task.params,
        seed=task.seed,
        language=task.language,
        sources=[(source.key, source.storage_key) for source in task.sources],
    )
