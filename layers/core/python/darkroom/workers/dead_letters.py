"""Handles dead letters: the task fails and its job settles, the upload fails, the archive is
marked as failed, or the attempt of a delivery counts as failed.

A message that cannot be read names no job; the sweeper ends its job at the deadline. Every message
is kept unchanged, so that an operator can send it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import Damaged, InvalidInput
from darkroom.usecases.accounts.erasure.export_account import give_up_export
from darkroom.usecases.archives.archive_job import give_up_archive
from darkroom.usecases.endpoints.deliver_event import fail_undelivered
from darkroom.usecases.operations.keep_dead_letter import Ended, keep_dead_letter
from darkroom.usecases.tasks.fail_undelivered_task import fail_undelivered_task
from darkroom.usecases.uploads.fail_ingest import fail_ingest
from darkroom.workers.archive import export_of, job_of_archive
from darkroom.workers.deliver import delivery_of
from darkroom.workers.edge import logger, metrics, read_json
from darkroom.workers.ingest import assets_of
from darkroom.workers.tasks import poll_of, task_of


def handle_dead_letter(app: App, record: Mapping[str, Any]) -> str:
    """End the subject of a dead letter, and keep the message; returns the outcome."""
    metrics.add_metric(name="DeadLetters", unit=MetricUnit.Count, value=1)
    queue = str(record.get("eventSourceARN", "")).rpartition(":")[2]
    logger.warning("dead_letter", queue=queue, message_id=record.get("messageId"))
    outcome: Ended
    try:
        outcome = _end(app, record)
    except Damaged:
        # It would fail at every delivery. The message is kept for an operator.
        logger.exception("dead_letter_of_damaged_item")
        outcome = "damaged"
    keep_dead_letter(
        app,
        message_id=str(record.get("messageId")),
        sent_at_ms=int(record.get("attributes", {}).get("SentTimestamp", 0)),
        queue=queue,
        body=record["body"],
        outcome=outcome,
    )
    return outcome


def _end(app: App, record: Mapping[str, Any]) -> Ended:
    try:
        # Any version of the message is accepted: the keys of the task are enough to end it.
        message = read_json(record)
        job_id, key, attempt = task_of(message)
    except InvalidInput:
        pass
    else:
        if not message.get("stop"):
            fail_undelivered_task(
                app, job_id=job_id, key=key, attempt=attempt, poll=poll_of(message)
            )
        return "task"
    try:
        give_up_archive(app, job_id=job_of_archive(read_json(record)))
        return "archive"
    except InvalidInput:
        pass
    try:
        account_id, export_id = export_of(read_json(record))
        give_up_export(app, account_id=account_id, export_id=export_id)
        return "export"
    except InvalidInput:
        pass
    try:
        fail_undelivered(app, **delivery_of(read_json(record)))
        return "delivery"
    except InvalidInput:
        pass
    try:
        assets = assets_of(record)
    except InvalidInput:
        return "unreadable"
    for account_id, asset_id in assets:
        fail_ingest(app, account_id=account_id, asset_id=asset_id)
    return "asset"
