"""Template analytics, funnel and margin: exact counters of the log, read at a constant cost."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from botocore.client import BaseClient

from darkroom.analytics import store as analytics_store
from darkroom.db import commit, commit_one
from darkroom.events.names import KINDS
from darkroom.events.store import Event, record_write
from darkroom.generation.routing.prices import Bill, Line
from darkroom.generation.routing.store import CostRecord, cost_write
from darkroom.kernel.limits import COUNTER_SHARDS, EVENT_CHECK_SECONDS
from darkroom.usecases.projections import project_event as projecting
from darkroom.usecases.projections import rebuild_projections as rebuilding
from darkroom.usecases.projections.project_event import project_event
from darkroom.usecases.projections.rebuild_projections import rebuild_projections
from darkroom.workers.relay import handle_record
from tests.support.builders import a_user, buy, confirm, finish, regenerate
from tests.support.moto_world import moto_world
from tests.support.world import START, Response, World, stream_arn

TEMPLATES = "/api/analytics/templates"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Two stories of two accounts; one is shared, viewed, upgraded from and made again."""
    with moto_world() as world:
        for user in ("alice", "bob"):
            buy(world, 20, user)
            job_id = confirm(world, user).body["jobId"]
            commit_one(cost_write(_an_attempt(job_id, user)))
            finish(world, job_id)
        world.drain()
        job_id = _job_of(world, "alice")
        for key in ("one", "two"):
            shared = world.call("POST", f"/api/jobs/{job_id}/share", user="alice", key=key)
            for _ in range(2):
                world.call("GET", f"/api/shares/{shared.body['token']}", user=None)
        upgrade = {"name": "upgrade_clicked", "props": {"fromMode": "quick", "toMode": "story"}}
        world.call("POST", "/api/events", {"events": [upgrade | {"jobId": job_id}] * 3})
        child = regenerate(world, job_id, target="story_clip", clipNo=1).body["jobId"]
        world.drain()
        world.clock.move(seconds=2)
        finish(world, child)
        world.drain()
        yield world


def _an_attempt(job_id: str, user: str) -> CostRecord:
    """What the picture of a story cost at a cloud provider."""
    price = Line(unit="image", quantity=1, unit_cost="0.04")
    return CostRecord(
        job_id=job_id,
        account_id=user,
        task_key="kf_1",
        kind="keyframe",
        attempt=1,
        provider="replicate",
        model="m",
        outcome="succeeded",
        at=START,
        bill=Bill(lines=(price,), currency="USD"),
    )


def _job_of(world: World, user: str) -> str:
    return world.call("GET", "/api/jobs", user=user).body["items"][0]["jobId"]


def ask(world: World, path: str, groups: str = "admin") -> Response:
    return world.call("GET", path, user="operator", groups=groups)


def counters(world: World, *, epoch: int | None = None) -> dict[str, dict[str, str]]:
    """Every counter and mark, without the epoch in its key."""
    wanted = str(epoch or analytics_store.find_epoch())
    found = {}
    for item in world.scan("analytics"):
        of, _, rest = item["pk"]["S"].partition("#")
        if of == wanted:
            values = {name: str(value) for name, value in item.items() if name not in ("pk", "sk")}
            found[f"{rest} {item['sk']['S']}"] = values
    return found


def records(world: World) -> list[dict[str, Any]]:
    """The stream's record of every event, as when it was new."""
    source = stream_arn(world.settings.tables["events"])
    due = {"dueShard": {"S": "s0"}, "nextCheckAt": {"N": "1"}}
    return [
        {
            "eventName": "INSERT",
            "eventSourceARN": source,
            "dynamodb": {"NewImage": item | due, "SequenceNumber": "1"},
        }
        for item in world.scan("events")
    ]


def row(world: World, **wanted: Any) -> Mapping[str, Any]:
    rows = ask(world, TEMPLATES).body["items"]
    [found] = [each for each in rows if wanted.items() <= each.items()]
    return found


