"""Every message and every stream record three times, in any order: the same items in the end.

Byte for byte those of a run in which everything arrived once and in order, except ``PASSING``.
Queues promise no order, and streams deliver again; orders that streams rule out are tried as well.
"""

from __future__ import annotations

import functools
import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.client import BaseClient

from darkroom.adapters.queues import MESSAGE_VERSION
from darkroom.generation.ports import PermanentProviderError
from darkroom.workers.edge import metrics
from darkroom.workers.stream import handle_stream
from darkroom.workers.tasks import handle_task_message
from tests.support.crash import READS, Scene, Stage, Wire, run_to_completion, waiting_messages
from tests.support.laws import check_laws
from tests.support.moto_world import moto_world
from tests.support.planted import Plant, events_with_random_ids
from tests.support.scenarios import (
    arrange_regenerate,
    confirm_story,
    expect,
    open_account,
    set_provider,
)
from tests.support.scenarios import refusing as refusing_task
from tests.support.scenarios_jobs import (
    arrange_canceled_under_way,
    arrange_plan_of_retry,
    create,
    portraits_of,
    register_photo,
    upload_recording,
)
from tests.support.world import World

TIMES = 3
QUICK_SEEDS, SLOW_SEEDS = 1, 100
DELIVERIES_LIMIT = 5000
TABLES = ("wallets", "ledger", "jobs", "templates", "events")
PASSING = {
    "op": "names the attempt at a write, made at random",
    "version": "counts commits, and two steps that meet may be one commit",
    "changedAt": "ends in a hash of the version",
}
"""Attributes that may differ, and why."""
Delivery = Callable[[], bool]
"""Deliver something; return whether it was accepted."""


def arrange_partial(scene: Scene) -> None:
    set_provider(scene, refusing_task("clip_3", lambda: PermanentProviderError("no")))
    confirm_story(scene)


def arrange_portraits(scene: Scene) -> None:
    open_account(scene)
    create(scene, "portraits", portraits_of(register_photo(scene), 4))


def arrange_captions(scene: Scene) -> None:
    open_account(scene)
    options = {"translate": True, "targetLangs": ["ko"], "outputFormats": ["srt", "txt"]}
    create(scene, "captions", {"assetIds": [upload_recording(scene)], "options": options})


def arrange_child(scene: Scene) -> None:
    arrange_regenerate(scene)
    expect(scene, 202, **{n: v for n, v in scene.facts["request"].items() if n != "user"})


ARRANGEMENTS: Mapping[str, Callable[[Scene], None]] = {
    "story": arrange_partial,
    "portraits": arrange_portraits,
    "captions": arrange_captions,
    "cancel": arrange_canceled_under_way(None),
    "retry": arrange_plan_of_retry,
    "regenerate": arrange_child,
}


@dataclass
class Post:
    """All messages and records in flight, each as often as it will be delivered."""

    world: World
    rng: random.Random | None = None
    """Chooses the next delivery; without it each arrives once, in the order sent."""
    in_flight: list[Delivery] = field(default_factory=list)
    delivered: int = 0
    is_dirty: bool = True

    def send(self, message: Mapping[str, Any], *, delay_seconds: int = 0) -> None:
        """Act as a queue: the product sends a message."""
        body = json.dumps({"schemaVersion": MESSAGE_VERSION, **message})
        self._add(lambda: self._hand_over(body))

    def read_stream(self) -> None:
        """Take the stream records after every write, so that none is missed."""
        if not self.is_dirty:
            return
        self.is_dirty = False
        for batch in self.world.take_changes():
            for record in batch:
                self._add(lambda record=record: self._deliver_record(record))  # type: ignore[misc]

    def take_over(self) -> None:
        """Take the messages of the real queues."""
        for url in self.world.task_queue_urls:
            for message in waiting_messages(self.world, url):
                self._add(lambda body=message["Body"]: self._hand_over(body))  # type: ignore[misc]
                self.world.client("sqs").delete_message(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )

    def deliver_all(self) -> None:
        """Deliver in an order that the seed decides, until nothing is in flight."""
        self.read_stream()
        while self.in_flight:
            place = 0 if self.rng is None else self.rng.randrange(len(self.in_flight))
            delivery = self.in_flight.pop(place)
            if not delivery():
                self.in_flight.append(delivery)
            self.read_stream()
            self.delivered += 1
            assert self.delivered < DELIVERIES_LIMIT, "deliveries do not end"

    def _add(self, delivery: Delivery) -> None:
        self.in_flight += [delivery] * (1 if self.rng is None else TIMES)

    def _deliver_record(self, record: dict[str, Any]) -> bool:
        return not handle_stream(self.world.app, {"Records": [record]})["batchItemFailures"]

    def _hand_over(self, body: str) -> bool:
        handle_task_message(self.world.app, {"body": body, "messageId": "m", "eventSourceARN": "q"})
        return True


