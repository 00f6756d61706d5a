"""An account's credits, as the API shows them."""

from __future__ import annotations

from typing import Literal

from darkroom.bootstrap.composition import App
from darkroom.credits import model, pricing, store
from darkroom.credits.model import Entry, Grant, Wallet
from darkroom.db.raw import find_raw
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.plans.store import find_plan
from darkroom.usecases.accounts.open_account import ensure_wallet
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


class Price(ResponseBody):
    currency: str
    amount: str


class Pack(ResponseBody):
    """``price`` and ``currency`` apply unless a purchase names another currency."""

    name: str
    credits: int
    price: str
    currency: str
    prices: list[Price]


class PriceNote(ResponseBody):
    """A rule for the price of jobs, as a sentence for users in English and Korean."""

    code: str
    en: str
    ko: str


class PricingResponse(ResponseBody):
    packs: list[Pack]
    costs: dict[str, int]
    notes: list[PriceNote]


class AccountResponse(ResponseBody):
    """``isDamaged``: the wallet cannot be read and must be rebuilt from its ledger."""

    account_id: str
    plan: str
    frozen: bool
    frozen_reason: str | None
    is_damaged: Omittable[Literal[True]] = None
    balance: int
    held: int
    debt: int
    version: int


def get_wallet(
    app: App, account_id: str, *, limit: int
) -> tuple[Wallet, list[Transaction], int | None]:
    """The wallet as it can be spent now, its newest transactions, and the version before which the
    next page of them starts."""
    wallet = model.spendable(ensure_wallet(app, account_id), app.clock.now())
    entries, position = store.list_entries(account_id, limit=limit)
    return wallet, [transaction(entry) for entry in entries], position


def wallet_response(
    wallet: Wallet, transactions: list[Transaction], next_cursor: str | None
) -> WalletResponse:
    return WalletResponse(
        balance=wallet.balance,
        held=wallet.held,
        debt=wallet.debt,
        grants=[_grant(grant) for grant in wallet.grants],
        transactions=transactions,
        next_cursor=next_cursor,
    )


def get_account(account_id: str) -> AccountResponse:
    """An operator's view of a wallet.

    Raises:
        NotFound: the account has no wallet.
    """
    raw = find_raw(store.WalletItem, account_id)
    if raw is None:
        raise NotFound("no such account")
    reason = store.frozen_reason(raw)
    try:
        wallet, is_damaged = store.find_wallet(account_id) or Wallet(account_id=account_id), False
    except Conflict:
        wallet, is_damaged = Wallet(account_id=account_id), True
    return AccountResponse(
        account_id=account_id,
        plan=find_plan(account_id),
        frozen=reason is not None,
        frozen_reason=reason,
        is_damaged=True if is_damaged else None,
        balance=wallet.balance,
        held=wallet.held,
        debt=wallet.debt,
        version=wallet.version,
    )


def list_transactions(
    app: App, account_id: str, *, limit: int, before: int | None, type_: str | None
) -> tuple[list[Transaction], int | None]:
    ensure_wallet(app, account_id)
    entries, position = store.list_entries(
        account_id, limit=limit, before_version=before, type_=type_
    )
    return [transaction(entry) for entry in entries], position


def get_pricing(currency: str) -> PricingResponse:
    """Packs with their price in ``currency`` and in all others, the costs in credits, and the
    pricing rules as sentences."""
    return PricingResponse(
        packs=[
            Pack(
                name=pack.name,
                credits=pack.credits,
                price=str(pricing.price_of(pack, currency)),
                currency=currency,
                prices=[
                    Price(currency=currency, amount=str(amount))
                    for currency, amount in pack.prices.items()
                ],
            )
            for pack in pricing.packs()
        ],
        costs=dict(pricing.costs()),
        notes=[PriceNote(**note) for note in pricing.notes()],
    )


def transaction(entry: Entry) -> Transaction:
    return Transaction(
        id=entry.cause,
        type=entry.type.value,
        amount=entry.amount,
        held_change=entry.held_change,
        balance_after=entry.balance_after,
        held_after=entry.held_after,
        reference_type=entry.reference_type,
        reference_id=entry.reference_id,
        description=entry.description,
        created_at=to_iso(entry.created_at),
    )


def _grant(grant: Grant) -> WalletGrant:
    return WalletGrant(
        grant_id=grant.grant_id,
        source=grant.source,
        remaining=grant.remaining,
        expires_at=to_iso(grant.expires_at) if grant.expires_at else None,
    )