def test_a_template_s_row_has_its_counts_rates_and_margin(world: World) -> None:
    shared = row(world, shares=2)

    counts = ("mode", "stage", "genre", "failed", "upgrades", "views", "regenerations")
    assert [shared[name] for name in counts] == ["story", "spark", "romance", 0, 3, 2, 1]
    # Both accounts may have got the same variant; the regenerated job is not done again.
    assert shared["confirmed"] == shared["done"] in (1, 2)
    assert shared["meanLatencySec"] == 0
    for metric in ("upgrade", "share", "view", "regenerate"):
        rate = shared["rates"][metric]
        assert rate["value"] == 1 / shared["confirmed"]
        assert 0 < rate["low"] < rate["value"] <= rate["high"] <= 1
    assert shared["margin"]["creditsSettled"] > 0
    assert shared["margin"]["providerCostUsd"] == 0.04 * shared["confirmed"]


def test_each_combination_with_jobs_is_compared_and_nothing_is_proven(world: World) -> None:
    report = ask(world, TEMPLATES).body

    assert {each["metric"] for each in report["comparisons"]} == {
        "upgrade",
        "share",
        "view",
        "regenerate",
    }
    for each in report["comparisons"]:
        assert (each["mode"], each["stage"], each["genre"]) == ("story", "spark", "romance")
        assert each["leader"] != each["runnerUp"]
        assert 0 < each["pValue"] <= 1
        assert each["anytime"]["leader"] is None
        assert -1 <= each["anytime"]["low"] < each["anytime"]["high"] <= 1
        assert each["sampleRatioOk"] is True


def test_filters_and_periods_narrow_the_report(world: World) -> None:
    assert {each["mode"] for each in ask(world, f"{TEMPLATES}?mode=quick").body["items"]} == {
        "quick"
    }
    assert len(ask(world, f"{TEMPLATES}?mode=story&stage=spark&genre=romance").body["items"]) == 3
    assert ask(world, f"{TEMPLATES}?mode=none").body["items"] == []
    of_day = ask(world, f"{TEMPLATES}?from=2026-01-05&to=2026-01-06").body["items"]
    before = ask(world, f"{TEMPLATES}?from=2026-01-01&to=2026-01-05").body["items"]
    assert sum(each["confirmed"] for each in of_day) == 2
    assert sum(each["confirmed"] for each in before) == 0
    for query in ("from=x", "to=2026-13-01", "from=2020-01-01", "groupBy=x"):
        path = "/api/admin/margin" if "groupBy" in query else TEMPLATES
        assert ask(world, f"{path}?{query}").status == 400


def test_the_csv_has_a_row_for_each_template(world: World) -> None:
    response = ask(world, f"{TEMPLATES}.csv?genre=romance")
    rows = list(csv.DictReader(io.StringIO(response.body.removeprefix("\ufeff"))))

    assert response.headers["content-disposition"] == (
        'attachment; filename="templates-2026-01-05.csv"'
    )
    assert len(rows) == len(ask(world, f"{TEMPLATES}?genre=romance").body["items"])
    assert sum(int(each["shares"]) for each in rows) == 2
    assert {"shareRate", "shareLow", "shareHigh", "creditsSettled"} <= rows[0].keys()


def test_the_funnel_counts_uploads_and_jobs(world: World) -> None:
    funnel = ask(world, "/api/analytics/funnel").body

    assert (funnel["queued"], funnel["run"], funnel["rates"]["run"]) == (3, 3, 1)


