"""The routes of jobs: confirm, drafts, regenerate, detail and list, as a client uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.assets.model import AssetStatus
from darkroom.credits import pricing, store
from darkroom.db import commit
from darkroom.events.store import list_events
from darkroom.kernel.command import new_command
from darkroom.templates import choice
from darkroom.usecases.jobs import confirm_job, submit_job
from tests.support.builders import (
    ASSET_ID,
    JOB_ID,
    REWRITE,
    a_balance,
    a_draft,
    a_grant,
    a_job,
    a_photo,
    a_story,
    a_user,
    an_asset,
    ask,
    claims_of,
    confirm,
    credited,
    events_of,
    everything_of,
    finish,
    regenerate,
    scene_inputs,
    statuses,
)
from tests.support.moto_world import moto_world
from tests.support.world import World

CONFIRM = "/api/jobs/confirm"
REWRITTEN: dict[str, Any] = {"rewriteEnabled": True, "rewrite": REWRITE}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for the whole file; every test has its own account."""
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CONFIRM),
        ("POST", "/api/jobs"),
        ("POST", f"/api/jobs/{JOB_ID}/regenerate"),
        ("GET", "/api/jobs"),
        ("GET", f"/api/jobs/{JOB_ID}"),
    ],
)
def test_every_route_needs_a_token(method: str, path: str, world: World) -> None:
    response = world.call(method, path, {} if method == "POST" else None, user=None, key="k")

    assert (response.status, response.body["code"]) == (401, "UNAUTHORIZED")


# Confirm


def test_confirm_queues_the_job_and_holds_its_price(world: World, user: str) -> None:
    response = confirm(world, user)

    job_id = response.body["jobId"]
    assert response.status == 202
    assert response.body == {
        "jobId": job_id,
        "status": "queued",
        "templateId": response.body["templateId"],
        "creditsReserved": 2,
        "balance": 3,
    }
    assert response.body["templateId"].startswith("story-spark-romance-")
    assert a_balance(world, user) == (3, 2)
    world.pump_stream()
    assert {"JOB_QUEUED", "job_confirmed"} <= set(events_of(world, job_id))


@pytest.mark.parametrize(("mode", "cost"), [("quick", 0), ("story", 2), ("trailer", 5)])
def test_each_mode_costs_its_price(mode: str, cost: int, world: World, user: str) -> None:
    response = confirm(world, user, mode=mode)

    assert response.body["creditsReserved"] == cost
    assert a_balance(world, user) == (5 - cost, cost)


