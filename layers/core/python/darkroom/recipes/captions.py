"""The recipe ``captions``: a video or sound file → its speech as subtitles and text.

Owns languages and formats, the tasks between speech and files, and the price of a minute. A request
may name many files, and becomes one job for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from darkroom.kernel import catalog
from darkroom.kernel.described import StoredAs, Words, described
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import (
    CAPTION_CUT_SECONDS,
    CAPTION_FILES_LIMIT,
    CAPTION_PART_BYTES,
    CAPTION_PART_SECONDS,
    CAPTION_PART_WITH_SPEAKERS_SECONDS,
    CAPTION_TARGETS_LIMIT,
    CAPTION_TASKS_LIMIT,
)
from darkroom.kernel.money import PricePart
from darkroom.kernel.problems import problem
from darkroom.recipes.base import Blueprint, Material, Recipe, TaskSpec, require_kind
from darkroom.recipes.choices import DISTINCT, one_of
from darkroom.recipes.fields import AssetId, Faults, Inputs, Seed, check_faults, dump, parse

AUTO = "auto"
# Amazon Transcribe does not accept these types, but an M4A of their sound.
_NOT_TRANSCRIBABLE = frozenset({"video/quicktime", "audio/aac"})
TRANSCRIBE = "transcribe"
MINUTE_MS = 60_000
_LANGUAGES = "languages.json"

Format = Literal["srt", "vtt", "txt", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
DEFAULT_FORMAT: Format = "srt"


def target_languages() -> Mapping[str, Mapping[str, str]]:
    """Languages that can be transcribed and translated into: code → label by language."""
    languages: Mapping[str, Mapping[str, str]] = catalog.read(_LANGUAGES)["languages"]
    return languages


def source_languages() -> Mapping[str, Mapping[str, str]]:
    """The target languages, and automatic detection."""
    return {**catalog.read(_LANGUAGES)["sourceOnly"], **target_languages()}


SourceLanguage = Annotated[str, one_of(source_languages), Words("SourceLanguage", source_languages)]
TargetLanguage = Annotated[str, one_of(target_languages), Words("TargetLanguage", target_languages)]
FormatName = Annotated[Format, Words("CaptionFormat")]


class CaptionOptions(Inputs):
    source_lang: SourceLanguage = Field(
        default=AUTO, description="Spoken language, or `auto` to detect it.", examples=["en"]
    )
    translate: bool = Field(default=False, description="Also translate the captions.")
    target_langs: (
        Annotated[list[TargetLanguage], Field(max_length=CAPTION_TARGETS_LIMIT), DISTINCT] | None
    ) = Field(
        default=None,
        description="Languages to translate into, each for a price per minute. Required with "
        "`translate`.",
        examples=[["ko", "es"]],
    )
    target_lang: Annotated[TargetLanguage | None, StoredAs()] = Field(
        default=None,
        description="Another spelling of `targetLangs` with one language.",
        examples=["ko"],
    )
    output_formats: Annotated[list[FormatName], Field(min_length=1), DISTINCT] = Field(
        default_factory=lambda: [DEFAULT_FORMAT],
        description='Formats of the files, each made in every language. Default: `["srt"]`.',
        examples=[["srt", "vtt"]],
    )
    diarization: bool = Field(default=False, description="Label the speakers.")


class CaptionInputs(Inputs):
    """One job is made for each file."""

    asset_ids: Annotated[
        list[AssetId], Field(min_length=1, max_length=CAPTION_FILES_LIMIT), DISTINCT
    ] = described("Video and sound files; a job that exists has one.")
    options: CaptionOptions = Field(
        default_factory=CaptionOptions, description="Languages and formats."
    )
    seed: Seed | None = None
    test_faults: Faults | None = None


class Captions(Recipe):
    """Speech to text, in its own language and in others."""

    name = "captions"
    cost_names = ("captionsPerMinute", "translationPerMinute")
    inputs_model = CaptionInputs
    task_kinds = (TRANSCRIBE, "translate", "captions", "extract", "merge")
    changeable = frozenset({"options"})
    options_field = "options"
    is_named_after_source = True
    is_priced_by_length = True
    material_kinds = frozenset({"video", "audio"})
    material_field = "assetIds"

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        parsed = parse(CaptionInputs, inputs)
        _check_languages(parsed.options)
        stored = dump(parsed)
        stored["options"] = _one_spelling(stored["options"])
        check_faults(stored, [spec.key for spec in _specs(stored)])
        return stored

    def reopen(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        """The given languages replace the stored ones; without a translation there are none."""
        options, sent = dict(stored["options"]), changes.get("options")
        if isinstance(sent, Mapping):
            stops = "translate" in sent and sent["translate"] is not True
            names = sent.get("targetLang") is not None or sent.get("targetLangs") is not None
            if stops or names:
                options.pop("targetLangs", None)
        return {**stored, "options": options}

    def revise(self, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        return _require_one_file(super().revise(stored, changes))

    def patch(self, stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
        return _require_one_file(super().patch(stored, patch))

    def void_keys(
        self, before: Mapping[str, Any], after: Mapping[str, Any], made: frozenset[str]
    ) -> frozenset[str]:
        """With another source language or other speakers, all outputs are made again."""
        transcription = ("sourceLang", "diarization")
        same = all(before["options"][name] == after["options"][name] for name in transcription)
        return frozenset() if same else made

    def split(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{**inputs, "assetIds": [asset_id]} for asset_id in inputs["assetIds"]]

    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(inputs["assetIds"])

    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        _require_one_file(inputs)
        require_kind(materials, self.material_kinds, self.material_field)
        problems = [
            problem(f"assetIds.{place}", "NO_DURATION")
            for place, material in enumerate(materials)
            if material.duration_ms is None
        ]
        if problems:
            raise InvalidInput("a file without a length", fields=problems)

    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        options, minutes = inputs["options"], started_minutes(materials[0])
        base = PricePart(
            name="base",
            credits=minutes * costs["captionsPerMinute"],
            promised=_files(options, options["sourceLang"]),
        )
        translations = [
            PricePart(
                name=f"translate_{language}",
                credits=minutes * costs["translationPerMinute"],
                promised=_files(options, language),
            )
            for language in _targets(options)
        ]
        return (base, *translations)

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        wanted = blueprint.only_keys
        [material] = blueprint.materials
        specs = _specs(blueprint.inputs)
        if _is_too_much(blueprint.inputs["options"], material):
            specs = [*_transcribed_in_parts(specs[0], material, others=len(specs)), *specs[1:]]
        return [spec for spec in specs if not wanted or spec.key in wanted]


def started_minutes(material: Material) -> int:
    """The duration in started minutes, at least one."""
    assert material.duration_ms is not None
    return max(1, -(-material.duration_ms // MINUTE_MS))


def _check_languages(options: CaptionOptions) -> None:
    """Check that the options agree with each other.

    Raises:
        InvalidInput: with every field that does not.
    """
    path = "options.targetLangs" if options.target_lang is None else "options.targetLang"
    targets = options.target_langs or []
    if options.target_lang is not None:
        targets = [options.target_lang]
    problems = []
    if options.target_lang is not None and options.target_langs is not None:
        problems.append(problem("options.targetLang", "NOT_WITH", field="targetLangs"))
    if options.translate and not targets:
        problems.append(problem(path, "REQUIRED_WITH", field="translate"))
    if targets and not options.translate:
        problems.append(problem(path, "NEEDS", field="translate: true"))
    if options.source_lang in targets:
        problems.append(problem(path, "SAME_AS_SOURCE"))
    if problems:
        raise InvalidInput("options that contradict each other", fields=problems)


def _one_spelling(options: Mapping[str, Any]) -> dict[str, Any]:
    """Store one target language like several; without any, store no field."""
    stored = {name: value for name, value in options.items() if name != "targetLang"}
    if "targetLang" in options:
        stored["targetLangs"] = [options["targetLang"]]
    if not stored.get("targetLangs"):
        stored.pop("targetLangs", None)
    return stored


def _require_one_file(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Check that stored inputs name one file, because a job has one file."""
    if len(stored["assetIds"]) != 1:
        raise InvalidInput(
            "a job has one file",
            fields=[problem("assetIds", "ONLY_ONE")],
        )
    return dict(stored)


