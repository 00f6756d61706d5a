"""Run one attempt: claim, fetch, generate, store, complete. The provider call is outside any
transaction; what it made is in our storage before the task succeeds.

A provider that makes it later is only handed the request; the rest is ``collect_task``'s.
"""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from darkroom.adapters.storage import output_key
from darkroom.bootstrap import App
from darkroom.generation.faults import injected
from darkroom.generation.ports import (
    AnswerLost,
    Artifact,
    AsyncProvider,
    GenerationRequest,
    PermanentProviderError,
    Provider,
    ProviderError,
    SourceFile,
    TransientProviderError,
)
from darkroom.jobs.model import Failure, Output, Task
from darkroom.kernel.errors import NotFound
from darkroom.kernel.ids import output_id
from darkroom.kernel.limits import MAX_OUTPUTS_PER_TASK
from darkroom.usecases.call_address import callback_url
from darkroom.usecases.claim_task import claim_task
from darkroom.usecases.finish_task import await_provider, complete_task, fail_task
from darkroom.usecases.renew_lease import lease_renewed


class Hung(Exception):
    """The attempt neither delivers nor fails; its lease will run out (a test hook)."""


class AttemptCrashed(Exception):
    """An attempt failed in a way nobody foresaw; it is recorded and may be tried again."""


@dataclass(frozen=True)
class HandedOver:
    """The attempt is its provider's affair now, or may be."""

    ref: str | None
    """The run's id at the provider; None when it may or may not have taken the request."""


CRASHED = Failure(code="INTERNAL", message="Something went wrong while making it.")
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
    with tempfile.TemporaryDirectory(prefix="task-") as folder, lease_renewed(app, task):
        try:
            made = _make(app, task, Path(folder))
        except (TransientProviderError, PermanentProviderError) as error:
            return fail_for(app, task, error)
        except Hung:
            return "hung"
        except Exception as error:
            # The border of the attempt: whatever it was, the user must not wait for the lease.
            fail_task(app, task, CRASHED, transient=True)
            raise AttemptCrashed(f"{job_id} {key}") from error
    if isinstance(made, HandedOver):
        # No border around this: an attempt that may have been taken is never begun again because
        # of us. If it cannot be noted, the callback or the lease's end brings it here.
        await_provider(app, task, made.ref)
        return "waiting"
    complete_task(app, task, made)
    return "succeeded"


def _make(app: App, task: Task, workdir: Path) -> list[Output] | HandedOver:
    provider = _provider(app, task)
    request = _request(app, task, workdir)
    if task.fault == "hang" and app.settings.test_hooks:
        raise Hung
    if isinstance(provider, AsyncProvider):
        return HandedOver(_submit(app, task, provider, request))
    return store_all(app, task, provider.generate(request))


def fail_for(app: App, task: Task, error: TransientProviderError | PermanentProviderError) -> str:
    """Record that the attempt has failed for this reason; returns which kind of reason it is."""
    failure = Failure(code=error.error_code, message=error.detail or "It could not be made.")
    if isinstance(error, TransientProviderError):
        wait_seconds = error.retry_after_seconds
        fail_task(app, task, failure, transient=True, at_least_seconds=wait_seconds)
        return "transient"
    refused = error.error_code not in MENDABLE
    fail_task(app, task, replace(failure, refused=refused), transient=False)
    return "permanent"


def _submit(
    app: App, task: Task, provider: AsyncProvider, request: GenerationRequest
) -> str | None:
    """The run's id at the provider; None when nobody knows whether there is one."""
    address = callback_url(app, task)
    try:
        return provider.submit(request, address)
    except AnswerLost:
        return None
    except ProviderError:
        raise
    except Exception as error:
        # A bug, at a moment that nobody knows: the request may have been taken.
        await_provider(app, task, None)
        raise AttemptCrashed(f"{task.job_id} {task.key}") from error


def _request(app: App, task: Task, workdir: Path) -> GenerationRequest:
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
    )


def store_all(app: App, task: Task, artifacts: Sequence[Artifact]) -> list[Output]:
    """Copy what was made into our bucket, in the order given."""
    return [_store(app, task, artifact, place) for place, artifact in enumerate(artifacts, start=1)]


def _provider(app: App, task: Task) -> Provider | AsyncProvider:
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
