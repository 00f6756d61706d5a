"""Webhooks out: endpoints, deliveries to a real server, and what the log shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from darkroom.endpoints import store
from darkroom.events.store import Event
from darkroom.kernel import catalog
from darkroom.kernel.clock import from_iso
from darkroom.kernel.errors import Unauthorized
from darkroom.kernel.limits import (
    ANNOUNCED_LIMIT_SECONDS,
    DELIVERY_RESPONSE_LIMIT_BYTES,
    ENDPOINTS_LIMIT,
)
from darkroom.kernel.standard_webhooks import verify
from darkroom.usecases.projections.announce_event import announce_event
from darkroom.usecases.projections.project_event import project_event
from tests.support.builders import buy, confirm
from tests.support.http_stand_in import Fault
from tests.support.node import ROOT
from tests.support.receiver import Receiver
from tests.support.world import World

PATH = "/api/webhook-endpoints"
PURCHASE = "credit_purchase_test"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def an_endpoint(world: World, url: str, *events: str, user: str = "alice") -> dict[str, Any]:
    response = world.call("POST", PATH, {"url": url, "events": list(events) or ["*"]}, user=user)
    assert response.status == 201, response.body
    return response.body


def log_of(world: World, endpoint: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    response = world.call("GET", f"{PATH}/{endpoint['endpointId']}/deliveries{query}")
    assert response.status == 200, response.body
    return response.body["items"]


def an_event(world: World, user: str = "alice", number: int = 0) -> Event:
    return Event(
        event_id=f"2026-01-05T09:00:00.000Z#JOB_QUEUED#{number}",
        name="JOB_QUEUED",
        entity_type="job",
        entity_id="job_1",
        account_id=user,
        job_id="job_1",
        created_at=world.clock.now(),
    )


# Endpoints


def test_the_secret_is_shown_once_and_stored_nowhere(world: World) -> None:
    made = an_endpoint(world, "https://example.com/hook", "JOB_SUCCEEDED")

    listed = world.call("GET", PATH).body["items"]
    stored = repr([world.scan(table) for table in ("endpoints", "idempotency", "events")])

    assert made["secret"].startswith("whsec_")
    assert made["status"] == "active" and made["events"] == ["JOB_SUCCEEDED"]
    assert [item["endpointId"] for item in listed] == [made["endpointId"]]
    assert "secret" not in listed[0]
    assert made["secret"].removeprefix("whsec_") not in stored


def test_a_repeat_with_the_same_key_has_the_same_endpoint_and_secret(world: World) -> None:
    body = {"url": "https://example.com/hook", "events": ["*"]}

    first = world.call("POST", PATH, body, key="once")
    again = world.call("POST", PATH, body, key="once")

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(world.call("GET", PATH).body["items"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook", "https://127.0.0.1/", "https://10.0.0.1/", "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/", "https://localhost/", "https://2130706433/",
        "https://metadata.google.internal/", "https://printer.local/", "https://host.lan/",
        "https://example.com:8443/", "https://user:password@example.com/", "https://example.com\\@a.b/",
        "ftp://example.com/", "file:///etc/passwd", "example.com/hook", "https://exämple.com/",
        "https://example.com/ x", "https://example", "https://[", "",
    ],
)  # fmt: skip
def test_a_url_that_is_not_public_is_refused(world: World, url: str) -> None:
    response = world.call("POST", PATH, {"url": url, "events": ["*"]})

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in response.body["fields"]] == ["url"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook", "http://localhost:9/hook"])
def test_loopback_is_only_for_local_stacks_with_test_hooks(world: World, url: str) -> None:
    from dataclasses import replace

    from darkroom.adapters.post import Poster

    with_hooks = world.call("POST", PATH, {"url": url, "events": ["*"]})
    world.app = replace(world.without_test_hooks(), poster=Poster())
    without = world.call("POST", PATH, {"url": url, "events": ["*"]})

    assert (with_hooks.status, without.status) == (201, 400)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"events": []}, "events"),
        ({"events": ["job_exploded"]}, "events.0"),
        ({"events": ["DEAD_LETTER"]}, "events.0"),
        ({"events": "JOB_QUEUED"}, "events"),
        ({"description": "two\nlines"}, "description"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_an_invalid_endpoint_is_refused(world: World, change: dict[str, Any], path: str) -> None:
    body = {"url": "https://example.com/hook", "events": ["*"], **change}

    response = world.call("POST", PATH, body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in response.body["fields"]] == [path]


def test_an_account_has_at_most_twenty_endpoints(world: World) -> None:
    made = [
        an_endpoint(world, f"https://example.com/{number}") for number in range(ENDPOINTS_LIMIT)
    ]

    one_more = {"url": "https://example.com/one-more", "events": ["*"]}
    refused = world.call("POST", PATH, one_more)
    other = world.call("POST", PATH, one_more, user="bob")
    world.call("DELETE", f"{PATH}/{made[0]['endpointId']}")
    accepted = world.call("POST", PATH, one_more)

    assert (refused.status, refused.body["code"], refused.body["limit"]) == (409, "TOO_MANY", 20)
    assert (other.status, accepted.status) == (201, 201)
    assert len(world.call("GET", PATH).body["items"]) == ENDPOINTS_LIMIT


def test_an_endpoint_is_changed_and_deleted_by_its_owner_only(world: World) -> None:
    made = an_endpoint(world, "https://example.com/hook")
    path = f"{PATH}/{made['endpointId']}"

    changed = world.call(
        "PATCH",
        path,
        {"url": "https://EXAMPLE.com/Other", "events": ["JOB_FAILED"], "description": "Mine"},
    )
    strangers = [
        world.call(method, f"{path}{rest}", body, user="bob").status
        for method, rest, body in [
            ("PATCH", "", {"status": "disabled"}),
            ("DELETE", "", None),
            ("POST", "/rotate", None),
            ("POST", "/test", None),
            ("GET", "/deliveries", None),
        ]
    ]
    odd = [world.call("PATCH", path, body).status for body in ({}, {"url": None}, {"status": "x"})]
    gone = [world.call("DELETE", path).status, world.call("DELETE", path).status]

    assert changed.body["url"] == "https://example.com/Other"
    assert (changed.body["events"], changed.body["description"]) == (["JOB_FAILED"], "Mine")
    assert strangers == [404] * 5
    assert odd == [400] * 3
    assert gone == [204, 404]


# Deliveries


def test_an_event_arrives_signed_with_its_facts(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url, PURCHASE)

    buy(world, 3)
    world.drain()

    [request], [event] = receiver.requests, receiver.events
    verify(request.body, request.headers, [made["secret"]], now=world.clock.now())
    with pytest.raises(Unauthorized):
        verify(request.body + b" ", request.headers, [made["secret"]], now=world.clock.now())
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert set(event) == {"type", "timestamp", "data"}
    assert (event["type"], event["data"]["props"]) == (PURCHASE, {"amount": 3})
    assert event["data"]["eventId"] == request.headers["webhook-id"]
    [logged] = log_of(world, made)
    assert logged["eventId"] == request.headers["webhook-id"]
    assert (logged["status"], logged["attempt"], logged["responseStatus"]) == ("succeeded", 1, 204)
    assert "nextAttemptAt" not in logged


def test_a_job_is_announced_in_order_by_sequence(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url)

    confirm(world)
    world.drain()

    events = sorted(receiver.events, key=lambda event: event["data"]["sequence"])
    jobs = [event for event in events if event["data"]["entityType"] == "job"]
    states = [event["type"] for event in jobs if event["type"].startswith("JOB_")]
    assert states == ["JOB_QUEUED", "JOB_RUNNING", "JOB_SUCCEEDED"]
    assert [event["data"]["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == len(events)
    log = log_of(world, made, "?limit=100")
    assert [entry["sequence"] for entry in log] == list(range(len(events), 0, -1))


def test_an_endpoint_gets_only_its_own_account_s_events_of_its_own_names(
    world: World, receiver: Receiver
) -> None:
    an_endpoint(world, receiver.url, "JOB_FAILED")
    an_endpoint(world, receiver.url, "*", user="bob")

    buy(world, 3)
    world.drain()

    assert receiver.requests == []


def test_an_event_that_is_projected_again_arrives_once(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url)
    event = an_event(world)

    for _ in range(3):
        project_event(world.app, event)
        world.drain()

    assert [each["type"] for each in receiver.events] == ["JOB_QUEUED"]
    assert store.get_endpoint("alice", made["endpointId"]).last_sequence == 1


def test_events_from_before_the_endpoint_and_old_ones_are_not_announced(
    world: World, receiver: Receiver
) -> None:
    before = an_event(world)
    world.clock.move(seconds=1)
    an_endpoint(world, receiver.url)
    old = an_event(world, number=1)
    world.clock.move(seconds=ANNOUNCED_LIMIT_SECONDS)

    announce_event(world.app, before)
    announce_event(world.app, old)
    world.drain()

    assert receiver.requests == []


def test_a_failed_attempt_is_repeated_after_its_time_with_the_same_message(
    world: World, receiver: Receiver
) -> None:
    made = an_endpoint(world, receiver.url, PURCHASE)
    receiver.statuses, receiver.body = [500, 302], "x" * 3000
    receiver.headers = {"location": f"{receiver.api_base}/elsewhere"}
    buy(world, 3)
    world.drain()
    [failed] = log_of(world, made)

    world.advance_time(seconds=4)
    too_early = len(receiver.requests)
    world.advance_time(seconds=1)
    [again] = log_of(world, made)
    world.advance_time(minutes=5)
    [done] = log_of(world, made)

    assert (failed["status"], failed["attempt"], failed["responseStatus"]) == ("failed", 1, 500)
    assert failed["responseBody"] == "x" * DELIVERY_RESPONSE_LIMIT_BYTES
    assert too_early == 1
    # A redirect is a failure: it is not followed.
    assert (again["status"], again["attempt"], again["responseStatus"]) == ("failed", 2, 302)
    assert from_iso(again["nextAttemptAt"]) == world.clock.now()
    assert (done["status"], done["attempt"]) == ("succeeded", 3)
    assert [request.path for request in receiver.requests] == ["/hook"] * 3
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 3


def test_410_disables_the_endpoint_until_it_is_activated(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url, PURCHASE)
    path = f"{PATH}/{made['endpointId']}"
    receiver.status = 410
    buy(world, 3, key="first")
    world.drain()

    [given_up] = log_of(world, made)
    [disabled] = world.call("GET", PATH).body["items"]
    test, replay = (
        world.call("POST", f"{path}/{rest}")
        for rest in ("test", f"deliveries/{given_up['deliveryId']}/replay")
    )
    buy(world, 3, key="second")
    world.drain()
    receiver.status = 204
    activated = world.call("PATCH", path, {"status": "active"})
    buy(world, 3, key="third")
    world.drain()

    assert (given_up["status"], given_up["responseStatus"]) == ("given_up", 410)
    assert (disabled["status"], disabled["disabledBy"]) == ("disabled", "receiver")
    assert [(each.status, each.body["code"]) for each in (test, replay)] == [
        (409, "ENDPOINT_DISABLED")
    ] * 2
    assert (activated.body["status"], "disabledBy" in activated.body) == ("active", False)
    assert len(receiver.requests) == 2
    assert [entry["status"] for entry in log_of(world, made)] == ["succeeded", "given_up"]


def test_an_attempt_to_a_disabled_or_deleted_endpoint_is_not_made(
    world: World, receiver: Receiver
) -> None:
    disabled, deleted = (an_endpoint(world, receiver.url, PURCHASE) for _ in range(2))
    receiver.status = 500
    buy(world, 3)
    world.drain()

    world.call("PATCH", f"{PATH}/{disabled['endpointId']}", {"status": "disabled"})
    world.call("DELETE", f"{PATH}/{deleted['endpointId']}")
    world.advance_time(minutes=1)

    assert len(receiver.requests) == 2
    [entry] = log_of(world, disabled)
    assert (entry["status"], entry["failure"]) == ("given_up", "ENDPOINT_DISABLED")
    left = [item["sk"]["S"] for item in world.scan("endpoints")]
    assert not any(deleted["endpointId"] in key for key in left)


def test_a_test_event_arrives_whatever_the_endpoint_takes(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url, "JOB_FAILED")

    response = world.call("POST", f"{PATH}/{made['endpointId']}/test", key="test")
    again = world.call("POST", f"{PATH}/{made['endpointId']}/test", key="test")
    world.drain()

    assert (response.status, again.body) == (202, response.body)
    assert [event["type"] for event in receiver.events] == ["WEBHOOK_TEST"]
    [entry] = log_of(world, made)
    assert entry["deliveryId"] == response.body["deliveryId"]
    assert (entry["type"], entry["status"]) == ("WEBHOOK_TEST", "succeeded")


def test_a_replay_sends_the_same_message_again(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url, PURCHASE)
    buy(world, 3)
    world.drain()
    [entry] = log_of(world, made)
    path = f"{PATH}/{made['endpointId']}/deliveries/{entry['deliveryId']}/replay"

    responses = [world.call("POST", path).status, world.call("POST", path).status]
    [pending] = log_of(world, made, "?status=pending")
    world.drain()

    first, second = receiver.requests
    assert responses == [202, 202]
    assert (pending["status"], pending["attempt"]) == ("pending", 1)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    [replayed] = log_of(world, made)
    assert (replayed["status"], replayed["attempt"]) == ("succeeded", 2)
    unknown = path.replace(entry["deliveryId"], "dlv_01JGTQ4M9R8W3Z5K7N2P6X0G00")
    assert world.call("POST", unknown).status == 404


def test_the_log_has_pages_and_a_filter(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url)
    receiver.statuses = [500, 204, 500]
    for number in range(5):
        project_event(world.app, an_event(world, number=number))
        world.drain()
    path = f"{PATH}/{made['endpointId']}/deliveries"

    pages: list[list[int]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = world.call("GET", f"{path}?limit=2{cursor and '&cursor=' + cursor}").body
        pages.append([entry["sequence"] for entry in page["items"]])
        cursor = page["nextCursor"]
    failed = [entry["sequence"] for entry in log_of(world, made, "?status=failed")]
    bad = world.call("GET", f"{path}?status=lost")

    assert pages == [[5, 4], [3, 2], [1]]
    assert failed == [3, 1]
    assert bad.status == 400


def test_a_plan_limits_the_events_of_a_day(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = an_endpoint(world, receiver.url, "JOB_QUEUED")
    plans = json.loads(json.dumps(catalog.read("plans.json")))
    plans["free"]["webhooksPerDay"] = 2
    monkeypatch.setattr(catalog, "read", lambda name: plans)

    for number in range(3):
        announce_event(world.app, an_event(world, number=number))
    test = world.call("POST", f"{PATH}/{made['endpointId']}/test")
    world.drain()

    assert (test.status, test.body["code"], test.body["limit"]) == (409, "TOO_MANY", 2)
    assert [event["data"]["sequence"] for event in receiver.events] == [1, 2]


# Faults


def test_a_lost_stream_record_and_a_lost_message_are_made_up_for(
    world: World, receiver: Receiver
) -> None:
    an_endpoint(world, receiver.url)
    project_event(world.app, an_event(world))
    world.take_changes()

    world.drain()
    lost = len(receiver.requests)
    world.advance_time(minutes=3)

    assert (lost, len(receiver.requests)) == (0, 1)


def test_a_message_that_comes_twice_makes_one_attempt(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url)
    receiver.status = 500
    project_event(world.app, an_event(world))
    world.pump_stream()
    url = world.settings.deliver_queue_url
    sqs = world.client("sqs")
    [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    sqs.send_message(QueueUrl=url, MessageBody=message["Body"])

    world.drain()

    assert len(receiver.requests) == 1
    [entry] = log_of(world, made)
    assert entry["attempt"] == 1


def test_a_response_that_never_comes_is_a_failure_within_the_limit(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from darkroom.usecases.endpoints import deliver_event

    monkeypatch.setattr(deliver_event, "DELIVERY_LIMIT_SECONDS", 0.3)
    made = an_endpoint(world, receiver.url)
    receiver.faults = [Fault("lose")]
    project_event(world.app, an_event(world))

    world.drain()

    [entry] = log_of(world, made)
    assert (entry["status"], entry["failure"]) == ("failed", "TIMEOUT")
    assert "responseStatus" not in entry


def test_a_dead_letter_counts_as_a_failed_attempt(world: World, receiver: Receiver) -> None:
    made = an_endpoint(world, receiver.url)
    project_event(world.app, an_event(world))
    world.pump_stream()
    sqs, url = world.client("sqs"), world.settings.deliver_queue_url
    [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    sqs.send_message(QueueUrl=world.dead_url, MessageBody=message["Body"])

    world.drain()
    [failed] = log_of(world, made)
    world.advance_time(seconds=5)

    assert (failed["status"], failed["failure"], failed["attempt"]) == ("failed", "UNDELIVERED", 1)
    assert [entry["status"] for entry in log_of(world, made)] == ["succeeded"]


def test_a_hung_endpoint_takes_two_workers_and_delays_no_other(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from darkroom.usecases.endpoints import deliver_event

    monkeypatch.setattr(deliver_event, "DELIVERY_LIMIT_SECONDS", 0.2)
    with Receiver() as hung:
        an_endpoint(world, hung.url, "JOB_QUEUED")
        an_endpoint(world, receiver.url, "JOB_QUEUED")
        hung.faults = [Fault("lose")] * 20
        for number in range(10):
            project_event(world.app, an_event(world, number=number))

        world.drain()

    assert len(hung.requests) == 2
    assert len(receiver.requests) == 10


# The specification's own library


def test_the_example_of_the_docs_accepts_webhooks_of_both_secrets_after_a_rotation(
    world: World,
) -> None:
    """The example is a receiver in Node with the library of Standard Webhooks."""
    text = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    world.clock.move(seconds=(_now() - world.clock.now()).total_seconds())
    made = an_endpoint(world, "http://127.0.0.1:9/hook", PURCHASE)
    path = f"{PATH}/{made['endpointId']}"
    rotated = world.call("POST", f"{path}/rotate")
    rotated_again = world.call("POST", f"{path}/rotate", key="once")
    secrets = [rotated_again.body["secret"], rotated.body["secret"], made["secret"]]
    assert len(set(secrets)) == 3

    statuses = []
    for number, secret in enumerate(secrets):
        with _node(example, secret) as url:
            world.call("PATCH", path, {"url": url})
            buy(world, 3, key=f"purchase {number}")
            world.drain()
        statuses.append(log_of(world, made)[0]["responseStatus"])

    assert statuses == [204, 204, 400]
    end = from_iso(rotated_again.body["previousValidUntil"])
    assert end - world.clock.now() == timedelta(hours=24)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class _node:
    """The example as a server, from ``with`` until its end."""

    def __init__(self, code: str, secret: str) -> None:
        self._code, self._secret = code, secret

    def __enter__(self) -> str:
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            ["node", "--input-type=module", "-e", self._code],
            cwd=Path(ROOT),
            env={**os.environ, "WEBHOOK_SECRET": self._secret, "PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(400):
            if self._process.poll() is not None:
                assert self._process.stdout is not None
                pytest.fail(self._process.stdout.read().decode())
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}/webhooks"
            time.sleep(0.05)
        raise AssertionError("the example does not listen")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
