"""Whole jobs with Replicate: our code on both sides of the vendor's documented behavior."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.routing.routes import REPLICATE
from darkroom.generation.vendors.replicate import Replicate
from tests.support.builders import a_balance, a_job, confirm, owner_of
from tests.support.laws import check_laws
from tests.support.media_files import write_media
from tests.support.replicate_stand_in import CLIP, MODEL, Fault, ReplicateStandIn
from tests.support.vendor_jobs import (
    FIRST_POLL_SECONDS,
    deliver_callback,
    submit_keyframe,
    vendor_world,
)
from tests.support.world import Response, World


@pytest.fixture
def stand_in() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn() as server:
        yield server


@pytest.fixture
def world(stand_in: ReplicateStandIn) -> Iterator[World]:
    with vendor_world(REPLICATE, Replicate, stand_in) as world:
        world.use_cloud()
        yield world


def a_job_there(world: World, stand_in: ReplicateStandIn) -> tuple[str, str]:
    return submit_keyframe(world, stand_in.predictions)


def call_back(world: World, stand_in: ReplicateStandIn, ref: str, **changes: Any) -> Response:
    call = stand_in.call_of(ref, world.clock.now()) | changes
    return deliver_callback(world, stand_in.predictions[ref]["webhook"], call)


def test_a_signed_callback_completes_the_picture(world: World, stand_in: ReplicateStandIn) -> None:
    job_id, ref = a_job_there(world, stand_in)
    stand_in.succeed(ref)

    responses = [call_back(world, stand_in, ref).body["outcome"] for _ in range(2)]
    world.drain()

    job = a_job(world, job_id)
    assert (responses, job["status"]) == (["heard", "known"], "succeeded")
    [picture] = [output for output in job["outputs"] if output["key"] == "kf_1"]
    assert (picture["mimeType"], picture["width"], picture["height"]) == ("image/png", 64, 114)
    stored = world.app.storage.read(
        f"outputs/{owner_of(world)}/{job_id}/kf_1-1.png", limit_bytes=10_000
    )
    assert stored == stand_in.results[f"/out/{ref}.png"][2]


def test_a_clip_is_made_from_the_keyframe(
    world: World, stand_in: ReplicateStandIn, tmp_path: Path
) -> None:
    world.use_routes({"image": [REPLICATE], "clip": [REPLICATE]})
    film = write_media(tmp_path / "a.mp4", "mp4", video="libx264", size=(72, 128)).read_bytes()
    job_id, picture = a_job_there(world, stand_in)
    stand_in.succeed(picture)
    call_back(world, stand_in, picture)
    world.drain()
    clip = list(stand_in.predictions)[-1]
    stand_in.succeed(clip, content=film)

    call_back(world, stand_in, clip)
    world.drain()

    assert a_job(world, job_id)["status"] == "succeeded"
    models = [stand_in.predictions[ref]["model"] for ref in (picture, clip)]
    assert models == [MODEL, CLIP]
    sent = stand_in.predictions[clip]["input"]["image"].rpartition("/")[2]
    assert stand_in.files[sent] == stand_in.results[f"/out/{picture}.png"][2], "the keyframe"
    stored = world.app.storage.read(
        f"outputs/{owner_of(world)}/{job_id}/clip_1-1.mp4", limit_bytes=10**6
    )
    assert stored == film
    assert check_laws(world, at_rest=False) == []


def test_a_clip_that_expired_is_made_again_from_the_same_picture(
    world: World, stand_in: ReplicateStandIn
) -> None:
    world.use_routes({"image": [REPLICATE], "clip": [REPLICATE]})
    job_id, picture = a_job_there(world, stand_in)
    stand_in.succeed(picture)
    call_back(world, stand_in, picture)
    world.drain()
    first = list(stand_in.predictions)[-1]
    stand_in.succeed(first)
    stand_in.forget_result(first)

    call_back(world, stand_in, first)
    world.drain()
    second = list(stand_in.predictions)[-1]
    stand_in.succeed(second)
    call_back(world, stand_in, second)
    world.drain()

    assert len({picture, first, second}) == len(stand_in.predictions) == 3
    assert a_job(world, job_id)["status"] == "succeeded"


def test_without_a_callback_the_result_is_polled(world: World, stand_in: ReplicateStandIn) -> None:
    job_id, ref = a_job_there(world, stand_in)
    stand_in.succeed(ref)

    world.advance_time(seconds=FIRST_POLL_SECONDS)

    assert a_job(world, job_id)["status"] == "succeeded"


def test_forged_callbacks_change_nothing(world: World, stand_in: ReplicateStandIn) -> None:
    job_id, ref = a_job_there(world, stand_in)
    stand_in.succeed(ref)
    good = stand_in.call_of(ref, world.clock.now())
    forged = [
        stand_in.call_of(ref, world.clock.now(), secret="whsec_b3RoZXI="),
        good | {"body": good["body"].replace(b"succeeded", b"failed")},
        good | {"headers": {}},
        good | {"headers": good["headers"] | {"webhook-id": "msg_other"}},
    ]

    statuses = [call_back(world, stand_in, ref, **call).status for call in forged]
    world.drain()

    assert statuses == [401] * 4
    assert a_job(world, job_id)["tasks"][0]["status"] == "waiting"
    world.clock.move(minutes=6)
    assert call_back(world, stand_in, ref, **good).status == 401


def test_a_lost_response_costs_one_run(world: World, stand_in: ReplicateStandIn) -> None:
    stand_in.faults.append(Fault("drop_response"))
    job_id, ref = a_job_there(world, stand_in)
    stand_in.succeed(ref)

    world.advance_time(seconds=FIRST_POLL_SECONDS)

    assert a_job(world, job_id)["status"] == "succeeded"
    assert len(stand_in.predictions) == 1


def test_a_result_that_expired_is_made_again(world: World, stand_in: ReplicateStandIn) -> None:
    job_id, ref = a_job_there(world, stand_in)
    stand_in.succeed(ref)
    stand_in.forget_result(ref)

    world.advance_time(seconds=FIRST_POLL_SECONDS)
    stand_in.succeed(list(stand_in.predictions)[-1])
    world.advance_time(seconds=FIRST_POLL_SECONDS)

    assert a_job(world, job_id)["status"] == "succeeded"
    assert len(stand_in.predictions) == 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault("refuse", 402, {}), "PROVIDER_QUOTA"), (Fault("refuse", 422, {}), "PROVIDER_REFUSED")],
    ids=["no credit there", "refused"],
)
def test_a_refusal_is_reported_and_refunded(
    world: World, stand_in: ReplicateStandIn, fault: Fault, code: str
) -> None:
    stand_in.faults += [fault] * 3
    job_id = confirm(world, mode="story").body["jobId"]
    world.drain()

    job = a_job(world, job_id)
    assert (job["status"], job["receipt"]["reason"]) == ("failed", code)
    assert a_balance(world) == (5, 0)
    assert check_laws(world, at_rest=False) == []


def test_a_picture_refused_for_its_content_is_reported(
    world: World, stand_in: ReplicateStandIn
) -> None:
    job_id, ref = a_job_there(world, stand_in)
    stand_in.fail(ref, "NSFW content detected. Try running it again, or try a different prompt.")

    call_back(world, stand_in, ref)
    world.drain()

    assert a_job(world, job_id)["tasks"][0]["error"]["code"] == "CONTENT_REJECTED"


def test_a_result_on_a_foreign_host_is_not_fetched(
    world: World, stand_in: ReplicateStandIn
) -> None:
    job_id, ref = a_job_there(world, stand_in)
    stand_in.succeed(ref)
    stand_in.predictions[ref]["output"] = "https://169.254.169.254/latest/meta-data/"

    call_back(world, stand_in, ref)
    world.drain()

    assert a_job(world, job_id)["tasks"][0]["error"]["code"] == "BAD_RESULT"


def test_a_canceled_job_stops_its_prediction(world: World, stand_in: ReplicateStandIn) -> None:
    job_id, ref = a_job_there(world, stand_in)

    world.call("POST", f"/api/jobs/{job_id}/cancel")
    world.drain()

    assert a_job(world, job_id)["status"] == "canceled"
    assert stand_in.predictions[ref]["status"] == "canceled"
