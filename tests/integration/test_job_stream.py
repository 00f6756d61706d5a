"""On the deployed template: a page follows its jobs live, and downloads what they made."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.integration.test_main_job import Frontend

LIMIT_SECONDS = 90
ORIGIN = "https://app.example"


class Listener:
    """What a browser's EventSource does: read to the end, wait, come back with the last id."""

    def __init__(self, api_url: str, ticket: str, last_id: str = "") -> None:
        self._url = f"{api_url}/api/jobs/stream"
        self._ticket = ticket
        self.last_id = last_id
        self.events: list[dict[str, Any]] = []
        self.connections = 0
        self.status = 0
        self._stopping = Event()
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _listen(self) -> None:
        retry_seconds = 3.0
        with httpx.Client(timeout=30) as client:
            while not self._stopping.is_set():
                headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
                sent = {"ticket": self._ticket}
                with connect_sse(client, "GET", self._url, params=sent, headers=headers) as source:
                    self.status = source.response.status_code
                    if self.status != 200:
                        return
                    self.connections += 1
                    for event in source.iter_sse():
                        self.last_id = event.id
                        if event.retry is not None:
                            retry_seconds = event.retry / 1000
                        if event.data:
                            self.events.append({"id": int(event.id), **json.loads(event.data)})
                self._stopping.wait(retry_seconds)

    def of(self, job_id: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["jobId"] == job_id]

    def statuses(self, job_id: str) -> list[str]:
        return list(dict.fromkeys(event["status"] for event in self.of(job_id)))


def wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def alice(stack: LocalStack) -> Frontend:
    return Frontend(stack, "stream-alice")


@pytest.fixture(scope="module")
def photo(alice: Frontend) -> str:
    return alice.upload(PHOTO)


@pytest.fixture(scope="module")
def made(alice: Frontend, photo: str) -> dict[str, Any]:
    return alice.watch(alice.confirm(photo, mode="quick"))


@pytest.fixture
def listen(stack: LocalStack) -> Callable[..., Listener]:
    def open_(client: Frontend, last_id: str = "") -> Listener:
        ticket = client.call("POST", "/api/jobs/stream-ticket")["ticket"]
        return Listener(stack.api_url, ticket, last_id)

    return open_


def test_the_stream_follows_a_job_from_queue_to_end_without_duplicates(
    alice: Frontend, photo: str, listen: Callable[..., Listener]
) -> None:
    with listen(alice) as listener:
        wait(lambda: listener.connections > 0)
        assert listener.events == []

        job_id = alice.confirm(photo, mode="quick")
        wait(lambda: "succeeded" in listener.statuses(job_id))
        count = listener.connections
        wait(lambda: listener.connections > count + 1)

    last = listener.of(job_id)[-1]
    assert last["progress"] == {"completed": 2, "failed": 0, "total": 2, "percent": 100}
    assert listener.connections > 2
    states = [(event["jobId"], event["updatedAt"], event["status"]) for event in listener.events]
    assert len(set(states)) == len(states)
    ids = [event["id"] for event in listener.events]
    assert ids == sorted(set(ids))


@pytest.mark.slow
def test_a_reconnected_client_gets_only_the_events_it_missed(
    alice: Frontend, photo: str, made: dict[str, Any], listen: Callable[..., Listener]
) -> None:
    with listen(alice) as before:
        wait(lambda: before.connections > 0)
        seen = alice.confirm(photo, mode="quick", genre="comedy")
        wait(lambda: "succeeded" in before.statuses(seen))
    missed = alice.watch(alice.confirm(photo, mode="quick", genre="romance"))["jobId"]

    with listen(alice, last_id=before.last_id) as after:
        wait(lambda: bool(after.events))
        wait(lambda: after.connections > 2)

    assert [(event["jobId"], event["status"]) for event in after.events] == [(missed, "succeeded")]


def test_other_accounts_get_no_events_of_the_job(
    stack: LocalStack, made: dict[str, Any], listen: Callable[..., Listener]
) -> None:
    with listen(Frontend(stack, "stream-bob"), last_id="1") as listener:
        wait(lambda: listener.connections > 0)

    assert listener.events == []


