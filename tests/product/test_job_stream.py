"""Live updates: their events, who receives them, and that each change is sent once."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpx_sse import EventSource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

from darkroom.adapters.identity import TokenVerifier
from darkroom.db import commit
from darkroom.jobs import engine
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import change_key
from darkroom.jobs.model import Job, JobFamily
from darkroom.kernel.errors import Unavailable
from darkroom.kernel.limits import (
    KEYS_AGAIN_SECONDS,
    KEYS_SECONDS,
    STREAM_ID_LIMIT_CHARS,
    STREAM_KNOWN_LIMIT,
    STREAM_LATE_SECONDS,
    STREAM_RETRY_MS,
    STREAM_TICKET_SECONDS,
)
from darkroom.kernel.signing import sign
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.views import job_changes
from darkroom.views.job_changes import Position, read_position
from tests.support.builders import a_draft, a_queued_job, a_story, confirm, finish, running
from tests.support.world import START, Response, World

STREAM = "/api/jobs/stream"
ISSUER = "https://issuer.example/pool"
CLIENT = "client-1"
POLLS_LIMIT = 50


# A client


@dataclass
class Client:
    """An EventSource without delays: reconnects with the id of its last event."""

    world: World
    user: str = "alice"
    last_id: str = ""
    retry_ms: int = 0

    def __post_init__(self) -> None:
        self.ticket = a_ticket(self.world, self.user)

    def poll(self) -> list[dict[str, Any]]:
        sent = {"last-event-id": self.last_id} if self.last_id else {}
        return self.read(ask(self.world, ticket=self.ticket, headers=sent))

    def read(self, response: Response) -> list[dict[str, Any]]:
        assert response.status == 200, response.body
        events = []
        for event in parsed(response):
            self.last_id = event.id
            self.retry_ms = event.retry or self.retry_ms
            if event.data:
                assert event.event == "job"
                events.append({"id": int(event.id), **json.loads(event.data)})
        return events

    def drain(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        for _ in range(POLLS_LIMIT):
            polled = self.poll()
            if not polled:
                return events
            events += polled
        raise AssertionError("the same events are sent again and again")


def a_ticket(world: World, user: str = "alice") -> str:
    return world.call("POST", "/api/jobs/stream-ticket", user=user).body["ticket"]


def ask(
    world: World, *, ticket: str | None = None, headers: Any = None, query: str = ""
) -> Response:
    path = STREAM + (f"?ticket={ticket}" if ticket is not None else "") + query
    return world.call("GET", path, user=None, headers=headers)


def parsed(response: Response) -> list[Any]:
    content_type = {"content-type": response.headers["content-type"]}
    stream = httpx.Response(200, headers=content_type, text=response.body)
    return list(EventSource(stream).iter_sse())


def named(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["jobId"], event["status"]) for event in events]


def start(world: World, job_id: str) -> None:
    """A worker has claimed the first task."""
    plan_job(world.app, job_id)
    now = world.clock.now()
    advance(world.app, job_id, lambda family: engine.begin(running(family, "kf_1"), now))


def cancel(world: World, job_id: str) -> None:
    cancel_job(world.app, account_id="alice", job_id=job_id)


def store_job(world: World, number: int, *, at: datetime = START, **changes: Any) -> Job:
    """A queued job of alice's, written directly."""
    job = a_queued_job(job_id=world.app.ids.new("job"), created_at=at, updated_at=at, **changes)
    commit(jobs_store.create_writes(job, operation=f"arranged-{number}"))
    return job


# Events


def test_a_new_client_receives_only_the_unfinished_jobs(world: World) -> None:
    a_draft(world)
    a_story(world, key="ended")
    queued = confirm(world, mode="quick", key="q").body["jobId"]
    running = confirm(world, mode="quick", key="r").body["jobId"]
    start(world, running)
    client = Client(world)

    events = client.poll()

    assert sorted(named(events)) == sorted([(queued, "queued"), (running, "running")])
    assert client.retry_ms == STREAM_RETRY_MS
    assert client.poll() == []


def test_an_event_has_progress_and_time(world: World) -> None:
    job_id = confirm(world).body["jobId"]
    client = Client(world)
    client.poll()
    world.clock.move(seconds=5)

    finish(world, job_id)

    (event,) = client.poll()
    del event["id"]
    assert event == {
        "jobId": job_id,
        "status": "succeeded",
        "progress": {"completed": 7, "failed": 0, "total": 7, "percent": 100},
        "updatedAt": "2026-01-05T09:00:05.000Z",
    }


