"""The use cases of jobs except confirm, stopped or disturbed at every call that they make.

A separate file, so that it runs in parallel with ``test_crash_points``, which explains the points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local.emulator import Emulator
from tests.support.crash import Scenario, run_scenario
from tests.support.scenarios_jobs import JOB_SCENARIOS
from tests.support.world import World

ALWAYS = {"cancel of a running job"}


@pytest.fixture(scope="module")
def world(emulator: Emulator) -> Iterator[World]:
    world = World(endpoint_url=emulator.endpoint_url)
    yield world
    world.close()


def _marked(scenario: Scenario) -> object:
    marks = () if scenario.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [_marked(scenario) for scenario in JOB_SCENARIOS])
def test_every_crash_point_ends_like_the_undisturbed_run(
    world: World, scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    report = run_scenario(world, scenario)

    record_property("crash_points", report.points.total())
    assert [str(finding) for finding in report.findings] == []
    assert report.points.total() > 0
