"""What a payment's state means for its purchase: pure arithmetic, the same in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from darkroom.payments.ports import PaymentState
from darkroom.payments.store import Purchase, PurchaseStatus


@dataclass(frozen=True)
class Reversal:
    """Credits to take back (positive) or to give back (negative), under their cause."""

    cause: str
    credits: int


def matches(purchase: Purchase, state: PaymentState) -> bool:
    """Whether what was paid is what our own record asked for."""
    return (state.amount_minor, state.currency) == (purchase.amount_minor, purchase.currency)


def is_misplaced(purchase: Purchase, state: PaymentState) -> bool:
    """Whether money has come in that bought nothing: an operator has to look."""
    is_another = purchase.payment_id != state.payment_id
    return state.is_paid and (purchase.status is PurchaseStatus.MISMATCHED or is_another)


def reversals_of(purchase: Purchase, state: PaymentState) -> list[Reversal]:
    """What is still to be given back or taken back, in this order.

    What each refund or dispute takes in the end is a function of the payment's state alone; a
    step is the difference to what it has taken so far. Money that came back to us after all (a
    dispute won, a refund that failed) takes nothing, so what it took is given back.
    """
    shares = _shares(purchase, state)
    taken: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for cause, credits in purchase.reversals.items():
        taken[_subject(cause)] += credits
        times[_subject(cause)] += 1
    steps = [
        Reversal(_cause(subject, times[subject] + 1), shares.get(subject, 0) - taken[subject])
        for subject in [*shares, *(past for past in taken if past not in shares)]
        if shares.get(subject, 0) != taken[subject]
    ]
    # Giving first: no debt arises in between that is none in the end.
    return sorted(steps, key=lambda step: step.credits > 0)


def _shares(purchase: Purchase, state: PaymentState) -> dict[str, int]:
    """Credits that each refund or dispute takes, oldest first.

    All of them together take the proportion of the money that is gone, rounded down in the
    user's favour and never more than the purchase's credits; each takes what it adds to that.
    """
    shares: dict[str, int] = {}
    gone_minor = before = 0
    for item in state.taken_back:
        gone_minor = min(state.amount_minor, gone_minor + item.amount_minor)
        after = purchase.credits * gone_minor // state.amount_minor if gone_minor else 0
        shares[item.id] = after - before
        before = after
    return shares


def _cause(subject: str, number: int) -> str:
    """``reversal#<refund or dispute>``; when its share changes later, with the change's number."""
    return f"reversal#{subject}" if number == 1 else f"reversal#{subject}#{number}"


def _subject(cause: str) -> str:
    return cause.split("#")[1]
