"""Handles DynamoDB stream events: passes the records to the relay, in order."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.db.damage import METRIC
from darkroom.kernel.errors import Damaged
from darkroom.workers.edge import logger, metrics
from darkroom.workers.relay import handle_record

_NOT_UNDERSTOOD = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    Damaged,
)
"""Errors of records that the code cannot process."""


def handle_stream(app: App, event: dict[str, Any]) -> dict[str, Any]:
    """Project each record; the stream is retried from a record that fails transiently.

    The response names the first failing record: DynamoDB streams retry from there
    (``ReportBatchItemFailures``), so later records keep their order. A record that cannot be
    processed now cannot be processed later either: it is reported and skipped, so that it does not
    block other accounts. The sweeper handles its item when that is due.
    """
    done: Counter[str] = Counter()
    for record in event["Records"]:
        sequence = record["dynamodb"]["SequenceNumber"]
        try:
            done[handle_record(app, record)] += 1
        except _NOT_UNDERSTOOD:
            logger.exception("relay_record_passed_over", sequence=sequence)
            metrics.add_metric(name=METRIC, unit=MetricUnit.Count, value=1)
            done["passed_over"] += 1
        except Exception:  # noqa: BLE001 - the stream retries from this record, whatever failed
            logger.exception("relay_record_failed", sequence=sequence)
            return {"batchItemFailures": [{"itemIdentifier": sequence}]}
    logger.info("relay", done=dict(done))
    return {"batchItemFailures": []}
