"""Every route of jobs, with every recipe and every optional input, under the template's roles.

What a route reads depends on the recipe and on the inputs, and a role that lacks a table shows
only where roles are enforced. Nothing here waits for files to be made: jobs are canceled as soon
as they are confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.run_demo import PHOTO
from local.stack import LocalStack
from tests.support.api_client import Client
from tests.support.speech import save_speech

Inputs = dict[str, Any]

SCENE = {"photoAssetIds": ["<photo>"], "stage": "spark", "genre": "romance"}
REWRITE = {
    "rewriteEnabled": True,
    "rewrite": {
        "rawText": "They meet again at the station.",
        "distanceMode": "close",
        "desiredEnding": "open",
    },
}
PORTRAIT = {
    "mode": "single",
    "referencePhotoIds": ["<reference>"],
    "styles": ["CLASSIC"],
    "totalImages": 1,
}
CAPTIONS = {"assetIds": ["<talk>"]}
TRANSLATED = {
    "sourceLang": "en",
    "translate": True,
    "targetLangs": ["ko"],
    "outputFormats": ["srt", "vtt", "txt", "json"],
}
CASES: dict[str, tuple[str, Inputs]] = {
    "quick": ("quick", SCENE),
    "quick, every option": ("quick", {**SCENE, "seed": 7, "sliders": {"humor": 80}}),
    "story": ("story", SCENE),
    "story, rewritten": ("story", {**SCENE, **REWRITE}),
    "trailer": ("trailer", SCENE),
    "trailer, rewritten": ("trailer", {**SCENE, **REWRITE, "seed": 7}),
    "portraits": ("portraits", PORTRAIT),
    "portraits of an album": ("portraits", {**PORTRAIT, "albumId": "<album>"}),
    "portraits, every option": (
        "portraits",
        {**PORTRAIT, "mode": "batch", "totalImages": 2, "albumId": "<album>", "seed": 7},
    ),
    "captions": ("captions", CAPTIONS),
    "captions, every option": ("captions", {**CAPTIONS, "options": TRANSLATED, "seed": 7}),
    "images": ("images", {"prompt": "a red kite", "count": 1}),
    "images, every option": (
        "images",
        {"prompt": "a kite", "count": 2, "style": "CLASSIC", "aspectRatio": "3:4", "seed": 7},
    ),
}


@pytest.fixture(scope="module")
def alice(stack: LocalStack) -> Client:
    """A user with enough credits for all jobs here."""
    client = Client(stack, "roles")
    client.call("GET", "/api/credits")
    account = f"/api/admin/accounts/{stack.account_id('roles')}"
    admin = Client(stack, "roles-admin", role="admin")
    admin.call("POST", f"{account}/credits", {"amount": 5000, "reason": "tests of roles"})
    return client


@pytest.fixture(scope="module")
def ids(alice: Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Placeholders of the inputs above → what they stand for."""
    talk: Path = save_speech("Hello.", tmp_path_factory.mktemp("talk") / "talk.wav")
    photo = alice.upload("me.jpg", "image/jpeg", PHOTO.read_bytes())
    body = {"assetId": photo, "role": "self"}
    return {
        "<photo>": photo,
        "<talk>": alice.upload("talk.wav", "audio/wav", talk.read_bytes()),
        "<reference>": alice.call("POST", "/api/reference-photos", body)["referencePhotoId"],
        "<album>": alice.call("POST", "/api/albums", {"name": "Us"})["albumId"],
    }


@pytest.fixture(autouse=True)
def roles_suffice(denials: Callable[[], list[str]]) -> Iterator[None]:
    yield
    assert denials() == []


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, ids: dict[str, str]) -> tuple[str, Inputs]:
    recipe, inputs = CASES[request.param]
    return recipe, _filled(inputs, ids)


def _filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, ids) for item in value]
    return ids.get(value, value)


def test_a_job_is_quoted_queued_canceled_retried_and_run_again(
    alice: Client, case: tuple[str, Inputs]
) -> None:
    recipe, inputs = case
    request = {"recipe": recipe, "inputs": inputs, "deviceId": "phone-1"}
    quote = alice.call("POST", "/api/jobs/quote", request)
    body = {**request, "status": "queued", "priority": 3, "quoteId": quote["quoteId"]}

    [job] = alice.call("POST", "/api/jobs", body)["jobs"]
    _cancel(alice, job["jobId"])
    # The job ends when the tasks that a worker has begun have ended.
    alice.finished(job["jobId"])
    retried = alice.send("POST", f"/api/jobs/{job['jobId']}/retry", {})
    rerun = alice.call("POST", f"/api/jobs/{job['jobId']}/rerun")

    assert "code" not in job
    # A worker may have been fast enough to leave nothing to retry.
    assert retried.status_code in (202, 409)
    for made in (retried.json().get("retryJobId"), rerun["jobId"]):
        if made:
            _cancel(alice, made)


