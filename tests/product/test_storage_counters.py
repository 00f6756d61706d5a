"""The storage counters of an account are the sums over its assets in every interleaving."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, await_check
from darkroom.db import Write, commit
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.kernel.limits import UPLOAD_URL_SECONDS
from darkroom.kernel.object_keys import IMAGE_PIPELINE
from darkroom.plans.model import PlanLimit, limits_of, plan_names
from darkroom.plans.storage_store import STORAGE, Stored, find_stored, take_write
from darkroom.plans.store import plan_write
from darkroom.uploads.policy import NewFile, admit
from darkroom.uploads.ports import CleanFile, CleanUpload, UploadRefused
from darkroom.usecases.assets.delete_asset import delete_asset
from darkroom.usecases.uploads.abort_upload import abort_upload
from darkroom.usecases.uploads.complete_upload import complete_upload
from darkroom.usecases.uploads.create_upload import UploadSession, create_upload
from darkroom.usecases.uploads.fail_ingest import fail_ingest
from darkroom.usecases.uploads.ingest_upload import ingest_upload
from tests.support.builders import owner_of
from tests.support.crash import Call, Point, Stage, Wire
from tests.support.interleave import by_seed, every_preemption, interleave
from tests.support.moto_world import moto_world
from tests.support.world import World

ALICE = "alice"
CONTENT = b"hello world"
PHOTO = {"filename": "us.jpg", "sizeBytes": len(CONTENT), "mimeType": "image/jpeg"}
SEEDS = range(12)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with moto_world() as world:
        yield Stage(world)


@pytest.fixture
def world(stage: Stage) -> World:
    """An empty world."""
    stage.changes()
    stage.restore(stage.empty())
    return stage.world


# The law


def breaches(world: World) -> list[str]:
    """Where the counter of an account is not the sum over its assets, or an asset's share is not
    what its state makes it."""
    wanted: dict[str, list[int]] = {}
    wrong = []
    for item in world.scan("assets"):
        if "status" not in item:
            continue
        asset = assets_store.to_asset(assets_store.AssetItem.from_raw_data(dict(item)))
        taken = (asset.counted_bytes, asset.counted_uploads)
        if taken != share_of(asset):
            wrong.append(f"{asset.asset_id} is {asset.status} and takes {taken}")
        total = wanted.setdefault(asset.account_id, [0, 0])
        total[0] += taken[0]
        total[1] += taken[1]
    for item in world.scan("usage"):
        if item["counter"]["S"] != STORAGE:
            continue
        account, found = item["accountId"]["S"], [number(item, "usedBytes")]
        found.append(number(item, "openUploads"))
        if found != wanted.pop(account, [0, 0]):
            wrong.append(f"{account} is counted {found}")
    return wrong + [f"{account} is not counted" for account, sum_ in wanted.items() if any(sum_)]


def share_of(asset: Asset) -> tuple[int, int]:
    if not asset.is_final:
        return asset.declared_size_bytes, 1
    return (asset.size_bytes or 0, 0) if asset.status is AssetStatus.UPLOADED else (0, 0)


def number(item: dict[str, Any], name: str) -> int:
    return int(item.get(name, {}).get("N", 0))


def test_the_law_finds_a_counter_that_was_not_updated(world: World) -> None:
    open_one(world)
    write = take_write(
        ALICE, plan="free", used_bytes=1, uploads=0, needed_bytes=1, needed_uploads=0
    )

    commit([write])

    assert breaches(world) == ["alice is counted [12, 1]"]


# What happens to uploads


def command(world: World, *, key: str | None = None) -> Command:
    operation = key or world.app.ids.token()
    return Command(account_id=ALICE, route="r", language="en", key=key, operation=operation)


def photos(count: int, size_bytes: int = len(CONTENT)) -> list[NewFile]:
    return [
        admit(filename="us.jpg", size_bytes=size_bytes, mime_type="image/jpeg")
        for _ in range(count)
    ]


def open_one(world: World, *, size_bytes: int = len(CONTENT)) -> UploadSession:
    return create_upload(world.app, command(world), photos(1, size_bytes))[0]


def open_and_send(world: World) -> str:
    session = open_one(world)
    world.app.storage.write(session.storage_key, CONTENT, mime_type="image/jpeg")
    return session.asset.asset_id


def accept(source: Path, workdir: Path, /) -> CleanUpload:
    copy = CleanFile(name="image.jpg", mime_type="image/jpeg", path=source)
    return CleanUpload(kind="image", mime_type="image/jpeg", copy=copy)


def refuse(source: Path, workdir: Path, /) -> CleanUpload:
    raise UploadRefused("no picture")


Verb = Callable[[World, str], Any]


def ingest(check: Any) -> Verb:
    def verb(world: World, asset_id: str) -> Any:
        return ingest_upload(
            world.app, check, pipeline=IMAGE_PIPELINE, account_id=ALICE, asset_id=asset_id
        )

    return verb


def expire(world: World, asset_id: str) -> Any:
    """The sweeper, before any content has arrived."""
    asset = assets_store.find_asset(ALICE, asset_id)
    if asset is not None:
        world.app.storage.delete(f"quarantine/image/{owner_of(world, ALICE)}/{asset_id}")
    return world.sweep()


VERBS: dict[str, Verb] = {
    "open": lambda world, asset_id: open_one(world),
    "open with a key": lambda world, asset_id: create_upload(
        world.app, command(world, key="k"), photos(2)
    ),
    "complete": lambda world, asset_id: complete_upload(
        world.app, account_id=ALICE, asset_id=asset_id
    ),
    "accept": ingest(accept),
    "refuse": ingest(refuse),
    "give up": lambda world, asset_id: fail_ingest(world.app, account_id=ALICE, asset_id=asset_id),
    "abort": lambda world, asset_id: abort_upload(world.app, account_id=ALICE, asset_id=asset_id),
    "delete": lambda world, asset_id: delete_asset(world.app, account_id=ALICE, asset_id=asset_id),
    "expire": expire,
}


def quietly(verb: Verb, world: World, asset_id: str) -> None:
    try:
        verb(world, asset_id)
    except (Conflict, NotFound):
        return


def stopped_everywhere(stage: Stage, name: str) -> list[str]:
    """The breaches after every fault at every call of a use case, and after its repeat."""
    world = stage.world
    asset_id = open_and_send(world)
    if name == "expire":
        world.clock.move(seconds=UPLOAD_URL_SECONDS)
    snapshot, wrong = stage.take_snapshot(), list[str]()

    def perform(point: Point | None) -> list[Call]:
        stage.restore(snapshot)
        wire = Wire(world)
        with wire.armed(point):
            try:
                VERBS[name](world, asset_id)
            except Exception:  # noqa: BLE001 - only the fault of this run may raise
                assert point is not None
        found = breaches(world)
        quietly(VERBS[name], world, asset_id)
        quietly(VERBS["delete"], world, asset_id)
        wrong.extend(f"{point}: {breach}" for breach in found + breaches(world))
        return list(wire.calls)

    calls = perform(None)
    for place, call in enumerate(calls):
        for fault in call.faults():
            perform(Point(place, call, fault))
    assert calls
    return wrong


@pytest.mark.parametrize("name", VERBS)
def test_counters_hold_wherever_a_use_case_crashes(stage: Stage, world: World, name: str) -> None:
    """Every fault at every call of each use case; then its caller repeats it."""
    assert stopped_everywhere(stage, name) == []


def test_a_counter_updated_in_its_own_transaction_is_found(
    stage: Stage, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted bug: the asset is deleted, and its storage is returned in a separate step."""

    def one_by_one(writes: list[Write]) -> None:
        for write in writes:
            commit([write])

    monkeypatch.setattr("darkroom.usecases.uploads.abort_upload.commit", one_by_one)

    assert stopped_everywhere(stage, "abort")


