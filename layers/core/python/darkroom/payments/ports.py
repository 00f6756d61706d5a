"""The port between purchases and whoever takes the money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from darkroom.kernel.errors import DarkroomError, Unavailable
from darkroom.payments.store import Purchase


class GatewayUnavailable(Unavailable):
    """The gateway did not answer, or refuses calls for now; repeating is safe."""

    code = "PAYMENT_UNAVAILABLE"


class AttemptSpent(GatewayUnavailable):
    """The gateway has kept a failure under this attempt's idempotency key: the same request would
    fail again, so the next one needs the next attempt's key."""


class PaymentUnreadable(DarkroomError):
    """The gateway does not know the object, or does not let our key read it."""

    code = "PAYMENT_UNREADABLE"


class RefundRefused(DarkroomError):
    """The gateway will not refund the payment; ``error_code`` is its own word for why."""

    code = "REFUND_REFUSED"


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
class Ignored:
    """A verified event that does not concern us."""

    event_id: str
    type: str
    reason: str
    """``type``, ``account`` or ``mode``."""


@dataclass(frozen=True, kw_only=True)
class MoneyBack:
    """A refund, or a dispute that is open or lost: money that is not ours (any more)."""

    id: str
    amount_minor: int
    """In the currency of the payment."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PaymentState:
    """All that the gateway knows of one payment, read afresh."""

    account_id: str
    purchase_id: str
    session_id: str | None
    payment_id: str | None
    """None also when nothing had to be paid (a promotion code of 100 %)."""
    is_paid: bool
    """The customer has done all that was asked; ``amount_minor`` is what that came to."""
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
        """Open a checkout for the purchase; repeating the same attempt returns the same one.

        Raises:
            AttemptSpent: this attempt can only fail; ``purchase.attempt + 1`` is a new request.
            GatewayUnavailable: no answer; repeating is safe.
        """

    def read_event(self, body: bytes, signature: str) -> PaymentEvent | Ignored:
        """The event of a webhook call.

        Raises:
            Unauthorized: BAD_SIGNATURE; forged, altered, or older than five minutes.
            InvalidInput: signed, but not an event.
        """

    def read_payment(
        self, *, session_id: str | None, payment_id: str | None
    ) -> PaymentState | None:
        """What the gateway knows now; None when the payment is none of ours.

        Raises:
            PaymentUnreadable: it does not exist for our key.
            GatewayUnavailable: no answer; repeating is safe.
        """

    def refund_payment(self, purchase: Purchase) -> None:
        """Give back all that is left of the purchase's payment; repeating the same attempt of the
        same decision refunds once.

        Raises:
            RefundRefused: it will not do so, however often it is asked.
            AttemptSpent, GatewayUnavailable: as for ``create_checkout``.
        """
