"""Settle a purchase through the test gateway: record, credits and ledger entry in one
transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.credits import model, pricing
from darkroom.credits import store as credits_store
from darkroom.credits.model import PURCHASE_PRIORITY, Grant, Reason
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, KeyReused
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.kernel.problems import problem
from darkroom.payments import store as payments_store
from darkroom.payments.store import TEST_GATEWAY, Purchase, PurchaseStatus
from darkroom.usecases.accounts.open_account import ensure_wallet
from darkroom.usecases.credits.expire_grants import expire_due_first


@dataclass(frozen=True, kw_only=True)
class Settled:
    purchase: Purchase
    balance: int
    """The balance right after these credits were added, also in a later repeat."""


def purchase_with_test_gateway(
    app: App, command: Command, *, pack: str | None, amount: int | None, currency: str | None
) -> Settled:
    """Add the credits of a pack, or an amount, at once.

    Raises:
        InvalidInput: an unknown pack, one not sold in the currency, or not exactly one of pack
            and amount.
        KeyReused.
    """
    credits = _credits(pack, amount, currency)
    purchase_id = command.id_for(app.ids, "pur")

    def attempt() -> Settled:
        now = app.clock.now()
        wallet = expire_due_first(app, ensure_wallet(app, command.account_id), now=now)
        purchase = Purchase(
            purchase_id=purchase_id,
            account_id=command.account_id,
            gateway=TEST_GATEWAY,
            status=PurchaseStatus.SETTLED,
            credits=credits,
            pack=pack,
            created_at=now,
            next_check_at=now + timedelta(seconds=PROJECTION_CHECK_SECONDS),
        )
        grant = Grant(
            grant_id=purchase_id,
            source="purchase",
            remaining=credits,
            priority=PURCHASE_PRIORITY,
            created_at=now,
        )
        reason = Reason(f"purchase#{purchase_id}", "purchase", purchase_id, "Credits purchased")
        change = model.add_purchase(wallet, grant, reason=reason, now=now)
        money = credits_store.change_writes(change, before=wallet, operation=command.operation)
        commit([payments_store.create_write(purchase, operation=command.operation), *money])
        return Settled(purchase=purchase, balance=change.wallet.balance)

    done = _replay(command, purchase_id) if command.key is not None else None
    if done is not None:
        return done
    try:
        return retry_on_conflict(app.jitter, attempt)
    except (Conflict, KeyReused):
        done = _replay(command, purchase_id)
        if done is None:
            raise
        return done


def _replay(command: Command, purchase_id: str) -> Settled | None:
    """The result of this purchase, if it was committed already.

    Raises:
        KeyReused: another request used the key.
    """
    found = payments_store.find_purchase(command.account_id, purchase_id)
    if found is None:
        return None
    purchase, operation = found
    if operation != command.operation:
        raise KeyReused("the key was used for another purchase")
    # If a debt was paid from the purchase, that entry is the last, and has the reported balance.
    for cause in (f"debt#{purchase_id}", f"purchase#{purchase_id}"):
        entry = credits_store.find_entry(command.account_id, cause)
        if entry is not None:
            return Settled(purchase=purchase, balance=entry.balance_after)
    return None


def _credits(pack: str | None, amount: int | None, currency: str | None) -> int:
    if (pack is None) == (amount is None):
        raise InvalidInput(
            "one of pack and amount",
            fields=[
                problem(path, "EXACTLY_ONE", fields="pack, amount") for path in ("pack", "amount")
            ],
        )
    if pack is not None:
        chosen = pricing.get_pack(pack)
        if currency is not None:
            pricing.price_of(chosen, currency)
        return chosen.credits
    assert amount is not None
    return amount
