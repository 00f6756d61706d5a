"""Handles stream records: runs the projections (plans, dispatches, events, assignments).

A record may come twice, late or not at all: each effect is idempotent, and the sweeper makes up for
lost records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset
from darkroom.bootstrap.composition import App
from darkroom.db.damage import read_item
from darkroom.jobs import items as jobs_items
from darkroom.jobs import share_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import JobItem, ShareItem, TaskItem
from darkroom.jobs.model import Job, Task
from darkroom.jobs.reading import Read, read_job, read_task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.payments import store as payments_store
from darkroom.usecases.assets.delete_asset import erase_asset
from darkroom.usecases.jobs.end_unreadable import end_unreadable
from darkroom.usecases.jobs.erase_job import erase_job
from darkroom.usecases.jobs.mark_running import mark_running
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.projections.fill_album import fill_album
from darkroom.usecases.projections.import_generated_images import import_generated_images
from darkroom.usecases.projections.index_job import index_again, index_file, is_called_otherwise
from darkroom.usecases.projections.project_asset import project_asset
from darkroom.usecases.projections.project_job import project_job
from darkroom.usecases.projections.project_purchase import project_purchase
from darkroom.usecases.projections.project_share import project_share
from darkroom.usecases.tasks.admit_tasks import admit_tasks
from darkroom.usecases.tasks.dispatch_task import dispatch_poll, dispatch_stop
from darkroom.workers.edge import metrics

T = TypeVar("T")
RawImage = Mapping[str, Mapping[str, Any]]


def handle_record(app: App, record: Mapping[str, Any]) -> str:
    """Project one stream record; returns its kind."""
    change = record["dynamodb"]
    new, old = change.get("NewImage"), change.get("OldImage")
    if not new:
        return "removed"
    if "purchaseId" in new:
        project_purchase(app, _read(payments_store.PurchaseItem, new, payments_store.to_purchase))
        return "purchase"
    if "ofAssetId" in new:
        return "reference_photo"
    if "assetId" in new and "deletedAt" in new:
        tombstone = _read(assets_store.TombstoneItem, new, assets_store.to_tombstone)
        erase_asset(
            app,
            tombstone.account_id,
            tombstone.asset_id,
            owner=tombstone.owner,
            upload_id=tombstone.upload_id,
        )
        return "erased"
    if "assetId" in new:
        _handle_asset(app, _asset(new), _asset(old) if old else None)
        return "asset"
    sort_key = new.get("sk", {}).get("S", "")
    if "deletedAt" in new:
        erase_job(app, new["pk"]["S"])
        return "erased"
    if sort_key == jobs_items.JOB_KEY:
        job = _job(new)
        if job.unreadable:
            return _handle_unreadable(app, new)
        return _handle_job(app, job.value, _readable(_job(old)) if old else None)
    if sort_key.startswith(jobs_items.TASK_PREFIX):
        task = read_task(_item(TaskItem, new))
        if task.unreadable:
            return _handle_unreadable(app, new)
        before = _readable(read_task(_item(TaskItem, old))) if old else None
        return _handle_task(app, task.value, before)
    if sort_key.startswith(jobs_items.SHARE_PREFIX):
        share = share_store.read_share(_item(ShareItem, new))
        if not share.unreadable:
            project_share(app, share.value)
        return "share"
    return "ignored"


def _handle_asset(app: App, asset: Asset, before: Asset | None) -> None:
    project_asset(app, asset, before=before)
    if before is not None and is_called_otherwise(asset, before):
        index_file(asset.account_id, asset.asset_id)


def _handle_job(app: App, job: Job, before: Job | None) -> str:
    newly_queued = job.status is JobStatus.QUEUED and not job.planned
    if newly_queued and (before is None or before.status is JobStatus.DRAFT):
        plan_job(app, job.job_id)
    if job.status is JobStatus.DRAFT:
        index_again(job, before)
    else:
        project_job(app, job, before=before)
    _measure(job, before)
    return "job"


def _measure(job: Job, before: Job | None) -> None:
    """Count jobs by state and credits by outcome when a record first shows them."""
    if before is not None and before.status is job.status:
        return
    metrics.add_metric(name=f"Jobs{job.status.capitalize()}", unit=MetricUnit.Count, value=1)
    if job.status is JobStatus.QUEUED:
        metrics.add_metric(name="CreditsReserved", unit=MetricUnit.Count, value=job.reserved)
    if job.receipt is not None:
        used, refunded = job.receipt.used, job.receipt.refunded
        metrics.add_metric(name="CreditsSettled", unit=MetricUnit.Count, value=used)
        metrics.add_metric(name="CreditsRefunded", unit=MetricUnit.Count, value=refunded)


def _handle_unreadable(app: App, new: RawImage) -> str:
    """End the job of a damaged item, whose record is not projected."""
    end_unreadable(app, new["pk"]["S"])
    return "unreadable"


def _handle_task(app: App, task: Task, before: Task | None) -> str:
    # A task that became ready may be sent, and one that finished or waits for its next attempt
    # frees a place in the account queue. A sent message or a claim changes nothing for the others.
    turn = (task.status, task.attempts, task.provider)
    is_new = before is None or (before.status, before.attempts, before.provider) != turn
    if is_new and (task.is_final or task.status is TaskStatus.READY):
        admit_tasks(app, task)
    if is_new or before is None or before.run != task.run:
        # Each poll has its own message, sent when the previous poll has left the task waiting.
        dispatch_poll(app, task)
    if is_new:
        dispatch_stop(app, task)
    if task.status is TaskStatus.RUNNING and task.attempts == 1:
        mark_running(app, task.job_id)
    if is_new:
        fill_album(app, [task])
        import_generated_images(app, [task])
    return "task"


def _job(image: RawImage) -> Read[Job]:
    item = _item(JobItem, image)
    return read_job(item, jobs_store.find_inputs(item.pk) if item.inputs is None else None)


def _readable(before: Read[T]) -> T | None:
    """The item before the change; None if that was damaged, so that everything is derived again."""
    return None if before.unreadable else before.value


def _asset(image: RawImage) -> assets_store.Asset:
    return _read(assets_store.AssetItem, image, assets_store.to_asset)


def _read(item_class: Any, image: RawImage, read: Callable[[Any], T]) -> T:
    return read_item(_item(item_class, image), read)


def _item(item_class: Any, image: RawImage) -> Any:
    return item_class.from_raw_data({name: dict(value) for name, value in image.items()})
