"""What events add to the counters of analytics."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.analytics.model import METRIC_OF, Counts, Fact, counts_of, split_credits
from darkroom.events.names import CLIENT_KINDS, KINDS, PUBLIC_NAMES
from darkroom.events.props import find_bad_prop
from darkroom.events.store import Event, name_key, shard_of
from darkroom.kernel.limits import EVENT_SHARDS
from tests.support.world import START


def added(name: str, **props: Any) -> Counts:
    fact = Fact(
        event_id="evt", name=name, day="2026-01-05", account_id="alice", job_id="job", props=props
    )
    return counts_of(fact)


def always(counts: Counts) -> dict[str, dict[str, int]]:
    return {f"{count.kind} {count.key}": dict(count.added) for count in counts.always}


def test_a_confirmed_job_counts_its_template_and_once_its_account() -> None:
    counts = added("job_confirmed", templateId="t", mode="story")

    assert always(counts) == {"template t": {"confirmed": 1}}
    assert [(each.unit, each.flag) for each in counts.first_times] == [
        ("account#alice#t", "accounts")
    ]


def test_an_outcome_counts_each_time_and_once_for_its_job_and_account() -> None:
    counts = added("share_created", templateId="t", mode="story")

    assert always(counts) == {"template t": {"shares": 1}}
    assert [(each.unit, each.flag) for each in counts.first_times] == [
        ("job#job", "share"),
        ("account#alice#t", "share"),
    ]


def test_a_regeneration_is_an_outcome_of_the_job_that_it_is_made_from() -> None:
    counts = added("regen_requested", templateId="t", mode="story", parentJobId="parent")

    assert counts.first_times[0].unit == "job#parent"


def test_an_ended_job_counts_its_end_its_time_and_its_credits() -> None:
    counts = added(
        "job_done",
        templateId="t",
        mode="story",
        status="partial",
        latencySec=1.5,
        creditsUsed=3,
        creditsByProvider={"local-studio": 2, "replicate": 1},
    )

    assert always(counts) == {
        "template t": {"done": 1, "latencyMs": 1500, "jobs": 1, "credits": 3},
        "recipe story": {"jobs": 1, "credits": 3},
        "provider local-studio": {"jobs": 1, "credits": 2},
        "provider replicate": {"jobs": 1, "credits": 1},
    }


def test_a_child_earns_credits_for_its_template_and_is_not_done_again() -> None:
    counts = added(
        "job_done", templateId="t", mode="story", status="failed", creditsUsed=0, parentJobId="p"
    )

    assert always(counts) == {
        "template t": {"jobs": 1, "credits": 0},
        "recipe story": {"jobs": 1, "credits": 0},
    }


def test_a_job_without_a_template_counts_for_its_recipe_only() -> None:
    assert always(added("job_done", mode="captions", status="succeeded", creditsUsed=2)) == {
        "recipe captions": {"jobs": 1, "credits": 2}
    }
    assert not added("job_confirmed", mode="captions", templateId=None)
    assert not added("upgrade_clicked", fromMode="quick", toMode="story")


def test_a_cost_counts_for_template_recipe_and_provider() -> None:
    counts = added("PROVIDER_COST", templateId="t", mode="story", provider="fal", costNanos=5)

    assert always(counts) == {
        key: {"costNanos": 5} for key in ("template t", "recipe story", "provider fal")
    }


@pytest.mark.parametrize("value", [None, "", "x", -1, True, 1.5, [None], {"a": None}])
def test_odd_props_of_an_old_event_never_fail(value: Any) -> None:
    for kind in KINDS.values():
        counts_of(
            Fact(
                event_id="e",
                name=kind.name,
                day="2026-01-05",
                props=dict.fromkeys(kind.props, value),
            )
        )
        counts_of(Fact(event_id="e", name=kind.name, day="2026-01-05"))


@given(
    st.integers(0, 1000),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1),
)
def test_divided_credits_add_up_and_none_is_off_by_a_credit(
    credits: int, weights: dict[str, int]
) -> None:
    parts = split_credits(credits, weights)

    assert sum(parts.values()) == credits
    for name, part in parts.items():
        exact = credits * weights[name] / sum(weights.values())
        assert math.floor(exact) <= part <= math.ceil(exact)
    assert split_credits(5, {}) == {}


# The table of names


def test_the_table_has_the_events_of_analytics_and_what_clients_may_send() -> None:
    assert METRIC_OF.keys() <= KINDS.keys()
    assert set(CLIENT_KINDS) == {
        "upgrade_clicked",
        "ASSET_UPLOAD_PROGRESS",
        "ASSET_MULTISELECT_USED",
        "QUEUE_ADD_CLICKED",
        "BULK_OPTIONS_APPLIED",
        "JOB_RUN_CLICKED",
        "DOWNLOAD_OUTPUT_CLICKED",
    }
    assert {"DEAD_LETTER", "PROVIDER_COST"}.isdisjoint(PUBLIC_NAMES)


def test_props_of_clients_must_be_those_of_the_table() -> None:
    kind, options = CLIENT_KINDS["QUEUE_ADD_CLICKED"], CLIENT_KINDS["BULK_OPTIONS_APPLIED"]

    assert find_bad_prop(kind, {"n": 3}) is None
    for bad in (
        {},
        {"n": -1},
        {"n": True},
        {"n": 1.5},
        {"n": "3"},
        {"n": 3, "x": 1},
        {"n": 10**16},
    ):
        assert find_bad_prop(kind, bad) is not None
    for fine in ("all", ["srt"], {"translate": True, "targetLangs": ["ko"], "n": 1.5, "x": None}):
        assert find_bad_prop(options, {"options": fine}) is None
    for odd in (None, 3, "x" * 201, ["x"] * 51, {"deep": {"er": 1}}, [float("nan")], [["x"]]):
        assert find_bad_prop(options, {"options": odd}) is not None


def test_no_key_of_the_list_by_name_takes_more_than_its_part_of_a_busy_name() -> None:
    keys: dict[str, int] = {}
    for number in range(4000):
        event = Event(
            event_id=f"2026-01-05T09:00:00.000Z#{number}",
            name="ASSET_UPLOAD_PROGRESS",
            entity_type="account",
            entity_id="the-one-busy-account",
            created_at=START,
        )
        key = name_key(event.name, shard_of(event))
        keys[key] = keys.get(key, 0) + 1

    assert len(keys) == EVENT_SHARDS
    assert max(keys.values()) <= 1.25 * 4000 / EVENT_SHARDS
