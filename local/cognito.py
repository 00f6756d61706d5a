"""Corrects the emulator's user pools where they differ from what Amazon Cognito documents.

Imported in the emulator's process only (`local.emulate`). Each function replaces one of the
emulator's; `tests/integration/test_sign_in.py` compares the result with the documented behavior:
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/Welcome.html
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html

Nothing is sent by e-mail here: the codes are always the same, and the log has a line for each.
"""

import ast
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from local.settings import CONFIRMATION_CODE, LOCAL_USERS_DOMAIN

Data = dict[str, Any]
Response = tuple[int, Any, Any]
Handler = Callable[[Data], Response]

SESSION_SECONDS = 180
"""The AuthSessionValidity of an app client that sets none."""
PENDING = "_pending_email"
PROTECTED = ("NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA")
"""Challenges for which the emulator checks no session, only the user name."""


def correct(cognito: Any) -> None:
    """Replace functions of the emulator's module; its dispatcher finds them by name."""
    _ignore_case(cognito)
    _refuse_sign_ups(cognito)
    _mask_destination(cognito)
    _explain_refusals(cognito)
    _verify_confirmed_addresses(cognito)
    _announce_created_users(cognito)
    _send_codes_to_verified_addresses(cognito)
    _bind_challenges(cognito)
    _verify_changed_addresses(cognito)
    _log_codes(cognito)


def _ignore_case(cognito: Any) -> None:
    """User names and e-mails are case-insensitive, unless the pool says otherwise.

    A name without a domain is a user of `make token`: `alice` signs in as alice@local.example.
    """
    exact = cognito._resolve_user

    def resolve(pool: Data, username: Any) -> tuple[Data | None, Any]:
        user, error = exact(pool, username)
        case_sensitive = (pool.get("UsernameConfiguration") or {}).get("CaseSensitive", True)
        if user is not None or not isinstance(username, str) or case_sensitive:
            return user, error
        wanted = username.casefold()
        if pool.get("UsernameAttributes") and "@" not in wanted:
            wanted = f"{wanted}@{LOCAL_USERS_DOMAIN}"
        names = set(pool.get("UsernameAttributes") or [])
        for candidate in list(pool["_users"].values()):
            attributes = cognito._attr_list_to_dict(candidate.get("Attributes", []))
            known = {candidate["Username"], *(attributes.get(name, "") for name in names)}
            if wanted in {name.casefold() for name in known}:
                return candidate, None
        return None, error

    cognito._resolve_user = resolve


def _refuse_sign_ups(cognito: Any) -> None:
    """SignUp is refused with AllowAdminCreateUserOnly, and for who calls an address verified."""
    sign_up: Handler = cognito._sign_up

    def refuse_or_sign_up(data: Data) -> Response:
        pool, _ = cognito._pool_for_client(data.get("ClientId"))
        if pool and (pool.get("AdminCreateUserConfig") or {}).get("AllowAdminCreateUserOnly"):
            return _error(
                cognito, "NotAuthorizedException", "SignUp is not permitted for this user pool"
            )
        if _claims_verification(cognito, data):
            return _unauthorized(cognito)
        return sign_up(data)

    cognito._sign_up = refuse_or_sign_up


def _mask_destination(cognito: Any) -> None:
    """SignUp says where the code went as the other calls do: a****@e****."""
    sign_up: Handler = cognito._sign_up

    def masked(data: Data) -> Response:
        status, headers, body = sign_up(data)
        response = json.loads(body)
        if delivery := response.get("CodeDeliveryDetails"):
            delivery["Destination"] = cognito._masked_destination(delivery["Destination"])
        return status, headers, json.dumps(response).encode()

    cognito._sign_up = masked


def _explain_refusals(cognito: Any) -> None:
    """The hook's refusal is "PreSignUp failed with error <the exception's text>."."""
    trigger = cognito._apply_presignup_trigger

    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return trigger(*args, **kwargs)
        except cognito._PreSignUpRejected as refusal:
            text = str(refusal)
            # Otherwise it is a text of the emulator's own.
            with contextlib.suppress(ValueError, SyntaxError, LookupError, TypeError):
                text = ast.literal_eval(text)["errorMessage"]
            raise cognito._PreSignUpRejected(f"PreSignUp failed with error {text}.") from refusal

    cognito._apply_presignup_trigger = explained


