"""``make stripe``: a stand-in for Stripe beside ``make up``, which pays every checkout.

It prints what to write into ``.env``. Each checkout that the API opens is paid after a moment, and
its signed event is sent to the API, as Stripe would.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from local.errors import LocalCloudError
from local.settings import ROOT
from local.stack import RunningStack
from tests.support.stripe_stand_in import StripeStandIn

DEFAULT_PORT = 12111
LOOK_SECONDS = 2.0
DELIVERY_LIMIT_SECONDS = 30

Deliver = Callable[[str, str], None]


def settings_for(stripe: StripeStandIn) -> str:
    """The lines of ``.env`` that make the local cloud use this stand-in."""
    return "\n".join(
        [
            "PaymentGateway=stripe",
            f"StripeApiBase={stripe.api_base}",
            "CheckoutReturnUrl=http://localhost:5173/credits",
            f"SECRET_STRIPE={stripe.secret_text}",
        ]
    )


def pay_open_checkouts(stripe: StripeStandIn, deliver: Deliver) -> int:
    """Pay what is open, deliver (body, signature) of what happened; returns how many were paid."""
    is_open = [key for key, session in stripe.sessions.items() if session["status"] == "open"]
    for session_id in is_open:
        stripe.pay(session_id)
    for event in stripe.take_events():
        body = stripe.body_of(event)
        deliver(body, stripe.sign(body))
    return len(is_open)


def deliver_to(state: Path) -> Deliver:
    def deliver(body: str, signature: str) -> None:
        try:
            response = httpx.post(
                f"{RunningStack.attach(state).api_url}/api/webhooks/stripe",
                content=body.encode(),
                headers={"Content-Type": "application/json", "Stripe-Signature": signature},
                timeout=DELIVERY_LIMIT_SECONDS,
            )
        except (LocalCloudError, httpx.HTTPError) as error:
            print(f"Not delivered: {error}", flush=True)
        else:
            print(f"Paid; the API returned {response.status_code}.", flush=True)

    return deliver


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.try_stripe", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--name", default="main", help="which local cloud")
    arguments = parser.parse_args()
    try:
        stripe = StripeStandIn(port=arguments.port)
    except (OSError, OverflowError) as error:
        print(f"Port {arguments.port} cannot be used: {error}", file=sys.stderr)
        return 1
    deliver = deliver_to(ROOT / ".darkroom" / arguments.name)
    with stripe:
        print(f"Write this into .env, then `make up`:\n\n{settings_for(stripe)}\n", flush=True)
        try:
            while True:
                pay_open_checkouts(stripe, deliver)
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