def test_each_change_is_sent_once_with_increasing_ids(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    plan_job(world.app, job_id)
    client = Client(world)
    events = client.poll()

    for step in (start, cancel):
        world.clock.move(seconds=3)
        step(world, job_id)
        events += client.poll() + client.poll()

    assert named(events) == [(job_id, "queued"), (job_id, "running"), (job_id, "canceling")]
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))


def test_changes_of_a_job_in_the_same_millisecond_are_sent_one_by_one(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    plan_job(world.app, job_id)
    client = Client(world)
    events = client.poll()

    start(world, job_id)
    events += client.poll()
    cancel(world, job_id)
    events += client.poll()

    assert [status for _, status in named(events)] == ["queued", "running", "canceling"]


def test_a_client_can_resume_from_the_plain_id_of_an_event(world: World) -> None:
    client = Client(world)
    client.poll()
    jobs = []
    for number in range(3):
        world.clock.move(seconds=1)
        jobs.append(store_job(world, number, at=world.clock.now()).job_id)
    seen = client.poll()

    header = ask(world, ticket=client.ticket, headers={"last-event-id": str(seen[0]["id"])})
    query = ask(world, ticket=client.ticket, query=f"&lastEventId={seen[1]['id']}")

    assert [event["jobId"] for event in Client(world).read(header)] == jobs[1:]
    assert [event["jobId"] for event in Client(world).read(query)] == jobs[2:]


def test_two_jobs_with_the_same_change_key_are_both_sent(world: World) -> None:
    client = Client(world)
    client.poll()
    first = store_job(world, 1)
    events = client.poll()
    second = store_job(world, 2)
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["jobs"],
        Key={"pk": {"S": second.job_id}, "sk": {"S": "job"}},
        UpdateExpression="SET changedAt = :same",
        ExpressionAttributeValues={":same": {"N": str(change_key(first))}},
    )

    events += client.poll() + client.poll()

    assert [event["jobId"] for event in events] == [first.job_id, second.job_id]
    assert events[0]["id"] < events[1]["id"]


def test_resuming_from_a_plain_id_repeats_no_event(world: World) -> None:
    client = Client(world)
    client.poll()
    store_job(world, 1, at=START + timedelta(seconds=1))
    plain = str(client.poll()[-1]["id"])
    client = Client(world, last_id=plain)
    assert client.poll() == []
    fresh = store_job(world, 2, at=START + timedelta(seconds=2))

    events = client.poll() + client.poll()

    assert [event["jobId"] for event in events] == [fresh.job_id]


def test_a_change_that_becomes_visible_late_is_sent_once(world: World) -> None:
    client = Client(world)
    client.poll()
    world.clock.move(seconds=30)
    early = store_job(world, 1, at=world.clock.now())
    events = client.poll()

    late = store_job(world, 2, at=world.clock.now() - timedelta(seconds=20))
    events += client.poll() + client.poll()

    assert [event["jobId"] for event in events] == [early.job_id, late.job_id]
    assert events[0]["id"] < events[1]["id"]


def test_a_new_client_misses_no_change_that_becomes_visible_late(world: World) -> None:
    client = Client(world)
    client.poll()

    late = store_job(world, 1, at=START - timedelta(seconds=STREAM_LATE_SECONDS - 1))

    assert [event["jobId"] for event in client.poll()] == [late.job_id]


def test_a_new_client_receives_no_job_that_has_ended(world: World) -> None:
    a_story(world)
    client = Client(world)

    assert client.poll() + client.poll() == []


def test_responses_are_bounded_and_together_complete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_changes, "STREAM_EVENTS_LIMIT", 20)
    monkeypatch.setattr(job_changes, "STREAM_KNOWN_LIMIT", 8)
    client = Client(world)
    client.poll()
    total = 47
    jobs = [
        store_job(world, n, at=START + timedelta(milliseconds=n + 1)).job_id for n in range(total)
    ]

    first = client.poll()
    rest = client.drain()

    assert len(first) == 20
    assert [event["jobId"] for event in first + rest] == jobs
    assert client.last_id.count(".") == 8


def test_an_id_is_short_enough_for_a_header() -> None:
    at = 2 * 10**15
    floor = at - job_changes._LATE
    known = (job_changes._last_mark(floor + 1),) * STREAM_KNOWN_LIMIT
    position = Position(at=at, floor=floor, known=known)

    assert len(str(position)) < STREAM_ID_LIMIT_CHARS


def test_a_deleted_job_is_not_sent(world: World) -> None:
    job_id = a_story(world)
    world.call("DELETE", f"/api/jobs/{job_id}")

    assert Client(world, last_id="1").poll() == []
    assert "changedAt" not in str(world.scan("jobs"))