def test_the_confirmed_price_is_charged_after_prices_change(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = confirm(world, user).body["jobId"]
    monkeypatch.setattr(pricing, "costs", lambda: {"story": 5, "rewrite": 5, "regenerate": 5})

    finish(world, job_id)

    assert a_job(world, job_id, user)["receipt"]["used"] == 2


def test_one_credit_short_is_reported_and_changes_nothing(world: World, user: str) -> None:
    assert a_balance(world, user) == (5, 0)
    stored = everything_of(world, user)

    response = confirm(world, user, mode="trailer", **REWRITTEN)

    assert response.status == 402
    assert response.body == {
        "error": "Not enough credits",
        "code": "CREDITS_INSUFFICIENT",
        "needed": 6,
        "balance": 5,
        "shortfall": 1,
        "suggestions": [{"pack": "Starter", "credits": 10}, {"pack": "Value", "credits": 50}],
        "requestId": response.body["requestId"],
    }
    assert everything_of(world, user) == stored
    [event] = list_events(user)
    assert (event.name, event.props) == ("credit_insufficient", {"needed": 6, "balance": 5})


def test_the_last_credit_can_be_spent_and_then_none(world: World, user: str) -> None:
    enough = confirm(world, user, mode="trailer", key="first")
    short = confirm(world, user, key="second")

    assert (enough.status, enough.body["balance"]) == (202, 0)
    assert (short.status, short.body["shortfall"]) == (402, 2)


def test_a_draft_that_cannot_be_paid_stays_a_draft(world: World, user: str) -> None:
    confirm(world, user, mode="trailer")
    draft = a_draft(world, user)
    stored = everything_of(world, user)

    response = world.call("POST", CONFIRM, {"draftJobId": draft}, user=user)

    assert response.status == 402
    assert everything_of(world, user) == stored


def test_assets_must_be_uploaded_and_belong_to_the_caller(world: World, user: str) -> None:
    assets = {
        "uploading": an_asset(world, user, status=AssetStatus.UPLOADING),
        "checking": an_asset(world, user, status=AssetStatus.CHECKING),
        "failed": an_asset(world, user, status=AssetStatus.FAILED),
        "theirs": a_photo(world, "another account"),
        "missing": ASSET_ID,
    }
    good = a_photo(world, user)

    outcomes = {}
    for name, asset in assets.items():
        response = confirm(world, user, photoAssetIds=[good, asset])
        outcomes[name] = (response.status, response.body["code"], response.body.get("assetId"))

    assert outcomes == {
        "uploading": (409, "ASSET_NOT_READY", assets["uploading"]),
        "checking": (409, "ASSET_NOT_READY", assets["checking"]),
        "failed": (409, "ASSET_FAILED", assets["failed"]),
        "theirs": (404, "NOT_FOUND", None),
        "missing": (404, "NOT_FOUND", None),
    }
    assert everything_of(world, user) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"userId": "bob"}, "userId"),
        ({"balance": 100}, "balance"),
        ({"mode": None}, "mode"),
        ({"mode": "nonsense"}, "mode"),
        ({"mode": None, "recipe": "nonsense"}, "recipe"),
        ({"recipe": "trailer"}, "recipe"),
        ({"mode": 7}, "mode"),
        ({"genre": None}, "genre"),
        ({"stage": "western"}, "stage"),
        ({"photoAssetIds": None}, "photoAssetIds"),
        ({"photoAssetIds": []}, "photoAssetIds"),
        ({"photoAssetIds": [1]}, "photoAssetIds.0"),
        ({"sliders": {"humor": 101}}, "sliders.humor"),
        ({"sliders": {"speed": 1}}, "sliders.speed"),
        ({"seed": "1"}, "seed"),
        ({"seed": 1.0}, "seed"),
        ({"rewriteEnabled": "yes"}, "rewriteEnabled"),
        ({"rewriteEnabled": True}, "rewrite"),
        ({"deviceId": "x" * 201}, "deviceId"),
        ({"testFaults": {"clip_9": "hang"}}, "testFaults.clip_9"),
        ({"test_faults": {}}, "test_faults"),
    ],
)
def test_every_invalid_field_is_named(
    changes: dict[str, Any], path: str, world: World, user: str
) -> None:
    body = {"mode": "story", **scene_inputs()} | changes
    body = {name: value for name, value in body.items() if value is not None}

    response = world.call("POST", CONFIRM, body, user=user, key="k")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert path in [field["path"] for field in response.body["fields"]]
    assert everything_of(world, user) == []


def test_a_rewrite_that_is_refused_costs_nothing_and_names_its_category(
    world: World, user: str
) -> None:
    rewrite = REWRITE | {"rawText": "음란 영상"}

    response = confirm(world, user, rewriteEnabled=True, rewrite=rewrite)

    assert (response.status, response.body["code"]) == (400, "CONTENT_REJECTED")
    assert response.body["category"] == "sexual"
    assert everything_of(world, user) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "7",
        '{"mode":"story"',
        '{"mode":"story",}',
        '{"mode":"story","rewrite":{"rawText":"\\ud800"}}',
        '{"mode":"story","sliders":{"humor":NaN}}',
        '{"sliders":' + "[" * 5000 + "]" * 5000 + "}",
    ],
    ids=lambda body: body[:30],
)
def test_an_invalid_json_object_is_refused(body: str, world: World, user: str) -> None:
    response = world.call("POST", CONFIRM, body, user=user, key="k")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("letter", ["a", "가"], ids=["ascii", "korean"])
