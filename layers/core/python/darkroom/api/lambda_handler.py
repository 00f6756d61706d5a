"""Lambda handlers for API Gateway events: Mangum, one log line and metrics per request."""

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
# Most requests add no metrics, which needs no warning.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def http_handler(api: FastAPI) -> Handler:
    """A Lambda handler for HTTP API events, payload format 2.0."""
    adapter = Mangum(api, lifespan="off")

    @metrics.log_metrics
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request_context = event.get("requestContext", {})
        logger.set_correlation_id(request_context.get("requestId"))
        started = perf_counter()
        response = adapter(event, context)
        status = response["statusCode"]
        logger.info(
            "http",
            route=event.get("routeKey"),
            status=status,
            account_id=_account(request_context),
            took_ms=round((perf_counter() - started) * 1000, 1),
        )
        if status >= 500:
            metrics.add_metric(name="HttpServerErrors", unit=MetricUnit.Count, value=1)
        return response

    return handler


def _account(request_context: dict[str, Any]) -> str | None:
    claims = request_context.get("authorizer", {}).get("jwt", {}).get("claims", {})
    return claims.get("sub")