def test_an_invalid_last_event_id_is_ignored(world: World) -> None:
    queued = confirm(world, mode="quick").body["jobId"]
    world.clock.move(seconds=1)
    ticket = a_ticket(world)
    bad = ["", "x", "-1", "1.5", "1" * 18, "١٢٣", "12:", "12:zz..", "12:" + "a" * 13]
    tomorrow = world.clock.now() + timedelta(days=1)
    bad += [str(int(tomorrow.timestamp() * 10**6)), "1:" * 2000]

    for text in bad:
        response = ask(world, ticket=ticket, headers={"last-event-id": text})
        assert named(Client(world).read(response)) == [(queued, "queued")], text


@given(
    at=st.integers(10**15, 2 * 10**15),
    behind=st.integers(0, 10**8),
    distances=st.lists(st.integers(0, 10**12), max_size=STREAM_KNOWN_LIMIT),
)
def test_a_position_is_parsed_as_it_was_formatted(
    at: int, behind: int, distances: list[int]
) -> None:
    last = job_changes._last_mark(at)
    known = () if not behind else tuple(sorted(last - distance for distance in distances))
    position = Position(at=at, floor=at - behind, known=known)

    assert read_position(str(position), datetime.fromtimestamp(2 * 10**9).astimezone()) == position


def test_ids_that_were_issued_before_stay_valid() -> None:
    now = datetime.fromtimestamp(2 * 10**9).astimezone()
    at = 1767607200123456
    full = Position(at=at, floor=at - 60_000_000, known=(at * 46656 + 46655 - 4711, at * 46656))

    assert read_position("1767607200123456", now) == Position(at=at, floor=at)
    assert read_position("1767607200123456:zq0ao.3mv.zzz", now) == full
    assert str(full) == "1767607200123456:zq0ao.3mv.zzz"


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 3)),
        st.tuples(st.just("late"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 900, 40_000])),
        st.tuples(st.just("poll"), st.just(0)),
    ),
    max_size=25,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_the_last_state_of_every_job_is_sent_and_no_state_twice(
    world: World, steps: list[Step]
) -> None:
    """Changes may be stamped up to a minute before they become visible to reads."""
    user = world.app.ids.new("usr")
    client = Client(world, user)
    events = client.poll()
    current: dict[int, Job] = {}

    for name, number in steps:
        if name == "wait":
            world.clock.move(milliseconds=number)
        elif name == "poll":
            events += client.poll()
        else:
            lag = timedelta(seconds=19 if name == "late" else 0)
            current[number] = change(world, user, current.get(number), world.clock.now() - lag)
    events += client.drain()

    seen = [(event["jobId"], event["progress"]["completed"]) for event in events]
    assert len(set(seen)) == len(seen)
    for job in current.values():
        assert (job.job_id, job.progress.completed) in seen
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))


_serial = count(1)


def change(world: World, user: str, job: Job | None, at: datetime) -> Job:
    """Another state of the job, stamped as of ``at``; its number of completed tasks names it."""
    if job is None:
        made = a_queued_job(
            job_id=world.app.ids.new("job"), account_id=user, created_at=at, updated_at=at
        )
        made = replace(made, progress=replace(made.progress, completed=next(_serial), total=9999))
        commit(jobs_store.create_writes(made, operation="arranged"))
        return made
    after = replace(job, updated_at=at, progress=replace(job.progress, completed=next(_serial)))
    commit(jobs_store.family_writes(JobFamily(job=job), JobFamily(job=after), operation="arranged"))
    return replace(after, version=job.version + 1)


# Who receives events


def test_the_stream_needs_a_token_or_a_ticket(world: World) -> None:
    response = ask(world)

    assert (response.status, response.body["code"]) == (401, "UNAUTHORIZED")
    assert world.call("POST", "/api/jobs/stream-ticket", user=None).status == 401


def test_claims_without_an_authorizer_are_ignored(world: World) -> None:
    assert world.call("GET", STREAM, user="alice").status == 401


def test_jobs_of_another_account_are_not_sent(world: World) -> None:
    confirm(world, mode="quick")

    assert Client(world, "bob").poll() == []


def test_a_ticket_expires_after_ten_minutes(world: World) -> None:
    response = world.call("POST", "/api/jobs/stream-ticket")

    assert response.status == 200
    assert response.body["expiresAt"] == "2026-01-05T09:10:00.000Z"
    world.clock.move(seconds=STREAM_TICKET_SECONDS - 1)
    assert ask(world, ticket=response.body["ticket"]).status == 200
    world.clock.move(seconds=1)
    assert ask(world, ticket=response.body["ticket"]).status == 401


