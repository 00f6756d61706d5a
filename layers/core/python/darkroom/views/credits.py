"""An account's credits, as the API shows them."""

from __future__ import annotations

from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.credits import model, pricing, store
from darkroom.credits.model import Entry, Wallet
from darkroom.db.raw import find_raw
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict, NotFound
from darkroom.plans.store import find_plan
from darkroom.usecases.accounts.open_account import ensure_wallet


def get_wallet(app: App, account_id: str, *, limit: int) -> tuple[dict[str, Any], int | None]:
    """Balance, hold, grants and the newest transactions; and the version before which the next
    page starts."""
    wallet = model.spendable(ensure_wallet(app, account_id), app.clock.now())
    entries, position = store.list_entries(account_id, limit=limit)
    shape = {
        "balance": wallet.balance,
        "held": wallet.held,
        "debt": wallet.debt,
        "grants": _grants(wallet),
        "transactions": [transaction(entry) for entry in entries],
    }
    return shape, position


def get_account(account_id: str) -> dict[str, Any]:
    """An operator's view of a wallet.

    Raises:
        NotFound: the account has no wallet.
    """
    raw = find_raw(store.WalletItem, account_id)
    if raw is None:
        raise NotFound("no such account")
    reason = store.frozen_reason(raw)
    shape = {
        "accountId": account_id,
        "plan": find_plan(account_id),
        "frozen": reason is not None,
        "frozenReason": reason,
    }
    try:
        wallet = store.find_wallet(account_id) or Wallet(account_id=account_id)
    except Conflict:
        return {**shape, "isDamaged": True, "balance": 0, "held": 0, "debt": 0, "version": 0}
    return {
        **shape,
        "balance": wallet.balance,
        "held": wallet.held,
        "debt": wallet.debt,
        "version": wallet.version,
    }


def list_transactions(
    app: App, account_id: str, *, limit: int, before: int | None, type_: str | None
) -> tuple[list[dict[str, Any]], int | None]:
    ensure_wallet(app, account_id)
    entries, position = store.list_entries(
        account_id, limit=limit, before_version=before, type_=type_
    )
    return [transaction(entry) for entry in entries], position


def get_pricing(currency: str) -> dict[str, Any]:
    """Packs with their price in ``currency`` and in all others, the costs in credits, and the
    pricing rules as sentences."""
    return {
        "packs": [
            {
                "name": pack.name,
                "credits": pack.credits,
                "price": str(pricing.price_of(pack, currency)),
                "currency": currency,
                "prices": [
                    {"currency": currency, "amount": str(amount)}
                    for currency, amount in pack.prices.items()
                ],
            }
            for pack in pricing.packs()
        ],
        "costs": dict(pricing.costs()),
        "notes": [dict(note) for note in pricing.notes()],
    }


def transaction(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.cause,
        "type": entry.type.value,
        "amount": entry.amount,
        "heldChange": entry.held_change,
        "balanceAfter": entry.balance_after,
        "heldAfter": entry.held_after,
        "referenceType": entry.reference_type,
        "referenceId": entry.reference_id,
        "description": entry.description,
        "createdAt": to_iso(entry.created_at),
    }


def _grants(wallet: Wallet) -> list[dict[str, Any]]:
    return [
        {
            "grantId": grant.grant_id,
            "source": grant.source,
            "remaining": grant.remaining,
            **({"expiresAt": to_iso(grant.expires_at)} if grant.expires_at else {}),
        }
        for grant in wallet.grants
    ]
