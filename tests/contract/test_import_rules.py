"""The architecture's rules, read from the imports: data flows one way."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
FUNCTIONS = CORE.parents[2] / "functions"
PRODUCT = CORE / "darkroom"

FEATURES = {
    "albums",
    "analytics",
    "assets",
    "credits",
    "erasures",
    "endpoints",
    "events",
    "exports",
    "generation",
    "idempotency",
    "jobs",
    "limits",
    "payments",
    "plans",
    "recipes",
    "signup",
    "studio",
    "templates",
    "uploads",
    "usage",
    "webhooks",
}
LOWER = {"kernel", "media", "db"} | FEATURES | {"adapters", "bootstrap"}
# A package may import itself and these.
ALLOWED: dict[str, set[str]] = {
    "kernel": set(),
    "media": {"kernel"},
    "db": {"kernel"},
    "adapters": {"kernel"},
    **{feature: {"kernel", "db"} for feature in FEATURES},
    "recipes": {"kernel"},
    "generation": {"kernel", "media"},
    "generation/routing": {"kernel", "db"},
    "studio": {"kernel", "media", "generation"},
    "uploads": {"kernel", "media", "db"},
    "bootstrap": {"kernel", "db", "adapters"} | FEATURES,
    "usecases": LOWER,
    "views": LOWER | {"usecases"},
    "workers": LOWER | {"usecases"},
    "api": LOWER | {"usecases", "views", "workers"},
}
# Inside a package: what its parts may not import of each other.
APART = {
    # The functions behind the API import it, and have no NumPy and no Pillow.
    "generation/": ("darkroom.media.portable_math", "darkroom.media.small_jpeg"),
    "generation/vendors/": ("darkroom.generation.routing",),
    "generation/routing/": ("darkroom.generation.vendors",),
    "studio/pictures/": ("darkroom.studio.films", "darkroom.studio.speech"),
    "studio/speech/": ("darkroom.studio.films", "darkroom.studio.pictures"),
}
PURE = (
    "analytics/model.py", "analytics/statistics.py",
    "credits/model.py", "credits/pricing.py", "jobs/engine.py", "jobs/model.py", "plans/model.py",
    "endpoints/model.py",
    "signup/model.py",
    "generation/routing/cache.py", "generation/routing/health.py", "generation/routing/prices.py",
    "generation/routing/routes.py",
    "recipes/",
)  # fmt: skip
# Of ``media``, what works on pixels.
PIXELS = ("media/portable_math.py", "media/small_jpeg.py")
IMPURE_MODULES = {"boto3", "botocore", "pynamodb", "httpx", "os", "random", "secrets", "time"}


def product_files() -> list[Path]:
    return sorted(PRODUCT.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[str]:
    """Full names of what a file imports, also inside functions."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(path: Path) -> str:
    """``jobs``, or ``generation/routing``, which has its own rules."""
    parts = path.relative_to(PRODUCT).with_suffix("").parts
    inner = "/".join(parts[:2])
    return inner if inner in ALLOWED else parts[0]


def named(path: Path) -> str:
    return str(path.relative_to(PRODUCT))


def test_a_package_imports_only_what_lies_below_it() -> None:
    breaches = [
        f"{named(path)} imports {name}"
        for path in product_files()
        if package_of(path) != "__init__"
        for name in imports_of(path)
        if name.startswith("darkroom.")
        and name.split(".")[1] not in ALLOWED[package_of(path)] | {package_of(path).split("/")[0]}
    ]

    assert breaches == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    modules = {module_of(path): path for path in product_files()}
    imports = {name: product_imports(path, modules) for name, path in modules.items()}

    # A module without imports of the others, or that no other imports, is in no cycle.
    circles, size = dict(imports), 0
    while len(circles) != size:
        size = len(circles)
        imported = set().union(*circles.values())
        kept = {name for name in circles if name in imported and imports[name] & circles.keys()}
        circles = {name: imports[name] & kept for name in kept}

    assert circles == {}


