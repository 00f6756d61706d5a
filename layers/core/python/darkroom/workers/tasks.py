"""Handles task messages: runs attempts, and polls and cancels the runs of providers."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import InvalidInput
from darkroom.usecases.tasks.collect_task import collect_task, stop_run
from darkroom.usecases.tasks.run_task import AttemptCrashed, run_task
from darkroom.workers.edge import logger, metrics, read_message


def handle_task_message(app: App, record: Mapping[str, Any]) -> str:
    """Handle the message; returns its outcome.

    By default a message runs an attempt; with ``look`` it polls a waiting task; with ``stop`` it
    cancels the run of an ended task.

    Raises:
        InvalidInput: the message is not one of ours, and goes to the dead-letter queue.
    """
    message = read_message(record)
    job_id, key, attempt = task_of(message)
    logger.append_keys(job_id=job_id, task_key=key, attempt=attempt)
    started = perf_counter()
    try:
        if (poll := poll_of(message)) is not None:
            outcome = collect_task(app, job_id=job_id, key=key, attempt=attempt, poll=poll)
        elif message.get("stop"):
            outcome = stop_run(app, job_id=job_id, key=key)
        else:
            outcome = run_task(app, job_id=job_id, key=key, attempt=attempt)
    except AttemptCrashed:
        logger.exception("attempt_crashed")
        outcome = "crashed"
    took = round((perf_counter() - started) * 1000)
    metrics.add_metric(name="TaskMilliseconds", unit=MetricUnit.Milliseconds, value=took)
    logger.info("task", outcome=outcome, took_ms=took)
    return outcome


def poll_of(message: Mapping[str, Any]) -> int | None:
    poll = message.get("look")
    return poll if isinstance(poll, int) else None


def task_of(message: Mapping[str, Any]) -> tuple[str, str, int]:
    job_id, key = message.get("jobId"), message.get("key")
    attempt = message.get("attempt")
    if not (isinstance(job_id, str) and isinstance(key, str) and isinstance(attempt, int)):
        raise InvalidInput("the message names no attempt")
    return job_id, key, attempt