PAIRS = [
    pair
    for pair in itertools.combinations_with_replacement(VERBS, 2)
    if not (pair[0].startswith("open") and pair[1] == "open") and pair != ("expire", "expire")
]


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_counters_hold_in_every_interleaving_of_two_use_cases(
    stage: Stage, world: World, one: str, other: str
) -> None:
    asset_id = open_and_send(world)
    if "expire" in (one, other):
        world.clock.move(seconds=UPLOAD_URL_SECONDS)
    snapshot, wrong = stage.take_snapshot(), list[str]()

    def run(choose: Any) -> Any:
        stage.restore(snapshot)
        acts = [lambda name=name: quietly(VERBS[name], world, asset_id) for name in (one, other)]
        done = interleave(acts, choose)
        wrong.extend(repr(actor.error) for actor in done.actors if actor.error)
        wrong.extend(breaches(world))
        return done

    for order, _ in every_preemption(run):
        assert wrong == [], order


@pytest.mark.parametrize("seed", SEEDS)
def test_counters_hold_in_random_sequences(stage: Stage, world: World, seed: int) -> None:
    """Several files and all use cases, in an order that the seed decides."""
    rng = random.Random(seed)
    files = [open_and_send(world) for _ in range(3)]
    names = [rng.choice([*VERBS]) for _ in range(5)]
    world.clock.move(seconds=rng.choice([0, UPLOAD_URL_SECONDS]))

    acts = [lambda name=name: quietly(VERBS[name], world, rng.choice(files)) for name in names]
    done = interleave(acts, by_seed(seed))

    assert [actor.error for actor in done.actors] == [None] * len(acts)
    assert breaches(world) == [], done.order


