"""Dead letters: what could not be handled is ended, and its credits are returned."""

from __future__ import annotations

from typing import Any

from darkroom.assets.model import AssetStatus
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.kernel.object_keys import IMAGE_PIPELINE, quarantine_key
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.workers.dead_letters import handle_dead_letter
from tests.support.builders import (
    JOB_ID,
    a_balance,
    a_job,
    a_message,
    a_picture,
    a_task_message,
    an_asset,
    confirm,
    statuses,
)
from tests.support.damage import store
from tests.support.laws import check_laws
from tests.support.world import World


def a_sent_story(world: World) -> str:
    job_id = confirm(world).body["jobId"]
    while world.pump_stream():
        pass
    return job_id


def test_a_dead_letter_fails_its_task_and_the_job_goes_on(world: World) -> None:
    job_id = a_sent_story(world)

    outcome = handle_dead_letter(world.app, a_task_message(job_id, "kf_2"))
    world.drain()

    job = a_job(world, job_id)
    assert outcome == "task"
    assert job["status"] == "partial"
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (1, 1)
    [error] = [task["error"] for task in job["tasks"] if task["key"] == "kf_2"]
    assert error["code"] == "UNDELIVERABLE"
    assert a_balance(world) == (4, 0)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    assert check_laws(world) == []


def test_a_dead_letter_ends_a_running_task_too(world: World) -> None:
    job_id = a_sent_story(world)
    claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)

    handle_dead_letter(world.app, a_task_message(job_id, "kf_1"))

    assert statuses(a_job(world, job_id))["kf_1"] == "failed"


def test_a_job_whose_messages_all_died_is_refunded_in_full(world: World) -> None:
    job_id = a_sent_story(world)

    for number in (1, 2, 3):
        handle_dead_letter(world.app, a_task_message(job_id, f"kf_{number}"))

    job = a_job(world, job_id)
    assert (job["status"], job["receipt"]["reason"]) == ("failed", "UNDELIVERABLE")
    assert a_balance(world) == (5, 0)
    assert check_laws(world, at_rest=False) == []


def test_a_repeated_dead_letter_changes_nothing(world: World) -> None:
    job_id = a_sent_story(world)
    letter = a_task_message(job_id, "kf_1")
    handle_dead_letter(world.app, letter)
    once = a_picture(world)

    for _ in range(2):
        handle_dead_letter(world.app, letter)

    assert a_picture(world) == once


def test_a_dead_letter_about_another_attempt_changes_nothing(world: World) -> None:
    job_id = a_sent_story(world)
    before = a_picture(world)

    for key, attempt in (("kf_1", 2), ("kf_1", 0), ("clip_1", 1), ("kf_9", 1)):
        handle_dead_letter(world.app, a_task_message(job_id, key, attempt=attempt))
    handle_dead_letter(world.app, a_task_message(JOB_ID, "kf_1"))

    assert a_picture(world) == before


def test_a_dead_letter_that_comes_after_the_success_changes_nothing(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()
    before = a_picture(world)

    handle_dead_letter(world.app, a_task_message(job_id, "kf_1"))
    handle_dead_letter(world.app, a_task_message(job_id, "clip_1"))

    assert a_picture(world) == before
    assert a_job(world, job_id)["status"] == "succeeded"


def test_an_upload_whose_check_kept_failing_fails(world: World) -> None:
    asset_id = an_asset(world, status=AssetStatus.CHECKING)
    letter = a_message({"schemaVersion": 1, "accountId": "alice", "assetId": asset_id})

    outcomes = [handle_dead_letter(world.app, letter) for _ in range(2)]

    assert outcomes == ["asset", "asset"]
    asset = world.call("GET", f"/api/assets/{asset_id}").body
    assert (asset["status"], asset["errorCode"]) == ("failed", "CORRUPT_FILE")


def test_a_dead_letter_does_not_change_a_checked_upload(world: World) -> None:
    asset_id = an_asset(world)
    notice = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": ""}}}
    notice["s3"] = {"object": {"key": f"quarantine/image/alice/{asset_id}"}}

    assert handle_dead_letter(world.app, a_message({"Records": [notice]})) == "asset"

    assert world.call("GET", f"/api/assets/{asset_id}").body["status"] == "uploaded"


def test_an_unreadable_dead_letter_is_handled_once_and_changes_nothing(world: World) -> None:
    bodies: list[Any] = [
        "",
        "nonsense",
        "[]",
        "null",
        "{}",
        {"schemaVersion": 1},
        {"schemaVersion": 1, "accountId": 7, "assetId": None},
        {"Records": "nonsense"},
        {"Records": [{"eventName": "ObjectCreated:Put"}]},
        {"Records": None},
    ]
    before = a_picture(world)

    for body in bodies:
        assert handle_dead_letter(world.app, a_message(body)) == "unreadable", body

    assert a_picture(world) == before


def test_a_dead_letter_of_a_later_version_still_ends_its_task(world: World) -> None:
    job_id = a_sent_story(world)
    letter = {"schemaVersion": 99, "jobId": job_id, "key": "kf_1", "attempt": 1}

    handle_dead_letter(world.app, a_message(letter))

    assert statuses(a_job(world, job_id))["kf_1"] == "failed"


def test_a_poison_message_does_not_affect_the_others(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    world.client("sqs").send_message(QueueUrl=world.settings.studio_queue_url, MessageBody="poison")

    world.drain()

    assert a_job(world, job_id)["status"] == "succeeded"
    assert check_laws(world, at_rest=False) == []


def test_a_dead_letter_of_an_object_without_an_owner_is_kept_for_an_operator(world: World) -> None:
    key = quarantine_key(IMAGE_PIPELINE, "0" * 32, world.app.ids.new("ast"))
    created = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}

    outcome = handle_dead_letter(world.app, a_message({"Records": [created]}))

    kept = world.call("GET", "/api/admin/dead-letters", user="root", groups="admin").body
    assert outcome == "damaged"
    assert len(kept["items"]) == 1


def test_a_dead_letter_of_an_account_with_a_damaged_wallet_is_kept_for_an_operator(
    world: World,
) -> None:
    job_id = a_sent_story(world)
    [wallet] = world.scan("wallets")
    store(world, "wallets", [{**wallet, "balance": {"S": "five"}}])

    letters = [
        {**a_task_message(job_id, f"kf_{number}"), "messageId": f"m-{number}"}
        for number in (1, 2, 3)
    ]
    outcomes = [handle_dead_letter(world.app, letter) for letter in letters]

    # The last one ends the job, which settles its hold.
    kept = world.call("GET", "/api/admin/dead-letters", user="root", groups="admin").body
    assert outcomes == ["task", "task", "damaged"]
    assert "damaged" in {item["outcome"] for item in kept["items"]}
