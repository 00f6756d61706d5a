"""The port to payment gateways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from darkroom.kernel.errors import DarkroomError, Unavailable
from darkroom.payments.store import GatewayName, Purchase
from darkroom.payments.subscription_store import Subscription


class GatewayUnavailable(Unavailable):
    """The gateway did not respond, or refuses calls for now; repeating is safe."""

    code = "PAYMENT_UNAVAILABLE"


class AttemptSpent(GatewayUnavailable):
    """The gateway has stored a failure for this attempt's idempotency key. The same request would
    fail again, so the next one needs the key of the next attempt."""


class PaymentUnreadable(DarkroomError):
    """The gateway does not know the object, or does not let our key read it."""

    code = "PAYMENT_UNREADABLE"


class PaymentMissing(PaymentUnreadable):
    """The gateway does not know the object: no permission would let our key read it."""


class RefundRefused(DarkroomError):
    """The gateway refuses to refund the payment; ``error_code`` is its own code."""

    code = "REFUND_REFUSED"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """Where the customer pays."""

    session_id: str
    url: str


@dataclass(frozen=True, kw_only=True)
class PaymentEvent:
    """A verified event: a hint that a payment has changed."""

    event_id: str
    type: str
    session_id: str | None
    payment_id: str | None
    subscription_ref: str | None = None
    """The gateway's id of the subscription that it is about."""
    is_of_subscription: bool = False
    """It is about a subscription, which may have no id yet."""


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """A verified event that does not concern us."""

    event_id: str
    type: str
    reason: str
    """``type``, ``account`` or ``mode``."""


@dataclass(frozen=True, kw_only=True)
class MoneyBack:
    """A refund, or an open or lost dispute: money that was taken back from us."""

    id: str
    amount_minor: int
    """In the currency of the payment."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PaymentState:
    """The current state of one payment at the gateway."""

    account_id: str
    purchase_id: str
    session_id: str | None
    payment_id: str | None
    """None also when nothing had to be paid (a promotion code of 100 %)."""
    is_paid: bool
    """The customer has completed the payment of ``amount_minor``."""
    has_failed: bool
    amount_minor: int
    currency: str
    """ISO 4217, upper case."""
    taken_back: tuple[MoneyBack, ...]
    """Effective refunds and disputes, oldest first, without failed refunds and won disputes."""


@dataclass(frozen=True, kw_only=True)
class SubscriptionState:
    """The current state of one subscription at the gateway."""

    account_id: str
    subscription_id: str
    session_id: str | None
    ref: str | None
    """None until its checkout is paid."""
    customer: str | None
    status: Literal["pending", "active", "ended"]
    """``active``: paid, or the gateway still tries to collect; ``ended``: it never will again."""
    started_at: datetime | None
    ends_at: datetime | None
    """The end of the current period."""
    renews: bool


class PaymentGateway(Protocol):
    name: GatewayName

    def create_checkout(self, purchase: Purchase) -> Checkout:
        """Open a checkout for the purchase; repeating the same attempt returns the same one.

        Raises:
            AttemptSpent: this attempt can only fail; ``purchase.attempt + 1`` is a new request.
            GatewayUnavailable: no response; repeating is safe.
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
        """The current state of the payment; None if it is not ours.

        Raises:
            PaymentUnreadable: it does not exist for our key.
            GatewayUnavailable: no response; repeating is safe.
        """

    def refund_payment(self, purchase: Purchase) -> None:
        """Refund all that is left of the purchase's payment; repeating the same attempt of the same
        decision refunds once.

        Raises:
            RefundRefused: the gateway refuses permanently.
            AttemptSpent, GatewayUnavailable: as for ``create_checkout``.
        """

    def create_subscription(self, subscription: Subscription) -> Checkout:
        """Open a checkout for the subscription; repeating the same attempt returns the same one.

        With a ``customer``, what an earlier subscription of theirs has left is credited.

        Raises:
            AttemptSpent, GatewayUnavailable: as for ``create_checkout``.
        """

    def read_subscription(
        self, *, session_id: str | None, ref: str | None
    ) -> SubscriptionState | None:
        """The current state of the subscription; None if it is not ours.

        Raises:
            PaymentUnreadable, GatewayUnavailable: as for ``read_payment``.
        """

    def give_order(self, subscription: Subscription) -> None:
        """Do the subscription's ``order``: let it end with its period, continue, or end now, with a
        credit for the rest. If it has not begun, its checkout is closed. Repeating it changes
        nothing.

        Raises:
            PaymentMissing: it does not exist. GatewayUnavailable: repeating is safe.
        """
