"""From API Gateway's event to the app and back: Mangum, one log line and metrics per call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from fastapi import FastAPI
from mangum import Mangum

from darkroom.kernel.logs import protect_logs

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]

logger = Logger()
metrics = Metrics()
protect_logs(logger.name)
# Most calls have nothing to measure; that is no reason to warn in every log.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def http_handler(api: FastAPI) -> Handler:
    """A Lambda handler for HTTP API events, payload format 2.0."""
    adapter = Mangum(api, lifespan="off")

    @metrics.log_metrics
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        context_of_call = event.get("requestContext", {})
        logger.set_correlation_id(context_of_call.get("requestId"))
        started = perf_counter()
        answer = adapter(event, context)
        status = answer["statusCode"]
        logger.info(
            "http",
            route=event.get("routeKey"),
            status=status,
            account_id=_account(context_of_call),
            took_ms=round((perf_counter() - started) * 1000, 1),
        )
        if status >= 500:
            metrics.add_metric(name="HttpServerErrors", unit=MetricUnit.Count, value=1)
        return answer

    return handler


def _account(context_of_call: dict[str, Any]) -> str | None:
    claims: dict[str, str] = context_of_call.get("authorizer", {}).get("jwt", {}).get("claims", {})
    return claims.get("sub")
