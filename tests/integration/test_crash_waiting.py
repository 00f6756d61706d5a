"""Tasks that wait for a provider, disturbed at each call: they end like an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local.emulator import Emulator
from tests.support.crash import Scenario, run_scenario
from tests.support.scenarios_waiting import WAITING_SCENARIOS
from tests.support.world import World

# It takes minutes; unit tests that always run check the same rules.
pytestmark = pytest.mark.slow

ALWAYS = {"submit", "callback", "poll"}


@pytest.fixture(scope="module")
def world(emulator: Emulator) -> Iterator[World]:
    world = World(endpoint_url=emulator.endpoint_url)
    yield world
    world.close()


def _marked(scenario: Scenario) -> object:
    marks = () if scenario.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [_marked(scenario) for scenario in WAITING_SCENARIOS])
def test_every_crash_point_ends_like_the_undisturbed_run(
    world: World, scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    report = run_scenario(world, scenario)

    record_property("crash_points", report.points.total())

    assert [str(finding) for finding in report.findings] == []
    assert report.points.total() > 0
