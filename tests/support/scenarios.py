"""The use cases whose crash points are taken: how each is arranged, and who acts in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus
from darkroom.db import commit
from darkroom.generation.ports import (
    GenerationRequest,
    PermanentProviderError,
    TransientProviderError,
)
from darkroom.payments import store as payments_store
from darkroom.payments.ports import MoneyBack
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.run_task import Hung
from darkroom.workers.tasks import handle_task_message
from tests.support.crash import (
    Actor,
    Client,
    Message,
    Scenario,
    Scene,
    Schedule,
    Stream,
    deliver_until_done,
    find_message,
    queue_of,
    record_of,
    remove_message,
    run_to_completion,
    settle,
    sweep,
)
from tests.support.gateway import FakeGateway
from tests.support.world import World

USER = "alice"
STORY = {"mode": "story", "stage": "spark", "genre": "romance"}
REWRITE = {
    "rawText": "They meet again at the station, years later, and neither looks away.",
    "distanceMode": "close",
    "desiredEnding": "happy",
}
PURCHASE_OF_7 = {
    "method": "POST",
    "path": "/api/credits/purchase",
    "body": {"amount": 7},
    "key": "bought",
}
LEASE_SECONDS = 300
JOB_HOURS = 6
CLIENTS = (Client(), Client(late=True))
# Whether it is paid in the response depends on when the response comes.
BUYERS = tuple(
    Client(late=late, outcome=lambda status, body: (status, body.get("checkoutUrl")))
    for late in (False, True)
)
# The state of the decision in the response depends on the gateway's own response.
DECIDED = tuple(
    Client(late=late, outcome=lambda status, body: (status, "decisions" in body))
    for late in (False, True)
)
STREAMS = (Stream(), Stream(lost=True), Stream(late=True))
MESSAGES = (Message(), Message(lost=True))

Refusal = Callable[[GenerationRequest], None]


# Steps of arrangements


def upload_photo(scene: Scene) -> None:
    """A photo that has been checked, as ingest leaves it."""
    app, now = scene.world.app, scene.world.clock.now()
    asset_id = app.ids.new("ast")
    photo = Asset(
        account_id=USER,
        asset_id=asset_id,
        filename="a.jpg",
        kind="image",
        status=AssetStatus.UPLOADED,
        declared_mime_type="image/jpeg",
        declared_size_bytes=3,
        created_at=now,
        updated_at=now,
    )
    commit([assets_store.create_write(photo, operation=app.ids.token())])
    key = f"clean/{USER}/{asset_id}/image.jpg"
    app.storage.write(key, b"jpg", mime_type="image/jpeg")
    scene.facts["photo"] = asset_id
    settle(scene)


def open_account(scene: Scene) -> None:
    """The first request of the account, which opens its wallet."""
    scene.world.call("GET", "/api/credits", user=USER)


def expect(scene: Scene, status: int, **request: Any) -> Any:
    response = scene.world.call(user=USER, **request)
    if response.status != status:
        scene.add_failure(f"{request['path']} returned {response.status} {response.body}")
    return response.body


def story_request(scene: Scene, key: str, **more: Any) -> dict[str, Any]:
    body = {**STORY, "photoAssetIds": [scene.facts["photo"]], **more}
    return {"method": "POST", "path": "/api/jobs/confirm", "body": body, "key": key}


def ask(scene: Scene, method: str, path: str, body: Any = None, key: str | None = None) -> None:
    """Set the request that the client of this scenario sends."""
    request = {"method": method, "path": path, "body": body, "key": key, "user": USER}
    scene.facts["request"] = request


def confirm_story(scene: Scene, key: str = "arranged", **more: Any) -> str:
    """An account with a photo and a confirmed story that is not planned yet."""
    if "photo" not in scene.facts:
        open_account(scene)
        upload_photo(scene)
    job_id: str = expect(scene, 202, **story_request(scene, key, **more))["jobId"]
    scene.facts["job"] = job_id
    return job_id


def buy(scene: Scene, amount: int) -> None:
    request = {"method": "POST", "path": "/api/credits/purchase", "body": {"amount": amount}}
    expect(scene, 201, key="bought", **request)
    settle(scene)


def stream_only(scene: Scene) -> None:
    """Deliver the stream without running any worker."""
    while batches := scene.world.take_changes():
        for batch in batches:
            deliver_until_done(scene, batch)


def work(scene: Scene, *tasks: str) -> None:
    """Workers handle these tasks' messages, in this order, and the stream follows."""
    stream_only(scene)
    for task in tasks:
        run_worker(scene.world, task)
        stream_only(scene)


