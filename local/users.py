"""Users of the local cloud's own user pool, and their bearer tokens."""

from typing import Any

# Every local user's password: the pool is on this machine and has no real users.
PASSWORD = "local-password-1"


def access_token(cognito: Any, *, pool_id: str, client_id: str, user: str, role: str | None) -> str:
    """Sign a user in, after creating them and giving them exactly this role (or none)."""
    try:
        cognito.admin_get_user(UserPoolId=pool_id, Username=user)
    except cognito.exceptions.UserNotFoundException:
        cognito.admin_create_user(UserPoolId=pool_id, Username=user, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(
            UserPoolId=pool_id, Username=user, Password=PASSWORD, Permanent=True
        )
    _set_role(cognito, pool_id, user, role)
    response = cognito.initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": PASSWORD},
    )
    token: str = response["AuthenticationResult"]["AccessToken"]
    return token


def account_id(cognito: Any, *, pool_id: str, user: str) -> str:
    """The account of a user, which is the `sub` of their tokens."""
    known = cognito.admin_get_user(UserPoolId=pool_id, Username=user)
    found: str = next(item["Value"] for item in known["UserAttributes"] if item["Name"] == "sub")
    return found


def _set_role(cognito: Any, pool_id: str, user: str, role: str | None) -> None:
    groups = cognito.admin_list_groups_for_user(UserPoolId=pool_id, Username=user)["Groups"]
    current = {group["GroupName"] for group in groups}
    wanted = {role} if role else set()
    for group in current - wanted:
        cognito.admin_remove_user_from_group(UserPoolId=pool_id, Username=user, GroupName=group)
    for group in wanted - current:
        cognito.admin_add_user_to_group(UserPoolId=pool_id, Username=user, GroupName=group)
