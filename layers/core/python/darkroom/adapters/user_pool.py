"""The stack's own user pool: finds the user of an account, and deletes it."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.adapters.clients import Clients


@dataclass(frozen=True)
class User:
    name: str
    attributes: dict[str, str]
    """As the pool names them: ``email``, ``name`` …"""


class UserPool:
    def __init__(self, clients: Clients, pool_id: str) -> None:
        self._clients = clients
        self._pool_id = pool_id

    def find(self, account_id: str) -> User | None:
        """The user whose ``sub`` is the account."""
        # In a filter, a quotation mark and a backslash are escaped.
        text = account_id.replace("\\", "\\\\").replace('"', '\\"')
        found = self._clients.users.list_users(
            UserPoolId=self._pool_id, Filter=f'sub = "{text}"', Limit=1
        )["Users"]
        if not found:
            return None
        [user] = found
        attributes = {each["Name"]: each["Value"] for each in user.get("Attributes", [])}
        return User(user["Username"], attributes)

    def delete(self, user: User) -> None:
        """Delete the user: nothing signs it in any more. Safe to repeat."""
        try:
            self._clients.users.admin_delete_user(UserPoolId=self._pool_id, Username=user.name)
        except self._clients.users.exceptions.UserNotFoundException:
            return
