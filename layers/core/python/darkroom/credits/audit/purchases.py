"""L4 on purchases: credits were bought, and taken back, exactly as the purchase records say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from darkroom.credits.audit.common import breach
from darkroom.credits.audit.facts import Books, Breach, EntryFacts, PurchaseFacts

TEST_GATEWAY = "test"


def check_purchases(books: Books, packs: Mapping[str, int]) -> Iterator[Breach]:
    """``packs``: name → credits. A pack that is not sold any more is not checked."""
    causes = {entry.cause for entry in books.entries} | books.unread
    yield from _entries(books)
    yield from _payments(books)
    for purchase in books.purchases.values():
        for problem in _record(purchase, causes, packs):
            yield breach(books, "L4", f"{purchase.purchase_id} {problem}")


def _entries(books: Books) -> Iterator[Breach]:
    reversed_: Counter[str] = Counter()
    for entry in books.entries:
        if entry.reference_id in books.unread:
            continue
        purchase = books.purchases.get(entry.reference_id)
        if entry.type == "PURCHASE" and (
            purchase is None or purchase.status != "settled" or purchase.credits != entry.amount
        ):
            yield breach(books, "L4", "is no settled purchase of these credits", entry)
        if entry.kind == "reversal":
            yield from _reversal(books, purchase, entry, reversed_)


def _reversal(
    books: Books, purchase: PurchaseFacts | None, entry: EntryFacts, reversed_: Counter[str]
) -> Iterator[Breach]:
    """The record says how much; never more than was bought, and never less than nothing."""
    credits = entry.debt_change - entry.amount
    if purchase is None:
        yield breach(books, "L4", "reverses no purchase", entry)
        return
    known = purchase.reversals
    if known is not None and known.get(entry.cause) != credits:
        yield breach(books, "L4", "is not the reversal of its purchase", entry)
    reversed_[purchase.purchase_id] += credits
    total = reversed_[purchase.purchase_id]
    if not 0 <= total <= purchase.credits:
        yield breach(books, "L4", f"leaves {total} of {purchase.credits} reversed", entry)


def _payments(books: Books) -> Iterator[Breach]:
    payments: dict[str, str] = {}
    for purchase in books.purchases.values():
        if purchase.payment_id is None:
            continue
        other = payments.setdefault(purchase.payment_id, purchase.purchase_id)
        if other != purchase.purchase_id:
            message = f"{other} and {purchase.purchase_id} have one payment"
            yield breach(books, "L4", message)


def _record(
    purchase: PurchaseFacts, causes: set[str] | frozenset[str], packs: Mapping[str, int]
) -> Iterator[str]:
    cause = f"purchase#{purchase.purchase_id}"
    is_settled = purchase.status == "settled"
    reversals = purchase.reversals or {}
    if is_settled and cause not in causes:
        yield "is settled without an entry"
    if purchase.credits <= 0:
        yield f"is of {purchase.credits} credits"
    if is_settled and not purchase.is_decided and _lacks_payment(purchase):
        yield "is settled without a payment"
    if purchase.gateway == TEST_GATEWAY and (purchase.payment_id or not is_settled):
        yield "of the test gateway is settled at once, without a payment"
    if not purchase.is_decided and _is_unlike_its_pack(purchase, packs):
        yield f"is of {purchase.credits} credits, its pack {purchase.pack} is not"
    if reversals and not is_settled:
        yield f"is {purchase.status}, and was reversed"
    if not 0 <= sum(reversals.values()) <= purchase.credits:
        yield f"was reversed by {sum(reversals.values())} of {purchase.credits} credits"
    for reversal in reversals:
        if not reversal.startswith("reversal#"):
            yield f"was reversed by {reversal}"
        if reversal not in causes:
            yield f"was reversed by {reversal}, which has no entry"


def _is_unlike_its_pack(purchase: PurchaseFacts, packs: Mapping[str, int]) -> bool:
    return purchase.pack is not None and packs.get(purchase.pack) not in (None, purchase.credits)


def _lacks_payment(purchase: PurchaseFacts) -> bool:
    return purchase.gateway not in (None, TEST_GATEWAY) and purchase.payment_id is None
