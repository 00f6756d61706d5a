"""Validation errors are reported by field: its path, a code, and a message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.kernel.problems import SENTENCES, problem, shown
from tests.support.builders import ASSET_ID, a_draft, a_photo, a_recording, a_user, scene_inputs
from tests.support.moto_world import moto_world
from tests.support.world import World

HANGUL = re.compile("[가-힣]")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def problems_of(response: Any) -> list[tuple[str, str]]:
    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    return [(field["path"], field["code"]) for field in response.body["fields"]]


def story(**changes: Any) -> dict[str, Any]:
    return {"recipe": "story", "status": "draft", "inputs": scene_inputs(**changes)}


CAPTIONS = {"translate": True, "outputFormats": ["srt", "srt"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "problems"),
    [
        ("POST", "/api/jobs", story(stage=None), [("inputs.stage", "REQUIRED")]),
        ("POST", "/api/jobs", story(stage="x"), [("inputs.stage", "NOT_ALLOWED")]),
        ("POST", "/api/jobs", story(seed=-1), [("inputs.seed", "TOO_SMALL")]),
        ("POST", "/api/jobs", story(seed="1"), [("inputs.seed", "WRONG_TYPE")]),
        ("POST", "/api/jobs", story(rewriteEnabled=True), [("inputs.rewrite", "REQUIRED_WITH")]),
        (
            "POST",
            "/api/jobs",
            story(photoAssetIds=[ASSET_ID, ASSET_ID]),
            [("inputs.photoAssetIds", "DUPLICATE")],
        ),
        (
            "POST",
            "/api/jobs",
            story(photoAssetIds=["x", 1]),
            [("inputs.photoAssetIds.0", "BAD_ID"), ("inputs.photoAssetIds.1", "WRONG_TYPE")],
        ),
        ("POST", "/api/jobs", {**story(), "recipe": "x"}, [("recipe", "NOT_ALLOWED")]),
        ("POST", "/api/jobs", {**story(), "userId": "bob"}, [("userId", "UNKNOWN_FIELD")]),
        (
            "POST",
            "/api/jobs/quote",
            {"recipe": "captions", "inputs": {"assetIds": [ASSET_ID], "options": CAPTIONS}},
            [("inputs.options.outputFormats", "DUPLICATE")],
        ),
        ("POST", "/api/jobs/quote", {}, [("recipe", "REQUIRED"), ("inputs", "REQUIRED")]),
        ("POST", "/api/jobs/confirm", {"mode": "x"}, [("mode", "NOT_ALLOWED")]),
        ("POST", "/api/jobs/confirm", {"recipe": "x"}, [("recipe", "NOT_ALLOWED")]),
        ("POST", "/api/jobs/confirm", {"deviceId": ""}, [("mode", "REQUIRED")]),
        ("POST", "/api/albums", {"name": "x" * 101}, [("name", "TOO_LONG")]),
        ("PATCH", "/api/albums/alb_1", {}, [("name", "NOTHING_TO_CHANGE"),
                                           ("coverOutputId", "NOTHING_TO_CHANGE")]),
        ("PATCH", "/api/assets/ast_1", {"tags": None}, [("tags", "NOT_NULL")]),
        ("POST", "/api/jobs/bulk/run", {"jobIds": []}, [("jobIds", "TOO_FEW")]),
        ("POST", "/api/credits/purchase", {}, [("pack", "EXACTLY_ONE"), ("amount", "EXACTLY_ONE")]),
        ("POST", "/api/jobs", "{", [("body", "INVALID_JSON")]),
        ("POST", "/api/jobs", [], [("body", "WRONG_TYPE")]),
        ("GET", "/api/jobs?limit=x", None, [("limit", "WRONG_TYPE")]),
        ("GET", "/api/jobs?dateFrom=x", None, [("dateFrom", "BAD_TIME")]),
    ],
)  # fmt: skip
def test_a_problem_has_the_field_that_was_sent_and_a_code(
    method: str, path: str, body: Any, problems: list[tuple[str, str]], world: World
) -> None:
    english = world.call(method, path, body, key="k")
    korean = world.call(method, path, body, key="k", headers={"accept-language": "ko"})

    assert problems_of(english) == problems_of(korean) == problems
    for field in english.body["fields"]:
        assert set(field) == {"path", "code", "message"}
        assert not HANGUL.search(field["message"])
    assert all(HANGUL.search(field["message"]) for field in korean.body["fields"])


def test_a_field_missing_in_a_draft_is_named_as_in_a_confirm(world: World) -> None:
    user = a_user()
    draft = a_draft(world, user)

    response = world.call(
        "POST", "/api/jobs/confirm", {"draftJobId": draft, "genre": "western"}, user=user
    )

    assert problems_of(response) == [("genre", "NOT_ALLOWED")]


@pytest.mark.parametrize("nested", [True, False])
def test_a_problem_of_a_patch_has_the_path_of_the_sent_input(nested: bool, world: World) -> None:
    user = a_user()
    draft, changes = a_draft(world, user), {"sliders": {"humor": 101}}

    response = world.call(
        "PATCH", f"/api/jobs/{draft}", {"inputs": changes} if nested else changes, user=user
    )

    assert problems_of(response) == [
        ("inputs.sliders.humor" if nested else "sliders.humor", "TOO_LARGE")
    ]


def test_confirm_accepts_recipe_as_an_alias_of_mode(world: World) -> None:
    user = a_user()
    body = {"recipe": "quick", **scene_inputs(a_photo(world, user))}

    response = world.call("POST", "/api/jobs/confirm", body, user=user, key="k")

    assert response.status == 202
    job = world.call("GET", f"/api/jobs/{response.body['jobId']}", user=user).body
    assert (job["recipe"], job["mode"]) == ("quick", "quick")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_json_is_accepted_with_any_content_type(content_type: str, world: World) -> None:
    response = world.call(
        "POST", "/api/albums", {"name": "Us"}, headers={"content-type": content_type}
    )

    assert response.status == 201


def test_an_empty_cursor_means_the_first_page(world: World) -> None:
    user = a_user()
    a_draft(world, user)

    for path in ("/api/jobs", "/api/generations", "/api/assets", "/api/credits/transactions"):
        first = world.call("GET", path, user=user)
        assert world.call("GET", f"{path}?cursor=", user=user).body.keys() == first.body.keys()
    assert len(world.call("GET", "/api/jobs?cursor=", user=user).body["items"]) == 1


def test_problems_of_retry_options_have_paths_below_options(world: World) -> None:
    from tests.support.builders import finish

    user = a_user()
    inputs = {"assetIds": [a_recording(world, user)], "options": {"outputFormats": ["srt"]}}
    made = world.call(
        "POST",
        "/api/jobs",
        {"recipe": "captions", "inputs": inputs, "status": "queued"},
        user=user,
        key="k",
    )
    job_id = made.body["jobs"][0]["jobId"]
    finish(world, job_id, failing=["transcribe"])

    response = world.call(
        "POST", f"/api/jobs/{job_id}/retry", {"options": {"sourceLang": "x"}}, user=user, key="r"
    )

    assert problems_of(response) == [("options.sourceLang", "NOT_ALLOWED")]


def test_every_code_has_a_message_in_both_languages() -> None:
    for code, (english, korean) in SENTENCES.items():
        names = re.findall(r"{(\w+)}", english)
        params = dict.fromkeys(names, "list")
        if code == "WRONG_TYPE":
            params = {"expected": "list"}
        found = problem("x", code, **params)

        assert english.isascii() and HANGUL.search(korean), code
        assert sorted(names) == sorted(re.findall(r"{(\w+)}", korean)), code
        assert shown(found, "en")["message"] == found["message"]
        assert "{" not in shown(found, "ko")["message"]


def test_a_problem_without_a_code_has_a_message_in_the_callers_language() -> None:
    found = {"path": "amount", "message": "takes more than the balance"}

    assert shown(found, "en") == {**found, "code": "INVALID"}
    assert HANGUL.search(shown(found, "ko")["message"])
