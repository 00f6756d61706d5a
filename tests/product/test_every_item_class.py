"""A damaged attribute of one item of any class affects nothing else of its account.

One account owns at least two things of each kind. One item of a class is damaged in place,
attribute by attribute. Requests for it fail with no internal error, requests for its neighbors
succeed, the sweeper goes on, and the auditor names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pynamodb.attributes import Attribute

from darkroom.albums.items import AlbumItem, EntryItem
from darkroom.albums.items import TombstoneItem as AlbumTombstoneItem
from darkroom.analytics.store import CounterItem, MarkItem
from darkroom.assets.lists.store import AssetEntryItem
from darkroom.assets.reference_store import ReferencePhotoItem
from darkroom.assets.store import AssetItem
from darkroom.assets.store import TombstoneItem as AssetTombstoneItem
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.db import commit_one
from darkroom.db.items import BaseItem
from darkroom.endpoints.items import DeliveryItem, EndpointItem, EndpointsLockItem
from darkroom.erasures import store as erasures_store
from darkroom.erasures.store import ErasureItem
from darkroom.events.store import Event, EventItem, list_events
from darkroom.exports.store import ExportItem
from darkroom.generation.routing import store as providers_store
from darkroom.generation.routing.health import Health
from darkroom.idempotency.store import IdempotencyItem
from darkroom.jobs import items as jobs_items
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Unreadable
from darkroom.limits.store import CounterItem as LimitItem
from darkroom.payments.ports import PaymentUnreadable
from darkroom.payments.store import PurchaseItem
from darkroom.payments.subscription_store import SubscriptionItem
from darkroom.plans.storage_store import StorageItem
from darkroom.plans.store import AccountItem
from darkroom.signup.store import BonusItem, SignUpsItem
from darkroom.templates.store import AssignmentItem
from darkroom.uploads.owner_store import OwnerItem
from darkroom.uploads.session_store import SessionItem
from darkroom.usage.store import MonthItem, UsageRecordItem
from darkroom.usecases.accounts.admit_sign_up import admit_sign_up
from darkroom.usecases.accounts.claim_bonus import claim_bonus
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.credits.read_books import OTHER_CLASSES
from darkroom.usecases.endpoints.deliver_event import fail_undelivered
from darkroom.usecases.operations.keep_dead_letter import keep_dead_letter
from darkroom.usecases.projections.announce_event import announce_event
from darkroom.usecases.projections.index_asset import index_asset
from darkroom.usecases.projections.project_event import project_event
from darkroom.webhooks import store as webhooks_store
from darkroom.webhooks.store import Received, ReceivedItem
from tests.support.builders import (
    REWRITE,
    a_photo,
    a_reference_photo,
    a_story,
    confirm,
    forget_responses,
    scene_inputs,
)
from tests.support.damage import Damage, RawItem, damaged_item, damages_of_class, store
from tests.support.moto_world import moto_world
from tests.support.tables import table_definitions
from tests.support.world import Response, World

USER, EVENT, MAILBOX = "alice", "paper#evt_1", "alice@naver.com"
Request = tuple[str, str, Any]


def leaves(item_class: type[BaseItem] = BaseItem) -> Iterator[type[BaseItem]]:
    """The classes of stored items."""
    for below in item_class.__subclasses__():
        if below.__subclasses__():
            yield from leaves(below)
        elif below.__module__.startswith("darkroom."):
            yield below


@dataclass(frozen=True)
class Scene:
    """The ids of one account's items, by name."""

    world: World
    ids: dict[str, str]

    def request(self, request: Request, **more: Any) -> Response:
        method, path, body = request
        text = json.dumps(body) if body is not None else None
        for name, value in self.ids.items():
            path = path.replace(f"<{name}>", value)
            text = text.replace(f"<{name}>", value) if text is not None else None
        user, groups = ("root", "admin") if "/admin/" in path else (USER, "")
        return self.world.call(method, path, text, user=user, groups=groups, **more)


