"""Operators list dead letters and send them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.adapters.queues import Queue
from darkroom.bootstrap.workers import STUDIO
from darkroom.workers.dead_letters import handle_dead_letter
from tests.support.builders import a_task_message, confirm
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

LIST, REDRIVE = "/api/admin/dead-letters", "/api/admin/dead-letters/redrive"


@pytest.fixture
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def a_dead_letter(
    number: int, body: str, *, queue: str = "s-StudioDeadLetters-X1"
) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "body": body,
        "attributes": {"SentTimestamp": str(1_767_600_000_000 + number)},
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
    }


def operator(world: World, method: str, path: str, body: Any = None) -> Response:
    return world.call(method, path, body, user="root", groups="admin")


def test_only_operators_list_and_redrive(world: World) -> None:
    for method, path in (("GET", LIST), ("POST", REDRIVE)):
        body = {"ids": ["x"]} if method == "POST" else None
        assert world.call(method, path, body, user=None).status == 401
        assert world.call(method, path, body).status == 403


def test_every_dead_letter_is_listed_once_latest_first(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    world.pump_stream()
    body = a_task_message(job_id, "kf_1")["body"]
    for letter in (a_dead_letter(1, body), a_dead_letter(1, body), a_dead_letter(2, "poison")):
        handle_dead_letter(world.app, letter)

    first = operator(world, "GET", f"{LIST}?limit=1").body
    second = operator(world, "GET", f"{LIST}?limit=1&cursor={first['nextCursor']}").body

    assert [item["outcome"] for item in first["items"]] == ["unreadable"]
    assert [item["outcome"] for item in second["items"]] == ["task"]
    assert second["items"][0]["body"] == body
    assert second["nextCursor"] is None


def test_a_dead_letter_returns_to_its_queue_unchanged(world: World) -> None:
    sqs = world.client("sqs")
    url = sqs.create_queue(QueueName="s-StudioQueue-Y2")["QueueUrl"]
    queue = Queue(world.app.storage._clients, url)
    world.app = replace(world.app, queues={STUDIO: queue})
    world.use_gateway(None)
    handle_dead_letter(world.app, a_dead_letter(1, "poison"))
    [letter] = operator(world, "GET", LIST).body["items"]

    response = operator(world, "POST", REDRIVE, {"ids": [letter["id"], "nothing"]})

    assert [result["ok"] for result in response.body["results"]] == [True, False]
    assert response.body["results"][1]["code"] == "NOT_FOUND"
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "poison"


def test_a_dead_letter_of_a_deleted_queue_is_not_redrivable(world: World) -> None:
    handle_dead_letter(world.app, a_dead_letter(1, "poison", queue="s-OldDeadLetters-X1"))
    [letter] = operator(world, "GET", LIST).body["items"]

    response = operator(world, "POST", REDRIVE, {"ids": [letter["id"]]})

    assert response.body["results"][0]["code"] == "NOT_REDRIVABLE"


@pytest.mark.parametrize("ids", [[], ["x"] * 101, "x", None, [1]])
def test_one_to_a_hundred_ids_are_required(ids: Any, world: World) -> None:
    assert operator(world, "POST", REDRIVE, {"ids": ids}).status == 400
