"""A damaged item hides no other item, and its job ends with all its credits returned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from darkroom.jobs.family_reading import family_from_raw
from darkroom.jobs.model import Failure, JobFamily, ProviderRun, Receipt, Source
from darkroom.jobs.states import TaskStatus
from darkroom.jobs.writing import inherited_to_item, job_to_item, task_to_item
from darkroom.kernel.limits import JOB_LIMIT_SECONDS
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.jobs.end_unreadable import UNREADABLE
from darkroom.views.jobs import job_summary
from darkroom.workers.stream import handle_stream
from tests.support.builders import (
    REWRITE,
    a_balance,
    a_job,
    a_queued_job,
    a_task,
    a_user,
    an_output,
    cancel,
    confirm,
    finish,
    lose_messages,
    stream_records,
)
from tests.support.damage import Damage, RawItem, collection, copied, damaged, damages_of, store
from tests.support.moto_world import moto_world
from tests.support.world import START, World

# Reading


def a_family() -> JobFamily:
    """A job with every optional attribute."""
    job = a_queued_job(
        inputs={"stage": "spark", "options": {"translate": True}},
        receipt=Receipt(used=1, refunded=1, parts=(1,)),
        hold=json.dumps([{"i": "g", "s": "bonus", "r": 2, "p": 10, "c": "2026-01-05T09:00:00Z"}]),
        planned=True,
        regen_target="story_clip",
        regen_clip_no=1,
        only_keys=("kf_1",),
        started_at=START,
        finished_at=START,
        next_check_at=START,
        balance_then=0,
        priority=3,
        children=frozenset({"job_2"}),
        template_id="t",
        combination="story|spark|comedy",
    )
    done = a_task(
        "kf_1", status=TaskStatus.SUCCEEDED, attempts=1, outputs=(an_output("kf_1"),),
        finished_at=START,
    )  # fmt: skip
    source = Source(key="kf_1", storage_key="outputs/kf_1.png", mime_type="image/png")
    waiting = a_task(
        "clip_1", "kf_1", number=2, status=TaskStatus.WAITING, attempts=1, sources=(source,),
        run=ProviderRun(ref="r", until=START), lease_until=START, not_before=START, claim="c",
        failure=Failure(code="", message=""), started_at=START, next_check_at=START, is_sent=True,
        params={"style": "noir"}, providers=("a", "b"),
    )  # fmt: skip
    return JobFamily(job=job, tasks=(done, waiting), inherited=(an_output("film", 9),))


def raw_items(family: JobFamily) -> list[RawItem]:
    job_id, operation = family.job.job_id, "op"
    return [
        item.serialize()
        for item in (
            job_to_item(family.job, operation),
            *(task_to_item(task, operation) for task in family.tasks),
            *(inherited_to_item(job_id, [o], operation) for o in family.inherited),
        )
    ]


FAMILY = a_family()
RAW = raw_items(FAMILY)


def test_a_sound_family_is_read_back_unchanged() -> None:
    read = family_from_raw(RAW)

    assert read is not None
    assert read.unreadable == ()
    assert replace(read, job=replace(read.job, version=FAMILY.job.version)) == FAMILY


def test_an_unreadable_attribute_does_not_hide_the_rest_of_the_family() -> None:
    tried = 0
    for damage in damages_of(RAW):
        family = family_from_raw(damaged(RAW, damage))
        tried += 1

        if damage.attribute == "deletedAt":
            continue
        assert family is not None, damage
        assert len(family.tasks) == 2, damage
        assert [item.sort_key for item in family.unreadable] in ([], [damage.sort_key]), damage
        job_summary(family.job, language="en")
    assert tried > 1000


# The whole product on damaged items

PRICE, BALANCE = 3, 2
"""The price of the story below, and the rest of its account's balance."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture(scope="module")
def books(world: World) -> dict[str, list[RawItem]]:
    """A child of a story in the middle of its work, and its account's books, to be copied."""
    user = "prototype"
    response = confirm(world, user, rewriteEnabled=True, rewrite=REWRITE)
    world.pump_stream()
    world.pump_stream()
    world.pump_tasks()
    world.pump_stream()
    lose_messages(world)
    job_id = response.body["jobId"]
    states = {
        item["sk"]["S"]: item["status"]["S"]
        for item in collection(world, job_id)
        if "status" in item
    }
    assert states["task#kf_1"] == "succeeded"
    assert {"ready", "blocked"} <= set(states.values())
    found = {
        table: [i for i in world.scan(table) if i["accountId"]["S"] == user]
        for table in ("wallets", "ledger")
    }
    return {"jobs": collection(world, job_id), **found}


