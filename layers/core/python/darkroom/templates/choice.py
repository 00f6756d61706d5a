"""The choice of a template: pure functions over the catalog and the documented hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from darkroom.kernel import catalog
from darkroom.kernel.errors import InvalidInput

_FOLDER = "templates"


def list_templates(
    mode: str | None = None, stage: str | None = None, genre: str | None = None
) -> list[Mapping[str, Any]]:
    """Templates that match every filter given, by id."""
    found = [
        template
        for name in catalog.names(_FOLDER)
        for template in catalog.read(name)["templates"]
        if mode in (None, template["mode"])
        and stage in (None, template["stage"])
        and genre in (None, template["genre"])
    ]
    return sorted(found, key=lambda template: template["templateId"])


def templates_of(mode: str, stage: str, genre: str) -> list[Mapping[str, Any]]:
    """The templates of one combination, by id; reads only their own file."""
    try:
        templates = catalog.read(f"{_FOLDER}/{mode}/{stage}-{genre}.json")["templates"]
    except FileNotFoundError:
        return []
    return sorted(templates, key=lambda template: template["templateId"])


def get_template(template_id: str, mode: str, stage: str, genre: str) -> Mapping[str, Any]:
    for template in templates_of(mode, stage, genre):
        if template["templateId"] == template_id:
            return template
    raise InvalidInput("the template is gone", code="NO_TEMPLATES")


def choose(
    template_ids: Sequence[str], *, account_id: str, device_id: str, combination: Sequence[str]
) -> str:
    """The template for this user, device and (mode, stage, genre).

    SHA-256 of ``userId|deviceId|stage|genre|mode``, its first 8 hex digits as a number, modulo
    the count of the sorted ids. An absent device is the empty string.

    Raises:
        InvalidInput: NO_TEMPLATES for the combination.
    """
    if not template_ids:
        raise InvalidInput("no templates for this combination", code="NO_TEMPLATES")
    mode, stage, genre = combination
    text = f"{account_id}|{device_id}|{stage}|{genre}|{mode}"
    number = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    return sorted(template_ids)[number % len(template_ids)]
