"""Edge cases of HTTP: HEAD, conditional reads, extreme dates, invalid tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from darkroom.api.auth import trusted_account
from darkroom.kernel.errors import Unauthorized
from darkroom.kernel.limits import CLOCK_LEEWAY_SECONDS
from tests.support.builders import (
    a_photo,
    a_reference_photo,
    a_story,
    a_user,
    an_asset,
    claims_of,
)
from tests.support.moto_world import moto_world
from tests.support.mounts import ROUTERS
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


READS = sorted(
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "GET" in (route.methods or ())
)


def a_full_account(world: World, user: str) -> dict[str, str]:
    """Create a resource for every route; return the ids by their names in paths."""
    job_id = a_story(world, user)
    share = world.call("POST", f"/api/jobs/{job_id}/share", user=user).body["token"]
    a_reference_photo(world, user)
    album = world.call("POST", "/api/albums", {"name": "Us"}, user=user).body["albumId"]
    world.call("GET", "/api/credits", user=user)
    world.call("GET", "/api/me", user=user)
    receiver = {"url": "https://example.com/", "events": ["*"]}
    endpoint = world.call("POST", "/api/webhook-endpoints", receiver, user=user).body["endpointId"]
    return {
        "endpointId": endpoint,
        "jobId": job_id,
        "token": share,
        "number": "7",
        "albumId": album,
        "assetId": an_asset(world, user),
        "accountId": user,
        "exportId": world.call("POST", "/api/account/export", user=user).body["exportId"],
    }


def test_every_get_route_supports_head_without_a_body(world: World, user: str) -> None:
    ids = a_full_account(world, user)
    assert len(READS) > 25

    for path in READS:
        place = path.format(**ids)
        if path == "/api/jobs/{jobId}/download":
            continue  # The files of this story were never written.
        if path == "/api/jobs/stream":
            ticket = world.call("POST", "/api/jobs/stream-ticket", user=user).body["ticket"]
            place = f"{path}?ticket={ticket}"
        if path == "/api/admin/events":
            place = f"{path}?name=job_done"
        got = world.call("GET", place, user=user, groups="admin")
        head = world.call("HEAD", place, user=user, groups="admin")

        assert got.status in (200, 302), (place, got.body)
        assert (head.status, head.body) == (got.status, ""), place
        assert head.headers["content-type" if got.status == 200 else "location"], place
        assert head.headers.get("content-length") == got.headers.get("content-length"), place


def test_head_of_a_missing_or_forbidden_resource_has_the_status_without_a_body(
    world: World,
) -> None:
    responses = [
        world.call("HEAD", "/api/jobs/none"),
        world.call("HEAD", "/api/jobs", user=None),
        world.call("HEAD", "/api/admin/audit"),
        world.call("HEAD", "/api/jobs/quote"),
    ]

    assert [response.status for response in responses[:3]] == [404, 401, 403]
    assert responses[3].status in (404, 405)
    assert all(response.body == "" for response in responses)


def test_a_star_etag_matches_only_an_existing_resource(world: World, user: str) -> None:
    job_id = a_story(world, user)
    any_tag = {"if-none-match": "*"}

    there = world.call("GET", f"/api/jobs/{job_id}", user=user, headers=any_tag)
    missing = world.call("GET", "/api/jobs/none", user=user, headers=any_tag)

    assert (there.status, there.body, missing.status) == (304, "", 404)
    assert there.headers["etag"]


@pytest.mark.parametrize(
    "moment",
    [
        "9999-12-31",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59%2B14:00",
        "0001-01-01",
        "0001-01-01T00:00:00%2B14:00",
        "0001-01-01T00:00:00-14:00",
        "10000-01-01",
        "0000-01-01",
    ],
)
def test_extreme_dates_are_accepted_or_refused(moment: str, world: World, user: str) -> None:
    for path in ("/api/jobs", "/api/jobs.csv"):
        for name in ("dateFrom", "dateTo"):
            for more in ("", "&search=us", "&sort=duration", "&status=draft", "&sort=oldest"):
                response = world.call("GET", f"{path}?{name}={moment}{more}", user=user)
                assert response.status in (200, 400), (path, name, more)
                if response.status == 400:
                    assert response.body["fields"][0]["code"] == "BAD_TIME"


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "x"])
def test_an_extreme_expiry_is_accepted_or_refused(moment: str, world: World, user: str) -> None:
    world.call("GET", "/api/credits", user=user)
    body = {"amount": 1, "reason": "gift", "expiresAt": moment}

    path = f"/api/admin/accounts/{user}/credits"
    response = world.call("POST", path, body, groups="admin", key=moment)

    assert response.status in (201, 400), response.body


@pytest.mark.parametrize(
    "sub",
    ["3f1c7b9a-8a54-4b7e-9b46-0d4c1a0f7f11", "auth0|5f7c8ec7c33c6c004bbafe82", "a.b+c@d.example",
     "google-oauth2|103547991597142817347", "x" * 128],
)  # fmt: skip
def test_an_account_id_is_the_subject_of_the_token(sub: str, world: World) -> None:
    assert trusted_account(world.app, claims_of(world, sub)) == sub


@pytest.mark.parametrize(
    "sub",
    ["", " ", "x" * 129, "x" * 5000, "../x", "a/b", "a\\b", "/", ".", "..", "a\n", "\x00", "a\x00b",
     "a b", "한글", "\ud800", "a#b", "a%2fb", "-x", None, 7, ["x"], {"x": "y"}],
)  # fmt: skip
def test_a_subject_that_is_not_a_plain_id_is_refused(sub: Any, world: World) -> None:
    with pytest.raises(Unauthorized):
        trusted_account(world.app, {**claims_of(world), "sub": sub})


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_refused(name: str, world: World) -> None:
    now = int(world.clock.now().timestamp())
    good = [now, str(now - 5), now + CLOCK_LEEWAY_SECONDS, 0]
    bad = [now + CLOCK_LEEWAY_SECONDS + 1, str(now + 3600), "soon", "nan", "inf", None, [], 10**400]

    for value in good:
        assert trusted_account(world.app, {**claims_of(world), name: value}) == "alice"
    for value in bad:
        with pytest.raises(Unauthorized):
            trusted_account(world.app, {**claims_of(world), name: value})


def test_reading_changes_nothing_except_wallets_and_view_counts(world: World, user: str) -> None:
    """The first read of an account opens its wallet; a read of a share counts a view."""
    ids = a_full_account(world, user)
    a_photo(world, user)
    world.drain()

    def stored() -> dict[str, list[str]]:
        return {
            name: sorted(json.dumps(item, sort_keys=True) for item in world.scan(name))
            for name in world.settings.tables
            if name != "events"
        }

    before = stored()
    for path in READS:
        for method in ("GET", "HEAD"):
            world.call(method, path.format(**ids), user=user, groups="admin")

    assert stored() == before


def test_a_wallet_is_opened_once_however_often_it_is_read(world: World, user: str) -> None:
    for method in ("HEAD", "GET", "GET"):
        world.call(method, "/api/credits", user=user)
        world.call(method, "/api/credits/transactions", user=user)
        world.call(method, "/api/generations", user=user)

    wallet = world.call("GET", "/api/credits", user=user).body
    assert (wallet["balance"], len(wallet["transactions"])) == (5, 1)
