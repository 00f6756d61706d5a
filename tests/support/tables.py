"""The template's tables, for backends that cannot deploy a template."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads CloudFormation's short tags as plain values."""


def _plain(loader: yaml.Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _plain)


@functools.cache
def read_template() -> dict[str, Any]:
    return yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)


def table_definitions() -> dict[str, dict[str, Any]]:
    """Setting's name (``jobs``) → what CreateTable needs besides the table's name."""
    definitions = {}
    for logical_id, resource in read_template()["Resources"].items():
        if resource["Type"] != "AWS::DynamoDB::Table":
            continue
        wanted = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        properties = resource["Properties"]
        name = logical_id.removesuffix("Table").lower()
        definitions[name] = {key: properties[key] for key in wanted if key in properties}
    return definitions
