"""A failure is shown by the message of its code, in the reader's language, and never in the
provider's words; logs contain neither links nor secrets."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import darkroom
from darkroom.api import mounts
from darkroom.api.app import create_app
from darkroom.api.lambda_handler import http_handler
from darkroom.generation.ports import PermanentProviderError
from darkroom.jobs.failures import SENTENCES, failure_sentence
from tests.support.builders import a_job, a_user, claims_of, confirm, finish
from tests.support.cloud import FakeCloud
from tests.support.moto_world import moto_world
from tests.support.world import World

PRODUCT = Path(darkroom.__file__).parent
HANGUL = re.compile("[가-힣]")
DETAIL = "upstream gpu-7 returned 503"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


# Failures


def refusing(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(request: object) -> None:
        raise error

    monkeypatch.setattr(world.studio, "refuse", refuse)


def in_language(world: World, job_id: str, user: str, language: str) -> dict[str, object]:
    headers = {"accept-language": language}
    return world.call("GET", f"/api/jobs/{job_id}", user=user, headers=headers).body


def test_a_failed_task_has_the_message_of_its_code_in_both_languages(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusing(world, monkeypatch, PermanentProviderError(DETAIL, code="NO_AUDIO"))
    job_id = confirm(world, user, mode="quick").body["jobId"]
    with caplog.at_level(logging.INFO):
        world.drain()

    english, korean = (in_language(world, job_id, user, code) for code in ("en", "ko"))
    history = world.call(
        "GET", "/api/generations", user=user, headers={"accept-language": "ko"}
    ).body["items"]

    errors = [job["tasks"][0]["error"] for job in (english, korean)]  # type: ignore[index]
    assert errors == [
        {"code": "NO_AUDIO", "message": failure_sentence("NO_AUDIO", code)} for code in ("en", "ko")
    ]
    assert english["receipt"]["message"] == failure_sentence("NO_AUDIO", "en")  # type: ignore[index]
    assert korean["receipt"]["message"] == failure_sentence("NO_AUDIO", "ko")  # type: ignore[index]
    assert {"code": "NO_AUDIO", "message": failure_sentence("NO_AUDIO", "ko")} in [
        item.get("error") for item in history
    ]
    stored = json.dumps([world.scan("jobs"), english, korean, history])
    assert DETAIL not in stored
    assert DETAIL in [getattr(record, "detail", None) for record in caplog.records]


def test_the_providers_message_is_stored_with_the_cost_record(
    world: World, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(cloud: FakeCloud, request: object, address: str) -> str:
        raise PermanentProviderError(DETAIL, code="PROVIDER_REFUSED")

    monkeypatch.setattr(FakeCloud, "submit", refuse)
    monkeypatch.setattr(world, "app", world.app)
    monkeypatch.setattr(world, "settings", world.settings)
    world.use_cloud()
    job_id = confirm(world, user, mode="quick").body["jobId"]
    world.drain()

    costs = [item for item in world.scan("costs") if item["jobId"]["S"] == job_id]
    assert [item["detail"]["S"] for item in costs] == [DETAIL]
    assert DETAIL not in json.dumps(a_job(world, job_id, user))


def test_a_failure_of_an_earlier_version_is_shown_by_its_code(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    finish(world, job_id, failing=["clip_2"])
    table = world.settings.tables["jobs"]
    for item in world.scan("jobs"):
        if item["pk"]["S"] == job_id and "failure" in item:
            item["failure"]["S"] = json.dumps({"code": "PROVIDER_FAILED", "message": DETAIL})
            world.client("dynamodb").put_item(TableName=table, Item=item)

    tasks = a_job(world, job_id, user)["tasks"]

    messages = {task["error"]["message"] for task in tasks if "error" in task}
    assert messages == {failure_sentence("PROVIDER_FAILED", "en")}


def test_the_etag_of_one_language_does_not_match_the_other(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    finish(world, job_id, failing=["clip_2"])
    path = f"/api/jobs/{job_id}"
    tag = world.call("GET", path, user=user).headers["etag"]

    headers = {"if-none-match": tag, "accept-language": "ko"}

    assert world.call("GET", path, user=user, headers={"if-none-match": tag}).status == 304
    assert world.call("GET", path, user=user, headers=headers).status == 200


def codes_of(call: ast.Call) -> Iterator[str]:
    """The codes of failures that this call makes: by keyword, or as the last argument."""
    name = getattr(call.func, "id", "")
    values: list[ast.expr] = []
    if name in ("Failure", "TransientProviderError", "PermanentProviderError"):
        values = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    elif name in ("_transient", "_permanent"):  # of vendors' errors
        values = call.args[1:]
    for value in values:
        if isinstance(value, ast.Constant):
            yield str(value.value)


def test_every_failure_code_of_a_task_or_job_has_its_messages() -> None:
    codes = {"CANCELED", "INTERNAL", "PROVIDER_UNAVAILABLE", "PROVIDER_REFUSED", "CONTENT_REJECTED"}
    for path in PRODUCT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                codes |= set(codes_of(node))
    assert len(codes) > 20
    assert {"PROVIDER_QUOTA", "RESULT_EXPIRED"} <= codes, "those of vendors"

    assert codes - SENTENCES.keys() == set()
    for code, (english, korean) in SENTENCES.items():
        assert english.isascii() and HANGUL.search(korean), code


def test_an_unknown_code_has_a_message_too() -> None:
    assert failure_sentence("BROKEN", "en").isascii()
    assert HANGUL.search(failure_sentence("BROKEN", "ko"))


# Logs


def test_no_log_of_a_story_and_its_share_contains_a_link_or_a_secret(
    world: World, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = http_handler(create_app(*mounts.ROUTERS, app=world.app))
    bearer = "Bearer eyJhbGciOiJSUzI1NiJ9.secret-of-a-token"

    def send(method: str, path: str, body: object = None, key: str | None = None) -> dict[str, Any]:
        raw, _, query = path.partition("?")
        context = {"http": {"method": method, "path": raw, "sourceIp": "::1"}, "requestId": "r"}
        context["authorizer"] = {"jwt": {"claims": claims_of(world, user)}}
        headers = {"authorization": bearer, **({"idempotency-key": key} if key else {})}
        event = {
            "version": "2.0", "routeKey": f"{method} a route", "rawPath": raw,
            "rawQueryString": query, "headers": headers, "requestContext": context,
            "body": None if body is None else json.dumps(body), "isBase64Encoded": False,
        }  # fmt: skip
        return handler(event, None)

    with caplog.at_level(logging.INFO):
        job_id = confirm(world, user, mode="quick").body["jobId"]
        world.drain()
        job = json.loads(send("GET", f"/api/jobs/{job_id}")["body"])
        link = job["outputs"][0]["downloadUrl"]
        with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(403))) as client:
            client.get(link)
        share = json.loads(send("POST", f"/api/jobs/{job_id}/share", {}, key="s")["body"])["token"]
        ticket = json.loads(send("POST", "/api/jobs/stream-ticket")["body"])["ticket"]
        for path in (f"/s/{share}", f"/s/{share}/1", f"/api/shares/{share}", f"/s/{share}x",
                     f"/api/jobs/stream?ticket={ticket}"):  # fmt: skip
            send("GET", path)

    signature = urlsplit(link).query.rpartition("Signature=")[2]
    assert len(caplog.records) > 10 and len(signature) > 10
    logged = "\n".join(json.dumps(vars(record), default=str) for record in caplog.records)
    logged += "\n".join(record.getMessage() for record in caplog.records)
    for secret in (share, ticket, signature, "Signature=", "secret-of-a-token"):
        assert secret not in logged, secret


def test_an_error_names_the_route_and_not_the_path(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("darkroom.api.routers.shares.view_share", fail)

    with caplog.at_level(logging.INFO):
        response = world.call("GET", "/api/shares/the-secret-of-a-link", user=None)

    assert (response.status, response.body["code"]) == (500, "INTERNAL")
    [record] = [r for r in caplog.records if r.getMessage() == "unexpected_error"]
    assert record.route == "GET /api/shares/{token}"  # type: ignore[attr-defined]
    logged = json.dumps([vars(record) for record in caplog.records], default=str)
    assert "the-secret-of-a-link" not in logged
