"""Every value of a domain object is the same after it was stored and read.

None, zero, False, empty text and empty lists are different values. Each object goes through its
real item and back through DynamoDB's own representation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkroom.albums import items as album_items
from darkroom.albums import model as albums
from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, ReferencePhoto
from darkroom.credits import store as credits_store
from darkroom.credits.model import Change, Entry, Grant, Hold, Wallet
from darkroom.events import store as events_store
from darkroom.events.store import Event
from darkroom.jobs import reading, share_store
from darkroom.jobs.model import Failure, Job, Output, Receipt, Source, Task
from darkroom.jobs.share_store import Share
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.jobs.writing import inherited_to_item, inputs_to_item, job_to_item, task_to_item
from darkroom.kernel.faces import FaceBox
from darkroom.kernel.ids import derived_id
from darkroom.kernel.media_types import MEDIA_TYPES
from darkroom.kernel.money import PricePart
from darkroom.payments import store as payments_store
from darkroom.payments.store import Purchase
from darkroom.webhooks import store as webhooks_store
from darkroom.webhooks.store import Received

JOB_ID = derived_id("job", "one")
TEXTS = st.sampled_from(["", " ", "0", "False", "null", "값", "a#b"])
NAMES = st.sampled_from(["a", "0", "값", "a b"])
OBJECT_KEYS = {"clean_key", "cover_key", "storage_key", "thumbnail_key"}
NUMBERS = st.sampled_from([0, 1, 7, 10**12])
MOMENTS = st.integers(0, 4 * 10**12).map(
    lambda millis: datetime(1980, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
)
SECONDS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
JSON_VALUES = st.sampled_from([None, 0, 1, 0.5, False, True, "", "x", [], {}, [0], {"a": 0}])
JSON = st.dictionaries(NAMES, JSON_VALUES, max_size=3)


def values_of(declared: Any) -> st.SearchStrategy[Any]:
    """Values of a declared type, the false ones first."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        return st.one_of(*map(values_of, arguments))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is frozenset:
        return st.frozensets(NAMES, max_size=2)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return JSON if arguments[1] is Any else st.dictionaries(NAMES, NUMBERS, max_size=2)
    if is_dataclass(declared):
        return objects_of(declared)
    if isinstance(declared, type) and issubclass(declared, Enum):
        return st.sampled_from(declared)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        NoneType: st.none(),
        str: TEXTS,
        int: NUMBERS,
        float: st.sampled_from([0.0, 0.25, 1.0]),
        bool: st.booleans(),
        datetime: MOMENTS,
    }
    return plain[declared]


