"""The user's own ending: its cleaning, masking, refusal and result."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import REWRITE_LIMIT_CHARS
from darkroom.recipes.rewrite import (
    CAPTION_LIMIT_CHARS,
    MASK,
    caption_of,
    ending_of,
    look_of,
    prompt_of,
    sanitize,
)
from darkroom.recipes.scenes import STORY
from tests.support.builders import REWRITE, scene_inputs

ZERO_WIDTH = "\u200b"


# Cleaning


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  They   meet\tagain.\n", "They meet again."),
        ("line one\r\nline two\u2028line three", "line one line two line three"),
        ("bell\x07 and\x00null", "bell and null"),
        ("<b>They</b> stay <script>alert(1)</script>", "They stay alert(1)"),
        ("a < b > c", "a c"),
        ("<<b>>deep", "deep"),
        ("＜b＞wide", "wide"),
        ("he\u200bll\u200do\ufeff", "hello"),
        ("\u202eright to left\u202c", "right to left"),
        ("\uff34\uff48\uff45\uff59", "They"),
        ("그들은 다시 만난다", "그들은 다시 만난다"),
        (unicodedata.normalize("NFD", "그들은 만난다"), "그들은 만난다"),
        ("\ue000private", "private"),
        ("it ends… happily", "it ends... happily"),
    ],
)
def test_text_is_normalized_and_stripped_of_what_is_not_text(raw: str, clean: str) -> None:
    assert sanitize(raw) == clean


@pytest.mark.parametrize("raw", ["", " ", "\u200b\u200d", "<b></b>", "\x00\x07", "<>"])
def test_a_text_that_is_empty_after_cleaning_is_refused_by_its_field(raw: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        sanitize(raw)

    assert refusal.value.facts["fields"][0]["path"] == "rewrite.rawText"


# Contact data


@pytest.mark.parametrize(
    "contact",
    [
        "010-1234-5678",
        "01012345678",
        "+82 10 1234 5678",
        "+1 (415) 555-2671",
        "０１０-１２３４-５６７８",
        "010\u200b-1234\u200b-5678",
        "me@example.com",
        "first.last+tag@mail.example.co.kr",
        "me＠example.com",
        "https://example.com/a?b=c",
        "HTTP://EXAMPLE.COM",
        "www.example.com",
        "example.com/path",
        "naver.me/xyz",
        "shop.co.kr",
        "@my_handle",
        "@한글계정",
    ],
)
@pytest.mark.parametrize("around", ["{}", "write {} now", "연락은 {} 로"])
def test_contact_data_is_masked(contact: str, around: str) -> None:
    assert sanitize(around.format(contact)) == around.format(MASK)


def test_contact_data_is_masked_when_korean_particles_follow() -> None:
    assert sanitize("010-1234-5678로 전화해") == f"{MASK}로 전화해"
    assert "example" not in sanitize("me@example.com으로 보내")
    assert "1234" not in sanitize("번호는 010.1234.5678이야")
    assert "345" not in sanitize("call (02) 345-6789")


@pytest.mark.parametrize(
    "text",
    [
        "In 2024 they met 3 times.",
        "At 10:30, seat 12-34.",
        "Meet me @ the harbor",
        "She said: wait... he did.",
        "3.14159 is a number",
        "1,000,000 stars",
    ],
)
def test_ordinary_numbers_and_signs_stay(text: str) -> None:
    assert sanitize(text) == text


@pytest.mark.parametrize("text", ["a@b.c@dd", "a@b.com@handle", "@@handle"])
def test_contact_data_that_touches_other_contact_data_is_masked_too(text: str) -> None:
    clean = sanitize(text)

    assert "@" not in clean.replace("@***", "***")
    assert sanitize(clean) == clean


# Refused content


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("it turns into porn", "sexual"),
        ("PORN.", "sexual"),
        ("ｐｏｒｎ", "sexual"),
        ("po\u200brn", "sexual"),
        ("a sexy child", "minors"),
        ("he was beheaded there", "gore"),
        ("음란 영상을 찍는다", "sexual"),
        ("음란영상을 찍는다", "sexual"),
        ("음란   영상", "sexual"),
        ("토막살인 사건", "gore"),
        ("토막 살인이 일어난다", "gore"),
        ("인종청소", "hate"),
        ("인종 청소를", "hate"),
        ("자살방법을 찾는다", "self-harm"),
        ("포르노", "sexual"),
        (unicodedata.normalize("NFD", "포르노"), "sexual"),
        (ZERO_WIDTH.join("포르노"), "sexual"),
    ],
)
def test_refused_content_names_its_category(text: str, category: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        sanitize(text)

    assert refusal.value.error_code == "CONTENT_REJECTED"
    assert refusal.value.facts["category"] == category


def test_decomposed_or_spaced_letters_do_not_hide_a_word() -> None:
    spread = ZERO_WIDTH.join(unicodedata.normalize("NFD", "포르노"))

    with pytest.raises(InvalidInput) as refusal:
        sanitize(spread)

    assert refusal.value.error_code == "CONTENT_REJECTED"


@pytest.mark.parametrize(
    "text",
    ["A category of popcorn", "They shared a gorgeous view", "아이가 웃는다", "사랑의 포로"],
)
def test_words_that_only_contain_a_refused_one_pass(text: str) -> None:
    assert sanitize(text) == text


# Limits, and cleaning twice


def test_a_text_has_two_thousand_characters_at_most() -> None:
    longest = REWRITE | {"rawText": "가" * REWRITE_LIMIT_CHARS}
    too_long = REWRITE | {"rawText": "가" * (REWRITE_LIMIT_CHARS + 1)}

    stored = STORY.validate(scene_inputs(rewriteEnabled=True, rewrite=longest))
    with pytest.raises(InvalidInput) as refusal:
        STORY.validate(scene_inputs(rewriteEnabled=True, rewrite=too_long))

    assert len(stored["rewrite"]["sanitizedText"]) == REWRITE_LIMIT_CHARS
    assert [field["path"] for field in refusal.value.facts["fields"]] == ["rewrite.rawText"]


CHARACTERS = "a@.<>b 01-+()…가가*_９＠½\u200b\u200d\u0301\x00\n"
pieces = st.sampled_from([*CHARACTERS, ".com", "http", "://", "www."])
texts = st.lists(pieces, min_size=1, max_size=25).map("".join) | st.text(min_size=1, max_size=40)


@settings(max_examples=400, deadline=None, derandomize=True)
@example("a@b.c@dd")
@example("a\u200d\u0301")
@given(raw=texts)
def test_cleaning_a_clean_text_changes_nothing(raw: str) -> None:
    try:
        clean = sanitize(raw)
    except InvalidInput:
        return

    assert sanitize(clean) == clean


# Results


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("They stay. And more.", "They stay."),
        ("그들은 만난다! 그리고 끝.", "그들은 만난다!"),
        ("No end mark at all", "No end mark at all"),
        ("word " * 20, "word word word word word word word word word…"),
        ("가" * 60, "가" * 47 + "…"),
    ],
)
def test_the_caption_is_the_first_sentence_cut_at_a_word(text: str, caption: str) -> None:
    assert caption_of({"sanitizedText": text.strip()}) == caption


@given(text=st.text(min_size=1, max_size=200))
def test_a_caption_fits_on_the_screen(text: str) -> None:
    assert len(caption_of({"sanitizedText": text})) <= CAPTION_LIMIT_CHARS


def test_ending_mood_and_framing_follow_the_choices() -> None:
    endings = {
        ending_of({"desiredEnding": ending}, language)
        for ending in ("happy", "bittersweet", "open")
        for language in ("en", "ko")
    }
    prompt = prompt_of({"desiredEnding": "open", "sanitizedText": "They wait."})

    assert len(endings) == 6
    assert "They wait." in prompt
    framings = [look_of({"distanceMode": mode})["framing"] for mode in ("close", "medium", "far")]
    assert framings == ["close", "medium", "wide"]