def run_worker(world: World, task: str) -> str:
    """A worker receives the task's message and handles it; returns the outcome."""
    url = queue_of(world, task)
    message = find_message(world, url, task)
    outcome = handle_task_message(world.app, record_of(message, url))
    remove_message(world, url, message)
    return outcome


def set_provider(scene: Scene, refusal: Callable[[Scene], Refusal]) -> None:
    """Set how the provider behaves, in the arrangement and in every performance."""
    scene.facts["provider"] = refusal
    scene.world.studio.refuse = refusal(scene)


def refusing(task: str, error: Callable[[], Exception], times: int = 99) -> Callable[..., Refusal]:
    """A provider that fails the first attempts at a task."""

    def of(scene: Scene) -> Refusal:
        def refuse(request: GenerationRequest) -> None:
            if request.key == task and request.attempt <= times:
                raise error()

        return refuse

    return of


# Clients


def arrange_first_request(scene: Scene) -> None:
    ask(scene, "GET", "/api/credits")


def arrange_confirm(scene: Scene) -> None:
    open_account(scene)
    arrange_confirm_of_new_account(scene)


def arrange_confirm_of_new_account(scene: Scene) -> None:
    upload_photo(scene)
    ask(scene, **story_request(scene, "requested"))


def arrange_confirm_of_draft(scene: Scene) -> None:
    """With the rewrite, so that two parts are priced and the inputs are large."""
    open_account(scene)
    upload_photo(scene)
    photo_ids = {"photoAssetIds": [scene.facts["photo"]]}
    inputs = {"stage": "spark", "genre": "noir", **photo_ids}
    body = {"recipe": "story", "inputs": inputs, "status": "draft"}
    made = expect(scene, 201, method="POST", path="/api/jobs", body=body, key="drafted")
    settle(scene)
    draft = {"draftJobId": made["jobs"][0]["jobId"]}
    changes = {**STORY, **photo_ids, "rewriteEnabled": True, "rewrite": REWRITE}
    ask(scene, "POST", "/api/jobs/confirm", {**draft, **changes}, "requested")


def arrange_confirm_without_credits(scene: Scene) -> None:
    open_account(scene)
    upload_photo(scene)
    trailer = {**STORY, "mode": "trailer", "rewriteEnabled": True, "rewrite": REWRITE}
    ask(scene, **story_request(scene, "requested", **trailer))


def arrange_draft(scene: Scene) -> None:
    open_account(scene)
    upload_photo(scene)
    inputs = {"stage": "spark", "genre": "noir", "photoAssetIds": [scene.facts["photo"]]}
    ask(scene, "POST", "/api/jobs", {"recipe": "story", "inputs": inputs, "status": "draft"}, "d")


def arrange_purchase(scene: Scene) -> None:
    open_account(scene)
    arrange_purchase_of_new_account(scene)


def arrange_purchase_of_new_account(scene: Scene) -> None:
    ask(scene, "POST", "/api/credits/purchase", {"pack": "Value"}, "requested")


def arrange_gift(scene: Scene) -> None:
    open_account(scene)
    path = f"/api/admin/accounts/{USER}/credits"
    ask(scene, "POST", path, {"amount": 4, "reason": "a broken clip"}, "gift")
    scene.facts["request"]["groups"] = "admin"


def arrange_taking(scene: Scene) -> None:
    arrange_gift(scene)
    scene.facts["request"]["body"] = {"amount": -3, "reason": "a mistake of ours"}


# Payments through a real gateway, which redelivers an event until the response is a success


def arrange_payment(scene: Scene, *, credits: int = 10, paid_minor: int | None = None) -> None:
    """Credits are paid, and the gateway is about to send the event."""
    open_account(scene)
    purchase = replace(a_purchase(scene), credits=credits)
    commit([payments_store.create_write(purchase, operation="arranged")])
    gateway = FakeGateway(purchase, scene.world.clock, paid_minor=paid_minor)
    scene.facts["gateway"] = gateway
    scene.world.use_gateway(gateway)
    send_payment_event(scene, "evt_paid")


