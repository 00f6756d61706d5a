"""Crash points of webhooks: whatever stops or fails at any call, every event arrives, under one id,
and each step has its effect once.

Every AWS call of a step, and its request to the receiver, goes wrong in every way it can. Then its
real caller repeats it: the stream, the queue, the sweeper or the client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from darkroom.adapters.post import Posted
from darkroom.db import commit
from darkroom.endpoints import store
from darkroom.endpoints.model import Delivery, Endpoint
from darkroom.events.store import Event, record_write
from darkroom.generation.ports import ResponseLost
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import new_command
from darkroom.kernel.errors import AlreadyHappened, Conflict
from darkroom.kernel.limits import ENDPOINTS_LIMIT
from darkroom.usecases.endpoints.create_endpoint import create_endpoint
from tests.support.crash import Call, Fault, Point, Scene, Wire, deliver_until_done
from tests.support.moto_world import moto_world
from tests.support.world import World

PATH = "/api/webhook-endpoints"
ROUNDS = 2
SHORT = frozenset({Fault.STOPPED_AFTER, Fault.LOST})


@dataclass
class FakePoster:
    """A receiver at the other end of the wire."""

    wire: Wire
    status: int = 204
    received: list[tuple[str, bytes]] = field(default_factory=list)

    def check_url(self, url: str) -> None:
        """Every URL will do."""

    def post(self, url: str, body: bytes, *, headers: dict[str, str], **_: Any) -> Posted:
        def arrive() -> int:
            self.received.append((headers["webhook-id"], body))
            return self.status

        try:
            status = self.wire._through(Call("provider.post", True), arrive, {})
        except ResponseLost:
            return Posted(seconds=0.1, failure="UNREACHABLE")
        return Posted(seconds=0.1, status=status)


@dataclass
class Run:
    """One account with one endpoint, so that many runs share a world."""

    world: World
    number: int

    def __post_init__(self) -> None:
        self.user = f"user-{self.number}"
        self.wire = Wire(self.world)
        self.poster = FakePoster(self.wire)
        self.world.app = replace(self.world.app, poster=self.poster)  # type: ignore[arg-type]
        body = {"url": "https://example.com/hook", "events": ["*"]}
        self.endpoint_id = self.call("POST", PATH, body, key="made").body["endpointId"]
        self.path = f"{PATH}/{self.endpoint_id}"

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        return self.world.call(method, path, body, user=self.user, key=key)

    def happen(self) -> None:
        """An event of the account is recorded."""
        now = self.world.clock.now()
        event = Event(
            event_id=f"{to_iso(now)}#JOB_QUEUED",
            name="JOB_QUEUED",
            entity_type="job",
            entity_id=f"job-{self.number}",
            account_id=self.user,
            created_at=now,
        )
        with contextlib.suppress(AlreadyHappened):
            commit([record_write(event, retention_days=1)])

    @property
    def deliveries(self) -> list[Delivery]:
        return store.list_deliveries(self.user, self.endpoint_id, limit=100)[0]

    @property
    def endpoint(self) -> Endpoint:
        return store.get_endpoint(self.user, self.endpoint_id)

    def finish(self) -> None:
        """Everything that repeats by itself does so, for longer than any retry takes."""
        self.world.drain()
        for _ in range(ROUNDS):
            self.world.advance_time(minutes=11)


Step = Callable[[Run], Callable[[], object]]
"""Arranges a run; returns what is disturbed, and then repeated by its caller."""


def announced(run: Run) -> Callable[[], object]:
    """The stream delivers an event."""
    run.happen()
    batches = run.world.take_changes()

    def deliver() -> None:
        for each in batches:
            deliver_until_done(Scene(run.world, run.wire), each)

    return deliver


def attempted(run: Run) -> Callable[[], object]:
    """The queue delivers the message of a first attempt."""
    run.happen()
    run.world.pump_stream()
    run.world.pump_stream()
    return run.world.pump_deliveries


def attempted_after_a_failure(run: Run) -> Callable[[], object]:
    """The sweeper sends the message of a second attempt."""
    run.poster.status = 500
    run.happen()
    run.world.drain()
    run.poster.status = 204
    run.world.clock.move(seconds=6)
    return run.world.sweep


def refused_for_good(run: Run) -> Callable[[], object]:
    """The receiver is gone."""
    run.poster.status = 410
    return attempted(run)


def probed(run: Run) -> Callable[[], object]:
    """The owner sends a test event."""
    return lambda: run.call("POST", f"{run.path}/test", key="test")


def replayed(run: Run) -> Callable[[], object]:
    """The owner sends a delivery again."""
    run.happen()
    run.world.drain()
    [delivery] = run.deliveries
    run.poster.received.clear()
    return lambda: run.call("POST", f"{run.path}/deliveries/{delivery.delivery_id}/replay")


STEPS: tuple[tuple[Step, str, int], ...] = (
    (announced, "succeeded", 1),
    (attempted, "succeeded", 1),
    (attempted_after_a_failure, "succeeded", 2),
    (refused_for_good, "given_up", 1),
    (probed, "succeeded", 1),
    (replayed, "succeeded", 1),
)
"""The step, how its delivery ends, and how often it is received without a fault."""
ALWAYS = (announced, attempted)
"""The long run disturbs the others."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


