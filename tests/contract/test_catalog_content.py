"""The rules that every text and number in catalog/ keeps.

Owns what a template, a pack, a price, a label and a blocked word must look like, and that the
values of the studio are complete. It reads the files as a frontend or a translator would; only the
bounds of the studio's values are those of the code that draws with them.
"""

import ast
import itertools
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from darkroom.studio.films.sound import moods
from darkroom.studio.pictures import effects_light, effects_particles
from darkroom.studio.pictures.compose import shots
from darkroom.studio.pictures.scenery_values import Scenery, scenery
from darkroom.studio.pictures.styles import Style, styles
from darkroom.studio.pictures.tones import Grade, grades

CATALOG = Path(__file__).resolve().parents[2] / "catalog"

SCENES_BY_MODE = {"quick": 1, "story": 3, "trailer": 5}
STAGES = ("spark", "together", "apart")
GENRES = ("romance", "comedy", "noir")
VARIANTS = (1, 2, 3)
LANGUAGES = ("en", "ko")

LOOKS = {
    "grade": {
        "golden_hour", "soft_pastel", "candlelight", "rose_film",
        "candy_pop", "comic_bright", "sunny_retro", "neon_party",
        "high_contrast_bw", "silver_noir", "teal_shadow", "sepia_smoke",
        "cold_blue", "faded_memory", "dusk_violet", "autumn",
    },
    "framing": {"close", "medium", "wide", "low_left", "high_right", "tilted"},
    "effect": {
        "none", "bokeh", "light_leak", "confetti", "rain", "venetian",
        "grain", "halation", "snow", "petals", "film_burn", "vignette",
    },
    "motion": {
        "push_in", "pull_out", "pan_left", "pan_right",
        "tilt_up", "tilt_down", "handheld", "drift",
    },
}  # fmt: skip

# Longest text that still fits on one or two lines of a phone screen, in characters.
LONGEST_CHARS = {
    "title": {"en": 32, "ko": 20},
    "hook": {"en": 40, "ko": 22},
    "caption": {"en": 42, "ko": 24},
    "ending": {"en": 44, "ko": 24},
}
PROMPT_WORDS = range(20, 46)

HANGUL = re.compile(r"[\uac00-\ud7a3\u3131-\u318e]")
GENDERED_EN = re.compile(
    r"\b(he|him|his|she|her|hers|man|men|woman|women|boyfriend|girlfriend|husband|wife|bride|groom)\b",
    re.IGNORECASE,
)
GENDERED_KO = re.compile(r"그녀|오빠|언니|누나|남친|여친|남자|여자|남편|아내|신랑|신부")
MINORS_EN = re.compile(
    r"\b(child|children|kids?|teens?|teenagers?|boys?|girls?|baby|babies|toddlers?|school\w*)\b",
    re.IGNORECASE,
)

REFUSED_TEXTS = (
    ("sexual", "Please make it a sex scene by the lake."),
    ("sexual", "알몸으로 나오게 해 줘"),
    ("minors", "Something with a naked child in it."),
    ("minors", "미성년자 노출 장면을 넣어 줘"),
    ("gore", "The stranger finds a severed head."),
    ("gore", "시체 훼손 장면으로 끝내 줘"),
    ("hate", "It ends in ethnic cleansing."),
    ("hate", "외국인은 꺼져라고 외친다"),
    ("self-harm", "After you left I wanted to kill myself."),
    ("self-harm", "네가 떠난 뒤로 죽고 싶다는 생각뿐이었다"),
)

# Ordinary sentences that a simple word list would refuse.
HARMLESS_TEXTS = (
    "I was so embarrassed I could have died laughing.",
    "She moved from Essex to Middlesex and we cut a cake together.",
    "Nude lipstick, a grape soda and an assassin film on a Sunday.",
    "That sale was killer, and the class photo was analyzed twice.",
    "머리를 잘라 주던 미용실 앞에서 누드김밥을 나눠 먹었다.",
    "나는 주식에 투자해 보라던 너와 혼자해도 되는 게임을 했다.",
    "하나체육관에서 참수리를 닮은 연을 날렸다. 보고 싶어 죽겠다.",
    "자위대 뉴스가 나오던 식당에서 감자살까 고민했다.",
)

