"""The functions accept the sample events of ``events/``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from darkroom.workers.archive import handle_archive_message
from darkroom.workers.dead_letters import handle_dead_letter
from darkroom.workers.edge import read_message
from darkroom.workers.ingest import assets_of, handle_ingest_message
from darkroom.workers.stream import handle_stream
from darkroom.workers.sweep import handle_schedule
from darkroom.workers.tasks import handle_task_message, task_of
from tests.support.world import World

EVENTS = Path(__file__).resolve().parents[2] / "events"


def event(name: str) -> dict[str, Any]:
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("confirm", {400, 404, 409}),
        ("purchase", {201}),
        ("regenerate", {404}),
        ("uploads", {201}),
        ("api", {200, 404}),
        ("api_public", {200}),
        ("stream", {401}),
    ],
)
def test_the_api_responds_to_the_http_events(world: World, name: str, statuses: set[int]) -> None:
    sample = event(name)
    # The sample token expired long ago; everything else is used unchanged.
    jwt = sample["requestContext"].get("authorizer", {}).get("jwt")
    if jwt is not None:
        jwt["claims"]["exp"] = str(int(world.clock.now().timestamp()) + 60)

    response = world.handle_http(sample)

    assert response["statusCode"] in statuses, response["body"]


@pytest.mark.parametrize("name", ["ingest_image", "ingest_media"])
def test_a_storage_event_names_its_asset(world: World, name: str) -> None:
    record = event(name)["Records"][0]

    assert len(assets_of(record)) == 1
    assert handle_ingest_message(world.app, record) == "unknown"


def test_the_test_event_of_a_new_notification_is_harmless(world: World) -> None:
    record = event("ingest_image_test_event")["Records"][0]

    assert handle_ingest_message(world.app, record) == "nothing"


def test_a_task_message_without_its_task_does_nothing(world: World) -> None:
    record = event("studio")["Records"][0]

    assert task_of(read_message(record))[2] >= 1
    assert handle_task_message(world.app, record) == "idle"


def test_an_archive_message_without_its_job_makes_nothing(world: World) -> None:
    assert handle_archive_message(world.app, event("archive")["Records"][0]) == "gone"


def test_stream_records_are_projected_without_failures(world: World) -> None:
    assert handle_stream(world.app, event("relay")) == {"batchItemFailures": []}


def test_dead_letters_and_the_schedule_are_handled(world: World) -> None:
    outcomes = [handle_dead_letter(world.app, r) for r in event("dead_letters")["Records"]]

    assert set(outcomes) <= {"task", "asset", "archive", "unreadable"}
    assert handle_schedule(world.app) == {}