def test_a_forged_ticket_is_refused(world: World) -> None:
    ticket = a_ticket(world)
    secret = world.app.signing_secret.value
    grant = {"account": "alice", "until": 10**12}

    for forged in (
        "",
        "x",
        ticket[:-2],
        ("a" if ticket[0] != "a" else "b") + ticket[1:],
        sign(secret, "cursor|/api/jobs|alice|", grant),
        sign(b"another secret", "stream-ticket", grant),
    ):
        response = ask(world, ticket=forged)
        assert (response.status, response.body["code"]) == (401, "UNAUTHORIZED")


def test_headers_forbid_caching_and_buffering(world: World) -> None:
    headers = ask(world, ticket=a_ticket(world)).headers

    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"


# Bearer tokens


class Issuer:
    """A foreign OpenID provider: signs tokens and publishes its keys."""

    def __init__(self) -> None:
        self.keys = {"k1": a_key()}
        self.requested: list[str] = []
        self.is_away = False

    def rotate(self, name: str) -> None:
        self.keys[name] = a_key()

    def token(self, clock_now: datetime, *, key_id: str = "k1", **changes: Any) -> str:
        claims = {
            "iss": ISSUER,
            "sub": "alice",
            "client_id": CLIENT,
            "token_use": "access",
            "exp": int(clock_now.timestamp()) + 3600,
            **changes,
        }
        return jwt.encode(claims, self.keys[key_id], algorithm="RS256", headers={"kid": key_id})

    def fetch(self, url: str) -> Any:
        self.requested.append(url)
        if self.is_away:
            raise Unavailable("away")
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"}
        assert url == "https://keys.example/jwks"
        return {"keys": [{"kty": "EC", "kid": "ec"}, *map(self.public, self.keys)]}

    def public(self, name: str) -> dict[str, Any]:
        shown = RSAAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        return {**shown, "kid": name, "alg": "RS256", "use": "sig"}


def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def issuer(world: World) -> Issuer:
    """The world accepts the tokens of this issuer."""
    issuer = Issuer()
    world.app = replace(
        world.app,
        settings=replace(world.settings, jwt_issuer=ISSUER, jwt_audience=CLIENT),
        tokens=TokenVerifier(ISSUER, clock=world.clock, fetch=issuer.fetch),
    )
    world.use_gateway(None)
    return issuer


def open_stream(world: World, token: str) -> Response:
    return ask(world, headers={"authorization": f"Bearer {token}"})


def test_a_bearer_token_opens_the_stream_of_its_account(world: World, issuer: Issuer) -> None:
    job = store_job(world, 1)

    mine = open_stream(world, issuer.token(world.clock.now()))
    hers = open_stream(world, issuer.token(world.clock.now(), sub="bob"))

    reader = object.__new__(Client)
    reader.retry_ms = 0
    assert named(reader.read(mine)) == [(job.job_id, "queued")]
    assert reader.read(hers) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"client_id": "client-2"},
        {"aud": "client-2"},
        {"token_use": "id"},
        {"exp": int(START.timestamp())},
        {"exp": "soon"},
        {"sub": ""},
    ],
    ids=str,
)
def test_a_token_for_something_else_is_refused(
    world: World, issuer: Issuer, changes: dict[str, Any]
) -> None:
    response = open_stream(world, issuer.token(world.clock.now(), **changes))

    assert (response.status, response.body["code"]) == (401, "UNAUTHORIZED")


def _unsigned(issuer: Issuer, claims: dict[str, Any]) -> str:
    no_key: Any = None
    return jwt.encode(claims, no_key, algorithm="none", headers={"kid": "k1"})


