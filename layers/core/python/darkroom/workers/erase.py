"""Continues erasures: when one is accepted (the stream of their table), and every minute."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.usecases.accounts.erasure.continue_erasure import sweep_erasures
from darkroom.workers.edge import logger, metrics


def handle_erasures(app: App) -> dict[str, int]:
    """Continue what is due; returns the number of erasures by outcome."""
    failed: list[str] = []

    def report(item: str, error: Exception) -> None:
        logger.error("erasure_failed", item=item, exc_info=error)
        failed.append(item)

    done = sweep_erasures(app, report)
    logger.info("erasures", done=dict(done))
    metrics.add_metric(name="ErasureErrors", unit=MetricUnit.Count, value=len(failed))
    return dict(done)


def handle_event(app: App, _event: Any) -> dict[str, Any]:
    """A schedule, or records of the stream: either way, what is due is continued. An erasure that
    fails is due again, so no record has to be delivered twice."""
    return {"batchItemFailures": [], "done": handle_erasures(app)}
