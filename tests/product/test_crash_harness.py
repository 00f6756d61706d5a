"""The crash harness finds every planted bug, and nothing in correct code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.emulator import Emulator
from tests.support.crash import (
    Call,
    Client,
    Fault,
    Finding,
    Message,
    Point,
    Schedule,
    Stage,
    Stream,
    Wire,
    differences,
    run_scenario,
)
from tests.support.planted import JOB_PLANTED, PLANTED, Plant, Planted, PlantWithoutEffect
from tests.support.scenarios import SCENARIOS
from tests.support.scenarios_jobs import JOB_SCENARIOS
from tests.support.scenarios_waiting import WAITING_PLANTED, WAITING_SCENARIOS
from tests.support.world import World

EVERY_SCENARIO = (*SCENARIOS, *JOB_SCENARIOS, *WAITING_SCENARIOS)
BY_NAME = {scenario.name: scenario for scenario in EVERY_SCENARIO}
EVERY_BUG = (*PLANTED, *JOB_PLANTED, *WAITING_PLANTED)
ALWAYS = {
    "responded before the work",
    "claim without fence",
    "erased for good",
    "hold before the job",
    "own writes unknown",
    "plan again",
    "purchase overwrites",
    "quotes of other accounts",
    "random ids, purchase",
    "refund of everything",
    "settlement after the job",
    "wallet without version",
}
"""Bugs of clients, workers, the stream and the sweeper. The long run plants the others."""


@pytest.fixture(scope="module")
def world(emulator: Emulator) -> Iterator[World]:
    world = World(endpoint_url=emulator.endpoint_url)
    yield world
    world.close()


def _marked(planted: Planted) -> object:
    marks = () if planted.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(planted, id=planted.name, marks=marks)


@pytest.mark.parametrize("planted", [_marked(bug) for bug in EVERY_BUG])
def test_each_planted_bug_is_found(world: World, planted: Planted) -> None:
    def gives_it_away(finding: Finding) -> bool:
        return planted.sign in finding.breach

    with Plant(planted.bug) as plant:
        report = run_scenario(
            world,
            BY_NAME[planted.scenario],
            actors=(planted.actor,),
            faults=planted.faults,
            until=gives_it_away,
        )

    plant.require_effect()
    assert any(map(gives_it_away, report.findings)), planted.name


def test_without_a_bug_nothing_is_found(world: World) -> None:
    stopped = (Fault.STOPPED_AFTER,)

    report = run_scenario(world, BY_NAME["purchase"], actors=(Client(),), faults=stopped)

    assert [str(finding) for finding in report.findings] == []
    assert report.points.total() > 0


@pytest.mark.slow
def test_without_a_bug_nothing_is_found_in_workers_and_the_sweeper(world: World) -> None:
    reports = [
        run_scenario(world, BY_NAME["slow failure"], actors=(Message(),), faults=()),
        run_scenario(world, BY_NAME["lost dispatch"], actors=(Schedule(),), faults=()),
    ]

    assert [str(finding) for report in reports for finding in report.findings] == []


@pytest.mark.slow
def test_every_write_of_a_confirm_is_tried_with_every_possible_fault(world: World) -> None:
    report = run_scenario(world, BY_NAME["confirm"], actors=(Client(),), faults=(Fault.LOST,))

    # The key is taken, the job is committed with its hold, and the response is stored.
    assert report.points["confirm"] == 3


def test_a_stopped_process_makes_no_more_calls(world: World) -> None:
    wire = Wire(world)
    stage = Stage(world)
    stage.restore(stage.empty())

    with wire.armed(Point(0, Call("dynamodb.GetItem", False), Fault.STOPPED_BEFORE)):
        world.call("GET", "/api/credits")
        world.call("GET", "/api/credits")

    assert len(wire.calls) == 1 and wire.dead
    assert world.scan("wallets") == []


def test_a_restored_world_equals_its_snapshot(world: World) -> None:
    stage = Stage(world)
    stage.restore(stage.empty())
    world.call("GET", "/api/credits")
    before = stage.take_snapshot()

    world.call("POST", "/api/credits/purchase", {"amount": 3}, key="p")
    world.clock.move(hours=1)
    stage.changes()
    stage.restore(before)

    assert stage.take_snapshot() == before


def test_differences_of_outcomes_are_reported_by_path() -> None:
    assert list(differences({"a": {"b": 1}}, {"a": {"b": 2}})) == [
        "outcome.a.b is 2, undisturbed 1"
    ]
    assert list(differences({"a": [1]}, {"a": [1]})) == []


def test_a_read_has_no_fault_that_only_a_write_can_have() -> None:
    assert Call("dynamodb.GetItem", writes=False).faults() == (
        Fault.STOPPED_BEFORE,
        Fault.UNREACHED,
    )


def test_the_harness_itself_never_repeats_a_provider_call() -> None:
    assert Fault.RESENT not in Call("provider.generate", writes=True).faults()


def test_every_planted_bug_names_a_scenario() -> None:
    assert {planted.scenario for planted in EVERY_BUG} <= set(BY_NAME)
    assert {planted.name for planted in EVERY_BUG} >= ALWAYS
    actors = {type(planted.actor) for planted in EVERY_BUG if planted.name in ALWAYS}
    assert actors >= {Client, Message, Schedule, Stream}


class Product:
    """A stand-in for the product in which bugs are planted."""

    def price(self, images: int, *, discount: int = 0) -> int:
        return images - discount


def test_a_bug_in_code_that_never_runs_is_reported() -> None:
    def never_reached(plant: Plant) -> None:
        plant.replace(Product, "price", lambda product, images, *, discount=0: 0)

    with Plant(never_reached) as plant:
        pass

    with pytest.raises(PlantWithoutEffect, match="never reached"):
        plant.require_effect()


def test_a_bug_that_changes_nothing_is_reported() -> None:
    def harmless(plant: Plant) -> None:
        def price(product: Product, images: int, *, discount: int = 0) -> int:
            plant.acts(discount > 0)
            return images

        plant.replace(Product, "price", price)

    with Plant(harmless) as plant:
        Product().price(3)

    with pytest.raises(PlantWithoutEffect, match="changed nothing"):
        plant.require_effect()


def test_a_bug_with_an_outdated_signature_is_refused() -> None:
    def outdated(plant: Plant) -> None:
        plant.replace(Product, "price", lambda product, images: 0)

    with pytest.raises(PlantWithoutEffect, match="discount"), Plant(outdated):
        pass


def test_an_error_raised_by_the_bug_itself_is_no_finding() -> None:
    def broken(plant: Plant) -> None:
        real = Product.price

        def price(*args: Any, **kwargs: Any) -> int:
            plant.acts()
            return real(*args, **kwargs, currency="USD")  # type: ignore[call-arg]

        plant.replace(Product, "price", price)

    with Plant(broken) as plant, pytest.raises(TypeError):
        Product().price(3)

    with pytest.raises(PlantWithoutEffect, match="does not fit"):
        plant.require_effect()


def test_removing_a_bug_restores_the_product() -> None:
    before = Product.price

    def free(plant: Plant) -> None:
        plant.replace(Product, "price", lambda product, images, *, discount=0: 0)

    with Plant(free):
        assert Product().price(3) == 0

    assert Product.price is before and Product().price(3) == 3
