"""The stand-in that pays every checkout of the local cloud."""

from __future__ import annotations

from pathlib import Path

from local.parameters import check, read_choices
from local.settings import ROOT
from local.template import parse
from tests.support.stripe_stand_in import StripeStandIn
from tests.support.try_stripe import pay_open_checkouts, settings_for


def test_an_open_checkout_is_paid_once_and_its_signed_event_delivered() -> None:
    delivered: list[tuple[str, str]] = []
    with StripeStandIn() as stripe:
        stripe.a_session()

        paid = [pay_open_checkouts(stripe, lambda *sent: delivered.append(sent)) for _ in range(2)]

    assert paid == [1, 0]
    body, signature = delivered[-1]
    assert "checkout.session.completed" in body
    assert stripe.sign(body, at=int(signature[2:].partition(",")[0])) == signature


def test_its_output_is_an_env_file_for_the_template(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    with StripeStandIn() as stripe:
        env_file.write_text(settings_for(stripe), encoding="utf-8")

    choices = read_choices("", env_file)

    check(choices, parse(ROOT / "template.yaml"))
    assert choices.secrets == {"darkroom-local/stripe": stripe.secret_text}
