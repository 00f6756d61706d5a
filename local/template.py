"""Reads `template.yaml` the way AWS does: YAML with intrinsics, expanded by the SAM transform."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.settings import REGION

# The transform warns that its own usage figures were not sent anywhere. They should not be.
logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)


def parse(path: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml_parse(path.read_text())
    return template


def expand(path: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The template after the SAM transform, with these values for its parameters.

    The emulator expands with the parameters' defaults, and so gets CORS wrong. Code that still
    is in folders gets an invented location, from which `folder_of` derives the folder.
    """
    template = parse(path)
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            folder = resource.get("Properties", {}).get(name)
            if folder:
                resource["Properties"][name] = f"s3://unpackaged/{folder.strip('/')}"
    values = {name: value["Default"] for name, value in template["Parameters"].items()}
    # Only the region of the session is used. There are no names of managed policies to look up.
    translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=REGION))
    expanded: dict[str, Any] = translator.translate(
        template, {**values, **parameters}, get_managed_policy_map=dict
    )
    return expanded


def folder_of(function: dict[str, Any]) -> str:
    """Where the code of an expanded template's function lies, such as `functions/confirm`."""
    folder: str = function["Properties"]["Code"]["S3Key"]
    return folder
