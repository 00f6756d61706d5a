"""Stream records → projections: repeated and late records change nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from darkroom.bootstrap.composition import App
from darkroom.bootstrap.workers import STUDIO
from darkroom.kernel.errors import Unavailable
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.workers import stream
from darkroom.workers.relay import handle_record
from darkroom.workers.stream import handle_stream
from tests.support.builders import (
    REWRITE,
    Record,
    a_draft,
    a_photo,
    a_picture,
    a_story,
    a_user,
    buy,
    confirm,
    events_of,
    regenerate,
    stream_records,
    waiting_messages,
)
from tests.support.damage import store
from tests.support.laws import check_laws
from tests.support.world import World, stream_arn


def deliver(world: World, records: list[Record]) -> list[str]:
    return [handle_record(world.app, record) for record in records]


def test_a_queued_job_is_planned_and_its_roots_are_sent(world: World) -> None:
    job_id = confirm(world).body["jobId"]

    deliver(world, stream_records(world))
    assert waiting_messages(world) == []
    deliver(world, stream_records(world))

    assert waiting_messages(world) == [("kf_1", 1), ("kf_2", 1), ("kf_3", 1)]
    assert events_of(world, job_id) == ["JOB_QUEUED", "job_confirmed"]


def test_three_deliveries_leave_the_same_items_byte_for_byte(world: World) -> None:
    confirm(world, mode="quick", deviceId="phone")
    while records := stream_records(world):
        deliver(world, records)
        once = a_picture(world)
        deliver(world, records)
        deliver(world, records)
        assert a_picture(world) == once
        world.pump_tasks()

    assert check_laws(world, at_rest=False) == []


def test_all_records_of_a_job_delivered_again_in_any_order_change_nothing(world: World) -> None:
    buy(world, 10)
    parent_id = confirm(world, rewriteEnabled=True, rewrite=REWRITE).body["jobId"]
    history: list[Record] = []
    while records := stream_records(world):
        deliver(world, records)
        history += records
        while world.pump_tasks():
            pass
    before = a_picture(world)

    random.Random(7).shuffle(history)
    kinds = deliver(world, history + history)
    world.drain()

    assert set(kinds) == {"asset", "event", "job", "purchase", "task", "ignored"} & set(kinds)
    assert a_picture(world) == before
    assert len(world.studio.requests) == 7
    assert events_of(world, parent_id).count("job_done") == 1
    assert check_laws(world, at_rest=False) == []


def test_planning_a_job_twice_writes_its_tasks_once(world: World) -> None:
    job_id = confirm(world).body["jobId"]
    plan_job(world.app, job_id)
    once = a_picture(world)

    plan_job(world.app, job_id)
    plan_job(world.app, "job_that_is_not_there")

    assert a_picture(world) == once


def test_a_draft_has_no_projections(world: World) -> None:
    job_id = a_draft(world)

    deliver(world, stream_records(world))

    assert events_of(world, job_id) == []
    assert world.scan("templates") == []
    assert waiting_messages(world) == []


def test_a_confirmed_draft_is_planned_like_a_new_job(world: World) -> None:
    draft = a_draft(world)
    deliver(world, stream_records(world))

    world.call("POST", "/api/jobs/confirm", {"draftJobId": draft})
    deliver(world, stream_records(world))
    deliver(world, stream_records(world))

    assert waiting_messages(world) == [("kf_1", 1), ("kf_2", 1), ("kf_3", 1)]


def test_large_inputs_are_read_from_their_own_item(world: World) -> None:
    rewrite = REWRITE | {"rawText": "They stay. " * 80}
    job_id = confirm(world, rewriteEnabled=True, rewrite=rewrite).body["jobId"]

    world.pump_stream()

    [inputs] = [item for item in world.scan("jobs") if item["sk"]["S"] == "inputs"]
    assert inputs["pk"]["S"] == job_id
    plans = [item["plan"]["S"] for item in world.scan("jobs") if "plan" in item]
    assert any("They stay. They stay." in plan for plan in plans)
    [confirmed] = [e for e in world.scan("events") if e["name"]["S"] == "job_confirmed"]
    assert json.loads(confirmed["props"]["S"])["rewriteEnabled"] is True


def test_the_variant_is_stored_for_the_account_and_its_device(world: World) -> None:
    template_id = confirm(world, deviceId="phone").body["templateId"]

    world.pump_stream()

    remembered = {
        item["subject"]["S"]: (item["combination"]["S"], item["templateId"]["S"])
        for item in world.scan("templates")
    }
    assert remembered == {
        "account#alice": ("story|spark|romance", template_id),
        "device#phone": ("story|spark|romance", template_id),
    }


def test_a_child_has_its_own_event_and_no_new_assignment(world: World) -> None:
    parent_id = a_story(world)
    deliver(world, stream_records(world))
    assigned = world.scan("templates")

    child_id = regenerate(world, parent_id).body["retryJobId"]
    deliver(world, stream_records(world))

    assert events_of(world, child_id) == ["JOB_QUEUED", "regen_requested"]
    assert world.scan("templates") == assigned


def test_purchases_and_uploads_are_reported_once(world: World) -> None:
    user = a_user()
    purchase = buy(world, 10, user).body["purchaseId"]
    asset = a_photo(world, user)
    records = stream_records(world)

    for _ in range(3):
        assert set(deliver(world, records)) == {"asset", "purchase"}

    assert events_of(world, purchase) == ["credit_purchase_test"]
    assert events_of(world, asset) == ["ASSET_UPLOAD_STARTED"]


def test_removed_and_foreign_items_are_skipped(world: World) -> None:
    jobs = {"eventSourceARN": stream_arn(world.settings.tables["jobs"])}
    other = {"eventSourceARN": stream_arn("another-stack-jobs")}
    job = {"pk": {"S": "job_1"}, "sk": {"S": "job"}}
    unknown = {"pk": {"S": "x"}, "sk": {"S": "something#new"}}

    removed = jobs | {"dynamodb": {"OldImage": job}}
    new_kind = jobs | {"dynamodb": {"NewImage": unknown}}
    foreign = other | {"dynamodb": {"NewImage": job}}

    assert deliver(world, [removed, new_kind, foreign]) == ["removed", "ignored", "ignored"]


def test_the_first_failed_record_is_returned_and_the_rest_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm(world, mode="quick")
    good = stream_records(world)
    bad: dict[str, Any] = {"dynamodb": {"NewImage": {"pk": {"S": "x"}, "sk": {"S": "job"}}}}
    for number, record in enumerate([bad, *good]):
        record["dynamodb"]["SequenceNumber"] = str(number)

    with monkeypatch.context() as patch:
        patch.setattr(stream, "handle_record", _failing_for_now)
        stuck = handle_stream(world.app, {"Records": [bad, *good]})
    before = world.scan("events")
    passed = handle_stream(world.app, {"Records": good})

    assert stuck == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert before == []
    assert passed == {"batchItemFailures": []}


def _failing_for_now(app: App, record: Mapping[str, Any]) -> str:
    raise Unavailable("the database is busy")


def test_an_unreadable_record_does_not_block_those_after_it(
    world: World,
) -> None:
    confirm(world, mode="quick")
    good = stream_records(world)
    asset = {"accountId": {"S": "bob"}, "assetId": {"S": "ast_1"}, "status": {"S": "odd"}}
    source = stream_arn(world.settings.tables["assets"])
    bad: dict[str, Any] = {"eventSourceARN": source, "dynamodb": {"NewImage": asset}}
    for number, record in enumerate([bad, *good]):
        record["dynamodb"]["SequenceNumber"] = str(number)

    passed = handle_stream(world.app, {"Records": [bad, *good]})

    assert passed == {"batchItemFailures": []}
    assert world.scan("events") != []


def test_a_retried_task_is_sent_with_its_delay(world: World) -> None:
    confirm(world, mode="quick", testFaults={"kf_1": "transient"})
    world.pump_stream()
    slow = SlowJitter()
    world.app = replace(world.app, jitter=slow)  # type: ignore[arg-type]
    world.pump_stream()
    world.pump_tasks()
    sent = Recorder()
    app = replace(world.app, queues={STUDIO: sent})  # type: ignore[dict-item]

    for record in stream_records(world):
        handle_record(app, record)

    assert sent.messages == [({"key": "kf_1", "attempt": 2}, 2)]
    assert slow.ceilings == [2]


class SlowJitter:
    """Always the longest delay."""

    def __init__(self) -> None:
        self.ceilings: list[float] = []

    def uniform(self, least: float, most: float) -> float:
        self.ceilings.append(most)
        return most


class Recorder:
    """Stands in for SQS: records the messages sent."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, Any], int]] = []

    def send(self, message: dict[str, Any], *, delay_seconds: int = 0) -> None:
        shown = {name: value for name, value in message.items() if name != "jobId"}
        self.messages.append((shown, delay_seconds))


