"""Start a purchase through a real gateway: our own record first, then the checkout."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from darkroom.bootstrap.composition import App
from darkroom.credits import pricing
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, KeyReused
from darkroom.kernel.problems import problem
from darkroom.payments import store as payments_store
from darkroom.payments.polling import scheduled
from darkroom.payments.ports import AttemptSpent, Checkout, PaymentGateway
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.usecases.purchases.advance_checkout_attempt import count_attempt

# Currencies without a smaller unit at Stripe: https://docs.stripe.com/currencies#zero-decimal
ZERO_DECIMAL = frozenset({"KRW", "JPY", "VND", "CLP", "PYG", "UGX", "XAF", "XOF"})


@dataclass(frozen=True, kw_only=True)
class Started:
    purchase: Purchase
    checkout_url: str


def start_purchase(
    app: App,
    command: Command,
    gateway: PaymentGateway,
    *,
    pack: str | None,
    amount: int | None,
    currency: str | None,
) -> Started:
    """Record the purchase and open its checkout; repeating it changes nothing.

    The record is written first, so that every payment has a record. A record whose checkout was
    never opened costs nothing.

    Raises:
        InvalidInput: the pack does not exist, or is not sold in that currency.
        KeyReused.
        GatewayUnavailable: repeating is safe: the gateway recognizes the purchase by its id and
            attempt.
    """
    purchase = _record(
        command, gateway.name, _wanted(app, command, pack=pack, amount=amount, currency=currency)
    )
    if purchase.checkout_url is not None:
        return Started(purchase=purchase, checkout_url=purchase.checkout_url)
    try:
        checkout = gateway.create_checkout(purchase)
    except AttemptSpent:
        count_attempt(app, purchase)
        raise

    def attempt() -> Started:
        current, creation = _get(command, purchase.purchase_id)
        if current.checkout_url is not None:
            # Only one checkout is ever returned: no customer can pay for the others.
            return Started(purchase=current, checkout_url=current.checkout_url)
        opened = _opened(current, checkout, app.clock.now())
        # A repeat of this request has the same operation, but may have opened another checkout.
        stamp = app.ids.token()
        commit([payments_store.save_write(current, opened, operation=stamp, creation=creation)])
        return Started(purchase=opened, checkout_url=checkout.url)

    return retry_on_conflict(app.jitter, attempt)


def _opened(purchase: Purchase, checkout: Checkout, now: datetime) -> Purchase:
    """The record with its checkout. A purchase that was given up is pending again."""
    is_over = purchase.status is PurchaseStatus.FAILED
    opened = replace(
        purchase,
        session_id=checkout.session_id,
        checkout_url=checkout.url,
        status=PurchaseStatus.PENDING if is_over else purchase.status,
    )
    return scheduled(opened, now)


def _wanted(
    app: App, command: Command, *, pack: str | None, amount: int | None, currency: str | None
) -> Purchase:
    if pack is None or amount is not None:
        raise InvalidInput(
            "packs only", fields=[problem("amount", "TEST_ONLY"), problem("pack", "REQUIRED")]
        )
    chosen = pricing.get_pack(pack)
    chosen_currency = currency or app.settings.currency
    price = pricing.price_of(chosen, chosen_currency)
    return Purchase(
        purchase_id=command.id_for(app.ids, "pur"),
        account_id=command.account_id,
        gateway="",
        status=PurchaseStatus.PENDING,
        credits=chosen.credits,
        pack=chosen.name,
        created_at=app.clock.now(),
        currency=chosen_currency,
        amount_minor=minor_units(price, chosen_currency),
    )


def minor_units(amount: Decimal, currency: str) -> int:
    """The amount in the currency's smallest unit, exactly."""
    scaled = amount if currency in ZERO_DECIMAL else amount * 100
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} {currency} is no whole number of its smallest unit")
    return int(scaled)


def _record(command: Command, gateway: str, wanted: Purchase) -> Purchase:
    """The stored record: created now, or by an earlier attempt at the prices of that time."""
    purchase = scheduled(replace(wanted, gateway=gateway), wanted.created_at)
    with suppress(KeyReused):
        commit([payments_store.create_write(purchase, operation=command.operation)])
    stored, creation = _get(command, purchase.purchase_id)
    if creation != command.operation:
        raise KeyReused("the key was used for another purchase")
    return stored


def _get(command: Command, purchase_id: str) -> tuple[Purchase, str | None]:
    found = payments_store.find_purchase(command.account_id, purchase_id)
    if found is None:
        raise Conflict("the purchase is gone")
    return found
