"""An erasure that is stopped at any call is finished by the next run, with the same end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from darkroom.kernel.limits import ERASURE_CHECK_SECONDS, ERASURE_LAST_SECONDS
from darkroom.kernel.pseudonyms import pseudonym_of
from darkroom.usecases.credits.audit_accounts import audit_accounts
from tests.support.builders import a_photo, a_story
from tests.support.crash import Fault, Point, Snapshot, Stage, Wire
from tests.support.moto_world import moto_world
from tests.support.world import World

USER = "alice"
STEP = 31
"""Of this many calls, the normal run disturbs one."""
PASSING = (
    "nextCheckAt", "dueShard", "checkFailures", "startedAt", "erasedAt", "deletedAt", "op",
)  # fmt: skip
"""A run that is repeated is a minute later."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with moto_world() as world:
        a_story(world, USER)
        a_photo(world, USER)
        world.call("POST", "/api/albums", {"name": "Us"}, user=USER, key="album")
        world.call("POST", "/api/account/export", user=USER)
        world.drain()
        world.call("DELETE", "/api/account", user=USER)
        yield Stage(world)


@pytest.fixture(scope="module")
def begun(stage: Stage) -> Snapshot:
    """The account, whose erasure was accepted a moment ago."""
    return stage.take_snapshot()


@pytest.fixture(scope="module")
def undisturbed(stage: Stage, begun: Snapshot) -> str:
    stage.restore(begun)
    return the_end(stage)


def the_end(stage: Stage) -> str:
    """Run to the end of the erasure; what is stored then, but for times."""
    world = stage.world
    for seconds in (0, ERASURE_CHECK_SECONDS, ERASURE_LAST_SECONDS, ERASURE_CHECK_SECONDS):
        world.clock.move(seconds=seconds)
        world.erase()
        world.sweep()
        world.drain()
    stage.changes()
    return everything(world)


def everything(world: World) -> str:
    def lasting(item: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in item.items() if name not in PASSING}

    found = {
        name: sorted(json.dumps(lasting(item), default=sorted, sort_keys=True) for item in items)
        for name, items in ((name, world.scan(name)) for name in world.settings.tables)
        if name not in ("idempotency", "analytics")
    }
    objects = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)
    return json.dumps({**found, "files": sorted(o["Key"] for o in objects.get("Contents", []))})


def breaches_after(stage: Stage, begun: Snapshot, point: Point, undisturbed: str) -> list[str]:
    """What is wrong after the erasure went on from a fault."""
    stage.restore(begun)
    wire, world = Wire(stage.world), stage.world
    # A function that fails runs again a minute later, as one that dies.
    with wire.armed(point), suppress(Exception):
        world.erase()
    end = the_end(stage)
    pseudonym = pseudonym_of(world.app.signing_secret.value, USER)
    wrong = [f"{point}: {breach}" for breach in audit_accounts(world.app, pseudonym).breaches]
    if end != undisturbed:
        wrong.append(f"{point}: another end")
    return wrong


def points(stage: Stage, begun: Snapshot, step: int) -> Iterator[Point]:
    stage.restore(begun)
    wire = Wire(stage.world)
    with wire.armed(None):
        stage.world.erase()
    for number, call in enumerate(wire.calls):
        faults = [fault for fault in call.faults() if fault is not Fault.STOPPED_BEFORE]
        if number % step == 0:
            # One kind of fault after the other, so that a few points have all.
            chosen = faults if step == 1 else [faults[number // step % len(faults)]]
            yield from (Point(number, call, fault) for fault in chosen)


def test_an_erasure_that_stops_is_finished_with_the_same_end(
    stage: Stage, begun: Snapshot, undisturbed: str
) -> None:
    chosen = list(points(stage, begun, STEP))

    assert len(chosen) > 3
    assert pseudonym_of(stage.world.app.signing_secret.value, USER) in undisturbed
    assert [b for point in chosen for b in breaches_after(stage, begun, point, undisturbed)] == []


@pytest.mark.slow
def test_an_erasure_that_stops_at_any_call_is_finished_with_the_same_end(
    stage: Stage, begun: Snapshot, undisturbed: str
) -> None:
    chosen = list(points(stage, begun, 1))

    assert [b for point in chosen for b in breaches_after(stage, begun, point, undisturbed)] == []