def a_purchase(scene: Scene) -> Purchase:
    return Purchase(
        purchase_id="pur_1",
        account_id=USER,
        gateway="stripe",
        status=PurchaseStatus.PENDING,
        credits=10,
        pack=None,
        created_at=scene.world.clock.now(),
        currency="USD",
        amount_minor=1000,
    )


def send_payment_event(scene: Scene, event: str) -> None:
    ask(scene, "POST", "/api/webhooks/stripe", {"event": event})
    scene.facts["request"] |= {"user": None, "headers": {"stripe-signature": event}}


def arrange_reversal(scene: Scene) -> None:
    """The payment is refunded in full after some of its credits were spent: a debt remains."""
    arrange_payment(scene)
    scene.world.call(**scene.facts["request"])
    confirm_story(scene, "first", rewriteEnabled=True, rewrite=REWRITE)
    run_to_completion(scene)
    confirm_story(scene, "second", rewriteEnabled=True, rewrite=REWRITE)
    run_to_completion(scene)
    scene.facts["gateway"].taken_back = (
        MoneyBack(id="re_1", amount_minor=1000, created_at=scene.world.clock.now()),
    )
    send_payment_event(scene, "evt_refunded")


def arrange_many_reversals(scene: Scene) -> None:
    """The gateway reports more refunds than one transaction reverses."""
    arrange_payment(scene, credits=60)
    scene.world.call(**scene.facts["request"])
    scene.facts["gateway"].taken_back = tuple(
        MoneyBack(id=f"re_{n:02}", amount_minor=22, created_at=scene.world.clock.now())
        for n in range(45)
    )
    send_payment_event(scene, "evt_refunded")


def arrange_mismatch(scene: Scene) -> str:
    """The paid amount is not the price; a part of it has been refunded since."""
    arrange_payment(scene, paid_minor=800)
    scene.world.call(**scene.facts["request"])
    settle(scene)
    scene.facts["gateway"].taken_back = (
        MoneyBack(id="re_1", amount_minor=200, created_at=scene.world.clock.now()),
    )
    return "pur_1"


def arrange_acceptance(scene: Scene) -> None:
    """An operator accepts eight credits for it; a quarter of them is reversed at once."""
    decide(scene, arrange_mismatch(scene), action="accept", credits=8)


def arrange_refund(scene: Scene) -> None:
    """An operator refunds what is left of it."""
    decide(scene, arrange_mismatch(scene), action="refund")


def decide(scene: Scene, purchase_id: str, **decision: Any) -> None:
    body = {"accountId": USER, "reason": "a test", **decision}
    ask(scene, "POST", f"/api/admin/purchases/{purchase_id}/resolve", body, "decided")
    scene.facts["request"] |= {"user": "root", "groups": "admin"}


def arrange_poll(scene: Scene) -> None:
    """No webhook came for the payment or its refund: the sweeper finds both."""
    arrange_payment(scene)
    made = a_purchase(scene)
    opened = replace(made, session_id="cs_1", next_check_at=scene.world.clock.now())
    commit([payments_store.save_write(made, opened, operation="opened", creation="arranged")])
    scene.facts["gateway"].taken_back = (
        MoneyBack(id="re_1", amount_minor=300, created_at=scene.world.clock.now()),
    )
    scene.world.clock.move(minutes=16)


def arrange_checkout(scene: Scene) -> None:
    """A purchase through the gateway: our record, its checkout, the checkout's address.

    It is paid, and no webhook comes; the sweeper finds that.
    """
    open_account(scene)
    scene.facts["gateway"] = FakeGateway(a_purchase(scene), scene.world.clock)
    scene.world.use_gateway(scene.facts["gateway"])
    ask(scene, "POST", "/api/credits/purchase", {"pack": "Value"}, "requested")


def arrange_regenerate(scene: Scene) -> None:
    parent = confirm_story(scene)
    run_to_completion(scene)
    body = {"target": "story_clip", "clipNo": 2}
    ask(scene, "POST", f"/api/jobs/{parent}/regenerate", body, "requested")


# Races


def arrange_confirm_against_purchase(scene: Scene) -> None:
    """A second device buys credits between the confirm's read and its commit."""
    arrange_confirm(scene)
    scene.facts["rival"] = lambda scene: lambda: meanwhile(scene, **PURCHASE_OF_7)