def _with_our_public_key_as_a_password(issuer: Issuer, claims: dict[str, Any]) -> str:
    # Made by hand: the library refuses to make such a token.
    password = (
        issuer.keys["k1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    header = {"alg": "HS256", "kid": "k1", "typ": "JWT"}
    signed = b".".join(base64url_encode(json.dumps(part).encode()) for part in (header, claims))
    seal = base64url_encode(hmac.digest(password, signed, "sha256"))
    return b".".join((signed, seal)).decode()


def _by_a_stranger(issuer: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, a_key(), algorithm="RS256", headers={"kid": "k1"})


def _with_another_hash(issuer: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, issuer.keys["k1"], algorithm="RS512", headers={"kid": "k1"})


def _without_a_key_id(issuer: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode(claims, issuer.keys["k1"], algorithm="RS256")


def _nonsense(issuer: Issuer, claims: dict[str, Any]) -> str:
    return "a.b.c"


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _with_our_public_key_as_a_password,
        _by_a_stranger,
        _with_another_hash,
        _without_a_key_id,
        _nonsense,
    ],
)
def test_only_a_signature_of_the_issuer_opens_the_stream(
    world: World, issuer: Issuer, forge: Callable[[Issuer, dict[str, Any]], str]
) -> None:
    good = jwt.decode(issuer.token(world.clock.now()), options={"verify_signature": False})

    assert open_stream(world, forge(issuer, good)).status == 401


def test_keys_are_cached_for_a_while(world: World, issuer: Issuer) -> None:
    for _ in range(3):
        assert open_stream(world, issuer.token(world.clock.now())).status == 200
    assert len(issuer.requested) == 2

    world.clock.move(seconds=KEYS_SECONDS)
    assert open_stream(world, issuer.token(world.clock.now())).status == 200
    assert len(issuer.requested) == 4


def test_a_new_key_is_fetched_but_unknown_keys_cause_no_further_requests(
    world: World, issuer: Issuer
) -> None:
    assert open_stream(world, issuer.token(world.clock.now())).status == 200
    issuer.rotate("k2")
    fresh = issuer.token(world.clock.now(), key_id="k2")

    assert open_stream(world, fresh).status == 401
    world.clock.move(seconds=KEYS_AGAIN_SECONDS)
    assert open_stream(world, fresh).status == 200
    requests_before = len(issuer.requested)
    stranger = jwt.encode({}, a_key(), algorithm="RS256", headers={"kid": "k9"})
    assert [open_stream(world, stranger).status for _ in range(3)] == [401] * 3
    assert len(issuer.requested) == requests_before


def test_an_unavailable_issuer_affects_only_tokens_with_unknown_keys(
    world: World, issuer: Issuer
) -> None:
    token = issuer.token(world.clock.now())
    issuer.is_away = True
    assert open_stream(world, token).status == 503

    issuer.is_away = False
    assert open_stream(world, token).status == 200
    issuer.is_away = True
    world.clock.move(seconds=KEYS_SECONDS - 1)
    assert open_stream(world, issuer.token(world.clock.now())).status == 200
    world.clock.move(seconds=1)
    assert open_stream(world, issuer.token(world.clock.now())).status == 200


def test_unknown_keys_cause_no_further_requests_to_an_unavailable_issuer(
    world: World, issuer: Issuer
) -> None:
    assert open_stream(world, issuer.token(world.clock.now())).status == 200
    world.clock.move(seconds=KEYS_AGAIN_SECONDS)
    issuer.is_away = True
    requests_before = len(issuer.requested)
    stranger = jwt.encode({}, a_key(), algorithm="RS256", headers={"kid": "k9"})

    assert [open_stream(world, stranger).status for _ in range(3)] == [503, 401, 401]

    assert len(issuer.requested) == requests_before + 1


@pytest.mark.parametrize("nonsense", [{}, [], {"keys": 1}, {"keys": [{"kty": "RSA", "kid": "k1"}]}])
def test_an_invalid_response_of_the_issuer_is_an_outage(
    world: World, issuer: Issuer, nonsense: Any
) -> None:
    token, fetch = issuer.token(world.clock.now()), issuer.fetch
    verifier = TokenVerifier(
        ISSUER,
        clock=world.clock,
        fetch=lambda url: nonsense if url.endswith("jwks") else fetch(url),
    )
    world.app = replace(world.app, tokens=verifier)
    world.use_gateway(None)

    assert open_stream(world, token).status == 503


def test_without_an_issuer_no_token_is_accepted(world: World) -> None:
    token = Issuer().token(world.clock.now())

    assert open_stream(world, token).status == 401


# The change key of a job


def test_the_change_key_increases_with_time_and_within_a_millisecond() -> None:
    job = a_queued_job()
    keys = [change_key(replace(job, version=version)) for version in range(1, 900)]
    later = change_key(replace(job, updated_at=job.updated_at + timedelta(milliseconds=1)))

    assert len(set(keys)) == len(keys)
    assert {key // 1000 for key in keys} == {later // 1000 - 1}


def test_a_job_of_an_earlier_version_is_sent_with_its_next_change(world: World) -> None:
    job = store_job(world, 1, credits=0)
    table = world.settings.tables["jobs"]
    world.client("dynamodb").update_item(
        TableName=table,
        Key={"pk": {"S": job.job_id}, "sk": {"S": "job"}},
        UpdateExpression="REMOVE changedAt",
    )
    client = Client(world)
    assert client.poll() == []

    cancel(world, job.job_id)

    assert named(client.poll()) == [(job.job_id, "canceled")]