@dataclass(frozen=True)
class Case:
    """How the items of a class are found, and the requests that read and change them."""

    table: str
    part: str = ""
    """A part of the key of the item that is damaged, sort key and all."""
    of_it: Sequence[Request] = ()
    """Requests for the damaged item: they succeed, or are refused with an error code."""
    of_others: Sequence[Request] = ()
    """Requests for its neighbors: they succeed."""
    shows: str = ""
    """The name of a neighbor that the first of these must show."""
    calls: Sequence[Callable[[Scene], object]] = ()
    """Functions without a route: they may only raise Unreadable."""
    compared: frozenset[str] = frozenset()
    """Attributes that conditions compare: to DynamoDB another type is just unequal, but the
    emulator fails."""
    key: str = ""
    """The Idempotency-Key of the requests for it."""


def get(path: str) -> Request:
    return "GET", path, None


ALBUMS, PHOTOS, JOBS = get("/api/albums"), get("/api/reference-photos"), get("/api/jobs")
RENAME: Request = ("PATCH", "/api/albums/<album_2>", {"name": "Renamed"})
FILE = {"filename": "b.jpg", "mimeType": "image/jpeg", "sizeBytes": 3}
UPLOAD: Request = ("POST", "/api/uploads/session", {"files": [FILE]})
PHOTO_STORY = {"recipe": "story", "inputs": scene_inputs("<photo>")}
STORY: Request = ("POST", "/api/jobs/quote", PHOTO_STORY)
PORTRAIT = {
    "mode": "single",
    "referencePhotoIds": ["<reference_1>"],
    "styles": ["studio"],
    "totalImages": 1,
}
DEAD = get("/api/admin/dead-letters")
ENDPOINTS = get("/api/webhook-endpoints")
CSV = get("/api/jobs.csv")


def find_health(scene: Scene) -> object:
    return providers_store.find_health("other"), providers_store.find_health("paper")


def find_cached(scene: Scene) -> object:
    return providers_store.find_cached("same", scene.world.clock.now())


def find_received(scene: Scene) -> object:
    return webhooks_store.find_received(EVENT)


def count_again(scene: Scene) -> None:
    """Count what was counted before, of an account that has a mark."""
    for event in list_events(scene.ids["job"]):
        project_event(scene.world.app, event)


def announce(scene: Scene) -> None:
    now = scene.world.clock.now()
    event = Event(
        event_id=f"{to_iso(now)}#JOB_FAILED", name="JOB_FAILED", entity_type="job",
        entity_id=scene.ids["job"], account_id=USER, job_id=scene.ids["job"], created_at=now,
    )  # fmt: skip
    announce_event(scene.world.app, event)


def deliver(scene: Scene) -> None:
    """Its time has not come, so nothing is sent."""
    names = {"endpoint_id": "endpoint", "delivery_id": "delivery"}
    ids = {name: scene.ids[own] for name, own in names.items()}
    fail_undelivered(scene.world.app, account_id=USER, attempt=7, **ids)


def create_and_delete(scene: Scene) -> None:
    body = {"url": "https://example.com/x", "events": ["JOB_FAILED"]}
    made = scene.request(("POST", "/api/webhook-endpoints", body))
    assert made.status == 201, made.body
    gone = scene.request(("DELETE", f"/api/webhook-endpoints/{made.body['endpointId']}", None))
    assert gone.status == 204


def sign_up(scene: Scene) -> None:
    admit_sign_up(scene.world.app, MAILBOX)


def confirm_address(scene: Scene) -> object:
    return claim_bonus(scene.world.app, USER, email=MAILBOX)


