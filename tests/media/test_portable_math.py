"""The studio's arithmetic has the same bits on every processor."""

from __future__ import annotations

import ast
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

import darkroom
from darkroom.media import portable_math

PRODUCT = Path(darkroom.__file__).parent
PACKAGES = ("studio", "uploads/inspection", "media")
EXCEPT = {
    "faces.py",  # Reads pictures and makes none; what it finds is rounded before it is kept.
    "blank_in_place.py",  # Computes which bytes of a file to erase, in integers.
    "portable_math.py",  # Its constants are Python numbers; its bits are compared below.
}
EXACT = frozenset((
    "abs", "add", "arange", "array", "asarray", "ascontiguousarray", "bincount", "clip",
    "concatenate", "copysign", "cumsum", "diff", "empty", "empty_like", "fft", "flatnonzero",
    "float32", "float64", "floating", "floor", "full", "full_like", "gradient", "int16", "int32",
    "int64", "interp", "kron", "linspace", "max", "maximum", "mean", "meshgrid", "minimum",
    "ones", "ones_like", "pad", "percentile", "pi", "ptp", "random", "repeat", "rint", "roll",
    "round", "sort", "sqrt", "stack", "take", "tile", "uint16", "uint8", "where", "zeros",
    "zeros_like",
))  # fmt: skip
"""Defined to the bit by IEEE 754, or sums in an order that does not depend on the processor."""
METHODS_BY_BLAS = frozenset({"dot", "matmul"})


def processor_dependent(source: str) -> list[str]:
    """What in the source depends on the processor: products of matrices, powers, functions."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            found.append(f"line {node.lineno}: @")
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            exponent = node.right if isinstance(node, ast.BinOp) else node.value
            whole = isinstance(exponent, ast.Constant) and exponent.value == 2
            if not whole and not _is_number(node):
                found.append(f"line {node.lineno}: **")
        if isinstance(node, ast.Attribute):
            of_numpy = isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy")
            if (of_numpy and node.attr not in EXACT) or node.attr in METHODS_BY_BLAS:
                found.append(f"line {node.lineno}: {node.attr}")
    return found


def _is_number(node: ast.BinOp | ast.AugAssign) -> bool:
    """Both sides are literals or constants: then Python computes it, not NumPy."""
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else ()
    return bool(sides) and all(
        isinstance(side, ast.Constant) or (isinstance(side, ast.Name) and side.id.isupper())
        for side in sides
    )


@pytest.mark.parametrize(
    "module",
    sorted(
        path
        for package in PACKAGES
        for path in (PRODUCT / package).rglob("*.py")
        if "import numpy" in path.read_text() and path.name not in EXCEPT
    ),
    ids=lambda path: path.stem,
)
def test_nothing_the_studio_computes_depends_on_the_processor(module: Path) -> None:
    assert processor_dependent(module.read_text()) == []


@pytest.mark.parametrize(
    "line",
    ["a @ b", "a @= b", "a.dot(b)", "np.dot(a, b)", "np.einsum('i,i', a, b)", "np.exp(a)",
     "np.convolve(a, b)", "np.linalg.norm(a)", "a ** 1.5", "a ** 3", "a **= 0.5", "np.hypot(a, b)",
     "np.power(a, 2)"],
)  # fmt: skip
def test_a_dependency_on_the_processor_is_detected(line: str) -> None:
    assert processor_dependent(line) != []


def values(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, 40_001, dtype=np.float32)


def test_the_functions_are_accurate_to_five_digits() -> None:
    wide, positive = values(-20, 20), values(1e-4, 3)
    angles = values(-math.pi, math.pi)[1:-1]

    off = {
        "exp": portable_math.exp(values(-30, 5)) / np.exp(values(-30, 5).astype(np.float64)) - 1,
        "log": portable_math.log(positive) - np.log(positive),
        "power": portable_math.power(positive, 1.7) - positive**1.7,
        "sin": portable_math.sin(wide) - np.sin(wide),
        "cos": portable_math.cos(wide) - np.cos(wide),
        "arctan2": portable_math.arctan2(np.sin(angles), np.cos(angles)) - angles,
    }

    assert {name: float(np.abs(error).max()) for name, error in off.items()} == pytest.approx(
        dict.fromkeys(off, 0.0), abs=3e-5
    )


def test_the_ends_of_their_ranges_are_finite() -> None:
    ends = np.array([-1e9, -200, 0, 1e9], dtype=np.float32)

    assert np.isfinite(portable_math.exp(ends)).all()
    assert np.isfinite(portable_math.log(ends)).all()
    assert portable_math.power(np.array([0.0, 1.0]), 0.8) == pytest.approx([0.0, 1.0], abs=1e-12)
    assert portable_math.arctan2(np.zeros(1), np.zeros(1)) == [0.0]


def test_any_shape_is_kept_and_nothing_is_overwritten() -> None:
    given = values(0, 1)[:40_000].reshape(200, 200)
    turned = given.T.copy().T

    assert portable_math.exp(turned).shape == (200, 200)
    assert np.array_equal(portable_math.exp(turned), portable_math.exp(given))
    assert np.array_equal(turned, values(0, 1)[:40_000].reshape(200, 200))


def test_the_results_have_the_same_bits_on_every_processor() -> None:
    digest = hashlib.sha256()
    for function, low, high in (
        (portable_math.exp, -30, 5),
        (portable_math.log, 0, 9),
        (portable_math.sin, -50, 50),
        (portable_math.cos, -50, 50),
    ):
        digest.update(function(values(low, high)).tobytes())
    digest.update(portable_math.power(values(0, 2), 0.8).tobytes())
    digest.update(portable_math.arctan2(values(-1, 1), values(2, -2)).tobytes())

    assert digest.hexdigest()[:16] == "a728c02894924397"
