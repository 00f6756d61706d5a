"""Run one attempt of a task: claim it, fetch its sources, generate, store, complete.

The provider call is outside of any transaction, and its files are in our storage before the task
succeeds. An asynchronous provider only gets the request; ``collect_task`` does the rest.
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
from darkroom.kernel.object_keys import jpeg_key_of, output_key, thumbnail_key_of
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
    """The attempt neither delivers nor fails, and its lease expires (a test hook)."""


class AttemptCrashed(Exception):
    """An attempt failed with an unexpected error; it is recorded and may be retried."""


@dataclass(frozen=True)
class HandedOver:
    """The provider has accepted the request, or may have."""

    ref: str | None
    """The run's id at the provider; None if it is unknown whether the request was accepted."""


logger = Logger()
MADE_NOW, CACHED = "succeeded", "cached"
KEYFRAME, JPEG = "keyframe", "image/jpeg"


@dataclass(frozen=True)
class Made:
    """The attempt's files are in our storage."""

    outputs: list[Output]
    outcome: str
    """``MADE_NOW``, or ``CACHED`` for files of an earlier request."""


CRASHED = Failure(code="INTERNAL")
# The request itself is fine: it can succeed after an operator has fixed the configuration.
OPERATOR_FIXABLE = frozenset({"PROVIDER_NOT_CONFIGURED", "PROVIDER_QUOTA", "BAD_RESULT"})


def run_task(app: App, *, job_id: str, key: str, attempt: int) -> str:
    """Run the attempt of one queue message; a repeated or old message has no effect.

    Returns what happened, for the log: ``idle``, ``succeeded``, ``waiting``, ``transient``,
    ``permanent`` or ``hung``.

    Raises:
        AttemptCrashed: a bug or an outage; the failure is recorded. The cause is chained.
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
            # The boundary of the attempt: after any error, the user must not wait for the lease.
            records = record_cost(app, current, outcome="failed", error_code=CRASHED.code)
            fail_task(app, task, CRASHED, transient=True, extra_writes=records)
            raise AttemptCrashed(f"{job_id} {key}") from error
    if isinstance(made, HandedOver):
        # No boundary around this: a request that the provider may have accepted is never sent
        # again because of an error of ours. If it cannot be stored, the callback or the expiry of
        # the lease makes the task wait.
        await_provider(app, task, made.ref)
        # Not in the same transaction: a callback may have reported the run or its end already.
        for write in record_cost(app, current, outcome=WAITING, ref=made.ref):
            commit_one(write)
        if made.ref is not None:
            record_health(app, task, None)
        return "waiting"
    complete_task(
        app, task, made.outputs, extra_writes=record_cost(app, current, outcome=made.outcome)
    )
    # Best effort, after the result was committed.
    if made.outcome == MADE_NOW:
        remember_made(app, current, made.outputs)
        record_health(app, task, None)
    return "succeeded"


def model_of(app: App, task: Task) -> str:
    """The model that the task's provider uses; empty if it has none."""
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
        # The provider may have made and charged it, but the files cannot be fetched any more.
        raise TransientProviderError(error.detail, code=error.error_code) from error
    return Made(store_all(app, task, artifacts), MADE_NOW)


def fail_for(
    app: App, attempt: Attempt, error: TransientProviderError | PermanentProviderError
) -> str:
    """Record that the attempt failed for this reason; returns the kind of the failure."""
    task = attempt.task
    failure = Failure(code=error.error_code)
    # This is for operators; the task's owner gets the sentence of the code.
    logger.warning("attempt_failed", provider=task.provider, code=failure.code, detail=error.detail)
    records = record_cost(
        app, attempt, outcome="failed", error_code=error.error_code, detail=error.detail
    )
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
    refused = error.error_code not in OPERATOR_FIXABLE
    fail_task(app, task, replace(failure, refused=refused), transient=False, extra_writes=records)
    return "permanent"


def _submit(
    app: App, attempt: Attempt, provider: AsyncProvider, request: GenerationRequest
) -> str | None:
    """The run's id at the provider; None if it is unknown whether there is a run."""
    task = attempt.task
    address = callback_url_of(app, task)
    try:
        return provider.submit(request, address)
    except ResponseLost:
        return None
    except ProviderError:
        raise
    except Exception as error:
        # A bug at an unknown point: the provider may have accepted the request.
        await_provider(app, task, None, extra_writes=record_cost(app, attempt, outcome=WAITING))
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
    """Copy the artifacts into our bucket, in the order given.

    Raises:
        ModerationRefused: the configured moderator refused a picture.
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
    """The outputs of an equal earlier request, copied for this attempt; empty if there are none."""
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
    """Copy one artifact into our bucket, under a key of this attempt."""
    storage_key = _storage_key(task, artifact.path.suffix, place)
    app.storage.upload(storage_key, artifact.path, mime_type=artifact.mime_type)
    return _output(
        task,
        place,
        storage_key,
        **_store_previews(app, task, artifact, storage_key),
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


def _store_previews(app: App, task: Task, artifact: Artifact, storage_key: str) -> dict[str, bool]:
    """Store small pictures of the artifact beside it; returns which ones there are."""
    if app.previews is None:
        return {}
    path, mime_type = artifact.path, artifact.mime_type
    try:
        made = {
            "has_thumbnail": (
                thumbnail_key_of(storage_key),
                app.previews.thumbnail(path, mime_type),
            ),
        }
        if task.kind == KEYFRAME and mime_type != JPEG:
            # It carries what its clip needs, and is ten times as large as people need.
            made["has_jpeg"] = (jpeg_key_of(storage_key), app.previews.jpeg(path, mime_type))
        for key, body in made.values():
            if body is not None:
                app.storage.write(key, body, mime_type=JPEG)
    except Exception:
        # The artifact may have been paid for: it is not made again for a small picture.
        logger.exception("preview_not_stored", key=storage_key)
        return {}
    return {name: body is not None for name, (_, body) in made.items()}


def _storage_key(task: Task, suffix: str, place: int) -> str:
    numbered = suffix if place == 1 else f"-{place}{suffix}"
    return output_key(task.owner, task.job_id, key=task.key, attempt=task.attempts, suffix=numbered)


def _output(task: Task, place: int, storage_key: str, **facts: Any) -> Output:
    number = (task.number - 1) * MAX_OUTPUTS_PER_TASK + place
    return Output(
        output_id=output_id(task.job_id, number), key=task.key, storage_key=storage_key, **facts
    )
