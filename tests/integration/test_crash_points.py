"""Every use case, stopped or disturbed at every call it makes, ends as if nothing had been.

What each point means and who retries is in ``tests.support.crash``; the laws that must hold are
in ``tests.support.laws``. The whole set takes minutes, so only the four use cases in which money
moves most run every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boto3
import pytest

from local.stack import LocalStack
from tests.support.crash import Report, Scenario, run_scenario
from tests.support.scenarios import SCENARIOS
from tests.support.scenarios_jobs import JOB_SCENARIOS
from tests.support.world import World

EVERY = (*SCENARIOS, *JOB_SCENARIOS)
ALWAYS = {"confirm", "purchase", "cancel of a running job"}


@pytest.fixture(scope="module")
def world(stack: LocalStack) -> Iterator[World]:
    """Tables, queues and a bucket of our own in the local cloud."""
    # Other tests may have left a default session with credentials of their own.
    boto3.setup_default_session()
    world = World(endpoint_url=stack.endpoint_url)
    yield world
    world.close()


@pytest.fixture(scope="module")
def total(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Adds up what the tests did, and says it at the end."""
    report = Report()
    yield report
    plugins = request.config.pluginmanager
    terminal, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        terminal.ensure_newline()
        terminal.write_line(str(report))


def _marked(scenario: Scenario) -> object:
    marks = () if scenario.name in ALWAYS else (pytest.mark.slow,)
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [_marked(scenario) for scenario in EVERY])
def test_every_crash_point_ends_as_if_undisturbed(
    world: World,
    scenario: Scenario,
    total: Report,
    record_property: Callable[[str, object], None],
) -> None:
    report = run_scenario(world, scenario)

    total.add(report)
    record_property("crash_points", report.points.total())
    assert [str(finding) for finding in report.findings] == []
    assert report.points.total() > 0
