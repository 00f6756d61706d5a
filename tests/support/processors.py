"""Environments in which a process computes as if on another processor."""

from __future__ import annotations

import platform

import numpy as np

_IS_X86 = platform.machine().lower() in {"x86_64", "amd64"}


def _extensions() -> str:
    """The features of this processor that NumPy's wheel does not require."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return " ".join(found)


def _kernel(name: str) -> dict[str, str]:
    """OpenBLAS computes with the kernel of this x86 processor."""
    return {"OPENBLAS_CORETYPE": name} if _IS_X86 else {}


OTHER_PROCESSORS: list[dict[str, str]] = [
    _kernel("HASWELL"),
    {**_kernel("PRESCOTT"), "NPY_DISABLE_CPU_FEATURES": _extensions()},
]
"""One with half of this processor's features, and one with only the required features."""