def test_a_body_over_one_megabyte_is_refused_before_it_is_read(
    letter: str, world: World, user: str
) -> None:
    count = 1_000_000 // len(letter.encode()) + 1
    response = world.call("POST", CONFIRM, '{"mode":"' + letter * count + '"}', user=user, key="k")

    assert (response.status, response.body["code"]) == (413, "BODY_TOO_LARGE")


def test_injected_faults_are_an_unknown_field_without_test_hooks(world: World, user: str) -> None:
    app, claims = world.without_test_hooks(), claims_of(world, user)
    body = {"mode": "story", **scene_inputs(a_photo(world, user), testFaults={"film": "hang"})}
    keyed = {"idempotency-key": "k"}
    draft = a_draft(world, user)

    responses = [
        ask(app, "POST", CONFIRM, body, claims=claims, headers=keyed),
        ask(
            app,
            "POST",
            CONFIRM,
            {"draftJobId": draft, "testFaults": {"film": "hang"}},
            claims=claims,
        ),
        ask(
            app,
            "POST",
            "/api/jobs",
            {
                "recipe": "story",
                "status": "draft",
                "inputs": {k: v for k, v in body.items() if k != "mode"},
            },
            claims=claims,
        ),
    ]

    for response, path in zip(
        responses, ["testFaults", "testFaults", "inputs.testFaults"], strict=True
    ):
        assert response.status == 400
        assert [field["path"] for field in response.body["fields"]] == [path]


def test_a_combination_without_templates_is_reported_and_costs_nothing(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "templates_of", lambda *combination: [])

    response = confirm(world, user)

    assert (response.status, response.body["code"]) == (400, "NO_TEMPLATES")
    assert not [item for item in everything_of(world, user) if "recipe" in item]


def test_errors_and_the_film_have_the_callers_language(world: World, user: str) -> None:
    korean = {"accept-language": "ko-KR,ko;q=0.9,en;q=0.8"}

    done = confirm(world, user, mode="trailer", headers=korean)
    short = confirm(world, user, key="second", headers=korean)
    world.pump_stream()

    assert short.body["error"] == "크레딧이 부족합니다"
    tasks = [item for item in world.scan("jobs") if item["pk"]["S"] == done.body["jobId"]]
    plans = [item["plan"]["S"] for item in tasks if "plan" in item]
    assert plans
    assert all('"language":"ko"' in plan for plan in plans)


# Concurrent confirms


