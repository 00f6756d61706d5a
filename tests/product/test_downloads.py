"""All files of a job as one zip: its contents, access to it, and failures while it is made."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
import requests

from darkroom.adapters.storage import Storage
from darkroom.jobs.store import find_family
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import ARCHIVE_RETRY_SECONDS
from darkroom.usecases.archives import archive_job as archive_module
from darkroom.usecases.archives import request_archive as offer_module
from darkroom.workers.archive import handle_archive_message
from darkroom.workers.dead_letters import handle_dead_letter
from tests.support.builders import (
    a_draft,
    a_job,
    a_message,
    a_story,
    cancel,
    confirm,
    delete_job,
    finish,
    owner_of,
    regenerate,
)
from tests.support.world import Response, World


class Stopped(BaseException):
    """The process ends here."""


def a_made_story(world: World, user: str = "alice", *, key: str = "confirm") -> str:
    """A story whose files really exist."""
    job_id = a_story(world, user, key=key)
    write_files(world, job_id)
    return job_id


def write_files(world: World, job_id: str) -> None:
    family = find_family(job_id)
    assert family is not None
    for output in family.outputs:
        body = f"{output.key} of {job_id}".encode()
        world.app.storage.write(output.storage_key, body, mime_type=output.mime_type)


def ask(world: World, job_id: str, user: str | None = "alice") -> Response:
    return world.call("GET", f"/api/jobs/{job_id}/download", user=user)


def ask_many(world: World, *job_ids: str, user: str | None = "alice") -> Response:
    return world.call("POST", "/api/jobs/bulk/download", {"jobIds": list(job_ids)}, user=user)


def fetch(url: str) -> bytes:
    response = requests.get(url, timeout=10)  # moto responds
    response.raise_for_status()
    return response.content


def fetched(url: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(fetch(url)))


def stored(world: World) -> list[str]:
    """Names of the archives and marks in storage."""
    listed = world.client("s3").list_objects_v2(
        Bucket=world.settings.media_bucket, Prefix="outputs/"
    )
    keys = [found["Key"] for found in listed.get("Contents", [])]
    return [key.rpartition("/")[2] for key in keys if "archive-" in key]


def files_of(world: World, job_id: str) -> list[bytes]:
    """The contents of the job's outputs, downloaded one by one, in their order."""
    outputs = a_job(world, job_id)["outputs"]
    return [fetch(output["downloadUrl"]) for output in outputs]


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every archive is too large to be made within a request."""
    monkeypatch.setattr(offer_module, "ARCHIVE_INLINE_LIMIT_BYTES", 0)


# One job


def test_a_zip_contains_the_files_of_the_job_byte_for_byte(world: World) -> None:
    job_id = a_made_story(world)

    response = ask(world, job_id)

    assert response.status == 200
    assert set(response.body) == {"downloadUrl", "expiresAt"}
    assert response.body["expiresAt"] == "2026-01-05T09:15:00.000Z"
    archive = fetched(response.body["downloadUrl"])
    assert archive.testzip() is None
    assert archive.namelist() == [
        "01-kf_1.png", "02-kf_2.png", "03-kf_3.png",
        "04-clip_1.mp4", "05-clip_2.mp4", "06-clip_3.mp4", "07-film.mp4",
    ]  # fmt: skip
    assert [archive.read(name) for name in archive.namelist()] == files_of(world, job_id)
    assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert {entry.date_time for entry in archive.infolist()} == {(2026, 1, 5, 9, 0, 0)}


def test_the_link_saves_the_zip_under_the_name_of_the_job(world: World) -> None:
    job_id = a_made_story(world)

    got = requests.get(ask(world, job_id).body["downloadUrl"], timeout=10)

    assert f"story-{job_id}.zip" in got.headers["content-disposition"]
    assert got.headers["content-type"] == "application/zip"


def test_the_zip_of_a_child_contains_inherited_outputs(world: World) -> None:
    parent = a_made_story(world)
    child = regenerate(world, parent).body["retryJobId"]
    finish(world, child)
    write_files(world, child)

    archive = fetched(ask(world, child).body["downloadUrl"])

    assert len(archive.namelist()) == len(a_job(world, child)["outputs"]) == 7
    assert [archive.read(name) for name in archive.namelist()] == files_of(world, child)


def test_a_second_request_returns_the_same_archive(world: World) -> None:
    job_id = a_made_story(world)
    first = ask(world, job_id)
    before = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)["Contents"]

    again = ask(world, job_id)

    after = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)["Contents"]
    assert (first.status, again.status) == (200, 200)
    assert after == before
    assert len(stored(world)) == 1


def test_the_same_job_gives_the_same_bytes(world: World) -> None:
    job_id = a_made_story(world)
    first = fetch(ask(world, job_id).body["downloadUrl"])
    (name,) = stored(world)
    world.app.storage.delete(f"outputs/{owner_of(world)}/{job_id}/{name}")
    world.clock.move(days=3)

    assert fetch(ask(world, job_id).body["downloadUrl"]) == first
    assert stored(world) == [name]


def test_the_worker_makes_a_large_archive(world: World, all_large: None) -> None:
    job_id = a_made_story(world)

    first = ask(world, job_id)

    assert (first.status, first.body) == (202, {"status": "building"})
    assert first.headers["retry-after"] == str(ARCHIVE_RETRY_SECONDS)
    assert stored(world) == []
    assert ask(world, job_id).status == 202
    world.pump_archives()
    ready = ask(world, job_id)
    assert ready.status == 200
    archive = fetched(ready.body["downloadUrl"])
    assert [archive.read(name) for name in archive.namelist()] == files_of(world, job_id)


def test_the_worker_and_the_request_make_the_same_bytes(world: World) -> None:
    job_id = a_made_story(world)
    inline = fetch(ask(world, job_id).body["downloadUrl"])
    (name,) = stored(world)
    world.app.storage.delete(f"outputs/{owner_of(world)}/{job_id}/{name}")

    assert handle_archive_message(world.app, a_request(job_id)) == "made"

    assert stored(world) == [name]
    assert fetch(ask(world, job_id).body["downloadUrl"]) == inline


def a_request(job_id: str) -> dict[str, Any]:
    return a_message({"schemaVersion": 1, "archiveOf": job_id})


def test_a_repeated_message_makes_one_archive(world: World) -> None:
    job_id = a_made_story(world)

    outcomes = [handle_archive_message(world.app, a_request(job_id)) for _ in range(2)]

    assert outcomes == ["made", "there"]
    assert len(stored(world)) == 1


# Access and states


def test_another_account_gets_no_archive(world: World) -> None:
    job_id = a_made_story(world)

    assert ask(world, job_id, user=None).status == 401
    for other in (ask(world, job_id, user="bob"), ask(world, "job_none"), ask(world, "stream")):
        assert (other.status, other.body["code"]) == (404, "NOT_FOUND")
    assert stored(world) == []


def test_a_job_that_has_not_ended_has_no_archive(world: World) -> None:
    for job_id in (a_draft(world), confirm(world).body["jobId"]):
        response = ask(world, job_id)
        assert (response.status, response.body["code"]) == (409, "JOB_NOT_FINAL")
        assert handle_archive_message(world.app, a_request(job_id)) == "gone"


def test_a_job_that_made_nothing_has_no_archive(world: World) -> None:
    job_id = confirm(world).body["jobId"]
    cancel(world, job_id)

    response = ask(world, job_id)

    assert (response.status, response.body["code"]) == (409, "NO_OUTPUTS")


def test_a_job_too_large_for_one_archive_is_refused_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = a_made_story(world)
    monkeypatch.setattr(archive_module, "ARCHIVE_LIMIT_BYTES", 6)

    response = ask(world, job_id)

    assert (response.status, response.body["code"]) == (413, "ARCHIVE_TOO_LARGE")
    assert handle_archive_message(world.app, a_request(job_id)) == "gone"


def test_the_archive_is_deleted_with_its_job(world: World) -> None:
    job_id = a_made_story(world)
    ask(world, job_id)

    delete_job(world, job_id)
    world.advance_time(minutes=1)

    assert stored(world) == []
    assert ask(world, job_id).status == 404
    assert handle_archive_message(world.app, a_request(job_id)) == "gone"
    assert stored(world) == []


def test_an_archive_made_while_its_job_was_deleted_is_deleted_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = a_made_story(world)
    upload = Storage.upload

    def upload_late(self: Storage, *args: Any, **options: Any) -> None:
        delete_job(world, job_id)
        world.advance_time(minutes=1)
        upload(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "upload", upload_late)
        handle_archive_message(world.app, a_request(job_id))
    assert len(stored(world)) == 1

    world.advance_time(minutes=20)

    assert stored(world) == []


# Failures


def lose_a_file(world: World, job_id: str) -> None:
    world.app.storage.delete(f"outputs/{owner_of(world)}/{job_id}/clip_2-1.mp4")


def test_a_missing_file_prevents_the_archive(world: World) -> None:
    job_id = a_made_story(world)
    lose_a_file(world, job_id)

    response = ask(world, job_id)

    assert (response.status, response.body["code"]) == (409, "ARCHIVE_FAILED")
    assert stored(world) == []


def test_a_failure_of_the_worker_is_reported_and_the_archive_can_be_requested_again(
    world: World, all_large: None
) -> None:
    job_id = a_made_story(world)
    lose_a_file(world, job_id)
    assert ask(world, job_id).status == 202
    world.pump_archives()

    failed = ask(world, job_id)

    assert (failed.status, failed.body["code"]) == (409, "ARCHIVE_FAILED")
    world.app.storage.write(
        f"outputs/{owner_of(world)}/{job_id}/clip_2-1.mp4", b"back", mime_type="video/mp4"
    )
    assert ask(world, job_id).status == 202
    world.pump_archives()
    assert ask(world, job_id).status == 200


def test_a_dead_letter_ends_the_wait_for_an_archive(world: World, all_large: None) -> None:
    job_id = a_made_story(world)
    ask(world, job_id)

    assert handle_dead_letter(world.app, a_request(job_id)) == "archive"

    assert ask(world, job_id).body["code"] == "ARCHIVE_FAILED"
    assert ask(world, job_id).status == 202


def test_a_dead_letter_does_not_affect_a_finished_archive(world: World) -> None:
    job_id = a_made_story(world)
    ask(world, job_id)

    handle_dead_letter(world.app, a_request(job_id))

    assert ask(world, job_id).status == 200
    assert len(stored(world)) == 1


def test_a_crashed_worker_leaves_no_partial_archive(
    world: World, all_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = a_made_story(world)
    call_aws = world.app.storage._clients.s3._make_api_call
    stops = 0

    for limit in range(40):
        left = iter(range(limit))

        def stopping(name: str, params: Any, left: Any = left) -> Any:
            if next(left, None) is None:
                raise Stopped
            return call_aws(name, params)

        with monkeypatch.context() as patch:
            patch.setattr(world.app.storage._clients.s3, "_make_api_call", stopping)
            try:
                handle_archive_message(world.app, a_request(job_id))
            except Stopped:
                stops += 1
                assert stored(world) == []
                continue
        break

    assert stops == 9  # the check, seven files, the upload
    archive = fetched(ask(world, job_id).body["downloadUrl"])
    assert archive.testzip() is None
    assert len(archive.namelist()) == 7


def test_a_lost_response_of_the_upload_is_harmless(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = a_made_story(world)
    upload = Storage.upload

    def lose_the_response(self: Storage, *args: Any, **options: Any) -> None:
        upload(self, *args, **options)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "upload", lose_the_response)
        with pytest.raises(Stopped):
            handle_archive_message(world.app, a_request(job_id))

    assert handle_archive_message(world.app, a_request(job_id)) == "there"


def test_a_message_without_a_job_is_refused(world: World) -> None:
    for body in ({"schemaVersion": 1}, {"schemaVersion": 99, "archiveOf": "job_1"}, "nonsense"):
        with pytest.raises(InvalidInput):
            handle_archive_message(world.app, a_message(body))


# Many jobs


def test_each_of_many_jobs_has_its_own_result(world: World) -> None:
    made, draft = a_made_story(world), a_draft(world)
    unmade = a_story(world, key="unmade")  # its files do not exist
    hers = a_made_story(world, "bob")

    response = ask_many(world, made, hers, draft, unmade, "none", made)

    assert response.status == 200
    results = response.body["results"]
    assert [result["jobId"] for result in results] == [made, hers, draft, unmade, "none", made]
    assert [result["ok"] for result in results] == [True, False, False, False, False, True]
    assert [result.get("code") for result in results] == [
        None, "NOT_FOUND", "JOB_NOT_FINAL", "ARCHIVE_FAILED", "NOT_FOUND", None,
    ]  # fmt: skip
    assert results[0]["status"] == "ready"
    assert len(fetched(results[0]["downloadUrl"]).namelist()) == 7
    assert results[0]["expiresAt"] == "2026-01-05T09:15:00.000Z"


def test_jobs_of_one_request_share_its_limits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [a_made_story(world, key=f"k{number}") for number in range(2)]
    size_bytes = sum(output["sizeBytes"] for output in a_job(world, jobs[0])["outputs"])
    monkeypatch.setattr(offer_module, "ARCHIVE_INLINE_LIMIT_BYTES", size_bytes * 3 // 2)

    first = ask_many(world, *jobs).body["results"]
    world.pump_archives()
    again = ask_many(world, *jobs).body["results"]

    assert [result["status"] for result in first] == ["ready", "building"]
    assert "downloadUrl" not in first[1]
    assert [result["status"] for result in again] == ["ready", "ready"]


def test_a_request_starts_no_archive_after_its_time_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [a_made_story(world, key=f"k{number}") for number in range(2)]
    upload = Storage.upload

    def slow(self: Storage, *args: Any, **options: Any) -> None:
        world.clock.move(seconds=10)
        upload(self, *args, **options)

    monkeypatch.setattr(Storage, "upload", slow)

    results = ask_many(world, *jobs).body["results"]

    assert [result["status"] for result in results] == ["ready", "building"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jobIds": []},
        {"jobIds": ["j"] * 101},
        {"jobIds": "j"},
        {"jobIds": [1]},
        {"jobIds": ["j"], "more": 1},
    ],
    ids=["missing", "none", "too many", "no list", "numbers", "unknown field"],
)
def test_a_list_of_ids_is_required(world: World, body: Any) -> None:
    response = world.call("POST", "/api/jobs/bulk/download", body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_downloading_many_jobs_needs_a_token(world: World) -> None:
    assert ask_many(world, a_made_story(world), user=None).status == 401


def test_a_link_is_never_cached(world: World) -> None:
    job_id = a_made_story(world)
    body = {"jobIds": [job_id]}
    first = world.call("POST", "/api/jobs/bulk/download", body, key="k")
    world.clock.move(hours=1)

    again = world.call("POST", "/api/jobs/bulk/download", body, key="k")

    assert again.body["results"][0]["expiresAt"] > first.body["results"][0]["expiresAt"]
