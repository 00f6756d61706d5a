"""Collect a provider's result: poll its run, then fetch the files, wait, or give up the attempt.

A callback only triggers a poll: its content is never trusted. A poll is claimed under a lease, and
its files are stored before the task succeeds.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from darkroom.adapters.fetch import FetchFailed, FetchLimits, FileGone, UnfitFile
from darkroom.adapters.public_network import UnsafeAddress
from darkroom.bootstrap.composition import App
from darkroom.generation.ports import (
    Artifact,
    AsyncProvider,
    Finished,
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    ResultFile,
    TransientProviderError,
)
from darkroom.jobs import task_store
from darkroom.jobs.model import ProviderRun, Task
from darkroom.kernel.limits import (
    MAX_OUTPUTS_PER_TASK,
    RESULT_FETCH_SECONDS,
    RESULT_LIMIT_BYTES,
    WAITING_LIMIT_SECONDS,
)
from darkroom.media.media_size import read_size
from darkroom.usecases.tasks.call_provider import (
    Attempt,
    callback_url_of,
    record_cost,
    remember_made,
)
from darkroom.usecases.tasks.claim_task import claim_poll
from darkroom.usecases.tasks.finish_task import complete_task, poll_later
from darkroom.usecases.tasks.run_task import AttemptCrashed, fail_for, model_of, store_all

# The size of a complete file of these types can be read from its headers.
_MEASURED = frozenset({"image/png", "image/jpeg", "image/webp", "video/mp4"})
_DESCRIBING_PARAMS = ("style", "role", "language")


def collect_task(app: App, *, job_id: str, key: str, attempt: int, poll: int) -> str:
    """Poll a waiting task once; a repeated or old message has no effect.

    Returns what happened, for the log: ``idle``, ``succeeded``, ``waiting``, ``transient`` or
    ``permanent``.

    Raises:
        AttemptCrashed: a bug or an outage; another poll follows. The cause is chained.
    """
    task = claim_poll(app, job_id=job_id, key=key, attempt=attempt, poll=poll)
    if task is None or task.run is None:
        return "idle"
    try:
        provider = provider_of_run(app, task)
        ref = task.run.ref or _find(app, task, provider)
        task = replace(task, run=replace(task.run, ref=ref))
        return _collect(app, task, provider)
    except (TransientProviderError, PermanentProviderError) as error:
        return fail_for(app, _attempt_of(app, task), error)
    except ResponseLost:
        return _wait_on(app, task)
    except Exception as error:
        # The boundary of the poll: after any error, the next poll must not wait for the lease.
        _wait_on(app, task)
        raise AttemptCrashed(f"{job_id} {key}") from error


def stop_run(app: App, *, job_id: str, key: str) -> str:
    """Cancel the run of an ended task at its provider."""
    task = task_store.find_task(job_id, key)
    if task is None or not task.is_final or task.run is None or task.run.ref is None:
        return "idle"
    _cancel(app, task, task.run)
    return "stopped"


def provider_of_run(app: App, task: Task) -> AsyncProvider:
    provider = app.providers.get(task.provider)
    if not isinstance(provider, AsyncProvider):
        raise PermanentProviderError("no such provider", code="PROVIDER_NOT_CONFIGURED")
    return provider


def _find(app: App, task: Task, provider: AsyncProvider) -> str | None:
    """The run of a request that the provider may or may not have accepted."""
    began = task.started_at or app.clock.now()
    return provider.find(callback_url_of(app, task), began)


def _collect(app: App, task: Task, provider: AsyncProvider) -> str:
    result = None
    if task.run is not None and task.run.ref is not None:
        result = provider.poll(task.run.ref)
    if result is None:
        return _wait_on(app, task)
    with tempfile.TemporaryDirectory(prefix="task-") as folder:
        artifacts = _fetch_all(app, task, provider, result=result, folder=Path(folder))
        outputs = store_all(app, task, artifacts)
    attempt = _attempt_of(app, task)
    records = record_cost(
        app, attempt, outcome="succeeded", charges=result.charges, ref=_ref_of(task)
    )
    complete_task(app, task, outputs, extra_writes=records)
    remember_made(app, attempt, outputs)
    return "succeeded"


def _attempt_of(app: App, task: Task) -> Attempt:
    """The attempt at its submission; its cost record already has the exact time."""
    began = app.clock.now()
    if task.run is not None:
        began = task.run.until - timedelta(seconds=WAITING_LIMIT_SECONDS)
    return Attempt(task, model_of(app, task), began)


def _ref_of(task: Task) -> str | None:
    return task.run.ref if task.run is not None else None


def _wait_on(app: App, task: Task) -> str:
    """Schedule the next poll, unless the run is past its deadline: then the attempt fails."""
    run = task.run
    if run is None or app.clock.now() < run.until:
        poll_later(app, task, run.ref if run else None)
        return "waiting"
    if run.ref is not None:
        _cancel(app, task, run)
    error = TransientProviderError("It took too long.", code="PROVIDER_TIMEOUT")
    return fail_for(app, _attempt_of(app, task), error)


def _cancel(app: App, task: Task, run: ProviderRun) -> None:
    """Cancel the run, best effort: if it continues, only we pay for it."""
    if run.ref is not None:
        with contextlib.suppress(ProviderError):
            provider_of_run(app, task).cancel(run.ref)


def _fetch_all(
    app: App, task: Task, provider: AsyncProvider, *, result: Finished, folder: Path
) -> list[Artifact]:
    files = result.files[:MAX_OUTPUTS_PER_TASK]
    return [
        _fetch(app, task, provider, file=file, path=folder / f"{place}{file.suffix}")
        for place, file in enumerate(files, start=1)
    ]


def _fetch(
    app: App, task: Task, provider: AsyncProvider, *, file: ResultFile, path: Path
) -> Artifact:
    limits = FetchLimits(
        hosts=provider.result_hosts,
        mime_types=frozenset(file.fetched_mime_types or (file.mime_type,)),
        size_bytes=RESULT_LIMIT_BYTES,
        seconds=RESULT_FETCH_SECONDS,
    )
    try:
        app.fetcher.fetch(file.url, path, limits)
    except FileGone as error:
        raise TransientProviderError("The result was gone.", code="RESULT_EXPIRED") from error
    except (UnsafeAddress, UnfitFile) as error:
        raise PermanentProviderError("The result was not usable.", code="BAD_RESULT") from error
    except FetchFailed as error:
        raise ResponseLost(error.detail) from error
    if file.convert is not None:
        path = file.convert(path)
    size = read_size(path, file.mime_type)
    if file.mime_type in _MEASURED and size.width is None:
        raise TransientProviderError("what was made is not what it should be", code="BAD_RESULT")
    return Artifact(
        type=file.type,
        mime_type=file.mime_type,
        path=path,
        width=size.width,
        height=size.height,
        duration_ms=size.duration_ms,
        extra={name: task.params[name] for name in _DESCRIBING_PARAMS if name in task.params},
    )
