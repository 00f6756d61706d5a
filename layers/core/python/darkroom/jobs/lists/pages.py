"""Pages of a list of jobs: which indexes serve a filter, and how a page is assembled.

A list is a sequence of *phases*; a phase merges a few index partitions by their order. Every job of
a page is read and compared with the filter itself, because indexes are eventually consistent and
some filters have no key condition (a duration between dates; a search that also names a state).
A page reads a bounded number of candidates, so such a page may be short, or even empty, and its
position leads to the next page. The number of reads does not depend on the number of jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import merge
from itertools import islice, product

from darkroom.jobs.items import list_key
from darkroom.jobs.lists import facets
from darkroom.jobs.lists import store as list_store
from darkroom.jobs.lists.store import FIRST, LAST, Candidate, Partition
from darkroom.jobs.model import Job
from darkroom.jobs.states import FINAL_JOB, JobStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.ids import is_id, job_of_output
from darkroom.kernel.limits import LIST_CANDIDATES_LIMIT, PREFIX_LIMIT_CHARS
from darkroom.kernel.words import has_words

Position = tuple[int, str]
"""The phase, and the order of the last candidate that was read."""
START: Position = (0, "")
_FILE_PREFIXES = ("ast", "ref")


class Sort(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    DURATION = "duration"
    """The longest duration first; unfinished jobs follow, newest first."""
    FAILED_FIRST = "failedFirst"
    """Failed jobs first, then the others; each newest first."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """The search terms: words (each a prefix of one of the job's words), or a complete id."""

    words: tuple[str, ...] = ()
    job_id: str | None = None
    file_id: str | None = None

    @property
    def start(self) -> str:
        """The listed prefix of the longest word, which is the most selective."""
        return max(self.words, key=len)[:PREFIX_LIMIT_CHARS]

    @property
    def is_listed(self) -> bool:
        """Whether the index alone serves the search."""
        return len(self.words) <= 1 and all(len(w) <= PREFIX_LIMIT_CHARS for w in self.words)


@dataclass(frozen=True, kw_only=True)
class Filters:
    status: JobStatus | None = None
    recipe: str | None = None
    translate: bool | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    search: Search | None = None
    sort: Sort = Sort.NEWEST

    @property
    def kinds(self) -> tuple[str, ...] | None:
        return facets.kinds_of(self.recipe, self.translate)


@dataclass(frozen=True, kw_only=True)
class Phase:
    partitions: tuple[Partition, ...]
    wants: Callable[[Job], bool]
    low: str = FIRST
    high: str = LAST
    ascending: bool = False
    words: tuple[str, ...] = ()
    """Compared with the job, if its place in the index is not sufficient."""


@dataclass(frozen=True, kw_only=True)
class Page:
    jobs: tuple[Job, ...]
    position: Position | None
    """The start of the next page; None at the end."""


def to_search(text: str) -> Search:
    """The search for the text of a search box; without a letter or digit, it finds nothing."""
    head, _, tail = text.strip().partition("_")
    whole = f"{head.lower()}_{tail.upper()}"
    if is_id(whole, "job"):
        return Search(job_id=whole)
    if is_id(whole, "out"):
        return Search(job_id=job_of_output(whole))
    if any(is_id(whole, prefix) for prefix in _FILE_PREFIXES):
        return Search(file_id=whole)
    return Search(words=facets.words_of(text))


def read_page(
    account_id: str, filters: Filters, *, limit: int, after: Position | None = None
) -> Page:
    """Up to ``limit`` jobs from ``after`` on.

    Reads at most ``LIST_CANDIDATES_LIMIT`` candidates (or ``limit`` + 1). The candidate
    after the last job of the page shows whether there is another page.
    """
    if filters.search is not None and filters.search.job_id is not None:
        return _single(account_id, filters, filters.search.job_id)
    phases = phases_of(account_id, filters)
    position = after or START
    found: list[Job] = []
    skipped = 0
    reads_limit = max(limit + 1, LIST_CANDIDATES_LIMIT)
    while position[0] < len(phases) and (unread := reads_limit - len(found) - skipped) > 0:
        # If some candidates did not match, many of the next may not match either.
        wanted = limit + 1 - len(found) + skipped
        matches, following = _read_matches(account_id, phases, position, limit=min(wanted, unread))
        for matched_at, job in matches:
            if job is None:
                skipped += 1
            elif len(found) == limit:
                return Page(jobs=tuple(found), position=position)
            else:
                found.append(job)
            position = matched_at
        position = following
    return Page(jobs=tuple(found), position=position if position[0] < len(phases) else None)


def _read_matches(
    account_id: str, phases: Sequence[Phase], position: Position, *, limit: int
) -> tuple[list[tuple[Position, Job | None]], Position]:
    """The next ``limit`` candidates of one phase, each with its position, and where to read on.

    The job is None if it does not match. A phase with fewer candidates has ended.
    """
    number, order = position
    phase = phases[number]
    seen = _candidates(phase, order, limit=limit)
    matches = [
        (
            (number, place.order),
            job if job and job.account_id == account_id and phase.wants(job) else None,
        )
        for place, job in _jobs_of(phase, seen)
    ]
    return matches, (matches[-1][0] if len(seen) == limit else (number + 1, ""))


def find_page(account_id: str, job_ids: Iterable[str]) -> Page:
    """The account's jobs among these, in this order."""
    wanted = list(dict.fromkeys(job_ids))
    jobs = list_store.find_jobs(job_id for job_id in wanted if is_id(job_id, "job"))
    own = (jobs[job_id] for job_id in wanted if job_id in jobs)
    return Page(jobs=tuple(job for job in own if job.account_id == account_id), position=None)


def list_jobs_of_file(account_id: str, file_id: str, *, limit: int) -> list[str]:
    """Ids of the newest jobs that name a file or reference photo; eventually consistent."""
    partition = Partition(index="facet", key=facets.file_key(account_id, file_id))
    found = list_store.read_partition(partition, low=FIRST, high=LAST, ascending=False, limit=limit)
    return [candidate.job_id for candidate in found]


def phases_of(account_id: str, filters: Filters) -> tuple[Phase, ...]:
    """The index partitions of the jobs that may match the filter, in the order of the list.

    The number of phases depends only on the sort, so a position means the same on every page; a
    phase that cannot match has no partitions.
    """
    low, high = _bounds(filters)
    base = Phase(partitions=(), wants=_wanted(filters), low=low, high=high)
    partitions = _partitions_of(account_id, filters)
    if filters.search is not None and not filters.search.is_listed:
        base = replace(base, words=filters.search.words)
    if filters.sort is Sort.DURATION:
        ended = replace(base, partitions=_by_duration(account_id, filters), low=FIRST, high=LAST)
        return ended, _within(base, filters, partitions, set(JobStatus) - FINAL_JOB)
    if filters.sort is Sort.FAILED_FIRST:
        failed = {JobStatus.FAILED}
        others = set(JobStatus) - failed
        return tuple(_within(base, filters, partitions, among) for among in (failed, others))
    statuses = None if filters.status is None else (filters.status,)
    return (replace(base, partitions=partitions(statuses), ascending=filters.sort is Sort.OLDEST),)


PartitionsFor = Callable[[tuple[JobStatus, ...] | None], tuple[Partition, ...]]


def _within(
    base: Phase, filters: Filters, partitions: PartitionsFor, among: Set[JobStatus]
) -> Phase:
    """The phase of the jobs that are in one of these states."""
    statuses = tuple(
        status for status in JobStatus if status in among and filters.status in (None, status)
    )

    def wants(job: Job) -> bool:
        return job.status in among and base.wants(job)

    return replace(base, partitions=partitions(statuses) if statuses else (), wants=wants)


def _partitions_of(account_id: str, filters: Filters) -> PartitionsFor:
    """The partitions to read for jobs in some states (None is all of them)."""
    if filters.search is None:
        kinds = filters.kinds
        return lambda statuses: _partitions(account_id, statuses, kinds)
    found = _search_partition(account_id, filters.search)
    return lambda statuses: found


def _partitions(
    account_id: str, statuses: tuple[JobStatus, ...] | None, kinds: tuple[str, ...] | None
) -> tuple[Partition, ...]:
    """The partitions of these states and kinds; None is all of them."""
    if statuses is None and kinds is None:
        return (Partition(index="account", key=account_id),)
    if kinds is None:
        assert statuses is not None
        return tuple(
            Partition(index="status", key=facets.status_key(account_id, status))
            for status in statuses
        )
    if statuses is None:
        return tuple(
            Partition(index="kind", key=facets.kind_key(account_id, kind)) for kind in kinds
        )
    return tuple(
        Partition(index="status_kind", key=facets.status_kind_key(account_id, status, kind))
        for status, kind in product(statuses, kinds)
    )


def _by_duration(account_id: str, filters: Filters) -> tuple[Partition, ...]:
    if filters.status is not None and filters.status not in FINAL_JOB:
        return ()
    kinds: tuple[str | None, ...] = (None,) if filters.kinds is None else filters.kinds
    return tuple(
        Partition(index="facet", key=facets.duration_key(account_id, filters.status, kind))
        for kind in kinds
    )


def _search_partition(account_id: str, search: Search) -> tuple[Partition, ...]:
    if search.file_id is not None:
        return (Partition(index="facet", key=facets.file_key(account_id, search.file_id)),)
    if not search.words:
        return ()
    return (Partition(index="facet", key=facets.word_key(account_id, search.start)),)


def _bounds(filters: Filters) -> tuple[str, str]:
    """List keys begin with the time: from it on, and up to just before it."""
    low = FIRST if filters.created_from is None else to_iso(_up(filters.created_from))
    # A list key is longer than its time alone, and so sorts after it.
    high = LAST if filters.created_before is None else to_iso(_up(filters.created_before))
    return low, high


def _up(moment: datetime) -> datetime:
    """Round up to whole milliseconds, in which times are stored."""
    try:
        return moment + timedelta(microseconds=-moment.microsecond % 1000)
    except OverflowError:
        # No job can be listed after the last millisecond of the calendar.
        return moment


def _wanted(filters: Filters) -> Callable[[Job], bool]:
    kinds, (low, high) = filters.kinds, _bounds(filters)

    def wants(job: Job) -> bool:
        return (
            (filters.status is None or job.status is filters.status)
            and (kinds is None or facets.kind_of(job.recipe, job.inputs) in kinds)
            and low <= list_key(job) <= high
        )

    return wants


def _candidates(phase: Phase, after: str, *, limit: int) -> list[Candidate]:
    """The next places of the phase: its partitions merged, each read once.

    Bounds of a key condition are inclusive, so the last place of the previous page is read again.
    """
    low, high = phase.low, phase.high
    if after:
        low, high = (after, high) if phase.ascending else (low, after)
    if low > high:
        return []
    rows = [
        list_store.read_partition(
            partition, low=low, high=high, ascending=phase.ascending, limit=limit + bool(after)
        )
        for partition in phase.partitions
    ]
    merged = merge(*rows, key=lambda place: place.order, reverse=not phase.ascending)
    # A job that changes its state between two reads is in both partitions.
    distinct = {place.order: place for place in merged if place.order != after}
    return list(islice(distinct.values(), limit))


def _jobs_of(phase: Phase, seen: Sequence[Candidate]) -> list[tuple[Candidate, Job | None]]:
    """The jobs of the places; None for a job that was deleted or does not match the words."""
    jobs = list_store.find_jobs(place.job_id for place in seen if place.job is None)
    if phase.words:
        known = list_store.find_words(jobs)
        jobs = {
            job_id: job
            for job_id, job in jobs.items()
            if has_words(phase.words, known.get(job_id, ()))
        }
    return [(place, place.job or jobs.get(place.job_id)) for place in seen]


def _single(account_id: str, filters: Filters, job_id: str) -> Page:
    page = find_page(account_id, [job_id])
    wants = _wanted(filters)
    return Page(jobs=tuple(job for job in page.jobs if wants(job)), position=None)