def arrange_confirm_against_confirm(scene: Scene) -> None:
    """Two devices spend the same five credits: the one that comes second is refused."""
    open_account(scene)
    upload_photo(scene)
    story = story_request(scene, "faster")
    ask(scene, **story_request(scene, "requested", mode="trailer"))
    scene.facts["rival"] = lambda scene: lambda: meanwhile(scene, **story)


def arrange_settlement_against_purchase(scene: Scene) -> None:
    arrange_film(scene)
    scene.facts["rival"] = lambda scene: lambda: meanwhile(scene, **PURCHASE_OF_7)


def meanwhile(scene: Scene, **request: Any) -> None:
    """A request in another process: it needs its own event loop."""

    def send() -> None:
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        try:
            scene.world.call(user=USER, **request)
        finally:
            loop.close()

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()


# The stream


def arrange_plan(scene: Scene) -> None:
    confirm_story(scene)


def arrange_plan_of_child(scene: Scene) -> None:
    arrange_regenerate(scene)
    expect(scene, 202, **{n: v for n, v in scene.facts["request"].items() if n != "user"})


def arrange_dispatch(scene: Scene) -> None:
    confirm_story(scene)
    for batch in scene.world.take_changes():
        deliver_until_done(scene, batch)


def arrange_begin(scene: Scene) -> None:
    """A worker has claimed the first keyframe and still runs it."""
    confirm_story(scene)
    stream_only(scene)
    set_provider(scene, refusing("kf_1", Hung, times=1))
    run_worker(scene.world, "kf_1")


def arrange_release(scene: Scene) -> None:
    """A keyframe is done, so its clip is ready."""
    confirm_story(scene)
    stream_only(scene)
    run_worker(scene.world, "kf_1")


def arrange_ending(scene: Scene) -> None:
    confirm_story(scene)
    work(scene, *KEYFRAMES, *CLIPS)
    run_worker(scene.world, "film")


def arrange_purchase_record(scene: Scene) -> None:
    open_account(scene)
    expect(scene, 201, **PURCHASE_OF_7)


# The queue

KEYFRAMES = ("kf_1", "kf_2", "kf_3")
CLIPS = ("clip_1", "clip_2", "clip_3")


def arrange_first_keyframe(scene: Scene) -> None:
    confirm_story(scene)
    stream_only(scene)
    scene.facts["task"] = "kf_1"


def arrange_middle_clip(scene: Scene) -> None:
    confirm_story(scene)
    work(scene, *KEYFRAMES, "clip_1")
    scene.facts["task"] = "clip_2"


def arrange_film(scene: Scene) -> None:
    confirm_story(scene)
    work(scene, *KEYFRAMES, *CLIPS)
    scene.facts["task"] = "film"


def arrange_last_refusal(scene: Scene) -> None:
    """The last clip is refused: the job ends in part, its hold of two grants is split."""
    buy(scene, 10)
    confirm_story(scene, "first", rewriteEnabled=True, rewrite=REWRITE)
    run_to_completion(scene)
    confirm_story(scene, "second", rewriteEnabled=True, rewrite=REWRITE)
    set_provider(scene, refusing("clip_3", PermanentProviderError))
    work(scene, *KEYFRAMES, "clip_1", "clip_2")
    scene.facts["task"] = "clip_3"


def arrange_total_failure(scene: Scene) -> None:
    """No promised output can be made: everything is refunded."""

    def refusal(scene: Scene) -> Refusal:
        def refuse(request: GenerationRequest) -> None:
            raise PermanentProviderError("no")

        return refuse

    confirm_story(scene)
    set_provider(scene, refusal)
    work(scene, "kf_1", "kf_2")
    scene.facts["task"] = "kf_3"


def arrange_passing_failure(scene: Scene) -> None:
    confirm_story(scene)
    set_provider(scene, refusing("film", TransientProviderError, times=1))
    work(scene, *KEYFRAMES, *CLIPS)
    scene.facts["task"] = "film"


def arrange_last_attempt(scene: Scene) -> None:
    """The film has failed twice; its third attempt is the last, and fails as well."""
    confirm_story(scene)
    set_provider(scene, refusing("film", TransientProviderError))
    work(scene, *KEYFRAMES, *CLIPS, "film", "film")
    scene.facts["task"] = "film"