def test_a_draft_is_changed_quoted_and_confirmed(alice: Client, case: tuple[str, Inputs]) -> None:
    recipe, inputs = case
    body = {"recipe": recipe, "inputs": inputs, "status": "draft", "deviceId": "phone-1"}
    [draft] = alice.call("POST", "/api/jobs", body)["jobs"]
    alice.call("PATCH", f"/api/jobs/{draft['jobId']}", {"inputs": {"seed": 8}, "priority": 1})
    quote = alice.call("POST", "/api/jobs/quote", {"draftJobId": draft["jobId"]})

    confirmed = alice.call(
        "POST",
        "/api/jobs/confirm",
        {"draftJobId": draft["jobId"], "quoteId": quote["quoteId"], "deviceId": "phone-2"},
    )

    assert confirmed["creditsReserved"] == quote["credits"]
    _cancel(alice, draft["jobId"])


def test_scenes_are_confirmed_without_a_draft(alice: Client, ids: dict[str, str]) -> None:
    for mode, more in (("quick", {}), ("story", REWRITE), ("trailer", REWRITE)):
        inputs = _filled({**SCENE, **more}, ids)
        quote = alice.call("POST", "/api/jobs/quote", {"recipe": mode, "inputs": inputs})
        body = {"mode": mode, **inputs, "deviceId": "phone-3", "quoteId": quote["quoteId"]}

        confirmed = alice.call("POST", "/api/jobs/confirm", body)

        assert confirmed["creditsReserved"] == quote["credits"]
        _cancel(alice, confirmed["jobId"])


def test_drafts_of_every_recipe_are_run_canceled_and_retried_together(
    alice: Client, ids: dict[str, str]
) -> None:
    drafts = [
        alice.call("POST", "/api/jobs", {"recipe": recipe, "inputs": inputs, "status": "draft"})
        for recipe, inputs in (_filled(list(case), ids) for case in CASES.values())
    ]
    job_ids = [job["jobId"] for response in drafts for job in response["jobs"]]

    _bulk(alice, "PATCH", "", {"jobIds": job_ids, "optionsPartial": {"seed": 9}})
    ran = _bulk(alice, "POST", "/run", {"jobIds": job_ids})
    canceled = _bulk(alice, "POST", "/cancel", {"jobIds": job_ids})
    retried = _bulk(alice, "POST", "/retry", {"jobIds": job_ids})

    assert [result for result in [*ran, *canceled] if not result["ok"]] == []
    children = [result["retryJobId"] for result in retried if result["ok"]]
    _bulk(alice, "POST", "/cancel", {"jobIds": children or job_ids})


def _cancel(alice: Client, job_id: str) -> None:
    canceled = alice.call("POST", f"/api/jobs/{job_id}/cancel")
    assert canceled["outcome"] in ("canceled", "requested", "already_final")


def _bulk(alice: Client, method: str, verb: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = alice.call(method, f"/api/jobs/bulk{verb}", body)["results"]
    return results


def test_operators_routes_and_the_audit_do_what_their_roles_allow(
    stack: LocalStack, denials: Callable[[], list[str]]
) -> None:
    mallory, admin = Client(stack, "roles-frozen"), Client(stack, "roles-admin", role="admin")
    mallory.call("GET", "/api/credits")
    account = f"/api/admin/accounts/{stack.account_id('roles-frozen')}"

    admin.call("POST", f"{account}/credits", {"amount": 7, "reason": "tests of roles"})
    no_debt = admin.send("POST", f"{account}/debt", {"reason": "tests of roles"})
    frozen = admin.call("PATCH", account, {"frozen": True, "reason": "tests of roles"})
    rebuilt = admin.call("POST", f"{account}/rebuild-wallet")
    thawed = admin.call("PATCH", account, {"frozen": False})
    admin.call("GET", "/api/admin/purchases")
    _damage_held(stack, "roles-frozen", 5)
    stack.client("lambda").invoke(FunctionName=stack.functions["audit"])

    assert (no_debt.status_code, no_debt.json()["code"]) == (409, "NO_DEBT")
    assert (frozen["frozen"], thawed["frozen"], rebuilt["balance"]) == (True, False, 12)
    assert admin.call("GET", account)["frozenReason"].startswith("audit: L1")
    assert admin.call("POST", f"{account}/rebuild-wallet")["held"] == 0
    assert admin.call("PATCH", account, {"frozen": False})["frozen"] is False
    assert denials() == []


def _damage_held(stack: LocalStack, user: str, held: int) -> None:
    stack.client("dynamodb").update_item(
        TableName=stack.outputs["WalletsTable"],
        Key={"accountId": {"S": stack.account_id(user)}},
        UpdateExpression="SET held = :held",
        ExpressionAttributeValues={":held": {"N": str(held)}},
    )
