"""Users sign up and in locally as on AWS: by the calls of Amazon Cognito, and by the libraries that
frontends use.

Expected codes are those of Cognito's API reference and of "Managing user existence error
responses": https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from local.errors import LocalCloudError, PoolIsOld
from local.settings import CONFIRMATION_CODE, LOCAL_PASSWORD, LOCAL_USERS_DOMAIN, RESET_CODE, ROOT
from local.stack import LocalStack

PASSWORD, NEXT_PASSWORD = "first-password-1", "second-password-2"
SCRIPTS = ROOT / "tests" / "integration" / "sign_in"
LIBRARIES = ("amplify", "identityJs")
PATIENCE_SECONDS = 180
CALLBACK = "http://localhost:5173/"
WEB = httpx.Client(timeout=60)
SETTINGS = (
    "AccountRecoverySetting",
    "AutoVerifiedAttributes",
    "MfaConfiguration",
    "UserAttributeUpdateSettings",
    "UsernameAttributes",
    "UsernameConfiguration",
)
TARGET = "AWSCognitoIdentityProviderService."


def an_email(name: str = "ann") -> str:
    return f"{name}.{secrets.token_hex(5)}@example.com"


class Users:
    """The calls of users, which carry no AWS signature; each leaves its result or its error."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.cognito = stack.client("cognito-idp")
        self.client_id = stack.outputs["UserPoolClientId"]
        self.pool_id = stack.outputs["UserPoolId"]

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = getattr(self.cognito, name)(ClientId=self.client_id, **arguments)
        return result

    def sign_up(self, email: str, password: str = PASSWORD) -> str:
        account: str = self.call("sign_up", Username=email, Password=password)["UserSub"]
        return account

    def confirm(self, email: str, code: str = CONFIRMATION_CODE) -> None:
        self.call("confirm_sign_up", Username=email, ConfirmationCode=code)

    def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        return self.call(
            "initiate_auth",
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )

    def tokens(self, email: str, password: str = PASSWORD) -> dict[str, str]:
        result: dict[str, str] = self.sign_in(email, password)["AuthenticationResult"]
        return result

    def respond(self, challenge: dict[str, Any], **responses: str) -> dict[str, Any]:
        username = challenge["ChallengeParameters"]["USER_ID_FOR_SRP"]
        return self.call(
            "respond_to_auth_challenge",
            ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"],
            ChallengeResponses={"USERNAME": username, **responses},
        )

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        return self.call("get_tokens_from_refresh_token", RefreshToken=refresh_token)

    def a_user(self, name: str = "ann") -> str:
        """The e-mail of a confirmed user."""
        email = an_email(name)
        self.sign_up(email)
        self.confirm(email)
        return email

    def balance(self, token: str) -> int:
        response = WEB.get(
            f"{self.stack.api_url}/api/credits", headers={"Authorization": f"Bearer {token}"}
        )
        assert response.status_code == 200, response.text
        balance: int = response.json()["balance"]
        return balance


@pytest.fixture(scope="module")
def libraries(stack: LocalStack) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Node and Chromium, which run while the other tests do."""

    def config() -> dict[str, str]:
        return {**stack.for_a_frontend, "email": an_email("library")}

    def started(script: str) -> subprocess.Popen[str]:
        # An object of a configuration for each library.
        given = json.dumps({name: config() for name in LIBRARIES})
        return subprocess.Popen(
            # Through env, so that a machine without Node fails the tests of the libraries only.
            ["env", "node", str(SCRIPTS / script), given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if "AWS_" not in name},
        )

    processes = {place: started(f"{place}.mjs") for place in ("node", "browser")}
    yield processes
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def users(stack: LocalStack, libraries: object) -> Users:
    return Users(stack)


def refused(call: Callable[..., object], *arguments: Any, **more: Any) -> str:
    """The code of the error."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **more)
    code: str = error.value.response["Error"]["Code"]
    return code


# --- The running pool -------------------------------------------------------------------------


def test_the_running_pool_is_the_template_s(stack: LocalStack, users: Users) -> None:
    pool = users.cognito.describe_user_pool(UserPoolId=users.pool_id)["UserPool"]
    client = users.cognito.describe_user_pool_client(
        UserPoolId=users.pool_id, ClientId=users.client_id
    )["UserPoolClient"]
    wanted = stack.template["Resources"]["UserPool"]["Properties"]

    for name in SETTINGS:
        assert pool[name] == wanted[name], name
    policy = wanted["Policies"]["PasswordPolicy"]
    assert {name: pool["Policies"]["PasswordPolicy"][name] for name in policy} == policy
    assert set(pool["LambdaConfig"]) == {"PreSignUp", "PostConfirmation"}
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert "ALLOW_USER_SRP_AUTH" in client["ExplicitAuthFlows"]
    assert "ClientSecret" not in client