_numbers = iter(range(10**6))


def disturbed(world: World, step: Step, point: Point | None) -> Run:
    """A run in which one call goes wrong, and its caller repeats the step."""
    run = Run(world, next(_numbers))
    act = step(run)
    with run.wire.armed(point), contextlib.suppress(Exception):
        act()
    with contextlib.suppress(Exception):
        # The keys of requests in progress expire.
        world.clock.move(seconds=31)
        act()
    run.finish()
    return run


def points(world: World, step: Step) -> Iterator[Point]:
    run = Run(world, next(_numbers))
    act = step(run)
    with run.wire.armed(None), contextlib.suppress(Exception):
        act()
    calls = list(run.wire.calls)
    run.finish()
    assert calls
    for number, call in enumerate(calls):
        yield from (Point(number, call, fault) for fault in call.faults())


def breaches(run: Run, ends: str, received: int) -> Iterator[str]:
    """What is wrong with the end of a run."""
    deliveries = run.deliveries
    if [delivery.status for delivery in deliveries] != [ends]:
        yield f"ends as {[delivery.status for delivery in deliveries]}"
    if [delivery.sequence for delivery in deliveries] != [1] or run.endpoint.last_sequence != 1:
        yield f"has the number {run.endpoint.last_sequence}"
    if any(delivery.next_check_at is not None for delivery in deliveries):
        yield "is still due"
    got = run.poster.received
    if len(set(got)) != 1:
        yield f"arrived as {len(set(got))} messages"
    # One fault costs one spare request at most: the receiver knows it by its id.
    if not received <= len(got) <= received + 1:
        yield f"arrived {len(got)} times"
    if run.endpoint.is_active != (ends != "given_up"):
        yield f"leaves the endpoint {run.endpoint.status}"


def _cases() -> Iterator[object]:
    for step, ends, received in STEPS:
        if step in ALWAYS:
            yield pytest.param(step, ends, received, SHORT, id=step.__name__)
        whole = frozenset(Fault)
        name = f"{step.__name__}, every fault"
        yield pytest.param(step, ends, received, whole, id=name, marks=pytest.mark.slow)


@pytest.mark.parametrize(("step", "ends", "received", "faults"), list(_cases()))
def test_every_event_arrives_whatever_stops_a_step(
    world: World,
    step: Step,
    ends: str,
    received: int,
    faults: frozenset[Fault],
    record_property: Callable[[str, object], None],
) -> None:
    is_short = faults is SHORT
    chosen = [
        point
        for point in points(world, step)
        if point.fault in faults and (point.call.writes or not is_short)
    ]

    found = [
        f"{point}: {breach}"
        for point in chosen
        for breach in breaches(disturbed(world, step, point), ends, received)
    ]

    record_property("crash_points", len(chosen))
    assert found == []


def test_racing_creations_never_pass_the_limit_together(world: World) -> None:
    run = Run(world, next(_numbers))

    def create() -> None:
        command = new_command(
            world.app.ids, account_id=run.user, route="r", language="en", key=None, body={}
        )
        create_endpoint(
            world.app, command, url="https://example.com/", events=["*"], description=None
        )

    for _ in range(ENDPOINTS_LIMIT - 2):
        create()

    def rival() -> None:
        create()

    run.wire.rival = rival

    with run.wire.armed(None), pytest.raises(Conflict) as refused:
        create()

    assert refused.value.error_code == "TOO_MANY"
    assert len(store.list_endpoints(run.user)) == ENDPOINTS_LIMIT


def test_an_event_of_an_account_without_endpoints_costs_one_read(world: World) -> None:
    run = Run(world, next(_numbers))
    run.call("DELETE", run.path)

    act = announced(run)
    with run.wire.armed(None):
        act()

    calls = [call.name for call in run.wire.calls]
    assert calls.count("dynamodb.Query") == 1
    # The other projection of the event, which counts it.
    assert calls.count("dynamodb.TransactWriteItems") == 1
    assert "sqs.SendMessage" not in calls


def test_an_attempt_costs_two_writes_and_a_bounded_number_of_reads(world: World) -> None:
    run = Run(world, next(_numbers))
    act = attempted(run)

    with run.wire.armed(None):
        act()

    calls = [call.name.partition(".")[2] for call in run.wire.calls if "sqs" not in call.name]
    writes = [name for name in calls if name in ("UpdateItem", "TransactWriteItems", "PutItem")]
    assert writes == ["UpdateItem", "TransactWriteItems"]
    assert calls.count("GetItem") == 5
    assert len(run.poster.received) == 1
