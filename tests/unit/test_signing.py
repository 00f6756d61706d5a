"""Signed tokens: readable, protected against changes, valid for one purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.kernel.signing import BadSignature, sign, verify

SECRET, PURPOSE = b"a secret", "cursor|jobs|alice|"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values)
def test_a_token_gives_back_what_was_signed(value: object) -> None:
    assert verify(SECRET, PURPOSE, sign(SECRET, PURPOSE, value)) == value


def test_the_order_of_fields_does_not_change_the_token() -> None:
    assert sign(SECRET, PURPOSE, {"a": 1, "b": 2}) == sign(SECRET, PURPOSE, {"b": 2, "a": 1})


@pytest.mark.parametrize("purpose", ["cursor|jobs|bob|", "cursor|credits|alice|", ""])
def test_a_token_is_valid_for_its_purpose_only(purpose: str) -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, purpose, sign(SECRET, PURPOSE, 7))


def test_a_token_of_another_secret_is_refused() -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, PURPOSE, sign(b"another secret", PURPOSE, 7))


def test_a_purpose_cannot_be_moved_into_the_value() -> None:
    token = sign(SECRET, "a", 1)

    with pytest.raises(BadSignature):
        verify(SECRET, "a\x001", token)


def test_no_single_changed_character_passes() -> None:
    token = sign(SECRET, PURPOSE, {"version": 12, "name": "ä"})

    for place, character in enumerate(token[:-1]):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(BadSignature):
            verify(SECRET, PURPOSE, changed)


@pytest.mark.parametrize("token", ["", "A", "AAAA", "!!!!", "ä", "한글", "a b", "=" * 9, "A" * 99])
def test_a_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, PURPOSE, token)