def test_credits_added_during_a_confirm_are_not_lost(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_balance(world, user)
    before_submit(monkeypatch, lambda: buy_directly(world, user, 10))

    response = confirm(world, user)

    assert (response.status, response.body["balance"]) == (202, 13)
    assert a_balance(world, user) == (13, 2)


def test_the_last_credits_are_held_once_when_two_jobs_want_them(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_balance(world, user)
    photo = a_photo(world, user)

    def confirm_another() -> None:
        call = new_command(
            world.app.ids, account_id=user, route="r", language="en", key="other", body={}
        )
        confirm_job.confirm_new(
            world.app, call, recipe_name="trailer", inputs=scene_inputs(photo), device_id=""
        )

    before_submit(monkeypatch, confirm_another)

    response = confirm(world, user, photo=photo)

    assert (response.status, response.body["shortfall"]) == (402, 2)
    assert a_balance(world, user) == (0, 5)


def before_submit(patch: pytest.MonkeyPatch, interfere: Any) -> None:
    """Run another request once between our read and our commit."""
    real, waiting = submit_job.submit, [interfere]

    def submit(*arguments: Any, **options: Any) -> Any:
        while waiting:
            waiting.pop()()
        return real(*arguments, **options)

    patch.setattr(confirm_job, "submit", submit)


def buy_directly(world: World, user: str, amount: int) -> None:
    before = store.find_wallet(user)
    assert before is not None
    change = credited(before, a_grant("pur_between", amount), world.clock.now())
    commit(store.change_writes(change, before=before, operation="arranged"))


# Drafts


def test_a_draft_is_stored_without_price_or_hold(world: World, user: str) -> None:
    body = {"recipe": "story", "inputs": scene_inputs(a_photo(world, user)), "status": "draft"}

    response = world.call("POST", "/api/jobs", body, user=user)

    [job] = response.body["jobs"]
    assert response.status == 201
    assert (job["status"], job["creditsReserved"], job["mode"]) == ("draft", 0, "story")
    assert "pollAfterMs" not in job
    assert a_balance(world, user) == (5, 0)
    world.pump_stream()
    assert events_of(world, job["jobId"]) == []


def test_a_job_can_be_created_queued(world: World, user: str) -> None:
    body = {"recipe": "story", "inputs": scene_inputs(a_photo(world, user)), "status": "queued"}

    response = world.call("POST", "/api/jobs", body, user=user, key="k")

    [job] = response.body["jobs"]
    assert (response.status, job["status"], job["creditsReserved"]) == (201, "queued", 2)
    assert a_balance(world, user) == (3, 2)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"recipe": "nothing", "inputs": {}, "status": "draft"}, "recipe"),
        ({"recipe": "story", "inputs": {"x": 1}, "status": "draft"}, "inputs.x"),
        ({"recipe": "story", "inputs": {}, "status": "running"}, "status"),
        ({"recipe": "story", "inputs": [], "status": "draft"}, "inputs"),
        ({"recipe": "story", "status": "draft"}, "inputs"),
        ({"recipe": "story", "inputs": {}, "status": "draft", "userId": "bob"}, "userId"),
    ],
)
def test_a_draft_is_checked_like_a_job(
    body: dict[str, Any], path: str, world: World, user: str
) -> None:
    response = world.call("POST", "/api/jobs", body, user=user)

    assert response.status == 400
    assert path in [field["path"] for field in response.body["fields"]]


def test_confirming_a_draft_keeps_its_inputs_unless_fields_are_sent(
    world: World, user: str
) -> None:
    kept = a_draft(world, user, **REWRITTEN)
    changed = a_draft(world, user, **REWRITTEN)
    sent = {"draftJobId": changed, "genre": "noir", "rewriteEnabled": False}

    first = world.call("POST", CONFIRM, {"draftJobId": kept}, user=user)
    second = world.call("POST", CONFIRM, sent, user=user)

    assert (first.body["jobId"], first.body["creditsReserved"]) == (kept, 3)
    assert (second.body["jobId"], second.body["creditsReserved"]) == (changed, 2)
    assert second.body["templateId"].startswith("story-spark-noir-")
    assert a_job(world, kept, user)["inputs"]["rewrite"]["sanitizedText"] == REWRITE["rawText"]
    assert "rewrite" not in a_job(world, changed, user)["inputs"]


def test_a_draft_may_be_confirmed_in_another_mode(world: World, user: str) -> None:
    draft = a_draft(world, user)

    response = world.call("POST", CONFIRM, {"draftJobId": draft, "mode": "trailer"}, user=user)

    assert (response.body["jobId"], response.body["creditsReserved"]) == (draft, 5)
    assert a_job(world, draft, user)["recipe"] == "trailer"


def test_a_draft_is_confirmed_once(world: World, user: str) -> None:
    body = {"draftJobId": a_draft(world, user)}

    first = world.call("POST", CONFIRM, body, user=user, key="k")
    again = world.call("POST", CONFIRM, body, user=user, key="k")
    others = [world.call("POST", CONFIRM, body, user=user, key=key) for key in ("other", None)]

    assert (again.status, again.body) == (first.status, first.body) == (202, first.body)
    for other in others:
        assert (other.status, other.body["code"]) == (409, "JOB_NOT_DRAFT")
    assert a_balance(world, user) == (3, 2)


