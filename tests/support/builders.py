"""Builders of the data that tests need. They arrange and never assert."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, ReferencePhoto
from darkroom.bootstrap.composition import App
from darkroom.credits.model import (
    PURCHASE_PRIORITY,
    Change,
    EntryType,
    Grant,
    GrantSource,
    Reason,
    Wallet,
    add_grant,
)
from darkroom.db import commit
from darkroom.events.store import list_events
from darkroom.generation.ports import GenerationRequest
from darkroom.jobs import engine
from darkroom.jobs.model import Failure, Job, JobFamily, Output, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.ids import output_id
from darkroom.kernel.limits import MAX_OUTPUTS_PER_TASK
from darkroom.kernel.money import PricePart
from darkroom.kernel.object_keys import clean_key, output_key, owner_tag
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.operations.keep_dead_letter import DEAD_LETTERS
from tests.support.world import START, Response, World, http_response, made_of

JOB_ID = "job_01KE6P4YM0DW25PDBDE1K4KS00"
ASSET_ID = "ast_01KE6P4YM0DW25PDBDE1K4KS00"
REWRITE = {
    "rawText": "They meet again at the harbor.",
    "distanceMode": "close",
    "desiredEnding": "happy",
}


# Wallets


def a_grant(
    grant_id: str = "g",
    credits: int = 10,
    *,
    priority: int = PURCHASE_PRIORITY,
    created_at: datetime = START,
    expires_in: timedelta | None = None,
    source: GrantSource = "purchase",
) -> Grant:
    return Grant(
        grant_id=grant_id,
        source=source,
        remaining=credits,
        priority=priority,
        created_at=created_at,
        expires_at=None if expires_in is None else START + expires_in,
    )


def credited(wallet: Wallet, grant: Grant, now: datetime = START) -> Change:
    """The change of a wallet by a purchase with this grant."""
    reason = Reason(f"purchase#{grant.grant_id}", "purchase", grant.grant_id, "Credits purchased")
    return add_grant(wallet, grant, entry_type=EntryType.PURCHASE, reason=reason, now=now)


def a_wallet(*grants: Grant) -> Wallet:
    wallet = Wallet(account_id="alice")
    for grant in grants:
        wallet = credited(wallet, grant).wallet
    return wallet


# Families of jobs


def an_output(key: str, number: int = 1, **changes: Any) -> Output:
    output = Output(
        output_id=f"out_{number}",
        key=key,
        type="clip",
        mime_type="video/mp4",
        storage_key=f"outputs/{key}.mp4",
        size_bytes=1,
    )
    return replace(output, **changes)


def a_task(key: str, *needs: str, **changes: Any) -> Task:
    task = Task(
        job_id=JOB_ID,
        account_id="alice",
        key=key,
        kind=key.partition("_")[0],
        number=1,
        status=TaskStatus.BLOCKED,
        needs=needs,
    )
    return replace(task, **changes)


def a_queued_job(*, credits: int = 2, promised: Iterable[str] = ("clip_1",), **changes: Any) -> Job:
    job = Job(
        job_id=JOB_ID,
        account_id="alice",
        recipe="story",
        status=JobStatus.QUEUED,
        inputs={},
        created_at=START,
        updated_at=START,
        queued_at=START,
        price=(PricePart(name="base", credits=credits, promised=tuple(promised)),),
    )
    return replace(job, **changes)


def running(family: JobFamily, key: str, *, attempt: int = 1) -> JobFamily:
    """The family after a worker has claimed a ready task."""
    tasks = tuple(
        replace(task, status=TaskStatus.RUNNING, attempts=attempt, claim="c", started_at=START)
        if task.key == key
        else task
        for task in family.tasks
    )
    return replace(family, tasks=tasks)


# Data of a world

_numbers = itertools.count(1)


def a_user() -> str:
    """A new account: tests that share a world do not touch each other's data."""
    return f"user-{next(_numbers):04}"


def claims_of(world: World, user: str = "alice", **changes: Any) -> dict[str, Any]:
    """The claims of a valid access token, as the gateway passes them; None leaves one out."""
    expires = int(world.clock.now().timestamp()) + 3600
    good = {"sub": user, "token_use": "access", "exp": str(expires), "cognito:groups": ""}
    return {name: value for name, value in (good | changes).items() if value is not None}


