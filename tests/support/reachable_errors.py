"""Which error codes the code of a route can raise, found by reading the source.

A walk over names: from the route's function to every function, class and constant of the product
that it names, and so on. Methods are found by their name among the recipes, because the recipe is
chosen at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "layers" / "core" / "python"
CHOSEN_AT_RUN_TIME = "darkroom.recipes"
# Names of recipes' methods that others have too: what recipes raise there, they raise elsewhere.
COMMON_NAMES = frozenset(
    {"code", "get", "inputs", "items", "key", "kind", "name", "price", "update"}
)
CONSTRUCTORS = frozenset({"__init__", "__call__", "__post_init__"})


def reachable_codes(route: str, code_of: Mapping[str, str]) -> set[str]:
    """The codes of all errors that ``module:function`` can raise, itself or through others.

    ``code_of``: the names of the classes of errors, each with its own code.
    """
    seen: set[str] = set()
    codes: set[str] = set()
    waiting = [route]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in _nodes_of(name):
            if isinstance(node, ast.Call):
                codes |= _raised(node, code_of)
            waiting.extend(_named_by(node, name))
    return codes


def _raised(call: ast.Call, code_of: Mapping[str, str]) -> set[str]:
    code = code_of.get(getattr(call.func, "attr", getattr(call.func, "id", "")))
    if code is None:
        return set()
    for keyword in call.keywords:
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
            return {str(keyword.value.value)}
    return {code}


def _nodes_of(name: str) -> Iterator[ast.AST]:
    """What is executed when this is called: of a class, only its construction."""
    node = _definitions()[name]
    parts: list[ast.stmt] = [node]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts = node.body
    elif isinstance(node, ast.ClassDef):
        parts = [
            part
            for part in node.body
            if isinstance(part, ast.FunctionDef) and part.name in CONSTRUCTORS
        ]
    for part in parts:
        yield from ast.walk(part)


def _named_by(node: ast.AST, within: str) -> Iterator[str]:
    """The definitions that a name or an attribute may mean inside ``within``."""
    module, _, place = within.partition(":")
    if isinstance(node, ast.Name):
        yield from _found(module, node.id)
    if not isinstance(node, ast.Attribute):
        return
    if isinstance(node.value, ast.Name):
        owner = _imports()[module].get(node.value.id)
        if owner is not None and owner in _imports():
            yield from _found(owner, node.attr)
            return
        if node.value.id in ("self", "cls"):
            yield from _found(module, f"{place.partition('.')[0]}.{node.attr}")
    if node.attr not in COMMON_NAMES:
        yield from _methods_of_recipes().get(node.attr, ())


def _found(module: str, name: str) -> Iterator[str]:
    """The definition of a name, where it is defined: followed through imports."""
    if f"{module}:{name}" in _definitions():
        yield f"{module}:{name}"
        return
    origin, _, imported = _imports()[module].get(name, "").rpartition(".")
    if origin in _imports() and f"{origin}.{imported}" not in _imports():
        yield from _found(origin, imported)


@cache
def _modules() -> dict[str, ast.Module]:
    found = {}
    for path in (SOURCE / "darkroom").rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def _imports() -> dict[str, dict[str, str]]:
    """Module → name in it → what was imported under it."""
    return {
        name: {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(module)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("darkroom")
            for alias in node.names
        }
        for name, module in _modules().items()
    }


@cache
def _definitions() -> dict[str, ast.stmt]:
    """``module:name`` or ``module:Class.method`` → where it is defined."""
    return {
        f"{name}:{place}": node
        for name, module in _modules().items()
        for place, node in _defined_in(module.body)
    }


def _defined_in(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _defined_in(node.body, f"{node.name}.")
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield prefix + target.id, node
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id, node


@cache
def _methods_of_recipes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in _definitions():
        if name.startswith(CHOSEN_AT_RUN_TIME):
            found.setdefault(name.partition(":")[2].rpartition(".")[2], []).append(name)
    return found
