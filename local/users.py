"""Users of the local cloud's own user pool, and their bearer tokens."""

import os
from typing import Any

from local.errors import LocalCloudError
from local.settings import LOCAL_PASSWORD, LOCAL_USERS_DOMAIN


def password() -> str:
    """What users of `make token` sign in with: the pool is on this machine."""
    return os.environ.get("DARKROOM_PASSWORD") or LOCAL_PASSWORD


def email_of(user: str) -> str:
    """The e-mail by which the pool knows a user of `make token`."""
    return user if "@" in user else f"{user}@{LOCAL_USERS_DOMAIN}"


def access_token(cognito: Any, *, pool_id: str, client_id: str, user: str, role: str | None) -> str:
    """Sign a user in, after creating them and giving them exactly this role (or none).

    Raises:
        LocalCloudError: the user has another password.
    """
    email = email_of(user)
    try:
        cognito.admin_get_user(UserPoolId=pool_id, Username=email)
    except cognito.exceptions.UserNotFoundException:
        _create(cognito, pool_id, email)
    _set_role(cognito, pool_id, email, role)
    try:
        response = cognito.initiate_auth(
            ClientId=client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password()},
        )
    except cognito.exceptions.NotAuthorizedException:
        raise LocalCloudError(
            f"{user} has another password; give it as DARKROOM_PASSWORD."
        ) from None
    except cognito.exceptions.UserNotConfirmedException:
        raise LocalCloudError(f"{user} signed up and has not entered the code yet.") from None
    token: str = response["AuthenticationResult"]["AccessToken"]
    return token


def account_id(cognito: Any, *, pool_id: str, user: str) -> str:
    """The account of a user, which is the `sub` of their tokens."""
    known = cognito.admin_get_user(UserPoolId=pool_id, Username=email_of(user))
    found: str = next(item["Value"] for item in known["UserAttributes"] if item["Name"] == "sub")
    return found


def _create(cognito: Any, pool_id: str, email: str) -> None:
    cognito.admin_create_user(
        UserPoolId=pool_id,
        Username=email,
        UserAttributes=[
            {"Name": "email", "Value": email},
            {"Name": "email_verified", "Value": "true"},
        ],
        MessageAction="SUPPRESS",
    )
    cognito.admin_set_user_password(
        UserPoolId=pool_id, Username=email, Password=password(), Permanent=True
    )


def _set_role(cognito: Any, pool_id: str, user: str, role: str | None) -> None:
    groups = cognito.admin_list_groups_for_user(UserPoolId=pool_id, Username=user)["Groups"]
    current = {group["GroupName"] for group in groups}
    wanted = {role} if role else set()
    for group in current - wanted:
        cognito.admin_remove_user_from_group(UserPoolId=pool_id, Username=user, GroupName=group)
    for group in wanted - current:
        cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=user, GroupName=group)
