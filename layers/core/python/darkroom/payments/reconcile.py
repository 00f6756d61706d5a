"""Derives from a payment's state the steps of its purchase: pure, and the same in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from darkroom.kernel.limits import REVERSAL_CAUSES_LIMIT
from darkroom.payments.ports import PaymentState
from darkroom.payments.store import PAID, Purchase, PurchaseStatus


@dataclass(frozen=True)
class Reversal:
    """Credits to take back (positive) or to restore (negative), with their cause."""

    cause: str
    credits: int


def matches(purchase: Purchase, state: PaymentState) -> bool:
    """Whether the paid amount is that of our record, and the payment is not a duplicate."""
    is_original = purchase.duplicate_of is None
    return is_original and (state.amount_minor, state.currency) == (
        purchase.amount_minor,
        purchase.currency,
    )


def is_of_another_payment(purchase: Purchase, state: PaymentState) -> bool:
    """Whether the purchase belongs to another payment, the first one that was made for it."""
    return purchase.status in PAID and purchase.payment_id != state.payment_id


def is_returned(state: PaymentState) -> bool:
    """Whether the whole amount was returned to the customer."""
    return 0 < state.amount_minor <= sum(item.amount_minor for item in state.taken_back)


def needs_operator(purchase: Purchase, state: PaymentState) -> bool:
    """Whether the purchase awaits an operator's decision."""
    if purchase.status is PurchaseStatus.SETTLED:
        is_full = len(purchase.reversals) >= REVERSAL_CAUSES_LIMIT
        return is_full and bool(reversals_of(purchase, state))
    return purchase.status is PurchaseStatus.MISMATCHED


def reversals_of(purchase: Purchase, state: PaymentState) -> list[Reversal]:
    """The credits that are still to be restored or taken back, in this order.

    The final share of each refund or dispute depends only on the payment's state; a step is the
    difference to the credits that it has taken so far. A won dispute or a failed refund takes
    nothing, so its credits are restored. The steps can be committed one by one: the remaining ones
    are derived in the same way.
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
    # Restore first, so that no debt arises in between that does not last.
    return sorted(steps, key=lambda step: step.credits > 0)


def _shares(purchase: Purchase, state: PaymentState) -> dict[str, int]:
    """Credits that each refund or dispute takes, oldest first.

    Together they take the proportion of the returned money, rounded down in the user's favor and
    never more than the purchase's credits; each takes its increment of that.
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
    """``reversal#<refund or dispute>``; later changes of its share also have their number."""
    return f"reversal#{subject}" if number == 1 else f"reversal#{subject}#{number}"


def _subject(cause: str) -> str:
    return cause.split("#")[1]
