"""The price of a retry: the full price at the costs of the first job, less the credits used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.credits import pricing
from darkroom.credits.pricing import add_receipt, price_of_missing, without_void
from darkroom.jobs.model import Failure
from darkroom.kernel.money import PricePart, SpentPart
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.finish_task import complete_task, fail_task
from tests.support.builders import (
    JOB_ID,
    REWRITE,
    a_balance,
    a_draft,
    a_job,
    a_recording,
    a_story,
    a_user,
    an_output,
    buy,
    cancel,
    confirm,
    delete_job,
    finish,
    regenerate,
    statuses,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

ERRORS = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
BASE = PricePart(name="base", credits=20, promised=("srt_en", "vtt_en"))
KOREAN = PricePart(name="translate_ko", credits=20, promised=("srt_ko", "vtt_ko"))
NOTHING: frozenset[str] = frozenset()


def spent(name: str, credits: int, *keys: str) -> SpentPart:
    return SpentPart(name=name, credits=credits, keys=keys)


def keys(*names: str) -> frozenset[str]:
    return frozenset(names)


# Rules, one by one


def test_credits_used_by_earlier_attempts_are_deducted_part_by_part() -> None:
    price = price_of_missing(
        [BASE, KOREAN],
        [spent("base", 10, "srt_en"), spent("translate_ko", 3)],
        keys("srt_en"),
        keys("vtt_en", "srt_ko", "vtt_ko"),
    )

    assert [(part.name, part.credits, part.promised) for part in price] == [
        ("base", 10, ("vtt_en",)),
        ("translate_ko", 17, ("srt_ko", "vtt_ko")),
    ]


def test_a_retry_of_some_outputs_costs_their_share() -> None:
    story = PricePart(name="base", credits=2, promised=("clip_1", "clip_2", "clip_3", "film"))

    [part] = price_of_missing([story], [spent("base", 0, "clip_1")], keys("clip_1"), keys("clip_3"))

    assert (part.credits, part.promised) == (1, ("clip_3",))


def test_a_fully_paid_part_costs_nothing_more_when_its_rest_is_made() -> None:
    [part] = price_of_missing([BASE], [spent("base", 20, "srt_en")], keys("srt_en"), keys("vtt_en"))

    assert part.credits == 0


def test_a_price_is_never_negative() -> None:
    [part] = price_of_missing([BASE], [spent("base", 30)], NOTHING, keys("srt_en", "vtt_en"))

    assert part.credits == 0


def test_credits_of_a_dropped_part_pay_for_no_other() -> None:
    japanese = PricePart(name="translate_ja", credits=20, promised=("srt_ja",))

    price = price_of_missing(
        [BASE, japanese],
        [spent("base", 20, "srt_en", "vtt_en"), spent("translate_ko", 20, "srt_ko", "vtt_ko")],
        keys("srt_en", "vtt_en", "srt_ko", "vtt_ko"),
        keys("srt_ja"),
    )

    assert [(part.name, part.credits) for part in price] == [("translate_ja", 20)]


@pytest.mark.parametrize(
    ("void", "left"),
    [
        ((), (7, ("a", "b", "c"))),
        (("a",), (5, ("b", "c"))),
        (("a", "b"), (3, ("c",))),
        (("a", "b", "c", "d"), (0, ())),
        (("d",), (7, ("a", "b", "c"))),
    ],
)
def test_credits_used_for_void_outputs_do_not_count(
    void: tuple[str, ...], left: tuple[int, tuple[str, ...]]
) -> None:
    [part] = without_void([spent("base", 7, "a", "b", "c")], keys(*void))

    assert (part.credits, part.keys) == left


def test_attempts_add_up_with_parts_that_are_no_longer_requested() -> None:
    before = [spent("base", 4, "srt_en"), spent("translate_ko", 9, "srt_ko")]
    price = [PricePart(name="base", credits=16, promised=("vtt_en", "txt_en"))]

    after = add_receipt(before, price, [8], {"vtt_en", "transcribe"})

    assert after == (spent("base", 12, "srt_en", "vtt_en"), spent("translate_ko", 9, "srt_ko"))


# Histories, through the API


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user(world: World) -> str:
    """An account with many credits."""
    user = a_user()
    buy(world, 995, user)
    a_balance(world, user)
    return user


def captions(world: World, user: str, *, minutes: int, **options: Any) -> str:
    recording = a_recording(world, user, seconds=minutes * 60)
    inputs = {"assetIds": [recording], "options": {"sourceLang": "en", **options}}
    body = {"recipe": "captions", "inputs": inputs, "status": "queued"}
    response = world.call("POST", "/api/jobs", body, user=user, key="captions")
    assert response.status == 201, response.body
    return response.body["jobs"][0]["jobId"]


def retry(world: World, job_id: str, user: str, **options: Any) -> Response:
    body = {"keepOptions": False, "options": options} if options else {}
    return world.call("POST", f"/api/jobs/{job_id}/retry", body, user=user, key=f"retry {options}")


def make(world: World, job_id: str, keys: Iterable[str]) -> None:
    """Complete only these tasks of a job, one after the other."""
    plan_job(world.app, job_id)
    for key in keys:
        task = claim_task(world.app, job_id=job_id, key=key, attempt=1)
        assert task is not None
        complete_task(world.app, task, [an_output(key, output_id=f"{job_id}-{key}")])


def receipt_of_cancel(world: World, job_id: str, user: str) -> dict[str, Any]:
    response = cancel(world, job_id, user)
    assert response.body["outcome"] == "canceled"
    return response.body["receipt"]


def raise_costs(monkeypatch: pytest.MonkeyPatch, **costs: int) -> None:
    today = dict(pricing.costs())
    monkeypatch.setattr(pricing, "costs", lambda: {**today, **costs})


def test_a_retry_that_adds_formats_deducts_the_used_credits(world: World, user: str) -> None:
    formats = ["srt", "vtt"]
    parent = captions(
        world, user, minutes=20, outputFormats=formats, translate=True, targetLangs=["ko"]
    )
    finish(world, parent, failing=["vtt_en", "vtt_ko"])
    assert a_job(world, parent, user)["receipt"]["used"] == 20

    response = retry(world, parent, user, outputFormats=[*formats, "txt"])

    assert response.body["creditsReserved"] == 20
    finish(world, response.body["retryJobId"])
    assert a_balance(world, user) == (1000 - 40, 0)


def test_dropping_a_format_does_not_raise_the_value_of_used_credits(
    world: World, user: str
) -> None:
    parent = captions(world, user, minutes=14, outputFormats=["srt", "vtt", "txt"])
    finish(world, parent, failing=["vtt_en", "txt_en"])
    assert a_job(world, parent, user)["receipt"]["used"] == 4

    response = retry(world, parent, user, outputFormats=["srt", "vtt"])

    assert response.body["creditsReserved"] == 10


def test_another_seed_after_prices_rise_costs_the_pinned_price(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = confirm(world, user, mode="trailer").body["jobId"]
    make(world, parent, ["kf_1", "clip_1"])
    assert receipt_of_cancel(world, parent, user)["used"] == 1
    raise_costs(monkeypatch, trailer=60)

    response = retry(world, parent, user, seed=7)

    assert response.body["creditsReserved"] == 4


def test_a_language_added_by_a_retry_has_the_price_of_the_first_attempt(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = captions(world, user, minutes=10)
    finish(world, parent, failing=["srt_en"])
    raise_costs(monkeypatch, captionsPerMinute=9, translationPerMinute=9)

    response = retry(world, parent, user, translate=True, targetLangs=["ko"])

    assert response.body["creditsReserved"] == 20
    child = a_job(world, response.body["retryJobId"], user)
    assert [part["credits"] for part in child["receipt"]["parts"]] == [10, 10]


def test_retries_are_priced_by_the_quoted_costs(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = a_recording(world, user, seconds=600)
    inputs = {"assetIds": [recording], "options": {"sourceLang": "en"}}
    quoted = world.call(
        "POST", "/api/jobs/quote", {"recipe": "captions", "inputs": inputs}, user=user
    ).body["quoteId"]
    raise_costs(monkeypatch, captionsPerMinute=5, translationPerMinute=5)
    body = {"recipe": "captions", "inputs": inputs, "status": "queued", "quoteId": quoted}
    made = world.call("POST", "/api/jobs", body, user=user, key="as quoted").body["jobs"][0]
    finish(world, made["jobId"], failing=["srt_en"])

    response = retry(world, made["jobId"], user, translate=True, targetLangs=["ko"])

    assert response.body["creditsReserved"] == 20


def test_a_retry_of_a_retry_may_drop_a_format(world: World, user: str) -> None:
    parent = captions(world, user, minutes=12, outputFormats=["srt", "vtt", "txt"])
    finish(world, parent, failing=["vtt_en", "txt_en"])
    first = retry(world, parent, user).body["retryJobId"]
    finish(world, first, failing=["vtt_en", "txt_en"])

    second = retry(world, first, user, outputFormats=["srt", "txt"])

    assert (second.status, second.body["creditsReserved"]) == (202, 8)
    finish(world, second.body["retryJobId"])
    child = a_job(world, second.body["retryJobId"], user)
    assert (child["status"], list(statuses(child))) == ("succeeded", ["txt_en"])
    assert {output["key"] for output in child["outputs"]} == {"transcript", "srt_en", "txt_en"}
    assert a_balance(world, user) == (1000 - 12, 0)


def test_a_dropped_language_that_comes_back_is_neither_made_nor_paid_for_again(
    world: World, user: str
) -> None:
    languages = {"translate": True, "targetLangs": ["ko", "ja"]}
    parent = captions(world, user, minutes=10, **languages)
    finish(world, parent, failing=["srt_ja"])
    first = retry(world, parent, user, targetLangs=["ja"]).body["retryJobId"]
    finish(world, first, failing=["srt_ja"])

    response = retry(world, first, user, targetLangs=["ko", "ja"])

    assert response.body["creditsReserved"] == 10
    assert list(statuses(made_to_its_end(world, response, user))) == ["srt_ja"]


def made_to_its_end(world: World, response: Response, user: str) -> dict[str, Any]:
    finish(world, response.body["retryJobId"])
    return a_job(world, response.body["retryJobId"], user)


def test_another_language_instead_of_a_paid_one_is_paid_for(world: World, user: str) -> None:
    parent = captions(world, user, minutes=10, translate=True, targetLangs=["ko"])
    finish(world, parent, failing=["srt_en"])
    assert a_job(world, parent, user)["receipt"]["used"] == 10

    response = retry(world, parent, user, targetLangs=["ja"])

    assert response.body["creditsReserved"] == 20


def test_outputs_that_another_source_language_makes_void_are_paid_for_again(
    world: World, user: str
) -> None:
    parent = captions(world, user, minutes=10, outputFormats=["srt", "vtt"])
    make(world, parent, ["transcribe", "srt_en"])
    assert receipt_of_cancel(world, parent, user)["used"] == 5

    response = retry(world, parent, user, sourceLang="ko")

    assert response.body["creditsReserved"] == 10
    child = made_to_its_end(world, response, user)
    assert {output["key"] for output in child["outputs"]} == {"transcript", "srt_ko", "vtt_ko"}
    assert not any("inheritedFrom" in output for output in child["outputs"])


def test_a_void_translation_is_paid_for_again(world: World, user: str) -> None:
    parent = captions(world, user, minutes=10, translate=True, targetLangs=["ko"])
    make(world, parent, ["transcribe", "translate_ko", "srt_ko"])
    assert receipt_of_cancel(world, parent, user)["used"] == 10
    first = retry(world, parent, user, sourceLang="ja", translate=False)
    make(world, first.body["retryJobId"], ["transcribe"])
    receipt_of_cancel(world, first.body["retryJobId"], user)

    response = retry(world, first.body["retryJobId"], user, translate=True, targetLangs=["ko"])

    assert response.body["creditsReserved"] == 20
    assert set(statuses(made_to_its_end(world, response, user))) == {
        "translate_ko", "srt_ja", "srt_ko"
    }  # fmt: skip


def test_a_retry_of_a_regeneration_costs_only_its_rest(world: World, user: str) -> None:
    parent = a_story(world, user, rewriteEnabled=True, rewrite=REWRITE)
    again = regenerate(world, parent, user).body["retryJobId"]
    make(world, again, ["kf_2", "clip_2"])
    assert receipt_of_cancel(world, again, user)["used"] == 1

    response = retry(world, again, user)

    assert (response.status, response.body["creditsReserved"]) == (202, 0)
    child = made_to_its_end(world, response, user)
    assert (child["status"], list(statuses(child))) == ("succeeded", ["film"])
    assert child["receipt"] == {
        "reserved": 0,
        "used": 0,
        "refunded": 0,
        "parts": [{"name": "regenerate", "credits": 0, "used": 0, "refunded": 0}],
    }


def test_a_regeneration_that_is_retried_with_options_stays_a_regeneration(
    world: World, user: str
) -> None:
    parent = a_story(world, user, rewriteEnabled=True, rewrite=REWRITE)
    again = regenerate(world, parent, user, target="rewrite_only").body["retryJobId"]
    finish(world, again, failing=["clip_3"])
    first = retry(world, again, user, rewrite={"rawText": "They wave."})
    finish(world, first.body["retryJobId"], failing=["film"])

    second = retry(world, first.body["retryJobId"], user, sliders={"pace": 90})

    assert first.body["creditsReserved"] == 1
    assert second.body["creditsReserved"] == 1
    child = made_to_its_end(world, second, user)
    assert list(statuses(child)) == ["film"]
    assert [part["name"] for part in child["receipt"]["parts"]] == ["regenerate"]


def test_unchanged_options_do_not_retry_refused_content(world: World, user: str) -> None:
    parent = captions(world, user, minutes=1)
    make(world, parent, ["transcribe"])
    task = claim_task(world.app, job_id=parent, key="srt_en", attempt=1)
    assert task is not None
    refused = Failure(code="CONTENT_REJECTED", message="Not this.", refused=True)
    fail_task(world.app, task, refused, transient=False)

    same = retry(world, parent, user, outputFormats=["srt"])
    other = retry(world, parent, user, outputFormats=["srt", "vtt"])

    assert (same.status, same.body["code"]) == (409, "NOT_RETRYABLE")
    assert (other.status, other.body["creditsReserved"]) == (202, 1)


# Jobs of an earlier version, which stored neither their costs nor their chain


def as_before(world: World, job_id: str) -> str:
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["jobs"],
        Key={"pk": {"S": job_id}, "sk": {"S": "job"}},
        UpdateExpression="REMOVE costs, chain",
    )
    return job_id


def test_parts_of_an_old_job_keep_their_price_and_new_ones_have_todays(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = as_before(world, captions(world, user, minutes=10, outputFormats=["srt", "vtt"]))
    finish(world, parent, failing=["vtt_en"])
    raise_costs(monkeypatch, captionsPerMinute=5, translationPerMinute=2)

    response = retry(world, as_before(world, parent), user, translate=True, targetLangs=["ko"])

    parts = made_to_its_end(world, response, user)["receipt"]["parts"]
    assert [part["credits"] for part in parts] == [5, 20]


@pytest.mark.parametrize("cost", [1, 10])
def test_an_old_retry_is_retried_for_its_unused_credits(
    cost: int, world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = captions(world, user, minutes=12, outputFormats=["srt", "vtt", "txt"])
    finish(world, parent, failing=["vtt_en", "txt_en"])
    first = retry(world, parent, user).body["retryJobId"]
    finish(world, first, failing=["vtt_en", "txt_en"])
    as_before(world, first)
    raise_costs(monkeypatch, captionsPerMinute=cost)

    kept = retry(world, first, user)
    changed = retry(world, first, user, outputFormats=["srt", "txt"])

    assert (kept.body["creditsReserved"], changed.body["creditsReserved"]) == (8, 8)


def test_an_old_retry_of_a_regeneration_stays_a_regeneration(world: World, user: str) -> None:
    parent = a_story(world, user)
    again = regenerate(world, parent, user).body["retryJobId"]
    finish(world, again, failing=["clip_2"])
    first = retry(world, again, user).body["retryJobId"]
    finish(world, first, failing=["film"])

    response = retry(world, as_before(world, first), user, seed=4)

    assert response.body["creditsReserved"] == 1
    assert list(statuses(made_to_its_end(world, response, user))) == ["film"]


# Canceled by the user


def test_a_story_canceled_after_its_first_clip_costs_one_credit(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    make(world, job_id, ["kf_1", "clip_1"])

    receipt = receipt_of_cancel(world, job_id, user)

    assert (receipt["used"], receipt["refunded"]) == (1, 1)
    assert a_balance(world, user) == (999, 0)


def test_three_regenerations_that_are_canceled_late_cost_three(world: World, user: str) -> None:
    parent = a_story(world, user)
    before, _ = a_balance(world, user)

    for number in (1, 2, 3):
        body = {"target": "story_clip", "clipNo": number}
        child = regenerate(world, parent, user, key=f"again {number}", **body).body["retryJobId"]
        make(world, child, [f"kf_{number}", f"clip_{number}"])
        receipt_of_cancel(world, child, user)

    assert a_balance(world, user) == (before - 3, 0)


def test_a_failed_job_costs_no_minimum(world: World, user: str) -> None:
    job_id = a_story(world, user, failing=["clip_2", "clip_3"])

    assert a_job(world, job_id, user)["receipt"]["used"] == 0


# A canceled draft


def test_a_canceled_draft_is_not_retried_but_runs_again(world: World, user: str) -> None:
    draft = a_draft(world, user)
    receipt_of_cancel(world, draft, user)

    refused = retry(world, draft, user)
    again = world.call("POST", f"/api/jobs/{draft}/rerun", user=user, key="rerun")

    assert (refused.status, refused.body["code"]) == (409, "NOT_RETRYABLE")
    assert (again.status, again.body["creditsReserved"]) == (202, 2)


def a_running_job(world: World, user: str) -> str:
    job_id = confirm(world, user, key="running").body["jobId"]
    make(world, job_id, ["kf_1"])
    return job_id


def a_canceled_draft(world: World, user: str) -> str:
    draft = a_draft(world, user)
    receipt_of_cancel(world, draft, user)
    return draft


def a_canceled_job(world: World, user: str) -> str:
    job_id = confirm(world, user, key="to be canceled").body["jobId"]
    receipt_of_cancel(world, job_id, user)
    return job_id


def a_deleted_job(world: World, user: str) -> str:
    job_id = a_canceled_draft(world, user)
    assert delete_job(world, job_id, user).status == 204
    return job_id


STATES: dict[str, Callable[[World, str], str]] = {
    "missing": lambda world, user: JOB_ID,
    "draft": a_draft,
    "canceled draft": a_canceled_draft,
    "queued": lambda world, user: confirm(world, user, key="queued").body["jobId"],
    "running": a_running_job,
    "canceled": a_canceled_job,
    "failed": lambda world, user: a_story(world, user, failing=["kf_1", "kf_2", "kf_3"]),
    "partial": lambda world, user: a_story(world, user, failing=["clip_2"]),
    "succeeded": a_story,
    "deleted": a_deleted_job,
}
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/api/jobs/{job}", None),
    ("GET", "/api/jobs/{job}/download", None),
    ("PATCH", "/api/jobs/{job}", {"inputs": {"genre": "noir"}}),
    ("POST", "/api/jobs/{job}/share", {}),
    ("DELETE", "/api/jobs/{job}/share", None),
    ("POST", "/api/jobs/{job}/retry", {}),
    ("POST", "/api/jobs/{job}/retry", {"keepOptions": False, "options": {"seed": 1}}),
    ("POST", "/api/jobs/{job}/regenerate", {"target": "story_clip", "clipNo": 1}),
    ("POST", "/api/jobs/{job}/rerun", None),
    ("POST", "/api/jobs/quote", {"draftJobId": "{job}"}),
    ("PATCH", "/api/jobs/bulk", {"jobIds": ["{job}"], "optionsPartial": {"seed": 1}}),
    ("POST", "/api/jobs/bulk/retry", {"jobIds": ["{job}"]}),
    ("POST", "/api/jobs/bulk/download", {"jobIds": ["{job}"]}),
    ("POST", "/api/jobs/bulk/run", {"jobIds": ["{job}"]}),
    ("POST", "/api/jobs/confirm", {"draftJobId": "{job}"}),
    ("POST", "/api/jobs/{job}/cancel", None),
    ("POST", "/api/jobs/bulk/cancel", {"jobIds": ["{job}"]}),
    ("DELETE", "/api/jobs/{job}?cascade=true", None),
)
"""Requests that change the state of the job come last."""


MUCH_LIKE_OTHERS = {"missing", "running", "failed"}


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(state, marks=pytest.mark.slow if state in MUCH_LIKE_OTHERS else ())
        for state in STATES
    ],
)
def test_every_route_of_a_job_responds_in_every_state(state: str, world: World, user: str) -> None:
    job_id = STATES[state](world, user)

    for number, (method, path, body) in enumerate(REQUESTS):
        sent = None if body is None else json.dumps(body).replace("{job}", job_id)
        path = path.replace("{job}", job_id)
        response = world.call(method, path, sent, user=user, key=f"request {number}")

        assert response.status in (200, 201, 202, 204, 400, 404, 409), (method, path, response.body)
        assert response.status < 400 or f"`{response.body['code']}`" in ERRORS
