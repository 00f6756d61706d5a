"""Parameters of the template reach it as they are, through SAM's way of reading them."""

from __future__ import annotations

import json

import pytest
from samcli.cli.types import CfnParameterOverridesType

from local.deploy import _quoted


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"fal": {"apiBase": "http://127.0.0.1:1", "models": {"clip": "a/b"}}}),
        "{}",
        "plain",
        "https://x.example/y?a=b",
        "two words",
        'a "word" and another',
    ],
)
def test_a_parameter_s_value_is_read_back_whole(value: str) -> None:
    read = CfnParameterOverridesType().convert((f"P={_quoted(value)}", "Q=other"), None, None)

    assert read == {"P": value, "Q": "other"}