@pytest.mark.parametrize("group", ["recipe", "template", "provider"])
def test_the_margin_is_the_same_by_every_key(world: World, group: str) -> None:
    items = ask(world, f"/api/admin/margin?groupBy={group}").body["items"]
    text = ask(world, f"/api/admin/margin.csv?groupBy={group}").body

    settled = sum(
        world.call("GET", f"/api/jobs/{job['jobId']}", user=user).body["receipt"]["used"]
        for user in ("alice", "bob")
        for job in world.call("GET", "/api/jobs", user=user).body["items"]
    )
    assert sum(each["creditsSettled"] for each in items) == settled
    assert sum(each["jobs"] for each in items) == 3
    assert sum(each["providerCostUsd"] for each in items) == pytest.approx(0.08)
    for each in items:
        assert each["marginUsd"] == pytest.approx(each["revenueUsd"] - each["providerCostUsd"])
    assert len(text.strip().splitlines()) == len(items) + 1


@pytest.mark.parametrize(
    "path",
    [
        TEMPLATES,
        f"{TEMPLATES}.csv",
        "/api/analytics/funnel",
        "/api/admin/margin",
        "/api/admin/margin.csv",
        "/api/admin/events?name=job_done",
    ],
)
def test_only_operators_see_analytics(world: World, path: str) -> None:
    assert ask(world, path, groups="").status == 403
    assert world.call("GET", path, user=None).status == 401


def test_the_counters_are_what_a_replay_of_the_log_counts(world: World) -> None:
    replayed: Counter[tuple[str, str]] = Counter()
    for item in world.scan("events"):
        template = json.loads(item["props"]["S"]).get("templateId")
        replayed[item["name"]["S"], template] += 1

    for each in ask(world, TEMPLATES).body["items"]:
        for name, counter in {
            "job_confirmed": "confirmed",
            "share_created": "shares",
            "share_viewed": "views",
            "upgrade_clicked": "upgrades",
            "regen_requested": "regenerations",
        }.items():
            assert each[counter] == replayed[name, each["templateId"]]


def test_events_delivered_three_times_in_any_order_count_once(world: World) -> None:
    before = counters(world)
    history = records(world) * 3
    random.Random(5).shuffle(history)

    for record in history:
        handle_record(world.app, record)

    assert counters(world) == before


def test_a_rebuild_counts_the_log_to_the_same_numbers(world: World) -> None:
    before, report = counters(world), ask(world, TEMPLATES).body
    epoch, cursor = analytics_store.find_epoch(), None

    while True:
        page = world.call(
            "POST",
            "/api/admin/rebuild-projections",
            {} if cursor is None else {"cursor": cursor},
            user="operator",
            groups="admin",
        )
        cursor = page.body["nextCursor"]
        if cursor is None:
            break

    assert analytics_store.find_epoch() == epoch + 1
    assert counters(world) == before
    assert ask(world, TEMPLATES).body == report


def test_a_rebuild_that_was_stopped_goes_on_and_misses_no_event_of_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "REBUILD_PAGE_LIMIT", 7)
    epoch = analytics_store.find_epoch()
    position = rebuild_projections(world.app).position
    rebuild_projections(world.app, position)
    project_event(world.app, _an_event(world))
    position, pages = rebuild_projections(world.app).position, 1
    while position is not None:
        if position[1] == 2 and pages % 2:
            # It is counted for readers of the new epoch, which the second pass passes over.
            project_event(world.app, _an_event(world))
        position, pages = rebuild_projections(world.app, position).position, pages + 1

    # Readers of the old epoch no longer see events that came after the switch.
    old, new = counters(world, epoch=epoch), counters(world)
    assert analytics_store.find_epoch() == epoch + 1
    assert old.keys() <= new.keys()
    for key in old.keys() - {key for key in new if "comedy-1" in key}:
        assert new[key] == old[key]
    recorded = [item for item in world.scan("events") if item["name"]["S"] == "job_confirmed"]
    counted = sum(each["confirmed"] for each in ask(world, TEMPLATES).body["items"])
    assert counted == len(recorded)