def test_invalid_changes_leave_a_draft_unchanged(world: World, user: str) -> None:
    draft = a_draft(world, user)
    stored = everything_of(world, user)

    for changes in ({"genre": "western"}, {"genre": None}, {"mode": "captions"}, {"x": 1}):
        response = world.call("POST", CONFIRM, {"draftJobId": draft, **changes}, user=user)
        assert response.status == 400, changes

    assert everything_of(world, user) == stored


def test_another_accounts_draft_looks_missing(world: World, user: str) -> None:
    draft = a_draft(world, user)
    other = a_user()

    for job_id in (draft, JOB_ID, "nonsense"):
        response = world.call("POST", CONFIRM, {"draftJobId": job_id}, user=other)
        assert (response.status, response.body["code"]) == (404, "NOT_FOUND")

    assert a_job(world, draft, user)["status"] == "draft"


# Regenerate


def test_a_child_makes_its_keys_and_the_film_and_inherits_the_rest(world: World, user: str) -> None:
    parent_id = a_story(world, user, seed=7)
    parent = a_job(world, parent_id, user)

    response = regenerate(world, parent_id, user)
    child_id = response.body["retryJobId"]
    finish(world, child_id)

    assert response.status == 202
    assert response.body == {
        "jobId": child_id,
        "retryJobId": child_id,
        "creditsReserved": 1,
        "balance": 2,
    }
    child = a_job(world, child_id, user)
    assert statuses(child) == {"kf_2": "succeeded", "clip_2": "succeeded", "film": "succeeded"}
    assert (child["parentJobId"], child["regenTarget"], child["regenClipNo"]) == (
        parent_id,
        "story_clip",
        2,
    )
    assert child["templateId"] == parent["templateId"]
    assert child["inputs"] == {k: v for k, v in parent["inputs"].items() if k != "seed"}
    inherited = {out["key"] for out in child["outputs"] if out.get("inheritedFrom") == parent_id}
    assert inherited == {"kf_1", "kf_3", "clip_1", "clip_3"}
    assert len(child["outputs"]) == 7
    assert a_balance(world, user) == (2, 0)
    # It cannot be deleted alone, and its links change with the time.
    changing = dict.fromkeys(("actions", "cover", "coverExpiresAt", "outputs"), 0)
    assert a_job(world, parent_id, user) | changing == parent | changing


def test_the_film_of_a_child_is_cut_from_old_and_new_clips(world: World, user: str) -> None:
    parent_id = a_story(world, user)
    child_id = regenerate(world, parent_id, user).body["retryJobId"]
    finish(world, child_id)

    [film] = [
        item
        for item in world.scan("jobs")
        if item["pk"]["S"] == child_id and item["sk"]["S"] == "task#film"
    ]

    for clip, maker in (("clip_1", parent_id), ("clip_2", child_id), ("clip_3", parent_id)):
        assert f"{maker}/{clip}-1.mp4" in film["sources"]["S"]


def test_children_of_children_inherit_from_the_job_that_made_the_output(
    world: World, user: str
) -> None:
    first = a_story(world, user)
    second = regenerate(world, first, user, target="story_clip", clipNo=1).body["retryJobId"]
    finish(world, second)
    third = regenerate(world, second, user, target="story_clip", clipNo=3).body["retryJobId"]
    finish(world, third)

    outputs = {out["key"]: out.get("inheritedFrom") for out in a_job(world, third, user)["outputs"]}

    assert outputs == {
        "kf_3": None,
        "clip_3": None,
        "film": None,
        "kf_1": second,
        "clip_1": second,
        "kf_2": first,
        "clip_2": first,
    }
    assert a_job(world, third, user)["parentJobId"] == second


