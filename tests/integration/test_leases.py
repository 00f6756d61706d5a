"""A task whose process died runs again at once, not when its lease ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.support.api_client import Client

PATIENCE_SECONDS = 120
LEASE_SECONDS = 300


@pytest.fixture
def running(stack: LocalStack) -> tuple[Client, str, dict[str, Any]]:
    """A user, their job, and the item of its keyframe, which a process is running."""
    alice = Client(stack, "leases")
    photo = alice.upload("me.jpg", "image/jpeg", PHOTO.read_bytes())
    inputs = {"photoAssetIds": [photo], "stage": "spark", "genre": "romance"}
    body = {"recipe": "quick", "inputs": inputs, "status": "queued"}
    job_id = alice.call("POST", "/api/jobs", body)["jobs"][0]["jobId"]
    return alice, job_id, claimed(stack, job_id)


def claimed(stack: LocalStack, job_id: str) -> dict[str, Any]:
    """The first task of the job that is leased to a living process."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for item in tasks_of(stack, job_id):
            if item["status"]["S"] == "running" and "worker" in item:
                return item
        time.sleep(0.02)
    raise AssertionError("no task began")


def tasks_of(stack: LocalStack, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.client("dynamodb").query(
        TableName=stack.outputs["JobsTable"],
        KeyConditionExpression="pk = :job AND begins_with(sk, :task)",
        ExpressionAttributeValues={":job": {"S": job_id}, ":task": {"S": "task#"}},
    )["Items"]
    return found


def process_of(stack: LocalStack, task: dict[str, Any]) -> int:
    return int(Path(stack.places.workers, task["worker"]["S"]).read_text())


def test_a_task_whose_process_was_killed_runs_again_within_seconds(
    stack: LocalStack, running: tuple[Client, str, dict[str, Any]]
) -> None:
    alice, job_id, task = running
    began = time.monotonic()

    os.kill(process_of(stack, task), signal.SIGKILL)
    job = alice.finished(job_id)

    again = next(item for item in tasks_of(stack, job_id) if item["sk"] == task["sk"])
    assert (job["status"], int(again["attempts"]["N"])) == ("succeeded", 2)
    assert time.monotonic() - began < LEASE_SECONDS / 2