def arrange_old_message(scene: Scene) -> None:
    """The message of an attempt whose lease was lost comes again, before that of the next."""
    confirm_story(scene)
    set_provider(scene, refusing("film", Hung, times=1))
    work(scene, *KEYFRAMES, *CLIPS)
    url = scene.world.settings.studio_queue_url
    record = record_of(find_message(scene.world, url, "film"), url)
    handle_task_message(scene.world.app, record)
    scene.world.clock.move(seconds=LEASE_SECONDS + 1)
    sweep(scene)
    scene.facts["task"] = "film"


def arrange_slow_worker(scene: Scene) -> None:
    """Attempt 1 waits for its provider until its lease is lost and attempt 2 has begun; then it
    delivers, too late. Attempt 2 dies, so that only attempt 3 may deliver."""
    confirm_story(scene)
    work(scene, *KEYFRAMES, *CLIPS)
    scene.facts["task"] = "film"
    scene.facts["provider"] = lambda scene: _late_attempt(scene, None)


def arrange_slow_failure(scene: Scene) -> None:
    """The same, but attempt 1 reports a failure, too late."""
    arrange_slow_worker(scene)
    refused = PermanentProviderError("too late")
    scene.facts["provider"] = lambda scene: _late_attempt(scene, refused)


def _late_attempt(scene: Scene, late: Exception | None) -> Refusal:
    """While attempt 1 is in its provider call, its lease is lost and attempt 2 begins."""

    def refuse(request: GenerationRequest) -> None:
        if request.key != "film" or request.attempt > 1:
            return
        with scene.wire.bypassed():
            scene.world.clock.move(seconds=LEASE_SECONDS + 1)
            sweep(scene)
            _claim_elsewhere(scene)
        if late is not None:
            raise late

    return refuse


def _claim_elsewhere(scene: Scene) -> None:
    """Another worker claims the next attempt and dies; the sweeper finds the lost lease."""
    claim_task(scene.world.app, job_id=scene.facts["job"], key="film", attempt=2)


def arrange_dead_letter(scene: Scene) -> None:
    arrange_film(scene)
    world = scene.world
    message = find_message(world, world.settings.studio_queue_url, "film")
    world.client("sqs").send_message(QueueUrl=world.dead_url, MessageBody=message["Body"])
    remove_message(world, world.settings.studio_queue_url, message)


# The schedule


def arrange_expiry(scene: Scene) -> None:
    """A gift has expired, and the wallet has not changed since."""
    arrange_gift(scene)
    ends = scene.world.clock.now() + timedelta(hours=1)
    scene.facts["request"]["body"]["expiresAt"] = ends.isoformat()
    scene.world.call(**scene.facts["request"])
    scene.world.clock.move(hours=2)


def arrange_lost_lease(scene: Scene) -> None:
    arrange_begin(scene)
    stream_only(scene)
    scene.world.clock.move(seconds=LEASE_SECONDS + 1)


def arrange_last_lost_lease(scene: Scene) -> None:
    """The third attempt at the film is lost: the sweeper ends the job."""
    confirm_story(scene)
    set_provider(scene, refusing("film", Hung))
    work(scene, *KEYFRAMES, *CLIPS, "film")
    for _ in range(2):
        scene.world.clock.move(seconds=LEASE_SECONDS + 1)
        sweep(scene)
        work(scene, "film")
    scene.world.clock.move(seconds=LEASE_SECONDS + 1)


def arrange_lost_record(scene: Scene) -> None:
    """The stream record of the new job is lost: the sweeper plans the job."""
    confirm_story(scene)
    scene.world.take_changes()
    scene.world.clock.move(minutes=2)


def arrange_lost_dispatch(scene: Scene) -> None:
    """The film is ready, but its stream record and its message are lost."""
    confirm_story(scene)
    work(scene, *KEYFRAMES, "clip_1", "clip_2")
    run_worker(scene.world, "clip_3")
    scene.world.take_changes()
    scene.world.clock.move(minutes=3)


def arrange_lost_ending(scene: Scene) -> None:
    arrange_ending(scene)
    scene.world.take_changes()
    scene.world.clock.move(minutes=11)


def arrange_timeout(scene: Scene) -> None:
    """A job that did not finish in time is ended, and everything unused is refunded."""
    confirm_story(scene)
    work(scene, *KEYFRAMES, "clip_1")
    scene.world.clock.move(seconds=timedelta(hours=JOB_HOURS).total_seconds() + 1)


def _scenario(
    name: str,
    arrange: Callable[[Scene], None],
    actors: tuple[Actor, ...],
    statuses: tuple[str, ...],
    balance: int,
) -> Scenario:
    return Scenario(name=name, arrange=arrange, actors=actors, ends=(statuses, balance))