STUDIO = CATALOG.parent / "layers" / "core" / "python" / "darkroom" / "studio"
STUDIO_FILES = sorted(STUDIO.rglob("*.py"))
CATALOG_FILES = sorted(CATALOG.rglob("*.json"))


def read(*parts: str) -> dict[str, Any]:
    return json.loads(CATALOG.joinpath(*parts).read_text(encoding="utf-8"))


def template_file(mode: str, stage: str, genre: str) -> list[dict[str, Any]]:
    return read("templates", mode, f"{stage}-{genre}.json")["templates"]


COMBINATIONS = list(itertools.product(SCENES_BY_MODE, STAGES, GENRES))
TEMPLATES = [template for combination in COMBINATIONS for template in template_file(*combination)]
each_template = pytest.mark.parametrize(
    "template", TEMPLATES, ids=lambda template: template["templateId"]
)


def texts_of(template: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every pair of screen texts with its kind, in the order in which a viewer reads them."""
    return [
        ("title", template["title"]),
        ("hook", template["hook"]),
        *(("caption", scene["caption"]) for scene in template["scenes"]),
        ("ending", template["ending"]),
    ]


def assert_bilingual(text: dict[str, Any]) -> None:
    assert list(text) == list(LANGUAGES)
    for language in LANGUAGES:
        assert text[language] and text[language] == text[language].strip(), text
        assert "  " not in text[language], text
    assert not HANGUL.search(text["en"]), text
    assert HANGUL.search(text["ko"]), text


def same_text_key(text: str) -> str:
    """Two texts that differ only in case, spaces and punctuation are one text to a viewer."""
    return re.sub(r"\W", "", text.casefold())


def repeated(values: list[str]) -> set[str]:
    return {value for value in values if values.count(value) > 1}


# Files


@pytest.mark.parametrize("path", CATALOG_FILES, ids=lambda path: str(path.relative_to(CATALOG)))
def test_a_file_is_utf8_json_with_unique_keys_and_without_escapes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    def refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, Any]:
        assert not repeated([key for key, _ in pairs])
        return dict(pairs)

    content = json.loads(text, object_pairs_hook=refuse_repeated_keys)

    if path.is_relative_to(CATALOG / "templates"):
        assert text == json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    assert "\\u" not in text
    assert text.endswith("\n") and not text.endswith("\n\n")


def test_each_mode_stage_and_genre_has_exactly_one_template_file() -> None:
    expected = {
        CATALOG / "templates" / mode / f"{stage}-{genre}.json"
        for mode, stage, genre in COMBINATIONS
    }

    assert set((CATALOG / "templates").rglob("*.json")) == expected


# Templates


@pytest.mark.parametrize(("mode", "stage", "genre"), COMBINATIONS, ids="-".join)
def test_each_combination_has_three_numbered_variants(mode: str, stage: str, genre: str) -> None:
    templates = template_file(mode, stage, genre)

    assert [template["variant"] for template in templates] == list(VARIANTS)
    for template in templates:
        assert (template["mode"], template["stage"], template["genre"]) == (mode, stage, genre)
        assert template["templateId"] == f"{mode}-{stage}-{genre}-{template['variant']}"


def test_template_ids_are_unique() -> None:
    assert not repeated([template["templateId"] for template in TEMPLATES])


@each_template
def test_template_has_exactly_the_known_fields(template: dict[str, Any]) -> None:
    assert set(template) == {
        "templateId", "mode", "stage", "genre", "variant", "title", "hook", "ending", "scenes",
    }  # fmt: skip
    for scene in template["scenes"]:
        assert set(scene) == {"prompt", "caption", "look"}
        assert set(scene["look"]) == set(LOOKS)


@each_template
def test_template_has_as_many_scenes_as_its_mode_makes_clips(template: dict[str, Any]) -> None:
    assert len(template["scenes"]) == SCENES_BY_MODE[template["mode"]]


@each_template
def test_screen_texts_are_bilingual_and_fit_the_screen(template: dict[str, Any]) -> None:
    for kind, text in texts_of(template):
        assert_bilingual(text)
        for language in LANGUAGES:
            assert len(text[language]) <= LONGEST_CHARS[kind][language], (kind, text[language])


@each_template
def test_screen_texts_do_not_mention_the_viewers_gender(template: dict[str, Any]) -> None:
    for _, text in texts_of(template):
        assert not GENDERED_EN.search(text["en"]), text["en"]
        assert not GENDERED_KO.search(text["ko"]), text["ko"]


@each_template
def test_prompts_keep_the_subject_and_are_safe_for_an_image_model(template: dict[str, Any]) -> None:
    for scene in template["scenes"]:
        prompt = scene["prompt"]

        assert "the person in the reference photo" in prompt.lower()
        assert "likeness" in prompt and "no text" in prompt
        assert len(prompt.split()) in PROMPT_WORDS, prompt
        assert not HANGUL.search(prompt)
        assert not GENDERED_EN.search(prompt), prompt
        assert not MINORS_EN.search(prompt), prompt


@each_template
def test_looks_use_the_known_vocabulary(template: dict[str, Any]) -> None:
    for scene in template["scenes"]:
        for part, names in LOOKS.items():
            assert scene["look"][part] in names, (part, scene["look"][part])


@each_template
def test_scenes_of_a_template_look_different(template: dict[str, Any]) -> None:
    looks = [scene["look"] for scene in template["scenes"]]

    for one, other in itertools.combinations(looks, 2):
        assert (one["grade"], one["effect"]) != (other["grade"], other["effect"])
        assert one["framing"] != other["framing"]
        assert one["motion"] != other["motion"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["title", "hook", "caption", "ending"])
def test_no_screen_text_appears_twice_in_the_catalog(kind: str, language: str) -> None:
    texts = [
        same_text_key(text[language])
        for template in TEMPLATES
        for text_kind, text in texts_of(template)
        if text_kind == kind
    ]

    assert not repeated(texts)


def test_no_prompt_appears_twice_in_the_catalog() -> None:
    assert not repeated([scene["prompt"] for template in TEMPLATES for scene in template["scenes"]])


def test_every_look_is_used_somewhere() -> None:
    looks = [scene["look"] for template in TEMPLATES for scene in template["scenes"]]

    for part, names in LOOKS.items():
        assert {look[part] for look in looks} == names


# Packs and prices


def test_packs_are_those_of_the_price_list() -> None:
    packs = read("packs.json")["packs"]

    assert [(pack["name"], pack["credits"]) for pack in packs] == [
        ("Starter", 10),
        ("Value", 50),
        ("Pro", 120),
    ]
    for pack in packs:
        assert set(pack) == {"name", "credits", "prices", "for"}
        assert_bilingual(pack["for"])


def test_money_is_text_with_the_decimals_of_its_currency() -> None:
    for pack in read("packs.json")["packs"]:
        assert set(pack["prices"]) == {"KRW", "USD"}
        assert re.fullmatch(r"[1-9]\d*", pack["prices"]["KRW"])
        assert re.fullmatch(r"[1-9]\d*\.\d{2}", pack["prices"]["USD"])


@pytest.mark.parametrize("currency", ["KRW", "USD"])
def test_a_larger_pack_costs_more_in_all_and_less_per_credit(currency: str) -> None:
    packs = read("packs.json")["packs"]

    for smaller, larger in itertools.pairwise(packs):
        smaller_price = Decimal(smaller["prices"][currency])
        larger_price = Decimal(larger["prices"][currency])
        assert larger_price > smaller_price
        assert larger_price / larger["credits"] < smaller_price / smaller["credits"]


def test_prices_are_whole_credits_for_everything_that_costs() -> None:
    prices = read("prices.json")

    assert prices == {
        "quick": 0, "story": 2, "trailer": 5, "rewrite": 1, "regenerate": 1, "portrait": 1,
        "captionsPerMinute": 1, "translationPerMinute": 1,
        "script": 1, "image": 1, "voice": 1, "film": 2,
    }  # fmt: skip
    assert all(type(credits) is int for credits in prices.values())


def test_price_notes_exist_in_both_languages() -> None:
    for note in read("price_notes.json")["notes"]:
        assert set(note) == {"code", *LANGUAGES}
        assert_bilingual({language: note[language] for language in LANGUAGES})


# Labels


def test_every_choice_of_a_frontend_has_a_label_in_both_languages() -> None:
    recipes = read("recipes.json")

    assert {group: list(labels) for group, labels in recipes.items()} == {
        "modes": ["quick", "story", "trailer", "portraits", "captions", "images"],
        "stages": list(STAGES),
        "genres": list(GENRES),
        "sliders": ["intensity", "humor", "drama", "warmth", "pace"],
        "distanceModes": ["close", "medium", "far"],
        "endings": ["happy", "bittersweet", "open"],
        "portraitModes": ["single", "batch"],
        "roles": ["self", "partner", "bride", "groom"],
        "formats": ["srt", "vtt", "txt", "json"],
    }
    for labels in recipes.values():
        for label in labels.values():
            assert_bilingual(label)


# Blocked words


BLOCKED_WORDS = read("blocked_words.json")["categories"]


def blocked_words_in(text: str) -> list[str]:
    """A text's blocked words: English as whole words, Korean anywhere, as it glues particles on."""
    lowered = text.lower()
    english = [
        word
        for words in BLOCKED_WORDS.values()
        for word in words["en"]
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", lowered)
    ]
    korean = [word for words in BLOCKED_WORDS.values() for word in words["ko"] if word in lowered]
    return english + korean


def test_blocked_words_have_every_category_in_both_languages() -> None:
    assert list(BLOCKED_WORDS) == ["sexual", "minors", "gore", "hate", "self-harm"]
    for words in BLOCKED_WORDS.values():
        assert list(words) == list(LANGUAGES)
        for language in LANGUAGES:
            assert 8 <= len(words[language]) <= 20
        assert all(word == word.strip().lower() and not HANGUL.search(word) for word in words["en"])
        assert all(
            word == word.strip() and HANGUL.search(word) and len(word) > 1 for word in words["ko"]
        )


def test_a_blocked_word_belongs_to_one_category_only() -> None:
    words = [
        word
        for by_language in BLOCKED_WORDS.values()
        for words in by_language.values()
        for word in words
    ]

    assert not repeated(words)


@pytest.mark.parametrize(("category", "text"), REFUSED_TEXTS)
def test_a_harmful_text_contains_a_word_of_its_category(category: str, text: str) -> None:
    found = blocked_words_in(text)

    assert found
    assert set(found) <= set(BLOCKED_WORDS[category]["en"] + BLOCKED_WORDS[category]["ko"])


@pytest.mark.parametrize("text", HARMLESS_TEXTS)
def test_ordinary_sentences_are_not_blocked(text: str) -> None:
    assert blocked_words_in(text) == []


@each_template
def test_the_texts_of_the_catalog_pass_the_word_list(template: dict[str, Any]) -> None:
    texts = [text[language] for _, text in texts_of(template) for language in LANGUAGES]
    prompts = [scene["prompt"] for scene in template["scenes"]]

    assert blocked_words_in("\n".join(texts + prompts)) == []


# The studio's values


def test_every_value_of_the_studio_is_within_its_bounds() -> None:
    for load in (
        grades, shots, styles, scenery, effects_particles.particles, effects_light.light_palettes,
        moods,
    ):  # fmt: skip
        load.cache_clear()

        assert load()


def test_the_studio_draws_exactly_the_styles_on_offer() -> None:
    assert set(read("studio", "styles.json")) == set(read("styles.json")["styles"])


def test_the_studio_has_exactly_the_grades_and_framings_of_the_templates() -> None:
    assert set(read("studio", "grades.json")) == LOOKS["grade"]
    assert set(read("studio", "framings.json")) == LOOKS["framing"]


def test_every_genre_and_stage_has_default_looks_of_known_names() -> None:
    by_genre = read("studio", "default_looks.json")

    assert {genre: set(by_stage) for genre, by_stage in by_genre.items()} == {
        genre: set(STAGES) for genre in GENRES
    }
    for by_stage in by_genre.values():
        for chosen in itertools.chain.from_iterable(by_stage.values()):
            assert set(chosen) == set(LOOKS)
            assert all(chosen[part] in names for part, names in LOOKS.items())


def test_every_color_that_a_grade_names_exists() -> None:
    for name, grade in grades().items():
        assert len(effects_light.light_colors(name)) == 3
        assert grade.petals in effects_particles.particles()["petals"].colors


def test_the_sizes_of_particles_share_all_of_them() -> None:
    for particles in effects_particles.particles().values():
        assert sum(size.share for size in particles.sizes) == pytest.approx(1)
        slowest, fastest = particles.fall_px_per_second
        assert slowest <= fastest


def test_what_weather_lets_fall_and_where_windows_glow_is_complete() -> None:
    for weather in scenery().weather.values():
        assert weather.falling in {"", "rain", "fog", *scenery().flakes}
    for background in scenery().backgrounds.values():
        if background.kind == "city":
            assert set(background.lit_windows) == set(scenery().hours)
    assert set(scenery().leaves) | set(scenery().grass) <= set(scenery().colors)


@pytest.mark.parametrize(
    ("file", "shape", "change"),
    [
        ("grades.json", Grade, {"contrast": 1.5}),
        ("grades.json", Grade, {"backdrop": [0.5, 0.5, 1.2]}),
        ("grades.json", Grade, {"backdropBlurPx": -1}),
        ("grades.json", Grade, {"pattern": "stripes"}),
        ("grades.json", Grade, {"saturatoin": 1.0}),
        ("grades.json", Grade, {"grainLevels": None}),
        ("styles.json", Style, {"picture": None}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_value_that_is_out_of_bounds_missing_or_unknown_is_refused(
    file: str, shape: type, change: dict[str, Any]
) -> None:
    entry = next(iter(read("studio", file).values()))
    TypeAdapter(shape).validate_python(entry)

    with pytest.raises(ValidationError):
        TypeAdapter(shape).validate_python(entry | change)


def test_a_ground_of_an_unknown_kind_is_refused() -> None:
    content = read("studio", "scenery.json")
    content["foregrounds"]["meadow"]["kind"] = "jungle"

    with pytest.raises(ValidationError):
        TypeAdapter(Scenery).validate_python(content)


def test_what_the_api_reads_of_a_style_has_nothing_to_draw_with() -> None:
    """HTTP functions load ``styles.json`` at a cold start, and none of the studio's files."""
    for style in read("styles.json")["styles"].values():
        assert set(style) == {"label", "prompt", "look"}


def test_every_genre_has_its_music() -> None:
    assert set(moods()) == set(GENRES)


FLOATS_IN_A_TABLE = 8


@pytest.mark.parametrize("path", STUDIO_FILES, ids=lambda path: path.name)
def test_a_table_of_numbers_is_a_file_of_the_catalog(path: Path) -> None:
    """A constant of a module in ``studio/`` is a value with a name, not a list of them."""
    tables = [
        node.lineno
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and node.value is not None
        and sum(type(getattr(part, "value", None)) is float for part in ast.walk(node.value))
        >= FLOATS_IN_A_TABLE
    ]

    assert tables == []
