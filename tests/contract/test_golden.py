"""This version reads and continues what an earlier version stored and sent.

The recordings in ``tests/golden`` were made by the versions that they show (``record.py``). A
change of stored data needs its own recording, so that the next version can be tested with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from darkroom.credits.audit import audit
from darkroom.usecases.credits.read_books import RawAccount, read_books
from darkroom.workers.tasks import handle_task_message
from tests.golden.record import HERE, MOMENTS, attributes_of_all_items, load, messages_of, record
from tests.support.builders import a_balance, a_job, a_message, regenerate, statuses
from tests.support.crash import Scene, Stage, Wire, run_to_completion
from tests.support.gateway import FakeGateway
from tests.support.laws import check_laws
from tests.support.moto_world import moto_world
from tests.support.scenarios import a_purchase, send_payment_event
from tests.support.world import START, World

BEFORE, NOW = "version_4", "version_5"
ENDS = {
    "queued": (["succeeded", "succeeded"], (10, 0)),
    "planned": (["succeeded"], (3, 0)),
    "running": (["succeeded"], (3, 0)),
    "again": (["succeeded"], (3, 0)),
    "ended": (["partial", "succeeded", "succeeded"], (11, 0)),
    "drafts": (["draft", "draft"], (5, 0)),
    "turns": (["succeeded"], (2, 0)),
    "translating": (["succeeded"], (1, 0)),
    "canceling": (["canceled"], (5, 0)),
    "retried": (["canceled", "succeeded"], (3, 0)),
    "kept": (["succeeded"], (1, 0)),
}


@cache
def golden(version: str) -> dict[str, Any]:
    return json.loads((HERE / f"{version}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with moto_world() as world:
        yield Stage(world)


@pytest.fixture
def world(stage: Stage) -> World:
    """An empty world."""
    stage.changes()
    stage.restore(stage.empty())
    return stage.world


def deliver_stream(world: World) -> None:
    """Mark every stream record as delivered, so that only messages and the sweeper are left."""
    world._seen = {name: {world._key(i): i for i in world.scan(name)} for name in world._seen}


def run_to_the_end(world: World) -> None:
    scene = Scene(world, Wire(world))
    run_to_completion(scene)
    assert scene.failures == []


def job_ids(world: World) -> list[str]:
    return [
        item["pk"]["S"]
        for item in world.scan("jobs")
        if item["sk"]["S"] == "job" and "deletedAt" not in item
    ]


def states(world: World) -> list[str]:
    return sorted(a_job(world, job_id)["status"] for job_id in job_ids(world))


def breaches(world: World) -> list[str]:
    return [str(breach) for breach in check_laws(world)]


def _case(version: str, moment: str, is_delivered: bool) -> object:
    """All moments of the earlier version, and the moments that only this version has."""
    is_known = version == NOW and (is_delivered or moment in golden(BEFORE))
    name = f"{version}-{moment}-{'delivered' if is_delivered else 'lost'} stream"
    marks = (pytest.mark.slow,) if is_known else ()
    return pytest.param(version, moment, is_delivered, id=name, marks=marks)


CASES = [
    _case(version, moment, is_delivered)
    for version in (BEFORE, NOW)
    for moment in golden(version)
    for is_delivered in (False, True)
    if moment in ENDS
]


@pytest.mark.parametrize(("version", "moment", "is_delivered"), CASES)
def test_recorded_work_in_progress_ends(
    world: World, version: str, moment: str, is_delivered: bool
) -> None:
    load(world, golden(version)[moment])
    if is_delivered:
        deliver_stream(world)

    run_to_the_end(world)

    assert (states(world), a_balance(world)) == ENDS[moment]
    assert breaches(world) == []


@pytest.mark.parametrize("version", [BEFORE, NOW])
def test_drafts_are_confirmed(world: World, version: str) -> None:
    load(world, golden(version)["drafts"])
    drafts = job_ids(world)

    responses = [
        world.call("POST", "/api/jobs/confirm", {"draftJobId": draft}, key=draft)
        for draft in drafts
    ]
    run_to_the_end(world)

    assert [response.status for response in responses] == [202, 202]
    assert (states(world), a_balance(world)) == (["succeeded", "succeeded"], (0, 0))
    assert breaches(world) == []


@pytest.mark.parametrize("version", [BEFORE, NOW])
def test_every_message_is_handled_once(world: World, version: str) -> None:
    moment = golden(version)["planned"]
    load(world, moment)
    [bodies] = messages_of(moment).values()

    first = [handle_task_message(world.app, a_message(body)) for body in bodies]
    second = [handle_task_message(world.app, a_message(body)) for body in bodies]

    assert set(first) == {"succeeded"}
    assert set(second) == {"idle"}


@pytest.mark.parametrize("version", [BEFORE, NOW])
def test_a_repeated_request_gets_its_recorded_response(world: World, version: str) -> None:
    moment = golden(version)["planned"]
    load(world, moment)
    [asset] = [item for item in moment["tables"]["assets"] if "assetId" in item]
    body = {
        "mode": "story",
        "stage": "spark",
        "genre": "romance",
        "photoAssetIds": [asset["assetId"]["S"]],
    }

    response = world.call("POST", "/api/jobs/confirm", body, key="confirm")

    assert response.status == 202
    assert response.body["jobId"] == job_ids(world)[0]
    assert a_balance(world) == (3, 2)


@pytest.mark.parametrize("version", [BEFORE, NOW])
def test_a_recorded_payment_is_credited_once(world: World, version: str) -> None:
    load(world, golden(version)["paid"])
    scene = Scene(world, Wire(world))
    world.use_gateway(FakeGateway(a_purchase(scene), world.clock))
    send_payment_event(scene, "evt_paid")

    again = world.call(**scene.facts["request"])
    run_to_the_end(world)

    assert again.body["outcome"] == "repeated"

    assert a_balance(world) == (15, 0)
    assert breaches(world) == []


@pytest.mark.parametrize("version", [BEFORE, NOW])
def test_recorded_jobs_can_be_read_picked_from_regenerated_and_deleted(
    world: World, version: str
) -> None:
    load(world, golden(version)["ended"])
    jobs = [a_job(world, job_id) for job_id in job_ids(world)]
    [child] = [job for job in jobs if job.get("parentJobId")]
    [part] = [job for job in jobs if job["status"] == "partial"]

    listed = world.call("GET", "/api/jobs").body["items"]
    picked = world.call("POST", f"/api/outputs/{part['outputs'][0]['outputId']}/select", {})
    shared = world.call("POST", f"/api/jobs/{child['jobId']}/share", {})
    again = regenerate(world, child["jobId"], key="again")
    run_to_the_end(world)
    for job_id in (again.body["retryJobId"], child["jobId"], child["parentJobId"]):
        world.call("DELETE", f"/api/jobs/{job_id}")
    run_to_the_end(world)

    assert len(listed) == 3
    assert all(job["outputs"] and job["receipt"] for job in jobs)
    assert statuses(part)["clip_3"] == "failed"
    assert (picked.status, shared.status, again.status) == (200, 201, 202)
    assert job_ids(world) == [part["jobId"]]
    assert breaches(world) == []


# A change of stored data needs a new recording


def shape(value: Any) -> Any:
    """The types of a stored value, without its content."""
    if isinstance(value, dict):
        return {name: shape(held) for name, held in sorted(value.items())}
    if isinstance(value, list):
        shapes = [shape(held) for held in value]
        return [each for place, each in enumerate(shapes) if each not in shapes[:place]]
    return type(value).__name__


def shape_of_item(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Attributes with their types; JSON inside of them with its own."""
    return {name: _shape_of_attribute(held) for name, held in sorted(item.items())}


