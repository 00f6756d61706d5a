"""Concurrent callers of a waiting task, one call at a time, with every preemption: the task is
submitted once, ends once, and is settled once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from darkroom.generation.routing.routes import REPLICATE
from darkroom.jobs import store as jobs_store
from darkroom.jobs.callback_url import PURPOSE
from darkroom.kernel.limits import (
    DISPATCH_CHECK_SECONDS,
    LEASE_SECONDS,
    POLL_BASE_SECONDS,
    PROJECTION_CHECK_SECONDS,
    WAITING_LIMIT_SECONDS,
)
from darkroom.kernel.signing import seal
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.collect_task import collect_task
from darkroom.usecases.tasks.receive_provider_callback import receive_provider_callback
from darkroom.usecases.tasks.run_task import run_task
from local.emulator import Emulator
from tests.support.builders import a_balance, a_job, a_reference_photo, a_user
from tests.support.cloud import SIGNATURE
from tests.support.interleave import Act, Choose, Run, by_seed, every_preemption, interleave
from tests.support.laws import check_laws
from tests.support.world import World

# It takes minutes; unit tests that always run check the same rules.
pytestmark = pytest.mark.slow

KEY = "img_01"
RANDOM_ORDERS = 2


@pytest.fixture(scope="module")
def world(emulator: Emulator) -> Iterator[World]:
    world = World(endpoint_url=emulator.endpoint_url)
    world.use_cloud()
    yield world
    world.close()


@dataclass(frozen=True)
class Order:
    """One portrait of one account."""

    world: World
    user: str
    job_id: str

    def run(self) -> str:
        return run_task(self.world.app, job_id=self.job_id, key=KEY, attempt=1)

    def poll(self, number: int = 1) -> str:
        return collect_task(self.world.app, job_id=self.job_id, key=KEY, attempt=1, poll=number)

    def call(self) -> str:
        """The provider calls about the first attempt, whether we know of its run or not."""
        parts = (REPLICATE, self.job_id, KEY, "1")
        return receive_provider_callback(
            self.world.app,
            provider=REPLICATE,
            job_id=self.job_id,
            key=KEY,
            attempt=1,
            nonce=seal(self.world.app.signing_secret.value, PURPOSE, *parts),
            body=b'{"id": "%s"}' % self.ref.encode(),
            headers=SIGNATURE,
        )

    @property
    def ref(self) -> str:
        runs = dict(self.world.cloud.runs_by_task())
        run = runs.get(f"{self.job_id} {KEY}")
        return run.ref if run else "unknown"

    def cancel(self) -> str:
        return cancel_job(self.world.app, account_id=self.user, job_id=self.job_id)[0]

    def sweep(self) -> Any:
        return self.world.sweep()


def an_order(world: World) -> Order:
    """Its message is sent; no worker has received it yet."""
    user = a_user()
    world.call("GET", "/api/credits", user=user)
    photo = a_reference_photo(world, user)
    wanted = {"mode": "single", "referencePhotoIds": [photo], "styles": ["CLASSIC"]}
    inputs = wanted | {"totalImages": 1}
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued"}
    job_id = world.call("POST", "/api/jobs", body, user=user, key="k").body["jobs"][0]["jobId"]
    while world.pump_stream():
        pass
    world.client("sqs").purge_queue(QueueUrl=world.settings.generate_queue_url)
    return Order(world, user, job_id)


def waiting(world: World) -> Order:
    order = an_order(world)
    order.run()
    world.clock.move(seconds=POLL_BASE_SECONDS)
    return order


def overdue(world: World) -> Order:
    order = an_order(world)
    world.cloud.is_slow = True
    order.run()
    world.cloud.is_slow = False
    world.clock.move(seconds=WAITING_LIMIT_SECONDS)
    return order


def orphaned(world: World) -> Order:
    """Its worker died after the submit, and its lease is over."""
    order = an_order(world)
    task = claim_task(world.app, job_id=order.job_id, key=KEY, attempt=1)
    assert task is not None
    world.clock.move(seconds=LEASE_SECONDS + 1)
    return order


@dataclass(frozen=True)
class Race:
    name: str
    arrange: Callable[[World], Order]
    acts: Callable[[Order], list[Act]]
    ends: frozenset[str]
    runs: int = 1
    """The limit of runs at the provider."""


DONE, CANCELED = frozenset({"succeeded"}), frozenset({"succeeded", "canceled"})
RACES = (
    Race("two workers submit", an_order, lambda o: [o.run, o.run], DONE),
    Race("submit against cancel", an_order, lambda o: [o.run, o.cancel], CANCELED),
    Race("two polls", waiting, lambda o: [o.poll, o.poll], DONE),
    Race("poll against callback", waiting, lambda o: [o.poll, o.call], DONE),
    Race("two callbacks", waiting, lambda o: [o.call, o.call], DONE),
    Race("poll against cancel", waiting, lambda o: [o.poll, o.cancel], CANCELED),
    Race("callback against cancel", waiting, lambda o: [o.call, o.cancel], CANCELED),
    Race("last poll against callback", overdue, lambda o: [o.poll, o.call], DONE, runs=2),
    Race("lost lease against callback", orphaned, lambda o: [o.sweep, o.call], DONE),
)


ALWAYS = {"two workers submit", "poll against callback"}


def _marked(race: Race) -> object:
    marks = () if race.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(race, id=race.name, marks=marks)


@pytest.mark.parametrize("race", [_marked(race) for race in RACES])
def test_a_task_ends_once_in_every_race(world: World, race: Race) -> None:
    orders: list[Order] = []

    def run(choose: Choose) -> Run:
        orders.append(race.arrange(world))
        return interleave(race.acts(orders[-1]), choose)

    at_random = ((f"seed {seed}", run(by_seed(seed))) for seed in range(RANDOM_ORDERS))
    for name, done in itertools.chain(every_preemption(run), at_random):
        errors = [actor.error for actor in done.actors if actor.error]
        assert errors == [], name
        run_to_the_end(world, orders[-1])
        check(world, race, orders[-1], name)


def run_to_the_end(world: World, order: Order) -> None:
    for _ in range(40):
        world.cloud.end()
        world.drain()
        family = jobs_store.find_family(order.job_id)
        assert family is not None
        if family.job.is_final:
            return
        world.advance_time(seconds=POLL_BASE_SECONDS + DISPATCH_CHECK_SECONDS + 1)
    raise AssertionError("it never ends")


def check(world: World, race: Race, order: Order, name: str) -> None:
    job = a_job(world, order.job_id, order.user)
    runs = [run for task, run in world.cloud.runs_by_task() if task == f"{order.job_id} {KEY}"]
    assert job["status"] in race.ends, (name, job["status"])
    assert len(runs) <= race.runs, name
    is_made = job["status"] == "succeeded"
    assert len(job["outputs"]) == is_made, name
    assert a_balance(world, order.user) == (5 - is_made, 0), name


def test_the_laws_hold_after_all_races(world: World) -> None:
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    assert check_laws(world) == []


def test_one_of_two_polls_is_idle(world: World) -> None:
    order = waiting(world)

    done = interleave([order.poll, order.poll], by_seed(1))

    assert sorted(str(actor.value) for actor in done.actors) == ["idle", "succeeded"]
    assert len(done.order) > len(done.actors[0].calls) > 0
