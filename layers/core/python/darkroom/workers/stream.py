"""DynamoDB stream events → the relay, record by record, in order."""

from __future__ import annotations

from collections import Counter
from typing import Any

from darkroom.bootstrap import App
from darkroom.workers.edge import logger
from darkroom.workers.relay import handle_record


def handle_stream(app: App, event: dict[str, Any]) -> dict[str, Any]:
    """Project each record; a failing one is reported, and the stream goes on from it.

    The answer names the first failing record: DynamoDB streams retry from there
    (``ReportBatchItemFailures``), so later records keep their order.
    """
    done: Counter[str] = Counter()
    for record in event["Records"]:
        sequence = record["dynamodb"]["SequenceNumber"]
        try:
            done[handle_record(app, record)] += 1
        except Exception:
            logger.exception("relay_record_failed", sequence=sequence)
            return {"batchItemFailures": [{"itemIdentifier": sequence}]}
    logger.info("relay", done=dict(done))
    return {"batchItemFailures": []}
