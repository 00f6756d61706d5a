"""Portraits are added to the album of their job one by one, as they are made."""

from __future__ import annotations

from typing import Any

from darkroom.kernel.limits import ACCOUNT_QUEUE_CHECK_SECONDS, PROJECTION_CHECK_SECONDS
from tests.support.builders import a_balance, a_job, a_reference_photo, delete_job
from tests.support.world import Response, World


def order(world: World, album_id: str, user: str = "alice") -> Response:
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [a_reference_photo(world, user)],
        "styles": ["CLASSIC", "MODERN"],
        "totalImages": 4,
        "albumId": album_id,
    }
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued"}
    return world.call("POST", "/api/jobs", body, user=user, key="order")


def an_album(world: World, user: str = "alice") -> str:
    return world.call("POST", "/api/albums", {"name": "Us"}, user=user, key="album").body["albumId"]


def outputs_in(world: World, album_id: str) -> list[Any]:
    return world.call("GET", f"/api/albums/{album_id}").body["outputs"]


def test_every_output_is_added_as_soon_as_it_is_made(world: World) -> None:
    album = an_album(world)
    job_id = order(world, album).body["jobs"][0]["jobId"]
    for _ in range(3):
        world.pump_stream()
    world.pump_tasks()
    while world.pump_stream():
        pass
    early = len(outputs_in(world, album))

    world.drain()

    made = {output["outputId"] for output in a_job(world, job_id)["outputs"]}
    assert 0 < early < 4
    assert {output["outputId"] for output in outputs_in(world, album)} == made


def test_the_sweeper_adds_outputs_whose_records_were_lost(world: World) -> None:
    album = an_album(world)
    order(world, album)
    for _ in range(3):
        world.pump_stream()
    for _ in range(3):
        world.pump_tasks()
        world.take_changes()  # lost
        world.advance_time(seconds=ACCOUNT_QUEUE_CHECK_SECONDS)
        world.take_changes()

    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    assert len(outputs_in(world, album)) == 4


def test_outputs_of_a_deleted_job_leave_the_album(world: World) -> None:
    album = an_album(world)
    job_id = order(world, album).body["jobs"][0]["jobId"]
    world.drain()

    delete_job(world, job_id)
    world.drain()

    assert outputs_in(world, album) == []


def test_another_accounts_album_looks_missing(world: World) -> None:
    foreign = an_album(world, "bob")
    missing = "alb_01KE6P4YM0DW25PDBDE1K4KS00"

    assert order(world, foreign).status == 404
    assert order(world, missing).status == 404
    assert a_balance(world) == (5, 0)
