"""Tasks that wait for a provider: submitted once, polled until done, ended in any case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.adapters.fetch import FetchFailed, FileGone
from darkroom.adapters.public_network import UnsafeAddress
from darkroom.generation.ports import (
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.kernel.clock import to_iso
from darkroom.kernel.limits import (
    DISPATCH_CHECK_SECONDS,
    LEASE_SECONDS,
    POLL_BASE_SECONDS,
    POLL_LIMIT_SECONDS,
    PROJECTION_CHECK_SECONDS,
    WAITING_GRACE_SECONDS,
    WAITING_LIMIT_SECONDS,
)
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.finish_task import await_provider
from darkroom.workers.dead_letters import handle_dead_letter
from darkroom.workers.tasks import handle_task_message
from tests.support.builders import (
    a_balance,
    a_job,
    a_message,
    a_picture,
    a_task_message,
    confirm,
    owner_of,
    statuses,
)
from tests.support.cloud import FakeRun
from tests.support.laws import check_laws
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

NEXT_POLL = POLL_LIMIT_SECONDS + DISPATCH_CHECK_SECONDS + 1


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        world.use_cloud()
        yield world


def a_waiting_job(world: World, **changes: Any) -> str:
    """A quick job whose keyframe the provider is making."""
    world.cloud.is_slow = True
    job_id = confirm(world, mode="quick", **changes).body["jobId"]
    world.drain()
    return job_id


def call_back(world: World, run: FakeRun | None = None, **changes: Any) -> Response:
    return world.call(**((run or world.cloud.last).call | changes))


def poll(world: World, job_id: str, number: int, *, attempt: int = 1) -> str:
    message = {"jobId": job_id, "key": "kf_1", "attempt": attempt, "look": number}
    return handle_task_message(world.app, a_message({"schemaVersion": 1, **message}))


def task_of(world: World, job_id: str) -> dict[str, Any]:
    return a_job(world, job_id)["tasks"][0]


def is_at_rest(world: World) -> bool:
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    return check_laws(world) == []


# Done


def test_a_submitted_task_waits_and_its_callback_completes_it(world: World) -> None:
    job_id = a_waiting_job(world)
    waiting = statuses(a_job(world, job_id))
    world.cloud.end()

    response = call_back(world)
    world.drain()

    assert waiting == {"kf_1": "waiting", "clip_1": "blocked"}
    assert (response.status, response.body) == (200, {"outcome": "heard"})
    job = a_job(world, job_id)
    assert (job["status"], job["tasks"][0]["provider"]) == ("succeeded", "replicate")
    [picture] = [output for output in job["outputs"] if output["key"] == "kf_1"]
    assert (picture["width"], picture["height"]) == (2, 3)
    assert f"outputs/{owner_of(world)}/{job_id}/kf_1-1.png" in picture["downloadUrl"]
    assert is_at_rest(world)


def test_a_task_without_a_callback_is_completed_by_polling(world: World) -> None:
    job_id = a_waiting_job(world)
    world.cloud.end()

    world.advance_time(seconds=POLL_BASE_SECONDS + DISPATCH_CHECK_SECONDS + 1)

    assert a_job(world, job_id)["status"] == "succeeded"
    assert len(world.cloud.requests) == 1


def test_a_repeated_callback_makes_one_output_and_one_settlement(world: World) -> None:
    job_id = a_waiting_job(world)
    world.cloud.end()

    first, second = call_back(world), call_back(world)
    world.drain()
    done = a_picture(world)
    third = call_back(world)
    world.drain()

    outcomes = [response.body["outcome"] for response in (first, second, third)]
    assert outcomes == ["heard", "known", "known"]
    assert a_picture(world) == done
    assert len(world.files.fetched) == 1
    assert len(a_job(world, job_id)["outputs"]) == 2


def test_a_callback_before_the_response_counts_as_the_response(world: World) -> None:
    responses = []
    world.cloud.took = lambda request, run: responses.append(call_back(world, run))
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()

    assert [(response.status, response.body["outcome"]) for response in responses] == [
        (200, "heard")
    ]
    assert a_job(world, job_id)["status"] == "succeeded"
    assert len(world.cloud.requests) == 1


def test_a_callback_is_verified_with_the_provider(world: World) -> None:
    """It reports that the run has succeeded; the provider itself reports it as in progress."""
    job_id = a_waiting_job(world)

    call_back(world)
    world.drain()

    assert task_of(world, job_id)["status"] == "waiting"
    assert world.files.fetched == []


def test_a_callback_during_a_poll_causes_another_poll(world: World) -> None:
    job_id = a_waiting_job(world)

    def meanwhile(run: FakeRun) -> None:
        world.cloud.seen = lambda run: None
        call_back(world, run)

    world.cloud.seen = meanwhile
    world.clock.move(seconds=POLL_BASE_SECONDS)
    poll(world, job_id, 1)
    world.cloud.end()
    world.drain()

    assert a_job(world, job_id)["status"] == "succeeded"
    assert world.cloud.polls == 2


def test_polls_are_spaced_and_early_or_old_messages_cause_none(world: World) -> None:
    job_id = a_waiting_job(world)
    early = poll(world, job_id, 1)
    world.clock.move(seconds=POLL_BASE_SECONDS)

    outcomes = [poll(world, job_id, number) for number in (2, 1, 1, 2)]
    polls = world.cloud.polls
    world.clock.move(seconds=2 * POLL_BASE_SECONDS)

    assert early == "idle"
    assert outcomes == ["idle", "waiting", "idle", "idle"]
    assert polls == 1
    assert poll(world, job_id, 2) == "waiting"


def test_a_run_with_a_lost_response_is_found_and_not_submitted_again(world: World) -> None:
    def lose(request: GenerationRequest, run: FakeRun) -> None:
        raise ResponseLost("timeout")

    world.cloud.took = lose
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()
    waiting = task_of(world, job_id)["status"]

    world.advance_time(seconds=POLL_BASE_SECONDS + DISPATCH_CHECK_SECONDS + 1)

    assert waiting == "waiting"
    assert a_job(world, job_id)["status"] == "succeeded"
    assert (len(world.cloud.requests), task_of(world, job_id)["attempts"]) == (1, 1)


def test_a_run_of_a_worker_that_died_after_submitting_is_waited_for(
    world: World,
) -> None:
    """The request is not repeated when its lease ends, and its result is not lost."""
    job_id = confirm(world, mode="quick").body["jobId"]
    while world.pump_stream():
        pass

    class Died(BaseException):
        pass

    def die(request: GenerationRequest, run: FakeRun) -> None:
        raise Died

    world.cloud.took = die
    with pytest.raises(Died):
        handle_task_message(world.app, a_task_message(job_id, "kf_1"))
    world.advance_time(seconds=LEASE_SECONDS + 1)
    waiting = task_of(world, job_id)["status"]
    world.advance_time(seconds=NEXT_POLL)

    assert waiting == "waiting"
    assert a_job(world, job_id)["status"] == "succeeded"
    assert len(world.cloud.requests) == 1


def test_a_bug_of_ours_while_submitting_causes_no_second_submission(world: World) -> None:
    def stumble(request: GenerationRequest, run: FakeRun) -> None:
        raise ZeroDivisionError

    world.cloud.took = stumble
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()

    assert task_of(world, job_id)["status"] == "waiting"
    world.advance_time(seconds=NEXT_POLL)
    assert (a_job(world, job_id)["status"], len(world.cloud.requests)) == ("succeeded", 1)


# Not done


def pass_time(world: World, seconds: float) -> None:
    """In steps of two minutes, like the schedule."""
    for _ in range(int(seconds // 120) + 1):
        world.advance_time(seconds=120)


def test_a_task_that_waited_half_an_hour_is_tried_three_times_at_most(world: World) -> None:
    job_id = a_waiting_job(world)

    pass_time(world, 3 * (WAITING_LIMIT_SECONDS + 300))

    job = a_job(world, job_id)
    assert job["status"] == "failed"
    assert (job["tasks"][0]["error"]["code"], job["tasks"][0]["attempts"]) == (
        "PROVIDER_TIMEOUT", 3,
    )  # fmt: skip
    assert all(run.is_canceled for run in world.cloud.runs.values())
    assert len(world.cloud.runs) == 3
    assert a_balance(world) == (5, 0)
    assert is_at_rest(world)


@pytest.mark.slow
def test_a_permanent_outage_of_the_provider_ends_the_job(world: World) -> None:
    job_id = a_waiting_job(world)
    world.cloud.is_down = True

    pass_time(world, 3 * (WAITING_LIMIT_SECONDS + 300))

    assert a_job(world, job_id)["status"] == "failed"
    assert is_at_rest(world)


def test_without_a_worker_the_sweeper_ends_the_attempt(world: World) -> None:
    job_id = a_waiting_job(world)
    world.clock.move(seconds=WAITING_LIMIT_SECONDS + WAITING_GRACE_SECONDS)

    done = world.sweep()

    assert done["run_lost"] == 1
    assert task_of(world, job_id)["status"] == "ready"


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (ModerationRefused("no"), "CONTENT_REJECTED", 1),
        (PermanentProviderError("no"), "PROVIDER_REFUSED", 1),
        (TransientProviderError("no", code="PROVIDER_FAILED"), "PROVIDER_FAILED", 3),
    ],
    ids=lambda value: str(value),
)
def test_a_failed_run_fails_its_task_with_the_same_reason(
    world: World, error: Exception, code: str, attempts: int
) -> None:
    job_id = a_waiting_job(world)
    for _ in range(3):
        world.cloud.end(error)
        call_back(world)
        world.drain()

    job = a_job(world, job_id)
    assert job["status"] == "failed"
    assert (task_of(world, job_id)["error"]["code"], len(world.cloud.runs)) == (code, attempts)
    assert a_balance(world) == (5, 0)


def test_a_throttled_request_is_repeated_after_the_requested_delay(
    world: World,
) -> None:
    def busy(request: GenerationRequest) -> None:
        if request.attempt == 1:
            raise TransientProviderError("busy", retry_after_seconds=45)

    world.cloud.refuse = busy
    job_id = confirm(world, mode="quick").body["jobId"]
    while world.pump_stream():
        pass

    outcome = handle_task_message(world.app, a_task_message(job_id, "kf_1"))

    [item] = [item for item in world.scan("jobs") if item["sk"]["S"] == "task#kf_1"]
    assert (outcome, item["status"]["S"]) == ("transient", "ready")
    assert item["notBefore"]["S"] == to_iso(world.clock.now() + timedelta(seconds=45))


@pytest.mark.parametrize(
    ("error", "status", "runs"),
    [(FetchFailed("slow"), "waiting", 1), (FileGone("expired"), "ready", 1),
     (UnsafeAddress("elsewhere"), "failed", 1)],
    ids=["slow", "expired", "unsafe"],
)  # fmt: skip
def test_a_result_that_cannot_be_fetched_is_polled_repeated_or_failed(
    world: World, error: Exception, status: str, runs: int
) -> None:
    """A slow result is polled again, a lost one is made again, and a refused one fails."""
    job_id = a_waiting_job(world)

    def refuse(url: str) -> None:
        raise error

    world.files.refuse = refuse
    world.cloud.end()
    call_back(world)
    world.pump_stream()
    world.pump_tasks()

    assert (task_of(world, job_id)["status"], len(world.cloud.runs)) == (status, runs)


# Canceled


def test_a_canceled_job_ends_at_once_and_its_run_is_canceled(world: World) -> None:
    job_id = a_waiting_job(world)

    response = world.call("POST", f"/api/jobs/{job_id}/cancel")
    world.drain()

    assert response.body["outcome"] == "canceled"
    assert world.cloud.last.is_canceled
    assert a_balance(world) == (5, 0)
    assert call_back(world).body == {"outcome": "known"}
    assert is_at_rest(world)


def test_a_run_submitted_while_its_job_is_canceled_is_canceled(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    while world.pump_stream():
        pass
    task = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    assert task is not None
    requested = world.call("POST", f"/api/jobs/{job_id}/cancel").body["outcome"]
    world.cloud.runs["run12345"] = FakeRun("run12345", "https://api.example")

    await_provider(world.app, task, "run12345")
    world.drain()

    assert (requested, a_job(world, job_id)["status"]) == ("requested", "canceled")
    assert world.cloud.last.is_canceled


def test_a_poll_that_returns_after_the_cancel_changes_nothing(world: World) -> None:
    job_id = a_waiting_job(world)
    world.cloud.end()

    def cancel(run: FakeRun) -> None:
        world.call("POST", f"/api/jobs/{job_id}/cancel")

    world.cloud.seen = cancel

    call_back(world)
    world.drain()

    job = a_job(world, job_id)
    assert (job["status"], job["outputs"], a_balance(world)) == ("canceled", [], (5, 0))


# Access to the callback


def test_a_callback_with_another_address_or_signature_is_refused(world: World) -> None:
    job_id = a_waiting_job(world)
    call = world.cloud.last.call
    before = a_picture(world)
    path: str = call["path"]
    forged = {
        "no signature": call | {"headers": {}},
        "another signature": call | {"headers": {"webhook-signature": "x"}},
        "another attempt": call | {"path": path.replace("attempt=1", "attempt=2")},
        "another task": call | {"path": path.replace("key=kf_1", "key=clip_1")},
        "another nonce": call | {"path": path[:-1] + ("A" if path[-1] != "A" else "B")},
        "a nonce that is no text of ours": call | {"path": path + "%C3%A9"},
    }

    responses = {name: world.call(**request) for name, request in forged.items()}

    for name, response in responses.items():
        assert (response.status, response.body["code"]) == (401, "BAD_SIGNATURE"), name
    assert world.call(**call | {"path": path.replace("replicate?", "unknown?")}).status == 404
    assert world.call(**call | {"path": path.partition("&nonce")[0]}).status == 400
    assert a_picture(world) == before
    assert task_of(world, job_id)["status"] == "waiting"


def test_a_callback_for_an_earlier_attempt_is_known_and_changes_nothing(world: World) -> None:
    job_id = a_waiting_job(world)
    old = world.cloud.last
    world.cloud.end(TransientProviderError("broken"))
    call_back(world)
    world.drain()
    assert task_of(world, job_id)["attempts"] == 2
    before = a_picture(world)

    response = call_back(world, old)

    assert (response.status, response.body["outcome"]) == (200, "known")
    assert a_picture(world) == before


# Dead letters


def test_a_dead_letter_of_the_current_poll_fails_the_task_and_an_older_one_does_not(
    world: World,
) -> None:
    job_id = a_waiting_job(world)
    letter = {"schemaVersion": 1, "jobId": job_id, "key": "kf_1", "attempt": 1}

    handle_dead_letter(world.app, a_message(letter))
    handle_dead_letter(world.app, a_message(letter | {"look": 7}))
    handle_dead_letter(world.app, a_message(letter | {"stop": True}))
    spared = task_of(world, job_id)["status"]
    handle_dead_letter(world.app, a_message(letter | {"look": 1}))

    assert spared == "waiting"
    assert task_of(world, job_id)["error"]["code"] == "UNDELIVERABLE"
    assert a_balance(world) == (5, 0)