def _targets(options: Mapping[str, Any]) -> Sequence[str]:
    languages: Sequence[str] = options.get("targetLangs", ())
    return languages


def _files(options: Mapping[str, Any], language: str) -> tuple[str, ...]:
    return tuple(f"{name}_{language}" for name in options["outputFormats"])


def _specs(inputs: Mapping[str, Any]) -> list[TaskSpec]:
    """All tasks of the job: transcribe, translate and write files."""
    options = inputs["options"]
    source = options["sourceLang"]
    specs = [
        TaskSpec(
            key=TRANSCRIBE,
            kind="transcribe",
            params={"sourceLang": source, "diarization": options["diarization"]},
            materials=tuple(inputs["assetIds"]),
        )
    ]
    specs += [
        TaskSpec(
            key=f"translate_{language}",
            kind="translate",
            needs=(TRANSCRIBE,),
            params={"sourceLang": source, "targetLang": language},
        )
        for language in _targets(options)
    ]
    specs += _written(options, source, needs=TRANSCRIBE)
    for language in _targets(options):
        specs += _written(options, language, needs=f"translate_{language}")
    return specs


def _is_too_much(options: Mapping[str, Any], material: Material) -> bool:
    """Whether the file is too long or too large for one transcription, or of a type that no
    provider accepts."""
    duration_ms, size_bytes = material.duration_ms or 0, material.size_bytes or 0
    return (
        duration_ms > _part_ms(options["diarization"])
        or size_bytes > CAPTION_PART_BYTES
        or material.mime_type in _NOT_TRANSCRIBABLE
    )


