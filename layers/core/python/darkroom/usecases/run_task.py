"""Run one attempt: claim, fetch, generate, store, complete. The provider call is outside any
transaction; what it made is in our storage before the task succeeds."""

from __future__ import annotations

import mimetypes
import tempfile
from pathlib import Path

from darkroom.adapters.storage import output_key
from darkroom.bootstrap import App
from darkroom.generation.faults import injected
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    Provider,
    SourceFile,
    TransientProviderError,
)
from darkroom.jobs.model import Failure, Output, Task
from darkroom.kernel.errors import NotFound
from darkroom.kernel.ids import output_id
from darkroom.kernel.limits import MAX_OUTPUTS_PER_TASK
from darkroom.usecases.claim_task import claim_task
from darkroom.usecases.finish_task import complete_task, fail_task


class Hung(Exception):
    """The attempt neither delivers nor fails; its lease will run out (a test hook)."""


class AttemptCrashed(Exception):
    """An attempt failed in a way nobody foresaw; it is recorded and may be tried again."""


CRASHED = Failure(code="INTERNAL", message="Something went wrong while making it.")


def run_task(app: App, *, job_id: str, key: str, attempt: int) -> str:
    """Do what one queue message asks for; a repeated or old message does nothing.

    Returns what happened, for the log: ``idle``, ``succeeded``, ``transient``, ``permanent``
    or ``hung``.

    Raises:
        AttemptCrashed: a bug or an outage; the failure is recorded, the cause is chained.
    """
    task = claim_task(app, job_id=job_id, key=key, attempt=attempt)
    if task is None:
        return "idle"
    with tempfile.TemporaryDirectory(prefix="task-") as folder:
        try:
            outputs = _make(app, task, Path(folder))
        except TransientProviderError as error:
            fail_task(app, task, _failure(error.error_code, error.detail), transient=True)
            return "transient"
        except PermanentProviderError as error:
            fail_task(app, task, _failure(error.error_code, error.detail), transient=False)
            return "permanent"
        except Hung:
            return "hung"
        except Exception as error:
            # The border of the attempt: whatever it was, the user must not wait for the lease.
            fail_task(app, task, CRASHED, transient=True)
            raise AttemptCrashed(f"{job_id} {key}") from error
    complete_task(app, task, outputs)
    return "succeeded"


def _make(app: App, task: Task, workdir: Path) -> list[Output]:
    provider = _provider(app, task)
    request = GenerationRequest(
        job_id=task.job_id,
        key=task.key,
        kind=task.kind,
        attempt=task.attempts,
        seed=task.seed,
        language=task.language,
        params=task.params,
        sources=_fetch_sources(app, task, workdir),
        workdir=workdir,
    )
    if task.fault == "hang" and app.settings.test_hooks:
        raise Hung
    artifacts = provider.generate(request)
    return [_store(app, task, artifact, place) for place, artifact in enumerate(artifacts, start=1)]


def _provider(app: App, task: Task) -> Provider:
    provider = app.providers.get(task.provider)
    if provider is None:
        raise PermanentProviderError("no such provider", code="PROVIDER_NOT_CONFIGURED")
    return injected(provider, task.fault) if app.settings.test_hooks else provider


def _fetch_sources(app: App, task: Task, workdir: Path) -> tuple[SourceFile, ...]:
    files = []
    for source in task.sources:
        suffix = mimetypes.guess_extension(source.mime_type) or ""
        path = workdir / f"source-{source.key}{suffix}"
        try:
            app.storage.download(source.storage_key, path)
        except NotFound as error:
            raise PermanentProviderError("a file is gone", code="SOURCE_MISSING") from error
        files.append(SourceFile(key=source.key, mime_type=source.mime_type, path=path))
    return tuple(files)


def _store(app: App, task: Task, artifact: Artifact, place: int) -> Output:
    """Copy one artifact into our bucket under a name that belongs to this attempt."""
    suffix = artifact.path.suffix if place == 1 else f"-{place}{artifact.path.suffix}"
    storage_key = output_key(task.account_id, task.job_id, task.key, task.attempts, suffix)
    app.storage.upload(storage_key, artifact.path, mime_type=artifact.mime_type)
    number = (task.number - 1) * MAX_OUTPUTS_PER_TASK + place
    return Output(
        output_id=output_id(task.job_id, number),
        key=task.key,
        type=artifact.type,
        mime_type=artifact.mime_type,
        storage_key=storage_key,
        size_bytes=artifact.path.stat().st_size,
        width=artifact.width,
        height=artifact.height,
        duration_ms=artifact.duration_ms,
        style=artifact.extra.get("style"),
        role=artifact.extra.get("role"),
        language=artifact.extra.get("language"),
    )


def _failure(code: str, detail: str) -> Failure:
    return Failure(code=code, message=detail or "It could not be made.")