def test_the_function_verifies_real_tokens_itself(
    stack: LocalStack, alice: Frontend, made: dict[str, Any]
) -> None:
    url = f"{stack.api_url}/api/jobs/stream"
    header, claims, signature = alice.token.split(".")
    forged = f"{header}.{claims}.{signature[::-1]}"

    good = httpx.get(
        url, headers={"Authorization": f"Bearer {alice.token}", "Last-Event-ID": "1"}, timeout=30
    )

    assert good.status_code == 200
    assert made["jobId"] in good.text
    for headers in ({}, {"Authorization": f"Bearer {forged}"}, {"Authorization": "Bearer x"}):
        response = httpx.get(url, headers=headers, timeout=30)
        assert (response.status_code, response.json()["code"]) == (401, "UNAUTHORIZED")


def test_pages_of_other_origins_may_listen(stack: LocalStack, alice: Frontend) -> None:
    ticket = alice.call("POST", "/api/jobs/stream-ticket")["ticket"]

    response = httpx.get(
        f"{stack.api_url}/api/jobs/stream",
        params={"ticket": ticket},
        headers={"Origin": ORIGIN, "Accept": "text/event-stream"},
        timeout=30,
    )

    assert response.headers["access-control-allow-origin"] in ("*", ORIGIN)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert response.text.startswith("retry: 2000\n\n: heartbeat\n\n")


# Zips


def zip_of(client: Frontend, job_id: str) -> zipfile.ZipFile:
    link = client.call("GET", f"/api/jobs/{job_id}/download")
    return zipfile.ZipFile(io.BytesIO(httpx.get(link["downloadUrl"]).raise_for_status().content))


def assert_holds(archive: zipfile.ZipFile, job: dict[str, Any]) -> None:
    assert archive.testzip() is None
    bodies = [httpx.get(output["downloadUrl"]).content for output in job["outputs"]]
    assert [archive.read(name) for name in archive.namelist()] == bodies


def test_a_job_s_files_come_as_one_zip(alice: Frontend, made: dict[str, Any]) -> None:
    archive = zip_of(alice, made["jobId"])

    assert archive.namelist() == ["01-kf_1.png", "02-clip_1.mp4"]
    assert_holds(archive, made)


def test_the_worker_makes_the_same_zip(stack: LocalStack, alice: Frontend, photo: str) -> None:
    job = alice.watch(alice.confirm(photo, mode="quick", genre="comedy"))
    s3, bucket = stack.client("s3"), stack.outputs["MediaBucket"]

    def archives() -> list[str]:
        found = s3.list_objects_v2(Bucket=bucket, Prefix="outputs/").get("Contents", [])
        return [item["Key"] for item in found if f"{job['jobId']}/archive-" in item["Key"]]

    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["ArchiveQueueUrl"],
        MessageBody=json.dumps({"schemaVersion": 1, "archiveOf": job["jobId"]}),
    )
    wait(lambda: bool(archives()))

    (key,) = archives()
    assert key.endswith(".zip")
    made_at = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    assert_holds(zip_of(alice, job["jobId"]), job)
    assert s3.head_object(Bucket=bucket, Key=key)["LastModified"] == made_at


def test_a_zip_that_always_fails_is_given_up(
    stack: LocalStack, alice: Frontend, photo: str
) -> None:
    job = alice.watch(alice.confirm(photo, mode="quick", genre="romance"))
    path = f"/api/jobs/{job['jobId']}/download"

    # As SQS does with what was received too often.
    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["ArchiveDeadLettersUrl"],
        MessageBody=json.dumps({"schemaVersion": 1, "archiveOf": job["jobId"]}),
    )
    wait(lambda: any('"archive"' in line for line in stack.logs("dead_letters")))

    response = alice.send("GET", path)
    assert (response.status_code, response.json()["code"]) == (409, "ARCHIVE_FAILED")
    assert alice.send("GET", path).status_code == 200


def test_many_zips_are_offered_at_once(alice: Frontend, made: dict[str, Any]) -> None:
    body = {"jobIds": [made["jobId"], "none"]}

    results = alice.call("POST", "/api/jobs/bulk/download", json=body)["results"]

    assert [result["ok"] for result in results] == [True, False]
    assert httpx.get(results[0]["downloadUrl"]).status_code == 200
