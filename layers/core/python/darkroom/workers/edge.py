"""Shared by all worker handlers: Powertools Batch, with one log line per record."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)

from darkroom.adapters.queues import Queue
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.logs import protect_logs

Handler = Callable[[dict[str, Any], Any], Any]
KNOWN_MESSAGE_VERSIONS = frozenset({1})
RETRY_BASE_SECONDS = 2

logger = Logger()
metrics = Metrics()
protect_logs(logger.name)
# Most invocations of most workers have no metrics; do not log a warning for each.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def queue_handler(
    handle: Callable[[Mapping[str, Any]], str], queue: Callable[[], Queue] | None = None
) -> Handler:
    """A handler for SQS events: ``handle`` gets one record and returns its outcome.

    A record whose handling raises is reported separately (partial batch response) and delivered
    again; with ``queue``, after a delay that doubles. After the queue's maxReceiveCount it goes to
    the dead-letter queue.
    """
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def one(record: Any) -> None:
        try:
            outcome = handle(record.raw_event)
        except Exception:
            logger.exception("message_failed", message_id=record.message_id)
            if queue is not None:
                _hasten(queue(), record.raw_event)
            raise
        logger.info("message", message_id=record.message_id, outcome=outcome)

    @metrics.log_metrics
    def handler(event: dict[str, Any], context: Any) -> Any:
        return process_partial_response(
            event=event, record_handler=one, processor=processor, context=context
        )

    return handler


def read_json(record: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in a message's body, of any version.

    Raises:
        InvalidInput: not JSON, or not an object.
    """
    try:
        message = json.loads(record["body"])
    except ValueError as error:
        raise InvalidInput("the message is not JSON") from error
    if not isinstance(message, dict):
        raise InvalidInput("the message is not an object")
    return message


def _hasten(queue: Queue, record: Mapping[str, Any]) -> None:
    """Shorten the visibility timeout, which covers the longest run, after a failure."""
    receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    queue.retry_after(record["receiptHandle"], RETRY_BASE_SECONDS**receives)


def read_message(record: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body of a message of ours.

    Raises:
        InvalidInput: not JSON, not an object, or of a version this code does not know.
    """
    message = read_json(record)
    if message.get("schemaVersion") not in KNOWN_MESSAGE_VERSIONS:
        raise InvalidInput(f"unknown message version {message.get('schemaVersion')!r}")
    return message
