"""Webhook signatures of Stripe: only a fresh signature of this body with the secret counts."""

from __future__ import annotations

import json
import random
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.kernel.errors import DarkroomError, Unauthorized
from darkroom.payments.gateways.stripe import TOLERANCE_SECONDS, StripeGateway
from tests.support.builders import a_balance, a_user, ask
from tests.support.stripe_stand_in import WEBHOOK_SECRET, Shop, open_shop

PATH = "/api/webhooks/stripe"
HEX = "0123456789abcdef"
MUTATIONS, MANY_MUTATIONS = 1_000, 100_000


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def user() -> str:
    return a_user()


@pytest.fixture
def paid(shop: Shop, user: str) -> str:
    """The body of the event of a payment by the user."""
    shop.stripe.take_events()
    shop.stripe.pay(shop.open(user))
    [event] = shop.stripe.take_events()
    return shop.stripe.body_of(event)


def assert_refused(
    shop: Shop, user: str, body: str, signature: str | None, *, status: int = 401
) -> None:
    code = {401: "BAD_SIGNATURE", 400: "VALIDATION_FAILED"}[status]
    stored = shop.world.scan("webhooks")

    response = shop.post(body, signature)

    assert (response.status, response.body["code"]) == (status, code)
    assert set(response.body) == {"error", "code", "requestId"}
    assert shop.world.scan("webhooks") == stored
    assert a_balance(shop.world, user) == (5, 0)


@pytest.mark.parametrize(
    "forge",
    [
        lambda signed: None,
        lambda signed: "",
        lambda signed: "nonsense",
        lambda signed: "t=,v1=",
        lambda signed: "t=0,v1=0",
        lambda signed: signed.replace("v1=", "v0="),
        lambda signed: signed.replace("v1=", "v2="),
        lambda signed: signed.partition(",")[0],
        lambda signed: signed.partition(",")[2],
        lambda signed: signed[:-1],
        lambda signed: signed + "0",
        lambda signed: signed.upper(),
        lambda signed: signed.replace("v1=", "v1=é"),
        lambda signed: "t=1,v1=" + "é" * 64,
        lambda signed: "t=" + "9" * 5000 + ",v1=0",
        lambda signed: f"t={time.time()},{signed.partition(',')[2]}",
        lambda signed: f"t={int(time.time()) + 1},{signed.partition(',')[2]}",
        lambda signed: "v1=" + "0" * 64 + "," + signed.partition(",")[0],
    ],
    ids=range(18),
)
def test_a_signature_that_does_not_fit_is_401_and_nothing_is_stored(
    forge: Any, shop: Shop, user: str, paid: str
) -> None:
    assert_refused(shop, user, paid, forge(shop.stripe.sign(paid)))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body + " ",
        lambda body: body.replace("\n", "\r\n"),
        lambda body: json.dumps(json.loads(body)),
        lambda body: json.dumps(json.loads(body), separators=(",", ":")),
        lambda body: json.dumps(dict(reversed(json.loads(body).items())), indent=2),
        lambda body: body.replace("1599", "1"),
        lambda body: body.replace("usd", "krw"),
        lambda body: "",
        lambda body: "{}",
    ],
    ids=range(9),
)
def test_a_signature_covers_the_exact_bytes(change: Any, shop: Shop, user: str, paid: str) -> None:
    altered = change(paid)
    assert altered != paid

    assert_refused(shop, user, altered, shop.stripe.sign(paid))


def test_invalid_utf_8_does_not_match_the_signature_of_its_replacement(
    shop: Shop, user: str
) -> None:
    payments = shop.world.app.payments
    assert payments is not None
    text = '{"name": "\ufffd"}'

    with pytest.raises(Unauthorized):
        payments.read_event(text.encode().replace("\ufffd".encode(), b"\xff"),
                            shop.stripe.sign(text))  # fmt: skip


def test_a_forged_secret_is_refused(shop: Shop, user: str, paid: str) -> None:
    for secret in ("whsec_other", "", WEBHOOK_SECRET[:-1], WEBHOOK_SECRET + "x"):
        assert_refused(shop, user, paid, shop.stripe.sign(paid, secret=secret))


@pytest.mark.parametrize("age_seconds", [TOLERANCE_SECONDS + 2, 3600, 10**6])
def test_an_old_signature_is_refused(age_seconds: int, shop: Shop, user: str, paid: str) -> None:
    signed = shop.stripe.sign(paid, at=time.time() - age_seconds)

    assert_refused(shop, user, paid, signed)


