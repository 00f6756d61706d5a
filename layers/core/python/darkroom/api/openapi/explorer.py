"""The page of the API docs: RapiDoc, a web component, over ``/openapi.json``.

Page and script come from this origin alone, so it also works offline. The script is a file of the
one function that serves it, stored compressed.
"""

from __future__ import annotations

import gzip
import hashlib
from base64 import b64encode
from pathlib import Path

from darkroom.api.app import TITLE

SCRIPT = "rapidoc-9.3.8.js"
"""The version is in its name, so that browsers may keep it forever."""
_START = """
const page = document.getElementById("api");
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => {
  page.setAttribute("theme", dark.matches ? "dark" : "light");
  page.setAttribute("bg-color", dark.matches ? "#17161c" : "#ffffff");
  page.setAttribute("text-color", dark.matches ? "#e9e7f0" : "#24222b");
  page.setAttribute("nav-bg-color", dark.matches ? "#1f1d26" : "#f5f4f9");
  page.setAttribute("nav-text-color", dark.matches ? "#cfcbdb" : "#3d3a48");
  page.setAttribute("primary-color", dark.matches ? "#a99bff" : "#5b45c9");
};
dark.addEventListener("change", paint);
paint();
"""
_HASH = b64encode(hashlib.sha256(_START.encode()).digest()).decode()
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' 'sha256-{_HASH}'",
        # The component writes its styles into its shadow tree.
        "style-src 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE} API</title>
<link rel="icon" href="data:,">
<style>
html{{color-scheme:light dark}}
body{{margin:0;font:16px/1.5 system-ui,sans-serif}}
a{{color:light-dark(#5b45c9,#a99bff)}}
</style>
<script type="module" src="/docs?script={SCRIPT}"></script>
</head>
<body>
<rapi-doc id="api" spec-url="/openapi.json" render-style="focused" schema-style="table"
 show-header="false" load-fonts="false" regular-font="system-ui, sans-serif"
 mono-font="ui-monospace, monospace" allow-spec-url-load="false" allow-spec-file-load="false"
 allow-spec-file-download="false" allow-server-selection="false" sort-tags="false"
 show-method-in-nav-bar="as-colored-text" persist-auth="false" show-curl-before-try="true"
 fill-request-fields-with-example="false">
<p slot="overview">Machine-readable: <a href="/openapi.json">openapi.json</a></p>
</rapi-doc>
<noscript>This page needs JavaScript. The API is described by
<a href="/openapi.json">openapi.json</a>.</noscript>
<script>{_START}</script>
</body>
</html>
"""


def script(folder: Path, *, compressed: bool) -> bytes:
    """The script, from the files of the function."""
    content = (folder / f"{SCRIPT}.gz").read_bytes()
    return content if compressed else gzip.decompress(content)
