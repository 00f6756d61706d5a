"""Events become counters through the deployed stream, under the template's roles."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.support.api_client import Client

WAIT_SECONDS = 60
SCENE = {"stage": "spark", "genre": "romance"}
UPGRADE = {"name": "upgrade_clicked", "props": {"fromMode": "quick", "toMode": "story"}}


def test_events_are_listed_counted_and_counted_again(
    stack: LocalStack, denials: Callable[[], list[str]]
) -> None:
    alice, admin = Client(stack, "analytics"), Client(stack, "analytics-admin", role="admin")
    photo = alice.upload("me.jpg", "image/jpeg", PHOTO.read_bytes())
    body = {"recipe": "quick", "inputs": {"photoAssetIds": [photo], **SCENE}, "status": "queued"}
    [job] = alice.call("POST", "/api/jobs", body)["jobs"]
    job_id = job["jobId"]
    alice.finished(job_id)
    shared = alice.call("POST", f"/api/jobs/{job_id}/share", {})
    for _ in range(2):
        httpx.get(f"{stack.api_url}/api/shares/{shared['token']}").raise_for_status()
    sent = alice.call("POST", "/api/events", {"events": [UPGRADE | {"jobId": job_id}]})

    def row() -> dict[str, Any]:
        rows = admin.call("GET", "/api/analytics/templates?mode=quick")["items"]
        return max(rows, key=lambda each: each["confirmed"])

    def is_counted() -> bool:
        names = ("done", "shares", "views", "upgrades")
        return all(row()[name] for name in names)

    _wait(is_counted)
    before = row()

    cursor = None
    while True:
        page: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        cursor = admin.call("POST", "/api/admin/rebuild-projections", page)["nextCursor"]
        if cursor is None:
            break

    assert sent == {"accepted": 1}
    assert before["views"] == 1
    assert row() == before
    account = stack.account_id("analytics")
    for query in (f"account={account}", f"job={job_id}", "name=job_done"):
        names = {each["name"] for each in admin.call("GET", f"/api/admin/events?{query}")["items"]}
        assert "job_done" in names
    for path in ("analytics/templates.csv", "admin/margin.csv", "analytics/funnel", "admin/margin"):
        assert admin.send("GET", f"/api/{path}").status_code == 200
    items = stack.client("dynamodb").scan(TableName=stack.outputs["EventsTable"])["Items"]
    assert not [item for item in items if "dueShard" in item and account in str(item)]
    assert denials() == []


def _wait(is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_ready():
        assert time.monotonic() < deadline, "the events were not counted in time"
        time.sleep(0.5)
