"""A payment gateway that we do not own, faked at its port: every checkout is paid at once."""

from __future__ import annotations

from typing import Never

from darkroom.kernel.clock import Clock
from darkroom.payments.ports import Checkout, MoneyBack, PaymentEvent, PaymentState
from darkroom.payments.store import GatewayName, Purchase
from darkroom.payments.subscription_store import Subscription


class FakeGateway:
    """The gateway's records of one purchase, and of those whose checkouts it opens. It deduplicates
    repeated requests as the real one does."""

    name: GatewayName = "stripe"

    def __init__(self, purchase: Purchase, clock: Clock, *, paid_minor: int | None = None) -> None:
        self._purchase, self._clock = purchase, clock
        self._paid_minor = purchase.amount_minor or 0 if paid_minor is None else paid_minor
        self.taken_back: tuple[MoneyBack, ...] = ()
        """Refunded or disputed before the scenario's request."""
        self.refunds: dict[str, MoneyBack] = {}
        """Made through the port: the request's key → the refund."""
        self.opened: dict[str, Purchase] = {}
        """Session or payment → the purchase whose checkout it is."""

    def restore(self) -> None:
        """Forget all calls."""
        self.refunds.clear()
        self.opened.clear()

    def refunded_minor(self) -> list[int]:
        """What was refunded through the port."""
        return sorted(refund.amount_minor for refund in self.refunds.values())

    def create_checkout(self, purchase: Purchase) -> Checkout:
        name = f"{purchase.purchase_id}_{purchase.attempt}"
        self.opened |= dict.fromkeys((f"cs_{name}", f"pi_{name}"), purchase)
        return Checkout(session_id=f"cs_{name}", url=f"https://pay.example/cs_{name}")

    # No scenario has a subscription.

    def create_subscription(self, subscription: Subscription) -> Checkout:
        raise AssertionError(subscription)

    def read_subscription(self, **names: object) -> Never:
        raise AssertionError(names)

    def give_order(self, subscription: Subscription) -> None:
        raise AssertionError(subscription)

    def read_event(self, body: bytes, signature: str) -> PaymentEvent:
        return PaymentEvent(event_id=signature, type="charge", session_id="cs_1", payment_id="pi_1")

    def read_payment(self, *, session_id: str | None, payment_id: str | None) -> PaymentState:
        purchase = self.opened.get(session_id or payment_id or "")
        if purchase is not None:
            name = f"{purchase.purchase_id}_{purchase.attempt}"
            return PaymentState(
                account_id=purchase.account_id,
                purchase_id=purchase.purchase_id,
                session_id=session_id,
                payment_id=f"pi_{name}",
                is_paid=True,
                has_failed=False,
                amount_minor=purchase.amount_minor or 0,
                currency=purchase.currency or "",
                taken_back=(),
            )
        return PaymentState(
            account_id=self._purchase.account_id,
            purchase_id=self._purchase.purchase_id,
            session_id="cs_1",
            payment_id="pi_1",
            is_paid=True,
            has_failed=False,
            amount_minor=self._paid_minor,
            currency=self._purchase.currency or "",
            taken_back=(*self.taken_back, *self.refunds.values()),
        )

    def refund_payment(self, purchase: Purchase) -> None:
        key = f"{purchase.purchase_id}-{len(purchase.decisions)}-{purchase.attempt}"
        gone = sum(item.amount_minor for item in (*self.taken_back, *self.refunds.values()))
        if key in self.refunds:
            return
        if gone >= self._paid_minor:
            raise AssertionError("the same money was refunded twice")
        self.refunds[key] = MoneyBack(
            id=f"re_made_{len(self.refunds) + 1}",
            amount_minor=self._paid_minor - gone,
            created_at=self._clock.now(),
        )
