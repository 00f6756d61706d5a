"""Events: what clients send, and the log as operators read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.kernel.limits import CLIENT_EVENTS_PER_DAY_LIMIT
from tests.support.builders import a_draft, a_story, a_user
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

UPGRADE = {"name": "upgrade_clicked", "props": {"fromMode": "quick", "toMode": "story"}}
QUEUED = {"name": "QUEUE_ADD_CLICKED", "props": {"n": 2}}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def send(
    world: World, user: str | None, *events: dict[str, Any], key: str | None = None
) -> Response:
    return world.call("POST", "/api/events", {"events": list(events)}, user=user, key=key)


def log(world: World, query: str) -> list[dict[str, Any]]:
    """Every page of the operator's list."""
    items: list[dict[str, Any]] = []
    path = f"/api/admin/events?{query}"
    cursor = ""
    while True:
        page = world.call("GET", path + cursor, user="operator", groups="admin").body
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        cursor = f"&cursor={page['nextCursor']}"


def test_a_client_s_events_are_recorded_with_account_and_template(world: World, user: str) -> None:
    job_id = a_draft(world, user)
    sent = UPGRADE | {"jobId": job_id, "occurredAt": "2026-01-05T08:59:00+09:00"}

    response = send(world, user, sent, QUEUED)

    assert (response.status, response.body) == (202, {"accepted": 2})
    [click] = log(world, f"job={job_id}&name=upgrade_clicked")
    assert click["accountId"] == user
    assert click["createdAt"] == "2026-01-05T09:00:00.000Z"
    assert click["props"] == {
        "fromMode": "quick",
        "toMode": "story",
        "mode": "story",
        "templateId": None,
        "occurredAt": "2026-01-05T08:59:00+09:00",
    }
    assert [each["name"] for each in log(world, f"account={user}&name=QUEUE_ADD_CLICKED")] == [
        "QUEUE_ADD_CLICKED"
    ]


@pytest.mark.parametrize(
    "event",
    [
        {"name": "job_done", "props": {}},
        {"name": "JOB_FAILED"},
        {"name": "upgrade_clicked", "props": {"fromMode": "quick"}},
        {"name": "QUEUE_ADD_CLICKED", "props": {"n": "2"}},
        {"name": "QUEUE_ADD_CLICKED", "props": {"n": 2, "secret": 1}},
        QUEUED | {"occurredAt": "yesterday"},
        QUEUED | {"accountId": "another"},
    ],
)
def test_what_is_not_in_the_table_is_refused(
    world: World, user: str, event: dict[str, Any]
) -> None:
    response = send(world, user, QUEUED, event)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert response.body["fields"][0]["path"].startswith("events.1")
    assert log(world, f"account={user}") == []


def test_a_batch_has_one_to_fifty_events_and_needs_a_token(world: World, user: str) -> None:
    assert send(world, user).status == 400
    assert send(world, user, *[QUEUED] * 51).status == 400
    assert send(world, None, QUEUED).status == 401
    assert send(world, user, *[QUEUED] * 50).body == {"accepted": 50}


def test_events_about_another_account_s_job_are_left_out(world: World, user: str) -> None:
    job_id = a_draft(world, a_user())

    response = send(world, user, UPGRADE | {"jobId": job_id}, QUEUED, QUEUED | {"jobId": "x"})

    assert response.body == {"accepted": 1}
    assert log(world, f"job={job_id}&name=upgrade_clicked") == []


def test_a_repeated_request_records_its_events_once(world: World, user: str) -> None:
    first = send(world, user, QUEUED, QUEUED, key="batch")
    again = send(world, user, QUEUED, QUEUED, key="batch")

    assert first.body == again.body == {"accepted": 2}
    assert len(log(world, f"account={user}")) == 2


def test_an_account_s_client_sends_only_so_many_events_a_day(world: World, user: str) -> None:
    for _ in range(3):
        assert send(world, user, *[QUEUED] * 2).body == {"accepted": 2}
    [mark] = [
        item
        for item in world.scan("analytics")
        if item["pk"]["S"].startswith("client#") and item["number"]["N"] == "6"
    ]
    full = {":n": {"N": str(CLIENT_EVENTS_PER_DAY_LIMIT - 1)}}
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["analytics"],
        Key={"pk": mark["pk"], "sk": mark["sk"]},
        UpdateExpression="SET #n = :n",
        ExpressionAttributeNames={"#n": "number"},
        ExpressionAttributeValues=full,
    )

    assert send(world, user, QUEUED, QUEUED).body == {"accepted": 0}
    assert send(world, user, QUEUED).body == {"accepted": 1}
    assert send(world, user, QUEUED).body == {"accepted": 0}


def test_operators_find_events_by_account_job_name_and_time(world: World, user: str) -> None:
    job_id = a_story(world, user)
    world.drain()
    world.clock.move(hours=1)
    send(world, user, QUEUED)

    of_job = [each["name"] for each in log(world, f"job={job_id}&limit=2")]
    of_account = log(world, f"account={user}&limit=3")
    late = log(world, f"account={user}&from={of_account[0]['createdAt']}")
    early = log(world, f"account={user}&to={of_account[0]['createdAt']}")
    by_name = log(world, f"name=job_done&account={user}")

    assert {"job_confirmed", "JOB_QUEUED", "JOB_SUCCEEDED", "job_done"} <= set(of_job)
    assert len({each["id"] for each in of_account}) == len(of_account)
    times = [each["createdAt"] for each in of_account]
    assert times == sorted(times, reverse=True)
    assert [each["name"] for each in late] == ["QUEUE_ADD_CLICKED"]
    assert len(early) == len(of_account) - 1
    assert [each["jobId"] for each in by_name] == [job_id]


def test_all_pages_by_name_are_all_events_of_the_name_once(world: World, user: str) -> None:
    send(world, user, *[{"name": "JOB_RUN_CLICKED", "props": {"n": 1}}] * 13)

    found = log(world, "name=JOB_RUN_CLICKED&limit=5")

    assert len(found) == len({each["id"] for each in found}) == 13


def test_the_log_needs_a_filter_and_an_operator(world: World, user: str) -> None:
    def ask(query: str) -> Response:
        return world.call("GET", f"/api/admin/events{query}", user="operator", groups="admin")

    assert ask("").status == 400
    assert ask("?name=job_done&from=x").status == 400
    assert ask("?job=no-job").body == {"items": [], "nextCursor": None}
    assert ask("?name=UNKNOWN").body["items"] == []
    assert ask("?account=%00").body["items"] == []
    assert ask("?name=job_done&cursor=x").body["code"] == "BAD_CURSOR"
    assert world.call("GET", "/api/admin/events?name=job_done", user=user).status == 403