def _verify_confirmed_addresses(cognito: Any) -> None:
    """ConfirmSignUp marks the e-mail as verified, and runs the trigger PostConfirmation."""
    confirm: Handler = cognito._confirm_sign_up

    def confirm_and_verify(data: Data) -> Response:
        response = confirm(data)
        pool, _ = cognito._pool_for_client(data.get("ClientId"))
        user, _ = cognito._resolve_user(pool, data.get("Username")) if pool else (None, None)
        if response[0] == 200 and user:
            if "email" in pool.get("AutoVerifiedAttributes", ()):
                _set_attribute(cognito, user, "email_verified", "true")
            _run_post_confirmation(cognito, pool, user, client_id=data["ClientId"])
        return response

    def resend(data: Data) -> Response:
        pool, _ = cognito._pool_for_client(data.get("ClientId"))
        user, _ = cognito._resolve_user(pool, data.get("Username")) if pool else (None, None)
        if user and user.get("UserStatus") != "UNCONFIRMED":
            return _error(cognito, "InvalidParameterException", "User is already confirmed.")
        return original_resend(data)

    original_resend: Handler = cognito._resend_confirmation_code
    cognito._confirm_sign_up = confirm_and_verify
    cognito._resend_confirmation_code = resend


def _run_post_confirmation(cognito: Any, pool: Data, user: Data, *, client_id: str) -> None:
    arn = (pool.get("LambdaConfig") or {}).get("PostConfirmation")
    if not arn:
        return
    attributes = cognito._attr_list_to_dict(user["Attributes"])
    event = cognito._build_presignup_event(pool["Id"], client_id, user["Username"], attributes, "")
    event |= {"triggerSource": "PostConfirmation_ConfirmSignUp", "response": {}}
    event["request"] = {"userAttributes": {**attributes, "cognito:user_status": user["UserStatus"]}}
    _run_trigger(arn, event)


def _announce_created_users(cognito: Any) -> None:
    """AdminCreateUser runs the trigger PreSignUp; here after the user was created, whom Cognito
    names in the event already. The hook refuses no user of an operator."""
    create: Handler = cognito._admin_create_user

    def create_and_announce(data: Data) -> Response:
        response = create(data)
        pool, _ = cognito._resolve_pool(data.get("UserPoolId"))
        arn = ((pool or {}).get("LambdaConfig") or {}).get("PreSignUp")
        if response[0] == 200 and arn:
            user = json.loads(response[2])["User"]
            attributes = cognito._attr_list_to_dict(user["Attributes"])
            source = "PreSignUp_AdminCreateUser"
            _run_trigger(
                arn,
                cognito._build_presignup_event(
                    pool["Id"], "", user["Username"], attributes, source
                ),
            )
        return response

    cognito._admin_create_user = create_and_announce


def _run_trigger(arn: str, event: Data) -> None:
    from ministack.services import lambda_svc

    record, config, _ = lambda_svc._get_func_record_for_ref(arn)
    lambda_svc._execute_function_with_config_scope(
        lambda_svc._execution_record_for_config(record, config), event
    )


def _send_codes_to_verified_addresses(cognito: Any) -> None:
    """A password is recovered by a verified e-mail only; without one nothing is sent.

    A client that hides whether users exist gets the same response as if a code had been sent.
    """
    forgot: Handler = cognito._forgot_password

    def forgot_verified(data: Data) -> Response:
        pool, _ = cognito._pool_for_client(data.get("ClientId"))
        user, _ = cognito._resolve_user(pool, data.get("Username")) if pool else (None, None)
        if user:
            attributes = cognito._attr_list_to_dict(user.get("Attributes", []))
            if attributes.get("email_verified") != "true":
                if cognito._hides_user_existence(pool, data["ClientId"]):
                    masked = cognito._masked_destination(attributes.get("email") or "")
                    response: Response = cognito._code_delivery_response(masked)
                    return response
                return _error(
                    cognito,
                    "InvalidParameterException",
                    "Cannot reset password for the user as there is no registered/verified email"
                    " or phone_number",
                )
        return forgot(data)

    cognito._forgot_password = forgot_verified


def _bind_challenges(cognito: Any) -> None:
    """A challenge is met in the session that the password opened, for the same user."""
    sessions: dict[str, tuple[str, float]] = {}
    signed_in, respond = cognito._password_auth_result, cognito._respond_to_auth_challenge

    def open_session(
        pool: Data, pool_id: str, client_id: str, user: Data, *rest: Any, **more: Any
    ) -> Response:
        response: Response = signed_in(pool, pool_id, client_id, user, *rest, **more)
        body = json.loads(response[2])
        if body.get("ChallengeName") in PROTECTED:
            now = time.time()
            for session in [s for s, (_, until) in sessions.items() if until < now]:
                del sessions[session]
            sessions[body["Session"]] = (user["Username"], now + SESSION_SECONDS)
        return response

    def respond_in_session(data: Data) -> Response:
        challenge, responses = data.get("ChallengeName"), data.get("ChallengeResponses") or {}
        if challenge not in PROTECTED:
            return respond(data)  # type: ignore[no-any-return]
        pool, _ = cognito._pool_for_client(data.get("ClientId"))
        user, _ = cognito._resolve_user(pool, responses.get("USERNAME")) if pool else (None, None)
        opened, until = sessions.get(data.get("Session") or "", ("", 0.0))
        if not user or opened != user["Username"] or until < time.time():
            return _error(cognito, "NotAuthorizedException", "Invalid session for the user.")
        if challenge == "NEW_PASSWORD_REQUIRED":
            refused = cognito._validate_password(pool, responses.get("NEW_PASSWORD") or "")
            if refused:
                return refused  # type: ignore[no-any-return]
        response: Response = respond(data)
        if response[0] == 200:
            sessions.pop(data["Session"], None)
        return response

    cognito._password_auth_result = open_session
    cognito._respond_to_auth_challenge = respond_in_session


