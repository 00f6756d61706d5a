"""Intervals and p-values as published, and comparisons that stay right however often one looks."""

from __future__ import annotations

import math
import random
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.analytics.statistics import (
    Count,
    difference_sequence,
    is_proven_better,
    is_ratio_sound,
    p_value,
    pair_alpha,
    proven_leader,
    wilson,
)

VARIANTS = ("a", "b", "c")
COUNTS = st.integers(0, 400).flatmap(
    lambda trials: st.builds(Count, st.integers(0, trials), st.just(trials))
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_that_of_newcombe_1998_table_1(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson(Count(successes, trials))

    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(COUNTS)
def test_the_interval_contains_the_rate_and_stays_within_0_and_1(count: Count) -> None:
    interval = wilson(count)

    assert 0 <= interval.low <= interval.high <= 1
    assert count.trials == 0 or interval.low <= count.rate <= interval.high


def test_the_p_value_is_that_of_the_physicians_health_study() -> None:
    # Agresti, Categorical Data Analysis, table 2.3: heart attacks with aspirin and with placebo,
    # Pearson's chi-squared 25.01 with one degree of freedom.
    p = p_value(Count(104, 11_037), Count(189, 11_034))

    assert p == pytest.approx(math.erfc(math.sqrt(25.01 / 2)), rel=0.01)


def test_the_p_value_of_nothing_or_of_equal_rates_is_1() -> None:
    assert p_value(Count(0, 0), Count(3, 5)) == 1
    assert p_value(Count(0, 9), Count(0, 5)) == 1
    assert p_value(Count(5, 5), Count(7, 7)) == 1
    assert p_value(Count(5, 10), Count(50, 100)) == 1


@given(COUNTS, COUNTS)
@settings(max_examples=50)
def test_the_sequence_contains_the_difference_and_agrees_with_the_proof(a: Count, b: Count) -> None:
    interval = difference_sequence(a, b)
    mirrored = difference_sequence(b, a)

    assert -1 <= interval.low <= a.rate - b.rate <= interval.high <= 1
    assert interval.low == pytest.approx(-mirrored.high, abs=1e-5)
    if abs(interval.low) > 1e-5:
        assert is_proven_better(a, b) == (interval.low > 0)


def test_the_sequence_narrows_with_more_accounts() -> None:
    few, many = (
        difference_sequence(Count(3 * n, 10 * n), Count(2 * n, 10 * n)) for n in (10, 10_000)
    )

    assert few.high - few.low > 0.3
    assert 0.085 < many.low < 0.1 < many.high < 0.115


def test_a_difference_that_is_there_is_found() -> None:
    counts = {"a": Count(30, 100), "b": Count(65, 100), "c": Count(28, 100)}

    assert proven_leader(counts) == "b"
    assert proven_leader({"a": Count(30, 100), "b": Count(36, 100)}) is None
    assert proven_leader({"a": Count(30, 100)}) is None
    assert pair_alpha(3) == pytest.approx(0.05 / 3)


HISTORIES, ACCOUNTS = 10_000, 400
LATE_LIMIT = 50


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_at_most_one_in_twenty_of_ten_thousand_histories_ever_has_a_false_winner(
    late: bool,
) -> None:
    """Three equal variants, looked at after every account and outcome. ``late``: an outcome comes
    some accounts after its own account."""
    won, significant = _simulated(late=late)

    assert won.sum() <= 0.05 * HISTORIES
    # Why a fixed p-value is not enough: so many are "significant" at some moment.
    assert significant.sum() > 0.2 * HISTORIES


def test_the_simulation_decides_as_the_product_does() -> None:
    draw = np.random.default_rng(3)
    trials = draw.integers(1, 200, (200, 3))
    successes = (trials * draw.random((200, 3))).astype(int)

    decided = _has_winner(trials, successes)

    for place in range(200):
        counts = {
            name: Count(int(successes[place, index]), int(trials[place, index]))
            for index, name in enumerate(VARIANTS)
        }
        assert bool(decided[place]) == (proven_leader(counts) is not None)


def _simulated(*, late: bool) -> tuple[Any, Any]:
    """Which histories ever have a winner, and which ever have a p-value below 5 % between the first
    two variants; all of them at once, account by account."""
    draw = np.random.default_rng(20260105)
    everyone = np.arange(HISTORIES)
    rate = draw.choice([0.05, 0.2, 0.5], HISTORIES)
    trials, successes = np.zeros((HISTORIES, 3), int), np.zeros((HISTORIES, 3), int)
    due = np.zeros((ACCOUNTS + LATE_LIMIT, HISTORIES, 3), np.int8)
    won, significant = np.zeros(HISTORIES, bool), np.zeros(HISTORIES, bool)
    for number in range(ACCOUNTS):
        variant = draw.integers(0, 3, HISTORIES)
        trials[everyone, variant] += 1
        delay = draw.integers(0, LATE_LIMIT, HISTORIES) if late else 0
        converts = draw.random(HISTORIES) < rate
        due[number + delay, everyone, variant] += converts
        successes += due[number]
        won |= _has_winner(trials, successes)
        if number > 60:
            significant |= _is_significant(trials, successes)
    return won, significant


_SIZES = np.arange(2 * ACCOUNTS + 1)
_LOG_GAMMA_HALF = np.array([math.lgamma(size + 0.5) for size in _SIZES])
_LOG_GAMMA_ONE = np.array([math.lgamma(size + 1) for size in _SIZES])
_TIMES_LOG = _SIZES * np.log(np.maximum(_SIZES, 1))


def _has_winner(trials: Any, successes: Any) -> Any:
    rates = successes / np.maximum(trials, 1)
    mixture = (
        _LOG_GAMMA_HALF[successes]
        + _LOG_GAMMA_HALF[trials - successes]
        - _LOG_GAMMA_ONE[trials]
        - math.log(math.pi)
    )
    beats = np.zeros((len(trials), 3), int)
    for one, other in permutations(range(3), 2):
        all_of, won_of = trials[:, one] + trials[:, other], successes[:, one] + successes[:, other]
        at_pooled = _TIMES_LOG[won_of] + _TIMES_LOG[all_of - won_of] - _TIMES_LOG[all_of]
        evidence = mixture[:, one] + mixture[:, other] - at_pooled
        is_better = rates[:, one] > rates[:, other]
        beats[:, one] += is_better & (evidence >= math.log(1 / pair_alpha(3)))
    return (beats == 2).any(axis=1)


def _is_significant(trials: Any, successes: Any) -> Any:
    n, s = np.maximum(trials[:, :2], 1), successes[:, :2]
    pooled = s.sum(axis=1) / n.sum(axis=1)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n).sum(axis=1))
    return np.abs(s[:, 0] / n[:, 0] - s[:, 1] / n[:, 1]) / spread > 1.96


def test_equal_shares_raise_no_alarm_and_unequal_ones_do() -> None:
    assert is_ratio_sound([])
    assert is_ratio_sound([5, 0])
    assert is_ratio_sound([100, 120, 95])
    assert not is_ratio_sound([1000, 1300, 1000])
    assert not is_ratio_sound([0, 60, 60])


def test_a_sound_assignment_looked_at_after_every_account_raises_no_alarm() -> None:
    draw = random.Random(7)

    for _ in range(100):
        assigned = [0, 0, 0]
        for _ in range(300):
            assigned[draw.randrange(3)] += 1
            assert is_ratio_sound(assigned)
