"""A stand-in for Stripe: a local server that speaks the part of its API that we call.

It checks what the real one checks (key, parameters, amounts, idempotency keys), responses with
objects of the official library's shapes, and can lose responses, refuse or hang. What a customer,
a bank or an operator does there is a method here; each leaves the event that Stripe would send
in ``events``, and ``sign`` makes the header that Stripe would send along.

Sources: https://docs.stripe.com/api (objects, errors, idempotent requests),
https://docs.stripe.com/webhooks (signatures), https://docs.stripe.com/currencies (amounts).
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import threading
import time
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest
import stripe

from darkroom.credits import store as credits_store
from darkroom.credits.audit.facts import Breach
from darkroom.credits.model import Wallet
from darkroom.payments import store as payments_store
from darkroom.payments.store import Purchase
from darkroom.usecases.credits.audit_accounts import audit_accounts
from darkroom.usecases.sweeps.sweep_purchases import sweep_purchases
from tests.support.http_stand_in import HELD_LIMIT_SECONDS
from tests.support.moto_world import moto_world
from tests.support.threaded_server import ThreadedServer
from tests.support.world import Response, World

Json = dict[str, Any]

API_KEY = "sk_test_of_the_stand_in"
WEBHOOK_SECRET = "whsec_of_the_stand_in"
SESSION_SECONDS = 24 * 3600
PAGE_DEFAULT, PAGE_LIMIT = 10, 100
METADATA_KEYS_LIMIT, METADATA_CHARS_LIMIT = 50, 500
MINIMUM_MINOR = {"usd": 50, "krw": 100, "jpy": 50, "eur": 50}
"""Smallest amounts; for KRW Stripe converts 50 US cents, which is taken here as 100 won."""
MAXIMUM_MINOR = 99_999_999
LEFT_OUT = {"line_items", "refunds"}
"""Fields that the real objects have only when they are expanded."""


class Refused(Exception):
    """A response of the documented error shape."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        error = {"type": "invalid_request_error", "message": message, **more}
        if "code" in more:
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{more['code']}"
        self.body = {"error": {name: value for name, value in error.items() if value is not None}}


@dataclass(frozen=True)
class Fault:
    """How the next fitting requests go wrong."""

    kind: typing.Literal["lose_response", "refuse", "break", "hang"]
    path: str
    status: int = 500


