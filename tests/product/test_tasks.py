"""Attempts of tasks: claimed once, retried within bounds, and refunded when they fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from darkroom.generation.ports import (
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    TransientProviderError,
)
from darkroom.jobs.model import Failure
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import job_of_output
from darkroom.kernel.object_keys import clean_key
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.finish_task import complete_task, fail_task, task_backoff_seconds
from darkroom.workers.edge import queue_handler
from darkroom.workers.tasks import handle_task_message
from tests.support.builders import (
    JOB_ID,
    a_balance,
    a_job,
    a_message,
    a_photo,
    a_picture,
    a_task_message,
    an_output,
    confirm,
    owner_of,
    refuse_key,
    statuses,
)
from tests.support.laws import check_laws
from tests.support.world import World


def a_ready_job(world: World, *, mode: str = "quick", **changes: Any) -> str:
    """A job that is planned and whose messages are sent; no worker has started."""
    job_id = confirm(world, mode=mode, **changes).body["jobId"]
    while world.pump_stream():
        pass
    return job_id


def attempt(world: World, job_id: str, key: str = "kf_1", number: int = 1) -> str:
    return handle_task_message(world.app, a_task_message(job_id, key, attempt=number))


def stored(world: World, job_id: str, key: str) -> dict[str, Any]:
    [item] = [
        item
        for item in world.scan("jobs")
        if item["pk"]["S"] == job_id and item["sk"]["S"] == f"task#{key}"
    ]
    return item


def attempts(job: dict[str, Any]) -> dict[str, int]:
    return {task["key"]: task["attempts"] for task in job["tasks"]}


# Claims


def test_a_task_is_done_once_for_repeated_messages(world: World) -> None:
    job_id = a_ready_job(world)

    first = attempt(world, job_id)
    made = a_picture(world)
    again = [attempt(world, job_id) for _ in range(3)]

    assert (first, again) == ("succeeded", ["idle"] * 3)
    assert a_picture(world) == made
    assert len(world.studio.requests) == 1


def test_early_late_and_unknown_messages_do_nothing(world: World) -> None:
    job_id = a_ready_job(world)
    before = a_picture(world)

    outcomes = [
        attempt(world, job_id, number=2),
        attempt(world, job_id, number=0),
        attempt(world, job_id, "clip_1"),
        attempt(world, job_id, "kf_9"),
        attempt(world, JOB_ID),
    ]

    assert outcomes == ["idle"] * 5
    assert a_picture(world) == before
    assert world.studio.requests == []


def test_a_claim_is_a_lease_of_five_minutes_fenced_by_the_attempt(world: World) -> None:
    job_id = a_ready_job(world)

    task = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    second = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)

    assert task is not None
    assert second is None
    item = stored(world, job_id, "kf_1")
    assert (item["status"]["S"], item["attempts"]["N"]) == ("running", "1")
    assert item["leaseUntil"]["S"] == to_iso(world.clock.now() + timedelta(minutes=5))
    assert item["claim"]["S"] == task.claim


def test_an_attempt_that_lost_its_lease_changes_nothing(world: World) -> None:
    job_id = a_ready_job(world)
    old = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    assert old is not None
    world.advance_time(minutes=5)
    done = a_job(world, job_id)
    before = a_picture(world)

    complete_task(world.app, old, [an_output("kf_1")])
    fail_task(world.app, old, Failure(code="INTERNAL", message="x"), transient=False)
    fail_task(world.app, old, Failure(code="INTERNAL", message="x"), transient=True)

    assert (done["status"], attempts(done)) == ("succeeded", {"kf_1": 2, "clip_1": 1})
    assert a_picture(world) == before


def test_an_earlier_attempt_cannot_finish_the_current_one(world: World) -> None:
    job_id = a_ready_job(world)
    old = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    assert old is not None
    world.clock.move(minutes=5)
    world.sweep()
    assert claim_task(world.app, job_id=job_id, key="kf_1", attempt=2) is not None
    before = a_picture(world)

    complete_task(world.app, old, [an_output("kf_1")])
    fail_task(world.app, old, Failure(code="INTERNAL", message="x"), transient=False)

    assert a_picture(world) == before


def test_a_job_whose_first_attempt_was_claimed_is_shown_as_running(world: World) -> None:
    job_id = a_ready_job(world)

    claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    world.pump_stream()

    job = a_job(world, job_id)
    assert (job["status"], job["startedAt"]) == ("running", to_iso(world.clock.now()))


# The request to the provider, and its outputs


def test_the_request_to_the_provider_is_complete(world: World) -> None:
    second = a_photo(world)
    first = a_photo(world)

    job_id = a_ready_job(
        world, photoAssetIds=[first, second], seed=7, headers={"accept-language": "ko"}
    )
    world.drain()

    keyframe, clip = world.studio.requests
    assert (keyframe.job_id, keyframe.key, keyframe.kind) == (job_id, "kf_1", "keyframe")
    assert (keyframe.attempt, keyframe.language) == (1, "ko")
    assert [source.key for source in keyframe.sources] == ["photo_1", "photo_2"]
    assert [source.key for source in clip.sources] == ["kf_1"]
    assert not clip.workdir.exists()


def test_a_seed_makes_a_run_repeatable_and_jobs_differ_without_one(world: World) -> None:
    photo = a_photo(world)
    for key, seed in (("a", 7), ("b", 7), ("c", None), ("d", None)):
        confirm(world, mode="quick", photo=photo, key=key, seed=seed)
    world.drain()

    seeds: dict[str, dict[str, int]] = {}
    for request in world.studio.requests:
        seeds.setdefault(request.job_id, {})[request.key] = request.seed
    distinct = {tuple(sorted(of_job.items())) for of_job in seeds.values()}

    assert len(seeds) == 4
    assert len(distinct) == 3
    assert all(of_job["kf_1"] != of_job["clip_1"] for of_job in seeds.values())


def test_outputs_are_stored_under_their_attempt(world: World) -> None:
    job_id = a_ready_job(world)
    world.drain()

    for output in a_job(world, job_id)["outputs"]:
        assert job_of_output(output["outputId"]) == job_id
        suffix = output["downloadUrl"].partition("?")[0].rpartition(".")[2]
        key = f"outputs/{owner_of(world)}/{job_id}/{output['key']}-1.{suffix}"
        assert world.app.storage.find(key) is not None
        assert (output["width"], output["height"]) == (720, 1280)


# Failing


def busy(times: int) -> Callable[[GenerationRequest], None]:
    left = [times]

    def refuse(request: GenerationRequest) -> None:
        if request.key == "kf_1" and left[0]:
            left[0] -= 1
            raise TransientProviderError("throttled")

    return refuse


def test_a_transient_failure_is_retried_and_costs_nothing_more(world: World) -> None:
    world.studio.refuse = busy(2)
    job_id = a_ready_job(world)
    world.drain()

    job = a_job(world, job_id)

    assert (job["status"], attempts(job)["kf_1"]) == ("succeeded", 3)
    assert "reason" not in job["receipt"]
    assert "error" not in job["tasks"][0]
    assert check_laws(world, at_rest=False) == []


def test_a_clip_that_cannot_be_made_is_refunded_with_its_reason(world: World) -> None:
    refuse_key(world, "clip_2", PermanentProviderError("bad"))
    job_id = a_ready_job(world, mode="story")
    world.drain()

    job = a_job(world, job_id)

    assert job["status"] == "partial"
    assert statuses(job)["clip_2"] == "failed"
    assert (statuses(job)["film"], statuses(job)["clip_3"]) == ("skipped", "succeeded")
    receipt = job["receipt"]
    assert (receipt["used"], receipt["refunded"]) == (1, 1)
    assert receipt["reason"] == "PROVIDER_REFUSED"
    assert a_balance(world) == (4, 0)
    assert check_laws(world, at_rest=False) == []


def test_each_kind_of_failure_has_its_code_and_its_number_of_attempts(world: World) -> None:
    expected = {
        "transient": (TransientProviderError("busy"), "PROVIDER_UNAVAILABLE", 3),
        "permanent": (PermanentProviderError("bad"), "PROVIDER_REFUSED", 1),
        "moderation": (ModerationRefused("no"), "CONTENT_REJECTED", 1),
        "bug": (RuntimeError("a bug"), "INTERNAL", 3),
    }
    for name, (error, code, tries) in expected.items():
        refuse_key(world, "kf_1", error)
        job_id = a_ready_job(world, key=name)
        requests_before = len(world.studio.requests)
        world.drain()

        job = a_job(world, job_id)
        assert (job["status"], statuses(job)["clip_1"]) == ("failed", "skipped"), name
        assert job["tasks"][0]["error"]["code"] == code
        assert job["tasks"][0]["error"]["message"]
        assert attempts(job)["kf_1"] == len(world.studio.requests) - requests_before == tries


def test_injected_faults_are_handled_like_real_ones(world: World) -> None:
    expected = {
        "transient": ("PROVIDER_UNAVAILABLE", 3),
        "permanent": ("PROVIDER_REFUSED", 1),
        "moderation": ("CONTENT_REJECTED", 1),
    }
    jobs = {
        fault: confirm(world, mode="quick", key=fault, testFaults={"kf_1": fault}).body["jobId"]
        for fault in expected
    }
    world.drain()

    for fault, (code, tries) in expected.items():
        job = a_job(world, jobs[fault])
        assert job["status"] == "failed"
        assert job["tasks"][0]["error"]["code"] == code
        assert attempts(job)["kf_1"] == tries
    assert world.studio.requests == []


def test_without_test_hooks_an_injected_fault_is_ignored(world: World) -> None:
    job_id = a_ready_job(world, testFaults={"kf_1": "permanent"})
    app = world.without_test_hooks()

    outcome = handle_task_message(app, a_task_message(job_id, "kf_1"))

    assert outcome == "succeeded"


def test_a_photo_that_is_gone_fails_the_task_at_once(world: World) -> None:
    photo = a_photo(world)
    job_id = a_ready_job(world, photo=photo)
    world.app.storage.delete(clean_key("alice", photo, "image.jpg"))

    outcome = attempt(world, job_id)

    assert outcome == "permanent"
    assert a_job(world, job_id)["tasks"][0]["error"]["code"] == "SOURCE_MISSING"


def test_a_worker_without_the_provider_fails_the_task_and_not_itself(world: World) -> None:
    job_id = a_ready_job(world)
    app = replace(world.app, providers={})

    handle_task_message(app, a_task_message(job_id, "kf_1"))

    job = a_job(world, job_id)
    assert job["tasks"][0]["error"]["code"] == "PROVIDER_NOT_CONFIGURED"
    assert job["status"] == "failed"


def test_delays_double_up_to_half_a_minute(world: World) -> None:
    class Longest:
        def uniform(self, least: float, most: float) -> float:
            return most

    app = replace(world.app, jitter=Longest())  # type: ignore[arg-type]

    assert [task_backoff_seconds(app, number) for number in (1, 2, 3, 4, 5, 9)] == [
        2,
        4,
        8,
        16,
        30,
        30,
    ]


# Unreadable messages


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "7",
        "{}",
        {"jobId": JOB_ID, "key": "kf_1", "attempt": 1},
        {"schemaVersion": 2, "jobId": JOB_ID, "key": "kf_1", "attempt": 1},
        {"schemaVersion": 1, "key": "kf_1", "attempt": 1},
        {"schemaVersion": 1, "jobId": 7, "key": "kf_1", "attempt": 1},
        {"schemaVersion": 1, "jobId": JOB_ID, "key": "kf_1", "attempt": "1"},
        {"schemaVersion": 1, "jobId": JOB_ID, "key": "kf_1", "attempt": 1.0},
        {"schemaVersion": 1, "jobId": JOB_ID, "key": "kf_1"},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_message_without_an_attempt_is_refused(body: Any) -> None:
    with pytest.raises(InvalidInput):
        handle_task_message(None, a_message(body))  # type: ignore[arg-type]


def test_only_failed_messages_of_a_batch_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")

    def handle(record: Any) -> str:
        if record["body"] == "bad":
            raise ValueError("bad")
        return "done"

    records = [
        a_message(body) | {"messageId": name, "eventSource": "aws:sqs", "receiptHandle": name}
        for name, body in (("1", "good"), ("2", "bad"), ("3", "good"))
    ]

    response = queue_handler(handle)({"Records": records}, None)

    assert response == {"batchItemFailures": [{"itemIdentifier": "2"}]}
