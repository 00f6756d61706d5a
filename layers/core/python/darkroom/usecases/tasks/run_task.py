"""Run one attempt: claim, fetch, generate, store, complete. The provider call is outside any
transaction; what it made is in our storage before the task succeeds.

A provider that makes it later is only handed the request; the rest is ``collect_task``'s.
"""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from aws_lambda_powertools import Logger

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.generation.fault_injection import inject_fault
from darkroom.generation.ports import (
    Artifact,
    AsyncProvider,
    GenerationRequest,
    PermanentProviderError,
    Provider,
    ProviderError,
    ResponseLost,
    SourceFile,
    TransientProviderError,
)
from darkroom.generation.routing.routes import BUILT_IN
from darkroom.generation.routing.store import WAITING
from darkroom.jobs.model import Failure, Output, Task
from darkroom.kernel.errors import NotFound
from darkroom.kernel.ids import output_id
from darkroom.kernel.limits import MAX_OUTPUTS_PER_TASK
from darkroom.kernel.object_keys import output_key
from darkroom.usecases.tasks.call_provider import (
    Attempt,
    callback_url_of,
    find_made,
    next_provider,
    record_cost,
    record_health,
    remember_made,
)
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.finish_task import await_provider, complete_task, fail_task
from darkroom.usecases.tasks.renew_lease import lease_renewed


class Hung(Exception):
    """The attempt neither delivers nor fails; its lease will run out (a test hook)."""


class AttemptCrashed(Exception):
    """An attempt failed in a way nobody foresaw; it is recorded and may be tried again."""


@dataclass(frozen=True)
class HandedOver:
    """The attempt is its provider's affair now, or may be."""

    ref: str | None
    """The run's id at the provider; None when it may or may not have taken the request."""


logger = Logger()
MADE_NOW, CACHED = "succeeded", "cached"


@dataclass(frozen=True)
class Made:
    """The attempt's files are in our storage."""

    outputs: list[Output]
    outcome: str
    """``MADE_NOW``, or ``CACHED`` when they were made before."""


CRASHED = Failure(code="INTERNAL")
# Not refused for what it asks: the same request can be made when somebody has mended this.
MENDABLE = frozenset({"PROVIDER_NOT_CONFIGURED", "PROVIDER_QUOTA", "BAD_RESULT"})


def run_task(app: App, *, job_id: str, key: str, attempt: int) -> str:
    """Do what one queue message asks for; a repeated or old message does nothing.

    Returns what happened, for the log: ``idle``, ``succeeded``, ``waiting``, ``transient``,
    ``permanent`` or ``hung``.

    Raises:
        AttemptCrashed: a bug or an outage; the failure is recorded, the cause is chained.
    """
    task = claim_task(app, job_id=job_id, key=key, attempt=attempt)
    if task is None:
        return "idle"
    current = Attempt(task, model_of(app, task), app.clock.now())
    with tempfile.TemporaryDirectory(prefix="task-") as folder, lease_renewed(app, task):
        try:
            made = _make(app, current, Path(folder))
        except (TransientProviderError, PermanentProviderError) as error:
            kind = fail_for(app, current, error)
            record_health(app, task, error)
            return kind
        except Hung:
            return "hung"
        except Exception as error:
            # The border of the attempt: whatever it was, the user must not wait for the lease.
            records = record_cost(app, current, "failed", error_code=CRASHED.code)
            fail_task(app, task, CRASHED, transient=True, extra_writes=records)
            raise AttemptCrashed(f"{job_id} {key}") from error
    if isinstance(made, HandedOver):
        # No border around this: an attempt that may have been taken is never begun again because
        # of us. If it cannot be noted, the callback or the lease's end brings it here.
        await_provider(app, task, made.ref)
        # Beside it and not with it: a call may have told of the run before, or of its end.
        for write in record_cost(app, current, WAITING, ref=made.ref):
            commit_one(write)
        if made.ref is not None:
            record_health(app, task, None)
        return "waiting"
    complete_task(app, task, made.outputs, extra_writes=record_cost(app, current, made.outcome))
    # Advice to others, only when nothing can be lost by it any more.
    if made.outcome == MADE_NOW:
        remember_made(app, current, made.outputs)
        record_health(app, task, None)
    return "succeeded"


def model_of(app: App, task: Task) -> str:
    """The model that the task's provider uses for it; empty when it has none."""
    provider = app.providers.get(task.provider)
    return provider.model_of(task.kind) if provider is not None else ""


def _make(app: App, attempt: Attempt, workdir: Path) -> Made | HandedOver:
    task = attempt.task
    provider = _provider(app, task)
    if task.fault == "hang" and app.settings.test_hooks:
        raise Hung
    known = _copy_made(app, attempt)
    if known:
        return Made(known, CACHED)
    request = _request(app, attempt, workdir)
    if isinstance(provider, AsyncProvider):
        return HandedOver(_submit(app, attempt, provider, request))
    try:
        artifacts = provider.generate(request)
    except ResponseLost as error:
        # It may have been made, and charged; but nobody can fetch it any more.
        raise TransientProviderError(error.detail, code=error.error_code) from error
    return Made(store_all(app, task, artifacts), MADE_NOW)