# Limits


GB = 1000**3
PLANS = {
    # The size of one video or sound, all storage, and open uploads.
    "free": (GB // 2, GB, 20),
    "basic": (2 * GB, 10 * GB, 50),
    "standard": (10 * GB, 50 * GB, 100),
    "professional": (50 * GB, 200 * GB, 100),
}


def test_each_plan_has_its_limits() -> None:
    allowed = {
        plan: (limits.file_bytes["video"], limits.storage_bytes, limits.concurrent_uploads)
        for plan in plan_names()
        for limits in [limits_of(plan)]
    }

    assert allowed == PLANS
    assert {limits_of(plan).file_bytes["image"] for plan in PLANS} == {10_000_000}
    assert all(
        limits_of(plan).file_bytes["audio"] == limits_of(plan).file_bytes["video"] for plan in PLANS
    )


def test_two_devices_cannot_both_take_the_last_place(stage: Stage, world: World) -> None:
    most = limits_of("free").concurrent_uploads
    create_upload(world.app, command(world), photos(most - 1))
    snapshot = stage.take_snapshot()

    def run(choose: Any) -> Any:
        stage.restore(snapshot)
        return interleave([lambda: open_one(world)] * 2, choose)

    for order, done in every_preemption(run):
        errors = [actor.error for actor in done.actors if actor.error]
        assert [type(error) for error in errors] == [PlanLimit], order
        assert find_stored(ALICE).open_uploads == most
        assert breaches(world) == []


def test_a_repeat_after_a_lost_response_opens_no_second_upload(stage: Stage, world: World) -> None:
    """Every fault at every call of the request; then the client repeats it with its key."""
    poll_at = stage.take_snapshot()
    request = {"files": [PHOTO, {**PHOTO, "filename": "b.jpg"}]}

    def perform(point: Point | None) -> list[Any]:
        stage.restore(poll_at)
        wire = Wire(world)
        with wire.armed(point):
            world.call("POST", "/api/uploads/session", request, key="k")
        world.clock.move(seconds=31)
        response = world.call("POST", "/api/uploads/session", request, key="k")
        assert response.status == 201, (point, response.body)
        ids = [session["assetId"] for session in response.body["sessions"]]
        stored = assets_store.find_assets(ALICE, ids)
        assert [stored[asset_id].filename for asset_id in ids] == ["us.jpg", "b.jpg"]
        assert find_stored(ALICE).open_uploads == 2, point
        assert breaches(world) == []
        return list(wire.calls)

    calls = perform(None)
    for place, call in enumerate(calls):
        for fault in call.faults():
            perform(Point(place, call, fault))

    assert len(calls) > 3


def test_a_repeated_key_does_not_reopen_a_deleted_file(world: World) -> None:
    [session, _] = create_upload(world.app, command(world, key="k"), photos(2))
    abort_upload(world.app, account_id=ALICE, asset_id=session.asset.asset_id)

    with pytest.raises(Conflict) as refused:
        create_upload(world.app, command(world, key="k"), photos(2))

    assert refused.value.error_code == "UPLOAD_CLOSED"


def test_too_many_open_uploads_are_refused_with_a_sufficient_plan(world: World) -> None:
    most = limits_of("free").concurrent_uploads
    create_upload(world.app, command(world), photos(most))

    response = world.call("POST", "/api/uploads/session", PHOTO)

    assert (response.status, response.body["code"]) == (403, "PLAN_LIMIT")
    limit = {name: response.body[name] for name in ("name", "limit", "used", "plan", "upgradeTo")}
    assert limit == {
        "name": "concurrentUploads",
        "limit": 20,
        "used": 20,
        "plan": "free",
        "upgradeTo": "basic",
    }


def test_declared_sizes_of_open_sessions_count_as_storage(world: World) -> None:
    clip = {"filename": "a.mp4", "sizeBytes": 500_000_000, "mimeType": "video/mp4"}
    for _ in range(2):
        assert world.call("POST", "/api/uploads/session", clip).status == 201

    full = world.call("POST", "/api/uploads/session", PHOTO)
    larger = world.call("POST", "/api/uploads/session", clip)

    assert (full.status, full.body["code"], full.body["name"]) == (
        403,
        "PLAN_LIMIT",
        "storageBytes",
    )
    assert (full.body["limit"], full.body["used"]) == (1_000_000_000, 1_000_000_000)
    assert larger.body["upgradeTo"] == "basic"


def test_a_larger_plan_raises_the_limit_at_once(world: World) -> None:
    clip = {"filename": "a.mp4", "sizeBytes": 2_000_000_000, "mimeType": "video/mp4"}

    before = world.call("POST", "/api/uploads/session", clip)
    commit([plan_write(ALICE, plan="basic", operation="op")])
    after = world.call("POST", "/api/uploads/session", clip)

    assert (before.status, before.body["code"]) == (413, "FILE_TOO_LARGE")
    facts = (before.body["limit"], before.body["plan"], before.body["upgradeTo"])
    assert facts == (500_000_000, "free", "basic")
    assert after.status == 201


def test_the_limit_of_the_largest_plan_offers_no_upgrade(world: World) -> None:
    commit([plan_write(ALICE, plan="professional", operation="op")])
    for _ in range(4):
        open_clip(world, 50_000_000_000)

    response = open_clip(world, 1_000_000)

    assert (response.status, response.body["upgradeTo"]) == (403, None)


def open_clip(world: World, size_bytes: int) -> Any:
    clip = {"filename": "a.mp4", "sizeBytes": size_bytes, "mimeType": "video/mp4"}
    return world.call("POST", "/api/uploads/session", clip)


def test_an_ended_upload_frees_its_storage(world: World) -> None:
    ids = [open_and_send(world) for _ in range(4)]
    size = len(CONTENT)

    VERBS["accept"](world, ids[0])
    accepted = find_stored(ALICE)
    VERBS["refuse"](world, ids[1])
    refused = find_stored(ALICE)
    VERBS["abort"](world, ids[2])
    aborted = find_stored(ALICE)
    VERBS["delete"](world, ids[0])
    deleted = find_stored(ALICE)

    assert accepted == Stored(used_bytes=4 * size, open_uploads=3)
    assert refused == Stored(used_bytes=3 * size, open_uploads=2)
    assert aborted == Stored(used_bytes=2 * size, open_uploads=1)
    assert deleted == Stored(used_bytes=size, open_uploads=1)


def test_a_hundred_files_are_opened_all_or_none(world: World) -> None:
    commit([plan_write(ALICE, plan="standard", operation="op")])

    create_upload(world.app, command(world), photos(100))
    with pytest.raises(PlanLimit):
        create_upload(world.app, command(world), photos(1))

    assert find_stored(ALICE).open_uploads == 100
    assert breaches(world) == []


def test_one_file_over_the_limit_refuses_all_hundred(stage: Stage, world: World) -> None:
    """A hundred files take two transactions: another request may commit between them."""
    commit([plan_write(ALICE, plan="standard", operation="op")])

    def hundred() -> None:
        create_upload(world.app, command(world), photos(100))

    done = interleave([hundred, lambda: open_one(world)], _between_transactions())
    world.drain()

    assert isinstance(done.actors[0].error, PlanLimit), done.order
    assert find_stored(ALICE).open_uploads == 1
    assert breaches(world) == []


def _between_transactions() -> Callable[[Any], int]:
    """The first runs to the end of its first transaction, then the other to its end."""
    turns = itertools.count()

    def choose(waiting: Any) -> int:
        # Its calls: the plan, then the first transaction.
        first = 0 in waiting and (next(turns) < 2 or 1 not in waiting)
        return list(waiting).index(0 if first else 1)

    return choose


def test_files_older_than_the_counters_do_not_change_them(world: World) -> None:
    """An upload that was open when counting started is counted once it is checked."""
    session = open_one(world)
    asset = session.asset
    uncounted = replace(asset, counted_bytes=0, counted_uploads=0)
    commit([assets_store.delete_write(asset)])
    commit([assets_store.create_write(uncounted, operation="op")])
    before = find_stored(ALICE)
    world.app.storage.write(session.storage_key, CONTENT, mime_type="image/jpeg")
    VERBS["accept"](world, asset.asset_id)
    after = find_stored(ALICE)

    assert after.used_bytes - before.used_bytes == len(CONTENT)
    assert after.open_uploads == before.open_uploads


def test_a_save_that_forgets_the_counters_is_a_bug(world: World) -> None:
    asset = open_one(world).asset
    smaller = replace(await_check(asset, world.clock.now()), counted_bytes=0)

    with pytest.raises(AssertionError, match="counters"):
        assets_store.save_write(asset, smaller, operation="op")
