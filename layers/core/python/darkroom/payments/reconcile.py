"""What a payment's state means for its purchase: pure arithmetic, the same in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from darkroom.kernel.limits import REVERSAL_CAUSES_LIMIT
from darkroom.payments.ports import PaymentState
from darkroom.payments.store import PAID, Purchase, PurchaseStatus


@dataclass(frozen=True)
class Reversal:
    """Credits to take back (positive) or to give back (negative), under their cause."""

    cause: str
    credits: int


def matches(purchase: Purchase, state: PaymentState) -> bool:
    """Whether what was paid is what our own record asked for, and was asked for once."""
    is_asked = purchase.duplicate_of is None
    return is_asked and (state.amount_minor, state.currency) == (
        purchase.amount_minor,
        purchase.currency,
    )


def is_of_another_payment(purchase: Purchase, state: PaymentState) -> bool:
    """Whether the purchase belongs to another payment than this: the first one that was paid."""
    return purchase.status in PAID and purchase.payment_id != state.payment_id


def is_returned(state: PaymentState) -> bool:
    """Whether all that was paid has gone back to the customer."""
    return 0 < state.amount_minor <= sum(item.amount_minor for item in state.taken_back)


def needs_operator(purchase: Purchase, state: PaymentState) -> bool:
    """Whether nothing but an operator's decision moves this purchase on."""
    if purchase.status is PurchaseStatus.SETTLED:
        is_full = len(purchase.reversals) >= REVERSAL_CAUSES_LIMIT
        return is_full and bool(reversals_of(purchase, state))
    return purchase.status is PurchaseStatus.MISMATCHED


def reversals_of(purchase: Purchase, state: PaymentState) -> list[Reversal]:
    """What is still to be given back or taken back, in this order.

    What each refund or dispute takes in the end is a function of the payment's state alone; a
    step is the difference to what it has taken so far. Money that came back to us after all (a
    dispute won, a refund that failed) takes nothing, so what it took is given back. Any first
    part of the steps can be done alone: what is left of them is derived the same way.
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