def test_a_missing_clip_of_a_partial_story_can_be_made(world: World, user: str) -> None:
    parent_id = a_story(world, user, failing=["clip_2"])
    assert a_job(world, parent_id, user)["status"] == "partial"

    other = regenerate(world, parent_id, user, key="one", target="story_clip", clipNo=1).body
    missing = regenerate(world, parent_id, user, key="two", target="story_clip", clipNo=2).body
    for child in (other, missing):
        finish(world, child["retryJobId"])

    assert set(statuses(a_job(world, other["retryJobId"], user))) == {"kf_1", "clip_1"}
    completed = a_job(world, missing["retryJobId"], user)
    assert completed["status"] == "succeeded"
    assert {out["key"] for out in completed["outputs"]} >= {"clip_1", "clip_2", "clip_3", "film"}


def test_the_rewritten_ending_is_made_again_with_the_same_text(world: World, user: str) -> None:
    parent_id = a_story(world, user, **REWRITTEN)

    response = regenerate(world, parent_id, user, target="rewrite_only")
    child = a_job(world, response.body["retryJobId"], user)

    assert response.body["creditsReserved"] == 1
    assert child["regenTarget"] == "rewrite_only"
    assert child["inputs"]["rewrite"]["sanitizedText"] == REWRITE["rawText"]


@pytest.fixture(scope="module")
def ended(world: World) -> tuple[str, dict[str, str]]:
    """An account and its finished jobs by mode, for requests that change nothing."""
    user, jobs = a_user(), {}
    for mode in ("story", "quick"):
        jobs[mode] = confirm(world, user, mode=mode, key=mode).body["jobId"]
        finish(world, jobs[mode])
    return user, jobs


@pytest.mark.parametrize(
    ("mode", "body", "status", "code"),
    [
        ("story", {"target": "trailer_scene", "clipNo": 1}, 400, "INVALID_TARGET"),
        ("story", {"target": "image", "key": "img_01"}, 400, "INVALID_TARGET"),
        ("story", {"target": "story_clip"}, 400, "INVALID_TARGET"),
        ("story", {"target": "story_clip", "clipNo": 4}, 400, "INVALID_TARGET"),
        ("story", {"target": "story_clip", "clipNo": 0}, 400, "INVALID_TARGET"),
        ("story", {"target": "story_clip", "clipNo": "1"}, 400, "VALIDATION_FAILED"),
        ("story", {"target": "story_clip", "clipNo": True}, 400, "VALIDATION_FAILED"),
        ("story", {"target": "story_clip", "clipNo": 1, "x": 1}, 400, "VALIDATION_FAILED"),
        ("story", {"clipNo": 1}, 400, "VALIDATION_FAILED"),
        ("story", {"target": "rewrite_only"}, 409, "NOT_REGENERABLE"),
        ("quick", {"target": "story_clip", "clipNo": 1}, 409, "NOT_REGENERABLE"),
    ],
)
def test_an_impossible_regeneration_is_refused_with_its_reason_and_costs_nothing(
    mode: str,
    body: dict[str, Any],
    status: int,
    code: str,
    world: World,
    ended: tuple[str, dict[str, str]],
) -> None:
    user, jobs = ended
    stored = everything_of(world, user)

    response = regenerate(world, jobs[mode], user, **body)

    assert (response.status, response.body["code"]) == (status, code)
    assert everything_of(world, user) == stored


def test_only_a_job_that_ended_with_a_result_is_regenerated(world: World, user: str) -> None:
    draft = a_draft(world, user)
    queued = confirm(world, user).body["jobId"]
    failed = a_story(world, user, key="f", failing=[f"kf_{number}" for number in (1, 2, 3)])
    assert a_job(world, failed, user)["status"] == "failed"

    for job_id in (draft, queued, failed):
        response = regenerate(world, job_id, user)
        assert (response.status, response.body["code"]) == (409, "NOT_REGENERABLE")


