"""Bodies about wallets, ledger entries and prices."""

from __future__ import annotations

from darkroom.views.base import Omittable, ResponseBody


class WalletGrant(ResponseBody):
    grant_id: str
    source: str
    remaining: int
    expires_at: Omittable[str] = None


class Transaction(ResponseBody):
    id: str
    type: str
    amount: int
    held_change: int
    balance_after: int
    held_after: int
    reference_type: str
    reference_id: str
    description: str
    created_at: str


class WalletResponse(ResponseBody):
    """``debt`` is what the account owes after a payment was refunded; until it is paid, no credits
    can be spent."""

    balance: int
    held: int
    debt: int
    grants: list[WalletGrant]
    transactions: list[Transaction]
    next_cursor: str | None


class TransactionPage(ResponseBody):
    items: list[Transaction]
    next_cursor: str | None


class Pack(ResponseBody):
    """``price`` and ``currency`` apply unless a purchase names another currency."""

    name: str
    credits: int
    price: str
    currency: str
    prices: list[dict[str, str]]


class PriceNote(ResponseBody):
    """A rule for the price of jobs, as a sentence for users in English and Korean."""

    code: str
    en: str
    ko: str


class PricingResponse(ResponseBody):
    packs: list[Pack]
    costs: dict[str, int]
    notes: list[PriceNote]
