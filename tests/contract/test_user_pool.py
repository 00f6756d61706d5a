"""Promises of the user pool in `template.yaml`, which is kept once it is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from local.errors import BadParameter
from local.parameters import Choices, check
from local.resolve import Resolver
from local.settings import PARAMETERS, ROOT
from local.template import expand, parse

PATH = ROOT / "template.yaml"
NOTHING = "AWS::NoValue"
SOCIAL = {
    "SignInDomain": "my-app",
    "SignInCallbackUrls": "https://app.example.com/,myapp://signed-in",
    "GoogleSecretArn": "arn:google",
    "AppleSecretArn": "arn:apple",
}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    # Not local: there the client takes passwords.
    return expand(PATH, {"Stage": "prod"})


def resolved(template: dict[str, Any], name: str, **parameters: str) -> Any:
    """A resource as CloudFormation makes it with these parameters; None if it makes none."""
    resource = template["Resources"][name]
    resolver = Resolver(
        stack_name="darkroom",
        parameters={
            **{key: str(each["Default"]) for key, each in template["Parameters"].items()},
            "Stage": "prod",
            **parameters,
        },
        physical_ids={
            "UserPool": "pool", "UserPoolClient": "client",
            "Google": "Google", "Apple": "SignInWithApple",
            "AWS::NoValue": NOTHING,
        },
        conditions=template["Conditions"],
    )  # fmt: skip
    if "Condition" in resource and not resolver.holds(resource["Condition"]):
        return None
    return without_nothing(resolver.resolve(without_triggers(resource["Properties"])))


def without_triggers(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name != "LambdaConfig"}


def without_nothing(value: Any) -> Any:
    """Without what AWS::NoValue takes out."""
    if isinstance(value, dict):
        return {k: without_nothing(v) for k, v in value.items() if v != NOTHING}
    if isinstance(value, list):
        return [without_nothing(each) for each in value if each != NOTHING]
    return value


# --- The pool ---------------------------------------------------------------------------------


def test_users_sign_up_with_their_email_in_any_case(template: dict[str, Any]) -> None:
    pool = resolved(template, "UserPool")

    assert pool["UsernameAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    # It would exclude UsernameAttributes.
    assert "AliasAttributes" not in pool
    # A required attribute could never be made optional again; the e-mail is there without it.
    assert "Schema" not in pool


def test_an_email_is_verified_before_it_counts(template: dict[str, Any]) -> None:
    pool = resolved(template, "UserPool")

    assert pool["AutoVerifiedAttributes"] == ["email"]
    assert pool["UserAttributeUpdateSettings"] == {
        "AttributesRequireVerificationBeforeUpdate": ["email"]
    }
    assert pool["VerificationMessageTemplate"]["DefaultEmailOption"] == "CONFIRM_WITH_CODE"
    assert pool["AccountRecoverySetting"]["RecoveryMechanisms"] == [
        {"Name": "verified_email", "Priority": 1}
    ]


def test_passwords_have_ten_characters_with_a_letter_and_a_digit(template: dict[str, Any]) -> None:
    policy = resolved(template, "UserPool")["Policies"]["PasswordPolicy"]

    assert policy["MinimumLength"] == 10
    assert (policy["RequireLowercase"], policy["RequireNumbers"]) == (True, True)
    assert (policy["RequireUppercase"], policy["RequireSymbols"]) == (False, False)


def test_an_authenticator_app_is_optional(template: dict[str, Any]) -> None:
    pool = resolved(template, "UserPool")

    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("OPTIONAL", ["SOFTWARE_TOKEN_MFA"])


def test_the_pool_is_kept_and_protected(template: dict[str, Any]) -> None:
    resource = template["Resources"]["UserPool"]

    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    for stage, protection in {"prod": "ACTIVE", "staging": "ACTIVE", "dev": "INACTIVE"}.items():
        pool = resolved(template, "UserPool", Stage=stage)
        assert pool["DeletionProtection"] == protection


@pytest.mark.parametrize(("sign_up", "closed"), [("open", False), ("closed", True)])
def test_sign_up_can_be_closed(template: dict[str, Any], sign_up: str, closed: bool) -> None:
    pool = resolved(template, "UserPool", SignUp=sign_up)

    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": closed}


@pytest.mark.parametrize(
    ("protection", "tier", "mode"),
    [("off", "ESSENTIALS", None), ("audit", "PLUS", "AUDIT"), ("full", "PLUS", "ENFORCED")],
)
def test_threat_protection_comes_with_the_plan_that_has_it(
    template: dict[str, Any], protection: str, tier: str, mode: str | None
) -> None:
    pool = resolved(template, "UserPool", ThreatProtection=protection)

    assert pool["UserPoolTier"] == tier
    assert pool.get("UserPoolAddOns", {}).get("AdvancedSecurityMode") == mode


def test_full_threat_protection_refuses_leaked_passwords(template: dict[str, Any]) -> None:
    risks = resolved(template, "UserPoolRisks", ThreatProtection="full")

    leaked = risks["CompromisedCredentialsRiskConfiguration"]
    assert leaked["Actions"] == {"EventAction": "BLOCK"}
    assert {"SIGN_UP", "PASSWORD_CHANGE"} <= set(leaked["EventFilter"])
    assert resolved(template, "UserPoolRisks", ThreatProtection="audit") is None


def test_codes_come_from_a_sender_of_ones_own_if_there_is_one(template: dict[str, Any]) -> None:
    own = {"EmailIdentityArn": "arn:ses", "EmailFrom": "Darkroom <no-reply@example.com>"}

    sent = resolved(template, "UserPool", **own)["EmailConfiguration"]

    assert sent == {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:ses",
        "From": "Darkroom <no-reply@example.com>",
    }
    default = resolved(template, "UserPool")["EmailConfiguration"]
    assert default == {"EmailSendingAccount": "COGNITO_DEFAULT"}


# --- The client -------------------------------------------------------------------------------


def test_the_client_keeps_no_secret_and_sends_no_password(template: dict[str, Any]) -> None:
    client = resolved(template, "UserPoolClient")

    assert client["GenerateSecret"] is False
    assert client["ExplicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["EnableTokenRevocation"] is True
    # With it, Cognito refuses REFRESH_TOKEN_AUTH, by which amazon-cognito-identity-js refreshes.
    assert "RefreshTokenRotation" not in client


def test_passwords_travel_only_in_the_local_cloud(template: dict[str, Any]) -> None:
    flows = resolved(template, "UserPoolClient", Stage="local")["ExplicitAuthFlows"]

    assert "ALLOW_USER_PASSWORD_AUTH" in flows


def test_without_a_domain_there_is_no_hosted_sign_in(template: dict[str, Any]) -> None:
    client = resolved(template, "UserPoolClient")

    assert client["AllowedOAuthFlowsUserPoolClient"] is False
    assert not {"AllowedOAuthFlows", "CallbackURLs", "LogoutURLs"} & client.keys()
    assert client["SupportedIdentityProviders"] == ["COGNITO"]
    for name in ("SignInPages", "SignInStyle", "Google", "Apple"):
        assert resolved(template, name) is None, name


def test_hosted_sign_in_is_the_code_flow_back_to_named_pages(template: dict[str, Any]) -> None:
    client = resolved(template, "UserPoolClient", **SOCIAL)
    pages = resolved(template, "SignInPages", **SOCIAL)

    urls = ["https://app.example.com/", "myapp://signed-in"]
    assert client["AllowedOAuthFlowsUserPoolClient"] is True
    assert client["AllowedOAuthFlows"] == ["code"]
    assert (client["CallbackURLs"], client["LogoutURLs"]) == (urls, urls)
    assert (pages["Domain"], pages["ManagedLoginVersion"]) == ("my-app", 2)
    # Pages of version 2 show nothing without a style.
    assert resolved(template, "SignInStyle", **SOCIAL)["ClientId"] == "client"


def test_a_domain_of_ones_own_has_its_certificate(template: dict[str, Any]) -> None:
    own = {**SOCIAL, "SignInDomain": "login.example.com", "SignInCertificateArn": "arn:acm"}

    pages = resolved(template, "SignInPages", **own)

    assert pages["CustomDomainConfig"] == {"CertificateArn": "arn:acm"}


def test_social_sign_in_reads_its_secrets_at_the_deploy(template: dict[str, Any]) -> None:
    client = resolved(template, "UserPoolClient", **SOCIAL)
    google = resolved(template, "Google", **SOCIAL)
    apple = resolved(template, "Apple", **SOCIAL)

    assert client["SupportedIdentityProviders"] == ["COGNITO", "Google", "SignInWithApple"]
    secret = "{{resolve:secretsmanager:arn:google:SecretString:clientSecret}}"
    assert google["ProviderDetails"]["client_secret"] == secret
    secret = "{{resolve:secretsmanager:arn:apple:SecretString:privateKey}}"
    assert apple["ProviderDetails"]["private_key"] == secret
    assert google["AttributeMapping"]["email"] == apple["AttributeMapping"]["email"] == "email"


# --- Sign-up ----------------------------------------------------------------------------------


def test_the_hook_runs_before_a_sign_up_and_after_its_confirmation(
    template: dict[str, Any],
) -> None:
    triggers = template["Resources"]["UserPool"]["Properties"]["LambdaConfig"]

    assert triggers == {
        name: {"Fn::GetAtt": ["SignUpFunction", "Arn"]}
        for name in ("PreSignUp", "PostConfirmation")
    }


def test_sign_ups_of_an_ip_address_are_limited_by_a_web_acl(template: dict[str, Any]) -> None:
    limits = {"SignUpsPerAddress": "20"}

    acl = template["Resources"]["SignUpFirewall"]
    [rule] = resolved(template, "SignUpFirewall", **limits)["Rules"]

    limited = rule["Statement"]["RateBasedStatement"]
    assert (limited["Limit"], limited["AggregateKeyType"]) == ("20", "IP")
    searched = [
        each["ByteMatchStatement"]["SearchString"]
        for each in limited["ScopeDownStatement"]["OrStatement"]["Statements"]
    ]
    assert searched == ["SignUp", "/signup"]
    assert acl["Properties"]["Scope"] == "REGIONAL"
    assert resolved(template, "SignUpFirewall") is None


# --- Combinations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"SignInCallbackUrls": ""},
        {"EmailIdentityArn": "arn:ses"},
        {"GoogleSecretArn": "arn:google", "SignInDomain": ""},
        {"AppleSecretArn": "arn:apple", "SignInDomain": ""},
        {"GoogleSecretArn": "arn:google"},
        {"AppleSecretArn": "arn:apple"},
        {"SignUp": "perhaps"},
        {"ThreatProtection": "some"},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(BadParameter):
        check(Choices(parameters=wrong), parse(PATH))


def test_the_local_cloud_has_hosted_sign_in_for_pages_of_this_machine() -> None:
    check(Choices(), parse(PATH))

    assert PARAMETERS["SignInCallbackUrls"].startswith("http://localhost:")
