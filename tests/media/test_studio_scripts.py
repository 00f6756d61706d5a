"""Scripts from ready sentences: the keyword fits, the time is filled, the seed decides."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.generation.ports import GenerationRequest, PermanentProviderError
from darkroom.generation.script import Script, read_script
from darkroom.kernel import catalog
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.speech.espeak import Manner, speak
from darkroom.studio.speech.korean_particles import with_particle
from darkroom.studio.speech.script import compose

TONES = ("professional", "casual", "humorous", "educational")
LANGUAGES = ("en", "ko")
KEYWORDS = {"en": "home coffee", "ko": "여름 사진"}
GRAMMARS = catalog.read("scripts.json")
SLOT = re.compile(r"\{[Kk]eyword(?::\w+)?\}")


def a_script(language: str = "en", seed: int = 1, **params: Any) -> Script:
    given = {"keyword": KEYWORDS.get(language, "x"), "durationSec": 30, "tone": "casual"} | params
    return compose(given, language, seed)


# The sentences


def sentences(language: str) -> list[str]:
    grammar = GRAMMARS[language]
    points = [grammar["points"], *(tone["points"] for tone in grammar["tones"].values())]
    single = [
        text
        for tone in grammar["tones"].values()
        for part in ("titles", "intros", "outros")
        for text in tone[part]
    ]
    return [*single, *(text for group in points for point in group for text in point)]


@pytest.mark.parametrize(("language", "tone"), list(product(LANGUAGES, TONES)))
def test_every_tone_has_variants_of_each_sentence(language: str, tone: str) -> None:
    grammar = GRAMMARS[language]["tones"][tone]

    assert {part: len(grammar[part]) >= 3 for part in grammar} == {
        "titles": True, "intros": True, "points": True, "outros": True,
    }  # fmt: skip
    assert all(len(point) >= 2 for point in grammar["points"])
    assert all(SLOT.search(text) for text in [*grammar["titles"], *grammar["intros"]])


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_complete_and_unique(language: str) -> None:
    texts = sentences(language)

    assert len(texts) == len(set(texts))
    titles = {title for tone in GRAMMARS[language]["tones"].values() for title in tone["titles"]}
    for text in texts:
        assert not re.search(r"[{}]", SLOT.sub("", text)), text
        assert text == text.strip()
        if text not in titles:
            assert text[-1] in ".!?", text
            assert bool(re.search("[가-힣]", text)) == (language == "ko"), text


def test_every_particle_after_a_korean_keyword_is_known() -> None:
    particles = {
        slot for text in sentences("ko") for slot in re.findall(r"\{keyword:(\w+)\}", text)
    }
    ungoverned = [text for text in sentences("ko") if re.search(r"\}[은는이가을를과와]\b", text)]

    assert particles == {"은", "이", "을", "으로", "이란", "이었습니다", "에", "에서", "의"}
    assert ungoverned == []


# Particles


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("커피", "커피는 커피가 커피를 커피로 커피란"),
        ("사진", "사진은 사진이 사진을 사진으로 사진이란"),
        ("서울", "서울은 서울이 서울을 서울로 서울이란"),
        ("AI", "AI는 AI가 AI를 AI로 AI란"),
        ("URL", "URL은 URL이 URL을 URL로 URL이란"),
        ("iPhone", "iPhone는 iPhone가 iPhone를 iPhone로 iPhone란"),
        ("Python", "Python은 Python이 Python을 Python으로 Python이란"),
        ("2026", "2026은 2026이 2026을 2026으로 2026이란"),
        ("5G", "5G는 5G가 5G를 5G로 5G란"),
        ("1", "1은 1이 1을 1로 1이란"),
        ("커피(라떼)", "커피(라떼)는 커피(라떼)가 커피(라떼)를 커피(라떼)로 커피(라떼)란"),
        ("🙂", "🙂는 🙂가 🙂를 🙂로 🙂란"),
    ],
)
def test_a_particle_agrees_with_the_preceding_sound(word: str, forms: str) -> None:
    written = [with_particle(word, particle) for particle in ("은", "이", "을", "으로", "이란")]

    assert " ".join(written) == forms


# Scripts


@pytest.mark.parametrize(("language", "tone"), list(product(LANGUAGES, TONES)))
@pytest.mark.parametrize("duration_sec", [15, 30, 60, 120])
def test_a_spoken_script_takes_about_the_requested_time(
    language: str, tone: str, duration_sec: int
) -> None:
    script = a_script(language, tone=tone, durationSec=duration_sec)

    spoken = speak([s.text for s in script.sections], Manner(language=language))

    assert script.duration_ms == duration_sec * 1000
    assert 0.82 <= spoken.duration_ms / script.duration_ms <= 1.2


def test_equal_seeds_give_equal_scripts_and_others_differ() -> None:
    scripts = [a_script(seed=seed) for seed in (1, 1, 2, 3, 4)]

    assert scripts[0] == scripts[1]
    assert len({script.spoken_text for script in scripts}) >= 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_tones_speak_differently(language: str) -> None:
    texts = {tone: a_script(language, tone=tone).spoken_text for tone in TONES}

    assert len(set(texts.values())) == len(TONES)


@pytest.mark.parametrize("tone", [None, "", "angry", 3, ["casual"]])
def test_an_unknown_tone_becomes_the_default(tone: Any) -> None:
    assert a_script(tone=tone if not isinstance(tone, list) else "sad") == a_script(tone="casual")


@settings(max_examples=60, deadline=None)
@given(
    keyword=st.text(min_size=1, max_size=300),
    language=st.sampled_from(LANGUAGES),
    tone=st.sampled_from(TONES),
    duration_sec=st.integers(5, 600),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_keyword_gives_a_script_or_is_refused(
    keyword: str, language: str, tone: str, duration_sec: int, seed: int
) -> None:
    given = {"keyword": keyword, "tone": tone, "durationSec": duration_sec}
    try:
        script = compose(given, language, seed)
    except PermanentProviderError as refused:
        assert not re.search(r"\w", keyword)
        assert refused.error_code == "PROVIDER_REFUSED"  # noqa: PT017 - not every keyword is refused
        return

    assert script.duration_ms == duration_sec * 1000
    texts = [section.text for section in script.sections]
    assert len(set(texts)) == len(texts)


def test_a_keyword_is_not_read_as_a_placeholder() -> None:
    script = a_script(keyword="{keyword} {0} \\1", tone="professional", seed=3)

    assert "{keyword} {0} \\1" in script.title + script.spoken_text


@pytest.mark.parametrize(
    ("language", "params", "code"),
    [
        ("fr", {}, "UNSUPPORTED_KIND"),
        ("en", {"keyword": None}, "PROVIDER_REFUSED"),
        ("en", {"keyword": " ... "}, "PROVIDER_REFUSED"),
        ("en", {"durationSec": 4}, "PROVIDER_REFUSED"),
        ("en", {"durationSec": 601}, "PROVIDER_REFUSED"),
        ("en", {"durationSec": 9.5}, "PROVIDER_REFUSED"),
        ("en", {"durationSec": True}, "PROVIDER_REFUSED"),
    ],
)
def test_an_impossible_script_is_refused(language: str, params: dict[str, Any], code: str) -> None:
    with pytest.raises(PermanentProviderError) as refused:
        a_script(language, **params)

    assert refused.value.error_code == code


def test_the_studio_writes_a_script_file(tmp_path: Path) -> None:
    request = GenerationRequest(
        job_id="job", key="script", kind="script", attempt=1, seed=5, language="ko",
        params={"keyword": "커피", "tone": "humorous", "durationSec": 20}, sources=(),
        workdir=tmp_path,
    )  # fmt: skip

    [made] = LocalStudio().generate(request)

    assert (made.type, made.mime_type) == ("json", "application/json")
    script = read_script(made.path.read_bytes())
    assert (script.language, script.duration_ms) == ("ko", 20_000)
    assert [section.name for section in script.sections] == ["INTRO", "BODY_1", "OUTRO"]
    assert "커피" in script.spoken_text
