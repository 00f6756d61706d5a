"""Deleting a job: which jobs may be deleted, what is deleted with them, and the books."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.kernel.limits import ERASE_AGAIN_SECONDS
from darkroom.kernel.object_keys import outputs_prefix
from darkroom.usecases.credits.audit_accounts import audit_accounts
from tests.support.builders import (
    JOB_ID,
    a_balance,
    a_draft,
    a_job,
    a_story,
    a_user,
    cancel,
    confirm,
    delete_job,
    forget_responses,
    owner_of,
    regenerate,
)
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def files_of(world: World, user: str, job_id: str) -> list[str]:
    found = world.client("s3").list_objects_v2(
        Bucket=world.settings.media_bucket, Prefix=outputs_prefix(owner_of(world, user), job_id)
    )
    return [item["Key"] for item in found.get("Contents", [])]


def items_of(world: World, job_id: str) -> list[dict[str, Any]]:
    return world.client("dynamodb").query(
        TableName=world.settings.tables["jobs"],
        KeyConditionExpression="pk = :job",
        ExpressionAttributeValues={":job": {"S": job_id}},
    )["Items"]


def test_deleting_needs_a_token(world: World) -> None:
    assert delete_job(world, JOB_ID, None).status == 401


def test_a_missing_and_a_foreign_job_look_alike(world: World, user: str) -> None:
    job_id = a_draft(world, user)

    assert delete_job(world, JOB_ID, user).status == 404
    assert delete_job(world, job_id, a_user()).status == 404
    assert a_job(world, job_id, user)["status"] == "draft"


def test_a_draft_is_deleted_at_once(world: World, user: str) -> None:
    job_id = a_draft(world, user)

    assert delete_job(world, job_id, user).status == 204
    assert world.call("GET", f"/api/jobs/{job_id}", user=user).status == 404
    assert delete_job(world, job_id, user).status == 404


def test_a_job_in_progress_is_not_deleted(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]

    response = delete_job(world, job_id, user)

    assert (response.status, response.body["code"]) == (409, "JOB_NOT_FINAL")
    assert a_job(world, job_id, user)["status"] == "queued"


def test_a_finished_job_is_deleted_with_its_files(world: World, user: str) -> None:
    job_id = confirm(world, user, mode="quick").body["jobId"]
    world.drain()
    assert files_of(world, user, job_id) != []

    assert delete_job(world, job_id, user).status == 204
    world.drain()

    assert files_of(world, user, job_id) == []
    assert [item["sk"]["S"] for item in items_of(world, job_id)] == ["job"]
    assert "inputs" not in items_of(world, job_id)[0]


def test_the_sweeper_deletes_files_whose_stream_record_was_lost(world: World, user: str) -> None:
    job_id = confirm(world, user, mode="quick").body["jobId"]
    world.drain()
    delete_job(world, job_id, user)
    world.take_changes()

    world.sweep()

    assert files_of(world, user, job_id) == []


def test_files_that_a_late_worker_wrote_are_deleted_too(world: World, user: str) -> None:
    job_id = confirm(world, user, mode="quick").body["jobId"]
    world.drain()
    delete_job(world, job_id, user)
    world.drain()
    world.app.storage.write(
        outputs_prefix(owner_of(world, user), job_id) + "late.mp4", b"x", mime_type="video/mp4"
    )

    world.advance_time(seconds=ERASE_AGAIN_SECONDS)

    assert files_of(world, user, job_id) == []
    assert "nextCheckAt" not in items_of(world, job_id)[0]


def test_a_job_with_children_is_deleted_only_with_them(world: World, user: str) -> None:
    parent = a_story(world, user)
    child = regenerate(world, parent, user).body["retryJobId"]
    cancel(world, child, user)

    refused = delete_job(world, parent, user)
    done = delete_job(world, parent, user, query="?cascade=true")

    assert (refused.status, refused.body["code"]) == (409, "HAS_CHILDREN")
    assert done.status == 204
    assert world.call("GET", f"/api/jobs/{parent}", user=user).status == 404
    assert world.call("GET", f"/api/jobs/{child}", user=user).status == 404


def test_a_cascade_deletes_nothing_while_a_child_runs(world: World, user: str) -> None:
    parent = a_story(world, user)
    regenerate(world, parent, user)

    response = delete_job(world, parent, user, query="?cascade=true")

    assert (response.status, response.body["code"]) == (409, "JOB_NOT_FINAL")
    assert a_job(world, parent, user)["status"] == "succeeded"


def test_a_parent_can_be_deleted_once_its_child_is_deleted(world: World, user: str) -> None:
    parent = a_story(world, user)
    child = regenerate(world, parent, user).body["retryJobId"]
    cancel(world, child, user)

    assert delete_job(world, child, user).status == 204
    assert delete_job(world, parent, user).status == 204


def test_a_deleted_job_cannot_be_regenerated(world: World, user: str) -> None:
    parent = a_story(world, user)
    delete_job(world, parent, user)

    assert regenerate(world, parent, user).status == 404
    assert a_balance(world, user) == (3, 0)


def test_repeating_the_confirm_of_a_deleted_job_creates_nothing(world: World, user: str) -> None:
    response = confirm(world, user, mode="quick", key="once", photo=None)
    job_id = response.body["jobId"]
    world.drain()
    delete_job(world, job_id, user)
    world.drain()
    forget_responses(world)

    again = confirm(world, user, mode="quick", key="once")

    assert again.status == 404
    assert world.call("GET", f"/api/jobs/{job_id}", user=user).status == 404


def test_the_books_still_add_up_after_a_deletion(world: World, user: str) -> None:
    kept, gone = a_story(world, user, key="a"), a_story(world, user, key="b", failing=["clip_1"])
    delete_job(world, gone, user)
    assert audit_accounts(world.app, user).breaches == ()
    world.drain()

    report = audit_accounts(world.app, user)

    assert report.breaches == ()
    assert a_job(world, kept, user)["status"] == "succeeded"


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_an_invalid_cascade_value_is_refused(value: str, world: World, user: str) -> None:
    response = delete_job(world, a_draft(world, user), user, query=f"?cascade={value}")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
