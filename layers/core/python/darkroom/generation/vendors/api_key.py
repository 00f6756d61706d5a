"""The key in a vendor's secret, fit to stand in a header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from darkroom.generation.vendor_errors import not_configured

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,512}")


def api_key_of(secret: Mapping[str, Any]) -> str:
    """``apiKey`` of the secret.

    Raises:
        PermanentProviderError: ``PROVIDER_NOT_CONFIGURED``; there is none, or it is no key.
    """
    key = secret.get("apiKey")
    if not isinstance(key, str) or _PRINTABLE.fullmatch(key) is None:
        raise not_configured("the secret has no usable apiKey")
    return key
