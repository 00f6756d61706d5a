"""Report that a job ended although its wallet lacks its hold."""

from __future__ import annotations

import contextlib

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, SchemaValidationError

METRIC = "UnknownHolds"
logger = Logger()
metrics = Metrics()


def report_unknown_hold(account_id: str, *, job_id: str) -> None:
    """Log and count it; an alarm watches the metric, and the auditor reports the breach."""
    logger.error("unknown_hold", law="L5", account_id=account_id, job_id=job_id)
    # An operator's command line has no metric namespace, and must not fail for that.
    with contextlib.suppress(SchemaValidationError):
        metrics.add_metric(name=METRIC, unit=MetricUnit.Count, value=1)