CASES: dict[type[BaseItem], Case] = {
    AlbumItem: Case(
        "albums",
        "album#<album_1>",
        of_it=[
            get("/api/albums/<album_1>"),
            ("PATCH", "/api/albums/<album_1>", {"name": "New"}),
            ("POST", "/api/albums/<album_1>/outputs", {"outputIds": ["<output_2>"]}),
            ("DELETE", "/api/albums/<album_1>/outputs/<output_1>", None),
        ],
        of_others=[ALBUMS, RENAME, get("/api/albums/<album_2>")],
        shows="album_2",
    ),
    EntryItem: Case(
        "albums",
        "entry#<album_1>#<output_1>",
        of_it=[
            ("PATCH", "/api/albums/<album_1>/outputs/<output_1>", {"selected": True}),
            ("POST", "/api/albums/<album_1>/outputs", {"outputIds": ["<output_1>"]}),
        ],
        of_others=[
            get("/api/albums/<album_1>"),
            ("PATCH", "/api/albums/<album_1>/outputs/<output_2>", {"selected": True}),
            ALBUMS,
        ],
        shows="output_2",
    ),
    AlbumTombstoneItem: Case(
        "albums",
        "grave#",
        of_it=[("DELETE", "/api/albums/<album_3>", None)],
        of_others=[ALBUMS, RENAME],
        shows="album_2",
    ),
    ReferencePhotoItem: Case(
        "assets",
        "<reference_1>",
        of_it=[
            ("POST", "/api/jobs/quote", {"recipe": "portraits", "inputs": PORTRAIT}),
            ("DELETE", "/api/reference-photos/<reference_1>", None),
            ("POST", "/api/reference-photos", {"assetId": "<photo>", "role": "self"}),
        ],
        of_others=[PHOTOS, JOBS],
        shows="reference_2",
    ),
    AssetItem: Case(
        "assets",
        "<asset>",
        of_it=[
            get("/api/assets/<asset>"),
            ("PATCH", "/api/assets/<asset>", {"tags": ["new"]}),
            ("DELETE", "/api/assets/<asset>", None),
            ("POST", "/api/jobs/quote", {"recipe": "story", "inputs": scene_inputs("<asset>")}),
            ("POST", "/api/uploads/complete", {"assetId": "<asset>"}),
        ],
        of_others=[get("/api/assets"), ("PATCH", "/api/assets/<photo>", {"tags": ["new"]}), JOBS],
        shows="photo",
    ),
    AssetTombstoneItem: Case(
        "assets",
        "grave#",
        of_it=[("DELETE", "/api/assets/<deleted>", None)],
        of_others=[get("/api/assets")],
        shows="photo",
    ),
    AssetEntryItem: Case(
        "assetlists",
        "known <photo>",
        calls=[lambda scene: index_asset(USER, scene.ids["photo"])],
        of_others=[get("/api/assets?sort=name"), get("/api/assets")],
        shows="photo",
    ),
    PurchaseItem: Case(
        "purchases",
        "<purchase_1>",
        of_it=[
            get(f"/api/admin/purchases?account={USER}"),
            get("/api/admin/purchases?status=settled"),
            (
                "POST",
                "/api/admin/purchases/<purchase_1>/resolve",
                {"accountId": USER, "reason": "A test", "action": "refund"},
            ),
        ],
        of_others=[get("/api/purchases"), get("/api/credits")],
        shows="purchase_2",
        key="resolve",
    ),
    AccountItem: Case(
        "accounts",
        of_it=[
            get("/api/me"),
            ("PATCH", "/api/me", {"welcome": "done"}),
            ("POST", "/api/plans/subscribe", {"plan": "standard"}),
            ("POST", "/api/plans/cancel", None),
        ],
        of_others=[get("/api/credits"), UPLOAD, JOBS],
        compared=frozenset({"plan", "subscriptionId"}),
        key="subscribe-2",
    ),
    SubscriptionItem: Case(
        "subscriptions",
        of_it=[
            ("POST", "/api/plans/cancel", None),
            ("POST", "/api/plans/subscribe", {"plan": "basic"}),
        ],
        of_others=[get("/api/me"), JOBS],
        compared=frozenset({"version"}),
        key="subscribe-3",
    ),
    MonthItem: Case(
        "usage",
        "month#",
        of_it=[get("/api/usage/summary")],
        of_others=[get("/api/usage/records"), get("/api/me")],
        shows="job",
    ),
    UsageRecordItem: Case(
        "usage",
        "record#",
        of_it=[get("/api/usage/records"), get("/api/usage/records.csv")],
        of_others=[get("/api/usage/summary"), get("/api/me")],
    ),
    StorageItem: Case(
        "usage",
        "storage",
        of_it=[UPLOAD, ("DELETE", "/api/assets/<counted>", None)],
        of_others=[get("/api/assets"), get("/api/credits")],
    ),
    SessionItem: Case(
        "usage",
        "session#",
        of_it=[UPLOAD],
        of_others=[UPLOAD],
        compared=frozenset({"expiresAt"}),
        key="upload",
    ),
    OwnerItem: Case("usage", "owner", of_others=[UPLOAD, get("/api/assets")]),
    SignUpsItem: Case("usage", "signups#", calls=[sign_up], compared=frozenset({"count"})),
    BonusItem: Case(
        "usage",
        " bonus",
        of_others=[get("/api/credits")],
        calls=[confirm_address],
        compared=frozenset({"owner"}),
    ),
    AssignmentItem: Case("templates", of_others=[STORY, JOBS]),
    IdempotencyItem: Case(
        "idempotency",
        "<response>",
        of_it=[("POST", "/api/albums", {"name": "A"})],
        of_others=[ALBUMS],
        compared=frozenset({"expiresAt", "lockedUntil"}),
        key="album-1",
    ),
    EventItem: Case(
        "events",
        "<dead_letter>",
        of_it=[
            DEAD,
            ("POST", "/api/admin/dead-letters/redrive", {"ids": ["<dead_letter>"]}),
        ],
        of_others=[
            DEAD,
            get("/api/admin/events?name=DEAD_LETTER"),
            get("/api/admin/events?job=<job>"),
        ],
        shows="dead_letter_2",
        calls=[lambda scene: list_events(scene.ids["job"])],
    ),
    CounterItem: Case(
        "analytics",
        "#recipe#",
        of_others=[get("/api/admin/margin"), get("/api/admin/margin?groupBy=template")],
    ),
    MarkItem: Case(
        "analytics",
        "#account#",
        of_others=[get("/api/admin/margin")],
        calls=[count_again],
    ),
    EndpointItem: Case(
        "endpoints",
        "endpoint#<endpoint>",
        of_it=[
            ("PATCH", "/api/webhook-endpoints/<endpoint>", {"status": "disabled"}),
            ("POST", "/api/webhook-endpoints/<endpoint>/rotate", {}),
            ("POST", "/api/webhook-endpoints/<endpoint>/test", {}),
            get("/api/webhook-endpoints/<endpoint>/deliveries"),
            ("POST", "/api/webhook-endpoints/<endpoint>/deliveries/<delivery>/replay", {}),
            ("DELETE", "/api/webhook-endpoints/<endpoint>", None),
        ],
        of_others=[
            ENDPOINTS,
            ("PATCH", "/api/webhook-endpoints/<endpoint_2>", {"description": "Mine"}),
        ],
        shows="endpoint_2",
        calls=[announce, deliver],
        compared=frozenset({"lastSequence", "version", "flights", "status"}),
    ),
    DeliveryItem: Case(
        "endpoints",
        "<delivery>",
        of_it=[
            get("/api/webhook-endpoints/<endpoint>/deliveries"),
            ("POST", "/api/webhook-endpoints/<endpoint>/deliveries/<delivery>/replay", {}),
        ],
        of_others=[
            get("/api/webhook-endpoints/<endpoint_2>/deliveries"),
            ("POST", "/api/webhook-endpoints/<endpoint>/test", {}),
        ],
        shows="delivery_2",
        calls=[deliver],
        compared=frozenset({"version"}),
    ),
    EndpointsLockItem: Case(
        "endpoints",
        f"{USER} lock",
        of_others=[
            ENDPOINTS,
            ("POST", "/api/webhook-endpoints/<endpoint>/test", {}),
        ],
        shows="endpoint_2",
        calls=[create_and_delete],
        compared=frozenset({"creation"}),
    ),
    LimitItem: Case(
        "limits",
        f"{USER} open",
        of_it=[STORY],
        of_others=[JOBS, get("/api/me"), get("/api/usage/summary")],
        compared=frozenset({"drafts", "queued"}),
    ),
    ExportItem: Case(
        "usage",
        f"{USER} export",
        of_it=[get("/api/account/export/<export>"), ("POST", "/api/account/export", None)],
        of_others=[get("/api/usage/summary"), UPLOAD],
    ),
    ErasureItem: Case(
        "erasures",
        of_others=[get("/api/me"), JOBS],
        calls=[lambda scene: erasures_store.find_erasure(scene.ids["erased"])],
    ),
    ReceivedItem: Case("webhooks", calls=[find_received]),
    providers_store.ProviderItem: Case("providers", calls=[find_health, find_cached]),
    providers_store.CostItem: Case(
        "costs", calls=[lambda scene: providers_store.list_costs(scene.ids["job"])]
    ),
    WalletItem: Case(
        "wallets", of_it=[STORY, get("/api/credits")], of_others=[JOBS, get("/api/assets")]
    ),
    LedgerItem: Case(
        "ledger",
        of_it=[get("/api/credits/transactions")],
        of_others=[JOBS, get("/api/albums")],
    ),
    jobs_items.JobItem: Case(
        "jobs",
        "<job> job",
        of_it=[
            get("/api/jobs/<job>"),
            ("POST", "/api/jobs/<job>/retry", {}),
            ("POST", "/api/jobs/<job>/download", None),
        ],
        of_others=[JOBS, CSV, get("/api/generations"), get("/api/jobs/<job_2>")],
        shows="job_2",
    ),
    jobs_items.TaskItem: Case(
        "jobs",
        "<job> task#",
        of_it=[get("/api/jobs/<job>")],
        of_others=[JOBS, CSV, get("/api/jobs/<job_2>")],
        shows="job_2",
    ),
    jobs_items.InputsItem: Case(
        "jobs",
        "<large> inputs",
        of_it=[get("/api/jobs/<large>")],
        of_others=[JOBS, CSV, get("/api/generations")],
        shows="job_2",
    ),
    jobs_items.InheritedItem: Case(
        "jobs",
        "<child> inherited#",
        of_it=[get("/api/jobs/<child>")],
        of_others=[JOBS, CSV],
        shows="job_2",
    ),
    jobs_items.ListEntryItem: Case(
        "jobs",
        f"<job>{jobs_items.SIDE_SUFFIX} list#words",
        of_others=[get("/api/jobs?status=succeeded"), get("/api/jobs?sort=duration"), JOBS],
        shows="job_2",
    ),
    jobs_items.ShareItem: Case(
        "jobs",
        f"<job>{jobs_items.SIDE_SUFFIX} share#",
        of_it=[get("/api/shares/<token>"), ("POST", "/api/jobs/<job>/share", {})],
        of_others=[JOBS, get("/api/jobs/<job_2>")],
        shows="job_2",
    ),
}