def fail_for(
    app: App, attempt: Attempt, error: TransientProviderError | PermanentProviderError
) -> str:
    """Record that the attempt has failed for this reason; returns which kind of reason it is."""
    task = attempt.task
    failure = Failure(code=error.error_code)
    # For operators; the task's owner is told the sentence of the code.
    logger.warning("attempt_failed", provider=task.provider, code=failure.code, detail=error.detail)
    records = record_cost(app, attempt, "failed", error_code=error.error_code, detail=error.detail)
    other = next_provider(task, error)
    if isinstance(error, TransientProviderError) or other is not None:
        wait_seconds = 0.0
        if isinstance(error, TransientProviderError) and other is None:
            wait_seconds = error.retry_after_seconds
        fail_task(
            app,
            task,
            failure,
            transient=True,
            at_least_seconds=wait_seconds,
            provider=other,
            extra_writes=records,
        )
        return "transient"
    refused = error.error_code not in MENDABLE
    fail_task(app, task, replace(failure, refused=refused), transient=False, extra_writes=records)
    return "permanent"


def _submit(
    app: App, attempt: Attempt, provider: AsyncProvider, request: GenerationRequest
) -> str | None:
    """The run's id at the provider; None when nobody knows whether there is one."""
    task = attempt.task
    address = callback_url_of(app, task)
    try:
        return provider.submit(request, address)
    except ResponseLost:
        return None
    except ProviderError:
        raise
    except Exception as error:
        # A bug, at a moment that nobody knows: the request may have been taken.
        await_provider(app, task, None, extra_writes=record_cost(app, attempt, WAITING))
        raise AttemptCrashed(f"{task.job_id} {task.key}") from error


def _request(app: App, attempt: Attempt, workdir: Path) -> GenerationRequest:
    task = attempt.task
    return GenerationRequest(
        job_id=task.job_id,
        key=task.key,
        kind=task.kind,
        attempt=task.attempts,
        seed=task.seed,
        language=task.language,
        params=task.params,
        sources=_fetch_sources(app, task, workdir),
        workdir=workdir,
        meter=attempt.meter,
    )


def store_all(app: App, task: Task, artifacts: Sequence[Artifact]) -> list[Output]:
    """Copy what was made into our bucket, in the order given.

    Raises:
        ModerationRefused: a picture that must not be shown, where a moderator is configured.
    """
    outputs = [
        _store(app, task, artifact, place) for place, artifact in enumerate(artifacts, start=1)
    ]
    if app.moderator is not None and task.provider not in BUILT_IN:
        for output in outputs:
            if output.mime_type.startswith("image/"):
                app.moderator.check_image(app.storage.uri(output.storage_key))
    return outputs


def _copy_made(app: App, attempt: Attempt) -> list[Output]:
    """What an equal request made before, copied to be this attempt's; empty when there is none."""
    outputs = []
    for place, file in enumerate(find_made(app, attempt), start=1):
        suffix = PurePosixPath(file["storage_key"]).suffix
        storage_key = _storage_key(attempt.task, suffix, place)
        try:
            app.storage.copy(file["storage_key"], storage_key)
        except NotFound:
            return []
        facts = {name: value for name, value in file.items() if name != "storage_key"}
        outputs.append(_output(attempt.task, place, storage_key, **facts))
    return outputs


def _provider(app: App, task: Task) -> Provider | AsyncProvider:
    provider = app.providers.get(task.provider)
    if provider is None:
        raise PermanentProviderError("no such provider", code="PROVIDER_NOT_CONFIGURED")
    return inject_fault(provider, task.fault) if app.settings.test_hooks else provider


def _fetch_sources(app: App, task: Task, workdir: Path) -> tuple[SourceFile, ...]:
    is_local = task.provider in BUILT_IN
    files = []
    for source in task.sources:
        suffix = mimetypes.guess_extension(source.mime_type) or ""
        path = workdir / f"source-{source.key}{suffix}"
        try:
            app.storage.download(source.storage_key, path)
        except NotFound as error:
            raise PermanentProviderError("a file is gone", code="SOURCE_MISSING") from error
        files.append(
            SourceFile(
                key=source.key,
                mime_type=source.mime_type,
                path=path,
                url="" if is_local else app.storage.source_url(source.storage_key),
                storage_uri=app.storage.uri(source.storage_key),
            )
        )
    return tuple(files)


def _store(app: App, task: Task, artifact: Artifact, place: int) -> Output:
    """Copy one artifact into our bucket under a name that belongs to this attempt."""
    storage_key = _storage_key(task, artifact.path.suffix, place)
    app.storage.upload(storage_key, artifact.path, mime_type=artifact.mime_type)
    return _output(
        task,
        place,
        storage_key,
        type=artifact.type,
        mime_type=artifact.mime_type,
        size_bytes=artifact.path.stat().st_size,
        width=artifact.width,
        height=artifact.height,
        duration_ms=artifact.duration_ms,
        style=artifact.extra.get("style"),
        role=artifact.extra.get("role"),
        language=artifact.extra.get("language"),
        note=artifact.extra.get("note"),
    )


def _storage_key(task: Task, suffix: str, place: int) -> str:
    numbered = suffix if place == 1 else f"-{place}{suffix}"
    return output_key(task.owner, task.job_id, task.key, task.attempts, numbered)


def _output(task: Task, place: int, storage_key: str, **facts: Any) -> Output:
    number = (task.number - 1) * MAX_OUTPUTS_PER_TASK + place
    return Output(
        output_id=output_id(task.job_id, number), key=task.key, storage_key=storage_key, **facts
    )
