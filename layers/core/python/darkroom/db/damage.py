"""Damaged items: what is reported of them, in one way, wherever they are met."""

from __future__ import annotations

import contextlib
from collections.abc import Collection

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, SchemaValidationError

METRIC = "UnreadableItems"
logger = Logger()
metrics = Metrics()


def report_unreadable(partition: str, sort_key: str, attributes: Collection[str]) -> None:
    """Log and count an item of which some attributes cannot be read; does nothing without any.

    Names only: what the attributes hold may be a user's own words.
    """
    if not attributes:
        return
    logger.error("unreadable_item", item=f"{partition} {sort_key}", attributes=sorted(attributes))
    # A command at an operator's desk has no namespace to count in, and must not fail for that.
    with contextlib.suppress(SchemaValidationError):
        metrics.add_metric(name=METRIC, unit=MetricUnit.Count, value=1)