def test_every_item_class_has_its_case() -> None:
    assert set(CASES) == set(leaves())


class FakeGateway:
    """A gateway that can read no payment."""

    name = "paper"

    def read_payment(self, **names: Any) -> Any:
        raise PaymentUnreadable("unknown")


def an_id(world: World, method: str, path: str, body: Any, name: str, *, key: str) -> str:
    response = world.call(method, path, body, user=USER, key=key)
    assert response.status in (200, 201, 202), response.body
    found: str = response.body[name]
    return found


def kept_by_us(world: World, job_id: str) -> None:
    """Items that no request writes."""
    now = world.clock.now()
    later = now + timedelta(hours=1)
    healthy, failing = Health(), Health(failures=3, openings=1, open_until=later)
    call = providers_store.CostRecord(
        job_id=job_id, account_id=USER, task_key="kf_1", kind="keyframe", attempt=1,
        provider="paper", model="m", outcome="succeeded", at=now,
    )  # fmt: skip
    event = Received(
        event_id=EVENT, source="paper", type="paid", session_id="s", payment_id=None,
        received_at=now, next_check_at=now,
    )  # fmt: skip
    for write in (
        providers_store.health_write("paper", seen=healthy, health=failing, now=now),
        providers_store.cache_write("same", files=[{"storageKey": "x"}], until=later),
        providers_store.cost_write(call),
        webhooks_store.receive_write(event),
    ):
        commit_one(write)
    for number in (1, 2):
        keep_dead_letter(
            world.app, message_id=f"m{number}", sent_at_ms=number, queue="w-StudioDeadLetters-x",
            body="{}", outcome="task",
        )  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with moto_world() as world:
        ids = {}
        for number in (1, 2):
            ids[f"purchase_{number}"] = an_id(
                world,
                "POST",
                "/api/credits/purchase",
                {"amount": 50},
                "purchaseId",
                key=f"p{number}",
            )
        ids["job"] = a_story(world, USER, key="job")
        ids["job_2"] = a_story(world, USER, mode="quick", key="job-2")
        large: dict[str, Any] = {
            "rewriteEnabled": True,
            "rewrite": {**REWRITE, "rawText": "They meet again. " * 40},
        }
        ids["large"] = confirm(world, USER, key="large", **large).body["jobId"]
        again = {"target": "story_clip", "clipNo": 2}
        path = f"/api/jobs/{ids['job']}"
        ids["child"] = an_id(world, "POST", f"{path}/regenerate", again, "retryJobId", key="child")
        ids["token"] = an_id(world, "POST", f"{path}/share", {}, "token", key="share")
        outputs = [one["outputId"] for one in world.call("GET", path, user=USER).body["outputs"]]
        ids["output_1"], ids["output_2"] = outputs[:2]
        for number in (1, 2, 3):
            ids[f"album_{number}"] = an_id(
                world, "POST", "/api/albums", {"name": "A"}, "albumId", key=f"album-{number}"
            )
        path = f"/api/albums/{ids['album_1']}/outputs"
        world.call("POST", path, {"outputIds": outputs[:2]}, user=USER)
        world.call("DELETE", f"/api/albums/{ids['album_3']}", user=USER)
        ids["reference_1"], ids["reference_2"] = (a_reference_photo(world, USER) for _ in "ab")
        ids["photo"], ids["asset"], ids["deleted"] = (a_photo(world, USER) for _ in "abc")
        world.call("DELETE", f"/api/assets/{ids['deleted']}", user=USER)
        opened = world.call("POST", "/api/uploads/session", UPLOAD[2], user=USER, key="upload")
        ids["counted"] = opened.body["sessions"][0]["assetId"]
        ids["export"] = an_id(world, "POST", "/api/account/export", None, "exportId", key="export")
        world.call("GET", "/api/credits", user="leaver")
        left = world.call("DELETE", "/api/account", user="leaver")
        assert left.status == 202, left.body
        [erased] = world.scan("erasures")
        ids["erased"] = erased["pseudonym"]["S"]
        subscribe = {"plan": "basic"}
        world.call("POST", "/api/plans/subscribe", subscribe, user=USER, key="subscribe")
        kept_by_us(world, ids["job"])
        admit_sign_up(world.app, MAILBOX)
        claim_bonus(world.app, USER, email=MAILBOX)
        letters = world.call("GET", "/api/admin/dead-letters", groups="admin").body["items"]
        ids["dead_letter_2"], ids["dead_letter"] = (letter["id"] for letter in letters)
        for suffix in ("", "_2"):
            body = {"url": f"https://example.com/{suffix}", "events": ["JOB_FAILED"]}
            path, key = "/api/webhook-endpoints", f"endpoint{suffix}"
            ids[f"endpoint{suffix}"] = an_id(world, "POST", path, body, "endpointId", key=key)
            path = f"{path}/{ids[f'endpoint{suffix}']}/test"
            ids[f"delivery{suffix}"] = an_id(world, "POST", path, {}, "deliveryId", key="test")
        name = "\x1f".join((USER, "POST /api/albums", "album-1"))
        ids["response"] = hashlib.sha256(name.encode()).hexdigest()
        world.pump_stream()
        scene = Scene(world, ids)
        count_again(scene)
        yield scene


