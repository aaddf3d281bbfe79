"""Converts cells of text to numbers: each is a value, announced without a value, or refused. Pure.

Vectorised with Arrow: its expressions (RE2) take linear time in any text, and its numbers are read to the last digit.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forecasting_platform.feed_description.parts import Dialect
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.quality.limits import MAX_VALUE, value_problem

_SPACES = " \u00a0\u202f"


class Cell(IntEnum):
    """What a cell is."""

    VALUE = 0
    UNPUBLISHED = 1
    REFUSED = 2
    ABSENT = 3


@dataclass(frozen=True, slots=True)
class CellValues:
    """What cells say.

    Attributes:
        values: NaN where there is no number.
        kinds: of `Cell`.
    """

    values: Floats
    kinds: npt.NDArray[np.int8]

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "CellValues":
        """Those of some cells."""
        return CellValues(self.values[wanted], self.kinds[wanted])

    def reason(self, cell: int) -> str:
        """Why a cell is refused."""
        value = float(self.values[cell])
        return "not a number" if np.isnan(value) else value_problem(value) or "not a number"


def read_values(texts: pa.Array, dialect: Dialect, unit_factor: float = 1.0) -> CellValues:
    """The numbers that cells hold, each multiplied by a factor.

    >>> found = read_values(pa.array(["1,5", "", "x", None, "1e999"]), Dialect(decimalChar=","))
    >>> found.values, found.kinds
    (array([1.5, nan, nan, nan, inf]), array([0, 1, 2, 3, 2], dtype=int8))
    >>> read_values(pa.array(["yes", "no"]), Dialect(trueValues=("yes",), falseValues=("no",))).values
    array([1., 0.])
    """
    trimmed, missing = _trimmed(texts, dialect)
    is_number = pc.fill_null(pc.match_substring_regex(trimmed, _pattern(dialect)), False)
    is_number = pc.and_(is_number, pc.invert(missing))
    written = pc.if_else(is_number, trimmed, None)
    for words, number in ((dialect.true_values, "1"), (dialect.false_values, "0")):
        if words:
            written = pc.if_else(pc.is_in(trimmed, value_set=pa.array(words, pa.string())), number, written)
    if dialect.group_char:
        for mark in _SPACES if dialect.group_char in _SPACES else dialect.group_char:
            written = pc.replace_substring(written, mark, "")
    if dialect.decimal_char != ".":
        written = pc.replace_substring(written, dialect.decimal_char, ".")
    with np.errstate(over="ignore"):
        values = _floats(pc.utf8_ltrim(written, "+")) * unit_factor
    kinds = np.full(len(texts), Cell.REFUSED, dtype=np.int8)
    kinds[pc.fill_null(missing, False).to_numpy(zero_copy_only=False)] = Cell.UNPUBLISHED
    with np.errstate(invalid="ignore"):
        kinds[np.abs(values) <= MAX_VALUE] = Cell.VALUE
    kinds[texts.is_null().to_numpy(zero_copy_only=False)] = Cell.ABSENT
    return CellValues(values, kinds)


def count_values(texts: pa.Array, dialect: Dialect, unit_factor: float = 1.0) -> CellValues:
    """What each cell counts for: the factor where there is anything in it; an empty one is no event.

    >>> count_values(pa.array(["A", "", None]), Dialect()).values
    array([ 1., nan, nan])
    """
    _, missing = _trimmed(texts, dialect)
    is_event = ~pc.fill_null(missing, False).to_numpy(zero_copy_only=False)
    is_event &= texts.is_valid().to_numpy(zero_copy_only=False)
    return CellValues(
        np.where(is_event, unit_factor, np.nan), np.where(is_event, Cell.VALUE, Cell.ABSENT).astype(np.int8)
    )


def _trimmed(texts: pa.Array, dialect: Dialect) -> tuple[pa.Array, pa.Array]:
    """The cells without spaces around them, and which of them mean "no value"."""
    trimmed = pc.utf8_trim_whitespace(texts)
    return trimmed, pc.is_in(trimmed, value_set=pa.array(["", *dialect.missing_values], pa.string()))


def _floats(written: pa.Array) -> Floats:
    try:
        return np.asarray(pc.cast(written, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowInvalid:
        # Arrow reads no number such as "5." or one beyond the range; Python reads each that the pattern lets pass.
        return np.array([np.nan if text is None else float(text) for text in written.to_pylist()])


def _pattern(dialect: Dialect) -> str:
    point = "[" + ("." if dialect.decimal_char == "." else dialect.decimal_char) + "]"
    plain = f"[0-9]+{point}?[0-9]*|{point}[0-9]+"
    if dialect.group_char:
        mark = "[" + (_SPACES if dialect.group_char in _SPACES else rf"\{dialect.group_char}") + "]"
        plain = f"[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?|{plain}"
    return f"^[+-]?(?:{plain})(?:[eE][+-]?[0-9]+)?$"
