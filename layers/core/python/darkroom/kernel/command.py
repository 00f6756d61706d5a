"""A request that changes something, and the ids that a repeat of it gets again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from darkroom.kernel.ids import Ids, derived_id


@dataclass(kw_only=True)
class Submissions:
    """What the rate limits know of the submissions of one request. It changes during the request:
    a request that queues many jobs counts once, with the first."""

    is_counted: bool = False
    used: int = 0
    """Requests of this minute that queued jobs, with this one if it is counted."""
    exceeded: str | None = None
    """The policy that refused it."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One request that changes something.

    With an Idempotency-Key, the ids of what it creates and the ``operation`` that it writes derive
    from account, route, key and body, so a repeated request finds its own writes. Without a key,
    both are random.
    """

    account_id: str
    route: str
    language: str
    key: str | None
    operation: str
    submissions: Submissions = field(default_factory=Submissions, compare=False)

    def of(self, subject: str) -> Command:
        """The command for one item of a bulk request."""
        operation = hashlib.sha256(f"{self.operation}\x1f{subject}".encode()).hexdigest()[:32]
        return replace(self, route=f"{self.route}#{subject}", operation=operation)

    def id_for(self, ids: Ids, prefix: str, *discriminators: str) -> str:
        if self.key is None:
            return ids.new(prefix)
        return derived_id(prefix, self.account_id, self.route, self.key, *discriminators)


def new_command(
    ids: Ids,
    *,
    account_id: str,
    route: str,
    language: str,
    key: str | None,
    body: Mapping[str, Any],
    submissions: Submissions | None = None,
) -> Command:
    operation = ids.token()
    if key is not None:
        cause = "\x1f".join((account_id, route, key, body_hash(body)))
        operation = hashlib.sha256(cause.encode()).hexdigest()[:32]
    return Command(
        account_id=account_id,
        route=route,
        language=language,
        key=key,
        operation=operation,
        submissions=submissions or Submissions(),
    )


def body_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 of the JSON value; spaces and the order of names do not matter."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
