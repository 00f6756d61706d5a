"""Quotes: a job is charged its quoted price while the quote is valid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from darkroom.assets.model import AssetStatus
from darkroom.credits import pricing
from darkroom.jobs.store import find_job
from darkroom.kernel import signing
from darkroom.kernel.clock import from_iso
from darkroom.kernel.limits import QUOTE_SECONDS
from darkroom.templates import choice
from darkroom.usecases.jobs import quote_job
from tests.support.builders import (
    REWRITE,
    a_balance,
    a_draft,
    a_job,
    a_photo,
    a_recording,
    a_user,
    an_asset,
    everything_of,
    forget_responses,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

QUOTE, CONFIRM = "/api/jobs/quote", "/api/jobs/confirm"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def quote(world: World, user: str | None, **body: Any) -> Response:
    return world.call("POST", QUOTE, body, user=user)


def confirm(
    world: World, user: str, inputs: dict[str, Any], quote_id: str, **more: Any
) -> Response:
    body = {"mode": "story", **inputs, "quoteId": quote_id, **more}
    return world.call("POST", CONFIRM, body, user=user, key=more.get("deviceId", "confirm"))


@pytest.fixture
def inputs(world: World, user: str) -> dict[str, Any]:
    return scene_inputs(a_photo(world, user))


def test_a_quote_needs_a_token(world: World) -> None:
    assert quote(world, None, recipe="story", inputs={}).status == 401


def test_a_quote_has_the_price_of_the_job(world: World, user: str, inputs: dict[str, Any]) -> None:
    rewritten = {**inputs, "rewriteEnabled": True, "rewrite": REWRITE}

    response = quote(world, user, recipe="story", inputs=rewritten)

    assert response.status == 200
    assert response.body["credits"] == 3
    assert response.body["breakdown"] == [
        {"name": "base", "credits": 2},
        {"name": "rewrite", "credits": 1},
    ]
    assert (response.body["balance"], response.body["sufficient"]) == (5, True)


def test_a_quote_changes_nothing(world: World, user: str, inputs: dict[str, Any]) -> None:
    a_balance(world, user)
    before = everything_of(world, user)

    quote(world, user, recipe="trailer", inputs=inputs)

    assert everything_of(world, user) == before


def test_a_quote_reports_an_insufficient_balance(world: World, user: str) -> None:
    talk = a_recording(world, user, seconds=5 * 60 + 1)

    response = quote(world, user, recipe="captions", inputs={"assetIds": [talk], "options": {}})

    assert (response.body["credits"], response.body["sufficient"]) == (6, False)


def test_several_files_are_quoted_together(world: World, user: str) -> None:
    talks = [a_recording(world, user, seconds=seconds) for seconds in (10, 61)]

    response = quote(world, user, recipe="captions", inputs={"assetIds": talks, "options": {}})

    assert response.body["credits"] == 3
    assert response.body["breakdown"] == [
        {"name": "base", "credits": 1},
        {"name": "base", "credits": 2},
    ]


def test_the_quoted_price_is_charged_after_prices_rise(
    world: World, user: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = quote(world, user, recipe="story", inputs=inputs).body
    monkeypatch.setattr(pricing, "costs", lambda: {"story": 4, "rewrite": 1, "regenerate": 1})

    response = confirm(world, user, inputs, quoted["quoteId"])

    assert response.status == 202
    assert (response.body["creditsReserved"], response.body["balance"]) == (2, 3)
    assert a_job(world, response.body["jobId"], user)["receipt"]["parts"][0]["credits"] == 2


def test_a_quote_of_an_earlier_version_is_charged_and_pins_no_costs(
    world: World, user: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = signing.sign

    def sign(secret: bytes, purpose: str, signed: dict[str, Any]) -> str:
        return real(secret, purpose, {k: v for k, v in signed.items() if k != "costs"})

    monkeypatch.setattr(quote_job, "sign", sign)
    quoted = quote(world, user, recipe="story", inputs=inputs).body

    response = confirm(world, user, inputs, quoted["quoteId"])

    assert (response.status, response.body["creditsReserved"]) == (202, 2)
    job = find_job(response.body["jobId"])
    assert job is not None
    assert job.costs == {}


def test_a_job_keeps_the_costs_it_was_charged_with(
    world: World, user: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = quote(world, user, recipe="story", inputs=inputs).body
    monkeypatch.setattr(pricing, "costs", lambda: {"story": 4, "rewrite": 7, "regenerate": 1})

    as_quoted = confirm(world, user, inputs, quoted["quoteId"]).body["jobId"]

    job = find_job(as_quoted)
    assert job is not None
    assert job.costs == {"story": 2, "rewrite": 1}


def test_the_template_that_was_quoted_is_used_when_others_are_added(
    world: World, user: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = quote(world, user, recipe="story", inputs=inputs).body
    promised = choice.choose(
        [template["templateId"] for template in choice.templates_of("story", "spark", "romance")],
        account_id=user,
        device_id="",
        combination=("story", "spark", "romance"),
    )
    monkeypatch.setattr(choice, "choose", lambda ids, **_: next(i for i in ids if i != promised))

    response = confirm(world, user, inputs, quoted["quoteId"])

    assert response.body["templateId"] == promised


def test_other_inputs_do_not_match(world: World, user: str, inputs: dict[str, Any]) -> None:
    quoted = quote(world, user, recipe="story", inputs=inputs).body
    before = a_balance(world, user)

    response = confirm(world, user, {**inputs, "genre": "noir"}, quoted["quoteId"])

    assert (response.status, response.body["code"]) == (409, "QUOTE_MISMATCH")
    assert a_balance(world, user) == before


def test_another_accounts_quote_does_not_match(
    world: World, user: str, inputs: dict[str, Any]
) -> None:
    other = a_user()
    foreign = quote(world, other, recipe="story", inputs=scene_inputs(a_photo(world, other))).body

    response = confirm(world, user, inputs, foreign["quoteId"])

    assert (response.status, response.body["code"]) == (409, "QUOTE_MISMATCH")


@pytest.mark.parametrize("quote_id", ["nonsense", "a" * 200, "ключ"])
def test_an_invalid_quote_is_refused(
    quote_id: str, world: World, user: str, inputs: dict[str, Any]
) -> None:
    response = confirm(world, user, inputs, quote_id)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert response.body["fields"][0]["path"] == "quoteId"


def test_a_modified_quote_is_refused(world: World, user: str, inputs: dict[str, Any]) -> None:
    quoted = quote(world, user, recipe="story", inputs=inputs).body["quoteId"]

    for place in range(0, len(quoted), 7):
        changed = quoted[:place] + ("A" if quoted[place] != "A" else "B") + quoted[place + 1 :]
        assert confirm(world, user, inputs, changed).status == 400


def test_a_quote_is_valid_for_fifteen_minutes(
    world: World, user: str, inputs: dict[str, Any]
) -> None:
    quoted = quote(world, user, recipe="story", inputs=inputs).body
    assert from_iso(quoted["expiresAt"]) == world.clock.now() + timedelta(seconds=QUOTE_SECONDS)
    world.clock.move(seconds=QUOTE_SECONDS - 1)
    in_time = confirm(world, user, inputs, quoted["quoteId"], deviceId="a")
    world.clock.move(seconds=1)

    too_late = confirm(world, user, inputs, quoted["quoteId"], deviceId="b")
    forget_responses(world)
    repeated = confirm(world, user, inputs, quoted["quoteId"], deviceId="a")

    assert in_time.status == 202
    assert (too_late.status, too_late.body["code"]) == (409, "QUOTE_EXPIRED")
    assert repeated.body == in_time.body


def test_a_draft_is_charged_as_quoted(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = a_draft(world, user)
    quoted = quote(world, user, draftJobId=draft).body
    monkeypatch.setattr(pricing, "costs", lambda: {"story": 1, "rewrite": 1, "regenerate": 1})

    response = world.call(
        "POST", CONFIRM, {"draftJobId": draft, "quoteId": quoted["quoteId"]}, user=user
    )

    assert response.body["creditsReserved"] == 2


def test_a_draft_that_changed_since_does_not_match(world: World, user: str) -> None:
    draft = a_draft(world, user)
    quoted = quote(world, user, draftJobId=draft).body
    world.call("PATCH", f"/api/jobs/{draft}", {"inputs": {"genre": "comedy"}}, user=user)

    response = world.call(
        "POST", CONFIRM, {"draftJobId": draft, "quoteId": quoted["quoteId"]}, user=user
    )

    assert (response.status, response.body["code"]) == (409, "QUOTE_MISMATCH")
    assert a_job(world, draft, user)["status"] == "draft"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"recipe": "story"},
        {"inputs": {}},
        {"recipe": "nonsense", "inputs": {}},
        {"recipe": "story", "inputs": {}},
        {"recipe": "story", "inputs": {}, "draftJobId": "job_1"},
        {"recipe": "story", "inputs": [], "x": 1},
    ],
)
def test_an_invalid_quote_request_names_its_field(
    body: dict[str, Any], world: World, user: str
) -> None:
    response = quote(world, user, **body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert response.body["fields"] != []


def test_quoted_files_must_exist_and_be_checked(world: World, user: str) -> None:
    foreign = scene_inputs(a_photo(world, a_user()))
    unchecked = scene_inputs(an_asset(world, user, status=AssetStatus.CHECKING))

    assert quote(world, user, recipe="story", inputs=foreign).status == 404
    assert quote(world, user, recipe="story", inputs=unchecked).body["code"] == "ASSET_NOT_READY"


def test_another_accounts_draft_is_not_quoted(world: World, user: str) -> None:
    draft = a_draft(world, user)

    assert quote(world, a_user(), draftJobId=draft).status == 404