@pytest.fixture(scope="module")
def prototypes(scene: Scene) -> dict[type[BaseItem], RawItem]:
    """An item of each class, as it is stored."""
    return {item_class: prototype(scene, item_class) for item_class in CASES}


def prototype(scene: Scene, item_class: type[BaseItem]) -> RawItem:
    part = CASES[item_class].part
    for name, value in scene.ids.items():
        part = part.replace(f"<{name}>", value)
    items = scene.world.scan(CASES[item_class].table)
    found = [item for item in items if part in " ".join(keys_of(item_class, item))]
    assert found, item_class
    return found[0]


def keys_of(item_class: type[BaseItem], item: RawItem) -> list[str]:
    return [item[one.attr_name]["S"] for one in key_attributes(item_class)]


def key_attributes(item_class: type[BaseItem]) -> list[Attribute[Any]]:
    """Of the hash key and, where the table has one, the range key."""
    attributes = list(item_class.get_attributes().values())
    hash_keys = [one for one in attributes if one.is_hash_key]
    return hash_keys + [one for one in attributes if one.is_range_key]


def damages(item_class: type[BaseItem], raw: RawItem) -> list[Damage]:
    definitions = table_definitions()[CASES[item_class].table]["AttributeDefinitions"]
    of_one_type = {definition["AttributeName"] for definition in definitions}
    of_one_type |= CASES[item_class].compared
    return list(damages_of_class(item_class, raw, of_one_type))


