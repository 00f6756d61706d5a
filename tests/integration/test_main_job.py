"""The main job on the deployed template: real media in, real media out, every credit recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from local.run_demo import PHOTO, Demo
from local.stack import LocalStack

_numbers = count(1)
DEAD_LETTER_LIMIT_SECONDS = 90


class Frontend(Demo):
    """A client of the running stack as one signed-in user."""

    def __init__(self, stack: LocalStack, user: str, role: str | None = None) -> None:
        self.stack = stack
        self.token = stack.token(user, role=role)
        super().__init__(stack.api_url, self.token)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._api.request(method, path, **options)

    def confirm(self, asset_id: str, **fields: Any) -> str:
        body = {"mode": "story", "stage": "together", "genre": "noir", **fields}
        response = self.call(
            "POST",
            "/api/jobs/confirm",
            json={**body, "photoAssetIds": [asset_id]},
            headers={"Idempotency-Key": f"key-{next(_numbers)}"},
        )
        return response["jobId"]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", f"/api/jobs/{job_id}")

    def wait(self, ready: Callable[[], bool], limit_seconds: float = 60) -> None:
        deadline = time.monotonic() + limit_seconds
        while not ready():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.3)


@pytest.fixture(scope="module")
def alice(stack: LocalStack) -> Frontend:
    return Frontend(stack, "main-alice")


@pytest.fixture(scope="module")
def photo(alice: Frontend) -> str:
    return alice.upload(PHOTO)


@pytest.fixture(scope="module")
def story(alice: Frontend, photo: str) -> dict[str, Any]:
    return alice.watch(alice.confirm(photo))


@pytest.fixture
def admin(stack: LocalStack) -> Frontend:
    return Frontend(stack, "main-admin", role="admin")


def output(job: dict[str, Any], key: str) -> dict[str, Any]:
    return next(output for output in job["outputs"] if output["key"] == key)


def probe(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as media:
        video = media.streams.video[0]
        frames = sum(1 for _ in media.decode(video=0))
        return {
            "codec": video.codec_context.name,
            "pixels": video.codec_context.pix_fmt,
            "size": (video.codec_context.width, video.codec_context.height),
            "seconds": frames / float(video.average_rate or 1),
        }


def fetch(client: Frontend, job: dict[str, Any], key: str, path: Path) -> Path:
    path.write_bytes(httpx.get(output(job, key)["downloadUrl"]).raise_for_status().content)
    return path


def assert_ledger_adds_up(client: Frontend) -> None:
    wallet = client.call("GET", "/api/credits")
    entries = list(reversed(wallet["transactions"]))
    assert wallet["balance"] == sum(entry["amount"] for entry in entries)
    assert wallet["held"] == sum(entry["heldChange"] for entry in entries)
    for before, after in pairwise(entries):
        assert after["balanceAfter"] == before["balanceAfter"] + after["amount"]
    assert sum(grant["remaining"] for grant in wallet["grants"]) == wallet["balance"]


def test_a_story_becomes_three_clips_and_a_film_that_browsers_play(
    alice: Frontend, story: dict[str, Any], tmp_path: Path
) -> None:
    assert story["status"] == "succeeded"
    assert story["receipt"] == {
        "reserved": 2,
        "used": 2,
        "refunded": 0,
        "parts": [{"name": "base", "credits": 2, "used": 2, "refunded": 0}],
    }
    assert [o["key"] for o in story["outputs"]] == [
        "kf_1", "kf_2", "kf_3", "clip_1", "clip_2", "clip_3", "film",
    ]  # fmt: skip
    for key in ("clip_1", "film"):
        facts = probe(fetch(alice, story, key, tmp_path / f"{key}.mp4"))
        assert (facts["codec"], facts["pixels"]) == ("h264", "yuv420p")
        assert facts["size"] == (output(story, key)["width"], output(story, key)["height"])
        assert abs(facts["seconds"] * 1000 - output(story, key)["durationMs"]) < 100
    assert [entry["name"] for entry in story["timeline"]] == [
        "created", "queued", "running", "done",
    ]  # fmt: skip
    assert_ledger_adds_up(alice)


def test_an_unchanged_job_returns_304(alice: Frontend, story: dict[str, Any]) -> None:
    first = alice.send("GET", f"/api/jobs/{story['jobId']}")

    again = alice.send(
        "GET", f"/api/jobs/{story['jobId']}", headers={"If-None-Match": first.headers["ETag"]}
    )

    assert again.status_code == 304
    assert again.content == b""


def test_another_account_sees_nothing_of_it(
    stack: LocalStack, story: dict[str, Any], photo: str
) -> None:
    bob = Frontend(stack, "main-bob")
    regenerate = f"/api/jobs/{story['jobId']}/regenerate"

    assert bob.send("GET", f"/api/jobs/{story['jobId']}").status_code == 404
    assert bob.send("GET", f"/api/assets/{photo}").status_code == 404
    response = bob.send(
        "POST", regenerate, json={"target": "story_clip", "clipNo": 1},
        headers={"Idempotency-Key": "bob"},
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def test_regenerating_a_clip_makes_a_child_that_inherits_the_rest_and_recuts_the_film(
    alice: Frontend, story: dict[str, Any], tmp_path: Path
) -> None:
    response = alice.call(
        "POST",
        f"/api/jobs/{story['jobId']}/regenerate",
        json={"target": "story_clip", "clipNo": 2},
        headers={"Idempotency-Key": "again"},
    )
    child = alice.watch(response["retryJobId"])

    assert child["status"] == "succeeded"
    assert child["parentJobId"] == story["jobId"]
    assert child["templateId"] == story["templateId"]
    assert [task["key"] for task in child["tasks"]] == ["kf_2", "clip_2", "film"]
    assert child["receipt"]["used"] == 1
    for key in ("clip_1", "clip_3"):
        assert output(child, key)["inheritedFrom"] == story["jobId"]
        assert output(child, key)["outputId"] == output(story, key)["outputId"]
    old, new = (
        fetch(alice, job, "film", tmp_path / name)
        for job, name in ((story, "old.mp4"), (child, "new.mp4"))
    )
    assert old.read_bytes() != new.read_bytes()
    assert probe(new)["codec"] == "h264"
    assert_ledger_adds_up(alice)


def test_a_failed_clip_makes_the_job_partial_and_is_refunded(stack: LocalStack) -> None:
    carol = Frontend(stack, "main-carol")
    asset = carol.upload(PHOTO)

    job = carol.watch(
        carol.confirm(asset, testFaults={"kf_1": "permanent", "clip_2": "moderation"})
    )

    assert job["status"] == "partial"
    statuses = {task["key"]: task["status"] for task in job["tasks"]}
    assert statuses == {
        "kf_1": "failed", "kf_2": "succeeded", "kf_3": "succeeded",
        "clip_1": "skipped", "clip_2": "failed", "clip_3": "succeeded", "film": "skipped",
    }  # fmt: skip
    assert job["receipt"]["used"] + job["receipt"]["refunded"] == 2
    assert job["receipt"]["used"] == 0  # one output of four, rounded down in the user's favor
    assert next(t for t in job["tasks"] if t["key"] == "clip_2")["error"]["code"] == (
        "CONTENT_REJECTED"
    )
    wallet = carol.call("GET", "/api/credits")
    assert (wallet["balance"], wallet["held"]) == (5, 0)
    assert_ledger_adds_up(carol)


def test_a_stuck_task_is_finished_by_the_sweeper(stack: LocalStack, admin: Frontend) -> None:
    dave = Frontend(stack, "main-dave")
    faults = {"kf_1": "permanent", "kf_2": "permanent", "kf_3": "hang"}
    job_id = dave.confirm(dave.upload(PHOTO), testFaults=faults)

    for attempt in (1, 2, 3):
        dave.wait(lambda number=attempt: _running(dave.job(job_id), "kf_3", number))  # type: ignore[misc]
        admin.call("POST", "/api/admin/sweep", json={"now": _later(minutes=6)})
    dave.wait(lambda: "finishedAt" in dave.job(job_id))

    job = dave.job(job_id)
    assert job["status"] == "failed"
    assert job["receipt"]["refunded"] == 2
    assert dave.call("GET", "/api/credits")["balance"] == 5


@pytest.mark.slow  # It waits for four deliveries; unit tests check the same sooner.
def test_a_dead_letter_ends_its_task_and_its_job(stack: LocalStack) -> None:
    erin = Frontend(stack, "main-erin")
    faults = {"kf_1": "permanent", "kf_2": "permanent", "kf_3": "hang"}
    job_id = erin.confirm(erin.upload(PHOTO), testFaults=faults)
    erin.wait(lambda: _running(erin.job(job_id), "kf_3", 1))

    poison = {"schemaVersion": 99, "jobId": job_id, "key": "kf_3", "attempt": 1}
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["StudioQueueUrl"], MessageBody=json.dumps(poison)
    )

    erin.wait(lambda: "finishedAt" in erin.job(job_id), DEAD_LETTER_LIMIT_SECONDS)
    job = erin.job(job_id)
    assert job["status"] == "failed"
    assert next(t for t in job["tasks"] if t["key"] == "kf_3")["error"]["code"] == ("UNDELIVERABLE")
    assert erin.call("GET", "/api/credits")["balance"] == 5


def test_a_text_file_sent_as_a_photo_is_refused_without_charge(
    stack: LocalStack, tmp_path: Path
) -> None:
    frank = Frontend(stack, "main-frank")
    lie = b"this is not a picture at all" * 40
    session = frank.call(
        "POST",
        "/api/uploads/session",
        json={"filename": "me.jpg", "sizeBytes": len(lie), "mimeType": "image/jpeg"},
    )
    put = httpx.put(session["uploadUrls"][0]["url"], content=lie, headers=session["headers"])

    assert put.status_code == 200
    path = f"/api/assets/{session['assetId']}"
    # Without a complete request: the storage event alone completes the upload.
    frank.wait(lambda: frank.call("GET", path)["status"] == "failed")
    assert frank.call("GET", path)["errorCode"] == "UNSUPPORTED_TYPE"
    response = frank.send(
        "POST",
        "/api/jobs/confirm",
        json={
            "mode": "story", "stage": "spark", "genre": "noir",
            "photoAssetIds": [session["assetId"]],
        },
        headers={"Idempotency-Key": "lie"},
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (409, "ASSET_FAILED")
    assert frank.call("GET", "/api/credits")["balance"] == 5


def test_every_protected_route_requires_a_token(stack: LocalStack) -> None:
    document = httpx.get(f"{stack.api_url}/openapi.json").json()
    protected = 0

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            url = stack.api_url + path.replace("{", "").replace("}", "")
            status = httpx.request(method, url, json={}).status_code
            if operation.get("security"):
                protected += 1
                assert status == 401, f"{method} {path}"
            else:
                assert status != 401, f"{method} {path}"

    assert protected >= 15


def _running(job: dict[str, Any], key: str, attempt: int) -> bool:
    task = next((t for t in job["tasks"] if t["key"] == key), None)
    return task is not None and (task["status"], task["attempts"]) == ("running", attempt)


def _later(**duration: float) -> str:
    return (datetime.now(UTC) + timedelta(**duration)).isoformat()
