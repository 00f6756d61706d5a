"""Conclusions from counts: intervals, p-values, and comparisons that may be looked at any time.

Pure, and in the standard library: SciPy does not fit into a function behind the API. The tests
compare it with published examples and with simulations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_PRIOR: Final = 0.5
"""Of both parameters of the beta distribution over a rate (Jeffreys)."""
_RATIO_PRIOR: Final = 10.0
RATIO_ALARM: Final = 0.001
"""The chance that an experiment with sound assignment ever raises the alarm."""
_BISECTIONS: Final = 24
"""Halvings of an interval of length 2: the result is exact to 1e-7."""


@dataclass(frozen=True)
class Count:
    successes: int
    trials: int

    @property
    def rate(self) -> float:
        return self.successes / self.trials if self.trials else 0.0


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def wilson(count: Count) -> Interval:
    """The 95 % score interval of a rate (Wilson 1927; Newcombe 1998, method 3)."""
    n = count.trials
    if n == 0:
        return Interval(0.0, 1.0)
    p, z2 = count.rate, _Z * _Z
    center = p + z2 / (2 * n)
    spread = _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    low = 0.0 if count.successes == 0 else (center - spread) / scale
    high = 1.0 if count.successes == n else (center + spread) / scale
    return Interval(max(0.0, low), min(1.0, high))


def p_value(a: Count, b: Count) -> float:
    """The two-sided p-value of equal rates: the pooled two-proportion z-test, which is Pearson's
    chi-squared test of the 2 x 2 table without continuity correction.

    It holds for one look at a planned size. 1 if there is nothing to compare.
    """
    if a.trials == 0 or b.trials == 0:
        return 1.0
    pooled = (a.successes + b.successes) / (a.trials + b.trials)
    variance = pooled * (1 - pooled) * (1 / a.trials + 1 / b.trials)
    if variance == 0:
        return 1.0
    return math.erfc(abs(a.rate - b.rate) / math.sqrt(2 * variance))


def difference_sequence(a: Count, b: Count, *, alpha: float = 1 - CONFIDENCE) -> Interval:
    """A confidence sequence for ``rate(a) - rate(b)``: with probability ``1 - alpha`` it contains
    the difference at every moment of the experiment, however often it is read.

    For each variant, the beta-binomial mixture of the likelihood ratio against a rate is a
    martingale that starts at 1 (Robbins 1970; Howard et al. 2021, section 3.2). So is the product
    of both, in whatever order they grow; by Ville's inequality it never reaches ``1 / alpha`` at
    the true pair of rates but with probability ``alpha``. The pairs at which it has not reached it
    are a convex set, and the interval is its shadow. Exact for every size.
    """
    middle = a.rate - b.rate
    limit = math.log(1 / alpha)

    def is_out(difference: float) -> bool:
        return _least_evidence(a, b, difference) >= limit

    low = _edge(is_out, -1.0, middle)
    high = _edge(is_out, 1.0, middle)
    return Interval(low, high)


def is_proven_better(a: Count, b: Count, *, alpha: float = 1 - CONFIDENCE) -> bool:
    """Whether the confidence sequence of ``rate(a) - rate(b)`` lies above 0."""
    if a.rate <= b.rate:
        return False
    # Of all equal rates, the pooled one has the least evidence against it.
    successes, trials = a.successes + b.successes, a.trials + b.trials
    pooled = successes / trials
    evidence = _evidence(a, pooled) + _evidence(b, pooled)
    return evidence >= math.log(1 / alpha)


def proven_leader(counts: Mapping[str, Count], *, alpha: float = 1 - CONFIDENCE) -> str | None:
    """The variant that is proven better than each other one, at any moment; None if none is.

    With equal variants, the chance that one is ever named is at most ``alpha``: it is divided among
    the pairs.
    """
    if len(counts) < 2:
        return None
    share = pair_alpha(len(counts), alpha=alpha)
    best = max(counts, key=lambda name: counts[name].rate)
    others = (name for name in counts if name != best)
    is_best = all(is_proven_better(counts[best], counts[name], alpha=share) for name in others)
    return best if is_best else None


def pair_alpha(variants: int, *, alpha: float = 1 - CONFIDENCE) -> float:
    return alpha / math.comb(variants, 2)


def is_ratio_sound(assigned: Sequence[int]) -> bool:
    """Whether the variants may have got their equal shares of accounts; False is an alarm.

    A Bayes factor of the multinomial against a Dirichlet mixture around it, which is a martingale
    too, so it may be looked at any time (Lindon and Malek 2022).
    """
    variants, total = len(assigned), sum(assigned)
    if variants < 2 or total == 0:
        return True
    evidence = total * math.log(variants)
    evidence += math.lgamma(variants * _RATIO_PRIOR) - math.lgamma(variants * _RATIO_PRIOR + total)
    for number in assigned:
        evidence += math.lgamma(_RATIO_PRIOR + number) - math.lgamma(_RATIO_PRIOR)
    return evidence < math.log(1 / RATIO_ALARM)


def _evidence(count: Count, rate: float) -> float:
    """The logarithm of the mixture's likelihood ratio against ``rate``."""
    s, f = count.successes, count.trials - count.successes
    mixture = _log_beta(s + _PRIOR, f + _PRIOR) - _log_beta(_PRIOR, _PRIOR)
    return mixture - _times_log(s, rate) - _times_log(f, 1 - rate)


def _least_evidence(a: Count, b: Count, difference: float) -> float:
    """The least evidence against a pair of rates with this difference: convex in the rate of b."""
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    for _ in range(_BISECTIONS):
        rate = (low + high) / 2
        if _slope(a, rate + difference) + _slope(b, rate) < 0:
            low = rate
        else:
            high = rate
    rate = (low + high) / 2
    return _evidence(a, min(1.0, max(0.0, rate + difference))) + _evidence(b, rate)


def _slope(count: Count, rate: float) -> float:
    """The derivative of the evidence by the rate."""
    s, f = count.successes, count.trials - count.successes
    if (s and rate <= 0) or (f and rate >= 1):
        return -math.inf if s and rate <= 0 else math.inf
    return (f / (1 - rate) if f else 0.0) - (s / rate if s else 0.0)


def _edge(is_out: Callable[[float], bool], outer: float, inner: float) -> float:
    """Where the interval ends between ``inner``, which is in it, and ``outer``; outside if not
    exactly there."""
    if not is_out(outer):
        return outer
    for _ in range(_BISECTIONS):
        middle = (outer + inner) / 2
        if is_out(middle):
            outer = middle
        else:
            inner = middle
    return outer


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _times_log(number: int, rate: float) -> float:
    """``number * log(rate)``, where nothing times minus infinity is nothing."""
    if number == 0:
        return 0.0
    return number * math.log(rate) if rate > 0 else -math.inf
