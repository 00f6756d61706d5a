"""Stripe's API key and webhook secrets, read again when they may have been rotated.

The secret is ``{"apiKey": "sk_…", "webhookSecrets": ["whsec_…", …]}``: two webhook secrets while
one is rotated. A call that Stripe refuses or a signature that does not fit may mean that the
secret has changed. Any client can send bad signatures, so it is read again at most once a minute.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.kernel.clock import Clock
from darkroom.kernel.limits import SECRET_RELOAD_SECONDS

_LIVE = ("sk_live_", "rk_live_")
_TEST = ("sk_test_", "rk_test_")


@dataclass(frozen=True)
class _Secret:
    api_key: str
    webhook_secrets: tuple[str, ...]


class StripeKeys:
    """The secret as it was last read."""

    def __init__(self, read_secret: Callable[[], str], clock: Clock) -> None:
        self._read_secret = read_secret
        self._clock = clock
        self._secret: _Secret | None = None
        self._reloaded_at: datetime | None = None

    @property
    def api_key(self) -> str:
        return self._current().api_key

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        return self._current().webhook_secrets

    @property
    def is_live(self) -> bool | None:
        """The mode of the API key; None for a kind of key that does not say."""
        if self.api_key.startswith(_LIVE):
            return True
        return False if self.api_key.startswith(_TEST) else None

    def reload(self) -> bool:
        """Read the secret again, unless it was just read; returns whether it changed.

        An unusable new value is ignored: the old keys may still be valid.
        """
        now, last = self._clock.now(), self._reloaded_at
        if last is not None and abs(now - last) < timedelta(seconds=SECRET_RELOAD_SECONDS):
            return False
        self._reloaded_at = now
        before = self._current()
        try:
            self._secret = _parse(self._read_secret())
        except (ValueError, KeyError, TypeError):
            return False
        return self._secret != before

    def _current(self) -> _Secret:
        if self._secret is None:
            self._secret = _parse(self._read_secret())
        return self._secret


def _parse(text: str) -> _Secret:
    shape = json.loads(text)
    api_key, secrets = shape["apiKey"], shape["webhookSecrets"]
    if not isinstance(api_key, str) or not isinstance(secrets, list):
        raise TypeError("a secret of Stripe has an apiKey and a list of webhookSecrets")
    # Anyone could sign with an empty secret.
    return _Secret(api_key, tuple(one for one in secrets if isinstance(one, str) and one.strip()))