@pytest.mark.parametrize("text", ["nonsense", "[]", "null", "{}", '{"id": "evt_1"}'])
def test_a_signed_body_that_is_no_event_is_400_and_nothing_is_stored(
    text: str, shop: Shop, user: str
) -> None:
    assert_refused(shop, user, text, shop.stripe.sign(text), status=400)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": 1},
        {"id": None},
        {"type": ["checkout.session.completed"]},
        {"type": None},
        {"data": None},
        {"data": {"object": None}},
        {"data": {"object": []}},
        {"data": {"object": "cs_1"}},
    ],
    ids=str,
)
def test_an_event_of_another_shape_is_400_and_nothing_is_stored(
    wrong: dict[str, Any], shop: Shop, user: str, paid: str
) -> None:
    text = json.dumps(json.loads(paid) | wrong)

    assert_refused(shop, user, text, shop.stripe.sign(text), status=400)


def gateway(*secrets: str) -> StripeGateway:
    text = json.dumps({"apiKey": "sk_test_1", "webhookSecrets": secrets})
    return StripeGateway(lambda: text, api_base=None, return_url="https://app.example")


def accepts(payments: StripeGateway, body: str, header: str) -> bool:
    try:
        return payments.read_event(body.encode(), header) is not None
    except DarkroomError:
        return False


def test_one_changed_character_is_refused(shop: Shop) -> None:
    assert mutations_accepted(shop, MUTATIONS, seed=1) == []


@pytest.mark.slow
def test_one_changed_character_is_refused_a_hundred_thousand_times(shop: Shop) -> None:
    assert mutations_accepted(shop, MANY_MUTATIONS, seed=2) == []


def mutations_accepted(shop: Shop, count: int, *, seed: int) -> list[str]:
    """Change one character of the signature, the time or the body; return the accepted ones."""
    chance, payments = random.Random(seed), gateway(WEBHOOK_SECRET)
    body = '{"id": "evt_1", "type": "checkout.session.expired", "data": {"object": {"id": "cs"}}}'
    signed = shop.stripe.sign(body)
    assert accepts(payments, body, signed)
    accepted = []
    for _ in range(count):
        moment, mac = signed.removeprefix("t=").split(",v1=")
        text, part = body, chance.choice(["moment", "mac", "text"])
        if part == "moment":
            moment = changed(chance, moment, "0123456789")
        elif part == "mac":
            mac = changed(chance, mac, HEX)
        else:
            text = changed(chance, body, " 0azAZ{}\u00e9")
        if accepts(payments, text, f"t={moment},v1={mac}"):
            accepted.append(f"{part}: t={moment},v1={mac} {text}")
    return accepted


def changed(chance: random.Random, text: str, letters: str) -> str:
    place = chance.randrange(len(text))
    letter = chance.choice([letter for letter in letters if letter != text[place]])
    return text[:place] + letter + text[place + 1 :]


# Valid signatures


def test_one_of_several_signatures_is_enough(shop: Shop, user: str, paid: str) -> None:
    good = shop.stripe.sign(paid)

    response = shop.post(paid, good.replace("v1=", f"v1={'0' * 64},v0=abc,v1="))

    assert (response.status, response.body) == (200, {"outcome": "handled"})
    assert a_balance(shop.world, user) == (55, 0)


def test_both_secrets_are_valid_during_a_rotation(shop: Shop, paid: str) -> None:
    payments = gateway("whsec_new", WEBHOOK_SECRET)

    for secret in ("whsec_new", WEBHOOK_SECRET):
        assert accepts(payments, paid, shop.stripe.sign(paid, secret=secret))
    assert not accepts(payments, paid, shop.stripe.sign(paid, secret="whsec_third"))


def test_without_a_secret_every_signature_is_refused(shop: Shop, paid: str) -> None:
    assert not accepts(gateway(), paid, shop.stripe.sign(paid))
    for empty in ("", " "):
        assert not accepts(gateway(empty), paid, shop.stripe.sign(paid, secret=empty))


@pytest.mark.parametrize("ahead_seconds", [-TOLERANCE_SECONDS + 5, 60, 3600])
def test_a_signature_from_a_clock_ahead_is_accepted(
    ahead_seconds: int, shop: Shop, user: str, paid: str
) -> None:
    signed = shop.stripe.sign(paid, at=time.time() + ahead_seconds)

    assert shop.post(paid, signed).status == 200
    assert a_balance(shop.world, user) == (55, 0)


def test_the_raw_body_is_verified_also_when_the_gateway_encodes_it(
    shop: Shop, user: str, paid: str
) -> None:
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": PATH,
        "rawQueryString": "",
        "headers": {"stripe-signature": shop.stripe.sign(paid)},
        "requestContext": {"http": {"method": "POST", "path": PATH, "sourceIp": "::1"}},
        "body": b64encode(paid.encode()).decode(),
        "isBase64Encoded": True,
    }

    assert shop.world.handle_http(event)["statusCode"] == 200
    assert a_balance(shop.world, user) == (55, 0)


def test_a_token_is_neither_needed_nor_sufficient(shop: Shop, user: str, paid: str) -> None:
    token = {"authorization": f"Bearer {user}"}

    response = ask(shop.world.app, "POST", PATH, paid, claims=None, headers=token)

    assert (response.status, response.body["code"]) == (401, "BAD_SIGNATURE")
