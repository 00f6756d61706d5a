"""A handler as tutorials show it: FastAPI, Mangum, boto3 clients, Powertools with its Tracer."""

from __future__ import annotations

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from mangum import Mangum

from bench.peers.naive_confirm import TABLES, NaiveConfirm
from bench.peers.plain_app import create_plain_app

logger = Logger()
metrics = Metrics()
tracer = Tracer()

peer = NaiveConfirm(
    dynamodb=boto3.client("dynamodb"),
    sqs=boto3.client("sqs"),
    tables={name: os.environ.get(f"PLAIN_{name.upper()}", name) for name in TABLES},
    queue_url=os.environ.get("PLAIN_QUEUE_URL", ""),
)
_adapter = Mangum(create_plain_app(peer), lifespan="off")


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    response = _adapter(event, context)
    logger.info("http", status=response["statusCode"])
    return response