def _part_ms(diarization: bool) -> int:
    """The maximum duration of one transcription. Only a service labels speakers; it accepts hours,
    and would not recognize the speaker of one part in the next."""
    return 1000 * (CAPTION_PART_WITH_SPEAKERS_SECONDS if diarization else CAPTION_PART_SECONDS)


def _transcribed_in_parts(whole: TaskSpec, material: Material, *, others: int) -> list[TaskSpec]:
    """Tasks that cut the sound into parts, transcribe each, and merge the transcripts under the
    key of the single task that they replace.

    ``others`` is the number of other tasks, because a job has a limited number.
    """
    assert material.duration_ms is not None
    window_ms = CAPTION_CUT_SECONDS * 1000
    part_ms = _part_ms(whole.params["diarization"]) - 2 * window_ms
    count = min(-(-material.duration_ms // part_ms), (CAPTION_TASKS_LIMIT - others) // 2)
    starts = [material.duration_ms * number // count for number in range(count)]
    parts, transcripts, offsets = [], [], {}
    for number, (start_ms, end_ms) in enumerate(
        zip(starts, [*starts[1:], None], strict=True), start=1
    ):
        until = {} if end_ms is None else {"toMs": end_ms}
        part = TaskSpec(
            key=f"media_{number:02}",
            kind="extract",
            params={"fromMs": start_ms, "windowMs": window_ms, **until},
            materials=whole.materials,
        )
        transcript = replace(
            whole, key=f"{TRANSCRIBE}_{number:02}", needs=(part.key,), materials=()
        )
        parts.append(part)
        transcripts.append(transcript)
        offsets[transcript.key] = max(0, start_ms - window_ms)
    joined = TaskSpec(
        key=whole.key, kind="merge", needs=tuple(offsets), params={"offsetsMs": offsets}
    )
    return [*parts, *transcripts, joined]


def _written(options: Mapping[str, Any], language: str, *, needs: str) -> list[TaskSpec]:
    return [
        TaskSpec(
            key=key,
            kind="captions",
            needs=(needs,),
            params={"format": name, "language": language},
        )
        for key, name in zip(_files(options, language), options["outputFormats"], strict=True)
    ]


CAPTIONS = Captions()