def test_a_damaged_wallet_does_not_block_the_records_after_it(world: World) -> None:
    confirm(world, "alice", mode="quick")
    bad_records = stream_records(world)
    [wallet] = [item for item in world.scan("wallets") if item["accountId"]["S"] == "alice"]
    store(world, "wallets", [{**wallet, "balance": {"S": "five"}}])
    [job] = [record for record in bad_records if is_job(record)]
    # A damaged job ends, and its hold is returned to the wallet.
    job["dynamodb"]["NewImage"]["inputs"] = {"S": "{"}
    store(world, "jobs", [job["dynamodb"]["NewImage"]])
    good = confirm(world, "bob", mode="quick").body["jobId"]
    behind = [
        r for r in stream_records(world) if r["dynamodb"]["NewImage"].get("pk") == {"S": good}
    ]
    for number, record in enumerate([job, *behind]):
        record["dynamodb"]["SequenceNumber"] = str(number)

    passed = handle_stream(world.app, {"Records": [job, *behind]})

    assert passed == {"batchItemFailures": []}
    assert "JOB_QUEUED" in events_of(world, good)


def is_job(record: Record) -> bool:
    return bool(record["dynamodb"]["NewImage"].get("sk") == {"S": "job"})


def test_the_repair_of_a_damaged_file_is_projected(world: World) -> None:
    a_photo(world)
    [record] = [r for r in stream_records(world) if "assetId" in r["dynamodb"]["NewImage"]]
    new = record["dynamodb"]["NewImage"]
    record["dynamodb"]["OldImage"] = {**new, "status": {"S": "odd"}}

    assert deliver(world, [record]) == ["asset"]
    assert events_of(world, new["assetId"]["S"]) == ["ASSET_UPLOAD_STARTED"]
