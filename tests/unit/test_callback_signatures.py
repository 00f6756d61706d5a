"""Signatures of incoming calls: a signed call passes, and a call with any change does not."""

from __future__ import annotations

import base64
import hashlib
import random
import string
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from darkroom.generation.vendors import fal_signatures
from darkroom.kernel.errors import Unauthorized
from darkroom.kernel.signing import is_seal, seal
from darkroom.kernel.standard_webhooks import TOLERANCE_SECONDS, key_of, sign, verify

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a signing key").decode()
OTHER = "whsec_" + base64.b64encode(b"another key").decode()
BODY = b'{"id":"ufawqhfynnddngldkgtslldrkq","status":"succeeded"}'
LETTERS = string.ascii_letters + string.digits + string.punctuation + " \n\t\x00é"

Headers = dict[str, str]


def signed(body: bytes = BODY, secret: str = SECRET, *, at: datetime = NOW) -> Headers:
    timestamp = int(at.timestamp())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, "msg_1", timestamp, body),
    }


def passes(body: bytes, headers: Mapping[str, str], *secrets: str, now: datetime = NOW) -> bool:
    try:
        verify(body, headers, secrets or (SECRET,), now=now)
    except Unauthorized as error:
        if error.error_code != "BAD_SIGNATURE":
            raise
        return False
    return True


