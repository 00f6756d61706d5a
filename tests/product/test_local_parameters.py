"""Template parameters that a user may set in the local cloud, and the errors for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.errors import BadParameter
from local.parameters import Choices, check, read_choices
from local.settings import ROOT
from local.template import parse

STRIPE = '{"apiKey": "sk_test_1", "webhookSecrets": ["whsec_1"]}'
RETURN_URL = "http://localhost:5173/credits"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return parse(ROOT / "template.yaml")


def env_file(folder: Path, *lines: str) -> Path:
    path = folder / ".env"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_values_may_hold_spaces_and_json() -> None:
    text = 'Currency=KRW ProviderConfig={"fal": {"models": {"image": "a b"}}} ConsoleUrl="http://c"'

    choices = read_choices(text, None)

    assert choices.parameters == {
        "Currency": "KRW",
        "ProviderConfig": '{"fal": {"models": {"image": "a b"}}}',
        "ConsoleUrl": "http://c",
    }


def test_a_file_holds_parameters_and_secrets(tmp_path: Path) -> None:
    path = env_file(
        tmp_path,
        "# of this machine only",
        "",
        "export PaymentGateway=stripe",
        "CheckoutReturnUrl='http://localhost:5173/?a=b'",
        f"SECRET_STRIPE={STRIPE}",
        'SECRET_REPLICATE={"apiToken": "r8_1"}',
    )

    choices = read_choices("", path)

    assert choices.parameters == {
        "PaymentGateway": "stripe",
        "CheckoutReturnUrl": "http://localhost:5173/?a=b",
    }
    assert choices.secrets == {
        "darkroom-local/stripe": STRIPE,
        "darkroom-local/providers/replicate": '{"apiToken": "r8_1"}',
    }


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    path = env_file(tmp_path, "Currency=USD", "FaceProvider=rekognition")

    choices = read_choices("Currency=KRW", path)

    assert choices.parameters == {"Currency": "KRW", "FaceProvider": "rekognition"}


def test_an_empty_value_means_not_set(template: dict[str, Any]) -> None:
    assert read_choices("  ", None) == Choices()
    check(Choices(), template)


@pytest.mark.parametrize("text", ["stripe", "a b Currency=KRW", "Stage=prod", "TestHooks=false"])
def test_invalid_assignments_and_fixed_parameters_are_refused(text: str) -> None:
    with pytest.raises(BadParameter):
        read_choices(text, None)


def test_an_invalid_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="just words"):
        read_choices("", env_file(tmp_path, "just words"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("PaymentGatway=stripe", "PaymentGatway"),
        ("PaymentGateway=paypal", "test, stripe"),
        ("PaymentGateway=stripe", "StripeSecretArn"),
        ("ConsoleUrl=https://console.example/", "without a path"),
        ("ConsoleUrl=https://example.com/console", "without a path"),
    ],
)
def test_values_that_the_template_does_not_allow_are_refused_before_the_start(
    template: dict[str, Any], text: str, named: str
) -> None:
    with pytest.raises(BadParameter, match=named):
        check(read_choices(text, None), template)


def test_a_checkout_can_return_to_the_console(template: dict[str, Any], tmp_path: Path) -> None:
    path = env_file(tmp_path, f"SECRET_STRIPE={STRIPE}")

    check(read_choices("PaymentGateway=stripe ConsoleUrl=https://console.example", path), template)
    with pytest.raises(BadParameter, match="CheckoutReturnUrl"):
        check(read_choices("PaymentGateway=stripe", path), template)


def test_a_stored_stripe_secret_completes_the_gateway(
    template: dict[str, Any], tmp_path: Path
) -> None:
    path = env_file(tmp_path, f"SECRET_STRIPE={STRIPE}", f"CheckoutReturnUrl={RETURN_URL}")
    choices = read_choices("PaymentGateway=stripe", path)
    check(choices, template)

    with mock_aws():
        secrets = boto3.client("secretsmanager")
        first, again = choices.apply(secrets), choices.apply(secrets)
        stored = secrets.get_secret_value(SecretId=first["StripeSecretArn"])["SecretString"]

    assert first == again
    assert first.keys() == {"PaymentGateway", "CheckoutReturnUrl", "StripeSecretArn"}
    assert stored == STRIPE