def test_another_accounts_job_is_not_regenerated(world: World, user: str) -> None:
    job_id = a_story(world, user)

    for wanted in (job_id, JOB_ID, "nonsense"):
        response = regenerate(world, wanted, a_user())
        assert (response.status, response.body["code"]) == (404, "NOT_FOUND")


def test_regenerating_without_a_credit_is_refused(world: World, user: str) -> None:
    job_id = a_story(world, user, mode="trailer")
    stored = everything_of(world, user)

    response = regenerate(world, job_id, user, target="trailer_scene", clipNo=5)

    assert response.status == 402
    assert (response.body["needed"], response.body["balance"], response.body["shortfall"]) == (
        1,
        0,
        1,
    )
    assert everything_of(world, user) == stored
    assert events_of(world, user) == ["credit_insufficient"]


# Detail


def test_the_detail_of_a_finished_job_is_complete(world: World, user: str) -> None:
    queued = world.clock.now()
    job_id = confirm(world, user).body["jobId"]
    world.clock.move(seconds=90)
    finish(world, job_id)

    job = a_job(world, job_id, user)

    assert (job["status"], job["recipe"], job["mode"]) == ("succeeded", "story", "story")
    assert job["receipt"] == {
        "reserved": 2,
        "used": 2,
        "refunded": 0,
        "parts": [{"name": "base", "credits": 2, "used": 2, "refunded": 0}],
    }
    assert job["progress"] == {"completed": 7, "failed": 0, "total": 7, "percent": 100}
    assert [entry["name"] for entry in job["timeline"]] == ["created", "queued", "running", "done"]
    assert job["timeline"][1]["at"] == queued.isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert "pollAfterMs" not in job
    assert {out["type"] for out in job["outputs"]} == {"image", "clip", "film"}
    for output in job["outputs"]:
        assert output["outputId"].startswith("out_")
        assert {"key", "mimeType", "sizeBytes", "selected", "downloadUrl"} <= set(output)
        assert f"story-{output['key']}" in output["downloadUrl"]
        assert "storageKey" not in output


def test_an_unfinished_job_has_a_poll_interval(world: World, user: str) -> None:
    job = a_job(world, confirm(world, user).body["jobId"], user)

    assert (job["status"], job["pollAfterMs"]) == ("queued", 1500)
    assert job["receipt"]["reserved"] == 2
    assert (job["receipt"]["used"], job["receipt"]["refunded"]) == (0, 0)
    assert (job["tasks"], job["outputs"]) == ([], [])


def test_a_partial_job_reports_its_failures_and_its_refund(world: World, user: str) -> None:
    job = a_job(world, a_story(world, user, failing=["clip_2"], **REWRITTEN), user)

    receipt = job["receipt"]
    assert (job["status"], receipt["reason"]) == ("partial", "UNDELIVERABLE")
    assert receipt["parts"] == [
        {"name": "base", "credits": 2, "used": 1, "refunded": 1},
        {"name": "rewrite", "credits": 1, "used": 1, "refunded": 0},
    ]
    assert receipt["used"] + receipt["refunded"] == receipt["reserved"] == 3
    errors = {task["key"]: task["error"]["code"] for task in job["tasks"] if "error" in task}
    assert errors == {"clip_2": "UNDELIVERABLE", "film": "DEPENDENCY_FAILED"}
    assert a_balance(world, user) == (3, 0)


