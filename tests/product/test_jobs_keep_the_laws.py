"""Canceling, retrying and deleting break no law; each test has its own world."""

from __future__ import annotations

from darkroom.generation.ports import GenerationRequest, TransientProviderError
from darkroom.kernel.limits import ERASE_AGAIN_SECONDS
from tests.support.builders import (
    a_job,
    cancel,
    confirm,
    delete_job,
    events_of,
    regenerate,
    waiting_messages,
)
from tests.support.laws import check_laws
from tests.support.world import World


def down(request: GenerationRequest) -> None:
    if request.key == "clip_2":
        raise TransientProviderError("down")


def test_a_cancellation_breaks_no_law(world: World) -> None:
    job_id = confirm(world).body["jobId"]
    world.pump_stream()
    cancel(world, job_id)
    world.drain()
    world.advance_time(hours=1)

    assert "JOB_CANCELED" in events_of(world, job_id)
    assert check_laws(world) == []


def test_a_retry_breaks_no_law(world: World) -> None:
    world.studio.refuse = down
    parent = confirm(world).body["jobId"]
    world.drain()
    world.studio.refuse = lambda request: None
    response = world.call("POST", f"/api/jobs/{parent}/retry", {}, key="retry")
    world.drain()
    world.advance_time(hours=1)

    child = response.body["retryJobId"]
    assert "JOB_RETRIED" in events_of(world, child)
    assert "job_confirmed" not in events_of(world, child)
    assert a_job(world, child)["status"] == "succeeded"
    assert check_laws(world) == []


def test_deleting_a_family_breaks_no_law(world: World) -> None:
    parent = confirm(world).body["jobId"]
    world.drain()
    regenerate(world, parent)
    world.drain()
    delete_job(world, parent, query="?cascade=true")
    world.drain()
    world.advance_time(seconds=ERASE_AGAIN_SECONDS)
    world.advance_time(hours=1)

    assert waiting_messages(world) == []
    assert check_laws(world) == []