@dataclass
class Course:
    """One arrangement, run again and again from the same snapshot."""

    stage: Stage
    arrange: Callable[[Scene], None]

    def __post_init__(self) -> None:
        scene = self._scene({})
        self.stage.changes()
        self.stage.restore(self.stage.empty())
        self.arrange(scene)
        assert scene.failures == []
        self.stage.changes()
        self._facts, self._start = scene.facts, self.stage.take_snapshot()

    def run(
        self, rng: random.Random | None, patch: pytest.MonkeyPatch
    ) -> tuple[dict[str, list[str]], int]:
        """All items stored in the end, and the number of deliveries."""
        scene = self._begin()
        world = scene.world
        post = Post(world, rng)
        post.take_over()
        queues: dict[str, Any] = dict.fromkeys(world.app.queues, post)
        sdk: Any = BaseClient
        real = sdk._make_api_call

        def call(client: Any, operation: str, params: Any) -> Any:
            post.is_dirty |= operation not in READS
            return real(client, operation, params)

        with patch.context() as patched:
            patched.setattr(BaseClient, "_make_api_call", call)
            patched.setattr(world, "app", replace(world.app, queues=queues))
            post.deliver_all()
        # The sweeper does the rest: it checks ended jobs once more.
        run_to_completion(scene)
        assert scene.failures == []
        return self._end(), post.delivered

    def _scene(self, facts: Mapping[str, Any]) -> Scene:
        return Scene(self.stage.world, Wire(self.stage.world), facts=dict(facts))

    def _begin(self) -> Scene:
        self.stage.changes()
        self.stage.restore(self._start)
        scene = self._scene({**self._facts, "first": list(self._facts.get("first", ()))})
        if "provider" in scene.facts:
            scene.world.studio.refuse = scene.facts["provider"](scene)
        return scene

    def _end(self) -> dict[str, list[str]]:
        metrics.clear_metrics()
        self.stage.changes()
        world = self.stage.world
        assert [str(breach) for breach in check_laws(world)] == []
        return {name: sorted(map(_lasting, world.scan(name))) for name in TABLES}


def _lasting(item: Mapping[str, Any]) -> str:
    kept = {name: held for name, held in item.items() if name not in PASSING}
    return json.dumps(kept, sort_keys=True)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with moto_world() as world:
        yield Stage(world)


def _differences(expected: Mapping[str, list[str]], found: Mapping[str, list[str]]) -> list[str]:
    return [
        f"{sign} {name} {item}"
        for name in expected
        for sign, items in (
            ("-", set(expected[name]) - set(found[name])),
            ("+", set(found[name]) - set(expected[name])),
        )
        for item in sorted(items)
    ]


ALWAYS = {"story", "portraits", "cancel"}
"""Run by every test run; the others with the long ones."""


def _try(course: Course, seeds: range, patch: pytest.MonkeyPatch) -> None:
    expected, count = course.run(None, patch)
    for seed in seeds:
        found, delivered = course.run(random.Random(seed), patch)
        assert _differences(expected, found) == [], f"seed {seed}"
        assert delivered > 2 * count


@pytest.mark.parametrize(
    "name",
    [
        name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow)
        for name in ARRANGEMENTS
    ],
)
def test_three_deliveries_in_any_order_give_the_same_items(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _try(Course(stage, ARRANGEMENTS[name]), range(QUICK_SEEDS), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_a_hundred_orders_give_the_same_items(
    stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = range(QUICK_SEEDS, QUICK_SEEDS + SLOW_SEEDS)
    _try(Course(stage, ARRANGEMENTS[name]), seeds, monkeypatch)


def test_a_planted_bug_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    course = Course(stage, ARRANGEMENTS["portraits"])

    with Plant(events_with_random_ids) as plant, pytest.raises(AssertionError):
        _try(course, range(QUICK_SEEDS), monkeypatch)

    plant.require_effect()


def _note(came: list[int], number: int) -> bool:
    came.append(number)
    return True


def test_orders_differ_by_their_seeds(stage: Stage) -> None:
    orders = set()
    for seed in range(4):
        post = Post(stage.world, random.Random(seed), is_dirty=False)
        came: list[int] = []
        for number in range(5):
            post._add(functools.partial(_note, came, number))
        post.deliver_all()
        assert sorted(came) == sorted(itertools.chain(*[range(5)] * TIMES))
        orders.add(tuple(came))

    assert len(orders) == 4