def test_a_pool_that_names_users_otherwise_is_refused(stack: LocalStack, users: Users) -> None:
    old = users.cognito.create_user_pool(PoolName="old", AliasAttributes=["email"])["UserPool"]

    with pytest.raises(PoolIsOld):
        stack.require_kept_pool(old["Id"])
    stack.require_kept_pool(users.pool_id)


# --- Signing up -------------------------------------------------------------------------------


def test_a_user_signs_up_confirms_and_signs_in_whatever_the_case(users: Users) -> None:
    email = an_email("Bob")

    created = users.call("sign_up", Username=email, Password=PASSWORD)
    users.confirm(email.upper())
    tokens = users.tokens(email.lower())
    user = users.cognito.get_user(AccessToken=tokens["AccessToken"])

    attributes = {item["Name"]: item["Value"] for item in user["UserAttributes"]}
    assert created["UserConfirmed"] is False
    assert re.fullmatch(r"B\*+@e\*+", created["CodeDeliveryDetails"]["Destination"])
    assert user["Username"] == attributes["sub"] == created["UserSub"]
    assert (attributes["email"], attributes["email_verified"]) == (email, "true")
    assert users.balance(tokens["AccessToken"]) == 5


def test_what_cannot_sign_up_is_refused_by_name(users: Users) -> None:
    taken = users.a_user()

    assert refused(users.sign_up, taken.upper()) == "UsernameExistsException"
    assert refused(users.sign_up, "only-a-name") == "InvalidParameterException"
    assert refused(users.sign_up, an_email(), "short-1") == "InvalidPasswordException"
    assert refused(users.sign_up, an_email(), "no-digits-at-all") == "InvalidPasswordException"
    claims = {"UserAttributes": [{"Name": "email_verified", "Value": "true"}]}
    new = {"Username": an_email(), "Password": PASSWORD}
    assert refused(users.call, "sign_up", **new, **claims) == "NotAuthorizedException"


def test_the_hook_says_why_it_refuses(users: Users) -> None:
    with pytest.raises(ClientError) as error:
        users.sign_up("ann@mailinator.com")

    reported = error.value.response["Error"]
    assert reported["Code"] == "UserLambdaValidationException"
    assert re.fullmatch(r"PreSignUp failed with error EMAIL_DISPOSABLE: .*\.", reported["Message"])


def test_sign_up_can_be_closed_and_operators_still_invite(stack: LocalStack, users: Users) -> None:
    # A pool of its own: other users sign up to the shared one at the same time.
    closed = Users(stack)
    closed.pool_id = users.cognito.create_user_pool(
        PoolName="closed",
        UsernameAttributes=["email"],
        Policies=stack.template["Resources"]["UserPool"]["Properties"]["Policies"],
        AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
    )["UserPool"]["Id"]
    closed.client_id = users.cognito.create_user_pool_client(
        UserPoolId=closed.pool_id,
        ClientName="closed",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
    )["UserPoolClient"]["ClientId"]

    assert refused(closed.sign_up, an_email()) == "NotAuthorizedException"
    invited = an_invited_user(closed)
    assert closed.sign_in(invited, "temporary-1")["ChallengeName"] == "NEW_PASSWORD_REQUIRED"


def an_invited_user(users: Users) -> str:
    email = an_email("invited")
    users.cognito.admin_create_user(
        UserPoolId=users.pool_id,
        Username=email,
        TemporaryPassword="temporary-1",
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email_verified", "Value": "true"}],
    )
    return email


def test_codes_are_wrong_right_or_used(users: Users) -> None:
    email = an_email()
    users.sign_up(email)

    assert refused(users.confirm, email, "000000") == "CodeMismatchException"
    assert users.call("resend_confirmation_code", Username=email)["CodeDeliveryDetails"]
    users.confirm(email)
    assert refused(users.confirm, email) == "NotAuthorizedException"
    again = refused(users.call, "resend_confirmation_code", Username=email)
    assert again == "InvalidParameterException"


