"""Whole jobs with fal: our code on both sides of the vendor's documented behavior."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.routing.routes import FAL, LOCAL_STUDIO
from darkroom.generation.routing.store import list_costs
from darkroom.generation.vendors.fal import Fal
from darkroom.kernel.limits import (
    WAITING_GRACE_SECONDS,
    WAITING_LIMIT_SECONDS,
)
from tests.support.builders import a_balance, a_job, a_picture, confirm, owner_of, statuses
from tests.support.fal_stand_in import CLIP, LOCKED, PICTURE, FalStandIn, Fault
from tests.support.laws import check_laws
from tests.support.media_files import write_media
from tests.support.vendor_jobs import (
    FIRST_POLL_SECONDS,
    deliver_callback,
    submit_keyframe,
    vendor_world,
)
from tests.support.world import Response, World


@pytest.fixture
def stand_in() -> Iterator[FalStandIn]:
    with FalStandIn() as server:
        yield server


@pytest.fixture
def world(stand_in: FalStandIn) -> Iterator[World]:
    with vendor_world(FAL, Fal, stand_in) as world:
        world.use_routes({"image": [FAL], "clip": [FAL]})
        yield world


@pytest.fixture
def film(tmp_path: Path) -> bytes:
    return write_media(tmp_path / "clip.mp4", "mp4", video="libx264", size=(72, 128)).read_bytes()


def a_job_there(world: World, stand_in: FalStandIn, key: str = "confirm") -> tuple[str, str]:
    return submit_keyframe(world, stand_in.runs, key=key)


def call_back(world: World, stand_in: FalStandIn, request_id: str, **changes: Any) -> Response:
    call = stand_in.call_of(request_id, world.clock.now()) | changes
    return deliver_callback(world, stand_in.runs[request_id].webhook, call)


def finish(world: World, stand_in: FalStandIn, film: bytes) -> None:
    """Every run there succeeds and calls back, until none is in progress."""
    for _ in range(4):
        for request_id, run in list(stand_in.runs.items()):
            if run.state != "COMPLETED":
                stand_in.succeed(request_id, content=film if run.model == CLIP else None)
                call_back(world, stand_in, request_id)
        world.drain()


def test_a_clip_is_made_from_the_keyframe(world: World, stand_in: FalStandIn, film: bytes) -> None:
    job_id, _ = a_job_there(world, stand_in)

    finish(world, stand_in, film)

    job = a_job(world, job_id)
    assert job["status"] == "succeeded"
    picture, clip = stand_in.runs.values()
    assert (picture.model, clip.model) == (PICTURE, CLIP)
    assert f"/{job_id}/kf_1-1.png?" in clip.inputs["image_url"], "the keyframe, not the photo"
    made = {output["key"]: output for output in job["outputs"]}
    assert (made["kf_1"]["mimeType"], made["kf_1"]["width"]) == ("image/png", 72)
    assert made["clip_1"]["mimeType"] == "video/mp4"
    stored = world.app.storage.read(
        f"outputs/{owner_of(world)}/{job_id}/clip_1-1.mp4", limit_bytes=10**6
    )
    assert stored == film
    assert check_laws(world, at_rest=False) == []


def test_the_cost_of_each_run_is_recorded_with_the_vendors_id(
    world: World, stand_in: FalStandIn, film: bytes
) -> None:
    job_id, _ = a_job_there(world, stand_in)

    finish(world, stand_in, film)

    costs = {cost.task_key: cost for cost in list_costs(job_id)}
    lines = {key: [line[:2] for line in json.loads(cost.lines)] for key, cost in costs.items()}
    assert lines == {"kf_1": [["image", 1.0]], "clip_1": [["second", 3.0]]}
    for (request_id, run), key in zip(stand_in.runs.items(), ("kf_1", "clip_1"), strict=True):
        assert costs[key].provider_ref.endswith(request_id)
        assert (costs[key].model, costs[key].outcome) == (run.model, "succeeded")


def test_callbacks_alone_complete_a_story_of_three_scenes(
    world: World, stand_in: FalStandIn, film: bytes
) -> None:
    job_id = confirm(world, mode="story").body["jobId"]
    world.drain()

    finish(world, stand_in, film)

    job = a_job(world, job_id)
    assert job["status"] == "succeeded"
    assert [run.model for run in stand_in.runs.values()].count(CLIP) == 3
    assert {task["provider"] for task in job["tasks"] if task["key"] != "film"} == {FAL}
    polls = [path for method, path in stand_in.requests if path.endswith("/status")]
    assert len(polls) == 6, "each run is polled once, after its callback"
    assert check_laws(world, at_rest=False) == []


def test_without_a_callback_the_result_is_polled(world: World, stand_in: FalStandIn) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    stand_in.succeed(request_id)

    world.advance_time(seconds=FIRST_POLL_SECONDS)

    assert statuses(a_job(world, job_id))["kf_1"] == "succeeded"


def test_a_callback_before_the_response_counts_as_the_response(
    world: World, stand_in: FalStandIn, film: bytes
) -> None:
    responses = []

    def call_at_once(request_id: str) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())  # in the stand-in's own thread
        is_clip = stand_in.runs[request_id].model == CLIP
        stand_in.succeed(request_id, content=film if is_clip else None)
        responses.append(call_back(world, stand_in, request_id).body["outcome"])

    stand_in.before_response = call_at_once
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()

    assert responses == ["heard", "heard"]
    assert a_job(world, job_id)["status"] == "succeeded"
    assert stand_in.submits == 2


def test_repeated_late_and_canceled_callbacks_change_nothing(
    world: World, stand_in: FalStandIn, film: bytes
) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    other_id, canceled = a_job_there(world, stand_in, key="another")
    world.call("POST", f"/api/jobs/{other_id}/cancel")
    stand_in.succeed(request_id)
    first, second = (call_back(world, stand_in, request_id) for _ in range(2))
    finish(world, stand_in, film)
    done = a_picture(world)

    late = [call_back(world, stand_in, one) for one in (request_id, canceled)]
    world.drain()

    outcomes = [response.body["outcome"] for response in (first, second, *late)]
    assert outcomes == ["heard", "known", "known", "known"]
    assert a_picture(world) == done
    assert a_job(world, job_id)["status"] == "succeeded"


def test_forged_callbacks_change_nothing(world: World, stand_in: FalStandIn) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    stand_in.succeed(request_id)
    good = stand_in.call_of(request_id, world.clock.now())
    stranger = FalStandIn().signing_key
    forged = [
        stand_in.call_of(request_id, world.clock.now(), key=stranger),
        good | {"body": good["body"].replace(b"OK", b"KO")},
        good | {"headers": {}},
        good | {"headers": good["headers"] | {"x-fal-webhook-user-id": "another"}},
    ]

    responses = [call_back(world, stand_in, request_id, **call).status for call in forged]
    world.drain()

    assert responses == [401] * 4
    assert statuses(a_job(world, job_id))["kf_1"] == "waiting"
    world.clock.move(minutes=6)
    assert call_back(world, stand_in, request_id, **good).status == 401


def test_a_callback_that_cannot_be_verified_now_is_503_and_can_be_repeated(
    world: World, stand_in: FalStandIn
) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    stand_in.succeed(request_id)
    stand_in.keys_are_down = True

    unchecked = call_back(world, stand_in, request_id)
    stand_in.keys_are_down = False
    again = call_back(world, stand_in, request_id)
    world.drain()

    assert (unchecked.status, again.body["outcome"]) == (503, "heard")
    assert statuses(a_job(world, job_id))["kf_1"] == "succeeded"


def test_a_lost_response_costs_one_run_if_the_vendor_calls_back(
    world: World, stand_in: FalStandIn
) -> None:
    stand_in.faults.append(Fault("drop_response"))
    job_id, request_id = a_job_there(world, stand_in)
    world.advance_time(seconds=FIRST_POLL_SECONDS)
    waiting = statuses(a_job(world, job_id))["kf_1"]
    stand_in.succeed(request_id)

    call_back(world, stand_in, request_id)
    world.drain()

    assert (waiting, statuses(a_job(world, job_id))["kf_1"]) == ("waiting", "succeeded")
    assert [run.model for run in stand_in.runs.values()].count(PICTURE) == 1


def test_a_run_with_a_lost_response_and_no_callback_is_repeated_after_its_time_limit(
    world: World, stand_in: FalStandIn
) -> None:
    stand_in.faults.append(Fault("drop_response"))
    job_id, lost = a_job_there(world, stand_in)
    stand_in.succeed(lost)

    world.advance_time(seconds=WAITING_LIMIT_SECONDS - 60)
    before = len(stand_in.runs)
    world.advance_time(seconds=WAITING_GRACE_SECONDS)
    world.advance_time(seconds=FIRST_POLL_SECONDS)

    assert (before, len(stand_in.runs)) == (1, 2)
    assert a_job(world, job_id)["tasks"][0]["attempts"] == 2


def test_a_result_whose_file_is_gone_is_made_again(world: World, stand_in: FalStandIn) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    stand_in.succeed(request_id)
    stand_in.forget_files()

    call_back(world, stand_in, request_id)
    world.drain()
    again = list(stand_in.runs)[-1]
    stand_in.succeed(again)
    world.advance_time(seconds=FIRST_POLL_SECONDS)

    assert again != request_id
    assert statuses(a_job(world, job_id))["kf_1"] == "succeeded"


def test_a_picture_refused_for_its_content_is_reported_and_refunded(
    world: World, stand_in: FalStandIn
) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    before = a_balance(world)
    stand_in.refuse(request_id, "content_policy_violation")

    call_back(world, stand_in, request_id)
    world.drain()

    job = a_job(world, job_id)
    assert (job["status"], job["tasks"][0]["error"]["code"]) == ("failed", "CONTENT_REJECTED")
    assert a_balance(world) == (sum(before), 0)
    assert check_laws(world, at_rest=False) == []


def test_without_a_balance_at_the_vendor_the_next_provider_is_used(
    world: World, stand_in: FalStandIn
) -> None:
    world.use_routes({"image": [FAL, LOCAL_STUDIO], "clip": [FAL, LOCAL_STUDIO]})
    stand_in.faults += [Fault("refuse", 403, LOCKED)] * 2
    job_id = confirm(world, mode="quick").body["jobId"]
    world.drain()

    world.advance_time(seconds=FIRST_POLL_SECONDS)

    job = a_job(world, job_id)
    assert job["status"] == "succeeded"
    assert {task["provider"] for task in job["tasks"]} == {LOCAL_STUDIO}


def test_a_result_on_a_foreign_host_is_not_fetched(world: World, stand_in: FalStandIn) -> None:
    job_id, request_id = a_job_there(world, stand_in)
    stand_in.succeed(request_id)
    [image] = stand_in.runs[request_id].result[1]["images"]
    image["url"] = "https://169.254.169.254/latest/meta-data/"

    call_back(world, stand_in, request_id)
    world.drain()

    assert a_job(world, job_id)["tasks"][0]["error"]["code"] == "BAD_RESULT"


def test_a_canceled_job_stops_its_run(world: World, stand_in: FalStandIn) -> None:
    job_id, request_id = a_job_there(world, stand_in)

    world.call("POST", f"/api/jobs/{job_id}/cancel")
    world.drain()

    assert a_job(world, job_id)["status"] == "canceled"
    assert stand_in.runs[request_id].error_type == "client_cancelled"
