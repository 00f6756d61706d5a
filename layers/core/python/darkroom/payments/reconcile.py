"""What a payment's state means for its purchase: pure arithmetic, the same in any order."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.payments.ports import PaymentState
from darkroom.payments.store import Purchase


@dataclass(frozen=True)
class Reversal:
    """Credits to take back (positive) or to give back (negative), under their cause."""

    cause: str
    credits: int


def matches(purchase: Purchase, state: PaymentState) -> bool:
    """Whether what was paid is what our own record asked for."""
    return (state.amount_minor, state.currency) == (purchase.amount_minor, purchase.currency)


def reversals_of(purchase: Purchase, state: PaymentState) -> list[Reversal]:
    """What is still to be taken back or given back.

    Money that went back takes its proportion of the credits, rounded down in the user's favour;
    all of it together never more than the purchase's credits. Money that came back to us after
    all (a dispute won, a refund that failed) gives back what it took.
    """
    done = purchase.reversals
    target = _target(purchase, state)
    steps: list[Reversal] = []
    missing = target - purchase.reversed_credits
    standing = {f"reversal#{item.id}" for item in state.taken_back}
    for cause, credits in done.items():
        won_back = f"{cause}#restored"
        if cause in standing or cause.endswith("#restored") or won_back in done:
            continue
        back = min(credits, max(0, -missing))
        if back:
            steps.append(Reversal(won_back, -back))
            missing += back
    fresh = [item for item in state.taken_back if f"reversal#{item.id}" not in done]
    for place, item in enumerate(fresh, start=1):
        # The last one takes what rounding left over, so that the total is the target's.
        share = missing if place == len(fresh) else _share(purchase, item.amount_minor, state)
        credits = min(missing, share)
        if credits > 0:
            steps.append(Reversal(f"reversal#{item.id}", credits))
            missing -= credits
    return steps


def _target(purchase: Purchase, state: PaymentState) -> int:
    """Credits that must be gone in the end; a function of the state alone."""
    gone = sum(item.amount_minor for item in state.taken_back)
    return min(purchase.credits, _share(purchase, gone, state))


def _share(purchase: Purchase, amount_minor: int, state: PaymentState) -> int:
    return purchase.credits * amount_minor // state.amount_minor if state.amount_minor else 0