def _shape_of_attribute(held: Mapping[str, Any]) -> Any:
    [(kind, value)] = held.items()
    if kind == "S" and value[:1] in ("{", "["):
        return shape(json.loads(value))
    return kind


def shapes_of(moment: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Per table the different shapes of its items; and those of the messages."""
    tables = {
        name: [shape_of_item(item) for item in items] for name, items in moment["tables"].items()
    }
    for queue, bodies in messages_of(moment).items():
        tables[f"messages of {queue}"] = [shape(json.loads(body)) for body in bodies]
    return {name: sorted({json.dumps(each) for each in found}) for name, found in tables.items()}


@pytest.mark.parametrize(
    "moment", ["drafts", "queued", "running", "turns", "kept", "uploading", "waiting", "archiving"]
)
def test_stored_items_have_the_shape_of_their_recording(world: World, moment: str) -> None:
    """If this fails on purpose, record the next version: see ``tests/golden/record.py``."""
    recorded = record(world, MOMENTS[moment])

    assert shapes_of(recorded) == shapes_of(golden(NOW)[moment])


def test_every_class_of_items_has_the_attributes_of_its_recording() -> None:
    """If this fails on purpose, record the next version: see ``tests/golden/record.py``."""
    assert attributes_of_all_items() == golden(f"{NOW}_attributes")


def test_a_requested_archive_is_made(world: World) -> None:
    load(world, golden(NOW)["archiving"])
    [job_id] = job_ids(world)

    run_to_the_end(world)
    world.pump_archives()

    assert world.call("GET", f"/api/jobs/{job_id}/download").status == 200


@pytest.mark.parametrize("moment", sorted(golden(BEFORE)))
def test_the_auditor_accepts_books_of_the_earlier_version(moment: str) -> None:
    """The auditor accepts that older entries lack newer fields."""
    tables = golden(BEFORE)[moment]["tables"]
    collections: dict[str, list[Any]] = {}
    for item in tables.get("jobs", []):
        collections.setdefault(item["pk"]["S"], []).append(item)

    for wallet in tables.get("wallets", []):
        account = wallet["accountId"]
        raw = RawAccount(
            account_id=account["S"],
            wallet=wallet,
            entries=[item for item in tables["ledger"] if item["accountId"] == account],
            purchases=[i for i in tables.get("purchases", []) if i["accountId"] == account],
            collections=collections,
        )
        books, unreadable = read_books(raw)

        assert (unreadable, audit(books, {}, START + timedelta(hours=1))) == ([], [])