def _verify_changed_addresses(cognito: Any) -> None:
    """A new e-mail replaces the old one when its code was entered (VerifyUserAttribute)."""
    update: Handler = cognito._update_user_attributes
    dispatch = cognito._dispatch_idp

    def keep_pending(data: Data) -> Response:
        user, pool = cognito._user_pool_for_access_token(data.get("AccessToken"))
        settings = (pool or {}).get("UserAttributeUpdateSettings") or {}
        protected = "email" in settings.get("AttributesRequireVerificationBeforeUpdate", ())
        wanted = cognito._attr_list_to_dict(data.get("UserAttributes") or [])
        if _claims_verification(cognito, data):
            return _unauthorized(cognito)
        if not user or not protected or "email" not in wanted:
            return update(data)
        other, _ = cognito._resolve_user(pool, wanted["email"])
        if other and other is not user:
            return _taken(cognito)
        update(
            {
                **data,
                "UserAttributes": cognito._dict_to_attr_list(
                    {name: value for name, value in wanted.items() if name != "email"}
                ),
            }
        )
        user[PENDING] = wanted["email"]
        _log_code(wanted["email"])
        return _json(cognito, {"CodeDeliveryDetailsList": [_delivery(cognito, wanted["email"])]})

    def send_again(data: Data) -> Response:
        user, _ = cognito._user_pool_for_access_token(data.get("AccessToken"))
        if not user or data.get("AttributeName") != "email":
            return _error(cognito, "InvalidParameterException", "Only an e-mail can be verified.")
        email = user.get(PENDING) or cognito._attr_list_to_dict(user["Attributes"])["email"]
        user[PENDING] = email
        _log_code(email)
        return _json(cognito, {"CodeDeliveryDetails": _delivery(cognito, email)})

    def verify(data: Data) -> Response:
        user, pool = cognito._user_pool_for_access_token(data.get("AccessToken"))
        email = (user or {}).get(PENDING)
        refused = cognito._code_error(CONFIRMATION_CODE if email else None, data.get("Code"))
        if refused or not email:
            return refused  # type: ignore[no-any-return]
        other, _ = cognito._resolve_user(pool, email)
        if other and other is not user:
            return _taken(cognito)
        _set_attribute(cognito, user, "email", email)
        _set_attribute(cognito, user, "email_verified", "true")
        del user[PENDING]
        return _json(cognito, {})

    added = {"GetUserAttributeVerificationCode": send_again, "VerifyUserAttribute": verify}

    async def dispatch_added(action: str, data: Data) -> Any:
        if action not in added:
            return await dispatch(action, data)
        return await cognito.run_reentrant(
            cognito._run_idp_handler, added[action], action, data, thread_name="added"
        )

    cognito._UNSIGNED_IDP_ACTIONS |= added.keys()
    cognito._update_user_attributes = keep_pending
    cognito._dispatch_idp = dispatch_added


def _log_codes(cognito: Any) -> None:
    send = cognito._send_verification_email

    def log_and_send(
        pool: Data, username: str, attributes: Data, code: str, *rest: Any, **more: Any
    ) -> Any:
        _log_code(attributes.get("email", username), code)
        return send(pool, username, attributes, code, *rest, **more)

    cognito._send_verification_email = log_and_send


def _log_code(email: str, code: str = CONFIRMATION_CODE) -> None:
    print(f"Code for {email}: {code}", flush=True)


def _set_attribute(cognito: Any, user: Data, name: str, value: str) -> None:
    user["Attributes"] = cognito._merge_attributes(
        user.get("Attributes", []), [{"Name": name, "Value": value}]
    )


def _delivery(cognito: Any, email: str) -> dict[str, str]:
    return {
        "AttributeName": "email",
        "DeliveryMedium": "EMAIL",
        "Destination": cognito._masked_destination(email),
    }


def _claims_verification(cognito: Any, data: Data) -> bool:
    """Only a code verifies an e-mail; no client may write that it is verified."""
    return "email_verified" in cognito._attr_list_to_dict(data.get("UserAttributes") or [])


def _unauthorized(cognito: Any) -> Response:
    return _error(
        cognito, "NotAuthorizedException", "A client attempted to write unauthorized attribute"
    )


def _taken(cognito: Any) -> Response:
    return _error(
        cognito, "AliasExistsException", "An account with the given email already exists."
    )


def _json(cognito: Any, body: Data) -> Response:
    response: Response = cognito.json_response(body)
    return response


def _error(cognito: Any, code: str, message: str) -> Response:
    response: Response = cognito.error_response_json(code, message, 400)
    return response