def ask(
    app: App,
    method: str,
    path: str,
    body: Any = None,
    *,
    claims: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One request to the API of an ``App``, with any claims."""
    raw_path, _, query = path.partition("?")
    context: dict[str, Any] = {"http": {"method": method, "path": raw_path, "sourceIp": "::1"}}
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(claims)}}
    event = {
        "version": "2.0",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", **(headers or {})},
        "requestContext": context,
        "body": body if isinstance(body, str) or body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    response = http_response(app, event)
    return Response(response["statusCode"], response["headers"], json.loads(response["body"]))


def an_asset(
    world: World,
    user: str = "alice",
    *,
    status: AssetStatus = AssetStatus.UPLOADED,
    kind: str = "image",
    filename: str = "us.jpg",
    duration_ms: int | None = None,
) -> str:
    """An asset in any state, by default a picture; returns its id."""
    asset_id, now = world.app.ids.new(assets_store.ASSET_PREFIX), world.clock.now()
    mime_type, name = {
        "image": ("image/jpeg", "image.jpg"),
        "video": ("video/mp4", "media.mp4"),
        "audio": ("audio/mpeg", "media.mp3"),
    }[kind]
    is_usable = status is AssetStatus.UPLOADED
    asset = Asset(
        account_id=user,
        asset_id=asset_id,
        filename=filename,
        kind=kind,
        status=status,
        declared_mime_type=mime_type,
        declared_size_bytes=3,
        created_at=now,
        updated_at=now,
        duration_ms=duration_ms,
        clean_key=clean_key(user, asset_id, name) if is_usable else None,
        clean_mime_type=mime_type if is_usable else None,
    )
    commit([assets_store.create_write(asset, operation="arranged")])
    return asset_id


def owner_of(world: World, user: str = "alice") -> str:
    """The tag of the account in the keys of its new files."""
    return owner_tag(world.app.signing_secret.value, user)


def a_photo(world: World, user: str = "alice") -> str:
    """A checked photo with its clean copy; returns its id."""
    asset_id = an_asset(world, user)
    key = clean_key(user, asset_id, "image.jpg")
    world.app.storage.write(key, b"jpg", mime_type="image/jpeg")
    return asset_id


def a_recording(
    world: World, user: str = "alice", *, seconds: float = 61, filename: str = "talk.mp3"
) -> str:
    """A checked sound file with its clean copy; returns its id."""
    asset_id = an_asset(
        world, user, kind="audio", filename=filename, duration_ms=round(seconds * 1000)
    )
    key = clean_key(user, asset_id, "media.mp3")
    world.app.storage.write(key, b"mp3", mime_type="audio/mpeg")
    return asset_id


def a_reference_photo(world: World, user: str = "alice", *, role: str = "self") -> str:
    """An active reference photo of a checked picture; returns its id."""
    asset_id = a_photo(world, user)
    photo = ReferencePhoto(
        account_id=user,
        reference_photo_id=world.app.ids.new(reference_store.REFERENCE_PREFIX),
        asset_id=asset_id,
        role=role,
        is_active=True,
        created_at=world.clock.now(),
        clean_key=clean_key(user, asset_id, "image.jpg"),
        mime_type="image/jpeg",
    )
    commit([reference_store.create_write(photo, operation="arranged")])
    return photo.reference_photo_id


def scene_inputs(*photos: str, **changes: Any) -> dict[str, Any]:
    """Inputs of a story with these photos; a change to None leaves the field out."""
    given = {"photoAssetIds": list(photos or (ASSET_ID,)), "stage": "spark", "genre": "romance"}
    return {name: value for name, value in (given | changes).items() if value is not None}


def confirm(
    world: World,
    user: str = "alice",
    *,
    mode: str = "story",
    key: str | None = "confirm",
    photo: str | None = None,
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> Response:
    """One confirm without a draft."""
    inputs = scene_inputs(photo or a_photo(world, user), **changes)
    body = {"mode": mode, **inputs}
    return world.call("POST", "/api/jobs/confirm", body, user=user, key=key, headers=headers)


def finish(world: World, job_id: str, *, failing: Iterable[str] = ()) -> None:
    """Finish a queued job in two commits, as if workers had run every task that can run.

    The files are not written: a test that needs them drains the world instead.
    """
    plan_job(world.app, job_id)

    def step(family: JobFamily) -> JobFamily:
        while not family.job.is_final:
            task = next(task for task in family.tasks if task.status is TaskStatus.READY)
            family, now = running(family, task.key), world.clock.now()
            if task.key in failing:
                broken = Failure(code="UNDELIVERABLE", message="It broke.")
                family = engine.fail(family, task.key, broken, now)
            else:
                family = engine.succeed(family, task.key, [_made(task)], now)
        return family

    advance(world.app, job_id, step)


def _made(task: Task) -> Output:
    type_, mime_type, suffix = made_of(task.kind, task.params)
    key = output_key(task.owner, task.job_id, key=task.key, attempt=1, suffix=suffix)
    return an_output(
        task.key,
        output_id=output_id(task.job_id, (task.number - 1) * MAX_OUTPUTS_PER_TASK + 1),
        type=type_,
        mime_type=mime_type,
        storage_key=key,
    )


def a_story(
    world: World, user: str = "alice", *, failing: Iterable[str] = (), **changes: Any
) -> str:
    """A story that has ended; returns its job id."""
    response = confirm(world, user, **changes)
    if response.status != 202:
        raise AssertionError(response.body)
    finish(world, response.body["jobId"], failing=failing)
    return response.body["jobId"]


def buy(world: World, credits: int, user: str = "alice", *, key: str = "buy") -> Response:
    return world.call("POST", "/api/credits/purchase", {"amount": credits}, user=user, key=key)


def a_job(world: World, job_id: str, user: str = "alice") -> dict[str, Any]:
    return world.call("GET", f"/api/jobs/{job_id}", user=user).body


def a_balance(world: World, user: str = "alice") -> tuple[int, int]:
    """The account's balance and what its jobs hold."""
    wallet = world.call("GET", "/api/credits", user=user).body
    return wallet["balance"], wallet["held"]


def statuses(job: Mapping[str, Any]) -> dict[str, str]:
    return {task["key"]: task["status"] for task in job["tasks"]}


def a_draft(
    world: World,
    user: str = "alice",
    *,
    recipe: str = "story",
    key: str | None = None,
    **inputs: Any,
) -> str:
    """A draft; returns its job id."""
    given = scene_inputs(a_photo(world, user), **inputs)
    body = {"recipe": recipe, "inputs": given, "status": "draft"}
    response = world.call("POST", "/api/jobs", body, user=user, key=key)
    if response.status != 201:
        raise AssertionError(response.body)
    return response.body["jobs"][0]["jobId"]


def regenerate(
    world: World, job_id: str, user: str = "alice", *, key: str = "again", **body: Any
) -> Response:
    sent = body or {"target": "story_clip", "clipNo": 2}
    return world.call("POST", f"/api/jobs/{job_id}/regenerate", sent, user=user, key=key)


def cancel(
    world: World, job_id: str, user: str | None = "alice", *, key: str | None = None
) -> Response:
    return world.call("POST", f"/api/jobs/{job_id}/cancel", user=user, key=key)


def delete_job(
    world: World, job_id: str, user: str | None = "alice", *, query: str = ""
) -> Response:
    return world.call("DELETE", f"/api/jobs/{job_id}{query}", user=user)


def everything_of(world: World, user: str) -> list[dict[str, Any]]:
    """The account's wallet, ledger, purchases and jobs, as they are stored."""
    indexes = {"wallets": None, "ledger": None, "purchases": None, "jobs": "byAccount"}
    found = []
    for table, index in indexes.items():
        response = world.client("dynamodb").query(
            TableName=world.settings.tables[table],
            KeyConditionExpression="accountId = :account",
            ExpressionAttributeValues={":account": {"S": user}},
            **({"IndexName": index} if index else {"ConsistentRead": True}),
        )
        found += response["Items"]
    return found


def events_of(world: World, entity_id: str) -> list[str]:
    """Names of an entity's events, oldest first."""
    return [event.name for event in list_events(entity_id)]


def forget_responses(world: World) -> None:
    """Delete every stored response, as their time to live does after a day."""
    table = world.settings.tables["idempotency"]
    for item in world.scan("idempotency"):
        world.client("dynamodb").delete_item(TableName=table, Key={"key": item["key"]})


def refuse_key(world: World, key: str, error: Exception) -> None:
    """Let the provider fail every request for this key."""

    def refuse(request: GenerationRequest) -> None:
        if request.key == key:
            raise error

    world.studio.refuse = refuse


# The cloud's side

Record = dict[str, Any]


def a_message(body: Any) -> Record:
    """A queue record as SQS hands it to a function."""
    text = body if isinstance(body, str) else json.dumps(body)
    arn = "arn:aws:sqs:us-east-1:000000000000:studio"
    return {"body": text, "messageId": "m-1", "eventSourceARN": arn}


def a_task_message(job_id: str, key: str, *, attempt: int = 1) -> Record:
    return a_message({"schemaVersion": 1, "jobId": job_id, "key": key, "attempt": attempt})


def stream_records(world: World) -> list[Record]:
    """Take the stream records since the last read: the caller delivers or drops them."""
    return [record for batch in world.take_changes() for record in batch]


def lose_messages(world: World) -> None:
    """Delete every message in the studio's queue."""
    sqs, url = world.client("sqs"), world.settings.studio_queue_url
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def waiting_messages(world: World) -> list[tuple[str, int]]:
    """(key, attempt) of each message in the studio's queue, sorted."""
    response = world.client("sqs").receive_message(
        QueueUrl=world.settings.studio_queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    bodies = [json.loads(message["Body"]) for message in response.get("Messages", [])]
    return sorted((body["key"], body["attempt"]) for body in bodies)


def a_picture(world: World) -> dict[str, list[str]]:
    """All tables, byte for byte, except the dead letters that are stored for operators."""
    tables = ("wallets", "ledger", "jobs", "assets", "events", "templates", "purchases")
    return {
        name: sorted(
            json.dumps(item, sort_keys=True)
            for item in world.scan(name)
            if item.get("entityId") != {"S": DEAD_LETTERS}
        )
        for name in tables
    }
