"""Shares: links that need no token, reveal nothing of their owner, and can be revoked."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.events.store import list_events
from darkroom.jobs.share_store import from_token, to_token
from darkroom.kernel.ids import id_from_bytes
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS, VIEWS_PER_ADDRESS_LIMIT
from darkroom.usecases.shares.view_share import Visitor
from tests.support.builders import (
    JOB_ID,
    a_draft,
    a_story,
    a_user,
    ask,
    claims_of,
    confirm,
    delete_job,
    events_of,
    forget_responses,
    stream_records,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def share(
    world: World, job_id: str, user: str | None, body: Any = None, *, key: str | None = None
) -> Response:
    return world.call("POST", f"/api/jobs/{job_id}/share", body, user=user, key=key)


def open_link(world: World, token: str) -> Response:
    return world.call("GET", f"/api/shares/{token}", user=None)


def unshare(world: World, job_id: str, user: str | None) -> Response:
    return world.call("DELETE", f"/api/jobs/{job_id}/share", user=user)


def assert_missing(response: Response) -> None:
    assert (response.status, response.body["code"]) == (404, "NOT_FOUND")


def test_a_link_shows_only_the_outputs_and_needs_no_token(world: World, user: str) -> None:
    job_id = a_story(world, user)

    made = share(world, job_id, user)
    seen = open_link(world, made.body["token"])

    assert made.status == 201
    token = made.body["token"]
    assert made.body == {"token": token, "url": f"https://console.example/s/{token}"}
    assert (seen.status, set(seen.body)) == (200, {"outputs", "recipe", "createdAt"})
    assert seen.headers["cache-control"] == "no-store"
    assert len(seen.body["outputs"]) == 7
    for output in seen.body["outputs"]:
        link = output.pop("downloadUrl")
        assert "Signature" in link
    text = json.dumps(seen.body)
    assert job_id not in text and user not in text and "ast_" not in text and "out_" not in text


def test_without_a_setting_the_link_has_the_host_of_the_request(world: World, user: str) -> None:
    job_id = a_story(world, user)
    app = replace(world.app, settings=replace(world.settings, console_url=""))

    response = ask(
        app,
        "POST",
        f"/api/jobs/{job_id}/share",
        claims=claims_of(world, user),
        headers={"host": "api.example", "x-forwarded-proto": "https", "x-forwarded-port": "443"},
    )

    assert response.body["url"] == f"https://api.example/s/{response.body['token']}"


def test_a_visitor_s_reads_of_a_day_are_one_view_of_each_link(world: World, user: str) -> None:
    job_id = a_story(world, user)
    tokens = [share(world, job_id, user).body["token"] for _ in range(2)]
    for token in (tokens[0], tokens[0], tokens[1]):
        open_link(world, token)
    world.drain()

    names = events_of(world, job_id)

    assert (names.count("share_created"), names.count("share_viewed")) == (2, 2)
    template = next(e for e in list_events(job_id) if e.name == "share_viewed").props["templateId"]
    assert template.startswith("story-spark-romance-")
    assert len(set(tokens)) == 2


def test_views_are_of_visitors_and_days_and_an_address_has_only_so_many(
    world: World, user: str
) -> None:
    job_id = a_story(world, user)
    token = share(world, job_id, user).body["token"]

    def views() -> int:
        return events_of(world, job_id).count("share_viewed")

    for number in range(60):
        headers = {"user-agent": f"Browser/{number}", "x-forwarded-for": f"10.0.0.{number}"}
        world.call("GET", f"/api/shares/{token}", user=None, headers=headers)
    of_one_address = views()
    world.clock.move(days=1)
    open_link(world, token)

    assert 1 < of_one_address <= VIEWS_PER_ADDRESS_LIMIT
    assert views() == of_one_address + 1


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0:1::1", True),
        ("2001:db8::1", "2001:db8:0:100::1", False),
        ("", "no address", True),
    ],
)
def test_an_ipv6_network_is_one_visitor(one: str, other: str, are_same: bool) -> None:
    marks = [Visitor(address=address, user_agent="Browser").marks for address in (one, other)]

    assert (marks[0] == marks[1]) == are_same


def test_the_sweeper_reports_a_share_that_the_stream_lost_once(world: World, user: str) -> None:
    job_id = a_story(world, user)
    world.drain()
    share(world, job_id, user)
    stream_records(world)

    world.advance_time(seconds=PROJECTION_CHECK_SECONDS + 1)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS + 1)

    assert events_of(world, job_id).count("share_created") == 1
    sides = [item for item in world.scan("jobs") if item["sk"]["S"].startswith("share#")]
    assert not any("nextCheckAt" in item for item in sides if item["pk"]["S"].startswith(job_id))


def test_the_secret_is_stored_nowhere(world: World, user: str) -> None:
    job_id = a_story(world, user)
    token = share(world, job_id, user, key="k").body["token"]
    open_link(world, token)
    world.drain()

    parsed = from_token(token)
    assert parsed is not None
    secret = parsed[1]
    assert len(secret) * 8 >= 128
    everything = "".join(json.dumps(world.scan(name)) for name in world.settings.tables)
    for spelling in (token, secret.hex(), base64.urlsafe_b64encode(secret).decode().rstrip("=")):
        assert spelling not in everything
    assert hashlib.sha256(secret).hexdigest() in everything


def test_a_repeat_with_the_same_key_returns_the_same_link(world: World, user: str) -> None:
    job_id = a_story(world, user)
    body = {"expiresInDays": 3}

    first = share(world, job_id, user, body, key="k")
    again = share(world, job_id, user, body, key="k")
    forget_responses(world)
    late = share(world, job_id, user, body, key="k")
    other = share(world, job_id, user, {"expiresInDays": 4}, key="k")
    forget_responses(world)
    later = share(world, job_id, user, {"expiresInDays": 4}, key="k")

    assert first.body == again.body == late.body
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    for response in (other, later):
        assert (response.status, response.body["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert (
        len(
            [
                i
                for i in world.scan("jobs")
                if i["pk"]["S"] == f"{job_id}#side" and "share#" in i["sk"]["S"]
            ]
        )
        == 1
    )


def test_the_same_key_makes_another_link_for_another_account_or_job(world: World) -> None:
    alice, bob = a_user(), a_user()
    jobs = [(a_story(world, alice), alice), (a_story(world, alice, key="2"), alice),
            (a_story(world, bob), bob)]  # fmt: skip

    tokens = {share(world, job_id, user, key="k").body["token"][-22:] for job_id, user in jobs}

    assert len(tokens) == 3


def test_a_link_expires_after_its_days(world: World, user: str) -> None:
    job_id = a_story(world, user)
    made = share(world, job_id, user, {"expiresInDays": 1}).body
    lasting = share(world, job_id, user).body["token"]

    world.clock.move(hours=23, minutes=59)
    assert open_link(world, made["token"]).status == 200
    world.clock.move(minutes=1)
    assert made["expiresAt"] == world.clock.now().isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert_missing(open_link(world, made["token"]))
    assert open_link(world, lasting).status == 200


def test_all_links_of_a_job_are_revoked_at_once_and_for_good(world: World, user: str) -> None:
    job_id, other = a_story(world, user), a_story(world, user, key="other")
    tokens = [share(world, job_id, user, key=key).body["token"] for key in ("a", "b")]
    kept = share(world, other, user).body["token"]

    assert [unshare(world, job_id, user).status for _ in range(2)] == [204, 204]

    forget_responses(world)
    share(world, job_id, user, key="a")
    for token in tokens:
        assert_missing(open_link(world, token))
    assert open_link(world, kept).status == 200
    assert open_link(world, share(world, job_id, user, key="c").body["token"]).status == 200


def test_links_of_a_deleted_job_are_missing(world: World, user: str) -> None:
    job_id = a_story(world, user)
    token = share(world, job_id, user).body["token"]

    assert delete_job(world, job_id, user).status == 204
    assert_missing(open_link(world, token))
    world.drain()

    assert_missing(open_link(world, token))
    assert [item for item in world.scan("jobs") if item["pk"]["S"] == f"{job_id}#side"] == []


def test_only_jobs_with_outputs_can_be_shared(world: World, user: str) -> None:
    draft = a_draft(world, user)
    queued = confirm(world, user).body["jobId"]
    failed = a_story(world, user, key="f", failing=[f"kf_{number}" for number in (1, 2, 3)])
    partial = a_story(world, user, key="p", mode="quick")

    for job_id in (draft, queued, failed):
        response = share(world, job_id, user)
        assert (response.status, response.body["code"]) == (409, "JOB_NOT_FINAL")
    assert share(world, partial, user).status == 201


def test_a_stranger_neither_shares_nor_revokes(world: World, user: str) -> None:
    job_id = a_story(world, user)
    token = share(world, job_id, user).body["token"]

    for act in (share, unshare):
        assert act(world, job_id, None).status == 401
        for wanted in (job_id, JOB_ID, "nonsense"):
            assert_missing(act(world, wanted, a_user()))
    assert open_link(world, token).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"expiresInDays": 0},
        {"expiresInDays": 366},
        {"expiresInDays": "1"},
        {"expiresInDays": True},
        {"expiresInDays": 1.5},
        {"days": 1},
        [],
    ],
)
def test_an_invalid_share_is_refused(body: Any, world: World, user: str) -> None:
    response = share(world, JOB_ID, user, body)

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_every_invalid_link_is_404(world: World, user: str) -> None:
    job_id = a_story(world, user)
    token = share(world, job_id, user).body["token"]
    parsed = from_token(token)
    assert parsed is not None
    guessed = bytes(16)
    wrong = [
        to_token(job_id, guessed),
        to_token(JOB_ID, parsed[1]),
        token[:-1],
        token + "A",
        token + "=",
        token[:-1] + ("B" if token[-1] != "B" else "C"),
        "nonsense",
        "%ED%95%9C",
        "a" * 2000,
        "..%2F..",
        job_id,
    ]

    bodies = [open_link(world, text) for text in wrong]

    for response in bodies:
        assert_missing(response)
    assert len({json.dumps(response.body) for response in bodies}) == 1


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**128 - 1))
def test_a_token_decodes_to_its_job_and_secret(secret: bytes, number: int) -> None:
    job_id = id_from_bytes("job", number.to_bytes(16, "big"))

    assert from_token(to_token(job_id, secret)) == (job_id, secret)