def test_an_unconfirmed_user_neither_signs_in_nor_recovers_a_password(users: Users) -> None:
    email = an_email()
    users.sign_up(email)

    assert refused(users.sign_in, email) == "UserNotConfirmedException"
    # It looks as if a code were sent, as for a user who does not exist.
    assert users.call("forgot_password", Username=email)["CodeDeliveryDetails"]
    arguments = {"Username": email, "ConfirmationCode": RESET_CODE, "Password": NEXT_PASSWORD}
    code = refused(users.call, "confirm_forgot_password", **arguments)
    assert code == "ExpiredCodeException"


def test_the_code_is_in_the_log(stack: LocalStack, users: Users) -> None:
    email = an_email()
    users.sign_up(email)

    assert f"Code for {email}: {CONFIRMATION_CODE}" in stack.places.emulator_log.read_text()
    assert stack.for_a_frontend["confirmationCode"] == CONFIRMATION_CODE


# --- One mailbox, one bonus -------------------------------------------------------------------


def test_a_sign_up_notes_that_its_account_has_to_claim_the_bonus(
    stack: LocalStack, users: Users
) -> None:
    # Before the address is confirmed: the account may open before the hook has run.
    account = users.sign_up(an_email("early"))

    key = {"accountId": {"S": f"returning#{account}"}, "counter": {"S": "bonus"}}
    dynamodb = stack.client("dynamodb")
    [table] = [name for name in dynamodb.list_tables()["TableNames"] if "-UsageTable-" in name]
    noted = dynamodb.get_item(TableName=table, Key=key)
    assert noted["Item"]["owner"] == {"S": account}
    assert noted["Item"]["mailbox"]["S"]


def test_another_spelling_and_a_return_after_deletion_have_no_second_bonus(users: Users) -> None:
    email = users.a_user("bonus")
    first = users.tokens(email)["AccessToken"]
    spelled = email.replace("@", "+again@")
    users.sign_up(spelled)
    users.confirm(spelled)

    assert users.balance(first) == 5
    assert users.balance(users.tokens(spelled)["AccessToken"]) == 0

    users.cognito.delete_user(AccessToken=first)
    users.sign_up(email)
    users.confirm(email)
    assert users.balance(users.tokens(email)["AccessToken"]) == 0


# --- Signing in -------------------------------------------------------------------------------