def a_damaged_job(world: World, books: dict[str, list[RawItem]], damage: Damage) -> tuple[str, str]:
    """A copy of the prototype, of which one attribute is damaged; the account and the job."""
    user, job_id = a_user(), world.app.ids.new("job")
    names = {"prototype": user, books["jobs"][0]["pk"]["S"]: job_id}
    for table, items in books.items():
        copies = copied(items, **names)
        store(world, table, damaged(copies, damage) if table == "jobs" else copies)
    return user, job_id


def some_damages(items: list[RawItem], count: int) -> list[Damage]:
    """Another kind of damage for each attribute in turn; few of them are spread over all."""
    by_attribute: dict[tuple[str, str], list[Damage]] = {}
    for damage in damages_of(items):
        kind = damage.sort_key if damage.sort_key in ("job", "inputs") else "task#clip_3"
        if damage.sort_key == kind and not _is_other_inputs(damage):
            by_attribute.setdefault((kind, damage.attribute), []).append(damage)
    chosen = []
    for turn in range(100):
        for number, found in enumerate(by_attribute.values()):
            chosen.append(found[(turn + number) % len(found)])
    distinct = list({str(damage): damage for damage in chosen}.values())
    step = max(1, len(by_attribute) // count)
    return distinct[: count * step : step]


def _is_other_inputs(damage: Damage) -> bool:
    """Whether it is no damage but other inputs, which are shown as they are stored."""
    if damage.attribute != "inputs" or damage.held is None:
        return False
    try:
        return isinstance(json.loads(damage.held.get("S", "")), dict)
    except (ValueError, RecursionError):
        return False


READS = (
    "/api/jobs?limit=5",
    "/api/generations",
    "/api/jobs.csv",
    "/api/credits",
    "/api/jobs/{job}",
)


def read_everything(world: World, user: str, job_id: str) -> list[int]:
    return [world.call("GET", path.format(job=job_id), user=user).status for path in READS]


@pytest.mark.parametrize("count", [12, pytest.param(80, marks=pytest.mark.slow)])
def test_a_damaged_job_hides_nothing_and_ends_with_its_credits_returned(
    world: World, books: dict[str, list[RawItem]], count: int
) -> None:
    cases = []
    for damage in some_damages(books["jobs"], count):
        # The table itself refuses a key of an index that is too long or of another type.
        with suppress(ClientError):
            cases.append((damage, *a_damaged_job(world, books, damage)))
    assert len(cases) > count * 0.8
    read = {str(damage): read_everything(world, user, job) for damage, user, job in cases}
    canceled = {str(damage): cancel(world, job, user).status for damage, user, job in cases[::2]}
    world.clock.move(seconds=JOB_LIMIT_SECONDS)
    done = world.sweep()

    assert done.get("error", 0) == 0
    assert {status for seen in read.values() for status in seen} <= {200, 404}
    assert set(canceled.values()) <= {200, 404}
    for damage, user, job in cases:
        wallet = world.call("GET", "/api/credits", user=user).body
        assert wallet["held"] == 0, damage
        assert a_job(world, job, user)["status"] in ("failed", "canceled", "partial"), damage
        assert audit_accounts(world.app, user).breaches == (), damage


def test_a_job_whose_check_was_lost_ends_at_its_limit_with_the_check_of_a_task(
    world: World, books: dict[str, list[RawItem]]
) -> None:
    user, job_id = a_damaged_job(world, books, Damage("job", "nextCheckAt", None))

    world.clock.move(seconds=JOB_LIMIT_SECONDS)
    world.sweep()

    assert world.call("GET", "/api/credits", user=user).body["held"] == 0
    assert a_job(world, job_id, user)["status"] in ("failed", "partial")


DAMAGED_STATUS = Damage("job", "status", {"S": "odd"})
LOST_PLAN = Damage("task#clip_3", "plan", {"S": "{"})


@pytest.mark.parametrize(
    "damage",
    [
        DAMAGED_STATUS,
        LOST_PLAN,
        Damage("job", "version", None),
        Damage("job", "price", {"N": "3"}),
        Damage("job", "accountId", None),
        Damage("task#kf_1", "outputs", {"S": '[{"type":"image"}]'}),
        Damage("job", "recipe", None),
    ],
    ids=str,
)
def test_the_stream_record_of_the_damage_ends_the_job(
    world: World, books: dict[str, list[RawItem]], damage: Damage
) -> None:
    user, job_id = a_damaged_job(world, books, damage)

    world.drain()

    job = a_job(world, job_id, user)
    assert (job["status"], job["receipt"]["reason"]) == ("failed", UNREADABLE.code)
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (0, PRICE)
    assert a_balance(world, user) == (BALANCE + PRICE, 0)
    assert audit_accounts(world.app, user).breaches == ()


FLOATS = '[{"i":"bonus#signup","s":"bonus","r":3.0,"p":10,"c":"2026-01-05T09:00:00.000Z"}]'


@pytest.mark.parametrize("held", ["[{}]", "[]", "{", FLOATS, None])
def test_a_hold_that_cannot_be_read_is_known_from_the_ledger(
    world: World, books: dict[str, list[RawItem]], held: str | None
) -> None:
    damage = Damage("job", "hold", None if held is None else {"S": held})
    user, job_id = a_damaged_job(world, books, damage)

    cancel(world, job_id, user)

    assert a_job(world, job_id, user)["receipt"]["refunded"] == PRICE
    assert a_balance(world, user) == (BALANCE + PRICE, 0)
    assert audit_accounts(world.app, user).breaches == ()


def test_a_damaged_job_is_ended_once_for_repeated_requests(
    world: World, books: dict[str, list[RawItem]]
) -> None:
    user, job_id = a_damaged_job(world, books, LOST_PLAN)
    records = stream_records(world)

    responses = [cancel(world, job_id, user) for _ in range(2)]
    world.drain()

    assert [response.body["outcome"] for response in responses] == ["already_final"] * 2
    assert a_balance(world, user) == (BALANCE + PRICE, 0)
    assert records


def test_a_damaged_job_looks_missing_to_another_account(
    world: World, books: dict[str, list[RawItem]]
) -> None:
    _, job_id = a_damaged_job(world, books, LOST_PLAN)

    response = cancel(world, job_id, a_user())

    assert response.status == 404


def test_damaged_tasks_do_not_block_other_jobs(
    world: World, books: dict[str, list[RawItem]]
) -> None:
    user, damaged_id = a_damaged_job(world, books, LOST_PLAN)
    other = confirm(world, user, mode="quick", key="other").body["jobId"]

    world.drain()

    assert a_job(world, other, user)["status"] == "succeeded"
    assert a_job(world, damaged_id, user)["status"] == "failed"


def test_damaged_items_are_kept_as_evidence(world: World, books: dict[str, list[RawItem]]) -> None:
    _, job_id = a_damaged_job(world, books, LOST_PLAN)

    world.drain()

    [task] = [item for item in collection(world, job_id) if item["sk"]["S"] == "task#clip_3"]
    assert json.loads(task["damaged"]["S"]) == {"plan": {"S": "{"}}


def test_a_damaged_job_that_has_ended_keeps_its_credits_and_is_shown(world: World) -> None:
    user = a_user()
    job_id = confirm(world, user, mode="story").body["jobId"]
    finish(world, job_id)
    items = damaged(collection(world, job_id), Damage("task#clip_2", "outputs", {"S": "{}"}))
    store(world, "jobs", items)

    world.drain()

    job = a_job(world, job_id, user)
    assert (job["status"], job["receipt"]["used"]) == ("succeeded", 2)
    assert "clip_2" not in {output["key"] for output in job["outputs"]}
    assert a_balance(world, user) == (3, 0)


def test_a_job_settled_in_the_ledger_is_not_refunded_again(world: World) -> None:
    user = a_user()
    job_id = confirm(world, user, mode="story").body["jobId"]
    finish(world, job_id, failing=["clip_2"])
    before = a_balance(world, user)
    store(world, "jobs", damaged(collection(world, job_id), DAMAGED_STATUS))

    world.drain()

    job = a_job(world, job_id, user)
    assert a_balance(world, user) == before
    assert (job["status"], job["receipt"]["used"]) == ("partial", 5 - before[0])
    assert audit_accounts(world.app, user).breaches == ()


def test_a_job_whose_inputs_are_lost_cannot_be_made_again(
    world: World, books: dict[str, list[RawItem]]
) -> None:
    user, job_id = a_damaged_job(world, books, Damage("job", "inputs", {"S": "[]"}))
    world.drain()

    response = world.call("POST", f"/api/jobs/{job_id}/retry", {}, user=user, key="k")

    assert (response.status, response.body["code"]) == (409, "JOB_UNREADABLE")
    assert a_balance(world, user) == (BALANCE + PRICE, 0)


def test_a_job_without_an_owner_waits_for_an_operator_and_blocks_no_other(
    world: World, books: dict[str, list[RawItem]]
) -> None:
    job_id = world.app.ids.new("job")
    [job] = [item for item in books["jobs"] if item["sk"]["S"] == "job"]
    lost = {**job, "pk": {"S": job_id}, "nextCheckAt": {"N": "1"}}
    del lost["accountId"], lost["planned"]
    store(world, "jobs", [lost])
    records = stream_records(world)
    for number, record in enumerate(records):
        record["dynamodb"]["SequenceNumber"] = str(number)

    passed = handle_stream(world.app, {"Records": records})
    done = world.sweep()

    assert passed == {"batchItemFailures": []}
    assert done["error"] == 1
