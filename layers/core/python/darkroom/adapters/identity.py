"""Verifies bearer tokens on routes without an authorizer: RS256 with the keys of their issuer."""

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
        raise Unavailable("the token issuer does not respond") from error


class TokenVerifier:
    """Verifies the signatures of one issuer's tokens.

    Its keys are found by OpenID Connect Discovery 1.0, section 4, and cached. The caller checks the
    claims.
    """

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
            Unauthorized: the signature is not valid; Unavailable: the keys cannot be read.
        """
        import jwt

        if not self._home:
            raise Unauthorized("no issuer is known")
        try:
            header = jwt.get_unverified_header(token)
            key_id = header.get("kid")
            key = self._key(key_id) if header.get("alg") == ALGORITHM and key_id else None
            if key is None:
                raise Unauthorized("signed with an unknown key")
            # The caller checks times and audience with the other claims, by the injected clock.
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
        """The key with this id. For an unknown id the keys are read again, at a limited rate."""
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
            # Without any keys, every caller needs them, so the next one reads again at once.
            # Cached keys stay valid while the issuer is unavailable.
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
            raise Unavailable("the token issuer returned a malformed document") from error


def _is_past(moment: datetime | None, seconds: int, now: datetime) -> bool:
    return moment is None or now - moment >= timedelta(seconds=seconds)


def _home(issuer: str, endpoint_url: str | None) -> str:
    """The base URL of the issuer. An emulator signs in AWS's name, but has its own URL."""
    if endpoint_url and issuer.startswith("https://cognito-idp."):
        return f"{endpoint_url}/{issuer.rpartition('/')[2]}"
    return issuer.rstrip("/")
