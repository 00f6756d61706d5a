"""Tasks that wait for a provider, disturbed at each of their calls: they end all the same."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from local.emulator import Emulator, free_port
from local.settings import ROOT, Places
from tests.support.crash import Scenario, run_scenario
from tests.support.scenarios_waiting import WAITING_SCENARIOS
from tests.support.world import World

# Minutes; the same rules are held to by unit tests that run always.
pytestmark = pytest.mark.slow

ALWAYS = {"hand over", "call", "look"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    emulator = Emulator(Places(tmp_path_factory.mktemp("emulator")), ROOT, free_port())
    emulator.start()
    # Other tests may have left a default session with credentials of their own.
    boto3.setup_default_session()
    try:
        yield World(endpoint_url=emulator.endpoint_url)
    finally:
        emulator.stop()


def _marked(scenario: Scenario) -> object:
    marks = () if scenario.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [_marked(scenario) for scenario in WAITING_SCENARIOS])
def test_every_crash_point_ends_as_if_undisturbed(world: World, scenario: Scenario) -> None:
    report = run_scenario(world, scenario)

    assert [str(finding) for finding in report.findings] == []
    assert report.points.total() > 0