DONE = ("succeeded",)
SCHEDULE = (Schedule(),)

# The last two columns: the states in which the account's jobs end, and its balance then.
SCENARIOS: tuple[Scenario, ...] = (
    _scenario("first request", arrange_first_request, CLIENTS, (), 5),
    _scenario("purchase", arrange_purchase, CLIENTS, (), 55),
    _scenario("purchase of a new account", arrange_purchase_of_new_account, CLIENTS, (), 55),
    _scenario("gift", arrange_gift, CLIENTS, (), 9),
    _scenario("taking", arrange_taking, CLIENTS, (), 2),
    _scenario("checkout", arrange_checkout, BUYERS, (), 55),
    _scenario("payment", arrange_payment, CLIENTS, (), 15),
    _scenario("reversal", arrange_reversal, CLIENTS, DONE * 2, 0),
    _scenario("many reversals", arrange_many_reversals, CLIENTS, (), 6),
    _scenario("acceptance", arrange_acceptance, DECIDED, (), 11),
    _scenario("refund", arrange_refund, DECIDED, (), 5),
    _scenario("payment poll", arrange_poll, SCHEDULE, (), 12),
    _scenario("draft", arrange_draft, CLIENTS, ("draft",), 5),
    _scenario("confirm", arrange_confirm, CLIENTS, DONE, 3),
    _scenario("confirm of a new account", arrange_confirm_of_new_account, CLIENTS, DONE, 3),
    _scenario("confirm of a draft", arrange_confirm_of_draft, CLIENTS, DONE, 2),
    _scenario("confirm without credits", arrange_confirm_without_credits, CLIENTS, (), 5),
    _scenario("regenerate", arrange_regenerate, CLIENTS, DONE * 2, 2),
    _scenario("confirm against purchase", arrange_confirm_against_purchase, CLIENTS, DONE, 10),
    _scenario("confirm against confirm", arrange_confirm_against_confirm, CLIENTS, DONE, 3),
    _scenario("film against purchase", arrange_settlement_against_purchase, MESSAGES, DONE, 10),
    _scenario("plan", arrange_plan, STREAMS, DONE, 3),
    _scenario("plan of a child", arrange_plan_of_child, STREAMS, DONE * 2, 2),
    _scenario("dispatch", arrange_dispatch, STREAMS, DONE, 3),
    _scenario("begin", arrange_begin, STREAMS, DONE, 3),
    _scenario("release", arrange_release, STREAMS, DONE, 3),
    _scenario("ending", arrange_ending, STREAMS, DONE, 3),
    _scenario("purchase record", arrange_purchase_record, STREAMS, (), 12),
    _scenario("first keyframe", arrange_first_keyframe, MESSAGES, DONE, 3),
    _scenario("middle clip", arrange_middle_clip, MESSAGES, DONE, 3),
    _scenario("film", arrange_film, MESSAGES, DONE, 3),
    _scenario("last refusal", arrange_last_refusal, MESSAGES, ("partial", "succeeded"), 11),
    _scenario("total failure", arrange_total_failure, MESSAGES, ("failed",), 5),
    _scenario("passing failure", arrange_passing_failure, MESSAGES, DONE, 3),
    _scenario("last attempt", arrange_last_attempt, MESSAGES, ("partial",), 4),
    _scenario("old message", arrange_old_message, MESSAGES, DONE, 3),
    _scenario("slow worker", arrange_slow_worker, (Message(),), DONE, 3),
    _scenario("slow failure", arrange_slow_failure, (Message(),), DONE, 3),
    _scenario("dead letter", arrange_dead_letter, (Message(dead=True),), ("partial",), 4),
    _scenario("expiry", arrange_expiry, SCHEDULE, (), 5),
    _scenario("lost lease", arrange_lost_lease, SCHEDULE, DONE, 3),
    _scenario("last lost lease", arrange_last_lost_lease, SCHEDULE, ("partial",), 4),
    _scenario("lost record", arrange_lost_record, SCHEDULE, DONE, 3),
    _scenario("lost dispatch", arrange_lost_dispatch, SCHEDULE, DONE, 3),
    _scenario("lost ending", arrange_lost_ending, SCHEDULE, DONE, 3),
    _scenario("timeout", arrange_timeout, SCHEDULE, ("partial",), 5),
)