def test_an_unknown_user_looks_like_a_wrong_password(users: Users) -> None:
    email = users.a_user()

    assert refused(users.sign_in, email, "wrong-password-1") == "NotAuthorizedException"
    assert refused(users.sign_in, an_email("unknown")) == "NotAuthorizedException"
    sent = users.call("forgot_password", Username=an_email("unknown"))
    assert sent["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"


def test_tokens_refresh_until_they_are_revoked(users: Users) -> None:
    email = users.a_user()
    one, other = users.tokens(email), users.tokens(email)

    refreshed = users.refresh(one["RefreshToken"])["AuthenticationResult"]
    users.call("revoke_token", Token=one["RefreshToken"])

    assert users.balance(refreshed["AccessToken"]) == 5
    assert refused(users.refresh, one["RefreshToken"]) == "NotAuthorizedException"
    get_user = users.cognito.get_user
    assert refused(get_user, AccessToken=refreshed["AccessToken"]) == "NotAuthorizedException"
    # Only this sign-in was revoked.
    assert users.refresh(other["RefreshToken"])["AuthenticationResult"]


def test_signing_out_everywhere_ends_all_sessions(users: Users) -> None:
    email = users.a_user()
    one, other = users.tokens(email), users.tokens(email)

    users.cognito.global_sign_out(AccessToken=one["AccessToken"])

    for tokens in (one, other):
        assert refused(users.refresh, tokens["RefreshToken"]) == "NotAuthorizedException"
    assert users.tokens(email)


def test_passwords_change_and_are_recovered(users: Users) -> None:
    email = users.a_user()
    token = users.tokens(email)["AccessToken"]
    change = users.cognito.change_password

    old = {"AccessToken": token, "PreviousPassword": "wrong-password-1"}
    assert refused(change, **old, ProposedPassword=NEXT_PASSWORD) == "NotAuthorizedException"
    old["PreviousPassword"] = PASSWORD
    assert refused(change, **old, ProposedPassword="short-1") == "InvalidPasswordException"
    change(**old, ProposedPassword=NEXT_PASSWORD)
    assert refused(users.sign_in, email) == "NotAuthorizedException"

    users.call("forgot_password", Username=email.upper())
    recover = {"Username": email, "ConfirmationCode": "000000", "Password": PASSWORD}
    assert refused(users.call, "confirm_forgot_password", **recover) == "CodeMismatchException"
    recover["ConfirmationCode"] = RESET_CODE
    users.call("confirm_forgot_password", **recover)
    assert users.tokens(email)


def test_a_new_email_counts_when_its_code_is_entered(users: Users) -> None:
    email, taken, new = users.a_user(), users.a_user(), an_email("new")
    token = users.tokens(email)["AccessToken"]

    def update(value: str) -> Any:
        return users.cognito.update_user_attributes(
            AccessToken=token, UserAttributes=[{"Name": "email", "Value": value}]
        )

    def verify(code: str) -> Any:
        return users.cognito.verify_user_attribute(
            AccessToken=token, AttributeName="email", Code=code
        )

    assert refused(update, taken.upper()) == "AliasExistsException"
    assert update(new)["CodeDeliveryDetailsList"][0]["AttributeName"] == "email"
    assert refused(users.sign_in, new) == "NotAuthorizedException"
    assert users.tokens(email)
    assert refused(verify, "000000") == "CodeMismatchException"
    verify(CONFIRMATION_CODE)
    assert users.tokens(new)
    assert refused(users.sign_in, email) == "NotAuthorizedException"
    assert refused(verify, CONFIRMATION_CODE) == "ExpiredCodeException"


def test_an_invited_user_chooses_a_good_password_in_their_own_session(users: Users) -> None:
    email = an_invited_user(users)
    challenge = users.sign_in(email, "temporary-1")
    stranger = {
        **challenge,
        "Session": users.sign_in(an_invited_user(users), "temporary-1")["Session"],
    }

    weak = refused(users.respond, challenge, NEW_PASSWORD="short-1")
    strange = refused(users.respond, stranger, NEW_PASSWORD=PASSWORD)
    done = users.respond(challenge, NEW_PASSWORD=PASSWORD)

    assert (weak, strange) == ("InvalidPasswordException", "NotAuthorizedException")
    assert users.balance(done["AuthenticationResult"]["AccessToken"]) == 5
    assert users.tokens(email)


def test_an_authenticator_app_is_needed_once_it_is_set_up(users: Users) -> None:
    email = users.a_user()
    token = users.tokens(email)["AccessToken"]
    secret = users.cognito.associate_software_token(AccessToken=token)["SecretCode"]
    users.cognito.verify_software_token(AccessToken=token, UserCode=totp(secret))
    users.cognito.set_user_mfa_preference(
        AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )

    challenge = users.sign_in(email)
    elsewhere = {**challenge, "Session": "x" * 40}

    assert challenge["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    code = {"SOFTWARE_TOKEN_MFA_CODE": totp(secret)}
    assert refused(users.respond, elsewhere, **code) == "NotAuthorizedException"
    assert users.respond(challenge, **code)["AuthenticationResult"]["AccessToken"]


def totp(secret: str) -> str:
    """RFC 6238, as authenticator apps show it."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"


# --- Hosted sign-in ---------------------------------------------------------------------------


def test_hosted_sign_in_returns_a_code_that_only_its_browser_can_use(
    stack: LocalStack, users: Users
) -> None:
    email, verifier = users.a_user(), secrets.token_urlsafe(40)
    digest = hashlib.sha256(verifier.encode()).digest()
    request = {
        "client_id": users.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email",
        "state": "s1",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }

    def exchange(code: str, proof: str) -> httpx.Response:
        return WEB.post(
            f"{stack.endpoint_url}/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "client_id": users.client_id,
                "redirect_uri": CALLBACK,
                "code": code,
                "code_verifier": proof,
            },
        )

    authorize = f"{stack.endpoint_url}/oauth2/authorize"
    elsewhere = WEB.get(authorize, params={**request, "redirect_uri": "https://evil.example/"})
    page = WEB.get(authorize, params=request)
    signed_in = WEB.post(
        f"{stack.endpoint_url}/login",
        data={**request, "username": email.upper(), "password": PASSWORD},
    )
    back = urlsplit(signed_in.headers["location"])
    [code] = parse_qs(back.query)["code"]
    stolen = exchange(code, secrets.token_urlsafe(40))
    tokens = exchange(code, verifier)

    assert elsewhere.status_code == 400
    assert (page.status_code, signed_in.status_code) == (200, 302)
    assert (back.geturl().startswith(CALLBACK), parse_qs(back.query)["state"]) == (True, ["s1"])
    assert stolen.json()["error"] == "invalid_grant"
    assert tokens.status_code == 200
    assert users.balance(tokens.json()["access_token"]) == 5


# --- Users of `make token`, and pages of the local server --------------------------------------


def test_users_of_make_token_sign_in_with_their_name(stack: LocalStack, users: Users) -> None:
    name = f"tom{secrets.token_hex(4)}"
    users.balance(stack.token(name))

    for spelled in (name, name.upper(), f"{name}@{LOCAL_USERS_DOMAIN}"):
        assert users.balance(users.tokens(spelled, LOCAL_PASSWORD)["AccessToken"]) == 5


def test_make_token_says_why_it_has_none_for_a_user_who_signed_up(
    stack: LocalStack, users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    unconfirmed, own = an_email(), users.a_user()
    users.sign_up(unconfirmed)

    for email in (unconfirmed, own):
        with pytest.raises(LocalCloudError):
            stack.token(email)
    monkeypatch.setenv("DARKROOM_PASSWORD", PASSWORD)
    assert users.balance(stack.token(own)) == 5


def test_a_page_of_the_local_server_reaches_only_the_calls_of_users(
    stack: LocalStack, users: Users
) -> None:
    def post(action: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return WEB.post(
            f"{stack.api_url}/_auth",
            json=body,
            headers={"X-Amz-Target": TARGET + action, **headers},
        )

    email = users.a_user()
    sign_in = {
        "ClientId": users.client_id,
        "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": email, "PASSWORD": PASSWORD},
    }
    pool = {"UserPoolId": users.pool_id, "Username": email}
    signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/cognito-idp/aws4_request"

    assert "AuthenticationResult" in post("InitiateAuth", sign_in).json()
    assert post("AdminGetUser", pool).status_code == 403
    assert post("InitiateAuth", sign_in, Authorization=signed).status_code == 403
    assert WEB.get(f"{stack.api_url}/_auth").status_code == 403
    assert WEB.post(f"{stack.api_url}/_auth", json=pool).status_code == 403


# --- By the libraries -------------------------------------------------------------------------

EXPECTED: dict[str, dict[str, object]] = {
    "amplify": {
        "weak password": "InvalidPasswordException",
        "disposable address": "UserLambdaValidationException",
        "sign up": "CONFIRM_SIGN_UP",
        "sign up again": "UsernameExistsException",
        "unconfirmed": "CONFIRM_SIGN_UP",
        "wrong code": "CodeMismatchException",
        "code again": "masked",
        "confirm": "DONE",
        "wrong password": "NotAuthorizedException",
        "unknown user": "NotAuthorizedException",
        "sign in": "DONE",
        "call": 5,
        "verified": "true",
        "refresh": 5,
        "change password": "done",
        "sign out everywhere": "signed out",
        "forgot password": "CONFIRM_RESET_PASSWORD_WITH_CODE",
        "reset password": "done",
        "old password": "NotAuthorizedException",
        "new password": "DONE",
        "sign out": "signed out",
    },
    "identityJs": {
        "weak password": "InvalidPasswordException",
        "sign up": "unconfirmed",
        "sign up again": "UsernameExistsException",
        "unconfirmed": "UserNotConfirmedException",
        "wrong code": "CodeMismatchException",
        "confirm": "SUCCESS",
        "wrong password": "NotAuthorizedException",
        "sign in": "signed in",
        "call": 5,
        "refresh": 5,
        "change password": "SUCCESS",
        "forgot password": "sent",
        "reset password": "SUCCESS",
        "new password": "signed in",
        "sign out everywhere": "signed out",
        "refresh after it": "NotAuthorizedException",
    },
}


@pytest.mark.parametrize("place", ["node", "browser"])
def test_the_libraries_of_frontends_do_everything(
    libraries: dict[str, subprocess.Popen[str]], place: str
) -> None:
    """aws-amplify 6 and amazon-cognito-identity-js; the browser's page has another origin."""
    output, errors = libraries[place].communicate(timeout=PATIENCE_SECONDS)

    assert libraries[place].returncode == 0, errors
    assert json.loads(output) == EXPECTED
