"""Elementary functions of arrays that have the same bits on every processor.

NumPy chooses its code for ``exp``, ``log``, ``power``, ``sin`` and the like, and BLAS its code for
products of matrices, by what the processor can do; the last bit of the result differs. IEEE 754
defines addition, multiplication, division, square roots and rounding to the bit, so everything
here is made of these alone. Results are float32, right to about five digits; single numbers are
left to ``math``, whose last bit is lost when they meet an array of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Float32s = npt.NDArray[np.float32]

_BLOCK: Final = 1 << 14
"""Values at a time: all the steps of one block stay within the processor's cache."""
_EXP2: Final = tuple(math.log(2) ** n / math.factorial(n) for n in range(6))
_LOG2: Final = tuple(2 / math.log(2) / n for n in (1, 3, 5, 7))
_SINE_SERIES: Final = tuple(
    (-1) ** (n // 2) * (2 * math.pi) ** n / math.factorial(n) for n in (1, 3, 5, 7, 9)
)
_ARC: Final = (0.9998660, -0.3302995, 0.1801410, -0.0851330, 0.0208351)
"""Abramowitz and Stegun, 4.4.49: right to 1e-5."""
_SMALLEST: Final = 2.0**-126
_MANTISSA_BITS: Final = 23
_EXPONENT_BIAS: Final = 127


def exp(values: Floats) -> Float32s:
    """e to the power of each value; never zero, never infinite."""
    return _blockwise(_exp2, np.asarray(values) * np.float32(1 / math.log(2)))


def log(values: Floats) -> Float32s:
    """The natural logarithm of each value; what is not above zero counts as the least number."""
    return _blockwise(_log2, values) * np.float32(math.log(2))


def power(values: Floats, exponent: float) -> Float32s:
    """Each value, 0 or more, to a power above 0."""
    return _blockwise(_exp2, _blockwise(_log2, values) * np.float32(exponent))


def sin(values: Floats) -> Float32s:
    """The sine of each value, in radians."""
    return sine_of_turns(np.asarray(values) * np.float32(0.5 / math.pi))


def cos(values: Floats) -> Float32s:
    """The cosine of each value, in radians."""
    return sine_of_turns(np.asarray(values) * np.float32(0.5 / math.pi) + np.float32(0.25))


def sine_of_turns(turns: Floats) -> Float32s:
    """The sine of each value, where 1 is a whole turn."""
    return _blockwise(_sine, turns - np.rint(turns))


def arctan2(y: Floats, x: Floats) -> Float32s:
    """The angle of each point (x, y) in radians, -pi … pi."""
    y, x = np.asarray(y, dtype=np.float32), np.asarray(x, dtype=np.float32)
    wide, tall = np.abs(x), np.abs(y)
    longest = np.maximum(np.maximum(wide, tall), np.float32(_SMALLEST))
    ratio = (np.minimum(wide, tall) / longest).astype(np.float32, copy=False)
    angle = ratio * _polynomial(_ARC, ratio * ratio)
    angle = np.where(tall > wide, np.float32(math.pi / 2) - angle, angle)
    angle = np.where(x < 0, np.float32(math.pi) - angle, angle)
    return np.where(y < 0, -angle, angle)


def weighted(pixels: Floats, weights: Sequence[float] | Float32s) -> Float32s:
    """The sum of the three channels of a float image, each times its weight."""
    red, green, blue = (np.float32(weight) for weight in weights)
    total = pixels[..., 0] * red
    total += pixels[..., 1] * green
    total += pixels[..., 2] * blue
    return total.astype(np.float32, copy=False)


def _blockwise(function: Callable[[Float32s], Float32s], values: Floats) -> Float32s:
    source = np.ascontiguousarray(values, dtype=np.float32)
    result = np.empty_like(source)
    flat_source, flat_result = source.reshape(-1), result.reshape(-1)
    for start in range(0, flat_source.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        flat_result[part] = function(flat_source[part])
    return result


def _polynomial(coefficients: Sequence[float], x: Float32s) -> Float32s:
    """Horner's rule; the constant comes first."""
    total = x * np.float32(coefficients[-1])
    for coefficient in coefficients[-2:0:-1]:
        total += np.float32(coefficient)
        total *= x
    total += np.float32(coefficients[0])
    return total


def _exp2(values: Float32s) -> Float32s:
    """A polynomial for the fraction, -1/2 … 1/2; the whole part goes into the exponent's bits."""
    values = np.clip(values, -126.0, 126.0)
    whole = np.rint(values)
    values -= whole
    bits = whole.astype(np.int32)
    bits += _EXPONENT_BIAS
    bits <<= _MANTISSA_BITS
    result = _polynomial(_EXP2, values)
    result *= bits.view(np.float32)
    return result


def _log2(values: Float32s) -> Float32s:
    """The exponent's bits, and a series for the mantissa, which lies around 1."""
    bits = np.maximum(values, np.float32(_SMALLEST)).view(np.int32)
    # As many as make the mantissa lie between the square roots of 1/2 and 2.
    whole = (bits - 0x3F3504F3) >> _MANTISSA_BITS
    mantissa = (bits - (whole << _MANTISSA_BITS)).view(np.float32)
    ratio = (mantissa - 1) / (mantissa + 1)
    return ratio * _polynomial(_LOG2, ratio * ratio) + whole.astype(np.float32)


def _sine(turns: Float32s) -> Float32s:
    # The second and third quarter mirror the first and the fourth.
    turns = np.where(np.abs(turns) > 0.25, np.copysign(np.float32(0.5), turns) - turns, turns)
    return turns * _polynomial(_SINE_SERIES, turns * turns)
