"""Bearer tokens whose signature no gateway has verified: RS256 by the keys of their issuer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from darkroom.kernel.clock import Clock
from darkroom.kernel.errors import Unauthorized, Unavailable
from darkroom.kernel.limits import KEYS_AGAIN_SECONDS, KEYS_SECONDS

FETCH_LIMIT_SECONDS = 3
ALGORITHM = "RS256"

Fetch = Callable[[str], Any]


def fetch_json(url: str) -> Any:
    """Raises: Unavailable."""
    import httpx

    try:
        return httpx.get(url, timeout=FETCH_LIMIT_SECONDS).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable("the issuer of tokens does not answer") from error


class TokenVerifier:
    """Verifies signatures of one issuer's tokens. Its keys are found by OpenID Connect Discovery
    1.0, section 4, and kept; what the claims say is for the caller to judge."""

    def __init__(
        self,
        issuer: str,
        *,
        clock: Clock,
        endpoint_url: str | None = None,
        fetch: Fetch = fetch_json,
    ) -> None:
        self._home = _home(issuer, endpoint_url)
        self._clock = clock
        self._fetch = fetch
        self._keys: Mapping[str, Any] = {}
        self._read_at: datetime | None = None
        self._requested_at: datetime | None = None

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that the issuer signed.

        Raises:
            Unauthorized: it did not; Unavailable: its keys cannot be had.
        """
        import jwt

        if not self._home:
            raise Unauthorized("no issuer is known")
        try:
            header = jwt.get_unverified_header(token)
            key_id = header.get("kid")
            key = self._key(key_id) if header.get("alg") == ALGORITHM and key_id else None
            if key is None:
                raise Unauthorized("signed with a key of nobody we know")
            # Times and audience are judged with the other claims, by the injected clock.
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.PyJWTError as error:
            raise Unauthorized("not a token of this issuer") from error
        return claims

    def _key(self, key_id: str) -> Any | None:
        """The key of that name. An unknown one is asked for again, but not at a stranger's will."""
        now = self._clock.now()
        if key_id not in self._keys or _is_past(self._read_at, KEYS_SECONDS, now):
            self._refresh(now, needed=key_id not in self._keys)
        return self._keys.get(key_id)

    def _refresh(self, now: datetime, *, needed: bool) -> None:
        if not _is_past(self._requested_at, KEYS_AGAIN_SECONDS, now):
            return
        try:
            self._keys = self._fetch_keys()
            self._read_at = self._requested_at = now
        except Unavailable:
            # With none at all every caller needs them, so the next one asks again at once. Those
            # we have go on being good while their issuer is away.
            self._requested_at = now if self._keys else None
            if needed:
                raise

    def _fetch_keys(self) -> dict[str, Any]:
        from jwt import PyJWK, PyJWTError

        document = self._fetch(f"{self._home}/.well-known/openid-configuration")
        try:
            return {
                key["kid"]: PyJWK(key, algorithm=ALGORITHM)
                for key in self._fetch(document["jwks_uri"])["keys"]
                if key.get("kty") == "RSA" and key.get("kid") and key.get("use", "sig") == "sig"
            }
        except (AttributeError, KeyError, TypeError, ValueError, PyJWTError) as error:
            raise Unavailable("the issuer of tokens answers nonsense") from error


def _is_past(moment: datetime | None, seconds: int, now: datetime) -> bool:
    return moment is None or now - moment >= timedelta(seconds=seconds)


def _home(issuer: str, endpoint_url: str | None) -> str:
    """Where the issuer is asked. An emulator signs in AWS's name and answers at its own address."""
    if endpoint_url and issuer.startswith("https://cognito-idp."):
        return f"{endpoint_url}/{issuer.rpartition('/')[2]}"
    return issuer.rstrip("/")
