"""JSON responses."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse


class EscapingJSONResponse(JSONResponse):
    """JSON, also of text with lone surrogates.

    A client can send half of a surrogate pair with a JSON escape, but UTF-8 cannot encode it. A
    response that repeats it uses escapes too.
    """

    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
