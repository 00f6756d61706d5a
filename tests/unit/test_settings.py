"""Settings that follow from others."""

from __future__ import annotations

import pytest

from darkroom.kernel.settings import Settings


@pytest.mark.parametrize(
    ("variables", "page"),
    [
        ({}, ""),
        ({"CONSOLE_URL": "https://c.example"}, "https://c.example/pricing/return"),
        ({"CONSOLE_URL": "https://c.example/"}, "https://c.example/pricing/return"),
        ({"CONSOLE_URL": "https://c.example", "CHECKOUT_RETURN_URL": ""},
         "https://c.example/pricing/return"),
        ({"CONSOLE_URL": "https://c.example", "CHECKOUT_RETURN_URL": "https://a.example/credits"},
         "https://a.example/credits"),
    ],
)  # fmt: skip
def test_a_checkout_returns_to_the_console_unless_another_page_is_set(
    variables: dict[str, str], page: str
) -> None:
    assert Settings.from_env(variables).checkout_return_url == page
