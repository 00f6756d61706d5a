"""Lists of jobs, compared with a plain model that filters and sorts all jobs."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.client import BaseClient
from hypothesis import given
from hypothesis import strategies as st

from darkroom.assets import reference_store
from darkroom.assets import store as assets_store
from darkroom.assets.model import Asset, AssetStatus, ReferencePhoto
from darkroom.db import commit
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import ENTRY_PREFIX, WORDS_KEY, JobItem, ListEntryItem, list_key, side_key
from darkroom.jobs.lists import facets
from darkroom.jobs.lists import pages as job_pages
from darkroom.jobs.model import Job, Receipt
from darkroom.jobs.states import FINAL_JOB, JobStatus
from darkroom.jobs.writing import job_to_item
from darkroom.kernel.clock import to_iso
from darkroom.kernel.ids import derived_id, output_id
from darkroom.kernel.limits import PREFIX_LIMIT_CHARS, WORDS_PER_JOB_LIMIT
from darkroom.kernel.words import has_words
from darkroom.usecases.projections.index_job import index_job
from darkroom.workers.stream import handle_stream
from tests.support.builders import a_draft, a_queued_job, a_story, a_user
from tests.support.moto_world import moto_world
from tests.support.world import START, Response, World

RECIPES = ("quick", "story", "trailer", "portraits", "captions")
NAMES = (
    "Beach Day.JPG",
    "beach_cabin-2.png",
    "IMG_0042.jpg",
    "가족 사진.jpg",
    unicodedata.normalize("NFD", "가족여행.mp4"),
    "Straße.mov",
    "averyverylongsinglewordindeed.mp3",
    "averyverylongsinglestart.mp3",
    "---.wav",
)
QUERIES = (
    "beach", "BEA", "day", "beach da", "cabin", "img", "0042", "img_0042", "가", "가족", "여행",
    "strasse", "STRASSE", "averyverylongsinglew", "averyverylong", "jpg", "each", "--", "b",
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


# The model


@dataclass(frozen=True)
class Sample:
    """A job and the names of its files."""

    job: Job
    names: tuple[str, ...]


def model_words(names: Sequence[str]) -> set[str]:
    """Words, not split as the product does: parts of the folded name between separators."""
    folded = [
        unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        for name in names
    ]
    return {word for name in folded for word in re.split(r"[\W_]+", name) if word}


def model_list(samples: Sequence[Sample], query: Mapping[str, Any]) -> list[str]:
    """Ids of the jobs in a list with these parameters, in its order."""
    left = [sample for sample in samples if model_wants(sample, query)]
    left.sort(key=lambda sample: (sample.job.created_at, sample.job.job_id), reverse=True)
    sort = query.get("sort", "newest")
    if sort == "oldest":
        left.reverse()
    if sort == "failedFirst":
        left.sort(key=lambda sample: sample.job.status is not JobStatus.FAILED)
    if sort == "duration":
        left.sort(key=lambda sample: sample.job.job_id, reverse=True)
        ended = [sample for sample in left if sample.job.is_final]
        ended.sort(key=lambda sample: model_duration(sample.job), reverse=True)
        waiting = [sample for sample in left if not sample.job.is_final]
        waiting.sort(key=lambda sample: (sample.job.created_at, sample.job.job_id), reverse=True)
        left = ended + waiting
    return [sample.job.job_id for sample in left]


def model_duration(job: Job) -> timedelta:
    assert job.finished_at is not None
    return job.finished_at - (job.started_at or job.queued_at or job.finished_at)


def model_wants(sample: Sample, query: Mapping[str, Any]) -> bool:
    job = sample.job
    translates = None
    if job.recipe == "captions":
        translates = job.inputs["options"]["translate"]
    at = to_iso(job.created_at)
    return (
        query.get("status", job.status.value) == job.status.value
        and query.get("recipe", job.recipe) == job.recipe
        and ("translate" not in query or query["translate"] is translates)
        and query.get("dateFrom", "") <= at
        and at < query.get("dateTo", "~")
        and ("search" not in query or model_finds(sample, query["search"]))
    )


def model_finds(sample: Sample, text: str) -> bool:
    wanted, words = model_words([text]), model_words(sample.names)
    return bool(wanted) and all(any(word.startswith(start) for word in words) for start in wanted)


# The jobs that the model is compared with

_numbers = itertools.count(1)


def store_sample(
    account: str,
    *,
    status: JobStatus = JobStatus.DRAFT,
    recipe: str = "story",
    translate: bool = False,
    at: datetime = START,
    lasted: timedelta = timedelta(),
    names: Sequence[str] = (),
) -> Sample:
    """A stored and indexed job; its items are real, its history is invented."""
    number = next(_numbers)
    job = replace(
        a_queued_job(),
        job_id=derived_id("job", str(number)),
        account_id=account,
        recipe=recipe,
        status=status,
        inputs=inputs_of(recipe, [store_asset(account, name) for name in names], translate),
        created_at=at,
        updated_at=at,
        queued_at=None if status is JobStatus.DRAFT else at,
        started_at=at if status in FINAL_JOB else None,
        finished_at=at + lasted if status in FINAL_JOB else None,
        receipt=Receipt(used=2, refunded=0, parts=(2,)) if status in FINAL_JOB else None,
    )
    commit(jobs_store.create_writes(job, operation="arranged"))
    index_job(job.job_id)
    return Sample(job, tuple(names))


OPTIONS = {"sourceLang": "en", "targetLangs": [], "outputFormats": ["srt"], "diarization": False}
PORTRAITS = {"mode": "single", "styles": ["CLASSIC"], "totalImages": 1}
FILM = {"stage": "spark", "genre": "noir", "sliders": {}, "rewriteEnabled": False}


def inputs_of(recipe: str, asset_ids: list[str], translate: bool) -> dict[str, Any]:
    if recipe == "captions":
        return {"assetIds": asset_ids, "options": {**OPTIONS, "translate": translate}}
    if recipe == "portraits":
        return {**PORTRAITS, "referencePhotoIds": asset_ids}
    return {**FILM, "photoAssetIds": asset_ids}


def store_asset(account: str, name: str) -> str:
    asset_id = derived_id("ast", account, name, str(next(_numbers)))
    asset = Asset(
        account_id=account,
        asset_id=asset_id,
        filename=name,
        kind="image",
        status=AssetStatus.UPLOADED,
        declared_mime_type="image/jpeg",
        declared_size_bytes=3,
        created_at=START,
        updated_at=START,
    )
    commit([assets_store.create_write(asset, operation="arranged")])
    return asset_id


def get(world: World, user: str, **query: Any) -> Response:
    sent = {name: str(value).lower() if value in (True, False) else value
            for name, value in query.items()}  # fmt: skip
    return world.call("GET", f"/api/jobs?{urlencode(sent)}", user=user)


def all_pages(world: World, user: str, *, limit: int, **query: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        response = get(world, user, limit=limit, **query, **cursor)
        assert response.status == 200, response.body
        pages.append([job["jobId"] for job in response.body["items"]])
        if response.body["nextCursor"] is None:
            return pages
        cursor = {"cursor": response.body["nextCursor"]}
        assert len(pages) < 100


def empty(world: World) -> None:
    """Delete all jobs and files: moto scans the whole table for each query."""
    for name, keys in (("jobs", ("pk", "sk")), ("assets", ("accountId", "assetId"))):
        table = world.settings.tables[name]
        found = [{key: item[key] for key in keys} for item in world.scan(name)]
        for start in range(0, len(found), 25):
            requests = [{"DeleteRequest": {"Key": key}} for key in found[start : start + 25]]
            world.client("dynamodb").batch_write_item(RequestItems={table: requests})


def some_sample(chance: random.Random) -> dict[str, Any]:
    return {
        "status": chance.choice(list(JobStatus)),
        "recipe": chance.choice(RECIPES),
        "translate": chance.random() < 0.5,
        "at": START + timedelta(hours=chance.randint(0, 6)),
        "lasted": timedelta(milliseconds=chance.choice((0, 1, 1500, 90_000))),
        "names": tuple(chance.sample(NAMES, chance.randint(0, 2))),
    }


def some_query(chance: random.Random) -> dict[str, Any]:
    """Each parameter now and then, so that most lists are not empty."""
    hours = [to_iso(START + timedelta(hours=hour)) for hour in range(-1, 8)]
    values = {
        "status": [status.value for status in JobStatus],
        "recipe": RECIPES,
        "translate": (True, False),
        "dateFrom": hours[:4],
        "dateTo": hours[4:],
        "search": QUERIES,
        "sort": ("oldest", "failedFirst", "duration", "newest"),
    }
    likely = {"status": 0.2, "recipe": 0.25, "search": 0.4, "sort": 0.7}
    query = {
        name: chance.choice(choices)
        for name, choices in values.items()
        if chance.random() < likely.get(name, 0.2)
    }
    if "search" in query and query.get("sort") == "duration":
        del query["search"]
    return query


# Filters, one by one


def test_lists_need_a_token(world: World) -> None:
    for path in ("/api/jobs", "/api/jobs.csv", "/api/generations"):
        response = world.call("GET", path, user=None)
        assert (response.status, response.body["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("status", ""),
        ("recipe", "opera"),
        ("translate", "maybe"),
        ("dateFrom", "yesterday"),
        ("dateFrom", ""),
        ("dateTo", "2026-13-01"),
        ("dateTo", "0001-01-01T00:00:00+14:00"),
        ("sort", "name"),
        ("limit", "0"),
        ("limit", "101"),
        ("search", "x" * 201),
    ],
)
def test_an_invalid_filter_is_refused_and_named(
    name: str, value: str, world: World, user: str
) -> None:
    response = get(world, user, **{name: value})

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in response.body["fields"]] == [name]


def test_a_search_cannot_be_sorted_by_duration(world: World, user: str) -> None:
    response = get(world, user, search="beach", sort="duration")

    assert (response.status, response.body["fields"][0]["path"]) == (400, "sort")


def test_an_empty_search_does_not_filter(world: World, user: str) -> None:
    sample = store_sample(user)

    for text in ("", "  "):
        assert all_pages(world, user, limit=5, search=text) == [[sample.job.job_id]]


def test_dates_are_days_or_times_in_any_zone_and_utc_without_one(world: World, user: str) -> None:
    sample = store_sample(user, at=START)
    job_id = sample.job.job_id

    found = {
        "2026-01-05": [[job_id]],
        "2026-01-06": [[]],
        "2026-01-05T09:00:00": [[job_id]],
        "2026-01-05T09:00:00.000Z": [[job_id]],
        "2026-01-05T09:00:00.001Z": [[]],
        "2026-01-05T09:00:00.0001Z": [[]],
        "2026-01-05T18:00:00+09:00": [[job_id]],
        "2026-01-05T18:00:01+09:00": [[]],
    }

    for date, pages in found.items():
        assert all_pages(world, user, limit=5, dateFrom=date) == pages, date
        empty = pages == [[]]
        assert (all_pages(world, user, limit=5, dateTo=date) == [[]]) != (empty), date


def test_a_cursor_is_bound_to_every_filter_and_to_its_route(world: World, user: str) -> None:
    for _ in range(3):
        store_sample(user, status=JobStatus.FAILED, names=("beach.jpg",))
    base = {"status": "failed", "recipe": "story", "search": "beach", "dateFrom": "2026-01-01"}
    cursor = get(world, user, limit=1, **base).body["nextCursor"]
    others: list[dict[str, Any]] = [
        {**base, "status": "succeeded"},
        {**base, "recipe": "quick"},
        {**base, "search": "be"},
        {**base, "dateFrom": "2026-01-02"},
        {**base, "dateTo": "2027-01-01"},
        {**base, "translate": False},
        {**base, "sort": "oldest"},
        {name: value for name, value in base.items() if name != "search"},
    ]

    assert get(world, user, limit=2, cursor=cursor, **base).status == 200
    refused = [get(world, user, cursor=cursor, **other) for other in others]
    refused += [
        get(world, a_user(), cursor=cursor, **base),
        world.call("GET", f"/api/jobs.csv?{urlencode({**base, 'cursor': cursor})}", user=user),
        world.call("GET", f"/api/generations?cursor={cursor}", user=user),
    ]
    for response in refused:
        assert (response.status, response.body["code"]) == (400, "BAD_CURSOR")


# Search


def test_a_job_is_found_by_its_id_or_by_one_of_its_files(world: World, user: str) -> None:
    sample = store_sample(user, names=("a.jpg",))
    job_id = sample.job.job_id
    asset_id = sample.job.inputs["photoAssetIds"][0]

    for text in (job_id, f" {job_id.lower()} ", asset_id, output_id(job_id, 1)):
        assert all_pages(world, user, limit=5, search=text) == [[job_id]], text
        assert all_pages(world, a_user(), limit=5, search=text) == [[]], text
    assert all_pages(world, user, limit=5, search=job_id, status="failed") == [[]]
    assert all_pages(world, user, limit=5, search=job_id[:20]) == [[]]


def test_portraits_are_found_by_role_and_by_the_name_of_the_reference_photo(
    world: World, user: str
) -> None:
    asset_id = store_asset(user, "passport.jpg")
    photo = ReferencePhoto(
        account_id=user,
        reference_photo_id=derived_id("ref", user),
        asset_id=asset_id,
        role="groom",
        is_active=True,
        created_at=START,
        clean_key="clean/x",
        mime_type="image/jpeg",
    )
    commit([reference_store.create_write(photo, operation="arranged")])
    sample = store_sample(user, recipe="portraits")
    inputs = inputs_of("portraits", [photo.reference_photo_id], translate=False)
    job = replace(sample.job, job_id=derived_id("job", user), inputs=inputs)
    commit(jobs_store.create_writes(job, operation="arranged"))
    index_job(job.job_id)

    for text in ("groom", "passp", photo.reference_photo_id, asset_id):
        assert all_pages(world, user, limit=5, search=text) == [[job.job_id]], text


def test_the_stream_indexes_new_jobs_changed_drafts_and_renamed_files(
    world: World, user: str
) -> None:
    draft = a_draft(world, user)
    world.pump_stream()
    assert all_pages(world, user, limit=5, search="us") == [[draft]]

    other = store_asset(user, "Lighthouse.jpg")
    body = {"photoAssetIds": [other]}
    assert world.call("PATCH", f"/api/jobs/{draft}", body, user=user).status == 200
    world.pump_stream()
    assert all_pages(world, user, limit=5, search="us") == [[]]
    assert all_pages(world, user, limit=5, search="light") == [[draft]]

    asset = assets_store.get_asset(user, other)
    renamed = replace(asset, filename="Harbor.jpg")
    commit([assets_store.save_write(asset, renamed, operation="renamed")])
    world.pump_stream()
    assert all_pages(world, user, limit=5, search="light") == [[]]
    assert all_pages(world, user, limit=5, search="harb") == [[draft]]


def test_an_old_stream_record_does_not_restore_old_words(world: World, user: str) -> None:
    draft = a_draft(world, user)
    old = world.take_changes()
    other = store_asset(user, "Lighthouse.jpg")
    world.call("PATCH", f"/api/jobs/{draft}", {"photoAssetIds": [other]}, user=user)
    world.pump_stream()

    for batch in old:
        assert handle_stream(world.app, {"Records": batch}) == {"batchItemFailures": []}

    assert all_pages(world, user, limit=5, search="us") == [[]]
    assert all_pages(world, user, limit=5, search="light") == [[draft]]


def test_the_sweeper_indexes_jobs_that_the_stream_lost(world: World, user: str) -> None:
    job_id = a_story(world, user)
    world.take_changes()
    assert all_pages(world, user, limit=5, search="us") == [[]]

    world.advance_time(minutes=15)

    assert all_pages(world, user, limit=5, search="us") == [[job_id]]
    assert all_pages(world, user, limit=5, sort="duration") == [[job_id]]


def test_a_deleted_job_leaves_every_list_at_once_and_all_its_entries_are_deleted(
    world: World, user: str
) -> None:
    job_id = a_story(world, user)
    world.drain()
    everywhere = [
        {},
        {"status": "succeeded"},
        {"recipe": "story"},
        {"status": "succeeded", "recipe": "story"},
        {"search": "us"},
        {"search": job_id},
        {"sort": "duration"},
        {"sort": "failedFirst"},
    ]
    assert all(all_pages(world, user, limit=5, **query) == [[job_id]] for query in everywhere)

    assert world.call("DELETE", f"/api/jobs/{job_id}", user=user).status == 204

    assert all(all_pages(world, user, limit=5, **query) == [[]] for query in everywhere)
    assert world.call("GET", "/api/generations", user=user).body["items"] == []
    world.drain()
    assert [item for item in world.scan("jobs") if item["pk"]["S"] == f"{job_id}#side"] == []


def test_indexing_again_writes_nothing(world: World, user: str) -> None:
    sample = store_sample(user, names=NAMES)

    assert index_job(sample.job.job_id) == 0


# Words


def test_the_words_of_a_job_are_bounded() -> None:
    words = facets.words_of(*(f"w{number}" for number in range(200)))

    assert len(words) == WORDS_PER_JOB_LIMIT
    assert len(facets.prefixes_of(["x" * 300])) == PREFIX_LIMIT_CHARS


@given(st.text(max_size=40))
def test_a_text_is_found_by_each_prefix_of_each_of_its_words(text: str) -> None:
    words = facets.words_of(text)

    for word in words:
        for length in range(1, len(word) + 1):
            start = facets.words_of(word[:length].upper())
            assert len(start) <= 1 or has_words(start, words)
            assert has_words([word[:length]], words)


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_different_accounts_or_words_have_different_keys(a: str, b: str, c: str, d: str) -> None:
    if "\x1f" in a + b + c + d:
        return

    assert (facets.word_key(a, b) == facets.word_key(c, d)) == ((a, b) == (c, d))


# All of it together


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))]
)
def test_all_pages_together_equal_the_list_of_the_model(seed: int, world: World) -> None:
    empty(world)
    account, chance = a_user(), random.Random(seed)
    samples = [store_sample(account, **some_sample(chance)) for _ in range(16)]
    store_sample(a_user(), names=NAMES)

    for _ in range(16):
        query, limit = some_query(chance), chance.randint(1, 6)
        pages = all_pages(world, account, limit=limit, **query)

        assert list(itertools.chain(*pages)) == model_list(samples, query), query
        # There are far fewer candidates than a page may read: no page is short.
        assert all(len(page) == limit for page in pages[:-1]), query
        assert pages[-1] or len(pages) == 1, query


# Costs


@dataclass
class Counted:
    calls: list[str] = field(default_factory=list)
    size_bytes: int = 0
    jobs: list[str] = field(default_factory=list)
    """Ids of the jobs that were read by id."""
    body: Any = None


def counted(monkeypatch: pytest.MonkeyPatch, world: World, user: str, path: str) -> Counted:
    """The database calls of one request, what they read, and the response."""
    seen = Counted()
    real: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

    def spy(client: Any, operation: str, params: Any) -> Any:
        response = real(client, operation, params)
        if client.meta.service_model.service_name == "dynamodb":
            seen.calls.append(operation)
            pages = [response.get("Items", []), *response.get("Responses", {}).values()]
            seen.size_bytes += sum(len(str(page)) for page in pages)
            for table in params.get("RequestItems", {}).values():
                keys = [key for key in table["Keys"] if key["sk"] == {"S": "job"}]
                seen.jobs.extend(key["pk"]["S"] for key in keys)
        return response

    with monkeypatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", spy)
        response = world.call("GET", path, user=user)
        assert response.status == 200
    return replace(seen, body=response.body)


PATHS = (
    "/api/jobs",
    "/api/jobs?status=failed",
    "/api/jobs?recipe=captions",
    "/api/jobs?status=failed&recipe=captions&translate=true",
    "/api/jobs?sort=oldest&dateFrom=2026-01-05",
    "/api/jobs?sort=failedFirst",
    "/api/jobs?sort=duration",
    "/api/jobs?search=b",
    f"/api/jobs?search={quote('be jpg')}",
    "/api/generations",
)


@pytest.fixture(scope="module")
def accounts(world: World) -> dict[int, str]:
    """Accounts by their number of jobs."""
    accounts = {size: a_user() for size in (100, 400)}
    for size, account in accounts.items():
        store_many(account, size)
    return accounts


def test_the_cost_of_a_page_does_not_depend_on_the_number_of_jobs(
    world: World, accounts: Mapping[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in PATHS:
        few, many = (counted(monkeypatch, world, accounts[size], path) for size in accounts)
        assert few.calls == many.calls, path
        assert len(few.calls) <= 25, path
        assert abs(few.size_bytes - many.size_bytes) <= few.size_bytes * 0.02, path


@pytest.mark.parametrize(("limit", "reads"), [(20, [40, 40, 20]), (60, [61, 39])])
def test_a_page_without_a_match_reads_a_bounded_number_of_jobs(
    limit: int,
    reads: list[int],
    world: World,
    accounts: Mapping[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_pages, "LIST_CANDIDATES_LIMIT", 40)
    path = f"/api/jobs?limit={limit}&search={quote('be zz')}"

    pages = [counted(monkeypatch, world, accounts[100], path)]
    while (cursor := pages[-1].body["nextCursor"]) is not None:
        pages.append(counted(monkeypatch, world, accounts[100], f"{path}&cursor={cursor}"))

    assert [page.body["items"] for page in pages] == [[]] * len(reads)
    assert [len(page.jobs) for page in pages] == reads
    assert len({job for page in pages for job in page.jobs}) == 100


def store_many(account: str, size: int) -> None:
    """Failed jobs with one file, and the list entries that the paths read."""
    wanted = ("w#b", "w#be", "d#all")
    with JobItem.batch_write() as jobs, ListEntryItem.batch_write() as entries:
        for number in range(size):
            job = a_failed_job(account, 10_000 + number)
            jobs.save(job_to_item(job, "arranged"))
            words, pk = ("be", "jpg"), side_key(job.job_id)
            for entry in facets.entries_of(job, file_ids=(), words=words, at=list_key(job)):
                if entry.name in wanted:
                    item = ListEntryItem(pk, ENTRY_PREFIX + entry.name)
                    item.facet, item.order = entry.facet, entry.order
                    entries.save(item)
            entries.save(ListEntryItem(pk, WORDS_KEY, words=" ".join(words)))


def a_failed_job(account: str, number: int) -> Job:
    at = START + timedelta(seconds=number)
    return replace(
        a_queued_job(),
        job_id=derived_id("job", account, str(number)),
        account_id=account,
        recipe="captions",
        status=JobStatus.FAILED,
        inputs=inputs_of("captions", ["ast_x"], translate=True),
        created_at=at,
        updated_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=number),
        receipt=Receipt(used=0, refunded=2, parts=(0,)),
    )