def some(found: list[Damage], limit: int) -> list[Damage]:
    """At most so many, spread over all attributes and kinds."""
    if len(found) <= limit:
        return found
    return [found[place * len(found) // limit] for place in range(limit)]


COUNTS = [4, pytest.param(10_000, marks=pytest.mark.slow)]
"""How many damages of a class are tried."""


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("item_class", CASES, ids=lambda found: found.__name__)
def test_a_damaged_item_fails_no_request_and_hides_no_neighbor(
    scene: Scene,
    prototypes: dict[type[BaseItem], RawItem],
    item_class: type[BaseItem],
    count: int,
) -> None:
    case, raw = CASES[item_class], prototypes[item_class]
    wrong: list[str] = []
    for damage in some(damages(item_class, raw), count):
        changed = damaged_item(raw, damage)
        wrong += failures_of_it(scene, case, item_class, changed, str(damage))
        store(scene.world, case.table, [changed])
        wrong += failures_of_others(scene, case, str(damage))
    store(scene.world, case.table, [raw])
    assert wrong == []


def failures_of_it(
    scene: Scene, case: Case, item_class: type[BaseItem], changed: RawItem, damage: str
) -> Iterator[str]:
    for request in case.of_it:
        store(scene.world, case.table, [changed])
        if case.key and item_class is not IdempotencyItem:
            forget_responses(scene.world)
        response = scene.request(request, **({"key": case.key} if case.key else {}))
        if response.status == 500:
            yield f"{damage}: {request} {response.status}"


def failures_of_others(scene: Scene, case: Case, damage: str) -> Iterator[str]:
    for place, request in enumerate(case.of_others):
        response = scene.request(request)
        if response.status >= 300:
            yield f"{damage}: {request} {response.status} {response.body}"
        elif place == 0 and case.shows and scene.ids[case.shows] not in json.dumps(response.body):
            yield f"{damage}: {request} hides {case.shows}"
    for call in case.calls:
        with suppress(Unreadable):
            call(scene)


OWNED = [*OTHER_CLASSES, PurchaseItem]
AUDITED_AT_ONCE = 50


@pytest.mark.parametrize("count", [AUDITED_AT_ONCE, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("item_class", OWNED, ids=lambda found: found.__name__)
def test_the_auditor_names_each_item_that_lacks_an_attribute_or_holds_another_type(
    scene: Scene,
    prototypes: dict[type[BaseItem], RawItem],
    item_class: type[BaseItem],
    count: int,
) -> None:
    raw = prototypes[item_class]
    declared = {one.attr_name: one for one in item_class.get_attributes().values()}

    def is_of_shape(damage: Damage) -> bool:
        """Whether the class allows the value, or only another value of the type."""
        attribute = declared[damage.attribute]
        if damage.held is None:
            return bool(attribute.null) or attribute.default is not None
        return attribute.attr_type in damage.held

    found = [damage for damage in damages(item_class, raw) if not is_of_shape(damage)]
    assert found
    # There is one plan, counter and export of an account; of the others there may be many.
    only_one = item_class in (AccountItem, ExportItem, StorageItem)
    at_once = 1 if only_one else AUDITED_AT_ONCE
    chosen = some(found, 4 if only_one and count == AUDITED_AT_ONCE else count)
    for start in range(0, len(chosen), at_once):
        assert unnamed(scene, item_class, raw, chosen[start : start + at_once]) == []


def unnamed(
    scene: Scene, item_class: type[BaseItem], raw: RawItem, some_damages: Sequence[Damage]
) -> list[str]:
    """The damages that the auditor does not name, each done to its own item."""
    table, [*_, last] = CASES[item_class].table, keys_of(item_class, raw)
    names = [one.attr_name for one in key_attributes(item_class)]
    items = {}
    for number, damage in enumerate(some_damages):
        key = last if len(some_damages) == 1 else f"{last}{number:03}"
        items[key] = {**damaged_item(raw, damage), names[-1]: {"S": key}}
    store(scene.world, table, list(items.values()))

    breaches = audit_accounts(scene.world.app, USER).breaches

    for item in items.values():
        place = {name: item[name] for name in names}
        scene.world.client("dynamodb").delete_item(
            TableName=scene.world.settings.tables[table], Key=place
        )
    store(scene.world, table, [raw])
    messages = [breach.message for breach in breaches if breach.law == "L8"]
    return [
        str(damage)
        for key, damage in zip(items, some_damages, strict=True)
        if not any(key in message and damage.attribute in message for message in messages)
    ]


def test_sweeps_go_on_with_a_damaged_item_of_each_class(
    scene: Scene, prototypes: dict[type[BaseItem], RawItem]
) -> None:
    world = scene.world
    for item_class, raw in prototypes.items():
        if "dueShard" in {one.attr_name for one in item_class.get_attributes().values()}:
            due = {**raw, "dueShard": {"S": "s0"}, "nextCheckAt": {"N": "1"}}
            odd = damaged_item(due, Damage("", "op", {"BOOL": False}))
            store(world, CASES[item_class].table, [odd])
    expired = an_upload(world)
    world.clock.move(days=8)
    world.use_gateway(FakeGateway())  # type: ignore[arg-type]

    done = world.sweep()

    world.use_gateway(None)
    assert done["error"] > 0
    assert world.call("GET", f"/api/assets/{expired}", user=USER).body["status"] == "failed"


def an_upload(world: World) -> str:
    opened = world.call("POST", "/api/uploads/session", UPLOAD[2], user=USER)
    found: str = opened.body["sessions"][0]["assetId"]
    return found