def test_events_in_another_order_come_to_the_same_numbers(world: World) -> None:
    """A rebuild reads the log in no order; here it is the reverse of time."""
    events = sorted(records(world), key=lambda each: str(each["dynamodb"]), reverse=True)
    before, epoch = counters(world), analytics_store.find_epoch()
    commit([analytics_store.epoch_write(epoch + 1)])

    for record in events:
        handle_record(world.app, record)

    assert counters(world) == before


def test_every_recorded_event_is_in_the_table_with_its_props(world: World) -> None:
    for item in world.scan("events"):
        kind, props = KINDS[item["name"]["S"]], set(json.loads(item["props"]["S"]))
        assert item["entityType"]["S"] in (kind.entity, "job" if kind.from_client else "")
        added = {"mode", "templateId", "occurredAt"} if kind.from_client else set()
        assert kind.props.keys() - kind.optional <= props <= kind.props.keys() | added, kind.name
        assert kind.is_public == ("accountId" in item)


def test_a_failed_projection_hides_no_other_and_is_repeated_by_the_sweeper(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = _an_event(world)
    seen: list[str] = []

    def fail(_app: object, each: Event) -> None:
        seen.append(each.event_id)
        if len(seen) == 1:
            raise RuntimeError("not now")

    monkeypatch.setattr(projecting, "PROJECTIONS", (fail,))
    before = _confirmed(world)

    with pytest.raises(RuntimeError, match="not now"):
        project_event(world.app, event)

    assert _confirmed(world) == before + 1
    assert _is_due(world, event)
    world.clock.move(seconds=EVENT_CHECK_SECONDS + 1)
    world.sweep()
    assert not _is_due(world, event)
    assert _confirmed(world) == before + 1
    assert seen == [event.event_id] * 2


def test_the_sweeper_counts_an_event_that_the_stream_lost(world: World) -> None:
    before, event = _confirmed(world), _an_event(world)

    world.clock.move(seconds=EVENT_CHECK_SECONDS + 1)
    done = world.sweep()

    assert done["event_projected"] == 1
    assert _confirmed(world) == before + 1
    assert not _is_due(world, event)


def test_an_event_whose_projection_stops_at_any_call_counts_once(world: World) -> None:
    """Stopped before or after each call, and delivered again as the stream would."""
    props = {"templateId": "story-spark-comedy-1", "mode": "story"}

    def shared() -> tuple[int, int]:
        counts = row(world, templateId="story-spark-comedy-1")
        return counts["shares"], round(counts["rates"]["share"]["value"] * counts["confirmed"])

    points = 0
    for after in (False, True):
        for number in range(CALLS_LIMIT):
            event = _event("share_created", job_id=world.app.ids.new("job"), **props)
            commit([record_write(event, retention_days=400)])
            before = shared()
            is_stopped = _stopped(partial(project_event, world.app, event), number, after=after)
            project_event(world.app, event)

            assert shared()[0] == before[0] + 1
            assert not _is_due(world, event)
            if not is_stopped:
                break
            points += 1

    assert points == 2 * 5
    assert shared()[1] <= shared()[0]


CALLS_LIMIT = 20


class Stopped(BaseException):
    """No handler catches it."""


def _stopped(act: Callable[[], object], number: int, *, after: bool) -> bool:
    """Run it, and stop it before or after its call of this number; False if it made fewer calls."""
    made = -1
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def stopping(client: Any, name: str, params: dict[str, Any]) -> Any:
        nonlocal made
        made += 1
        if made == number and not after:
            raise Stopped
        response = call(client, name, params)
        if made == number:
            raise Stopped
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", stopping)
        try:
            act()
        except Stopped:
            return True
    return False


def test_an_event_costs_few_calls(world: World) -> None:
    plain = _event("JOB_SUCCEEDED", job_id=world.app.ids.new("job"))
    confirmed = _an_event(world)

    with sdk_calls() as recording:
        commit([record_write(plain, retention_days=400)])
    with sdk_calls() as projecting_plain:
        project_event(world.app, plain)
    with sdk_calls() as counting:
        project_event(world.app, confirmed)
    with sdk_calls() as repeating:
        project_event(world.app, confirmed)

    # The query is for the account's webhook endpoints.
    assert [name for name, _ in recording] == ["PutItem"]
    assert [name for name, _ in projecting_plain] == ["Query", "UpdateItem"]
    assert [name for name, _ in counting] == ["Query", "GetItem", "GetItem", "TransactWriteItems"]
    # The event, two counters and a mark.
    assert len(counting[-1][1]["TransactItems"]) == 4
    assert "UpdateItem" in [name for name, _ in repeating]


def test_reports_cost_the_same_after_many_events(world: World) -> None:
    """The same templates and days, with a hundred and with a hundred thousand events."""
    paths = (TEMPLATES, "/api/analytics/funnel", "/api/admin/margin")
    costs = []
    for number in (100, 10_000, 100_000):
        for item in world.scan("analytics"):
            if item["pk"]["S"].partition("#")[2][:6] in ("templa", "experi", "recipe", "funnel"):
                _set_all_counters(world, item, number)
        with sdk_calls() as calls:
            for path in paths:
                assert ask(world, path).status == 200
        of_counters = [
            each for _, each in calls if each["TableName"] == world.settings.tables["analytics"]
        ]
        costs.append((len(of_counters), sum(each["returned"] for each in of_counters)))

    (few_calls, few_bytes), _, (many_calls, many_bytes) = costs
    # The epoch, and each shard of the two months of the period; and the counters of all time.
    assert many_calls == few_calls == 3 * (1 + 2 * COUNTER_SHARDS) + COUNTER_SHARDS
    # The slope of logarithms over three powers of ten: digits are all that grows.
    assert math.log10(many_bytes / few_bytes) / 3 <= 0.02


def _set_all_counters(world: World, item: Mapping[str, Any], number: int) -> None:
    counters = {name for name, value in item.items() if "N" in value} - {"sv"}
    world.client("dynamodb").put_item(
        TableName=world.settings.tables["analytics"],
        Item={**item, **{name: {"N": str(number)} for name in counters}},
    )


@contextmanager
def sdk_calls() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The SDK calls that are made meanwhile, each with its parameters and the size of its items."""
    made: list[tuple[str, dict[str, Any]]] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(client: Any, name: str, params: dict[str, Any]) -> Any:
        made.append((name, {**params, "returned": 0}))
        response = call(client, name, params)
        made[-1][1]["returned"] = len(json.dumps(response.get("Items", [])))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", noted)
        yield made


def _event(name: str, *, job_id: str, **props: Any) -> Event:
    return Event(
        event_id=f"2026-01-05T09:00:00.000Z#{name}",
        name=name,
        entity_type="job",
        entity_id=job_id,
        account_id=a_user(),
        job_id=job_id,
        created_at=START,
        props=props,
    )


def _an_event(world: World) -> Event:
    """A recorded event whose stream record is lost."""
    event = Event(
        event_id=f"2026-01-05T09:00:00.000Z#job_confirmed#{world.app.ids.token()}",
        name="job_confirmed",
        entity_type="job",
        entity_id=world.app.ids.new("job"),
        account_id=a_user(),
        created_at=world.clock.now(),
        props={
            "templateId": "story-spark-comedy-1",
            "mode": "story",
            "stage": "spark",
            "genre": "comedy",
            "rewriteEnabled": False,
        },
    )
    commit([record_write(event, retention_days=400)])
    world.take_changes()
    return event


def _confirmed(world: World) -> int:
    confirmed: int = row(world, templateId="story-spark-comedy-1")["confirmed"]
    return confirmed


def _is_due(world: World, event: Event) -> bool:
    return any(
        "dueShard" in item
        for item in world.scan("events")
        if item["entityId"]["S"] == event.entity_id
    )
