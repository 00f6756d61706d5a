"""The house's rules, read from the imports: data flows one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
FUNCTIONS = CORE.parents[2] / "functions"
PRODUCT = CORE / "darkroom"

FEATURES = {
    "assets",
    "credits",
    "events",
    "generation",
    "idempotency",
    "jobs",
    "payments",
    "recipes",
    "templates",
    "uploads",
    "webhooks",
}
LOWER = {"kernel", "db"} | FEATURES | {"adapters", "bootstrap"}
# A room may import itself and these; ``*`` in a feature's own name is itself.
ALLOWED = {
    "kernel": set(),
    "db": {"kernel"},
    "adapters": {"kernel"},
    **{feature: {"kernel", "db"} for feature in FEATURES},
    "recipes": {"kernel"},
    "generation": {"kernel"},
    "bootstrap": {"kernel", "db", "adapters"} | FEATURES,
    "usecases": LOWER,
    "views": LOWER | {"usecases"},
    "workers": LOWER | {"usecases"},
    "api": LOWER | {"usecases", "views", "workers"},
}
PURE = ("credits/model.py", "credits/pricing.py", "jobs/engine.py", "jobs/model.py", "recipes/")
IMPURE_MODULES = {"boto3", "botocore", "pynamodb", "httpx", "os", "random", "secrets", "time"}


def product_files() -> list[Path]:
    return sorted(PRODUCT.rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """Full names of what a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    first = path.relative_to(PRODUCT).parts[0]
    return first.removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(PRODUCT))


@pytest.mark.parametrize("path", product_files(), ids=named)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    seen = {name.split(".")[1] for name in imports_of(path) if name.startswith("darkroom.")}

    assert seen <= ALLOWED[room] | {room}


@pytest.mark.parametrize("path", product_files(), ids=named)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    place = named(path)
    libraries = {name.split(".")[0] for name in imports_of(path)}

    if not (room_of(path) == "db" or place.endswith("store.py")):
        assert "pynamodb" not in libraries
    if room_of(path) not in ("adapters", "db") and "providers/" not in place:
        assert not libraries & {"boto3", "botocore"}
    if room_of(path) != "api":
        assert not libraries & {"fastapi", "starlette", "mangum"}
    if not place.startswith("generation/providers/local/"):
        assert not libraries & {"av", "PIL", "numpy"}


@pytest.mark.parametrize("path", product_files(), ids=named)
def test_pure_modules_know_no_world(path: Path) -> None:
    if not named(path).startswith(PURE):
        return

    assert not {name.split(".")[0] for name in imports_of(path)} & IMPURE_MODULES
    assert not any(name.startswith("darkroom.kernel.clock") for name in imports_of(path))


@pytest.mark.parametrize("path", product_files(), ids=named)
def test_only_settings_reads_the_environment(path: Path) -> None:
    if named(path) == "kernel/settings.py":
        return
    text = path.read_text(encoding="utf-8")

    assert "os.environ" not in text
    assert "getenv" not in text


@pytest.mark.parametrize("path", product_files(), ids=named)
def test_time_and_randomness_come_through_the_kernel(path: Path) -> None:
    if room_of(path) == "kernel":
        return
    text = path.read_text(encoding="utf-8")

    for forbidden in ("datetime.now(", "datetime.utcnow(", "time.time(", "uuid.uuid4("):
        assert forbidden not in text


def test_only_commit_writes_transactions() -> None:
    callers = {
        named(path)
        for path in product_files()
        if "TransactWrite" in path.read_text(encoding="utf-8")
    }

    assert callers == {"db/commit.py"}


@pytest.mark.parametrize(
    "path", sorted(FUNCTIONS.glob("*/handler.py")), ids=lambda p: p.parent.name
)
def test_handlers_are_thirty_lines_and_know_only_the_edges(path: Path) -> None:
    names = [name for name in imports_of(path) if name.startswith("darkroom.")]

    assert len(path.read_text(encoding="utf-8").splitlines()) <= 30
    assert {name.split(".")[1] for name in names} <= {"api", "workers", "bootstrap"}


def test_functions_are_under_seventy_lines() -> None:
    long = [
        f"{named(path)}:{node.name}"
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= 70
    ]

    assert long == []
