"""The auditor finds no breach in sound random histories, and takes linear time."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta

import pytest

from darkroom.credits.audit import audit
from tests.support.histories import PACKS, a_history

HISTORIES, LONG_HISTORIES = 300, 100_000
STEPS = 12
MANY_ENTRIES = 100_000
SECONDS_FOR_MANY = 60
"""A tenth of it on a quiet machine; quadratic time would be an hour."""


def false_alarms(seeds: Iterable[int]) -> list[tuple[int, object]]:
    return [
        (seed, breach)
        for seed in seeds
        for history in [a_history(seed, STEPS)]
        for breach in audit(history.books(), PACKS, history.now + timedelta(minutes=1))
    ]


def test_a_sound_history_has_no_breach() -> None:
    assert false_alarms(range(HISTORIES)) == []


@pytest.mark.slow
def test_a_sound_history_of_many_entries_has_no_breach() -> None:
    assert false_alarms(range(HISTORIES, LONG_HISTORIES)) == []


@pytest.mark.slow
def test_a_long_history_takes_linear_time() -> None:
    history = a_history(0, 0)
    while len(history.entries) < MANY_ENTRIES:
        history.run(200)
    started = time.monotonic()

    breaches = audit(history.books(), PACKS, history.now + timedelta(minutes=1))

    assert breaches == []
    assert time.monotonic() - started < SECONDS_FOR_MANY
