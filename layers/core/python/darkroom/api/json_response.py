"""How values become the text of an answer."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse


class EscapingJSONResponse(JSONResponse):
    """JSON, also of text that is no Unicode.

    JSON can spell half of a surrogate pair, so a client can send one; UTF-8 has no bytes for it,
    and an answer that repeats it is spelled with escapes, as the client spelled it.
    """

    def render(self, content: Any) -> bytes:
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
