"""The history of tasks, and the owner's selection among outputs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.jobs.model import Receipt
from darkroom.kernel.ids import is_id, job_of_output, output_id
from darkroom.kernel.money import PricePart
from darkroom.views.generations import credits_by_key
from tests.support.builders import (
    JOB_ID,
    REWRITE,
    a_balance,
    a_draft,
    a_job,
    a_queued_job,
    a_story,
    a_task,
    a_user,
    an_output,
    confirm,
    delete_job,
    finish,
    regenerate,
)
from tests.support.world import Response, World


@pytest.fixture
def user() -> str:
    return a_user()


def history(world: World, user: str, query: str = "") -> dict[str, Any]:
    response = world.call("GET", f"/api/generations{query}", user=user)
    assert response.status == 200, response.body
    return response.body


def select(world: World, output: str, user: str | None, body: Any = None) -> Response:
    return world.call("POST", f"/api/outputs/{output}/select", body, user=user)


def output_of(world: World, job_id: str, key: str, user: str) -> dict[str, Any]:
    outputs = a_job(world, job_id, user)["outputs"]
    return next(output for output in outputs if output["key"] == key)


# History


def test_a_new_account_has_no_history_and_its_bonus(world: World, user: str) -> None:
    assert history(world, user) == {"items": [], "nextCursor": None, "remainingCredits": 5}


def test_every_task_is_listed_with_its_outputs_or_its_failure(world: World, user: str) -> None:
    job_id = a_story(world, user, failing=["clip_2"])

    shape = history(world, user)

    items = {item["key"]: item for item in shape["items"]}
    assert list(items) == ["film", "clip_3", "clip_2", "clip_1", "kf_3", "kf_2", "kf_1"]
    assert shape["remainingCredits"] == a_balance(world, user)[0]
    made, failed, skipped = items["clip_1"], items["clip_2"], items["film"]
    assert (made["status"], failed["status"], skipped["status"]) == (
        "succeeded",
        "failed",
        "skipped",
    )
    assert made["generationId"] == output_of(world, job_id, "clip_1", user)["outputId"]
    assert failed["error"] == {"message": "This could not be made.", "code": "UNDELIVERABLE"}
    assert "url" not in failed
    assert f"{job_id}/clip_1" in made["url"]
    for item in items.values():
        assert item["jobId"] == job_id == job_of_output(item["generationId"])
        assert is_id(item["generationId"], "out")
        assert "/clean/" in item["originalUrl"] and "Expires" in item["originalUrl"]
        assert item["selected"] is False


def test_the_credits_of_tasks_add_up_to_the_receipt(world: World, user: str) -> None:
    rewritten = {"rewriteEnabled": True, "rewrite": REWRITE}
    job_id = a_story(world, user, failing=["clip_2"], **rewritten)

    costs = {item["key"]: item["creditsUsed"] for item in history(world, user)["items"]}

    assert sum(costs.values()) == a_job(world, job_id, user)["receipt"]["used"] == 2
    assert costs["clip_2"] == costs["film"] == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sets(st.integers(1, 8), min_size=1)),
        max_size=4,
    ),
    st.sets(st.integers(1, 8)),
)
def test_the_credits_of_tasks_add_up_for_any_outputs(
    parts: list[tuple[int, set[int]]], made: set[int]
) -> None:
    price = tuple(
        PricePart(name=f"p{at}", credits=credits, promised=tuple(f"k_{n}" for n in sorted(keys)))
        for at, (credits, keys) in enumerate(parts)
    )
    keys = {f"k_{number}" for number in made}
    used = tuple(part.used(keys) for part in price)
    job = a_queued_job(price=price, receipt=Receipt(used=sum(used), refunded=0, parts=used))
    tasks = [
        a_task(f"k_{n}", outputs=(an_output(f"k_{n}"),) if n in made else ()) for n in range(1, 9)
    ]

    costs = credits_by_key(job, tasks)

    assert sum(costs.values()) == sum(used)
    assert all(cost >= 0 for cost in costs.values())
    assert all(costs[f"k_{n}"] == 0 for n in range(1, 9) if n not in made)


def test_a_history_lists_all_tasks_once_for_any_page_size(world: World, user: str) -> None:
    expected: list[tuple[str, str]] = []
    for key in ("a", "b"):
        world.clock.move(seconds=1)
        a_draft(world, user)
        job_id = a_story(world, user, key=key)
        keys = ("film", "clip_3", "clip_2", "clip_1", "kf_3", "kf_2", "kf_1")
        expected = [(job_id, task) for task in keys] + expected
        a_draft(world, user)

    for limit in (1, 3, 7, 14, 100):
        seen: list[tuple[str, str]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = history(world, user, f"?limit={limit}{cursor and '&cursor='}{cursor}")
            assert len(page["items"]) <= limit
            seen += [(item["jobId"], item["key"]) for item in page["items"]]
            cursor = page["nextCursor"]
        assert seen == expected, limit


def test_a_history_continues_after_the_job_of_its_cursor_was_deleted(
    world: World, user: str
) -> None:
    first = a_story(world, user, key="first")
    world.clock.move(seconds=1)
    second = a_story(world, user, key="second")
    cursor = history(world, user, "?limit=3")["nextCursor"]
    assert delete_job(world, second, user).status == 204

    rest = history(world, user, f"?limit=100&cursor={cursor}")

    assert {item["jobId"] for item in rest["items"]} == {first}
    assert len(rest["items"]) == 7


def test_a_child_lists_only_its_own_tasks(world: World, user: str) -> None:
    parent = a_story(world, user)
    world.clock.move(seconds=1)
    child = regenerate(world, parent, user).body["retryJobId"]
    finish(world, child)

    keys = [item["key"] for item in history(world, user)["items"] if item["jobId"] == child]

    assert keys == ["film", "clip_2", "kf_2"]


def test_waiting_tasks_are_in_the_history(world: World, user: str) -> None:
    confirm(world, user, mode="quick")
    world.pump_stream()

    items = history(world, user)["items"]

    assert [(item["key"], item["status"]) for item in items] == [
        ("clip_1", "blocked"),
        ("kf_1", "ready"),
    ]
    assert [item["creditsUsed"] for item in items] == [0, 0]


def test_another_account_sees_no_history(world: World, user: str) -> None:
    a_story(world, user)

    assert history(world, a_user())["items"] == []


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?cursor=x"])
def test_an_invalid_page_is_refused(query: str, world: World, user: str) -> None:
    assert world.call("GET", f"/api/generations{query}", user=user).status == 400


# The selection


def test_a_job_has_one_selected_output_which_may_change(world: World, user: str) -> None:
    job_id = a_story(world, user)
    first = output_of(world, job_id, "clip_1", user)["outputId"]
    second = output_of(world, job_id, "clip_2", user)["outputId"]

    responses = [select(world, output, user) for output in (first, first, second)]

    assert [response.status for response in responses] == [200, 200, 200]
    assert responses[2].body | {"downloadUrl": ""} == output_of(world, job_id, "clip_2", user) | {
        "downloadUrl": ""
    }
    picked = [
        output["key"] for output in a_job(world, job_id, user)["outputs"] if output["selected"]
    ]
    assert picked == ["clip_2"]
    chosen = [item["key"] for item in history(world, user)["items"] if item["selected"]]
    assert chosen == ["clip_2"]


def test_selecting_the_same_output_again_writes_nothing(world: World, user: str) -> None:
    job_id = a_story(world, user)
    clip = output_of(world, job_id, "clip_1", user)["outputId"]
    select(world, clip, user)
    tag = world.call("GET", f"/api/jobs/{job_id}", user=user).headers["etag"]

    select(world, clip, user)

    assert world.call("GET", f"/api/jobs/{job_id}", user=user).headers["etag"] == tag


def test_an_inherited_output_is_selected_within_the_child(world: World, user: str) -> None:
    parent = a_story(world, user)
    child = regenerate(world, parent, user).body["retryJobId"]
    finish(world, child)
    inherited = output_of(world, child, "clip_1", user)["outputId"]

    response = select(world, inherited, user, {"jobId": child})

    assert (response.status, response.body["inheritedFrom"]) == (200, parent)
    assert output_of(world, child, "clip_1", user)["selected"] is True
    assert output_of(world, parent, "clip_1", user)["selected"] is False


def test_only_an_output_of_that_job_and_account_is_selected(world: World, user: str) -> None:
    job_id = a_story(world, user)
    clip = output_of(world, job_id, "clip_1", user)["outputId"]
    cases = [
        (clip, a_user(), None),
        (clip, user, {"jobId": JOB_ID}),
        (clip, a_user(), {"jobId": job_id}),
        (output_id(job_id, 1000), user, None),
        (output_id(JOB_ID, 1), user, None),
        ("nonsense", user, None),
        ("out_", user, {"jobId": job_id}),
    ]

    for output, caller, body in cases:
        response = select(world, output, caller, body)
        assert (response.status, response.body["code"]) == (404, "NOT_FOUND"), (output, body)
    assert select(world, clip, None).status == 401
    assert select(world, clip, user, {"job": job_id}).status == 400
    assert not any(output["selected"] for output in a_job(world, job_id, user)["outputs"])