class StripeStandIn:
    """The server, what it knows, and the controls of a test."""

    def __init__(
        self, *, api_key: str = API_KEY, webhook_secret: str = WEBHOOK_SECRET, port: int = 0
    ) -> None:
        self.api_key = api_key
        self.webhook_secret = webhook_secret
        self.sessions: dict[str, Json] = {}
        self.payments: dict[str, Json] = {}
        self.charges: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.disputes: dict[str, Json] = {}
        self.subscriptions: dict[str, Json] = {}
        self.refund_status = "succeeded"
        """The status of refunds that the API creates."""
        self.events: list[Json] = []
        """Everything that Stripe would have sent so far, oldest first."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of every request that came."""
        self.forms: list[list[tuple[str, str]]] = []
        """The parameters of each of them, as they were sent."""
        self._names: dict[str, Json] = {}
        """Session id → the metadata that its payment will carry."""
        self._kept: dict[str, tuple[str, int, Json]] = {}
        """Idempotency key → request, status and response."""
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self.ended = threading.Event()
        self._server = ThreadedServer(("127.0.0.1", port), _handler_of(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="stripe", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def api_base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def secret_text(self) -> str:
        """What the product keeps as its secret."""
        return json.dumps({"apiKey": self.api_key, "webhookSecrets": [self.webhook_secret]})

    # How requests go wrong

    def lose_responses(self, times: int = 1, *, path: str = "/v1/") -> None:
        """Do the work, then close the connection without a response."""
        self._faults += [Fault("lose_response", path)] * times

    def refuse(self, status: int, times: int = 1, *, path: str = "/v1/") -> None:
        """Response with an error before anything is done: 429, 500, 409 …"""
        self._faults += [Fault("refuse", path, status=status)] * times

    def break_down(self, times: int = 1, *, path: str = "/v1/") -> None:
        """Fail while the work is being done: 500, which is kept for the idempotency key."""
        self._faults += [Fault("break", path)] * times

    def hang(self, times: int = 1, *, path: str = "/v1/") -> None:
        """Do nothing and never respond."""
        self._faults += [Fault("hang", path)] * times

    def recover(self) -> None:
        self._faults.clear()

    def forget_keys(self) -> None:
        """What Stripe does with idempotency keys after a day."""
        self._kept.clear()

    def next_fault(self, method: str, path: str) -> Fault | None:
        """A fault's path may begin with the method: ``POST /v1/refunds``."""
        with self._lock:
            for fault in self._faults:
                if path.startswith(fault.path) or f"{method} {path}".startswith(fault.path):
                    self._faults.remove(fault)
                    return fault
            return None

    # What customers, banks and operators do

    def a_session(self, **changes: Any) -> Json:
        """A session that another system opened at the same Stripe account."""
        given = {
            "mode": "payment",
            "metadata": {},
            "line_items": [_line("usd", 1000)],
            "success_url": "https://elsewhere.example/",
        }
        return self._open_session(given | changes)

    def pay(self, session_id: str, *, amount: int | None = None, currency: str = "") -> Json:
        """The customer pays at once; another amount or currency is what should never happen."""
        payment = self._attempt(session_id, "succeeded", amount, currency)
        self.sessions[session_id] |= {"status": "complete", "payment_status": "paid"}
        self._send_event("checkout.session.completed", self.sessions[session_id])
        return payment

    def pay_nothing(self, session_id: str) -> None:
        """The customer enters a promotion code of 100 %: no payment comes of it."""
        session = self.sessions[session_id]
        session |= {
            "status": "complete",
            "payment_status": "no_payment_required",
            "amount_total": 0,
            "payment_intent": None,
        }
        self._send_event("checkout.session.completed", session)

    def pay_later(self, session_id: str) -> Json:
        """The customer has chosen a method whose money comes, or does not, days later."""
        payment = self._attempt(session_id, "processing", None, "")
        self.sessions[session_id] |= {"status": "complete"}
        self._send_event("checkout.session.completed", self.sessions[session_id])
        return payment

    def succeed_later(self, session_id: str) -> None:
        payment = self.payments[self.sessions[session_id]["payment_intent"]]
        self._receive(payment, payment["amount"])
        self.sessions[session_id] |= {"payment_status": "paid"}
        self._send_event("checkout.session.async_payment_succeeded", self.sessions[session_id])

    def fail_later(self, session_id: str) -> None:
        payment = self.payments[self.sessions[session_id]["payment_intent"]]
        payment |= {"status": "requires_payment_method"}
        self._send_event("checkout.session.async_payment_failed", self.sessions[session_id])

    def decline(self, session_id: str) -> Json:
        """A card is declined; the session stays open for another try, and nothing is sent."""
        return self._attempt(session_id, "requires_payment_method", None, "")

    def expire(self, session_id: str) -> None:
        self.sessions[session_id] |= {"status": "expired", "url": None}
        self._send_event("checkout.session.expired", self.sessions[session_id])

    def refund(
        self, payment_id: str, amount: int | None = None, *, status: str = "succeeded"
    ) -> Json:
        payment = self.payments[payment_id]
        charge = self.charges[payment["latest_charge"]]
        left = charge["amount"] - charge["amount_refunded"]
        amount = left if amount is None else amount
        if not 0 < amount <= left:
            raise ValueError(f"{amount} of {left} cannot be refunded")
        refund = _shaped(
            stripe.Refund,
            id=self._id("re"),
            amount=amount,
            charge=charge["id"],
            created=int(time.time()),
            currency=charge["currency"],
            metadata={},
            payment_intent=payment_id,
            status=status,
        )
        self.refunds[refund["id"]] = refund
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self._send_event("charge.refunded", charge)
        return refund

    def fail_refund(self, refund_id: str) -> None:
        """The customer's bank sends the money back to us."""
        refund = self.refunds[refund_id]
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        charge = self.charges[refund["charge"]]
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        self._send_event("refund.failed", refund)

    def dispute(
        self,
        payment_id: str,
        amount: int | None = None,
        *,
        status: str = "needs_response",
        currency: str = "",
    ) -> Json:
        """The customer's bank takes the money back; ``warning_…`` is an inquiry that takes none.

        Its amount may be in another currency.
        """
        payment = self.payments[payment_id]
        dispute = _shaped(
            stripe.Dispute,
            id=self._id("du"),
            amount=payment["amount_received"] if amount is None else amount,
            balance_transactions=[],
            charge=payment["latest_charge"],
            created=int(time.time()),
            currency=currency or payment["currency"],
            enhanced_eligibility_types=[],
            evidence={},
            evidence_details={"has_evidence": False, "past_due": False, "submission_count": 0},
            is_charge_refundable=status.startswith("warning"),
            livemode=False,
            metadata={},
            payment_intent=payment_id,
            reason="fraudulent",
            status=status,
        )
        self.disputes[dispute["id"]] = dispute
        self.charges[payment["latest_charge"]]["disputed"] = True
        self._send_event("charge.dispute.created", dispute)
        return dispute

    def escalate(self, dispute_id: str) -> None:
        """An inquiry becomes a dispute, or a won dispute is appealed: the money is gone."""
        dispute = self.disputes[dispute_id]
        is_inquiry = dispute["status"].startswith("warning")
        dispute["status"] = "needs_response" if is_inquiry else "appeal_needs_response"
        self._send_event("charge.dispute.funds_withdrawn", dispute)

    def close_dispute(self, dispute_id: str, status: str) -> None:
        """``won``, ``lost``, or ``warning_closed``."""
        dispute = self.disputes[dispute_id]
        dispute["status"] = status
        self._send_event("charge.dispute.closed", dispute)

    def begin(self, session_id: str, *, ends_at: float, started_at: float | None = None) -> Json:
        """The customer pays a subscription's checkout, for the time until ``ends_at``."""
        session = self.sessions[session_id]
        if session["mode"] != "subscription" or session["status"] != "open":
            raise ValueError(f"the session is {session['mode']} and {session['status']}")
        ref, now = self._id("sub"), int(time.time() if started_at is None else started_at)
        item = _shaped(
            stripe.SubscriptionItem,
            id=self._id("si"),
            created=now,
            current_period_end=int(ends_at),
            current_period_start=now,
            discounts=[],
            metadata={},
            plan={},
            price={},
            subscription=ref,
        )
        subscription = _shaped(
            stripe.Subscription,
            id=ref,
            automatic_tax={"enabled": False},
            billing_cycle_anchor=now,
            billing_mode={"type": "classic"},
            billing_schedules=[],
            cancel_at_period_end=False,
            collection_method="charge_automatically",
            created=now,
            currency=session["currency"],
            customer=session["customer"] or self._id("cus"),
            discounts=[],
            invoice_settings={},
            items={"object": "list", "data": [item], "has_more": False, "url": "/v1"},
            livemode=False,
            metadata=self._names[session_id],
            start_date=now,
            status="active",
        )
        self.subscriptions[ref] = subscription
        session |= {"status": "complete", "payment_status": "paid", "subscription": ref}
        self._send_event("customer.subscription.created", subscription)
        self._send_event("checkout.session.completed", session)
        return subscription

    def renew(self, ref: str, *, ends_at: float) -> None:
        """The next period is paid."""
        subscription = self.subscriptions[ref]
        subscription["items"]["data"][0]["current_period_end"] = int(ends_at)
        self._send_event("customer.subscription.updated", subscription)

    def change(self, ref: str, **changes: Any) -> None:
        """Someone changes a subscription at Stripe, or its payment fails."""
        subscription = self.subscriptions[ref]
        subscription |= changes
        self._send_event("customer.subscription.updated", subscription)

    def end_subscription(self, ref: str) -> None:
        """It was not paid, or its last period is over."""
        subscription = self.subscriptions[ref]
        subscription |= {"status": "canceled", "ended_at": int(time.time())}
        self._send_event("customer.subscription.deleted", subscription)

    def tamper(self, payment_id: str, **changes: Any) -> None:
        """Change a payment without sending an event."""
        self.payments[payment_id] |= changes

    def paid_again(self, payment_id: str) -> Json:
        """A second payment with the names of the first, as no checkout of ours would make."""
        session = self.a_session(
            metadata=self.payments[payment_id]["metadata"],
            payment_intent_data={"metadata": self.payments[payment_id]["metadata"]},
            line_items=[_line("usd", self.payments[payment_id]["amount"])],
        )
        return self.pay(session["id"])

    def take_events(self) -> list[Json]:
        """The events since the last call."""
        taken, self.events[:] = list(self.events), []
        return taken

    def event(self, kind: str, subject: Mapping[str, Any], **more: Any) -> Json:
        """An event as it is sent; one of a connected account has an ``account``."""
        event = _shaped(
            stripe.Event,
            id=self._id("evt"),
            api_version=stripe.api_version,
            created=int(time.time()),
            data={"object": json.loads(json.dumps(subject))},
            livemode=False,
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
            type=kind,
        )
        return event | more

    def body_of(self, event: Mapping[str, Any]) -> str:
        """An event as it is sent: Stripe indents by two."""
        return json.dumps(event, indent=2, ensure_ascii=False)

    def sign(self, body: str, *, secret: str | None = None, at: float | None = None) -> str:
        """The header ``Stripe-Signature`` for a body, as of now unless ``at`` is given."""
        moment = int(time.time() if at is None else at)
        key = (self.webhook_secret if secret is None else secret).encode()
        mac = hmac.new(key, f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
        return f"t={moment},v1={mac}"

    # What happens inside

    def _send_event(self, kind: str, subject: Mapping[str, Any]) -> None:
        self.events.append(self.event(kind, subject))

    def _id(self, prefix: str) -> str:
        # As long as the real ones, and in the order of making only by chance.
        number = next(self._numbers)
        tail = hashlib.sha256(f"{prefix}{number}".encode()).hexdigest()[:18]
        return f"{prefix}_{tail}{number:06}"

    def _open_session(self, given: Mapping[str, Any]) -> Json:
        lines = given["line_items"]
        total = sum(
            int(line["quantity"]) * int(line["price_data"]["unit_amount"]) for line in lines
        )
        session_id, now = self._id("cs_test"), int(time.time())
        session = _shaped(
            stripe.checkout.Session,
            id=session_id,
            adaptive_pricing={
                "enabled": given.get("adaptive_pricing", {}).get("enabled") == "true"
            },
            amount_subtotal=total,
            amount_total=total,
            automatic_tax={"enabled": False, "liability": None, "status": None},
            cancel_url=given.get("cancel_url"),
            client_reference_id=given.get("client_reference_id"),
            created=now,
            currency=lines[0]["price_data"]["currency"],
            custom_fields=[],
            custom_text={"submit": None},
            expires_at=now + SESSION_SECONDS,
            livemode=False,
            metadata=dict(given.get("metadata", {})),
            customer=given.get("customer"),
            mode=given["mode"],
            payment_method_types=["card"],
            payment_status="unpaid",
            shipping_options=[],
            status="open",
            success_url=given.get("success_url"),
            ui_mode="hosted",
            url=f"https://checkout.stripe.com/c/pay/{session_id}",
        )
        self.sessions[session_id] = session
        names = given.get("subscription_data") or given.get("payment_intent_data") or {}
        self._names[session_id] = dict(names.get("metadata", {}))
        return session

    def _attempt(self, session_id: str, status: str, amount: int | None, currency: str) -> Json:
        session = self.sessions[session_id]
        if session["status"] != "open":
            raise ValueError(f"the session is {session['status']}")
        payment = _shaped(
            stripe.PaymentIntent,
            id=session["payment_intent"] or self._id("pi"),
            amount=session["amount_total"] if amount is None else amount,
            amount_capturable=0,
            amount_received=0,
            capture_method="automatic_async",
            confirmation_method="automatic",
            created=int(time.time()),
            currency=currency or session["currency"],
            livemode=False,
            metadata=self._names[session_id],
            payment_method_types=["card"],
            status=status,
        )
        self.payments[payment["id"]] = payment
        session["payment_intent"] = payment["id"]
        if status == "succeeded":
            self._receive(payment, payment["amount"])
        return payment

    def _receive(self, payment: Json, amount: int) -> None:
        charge = _shaped(
            stripe.Charge,
            id=self._id("ch"),
            amount=amount,
            amount_captured=amount,
            amount_refunded=0,
            billing_details={},
            captured=True,
            created=int(time.time()),
            currency=payment["currency"],
            disputed=False,
            livemode=False,
            metadata=dict(payment["metadata"]),
            paid=True,
            payment_intent=payment["id"],
            refunded=False,
            status="succeeded",
        )
        self.charges[charge["id"]] = charge
        payment |= {
            "status": "succeeded",
            "amount_received": amount,
            "latest_charge": charge["id"],
        }

    # What the API returns

    def respond(
        self, method: str, target: str, headers: Mapping[str, str], form: str
    ) -> tuple[int, Json, dict[str, str]]:
        """One request; the headers that come back say whether a response is an old one."""
        parts = urlsplit(target)
        with self._lock:
            self.requests.append((method, parts.path))
            try:
                self._authenticate(headers)
                self.forms.append(parse_qsl(form or parts.query, keep_blank_values=True))
                params = _tree(self.forms[-1])
                work = self._route(method, parts.path, params)
                return self._once(method, parts.path, headers, params, work)
            except Refused as refused:
                return refused.status, refused.body, {}

    def _authenticate(self, headers: Mapping[str, str]) -> None:
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        if not key:
            raise Refused(401, "You did not provide an API key.")
        if scheme != "Bearer" or not key.startswith("sk_test_") or key != self.api_key:
            raise Refused(401, f"Invalid API Key provided: {key[:8]}***{key[-4:]}")

    def _route(self, method: str, path: str, params: Json) -> Callable[[], Json]:
        known: dict[tuple[str, str], Callable[[], Json]] = {
            ("POST", "/v1/checkout/sessions"): lambda: self._create_session(params),
            ("GET", "/v1/refunds"): lambda: self._list(path, self.refunds, params),
            ("POST", "/v1/refunds"): lambda: self._create_refund(params),
            ("GET", "/v1/disputes"): lambda: self._list(path, self.disputes, params),
        }
        if (method, path) in known:
            return known[(method, path)]
        folder, _, name = path.rpartition("/")
        if method == "POST" and name == "expire":
            return lambda: self._close_session(folder.rpartition("/")[2], params)
        if folder == "/v1/subscriptions" and method in ("POST", "DELETE"):
            return lambda: self._change_subscription(name, params, ends=method == "DELETE")
        found = {
            "/v1/checkout/sessions": ("checkout.session", "session", self.sessions),
            "/v1/payment_intents": ("payment_intent", "intent", self.payments),
            "/v1/charges": ("charge", "id", self.charges),
            "/v1/subscriptions": ("subscription", "id", self.subscriptions),
        }.get(folder)
        if method != "GET" or found is None:
            raise Refused(404, f"Unrecognized request URL ({method}: {path}).")
        kind, param, objects = found

        def get() -> Json:
            _check(params, {"expand": [_text]})
            if name not in objects:
                raise Refused(
                    404, f"No such {kind}: '{name}'", code="resource_missing", param=param
                )
            return objects[name]

        return get

    def _once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        params: Json,
        work: Callable[[], Json],
    ) -> tuple[int, Json, dict[str, str]]:
        """Results are kept once work has begun; what is refused for its parameters is not."""
        key = headers.get("Idempotency-Key")
        if key is None or method != "POST":
            return 200, work(), {}
        if len(key) > 255:
            raise Refused(400, "Idempotency keys are at most 255 characters long.")
        request = json.dumps([method, path, params], sort_keys=True)
        if key in self._kept:
            first, status, body = self._kept[key]
            if first != request:
                raise Refused(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they"
                    f" were first used with. Try using a key other than '{key}' if you meant to"
                    " execute a different request.",
                    type="idempotency_error",
                )
            return status, body, {"Idempotent-Replayed": "true"}
        response = json.loads(json.dumps(work()))
        self._kept[key] = (request, 200, response)
        return 200, response, {}

    def keep_failure(self, target: str, headers: Mapping[str, str], form: str) -> Json:
        """A failure in the middle of the work is kept for the key like any other result."""
        body = server_error()
        key = headers.get("Idempotency-Key")
        if key is not None:
            params = _tree(parse_qsl(form, keep_blank_values=True))
            request = json.dumps(["POST", urlsplit(target).path, params], sort_keys=True)
            self._kept[key] = (request, 500, body)
        return body

    def _create_session(self, params: Json) -> Json:
        _check(params, SESSION_PARAMETERS)
        for name in ("mode", "line_items"):
            _require(params, name)
        is_recurring = params["mode"] == "subscription"
        if not is_recurring and params["mode"] != "payment":
            raise Refused(400, "Invalid mode.", param="mode")
        if not is_recurring and "subscription_data" in params:
            raise Refused(400, "You can not pass `subscription_data` in `payment` mode.")
        _require(params, "success_url")
        currencies, total = set(), 0
        for place, item in enumerate(params["line_items"]):
            where = f"line_items[{place}]"
            for name in ("price_data", "quantity"):
                _require(item, name, where)
            price, where = item["price_data"], f"{where}[price_data]"
            for name in ("currency", "unit_amount", "product_data"):
                _require(price, name, where)
            if is_recurring != ("recurring" in price):
                raise Refused(400, "Prices of this mode are (not) recurring.", param=where)
            _require(price["product_data"], "name", f"{where}[product_data]")
            currencies.add(price["currency"])
            total += int(price["unit_amount"]) * int(item["quantity"])
        if len(currencies) != 1:
            raise Refused(400, "All line items have to be in one currency.", param="line_items")
        _check_total(total, currencies.pop())
        return self._open_session(params)

    def _close_session(self, session_id: str, params: Json) -> Json:
        _check(params, {})
        session = self.sessions.get(session_id)
        if session is None:
            message = f"No such checkout.session: '{session_id}'"
            raise Refused(404, message, code="resource_missing", param="session")
        if session["status"] != "open":
            raise Refused(400, 'Only Checkout Sessions with a status in ["open"] can be expired.')
        self.expire(session_id)
        return session

    def _change_subscription(self, ref: str, params: Json, *, ends: bool) -> Json:
        """Whether it is renewed, or its end now."""
        subscription = self.subscriptions.get(ref)
        if subscription is None or subscription["status"] == "canceled":
            message = f"No such subscription: '{ref}'"
            raise Refused(404, message, code="resource_missing", param="id")
        if ends:
            _check(params, {"prorate": _boolean, "invoice_now": _boolean})
            self.end_subscription(ref)
            return subscription
        _check(params, {"cancel_at_period_end": _boolean})
        subscription["cancel_at_period_end"] = params["cancel_at_period_end"] == "true"
        self._send_event("customer.subscription.updated", subscription)
        return subscription

    def _create_refund(self, params: Json) -> Json:
        """Of the whole rest, when no amount is given; never of more than the rest."""
        _check(params, REFUND_PARAMETERS)
        _require(params, "payment_intent")
        payment = self.payments.get(params["payment_intent"])
        if payment is None:
            raise Refused(
                404, f"No such payment_intent: '{params['payment_intent']}'",
                code="resource_missing", param="payment_intent",
            )  # fmt: skip
        if payment["status"] != "succeeded":
            raise Refused(400, "This PaymentIntent does not have a successful charge to refund.")
        charge = self.charges[payment["latest_charge"]]
        if charge["disputed"]:
            raise Refused(
                400, f"Charge {charge['id']} has been charged back", code="charge_disputed"
            )
        left = charge["amount"] - charge["amount_refunded"]
        if left == 0:
            message = f"Charge {charge['id']} has already been refunded."
            raise Refused(400, message, code="charge_already_refunded")
        amount = int(params.get("amount", left))
        if not 0 < amount <= left:
            raise Refused(400, f"Refund amount is greater than unrefunded amount ({left}).")
        refund = self.refund(payment["id"], amount, status=self.refund_status)
        if self.refund_status == "failed":
            self.fail_refund(refund["id"])
        refund["metadata"] = dict(params.get("metadata", {}))
        return refund

    def _list(self, path: str, objects: Mapping[str, Json], params: Json) -> Json:
        """Newest first, a page at a time."""
        filters = {"payment_intent": _text, "charge": _text}
        _check(params, {**filters, "limit": _page_size, "starting_after": _text})
        if "payment_intent" in params and params["payment_intent"] not in self.payments:
            name = params["payment_intent"]
            raise Refused(
                400, f"No such payment_intent: '{name}'", code="resource_missing",
                param="payment_intent",
            )  # fmt: skip
        found = [
            item
            for item in reversed(list(objects.values()))
            if all(item[name] == params[name] for name in filters if name in params)
        ]
        if "starting_after" in params:
            names = [item["id"] for item in found]
            if params["starting_after"] not in names:
                raise Refused(400, "No such object.", param="starting_after")
            found = found[names.index(params["starting_after"]) + 1 :]
        limit = int(params.get("limit", PAGE_DEFAULT))
        return {
            "object": "list",
            "url": path,
            "has_more": len(found) > limit,
            "data": found[:limit],
        }


# Objects


def _shaped(kind: Any, **values: Any) -> Json:
    """An object with every field that the library's class knows: those not given are null.

    Raises:
        TypeError: a field that the class does not know, or one that is never null is missing.
    """
    hints = {name: hint for name, hint in kind.__annotations__.items() if name != "OBJECT_NAME"}
    if unknown := set(values) - set(hints):
        raise TypeError(f"{kind.__name__} has no {sorted(unknown)}")
    shaped: Json = {}
    for name, hint in hints.items():
        if name == "object":
            shaped[name] = kind.OBJECT_NAME
        elif name in values:
            shaped[name] = values[name]
        elif types.NoneType not in typing.get_args(hint):
            raise TypeError(f"{kind.__name__} always has {name}")
        elif name not in LEFT_OUT:
            shaped[name] = None
    return shaped


def _line(currency: str, amount: int) -> Json:
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": "A thing"}}
    return {"quantity": 1, "price_data": price}


# Parameters


def _tree(pairs: Sequence[tuple[str, str]]) -> Any:
    """Form fields such as ``line_items[0][quantity]=1`` as nested objects and lists."""
    root: Json = {}
    for name, value in pairs:
        first, *rest = name.replace("]", "").split("[")
        place = root
        for step, following in itertools.pairwise([first, *rest]):
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise Refused(400, "Invalid object", param=f"{first}[{following}]")
        place[[first, *rest][-1]] = value
    return _lists(root)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    made = {name: _lists(item) for name, item in value.items()}
    if made and set(made) == {str(number) for number in range(len(made))}:
        return [made[str(number)] for number in range(len(made))]
    return made


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise Refused(400, "Invalid string", param=path)


def _integer(value: Any, path: str) -> None:
    if not isinstance(value, str) or not value.isdecimal() or not value.isascii():
        message = f"Invalid integer: {value}"
        raise Refused(400, message, code="parameter_invalid_integer", param=path)


def _page_size(value: Any, path: str) -> None:
    _integer(value, path)
    if not 1 <= int(value) <= PAGE_LIMIT:
        raise Refused(400, "Lists have pages of 1 to 100.", param=path)


def _boolean(value: Any, path: str) -> None:
    if value not in ("true", "false"):
        raise Refused(400, f"Invalid boolean: {value}", param=path)


def _currency(value: Any, path: str) -> None:
    if value not in MINIMUM_MINOR:
        raise Refused(400, f"Invalid currency: {value}.", param=path)


def _url(value: Any, path: str) -> None:
    parts = urlsplit(value if isinstance(value, str) else "")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refused(400, "Not a valid URL", code="url_invalid", param=path)


def _reference(value: Any, path: str) -> None:
    _text(value, path)
    if not 1 <= len(value) <= 200:
        raise Refused(400, "Invalid string: must be at most 200 characters", param=path)


def _metadata(value: Any, path: str) -> None:
    if not isinstance(value, dict) or len(value) > METADATA_KEYS_LIMIT:
        raise Refused(400, "Invalid object", param=path)
    for name, text in value.items():
        _text(text, f"{path}[{name}]")
        if len(name) > 40 or len(text) > METADATA_CHARS_LIMIT:
            raise Refused(400, "Metadata is too long", param=f"{path}[{name}]")


REFUND_PARAMETERS: Json = {
    "payment_intent": _text,
    "amount": _integer,
    "metadata": _metadata,
    "reason": _text,
}
SESSION_PARAMETERS: Json = {
    "adaptive_pricing": {"enabled": _boolean},
    "mode": _text,
    "client_reference_id": _reference,
    "metadata": _metadata,
    "payment_intent_data": {"metadata": _metadata, "description": _text},
    "subscription_data": {"metadata": _metadata},
    "customer": _text,
    "line_items": [
        {
            "quantity": _integer,
            "price_data": {
                "currency": _currency,
                "unit_amount": _integer,
                "product_data": {"name": _text, "description": _text},
                "recurring": {"interval": _text},
            },
        }
    ],
    "success_url": _url,
    "cancel_url": _url,
    "expires_at": _integer,
    "expand": [_text],
}


def _check(given: Any, known: Any, path: str = "") -> None:
    """Refuse parameters that are unknown or of another form."""
    if callable(known):
        known(given, path)
    elif isinstance(known, list):
        if not isinstance(given, list):
            raise Refused(400, "Invalid array", param=path)
        for place, item in enumerate(given):
            _check(item, known[0], f"{path}[{place}]")
    else:
        if not isinstance(given, dict):
            raise Refused(400, "Invalid object", param=path)
        for name, value in given.items():
            where = f"{path}[{name}]" if path else name
            if name not in known:
                message = f"Received unknown parameter: {where}"
                raise Refused(400, message, code="parameter_unknown", param=where)
            _check(value, known[name], where)


def _require(given: Mapping[str, Any], name: str, path: str = "") -> None:
    where = f"{path}[{name}]" if path else name
    if given.get(name) in (None, ""):
        message = f"Missing required param: {where}."
        raise Refused(400, message, code="parameter_missing", param=where)


def _check_total(total: int, currency: str) -> None:
    if total < MINIMUM_MINOR[currency]:
        message = f"The total has to be at least {MINIMUM_MINOR[currency]} {currency}."
        raise Refused(400, message, code="amount_too_small")
    if total > MAXIMUM_MINOR:
        raise Refused(400, f"The total is more than {MAXIMUM_MINOR}.", code="amount_too_large")


def server_error() -> Json:
    return {"error": {"type": "api_error", "message": "Something went wrong on Stripe's end."}}


# The server


def _failure(status: int) -> Json:
    if status == 429:
        message = "Request rate limit exceeded."
        return {
            "error": {"type": "invalid_request_error", "code": "rate_limit", "message": message}
        }
    if status == 409:
        message = "There is currently another in-progress request using this key."
        code = "idempotency_key_in_use"
        return {"error": {"type": "idempotency_error", "code": code, "message": message}}
    return server_error()


def _handler_of(stand_in: StripeStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave as two small packets, which must not wait for each other.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._do("")

        def do_DELETE(self) -> None:
            self._do("")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._do(self.rfile.read(length).decode())

        def _do(self, form: str) -> None:
            fault = stand_in.next_fault(self.command, urlsplit(self.path).path)
            headers: Any = self.headers
            if fault is not None and fault.kind == "hang":
                stand_in.ended.wait(HELD_LIMIT_SECONDS)
                self.close_connection = True
                return
            if fault is not None and fault.kind == "refuse":
                self._send(fault.status, _failure(fault.status), {})
                return
            if fault is not None and fault.kind == "break":
                body = stand_in.keep_failure(self.path, headers, form)
                self._send(500, body, {"Stripe-Should-Retry": "false"})
                return
            status, body, more = stand_in.respond(self.command, self.path, headers, form)
            if fault is not None:
                self.close_connection = True
                return
            self._send(status, body, more)

        def _send(self, status: int, body: Json, more: Mapping[str, str]) -> None:
            text = json.dumps(body).encode()
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Request-Id", stand_in._id("req"))
                echoed = [n for n in ("Idempotency-Key", "Stripe-Version") if n in self.headers]
                for name, value in {**{n: self.headers[n] for n in echoed}, **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests have their own say."""

    return Handler


# A world that sells through the stand-in


class Shop:
    """A world and its Stripe, and the post between them."""

    def __init__(self, world: World, stripe: StripeStandIn) -> None:
        self.world = world
        self.stripe = stripe

    def start(self, user: str, pack: str = "Value", *, key: str = "buy", **more: Any) -> Response:
        """Ask for a checkout."""
        body = {"pack": pack, **more}
        return self.world.call("POST", "/api/credits/purchase", body, user=user, key=key)

    def open(self, user: str, pack: str = "Value", *, key: str = "buy", **more: Any) -> str:
        """A checkout that waits for its customer; returns the session's id."""
        response = self.start(user, pack, key=key, **more)
        if response.status != 201:
            raise AssertionError(response.body)
        return self.session_of(response.body["purchaseId"])["id"]

    def buy(self, user: str, pack: str = "Value", *, key: str = "buy", **more: Any) -> str:
        """Purchase, pay and deliver the events; returns the payment's id."""
        payment = self.stripe.pay(self.open(user, pack, key=key, **more))
        self.deliver_all()
        return payment["id"]

    def session_of(self, purchase_id: str) -> Json:
        [session] = self.sessions_of(purchase_id)
        return session

    def sessions_of(self, purchase_id: str) -> list[Json]:
        sessions = self.stripe.sessions.values()
        return [one for one in sessions if one["client_reference_id"] == purchase_id]

    def deliver(self, event: Mapping[str, Any]) -> Response:
        body = self.stripe.body_of(event)
        return self.post(body, self.stripe.sign(body))

    def deliver_all(self) -> list[Response]:
        """Everything that has happened since the last delivery, in order."""
        return [self.deliver(event) for event in self.stripe.take_events()]

    def post(self, body: str, signature: str | None, **headers: str) -> Response:
        if signature is not None:
            headers["stripe-signature"] = signature
        return self.world.call("POST", "/api/webhooks/stripe", body, user=None, headers=headers)

    def sweep(self) -> dict[str, int]:
        """What the sweeper does with purchases alone."""
        return dict(sweep_purchases(self.world.app, lambda item, error: None))

    def admin(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
        return self.world.call(method, path, body, user="root", groups="admin", **more)

    def resolve(
        self, user: str, purchase_id: str, *, key: str = "resolve", **decision: Any
    ) -> Response:
        """An operator decides."""
        body = {"accountId": user, "reason": "A test", **decision}
        path = f"/api/admin/purchases/{purchase_id}/resolve"
        return self.admin("POST", path, body, key=key)

    def listed(self, user: str, language: str = "en") -> list[Json]:
        """What the user reads of their purchases."""
        headers = {"accept-language": language}
        items: list[Json] = self.world.call(
            "GET", "/api/purchases", user=user, headers=headers
        ).body["items"]
        return items

    def purchases(self, user: str) -> list[Purchase]:
        return payments_store.all_purchases(user)

    def purchase(self, user: str) -> Purchase:
        [purchase] = self.purchases(user)
        return purchase

    def wallet(self, user: str) -> Wallet:
        wallet = credits_store.find_wallet(user)
        if wallet is None:
            raise AssertionError(f"{user} has no wallet")
        return wallet

    def worth(self, user: str) -> tuple[int, int, int, int]:
        """Balance, held, debt, and what is left of purchased credits."""
        wallet = self.wallet(user)
        bought = sum(grant.remaining for grant in wallet.grants if grant.source == "purchase")
        return wallet.balance, wallet.held, wallet.debt, bought

    def breaches(self, user: str | None = None) -> tuple[Breach, ...]:
        return audit_accounts(self.world.app, user).breaches


@contextmanager
def open_shop() -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as patch, StripeStandIn() as stand_in:
        # The library waits at least this long before it tries again.
        patch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
        options = {"stripe_api_base": stand_in.api_base, "stripe_secret": stand_in.secret_text}
        with moto_world(**options) as world:
            yield Shop(world, stand_in)
