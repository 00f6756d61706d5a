"""Intervals and p-values as published, and comparisons that stay right however often one looks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

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


def test_equal_variants_looked_at_after_every_event_have_no_winner() -> None:
    assert _false_winners(histories=200, accounts=150, late=False) <= 0.05 * 200
    assert _false_winners(histories=200, accounts=150, late=True) <= 0.05 * 200


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
def test_at_most_one_in_twenty_of_ten_thousand_histories_has_a_false_winner(late: bool) -> None:
    assert _false_winners(histories=10_000, accounts=400, late=late) <= 0.05 * 10_000


def test_a_fixed_p_value_looked_at_every_day_finds_winners_that_are_none() -> None:
    # Why the sequence is there: so many of these histories are "significant" at some moment.
    found = _false_winners(histories=100, accounts=600, late=False, is_winner=_significant)

    assert found > 0.1 * 100


def _false_winners(
    *,
    histories: int,
    accounts: int,
    late: bool,
    is_winner: Callable[[dict[str, Count]], bool] = lambda counts: (
        proven_leader(counts) is not None
    ),
) -> int:
    """How many histories of equal variants ever have a winner. ``late``: an outcome comes some
    accounts after its own account."""
    draw = random.Random(20260105)
    found = 0
    for _ in range(histories):
        rate = draw.choice((0.05, 0.2, 0.5))
        found += _has_winner(draw, rate, accounts=accounts, late=late, is_winner=is_winner)
    return found


def _has_winner(
    draw: random.Random,
    rate: float,
    *,
    accounts: int,
    late: bool,
    is_winner: Callable[[dict[str, Count]], bool],
) -> bool:
    counts = dict.fromkeys(VARIANTS, Count(0, 0))
    due: dict[int, list[str]] = {}
    for number in range(accounts):
        variant = draw.choice(VARIANTS)
        counts[variant] = Count(counts[variant].successes, counts[variant].trials + 1)
        if draw.random() < rate:
            due.setdefault(number + (draw.randrange(50) if late else 0), []).append(variant)
        for one in due.pop(number, ()):
            counts[one] = Count(counts[one].successes + 1, counts[one].trials)
        if is_winner(counts):
            return True
    return False


def _significant(counts: dict[str, Count]) -> bool:
    first, second = counts["a"], counts["b"]
    return first.trials >= 20 and second.trials >= 20 and p_value(first, second) < 0.05


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
