"""The page of the API docs: plain HTML made from the OpenAPI document.

It needs no viewer from a content delivery network, so it also works offline.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;text-transform:capitalize}
details{border:1px solid #d8d8e0;border-radius:8px;margin:.5rem 0;padding:.6rem .9rem}
summary{cursor:pointer}
.m{display:inline-block;min-width:4.2em;font-weight:700}
code,pre{font:13px/1.45 ui-monospace,monospace}
table{border-collapse:collapse;width:100%}
td{border-top:1px solid #ececf2;padding:.25rem .5rem;vertical-align:top}
.q{color:#6a6a78}
.t{font-size:12px;background:#eeeaff;color:#4a3aa8;border-radius:6px;padding:1px 6px}
"""


def render(document: Mapping[str, Any]) -> str:
    """The page: routes by tag, each with its parameters, body and responses."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", ["other"])[0]
            groups.setdefault(tag, []).append(_route(document, method, path, operation))
    sections = "".join(
        f"<h2>{escape(tag)}</h2>{''.join(routes)}" for tag, routes in sorted(groups.items())
    )
    title = escape(document["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title} API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{title} API</h1><p>{escape(document['info'].get('summary', ''))}. "
        f'Machine-readable: <a href="/openapi.json">openapi.json</a>. Routes marked '
        f'<span class="t">token</span> take a bearer token.</p>{sections}</html>'
    )


def _route(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> str:
    lock = ' <span class="t">token</span>' if operation.get("security") else ""
    text = (operation.get("description") or operation.get("summary", "")).replace("``", "")

    def resolve(node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        kind, name = node["$ref"].split("/")[2:]
        component: Mapping[str, Any] = document["components"][kind][name]
        return component

    rows = [
        _row(f"{parameter['in']}: {parameter['name']}", _schema(document, parameter["schema"]))
        for parameter in map(resolve, operation.get("parameters", []))
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        rows.append(_row("body", _schema(document, body["schema"])))
    for status, declared in operation["responses"].items():
        response = resolve(declared)
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        shown = _schema(document, schema) if status < "300" else ""
        rows.append(_row(status, f"{escape(response['description'])} {shown}"))
    return (
        f'<details><summary><span class="m">{method.upper()}</span><code>{escape(path)}</code>'
        f' <span class="q">{escape(text.splitlines()[0] if text else "")}</span>{lock}</summary>'
        f"<table>{''.join(rows)}</table></details>"
    )


def _row(name: str, content: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{content}</td></tr>"


def _schema(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A schema's fields, one level deep, as text."""
    name = schema.get("$ref", "").rpartition("/")[2]
    resolved = document["components"]["schemas"].get(name, schema)
    properties = resolved.get("properties")
    if not properties:
        return f"<code>{escape(_type(resolved))}</code>" if resolved else ""
    required = set(resolved.get("required", []))
    fields = [
        f"{field}{'' if field in required else '?'}: {_type(value)}"
        for field, value in properties.items()
    ]
    return f"<pre>{escape(chr(10).join(fields))}</pre>"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return " | ".join(map(str, schema.get("enum", [schema.get("const")])))
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"{_type(schema.get('items', {}))}[]"
    return str(schema.get("type", "any"))
