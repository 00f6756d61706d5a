"""The vocabulary: retired words stay out of the checked texts, and spelling is American.

One idea has one word, and it is the field's standard term. To check another part of the code, list
its retired words (``python -m tests.contract.test_words layers/core/python/darkroom/credits``),
clean it and add its path to ``CHECKED``. A retired word that is right in one place (a quoted field
of an API, a name of a vendor) goes to ``ALLOWED``, as the whole phrase that contains it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CHECKED = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "THIRD_PARTY_NOTICES.md",
    "docs",
    "bench",
    "local",
    "clients",
    "functions",
    "layers/core/python/darkroom",
    "tests/conftest.py",
    "tests/contract",
    "tests/golden/record.py",
    "tests/integration",
    "tests/live",
    "tests/media",
    "tests/product",
    "tests/support",
    "tests/unit",
    ".github",
    ".pre-commit-config.yaml",
    ".env.example",
    "Makefile",
    "pyproject.toml",
    "samconfig.toml",
    "template.yaml",
)
"""Files and folders, from the root of the repository."""

CHECKED_FOR_SPELLING = ("catalog",)
"""Story texts may use any words, but in American spelling."""

SUFFIXES = {".md", ".py", ".yml", ".yaml", ".toml", ".json"}
"""Of the files in a folder."""

LEFT_OUT = {
    # Their words are those of ``api/``.
    "docs/openapi.json",
    "docs/releases/*.json",
    # They contain retired words on purpose.
    "tests/contract/test_words.py",
    "tests/unit/test_words.py",
}

RETIRED: tuple[tuple[str, str], ...] = (
    # Our own words for things that have a standard term.
    (r"graves?", "tombstone"),
    (r"bury|buries|buried|burying", "fail_undelivered_task; write a tombstone"),
    (r"look(?:s|ed)? again|next look|a look at", "poll, poll_again"),
    (r"told", "report, return, log; name the subject and what it receives"),
    (r"(?<!\.)tells?(?!\()", "report, return, say; name the subject"),
    (r"hears?|heard", "receive (a callback); transcribe (speech)"),
    (r"(?:the|only) news", "callback"),
    (r"lanes?", "account queue; index partition; pipeline"),
    (r"left alone|leaves? (?:it|them|the provider) alone", "circuit open"),
    (r"until_won", "retry_on_conflict"),
    (r"asked", "requested; called; name the subject and what it does"),
    (r"note_health", "record_health"),
    (r"(?:beside|also)(?==)", "extra_writes"),
    (r"begin_job", "mark_running"),
    (r"offer_job", "price_job"),
    (r"call_address", "callback_url"),
    (r"generation[./](?:pieces|spoken|faults)", "text_chunks, speech_text, fault_injection"),
    (r"keep_pictures", "import_generated_images"),
    (r"join_album", "add_outputs_to_album"),
    (r"answer(?:s|ed|ing)?", "response; return, respond"),
    (r"wish(?:es)?", "user prompt"),
    (r"roster", "registry"),
    (r"rooms?", "package; space"),
    (r"houses?", "codebase; contain"),
    (r"briefs", "prompts"),
    (r"understood(?=\()", "translate_errors()"),
    (r"not_taken(?=\()", "retryable()"),
    (r"mendable", "operator-fixable"),
    (r"mend(?:s|ed|ing)?", "repair, fix"),
    # Sentences without a subject, and English that needs reading twice.
    (r"anew|afresh", "again; re-encoded, remuxed"),
    (r"(?:some|no|any|every)body|who(?:m)?ever", "name the subject: the caller, the sweeper"),
    (r"what there is", "name the thing"),
    (r"on (?:its|their) way", "in flight, in progress"),
    (r"(?:of|from) before", "earlier"),
    (r"for ever", "forever"),
    (r"dearer", "more expensive"),
    (r"telephones?", "phone"),
)
"""A pattern for whole words (parts of snake_case and camelCase names count), and what to use."""

SPELLING: tuple[tuple[str, str], ...] = (
    (r"(?:dis)?colour(?:s|ed|ing|ful)?", "color"),
    (r"(?:hon|fav|behavi|neighb|lab|flav|harb)our(?:s|ed|ing|able|ite)?", "-or"),
    (r"catalogues?", "catalog"),
    (r"cancell(?:ed|ing)", "canceled, canceling"),
    (r"greys?", "gray"),
    (r"licences?|licenced", "license"),
    (r"centres?|centred", "center"),
    (r"defences?|offences?", "defense, offense"),
    (r"artefacts?|judgements?|fulfils?|whilst|amongst|cheques?", "the American spelling"),
    (r"(?:label|travel|model|signal)l(?:ed|ing)", "one l"),
    (
        (
            r"(?:recogni|authori|organi|initiali|normali|seriali|optimi|summari|reali|utili)"
            r"s(?:e|es|ed|er|ing|ation)"
        ),
        "-ize",
    ),
    (r"analys(?:ed|ing)", "analyze"),
    (r"cosy|kerb|tyres?", "the American spelling"),
)
"""The same for American spelling; story texts and prompts of the catalog are checked for it too."""

_CODE = "layers/core/python/darkroom"

ALLOWED: dict[str, tuple[str, ...]] = {
    # The system prompt of language models: changing it changes what they write.
    "layers/core/python/darkroom/generation/script.py": (
        "Answer with one JSON object",
        "the form of the answer",
    ),
    # Words of vendors.
    "layers/core/python/darkroom/generation/vendors/creatomate.py": ('"cancelled"',),
    "layers/core/python/darkroom/generation/vendors/fal.py": ('"client_cancelled"',),
    # A parameter of stored tasks.
    "layers/core/python/darkroom/studio/pictures/picture.py": ('"wish"',),
    # Acoustics, and words of prompts.
    "layers/core/python/darkroom/studio/films/sound.py": ("in a soft room", "_ROOM"),
    "catalog/studio/scenery_words.json": ("house", "grey", "harbour"),
    # Stored names, queue fields and outcomes of the API stay as they are.
    f"{_CODE}/albums/items.py": ('"grave#"', "``grave#<id>``"),
    f"{_CODE}/assets/store.py": ('"grave#"', '"facesAsked"', "``grave#<asset id>``"),
    f"{_CODE}/jobs/items.py": ('"lane"', '"laneKey"'),
    f"{_CODE}/workers/ingest.py": ('"lane"',),
    f"{_CODE}/payments/messages.py": ('"asked"',),
    f"{_CODE}/recipes/images.py": ('"wish"', "``wish``"),
    # A part of the prompts that providers get.
    f"{_CODE}/recipes/rewrite.py": ("The scene tells:",),
    f"{_CODE}/usecases/projections/import_generated_images.py": ('"wish"',),
    f"{_CODE}/usecases/projections/project_asset.py": ('"lane": pipeline',),
    f"{_CODE}/usecases/sweeps/sweep_uploads.py": ('"check_asked"',),
    f"{_CODE}/usecases/tasks/receive_provider_callback.py": ('"heard"',),
    # The heading is that of the field in catalog/providers.json, compared by test_providers.py.
    "docs/providers.md": ("| vendor | answers | limits | source |",),
    # A text of the demo's story.
    "local/run_demo.py": ("This time nobody leaves.",),
    # The names of an index and its keys.
    "template.yaml": (
        "AttributeName: laneKey",
        "AttributeName: lane",
        "IndexName: lane",
        "/index/lane",
    ),
    # Values of the HTTP API keep their names.
    f"{_CODE}/api/routers/plans.py": ('"cancelled"',),
    f"{_CODE}/api/schemas/plans.py": ('"cancelled"',),
    f"{_CODE}/plans/store.py": ('"cancelled"',),
    f"{_CODE}/usecases/plans/reconcile_subscription.py": ('"cancelled"',),
    f"{_CODE}/views/accounts.py": ("`cancelled`",),
    "tests/product/test_subscriptions.py": ('"cancelled"',),
    "tests/product/test_subscriptions_stripe.py": ('"cancelled"',),
    "layers/core/python/darkroom/api/schemas/webhooks.py": ("``heard``",),
    # The same names in tests: words of vendors, stored attributes, outcomes and catalog fields.
    "tests/contract/test_providers.py": (
        "| vendor | answers | limits | source |",
        "vendor['answers']",
    ),
    "tests/integration/test_replicate.py": ('"heard"',),
    "tests/media/test_studio_scenes.py": ('"wish"', "a harbour"),
    "tests/support/damage.py": ('"lane"', '"laneKey"'),
    "tests/support/fal_stand_in.py": ('"Cancelled"', '"client_cancelled"'),
    "tests/support/laws.py": ('"lane"', '"laneKey"'),
    "tests/unit/test_creatomate.py": ('"cancelled"',),
    "tests/unit/test_fal.py": ('"Cancelled"', '"client_cancelled"'),
    "tests/unit/test_laws.py": ("lane=", "laneKey="),
    # The stored attribute and the code keep their names.
    "layers/core/python/darkroom/idempotency/store.py": (
        '("status", "answer")',
        'attr_name="answer"',
        '"answer" in stored',
        'stored["answer"]',
        '"ALREADY_ANSWERED"',
    ),
    "docs/examples/postcard/templates/spark-romance.json": ("Wish You Were Here",),
    # The same stored names, outcomes and words of vendors in the tests.
    "tests/product/test_every_item_class.py": ('"grave#"',),
    "tests/product/test_fal_jobs.py": ('"heard"', '"client_cancelled"'),
    "tests/product/test_images.py": ('"wish"',),
    "tests/product/test_ingest.py": ('"lane": "c"', '"upload_check_asked"'),
    "tests/product/test_replicate_jobs.py": ('"heard"',),
    "tests/product/test_sweep_items.py": ('"grave#{name}"',),
    "tests/product/test_waiting.py": ('"heard"',),
}
"""Phrases that a file may contain."""

CODE_SPAN = re.compile(r"`[^`]*`|\]\([^)]*\)|<https?://[^>]*>")
"""Names in code spans and link targets of Markdown: they are checked where they are defined."""
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Pattern = tuple[re.Pattern[str], str]


def whole_words(table: Iterable[tuple[str, str]]) -> tuple[Pattern, ...]:
    return tuple(
        (re.compile(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", re.IGNORECASE), use)
        for pattern, use in table
    )


SPELLED = whole_words(SPELLING)
EVERY_PATTERN = whole_words(RETIRED) + SPELLED


def retired_words(
    line: str, patterns: tuple[Pattern, ...] = EVERY_PATTERN
) -> Iterator[tuple[str, str]]:
    """Each retired word of a line, and what to use instead."""
    words = HUMP.sub(" ", line)
    for pattern, use in patterns:
        for match in pattern.finditer(words):
            yield match[0], use


def checked_files(names: Iterable[str]) -> list[Path]:
    found: list[Path] = []
    for name in names:
        path = ROOT / name
        assert path.exists(), f"{name} is to be checked and does not exist"
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
        else:
            found.append(path)
    return [path for path in found if not _is_left_out(path.relative_to(ROOT).as_posix())]


def _is_left_out(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in LEFT_OUT)


def breaches(path: Path, patterns: tuple[Pattern, ...] = EVERY_PATTERN) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    for word, use in retired_words(name, patterns):
        yield f"{name}: {word!r} in the name: use {use}"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for phrase in ALLOWED.get(name, ()):
            line = line.replace(phrase, "")
        if path.suffix == ".md":
            line = CODE_SPAN.sub("``", line)
        for word, use in retired_words(line, patterns):
            yield f"{name}:{number}: {word!r}: use {use}"


def test_no_checked_file_has_a_retired_word() -> None:
    found = [breach for path in checked_files(CHECKED) for breach in breaches(path)]

    assert not found, "\n" + "\n".join(found)


def test_the_catalog_has_american_spelling() -> None:
    files = checked_files(CHECKED_FOR_SPELLING)
    found = [breach for path in files for breach in breaches(path, SPELLED)]

    assert files
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("class GraveItem(BaseItem):", "Grave"),
        ("def bury_task(app: App) -> None:", "bury"),
        ("The vendor is asked for the run.", "asked"),
        ("until_won(lambda: commit())", "until_won"),
        ("Nobody holds the task.", "Nobody"),
        ("commit(writes, beside=entries)", "beside"),
        ("A cancelled job", "cancelled"),
        ("the authorised reader", "authorised"),
    ],
)
def test_a_retired_word_is_found_in_prose_and_in_names(line: str, word: str) -> None:
    assert word in [found for found, _ in retired_words(line)]


@pytest.mark.parametrize(
    "line",
    [
        "The position is file.tell().",
        "A gravel path beside the planet, seen in the look of a template.",
        "the sub-plan explains the canceled cancellation of an engraved mushroom",
    ],
)
def test_a_word_that_only_contains_a_retired_one_is_accepted(line: str) -> None:
    assert list(retired_words(line)) == []


def test_every_allowed_phrase_is_still_in_its_file() -> None:
    unused = [
        f"{name}: {phrase}"
        for name, phrases in ALLOWED.items()
        for phrase in phrases
        if phrase not in (ROOT / name).read_text(encoding="utf-8")
    ]

    assert unused == []


if __name__ == "__main__":
    print(*(breach for path in checked_files(sys.argv[1:]) for breach in breaches(path)), sep="\n")
