"""A purchase through Stripe on the deployed template, with a stand-in where Stripe would be.

The emulator enforces every role, so what works here also proves that purchase, hooks and sweep
may do what they have to, and the template's parameters reach them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from local.stack import LocalStack, RunningStack
from tests.support.stack import without_denials
from tests.support.stripe_stand_in import StripeStandIn

RETURN_URL = "https://app.example/credits"
EVENTUALLY_SECONDS = 20
_keys = count(1)


@dataclass(frozen=True)
class Till:
    """The running stack, its Stripe stand-in, and the actions of a customer."""

    stack: LocalStack
    stripe: StripeStandIn
    web: httpx.Client

    def call(self, method: str, path: str, user: str, **options: Any) -> httpx.Response:
        token = {"Authorization": f"Bearer {self.stack.token(user)}"}
        headers = {**token, **options.pop("headers", {})}
        return self.web.request(method, path, headers=headers, **options)

    def start(self, user: str, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key or f"key-{next(_keys)}"}
        body = {"pack": "Value"}
        return self.call("POST", "/api/credits/purchase", user, json=body, headers=headers)

    def pay(self, user: str, **wrong: Any) -> tuple[str, str]:
        """Start and pay; returns the payment's id and the event's body."""
        purchase_id = self.start(user).raise_for_status().json()["purchaseId"]
        session = self.session_of(purchase_id)
        self.stripe.take_events()
        payment = self.stripe.pay(session["id"], **wrong)
        return payment["id"], self.next_event()

    def session_of(self, purchase_id: str) -> dict[str, Any]:
        sessions = self.stripe.sessions.values()
        [session] = [s for s in sessions if s["client_reference_id"] == purchase_id]
        return session

    def next_event(self) -> str:
        [event] = self.stripe.take_events()
        return self.stripe.body_of(event)

    def post(self, body: str, signature: str | None = None) -> httpx.Response:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": self.stripe.sign(body) if signature is None else signature,
        }
        return self.web.post("/api/webhooks/stripe", content=body.encode(), headers=headers)

    def balance(self, user: str) -> int:
        balance: int = self.call("GET", "/api/credits", user).json()["balance"]
        return balance


@pytest.fixture(scope="module")
def till() -> Iterator[Till]:
    with StripeStandIn() as stripe:

        def parameters(stack: RunningStack) -> dict[str, str]:
            secret = stack.client("secretsmanager").create_secret(
                Name="stripe", SecretString=stripe.secret_text
            )
            return {
                "PaymentGateway": "stripe",
                "StripeSecretArn": secret["ARN"],
                "StripeApiBase": stripe.api_base,
                "CheckoutReturnUrl": RETURN_URL,
            }

        with (
            LocalStack(parameters=parameters) as stack,
            without_denials(stack),
            httpx.Client(base_url=stack.api_url, timeout=30) as web,
        ):
            yield Till(stack, stripe, web)


def test_a_purchase_is_paid_settled_and_refunded_with_its_events(till: Till) -> None:
    started = till.start("alice", key="once")
    again = till.start("alice", key="once")

    assert (started.status_code, started.json()["status"]) == (201, "pending")
    assert again.json() == started.json()
    session = till.session_of(started.json()["purchaseId"])
    assert started.json()["checkoutUrl"] == session["url"]
    assert session["success_url"].startswith(RETURN_URL)
    assert till.balance("alice") == 5

    payment = till.stripe.pay(session["id"])
    settled = till.next_event()
    responses = [till.post(settled).json() for _ in range(2)]

    assert responses == [{"outcome": "handled"}, {"outcome": "repeated"}]
    assert till.balance("alice") == 55

    till.stripe.refund(payment["id"], 800)
    assert till.post(till.next_event()).status_code == 200

    wallet = till.call("GET", "/api/credits", "alice").json()
    assert [entry["type"] for entry in wallet["transactions"]] == ["REVERSAL", "PURCHASE", "BONUS"]
    assert wallet["balance"] == 30


def test_a_forged_call_is_refused_and_changes_nothing(till: Till) -> None:
    _, body = till.pay("bob")
    signed = till.stripe.sign(body)

    forged = [
        till.post(body, till.stripe.sign(body, secret="whsec_forged")),
        till.post(body, till.stripe.sign(body, at=time.time() - 600)),
        till.post(json.dumps(json.loads(body)), signed),
        till.post(body, "nonsense"),
    ]

    for response in forged:
        assert (response.status_code, response.json()["code"]) == (401, "BAD_SIGNATURE")
    assert till.balance("bob") == 5
    assert till.post(body, signed).status_code == 200
    assert till.balance("bob") == 55


def test_the_sweeper_settles_a_payment_that_a_webhook_could_not_read(till: Till) -> None:
    _, body = till.pay("carol")
    till.stripe.refuse(429, path="/v1/checkout/sessions/")

    refused = till.post(body)
    swept_by = till.stack.client("lambda").invoke(
        FunctionName=till.stack.functions["sweep"], Payload=b"{}"
    )

    assert (refused.status_code, refused.json()["code"]) == (503, "PAYMENT_UNAVAILABLE")
    assert "FunctionError" not in swept_by, swept_by["Payload"].read()
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    token = {"Authorization": f"Bearer {till.stack.token('root', role='admin')}"}
    swept = till.web.post("/api/admin/sweep", json={"now": later}, headers=token)
    assert swept.json()["done"]["payment_handled"] >= 1
    assert till.balance("carol") == 55


def test_a_payment_of_another_amount_is_counted_for_the_alarm(till: Till) -> None:
    _, body = till.pay("dave", amount=1)

    assert till.post(body).status_code == 200

    assert till.balance("dave") == 5
    deadline = time.monotonic() + EVENTUALLY_SECONDS
    while not (found := metrics_of(till, "PaymentMismatches")):
        assert time.monotonic() < deadline, till.stack.logs("hooks")[-5:]
        time.sleep(0.3)
    assert found[0]["service"] == "darkroom"
    assert found[0]["PaymentMismatches"] == [1]


def test_an_operator_lists_and_refunds_a_payment_of_another_amount(till: Till) -> None:
    payment_id, body = till.pay("erin", amount=2)
    assert till.post(body).status_code == 200
    token = {"Authorization": f"Bearer {till.stack.token('root', role='admin')}"}

    listed = till.web.get("/api/admin/purchases?limit=100", headers=token).json()["items"]
    [found] = [item for item in listed if item.get("paymentId") == payment_id]
    resolved = till.web.post(
        f"/api/admin/purchases/{found['purchaseId']}/resolve",
        json={"accountId": found["accountId"], "action": "refund", "reason": "A mistake"},
        headers={**token, "Idempotency-Key": "decided"},
    )

    assert (resolved.status_code, resolved.json()["status"]) == (200, "refunded")
    refunds = till.stripe.refunds.values()
    assert [r["amount"] for r in refunds if r["payment_intent"] == payment_id] == [2]
    [seen] = till.call("GET", "/api/purchases", "erin").json()["items"]
    assert seen["status"] == "refunded"
    assert "refunded" in seen["message"]


def test_a_lost_webhook_is_found_by_the_sweeper(till: Till) -> None:
    till.pay("frank")
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 16 * 60))
    token = {"Authorization": f"Bearer {till.stack.token('root', role='admin')}"}

    swept = till.web.post("/api/admin/sweep", json={"now": later}, headers=token)

    assert swept.json()["done"]["purchase_polled"] >= 1
    assert till.balance("frank") == 55


def metrics_of(till: Till, name: str) -> list[dict[str, Any]]:
    """The hooks function's metrics of this name, as CloudWatch reads them."""
    lines = [line for line in till.stack.logs("hooks") if name in line and "_aws" in line]
    return [json.loads(line[line.index("{") :]) for line in lines]


def test_the_books_of_all_accounts_are_sound(till: Till) -> None:
    token = {"Authorization": f"Bearer {till.stack.token('root', role='admin')}"}

    report = till.web.get("/api/admin/audit", headers=token).json()

    assert report["accountsChecked"] >= 4
    assert report["breaches"] == []