def objects_of(kind: Any, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(
        kind,
        **{
            field.name: fixed.get(field.name, values_for(field.name, hints[field.name]))
            for field in fields(kind)
        },
    )


def values_for(name: str, declared: Any) -> st.SearchStrategy[Any]:
    """Values of a field. Keys of objects are the only texts that are never empty."""
    values = values_of(declared)
    return values.filter(lambda value: value != "") if name in OBJECT_KEYS else values


def through(item: Any) -> Any:
    """The item as DynamoDB hands it back: what is None is not stored at all."""
    return type(item).from_raw_data(item.serialize())


OPERATION = "op"


def job_and_back(job: Job) -> Job:
    job = replace(job, created_at=job.created_at)
    item = through(job_to_item(job, OPERATION))
    inputs = through(inputs_to_item(job, OPERATION)) if item.inputs is None else None
    read = reading.read_job(item, inputs)
    assert read.unreadable == frozenset()
    return read.value


def task_and_back(task: Task) -> Task:
    read = reading.read_task(through(task_to_item(task, OPERATION)))
    assert read.unreadable == frozenset()
    return read.value


def output_and_back(output: Output) -> Output:
    item = through(inherited_to_item(JOB_ID, [output], OPERATION))
    read = reading.read_inherited(item)
    assert read.unreadable == frozenset()
    [found] = read.value
    return found


def share_and_back(share: Share) -> Share:
    write = share_store.create_write(share, operation=OPERATION, check_at=share.created_at)
    return replace(share_store.read_share(through(write.item)).value, revoked_at=share.revoked_at)


def asset_and_back(asset: Asset) -> Asset:
    return assets_store.to_asset(
        through(assets_store.create_write(asset, operation=OPERATION).item)
    )


def photo_and_back(photo: ReferencePhoto) -> ReferencePhoto:
    item = through(reference_store.create_write(photo, operation=OPERATION).item)
    return reference_store.to_reference_photo(item)


def album_and_back(album: albums.Album) -> albums.Album:
    return album_items.album_from_item(through(album_items.album_to_item(album, OPERATION)))


def picture_and_back(entry: albums.Entry) -> albums.Entry:
    return album_items.entry_from_item(through(album_items.entry_to_item(entry, OPERATION)))


def purchase_and_back(purchase: Purchase) -> Purchase:
    write = payments_store.create_write(purchase, operation=OPERATION)
    return payments_store.to_purchase(through(write.item))


def received_and_back(received: Received) -> Received:
    item = through(webhooks_store.receive_write(received).item)
    return replace(webhooks_store._to_received(item), is_handled=received.is_handled)


def wallet_and_back(wallet: Wallet) -> Wallet:
    [write] = credits_store.change_writes(Change(wallet, ()), before=None, operation=OPERATION)
    return credits_store.to_wallet(through(write.item))


def entry_and_back(entry: Entry) -> Entry:
    change = Change(Wallet(account_id=entry.account_id), (entry,))
    write = credits_store.change_writes(change, before=None, operation=OPERATION)[0]
    return credits_store._to_entry(through(write.item))


def hold_and_back(hold: Hold) -> Hold:
    return credits_store.hold_from_json(credits_store.hold_to_json(hold))


def event_and_back(event: Event) -> Event:
    return events_store.to_event(through(events_store.record_write(event, retention_days=1).item))


OUTPUTS = objects_of(Output)
TASKS = objects_of(
    Task,
    job_id=st.just(JOB_ID),
    key=NAMES,
    account_id=NAMES,
    number=st.integers(1, 100),
    next_check_at=st.none() | SECONDS,
    outputs=st.lists(OUTPUTS, max_size=2).map(tuple),
    is_sent=st.just(False),
    status=st.sampled_from(
        [TaskStatus.BLOCKED, TaskStatus.READY, TaskStatus.SUCCEEDED, TaskStatus.FAILED]
    ),
)
PRICES = st.lists(objects_of(PricePart), max_size=2).map(tuple)


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    price = draw(PRICES)
    parts = tuple(draw(NUMBERS) for _ in price)
    receipt = draw(st.none() | objects_of(Receipt, parts=st.just(parts), used=st.just(sum(parts))))
    job: Job = draw(
        objects_of(
            Job,
            job_id=st.just(JOB_ID),
            account_id=NAMES,
            price=st.just(price),
            receipt=st.just(receipt),
            next_check_at=st.none() | SECONDS,
        )
    )
    if job.queued_at is None and not job.is_final and job.status is not JobStatus.DRAFT:
        # Only a job that was queued can run.
        return replace(job, queued_at=job.created_at)
    return job


CASES: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    "Job": (jobs(), job_and_back),
    "Task": (TASKS, task_and_back),
    "Output": (OUTPUTS, output_and_back),
    "Share": (objects_of(Share, job_id=st.just(JOB_ID), digest=NAMES), share_and_back),
    "Asset": (
        objects_of(
            Asset,
            account_id=NAMES,
            asset_id=NAMES,
            clean_mime_type=st.none() | st.sampled_from([one.mime_type for one in MEDIA_TYPES]),
            next_check_at=st.none() | SECONDS,
            face_boxes=st.lists(objects_of(FaceBox), max_size=2).map(tuple),
        ),
        asset_and_back,
    ),
    "ReferencePhoto": (
        objects_of(ReferencePhoto, account_id=NAMES, reference_photo_id=NAMES),
        photo_and_back,
    ),
    "Album": (objects_of(albums.Album, account_id=NAMES, album_id=NAMES), album_and_back),
    "Album entry": (
        objects_of(albums.Entry, account_id=NAMES, album_id=st.just("alb")),
        picture_and_back,
    ),
    "Purchase": (
        objects_of(
            Purchase,
            account_id=NAMES,
            purchase_id=NAMES,
            next_check_at=st.none() | SECONDS,
            is_poll=st.just(False),
        ),
        purchase_and_back,
    ),
    "Received": (
        objects_of(Received, event_id=NAMES, tries=st.just(0), next_check_at=st.none() | SECONDS),
        received_and_back,
    ),
    "Wallet": (objects_of(Wallet, account_id=NAMES), wallet_and_back),
    "Entry": (objects_of(Entry, account_id=NAMES, cause=NAMES), entry_and_back),
    "Hold": (st.lists(objects_of(Grant), max_size=2).map(lambda g: Hold(tuple(g))), hold_and_back),
    "Event": (objects_of(Event, entity_id=NAMES, event_id=NAMES), event_and_back),
}


@pytest.mark.parametrize("kind", CASES)
def test_stored_values_are_read_back_unchanged(kind: str) -> None:
    strategy, and_back = CASES[kind]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def stays_the_same(value: Any) -> None:
        assert and_back(value) == value

    stays_the_same()


@pytest.mark.parametrize(
    "output",
    [{"size_bytes": 0}, {"width": 0, "duration_ms": 0}, {"style": "", "language": ""}],
    ids=str,
)
def test_an_output_keeps_zero_and_empty_text(output: dict[str, Any]) -> None:
    given = {"output_id": "o", "key": "k", "type": "srt", "mime_type": "m", "storage_key": "s"}
    whole = Output(**{**given, "size_bytes": 1, **output})

    assert output_and_back(whole) == whole


def test_a_task_keeps_the_empty_parts_of_its_failure_and_sources() -> None:
    task = Task(
        job_id=JOB_ID,
        account_id="a",
        key="k",
        kind="",
        number=1,
        status=TaskStatus.FAILED,
        failure=Failure(code="", message=""),
        sources=(Source(key="", storage_key="s", mime_type=""),),
    )

    assert task_and_back(task) == task


def test_a_file_that_an_older_version_stored_without_a_size_has_no_bytes() -> None:
    whole = Output(output_id="o", key="k", type="srt", mime_type="m", storage_key="s", size_bytes=0)
    item = inherited_to_item(JOB_ID, [whole], OPERATION)
    item.output = item.output.replace('"size_bytes":0', '"width":null')

    assert reading.read_inherited(item).value == [whole]
