"""Runs the user pool's triggers: before a sign-up, and after an address was confirmed.

Cognito's events: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html.
They name no IP address. An exception refuses the sign-up; its text reaches the client as
`UserLambdaValidationException`, "PreSignUp failed with error <text>.".
"""

from __future__ import annotations

from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.signup.model import SignUpRefused
from darkroom.usecases.accounts.admit_sign_up import admit_sign_up
from darkroom.usecases.accounts.claim_bonus import claim_bonus, mark_returning
from darkroom.workers.edge import logger

# Users whom an operator creates are not limited.
_SIGN_UP = "PreSignUp_SignUp"
_SIGN_UPS = frozenset({_SIGN_UP, "PreSignUp_ExternalProvider"})
_BY_OPERATOR = "PreSignUp_AdminCreateUser"
_CONFIRMED = "PostConfirmation_ConfirmSignUp"


def handle_trigger(app: App, event: dict[str, Any]) -> dict[str, Any]:
    """Returns the event, as Cognito demands."""
    source = event["triggerSource"]
    attributes = event["request"]["userAttributes"]
    if source in _SIGN_UPS:
        # The user name of a sign-up by e-mail is the account; that of another provider is not.
        _admit(app, attributes, event["userName"] if source == _SIGN_UP else None)
    elif source == _BY_OPERATOR and attributes.get("email"):
        mark_returning(app, event["userName"], email=attributes["email"])
    elif source == _CONFIRMED and attributes.get("email"):
        _claim(app, attributes)
    return event


def _admit(app: App, attributes: dict[str, str], account_id: str | None) -> None:
    try:
        admit_sign_up(app, attributes.get("email", ""), account_id=account_id)
    except SignUpRefused as refusal:
        logger.info("sign_up_refused", code=refusal.error_code)
        raise


def _claim(app: App, attributes: dict[str, str]) -> None:
    try:
        is_first = claim_bonus(app, attributes["sub"], email=attributes["email"])
    except Exception:  # noqa: BLE001 - whatever it is, the user is confirmed
        # An error would only look as if not. The account claims its bonus when it opens.
        logger.exception("bonus_not_claimed", account_id=attributes.get("sub"))
    else:
        logger.info("account_confirmed", account_id=attributes["sub"], bonus=is_first)