def test_the_specification_s_own_example_passes() -> None:
    """Secret, id, time and body as the vendors' guides print them."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    moment = datetime.fromtimestamp(1614265330, UTC)

    assert passes(b'{"test": 2432232314}', headers, secret, now=moment)


def test_both_secrets_are_valid_during_a_rotation() -> None:
    assert passes(BODY, signed(), SECRET, OTHER)
    assert passes(BODY, signed(), OTHER, SECRET)
    assert not passes(BODY, signed(), OTHER)


def test_one_good_signature_among_several_is_enough() -> None:
    headers = signed()
    good = headers["webhook-signature"]

    assert passes(BODY, headers | {"webhook-signature": f"v1a,xyz {good} v1,AAAA"})
    assert not passes(BODY, headers | {"webhook-signature": " ".join(["v1,AAAA"] * 20 + [good])})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(name: str) -> None:
    headers = signed()

    assert not passes(BODY, {key: value for key, value in headers.items() if key != name})
    assert not passes(BODY, headers | {name: ""})


def test_a_timestamp_may_differ_by_five_minutes_at_most() -> None:
    for seconds, is_good in ((0, True), (TOLERANCE_SECONDS, True), (TOLERANCE_SECONDS + 1, False)):
        for sign_of in (1, -1):
            moment = NOW + timedelta(seconds=sign_of * seconds)
            assert passes(BODY, signed(), now=moment) is is_good


@pytest.mark.parametrize(
    "timestamp",
    ["1767603600.0", "+1767603600", " 1767603600", "１７６７６０３６００", "1e9", "-1", "x"],
)
def test_a_timestamp_has_one_spelling(timestamp: str) -> None:
    assert not passes(BODY, signed() | {"webhook-timestamp": timestamp})


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_not base 64!", "whsec_é"])
def test_an_invalid_secret_verifies_no_signature(secret: str) -> None:
    with pytest.raises(ValueError):
        key_of(secret)


def mutations(call: tuple[bytes, Headers], count: int) -> Iterator[tuple[bytes, Headers]]:
    """Calls that differ from a good one in one place of the body or one of the headers."""
    rng = random.Random(20260105)
    for _ in range(count):
        body, headers = call
        place = rng.choice(["body", *headers])
        before = body.decode() if place == "body" else headers[place]
        after = mutated(before, rng)
        while after == before:
            after = mutated(before, rng)
        if place == "body":
            yield after.encode(), headers
        else:
            yield body, headers | {place: after}


def mutated(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    kind = rng.choice(["replace", "insert", "delete", "swap", "case", "cut"])
    if kind == "replace":
        return text[:at] + rng.choice(LETTERS) + text[at + 1 :]
    if kind == "insert":
        return text[:at] + rng.choice(LETTERS) + text[at:]
    if kind == "delete":
        return text[:at] + text[at + 1 :]
    if kind == "swap":
        other = rng.randrange(len(text))
        letters = list(text)
        letters[at], letters[other] = letters[other], letters[at]
        return "".join(letters)
    return text[:at] + text[at:].swapcase() if kind == "case" else text[:at]


def accepted(count: int) -> list[tuple[bytes, Headers]]:
    return [call for call in mutations((BODY, signed()), count) if passes(*call)]


@pytest.mark.parametrize("spelling", [" {}", "{} ", "{}  {}", "{}\n", "{},", "{}="])
def test_a_signature_has_one_spelling(spelling: str) -> None:
    headers = signed()
    good = headers["webhook-signature"]

    assert not passes(BODY, headers | {"webhook-signature": spelling.replace("{}", good)})


def test_a_thousand_altered_calls_are_all_refused() -> None:
    assert accepted(1_000) == []


@pytest.mark.slow
def test_a_hundred_thousand_altered_calls_are_all_refused() -> None:
    assert accepted(100_000) == []


# Signatures of fal: ED25519

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"fal").digest())
USER, TIMESTAMP = "user|1", str(int(NOW.timestamp()))
REQUEST = "123e4567-e89b-12d3-a456-426614174000"
FAL_BODY = b'{"request_id":"123e4567-e89b-12d3-a456-426614174000","status":"OK"}'


def fal_signed(body: bytes = FAL_BODY, key: Ed25519PrivateKey = KEY, **changes: str) -> Headers:
    parts = {"request-id": REQUEST, "user-id": USER, "timestamp": TIMESTAMP} | changes
    request_id, user_id, timestamp = parts.values()
    message = fal_signatures.message_of(request_id, user_id, timestamp, body)
    headers = {f"x-fal-webhook-{name}": value for name, value in parts.items()}
    return headers | {"x-fal-webhook-signature": key.sign(message).hex()}


def jwk_of(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return {"kty": "OKP", "crv": "Ed25519", "x": x}


RING = fal_signatures.KeyRing(lambda: {"keys": [jwk_of(KEY)]})


def fal_passes(
    body: bytes, headers: Mapping[str, str], ring: fal_signatures.KeyRing = RING, *,
    now: datetime = NOW,
) -> bool:  # fmt: skip
    try:
        fal_signatures.verify(body, headers, ring, now=now)
    except Unauthorized as error:
        if error.error_code != "BAD_SIGNATURE":
            raise
        return False
    return True


def fal_accepted(count: int) -> list[tuple[bytes, Headers]]:
    return [call for call in mutations((FAL_BODY, fal_signed()), count) if fal_passes(*call)]


def test_a_call_of_fal_may_be_signed_by_any_of_its_keys() -> None:
    """The message is written out here, as in the documentation."""
    digest = hashlib.sha256(FAL_BODY).hexdigest()
    signature = KEY.sign(f"{REQUEST}\n{USER}\n{TIMESTAMP}\n{digest}".encode()).hex()
    headers = fal_signed() | {"x-fal-webhook-signature": signature}
    other = Ed25519PrivateKey.generate()
    both = fal_signatures.KeyRing(lambda: {"keys": [jwk_of(other), jwk_of(KEY)]})

    assert fal_passes(FAL_BODY, headers)
    assert fal_passes(FAL_BODY, headers, both)
    assert not fal_passes(FAL_BODY, fal_signed(key=other))


@pytest.mark.parametrize("name", ["request-id", "user-id", "timestamp", "signature"])
def test_fal_s_headers_are_all_needed(name: str) -> None:
    headers, name = fal_signed(), f"x-fal-webhook-{name}"

    assert not fal_passes(FAL_BODY, {key: value for key, value in headers.items() if key != name})
    assert not fal_passes(FAL_BODY, headers | {name: ""})


def test_the_timestamp_of_fal_may_differ_by_five_minutes_at_most() -> None:
    for seconds, is_good in ((0, True), (300, True), (301, False)):
        for sign_of in (1, -1):
            moment = NOW + timedelta(seconds=sign_of * seconds)
            assert fal_passes(FAL_BODY, fal_signed(), now=moment) is is_good


def test_a_header_with_a_line_break_is_refused() -> None:
    """The signed bytes are the same, but the fields are split at another place."""
    changes: dict[str, Any] = {"request-id": f"{REQUEST}\n{USER}", "user-id": "x"}
    joined = fal_signed(**changes)
    parted = joined | {"x-fal-webhook-request-id": REQUEST, "x-fal-webhook-user-id": f"{USER}\nx"}

    assert not fal_passes(FAL_BODY, joined)
    assert not fal_passes(FAL_BODY, parted)


@pytest.mark.parametrize("spelling", ["upper", " {}", "{} ", "{}\n", "0x{}", "{}00", "half"])
def test_fal_s_signature_has_one_spelling(spelling: str) -> None:
    headers = fal_signed()
    good = headers["x-fal-webhook-signature"]
    other = {"upper": good.upper(), "half": good[:64]}.get(spelling, spelling.replace("{}", good))

    assert not fal_passes(FAL_BODY, headers | {"x-fal-webhook-signature": other})


def test_a_second_encoding_of_the_same_signature_is_refused() -> None:
    """A verifier without a range check accepts s + L for s (RFC 8032, 5.1.7)."""
    headers = fal_signed()
    raw = bytes.fromhex(headers["x-fal-webhook-signature"])
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(raw[32:], "little") + order
    forged = (raw[:32] + s.to_bytes(32, "little")).hex()

    assert not fal_passes(FAL_BODY, headers | {"x-fal-webhook-signature": forged})


@pytest.mark.parametrize(
    "jwks",
    [{}, {"keys": None}, {"keys": [7]}, {"keys": [{}]}, {"keys": [jwk_of(KEY) | {"kty": "RSA"}]},
     {"keys": [jwk_of(KEY) | {"crv": "X25519"}]}, {"keys": [jwk_of(KEY) | {"x": 7}]},
     {"keys": [jwk_of(KEY) | {"x": ""}]}, {"keys": [jwk_of(KEY) | {"x": "not base 64!"}]},
     {"keys": [jwk_of(KEY) | {"x": "AAAA"}]}, {"keys": [{}] * 20 + [jwk_of(KEY)]},
     {"keys": [jwk_of(KEY) | {"x": base64.urlsafe_b64encode(bytes(32)).decode()}]}],
)  # fmt: skip
def test_an_invalid_key_of_fal_verifies_no_signature(jwks: dict[str, object]) -> None:
    assert not fal_passes(FAL_BODY, fal_signed(), fal_signatures.KeyRing(lambda: jwks))


def test_a_thousand_altered_calls_of_fal_are_all_refused() -> None:
    assert fal_accepted(1_000) == []


@pytest.mark.slow
def test_a_hundred_thousand_altered_calls_of_fal_are_all_refused() -> None:
    assert fal_accepted(100_000) == []


def test_a_seal_covers_its_parts_their_order_and_its_purpose() -> None:
    own = seal(b"secret", "calls", "job_1", "kf_1", "1")

    assert is_seal(own, b"secret", "calls", "job_1", "kf_1", "1")
    others = [
        seal(b"other", "calls", "job_1", "kf_1", "1"),
        seal(b"secret", "quotes", "job_1", "kf_1", "1"),
        seal(b"secret", "calls", "job_1", "kf_11"),
        seal(b"secret", "calls", "job_1kf_1", "", "1"),
        seal(b"secret", "calls", "kf_1", "job_1", "1"),
    ]
    for other in [*others, own + "=", own[:-1], own.swapcase(), "", "é"]:
        assert not is_seal(other, b"secret", "calls", "job_1", "kf_1", "1")


def test_a_thousand_altered_seals_are_all_refused() -> None:
    rng = random.Random(7)
    own = seal(b"secret", "calls", "job_1")
    altered = {mutated(own, rng) for _ in range(1_000)} - {own}

    assert [text for text in altered if is_seal(text, b"secret", "calls", "job_1")] == []
