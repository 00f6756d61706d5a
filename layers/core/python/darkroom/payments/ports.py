"""The port between purchases and whoever takes the money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from darkroom.kernel.errors import Unavailable
from darkroom.payments.store import Purchase


class GatewayUnavailable(Unavailable):
    """The gateway did not answer, or asks to be left alone for now; repeating is safe."""

    code = "PAYMENT_UNAVAILABLE"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """Where the customer pays."""

    session_id: str
    url: str


@dataclass(frozen=True, kw_only=True)
class PaymentEvent:
    """A verified hint that something about a payment has changed."""

    event_id: str
    type: str
    session_id: str | None
    payment_id: str | None


@dataclass(frozen=True, kw_only=True)
class MoneyBack:
    """A refund, or a dispute that is open or lost: money that is not ours (any more)."""

    id: str
    amount_minor: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PaymentState:
    """All that the gateway knows of one payment, read afresh."""

    account_id: str
    purchase_id: str
    session_id: str | None
    payment_id: str | None
    is_paid: bool
    has_failed: bool
    amount_minor: int
    currency: str
    """ISO 4217, upper case."""
    taken_back: tuple[MoneyBack, ...]
    """Refunds and disputes that stand, oldest first. A refund that failed and a dispute that
    was won are not among them."""


class PaymentGateway(Protocol):
    name: str

    def create_checkout(self, purchase: Purchase) -> Checkout:
        """Open a checkout for the purchase; repeating it returns the same one.

        Raises:
            GatewayUnavailable: no answer; repeating is safe.
        """

    def read_event(self, body: bytes, signature: str) -> PaymentEvent | None:
        """The event of a webhook call; None for kinds that do not concern us.

        Raises:
            Unauthorized: BAD_SIGNATURE; forged, altered, or older than five minutes.
            InvalidInput: signed, but not an event.
        """

    def read_payment(
        self, *, session_id: str | None, payment_id: str | None
    ) -> PaymentState | None:
        """What the gateway knows now; None when the payment is none of ours.

        Raises:
            GatewayUnavailable: no answer; repeating is safe.
        """
