"""Dead letters → an end: the task fails and its job settles; the asset is refused.

A message that cannot be read belongs to nobody we could name; its job is ended by the sweeper's
deadlines, and the message is logged and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap import App
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases.bury_task import bury_task
from darkroom.usecases.fail_ingest import fail_ingest
from darkroom.workers.edge import logger, metrics, read_json
from darkroom.workers.ingest import assets_of
from darkroom.workers.tasks import task_of


def handle_dead_letter(app: App, record: Mapping[str, Any]) -> str:
    """Give what a dead message was about its end; returns what that was."""
    metrics.add_metric(name="DeadLetters", unit=MetricUnit.Count, value=1)
    queue = str(record.get("eventSourceARN", "")).rpartition(":")[2]
    logger.warning("dead_letter", queue=queue, message_id=record.get("messageId"))
    try:
        # Of whatever version: what it says is enough to give its task an end.
        job_id, key, attempt = task_of(read_json(record))
    except InvalidInput:
        pass
    else:
        bury_task(app, job_id=job_id, key=key, attempt=attempt)
        return "task"
    try:
        assets = assets_of(record)
    except InvalidInput:
        return "unreadable"
    for account_id, asset_id in assets:
        fail_ingest(app, account_id=account_id, asset_id=asset_id)
    return "asset"
