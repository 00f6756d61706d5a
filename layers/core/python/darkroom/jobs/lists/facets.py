"""The facets by which jobs are listed: index keys, kinds of jobs and search words. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.jobs.model import Job
from darkroom.kernel import words as words_in
from darkroom.kernel.limits import PREFIX_LIMIT_CHARS, WORDS_PER_JOB_LIMIT

TRANSLATABLE = ("captions",)
"""Recipes whose jobs may have a translation. Jobs do not import recipes, so a test compares."""
_TRANSLATED = "+translate"
_KEY_BYTES = 12


def facet_key(account_id: str, *facet: str) -> str:
    """The index partition of an account's jobs that share this facet.

    The key is a digest of 16 characters (job items pay by the kilobyte), so that no account or word
    can be chosen to collide with another. 96 bits do not collide by chance, and readers of a page
    compare the jobs themselves.
    """
    digest = hashlib.sha256("\x1f".join((account_id, *facet)).encode()).digest()
    return base64.urlsafe_b64encode(digest[:_KEY_BYTES]).decode()


def status_key(account_id: str, status: str) -> str:
    return facet_key(account_id, "status", status)


def kind_key(account_id: str, kind: str) -> str:
    return facet_key(account_id, "kind", kind)


def status_kind_key(account_id: str, status: str, kind: str) -> str:
    return facet_key(account_id, "status-kind", status, kind)


def duration_key(account_id: str, status: str | None, kind: str | None) -> str:
    return facet_key(account_id, "duration", status or "", kind or "")


def word_key(account_id: str, prefix: str) -> str:
    return facet_key(account_id, "word", prefix)


def file_key(account_id: str, file_id: str) -> str:
    return facet_key(account_id, "file", file_id)


def kind_of(recipe: str, inputs: Mapping[str, Any]) -> str:
    """The recipe, and whether there is a translation: the finest distinction of lists."""
    options = inputs.get("options")
    translates = isinstance(options, Mapping) and options.get("translate") is True
    return recipe + _TRANSLATED if recipe in TRANSLATABLE and translates else recipe


def kinds_of(recipe: str | None, translate: bool | None) -> tuple[str, ...] | None:
    """The kinds that a filter selects; None is all of them, and an empty tuple none."""
    if recipe is None and translate is None:
        return None
    recipes = TRANSLATABLE if recipe is None else (recipe,)
    plain, translated = recipes, tuple(name + _TRANSLATED for name in recipes)
    if recipe is not None and recipe not in TRANSLATABLE:
        return plain if translate is None else ()
    if translate is None:
        return plain + translated
    return translated if translate else plain


def words_of(*texts: str) -> tuple[str, ...]:
    """The search words of a job."""
    return words_in.words_of(texts, limit=WORDS_PER_JOB_LIMIT)


def prefixes_of(words: Iterable[str]) -> tuple[str, ...]:
    """All listed prefixes of the words, each once."""
    starts = (
        word[:length]
        for word in words
        for length in range(1, min(len(word), PREFIX_LIMIT_CHARS) + 1)
    )
    return tuple(dict.fromkeys(starts))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A job's entry in one list: ``name`` is unique within the job, ``order`` is its rank."""

    name: str
    facet: str
    order: str


def entries_of(job: Job, *, file_ids: Iterable[str], words: Iterable[str], at: str) -> list[Entry]:
    """The list entries of a job, besides its own item; ``at`` is its list key."""
    by_word = [
        Entry(name=f"w#{prefix}", facet=word_key(job.account_id, prefix), order=at)
        for prefix in prefixes_of(words)
    ]
    by_file = [
        Entry(name=f"f#{file_id}", facet=file_key(job.account_id, file_id), order=at)
        for file_id in dict.fromkeys(file_ids)
    ]
    return by_word + by_file + _by_duration(job)


def duration_ms(job: Job) -> int | None:
    """The duration of a finished job; None while it is unfinished."""
    if not job.is_final or job.finished_at is None:
        return None
    began = job.started_at or job.queued_at or job.finished_at
    return max(0, int((job.finished_at - began).total_seconds() * 1000 + 0.5))


def _by_duration(job: Job) -> list[Entry]:
    lasted_ms = duration_ms(job)
    if lasted_ms is None:
        return []
    kind, status = kind_of(job.recipe, job.inputs), job.status.value
    lists = {"all": (None, None), "s": (status, None), "k": (None, kind), "sk": (status, kind)}
    return [
        Entry(
            name=f"d#{name}",
            facet=duration_key(job.account_id, *facet),
            order=f"{lasted_ms:012}#{job.job_id}",
        )
        for name, facet in lists.items()
    ]