def module_of(path: Path) -> str:
    parts = path.relative_to(CORE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def product_imports(path: Path, modules: Collection[str]) -> set[str]:
    """Modules of the product that a file imports, also inside functions."""
    named_modules = (
        name if name in modules else name.rpartition(".")[0] for name in imports_of(path)
    )
    return set(modules).intersection(named_modules)


def test_parts_of_a_package_stay_apart() -> None:
    breaches = [
        f"{named(path)} imports {name}"
        for path in product_files()
        for part, others in APART.items()
        if named(path).startswith(part)
        for name in imports_of(path)
        if name.startswith(others)
    ]

    assert breaches == []


@pytest.mark.parametrize("place", [*PURE, *APART])
def test_every_place_that_a_rule_names_exists(place: str) -> None:
    assert any(named(path).startswith(place) for path in product_files())


def test_libraries_stay_in_their_packages() -> None:
    breaches = [
        f"{named(path)} imports {library}"
        for path in product_files()
        for library in sorted({name.split(".")[0] for name in imports_of(path)})
        if library in forbidden_libraries(path)
    ]

    assert breaches == []


def forbidden_libraries(path: Path) -> set[str]:
    """Libraries that a file must not import."""
    place, package = named(path), package_of(path)
    strangers: set[str] = set()
    if not (package == "db" or place.endswith(("store.py", "items.py"))):
        strangers |= {"pynamodb"}
    if package not in ("adapters", "db") and not place.startswith("generation/vendors/"):
        strangers |= {"boto3", "botocore"}
    if package != "api":
        strangers |= {"fastapi", "starlette", "mangum"}
    if not place.startswith(("studio/", "uploads/inspection/", *PIXELS)):
        strangers |= {"av", "PIL", "numpy"}
    return strangers


def test_pure_modules_do_no_io() -> None:
    breaches = [
        f"{named(path)} imports {name}"
        for path in product_files()
        if named(path).startswith(PURE)
        for name in imports_of(path)
        if name.split(".")[0] in IMPURE_MODULES or name.startswith("darkroom.kernel.clock")
    ]

    assert breaches == []


def test_only_settings_reads_the_environment() -> None:
    breaches = said(("os.environ", "getenv"), but_not_in=("kernel/settings.py",))

    assert breaches == []


def test_time_and_randomness_come_through_the_kernel() -> None:
    forbidden = ("datetime.now(", "datetime.utcnow(", "time.time(", "uuid.uuid4(")

    assert said(forbidden, but_not_in=("kernel/",)) == []


def said(words: tuple[str, ...], *, but_not_in: tuple[str, ...]) -> list[str]:
    """Files that contain one of the words, other than those under the given places."""
    return [
        f"{named(path)} says {word}"
        for path in product_files()
        if not named(path).startswith(but_not_in)
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]


def test_only_commit_writes_transactions() -> None:
    callers = {
        named(path)
        for path in product_files()
        if "TransactWrite" in path.read_text(encoding="utf-8")
    }

    assert callers == {"db/commit.py"}


def test_handlers_have_thirty_lines_and_import_only_the_edges() -> None:
    handlers = sorted(FUNCTIONS.glob("*/handler.py"))
    long = [
        path.parent.name
        for path in handlers
        if len(path.read_text(encoding="utf-8").splitlines()) > 30
    ]
    strangers = [
        f"{path.parent.name} imports {name}"
        for path in handlers
        for name in imports_of(path)
        if name.startswith("darkroom.")
        and name.split(".")[1] not in {"api", "workers", "bootstrap"}
    ]

    assert handlers
    assert (long, strangers) == ([], [])


def test_functions_are_under_seventy_lines() -> None:
    long = [
        f"{named(path)}:{node.name}"
        for path in product_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= 70
    ]

    assert long == []
