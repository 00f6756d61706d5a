"""Handles stream records: runs the projections (plans, dispatches, events, assignments), and then
those of the events.

A record may come twice, late or not at all: each effect is idempotent, and the sweeper makes up for
lost records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.assets import store as assets_store
from darkroom.assets.reference_store import REFERENCE_PREFIX
from darkroom.bootstrap.composition import App
from darkroom.db.damage import read_item, read_or
from darkroom.endpoints import items as endpoints_items
from darkroom.events import store as events_store
from darkroom.jobs import items as jobs_items
from darkroom.jobs import share_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import JobItem, ShareItem, TaskItem
from darkroom.jobs.model import Job
from darkroom.jobs.reading import Read, read_job, read_task
from darkroom.jobs.states import JobStatus
from darkroom.payments import store as payments_store
from darkroom.usecases.accounts.announce_levels import announce_levels
from darkroom.usecases.assets.delete_asset import erase_asset
from darkroom.usecases.jobs.end_unreadable import end_unreadable
from darkroom.usecases.jobs.erase_job import erase_job
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.projections.index_job import index_again
from darkroom.usecases.projections.project_asset import project_asset
from darkroom.usecases.projections.project_delivery import project_delivery
from darkroom.usecases.projections.project_event import project_event
from darkroom.usecases.projections.project_job import project_job
from darkroom.usecases.projections.project_purchase import project_purchase
from darkroom.usecases.projections.project_share import project_share
from darkroom.usecases.projections.project_task import project_task
from darkroom.workers.edge import metrics

T = TypeVar("T")
RawImage = Mapping[str, Mapping[str, Any]]


def handle_record(app: App, record: Mapping[str, Any]) -> str:
    """Project one stream record; returns what it was.

    The table that the record names decides who handles it, the item's key what it is.
    """
    change = record["dynamodb"]
    new, old = change.get("NewImage"), change.get("OldImage")
    if not new:
        return "removed"
    handle = _HANDLERS.get(_table_of(app, record["eventSourceARN"]))
    return "ignored" if handle is None else handle(app, new, old)


def _table_of(app: App, stream_arn: str) -> str:
    """The product's own name of the table with this stream; empty when it is another stack's."""
    table = stream_arn.partition(":table/")[2].partition("/")[0]
    return next((name for name, known in app.settings.tables.items() if known == table), "")


def _handle_purchase(app: App, new: RawImage, _old: RawImage | None) -> str:
    project_purchase(app, _read(payments_store.PurchaseItem, new, payments_store.to_purchase))
    return "purchase"


def _handle_asset(app: App, new: RawImage, old: RawImage | None) -> str:
    key = new["assetId"]["S"]
    if key.startswith(f"{REFERENCE_PREFIX}_"):
        return "reference_photo"
    if key.startswith(assets_store.TOMBSTONE):
        tombstone = _read(assets_store.TombstoneItem, new, assets_store.to_tombstone)
        erase_asset(
            app,
            tombstone.account_id,
            tombstone.asset_id,
            owner=tombstone.owner,
            upload_id=tombstone.upload_id,
        )
        return "erased"
    before = assets_store.read_asset(_item(assets_store.AssetItem, old)) if old else None
    project_asset(app, _read(assets_store.AssetItem, new, assets_store.to_asset), before=before)
    return "asset"


def _handle_job_item(app: App, new: RawImage, old: RawImage | None) -> str:
    sort_key = new["sk"]["S"]
    if "deletedAt" in new:
        erase_job(app, new["pk"]["S"])
        return "erased"
    if sort_key == jobs_items.JOB_KEY:
        return _handle_job(app, new, old)
    if sort_key.startswith(jobs_items.TASK_PREFIX):
        return _handle_task(app, new, old)
    if sort_key.startswith(jobs_items.SHARE_PREFIX):
        share = share_store.read_share(_item(ShareItem, new))
        if not share.unreadable:
            project_share(app, share.value)
        return "share"
    return "ignored"


def _handle_event(app: App, new: RawImage, _old: RawImage | None) -> str:
    if "dueShard" not in new:
        return "ignored"  # It is projected already, or nothing follows from it.
    project_event(app, _read(events_store.EventItem, new, events_store.to_event))
    return "event"


def _handle_endpoint_item(app: App, new: RawImage, old: RawImage | None) -> str:
    if not new["sk"]["S"].startswith(endpoints_items.DELIVERY):
        return "ignored"
    read, kind = endpoints_items.delivery_from_item, endpoints_items.DeliveryItem
    before = read_or(_item(kind, old), read, None) if old else None
    project_delivery(app, _read(kind, new, read), before=before)
    return "delivery"


_HANDLERS: Mapping[str, Callable[[App, RawImage, RawImage | None], str]] = {
    "purchases": _handle_purchase,
    "assets": _handle_asset,
    "jobs": _handle_job_item,
    "events": _handle_event,
    "endpoints": _handle_endpoint_item,
}


def _handle_job(app: App, new: RawImage, old: RawImage | None) -> str:
    read = _job(new)
    if read.unreadable:
        return _handle_unreadable(app, new)
    job, before = read.value, _readable(_job(old)) if old else None
    newly_queued = job.status is JobStatus.QUEUED and not job.planned
    if newly_queued and (before is None or before.status is JobStatus.DRAFT):
        plan_job(app, job.job_id)
    if job.status is JobStatus.DRAFT:
        index_again(job, before=before)
    else:
        project_job(app, job, before=before)
    is_new_state = before is None or before.status is not job.status
    if is_new_state and job.status in (JobStatus.DRAFT, JobStatus.QUEUED):
        # An end is announced with its usage, also by the sweeper.
        announce_levels(app, job.account_id)
    _measure(job, before)
    return "job"


def _handle_task(app: App, new: RawImage, old: RawImage | None) -> str:
    task = read_task(_item(TaskItem, new))
    if task.unreadable:
        return _handle_unreadable(app, new)
    before = _readable(read_task(_item(TaskItem, old))) if old else None
    project_task(app, task.value, before=before)
    return "task"


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


def _job(image: RawImage) -> Read[Job]:
    item = _item(JobItem, image)
    return read_job(item, jobs_store.find_inputs(item.pk) if item.inputs is None else None)


def _readable(before: Read[T]) -> T | None:
    """The item before the change; None if that was damaged, so that everything is derived again."""
    return None if before.unreadable else before.value


def _read(item_class: Any, image: RawImage, read: Callable[[Any], T]) -> T:
    return read_item(_item(item_class, image), read)


def _item(item_class: Any, image: RawImage) -> Any:
    return item_class.from_raw_data({name: dict(value) for name, value in image.items()})
