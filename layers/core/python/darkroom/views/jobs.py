"""An account's jobs, as the API shows them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.jobs import store
from darkroom.jobs.failures import failure_sentence
from darkroom.jobs.model import Failure, Job, JobFamily, Output, Task
from darkroom.jobs.naming import file_name_of, shown_key, shown_type
from darkroom.jobs.states import JobStatus
from darkroom.kernel.clock import to_epoch_seconds, to_iso
from darkroom.kernel.errors import NotFound
from darkroom.kernel.limits import DOWNLOAD_URL_SECONDS, POLL_AFTER_MS
from darkroom.recipes import REGISTRY


def get_family(account_id: str, job_id: str) -> JobFamily:
    """The account's job with its tasks and outputs.

    Raises:
        NotFound: missing, or another account's.
    """
    family = store.find_family(job_id)
    if family is None or family.job.account_id != account_id:
        raise NotFound("no such job")
    return family


def etag(app: App, family: JobFamily, *, language: str = "") -> str:
    """Changes whenever the response does, and early enough that links are renewed before they end.

    ``language`` matters if the response has sentences; that of a draft has none.
    """
    state = [str(family.job.version), language]
    state += [f"{task.key}:{task.status}:{task.attempts}" for task in family.tasks]
    if family.outputs:
        state.append(str(to_epoch_seconds(app.clock.now()) // (DOWNLOAD_URL_SECONDS // 2)))
    return f'"{hashlib.sha256("|".join(state).encode()).hexdigest()[:32]}"'


def job_detail(app: App, family: JobFamily, *, language: str) -> dict[str, Any]:
    job = family.job
    return {
        **job_summary(job, language=language),
        "tasks": [_task(task, language) for task in family.tasks],
        "outputs": [output_detail(app, job, output) for output in family.outputs],
        "timeline": _timeline(job),
    }


def job_summary(job: Job, *, language: str) -> dict[str, Any]:
    recipe = REGISTRY.get(job.recipe)
    is_mode = job.combination is not None or (recipe is not None and recipe.is_mode)
    shape = {
        "jobId": job.job_id,
        "recipe": job.recipe,
        "mode": job.recipe if is_mode else None,
        "status": job.status.value,
        "inputs": dict(job.inputs),
        "templateId": job.template_id,
        "parentJobId": job.parent_job_id,
        "regenTarget": job.regen_target,
        "regenClipNo": job.regen_clip_no,
        "priority": job.priority or None,
        "creditsReserved": job.reserved,
        "receipt": job_receipt(job, language=language),
        "progress": {
            "completed": job.progress.completed,
            "failed": job.progress.failed,
            "total": job.progress.total,
            "percent": job.progress.percent,
        },
        "createdAt": to_iso(job.created_at),
        "startedAt": _iso(job.started_at),
        "finishedAt": _iso(job.finished_at),
        "pollAfterMs": None if job.is_final or job.status is JobStatus.DRAFT else POLL_AFTER_MS,
    }
    return {name: value for name, value in shape.items() if value is not None}


def job_receipt(job: Job, *, language: str) -> dict[str, Any]:
    """The receipt in total and by part; the parts add up to the total."""
    used = job.receipt.parts if job.receipt else (0,) * len(job.price)
    parts = [
        {
            "name": part.name,
            "credits": part.credits,
            "used": spent,
            "refunded": part.credits - spent if job.receipt else 0,
        }
        for part, spent in zip(job.price, used, strict=True)
    ]
    receipt: dict[str, Any] = {
        "reserved": job.reserved,
        "used": job.receipt.used if job.receipt else 0,
        "refunded": job.receipt.refunded if job.receipt else 0,
        "parts": parts,
    }
    if job.receipt is not None and job.receipt.reason is not None:
        receipt["reason"] = job.receipt.reason
        receipt["message"] = failure_sentence(job.receipt.reason, language)
    if job.receipt is not None and job.receipt.note is not None:
        receipt["note"] = job.receipt.note
    return receipt


def _task(task: Task, language: str) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "key": task.key,
        "kind": task.kind,
        "status": task.status.value,
        "attempts": task.attempts,
        "provider": task.provider or None,
        "error": failure_detail(task.failure, language) if task.failure else None,
        "startedAt": _iso(task.started_at),
        "finishedAt": _iso(task.finished_at),
    }
    return {name: value for name, value in shape.items() if value is not None}


def failure_detail(failure: Failure, language: str) -> dict[str, str]:
    return {"message": failure_sentence(failure.code, language), "code": failure.code}


def output_detail(app: App, job: Job, output: Output) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "outputId": output.output_id,
        "key": shown_key(output),
        "type": shown_type(output),
        "mimeType": output.mime_type,
        "sizeBytes": output.size_bytes,
        "width": output.width,
        "height": output.height,
        "durationMs": output.duration_ms,
        "style": output.style,
        "role": output.role,
        "language": output.language,
        "selected": output.output_id == job.selected_output,
        "inheritedFrom": output.inherited_from,
        "downloadUrl": app.storage.download_url(
            output.storage_key,
            file_name=file_name_of(job, output),
            mime_type=output.mime_type,
        ),
    }
    return {name: value for name, value in shape.items() if value is not None}


def _timeline(job: Job) -> list[dict[str, str]]:
    moments = (
        ("created", job.created_at),
        ("queued", job.queued_at),
        ("running", job.started_at),
        ("done", job.finished_at),
    )
    return [{"name": name, "at": to_iso(at)} for name, at in moments if at is not None]


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