def test_an_unchanged_job_is_not_sent_again(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    path = f"/api/jobs/{job_id}"
    tag = world.call("GET", path, user=user).headers["etag"]

    unchanged = world.call("GET", path, user=user, headers={"if-none-match": tag})
    listed = world.call("GET", path, user=user, headers={"if-none-match": f'"x", {tag}'})
    finish(world, job_id)
    changed = world.call("GET", path, user=user, headers={"if-none-match": tag})

    assert (unchanged.status, listed.status) == (304, 304)
    assert unchanged.body in ("", None)
    assert unchanged.headers["etag"] == tag
    assert changed.status == 200
    assert changed.headers["etag"] != tag


def test_links_are_renewed_before_they_expire(world: World, user: str) -> None:
    path = f"/api/jobs/{a_story(world, user)}"
    tag = world.call("GET", path, user=user).headers["etag"]
    world.clock.move(minutes=15)

    response = world.call("GET", path, user=user, headers={"if-none-match": tag})

    assert response.status == 200


def test_another_accounts_job_looks_missing(world: World, user: str) -> None:
    job_id = a_story(world, user)
    tag = world.call("GET", f"/api/jobs/{job_id}", user=user).headers["etag"]

    for wanted in (job_id, JOB_ID, "nonsense"):
        response = world.call(
            "GET", f"/api/jobs/{wanted}", user=a_user(), headers={"if-none-match": tag}
        )
        assert (response.status, response.body["code"]) == (404, "NOT_FOUND")


# Lists


def several_drafts(world: World, user: str, count: int) -> list[str]:
    """Ids, newest first."""
    made = []
    for _ in range(count):
        world.clock.move(seconds=1)
        made.append(a_draft(world, user))
    return made[::-1]


def test_a_list_has_all_jobs_once_newest_first(world: World, user: str) -> None:
    drafts = several_drafts(world, user, 5)
    several_drafts(world, a_user(), 1)

    seen, sizes = list[str](), list[int]()
    cursor: str | None = ""
    while cursor is not None:
        page = world.call("GET", f"/api/jobs?limit=2{cursor and '&cursor='}{cursor}", user=user)
        sizes.append(len(page.body["items"]))
        seen += [job["jobId"] for job in page.body["items"]]
        cursor = page.body["nextCursor"]

    assert (seen, sizes) == (drafts, [2, 2, 1])
    whole = world.call("GET", "/api/jobs?limit=5", user=user).body
    assert whole["nextCursor"] is None
    assert not {"tasks", "outputs", "timeline"} & set(whole["items"][0])


def test_a_new_account_has_no_jobs(world: World, user: str) -> None:
    assert world.call("GET", "/api/jobs", user=user).body == {"items": [], "nextCursor": None}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", ""])
def test_a_page_has_one_to_a_hundred_items(limit: str, world: World, user: str) -> None:
    response = world.call("GET", f"/api/jobs?limit={limit}", user=user)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in response.body["fields"]] == ["limit"]


def test_a_cursor_is_valid_only_for_its_account_and_list(world: World, user: str) -> None:
    several_drafts(world, user, 2)
    cursor = world.call("GET", "/api/jobs?limit=1", user=user).body["nextCursor"]
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]

    responses = [
        world.call("GET", f"/api/jobs?cursor={flipped}", user=user),
        world.call("GET", f"/api/jobs?cursor={cursor}", user=a_user()),
        world.call("GET", f"/api/credits/transactions?cursor={cursor}", user=user),
        world.call("GET", "/api/jobs?cursor=nonsense", user=user),
        world.call("GET", "/api/jobs?cursor=%ED%95%9C", user=user),
    ]

    assert world.call("GET", f"/api/jobs?cursor={cursor}", user=user).status == 200
    for response in responses:
        assert (response.status, response.body["code"]) == (400, "BAD_CURSOR")


def test_a_cursor_of_another_stack_is_refused(world: World, user: str) -> None:
    several_drafts(world, user, 2)
    cursor = world.call("GET", "/api/jobs?limit=1", user=user).body["nextCursor"]

    class OtherSecret:
        value = b"of another stack"

    app = replace(world.app, signing_secret=OtherSecret())  # type: ignore[arg-type]
    response = ask(app, "GET", f"/api/jobs?cursor={cursor}", claims=claims_of(world, user))

    assert (response.status, response.body["code"]) == (400, "BAD_CURSOR")
