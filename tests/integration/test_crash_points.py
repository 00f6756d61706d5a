"""Every use case, stopped or disturbed at every call it makes, ends like an undisturbed run.

What each point means and who retries is in ``tests.support.crash``; the laws that must hold are
in ``tests.support.laws``. The whole set takes minutes, so only the use cases in which money moves
most run every time. What is done with jobs besides is in ``test_crash_points_jobs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local.emulator import Emulator
from tests.support.crash import Scenario, run_scenario
from tests.support.scenarios import SCENARIOS
from tests.support.world import World

ALWAYS = {"confirm", "purchase"}


@pytest.fixture(scope="module")
def world(emulator: Emulator) -> Iterator[World]:
    world = World(endpoint_url=emulator.endpoint_url)
    yield world
    world.close()


def _marked(scenario: Scenario) -> object:
    marks = () if scenario.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [_marked(scenario) for scenario in SCENARIOS])
def test_every_crash_point_ends_like_the_undisturbed_run(
    world: World, scenario: Scenario, record_property: Callable[[str, object], None]
) -> None:
    report = run_scenario(world, scenario)

    record_property("crash_points", report.points.total())
    assert [str(finding) for finding in report.findings] == []
    assert report.points.total() > 0
