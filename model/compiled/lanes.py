"""Vector instructions that numba does not write by itself: many rows side by side, a byte or a double each.

A loop over rows is compiled to vector instructions only where the compiler can prove that its arrays are apart, and it
never turns rows into columns. So these few steps are given as LLVM's vectors, which it lowers for any processor. Every
addition is a plain IEEE 754 one, lane by lane. Nothing here checks bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.core import extending
from numba.core.extending import models, register_model
from numba.np.arrayobj import make_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LANES = 64
"""Rows side by side, a byte each: the largest vector register."""

LINE = 8
"""Doubles of a line of the cache, and rows whose lines are added at once."""

_INT, _LONG = ir.IntType(32), ir.IntType(64)
_BYTES, _FLOATS = ir.VectorType(ir.IntType(8), LANES), ir.VectorType(ir.FloatType(), LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LINE)

intrinsic: Any = extending.intrinsic  # whose type says that it leaves the first argument in
_Typed = tuple[Any, "Callable[[Any, Any, Any, Any], Any]"]


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"lanes of {LANES} bytes")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BYTES)


_LANES = _Lanes()


@intrinsic
def no_lanes(_typing: Any) -> _Typed:
    """Return lanes of 0."""

    def generate(_context: Any, _builder: Any, _signature: Any, _arguments: Any) -> Any:
        return ir.Constant(_BYTES, None)

    return _LANES(), generate


@intrinsic
def count_above(_typing: Any, counts: Any, column: Any, threshold: Any) -> _Typed:
    """Return counts, one more in each lane whose value in `column`, float32 [LANES], is above; NaN is not."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counts, column, threshold = arguments
        values = builder.load(_place(context, builder, signature.args[1], column, _LONG(0), _FLOATS), align=4)
        above = builder.fcmp_ordered(">", values, _in_all(builder, threshold))
        return builder.sub(counts, builder.sext(above, _BYTES))

    return _LANES(counts, column, types.float32), generate


@intrinsic
def set_bins(_typing: Any, row_bytes: Any, slot: Any, counts: Any, column: Any) -> _Typed:
    """Set the two rows of a slot's bytes: counts, at first with 255 where `column` is NaN, then as they are."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_bytes, slot, counts, column = arguments
        values = builder.load(_place(context, builder, signature.args[3], column, _LONG(0), _FLOATS), align=4)
        missing = builder.fcmp_unordered("uno", values, values)
        right = builder.select(missing, ir.Constant(_BYTES, [255] * LANES), counts)
        for side, bins in enumerate((right, counts)):
            at = builder.mul(builder.add(builder.shl(slot, _LONG(1)), _LONG(side)), _LONG(LANES))
            builder.store(bins, _place(context, builder, signature.args[0], row_bytes, at, _BYTES), align=1)
        return context.get_dummy_value()

    return types.void(row_bytes, types.intp, counts, column), generate


@intrinsic
def add_above(_typing: Any, cells: Any, row_bytes: Any, row: Any, bin_: Any, stride: Any) -> _Typed:
    """Return cells, with the stride added in each lane whose byte in this row is above the bin."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        cells, row_bytes, row, bin_, stride = arguments
        at = builder.mul(row, _LONG(LANES))
        compared = builder.load(_place(context, builder, signature.args[1], row_bytes, at, _BYTES), align=1)
        above = builder.icmp_unsigned(">", compared, _in_all(builder, bin_))
        return builder.add(cells, builder.select(above, _in_all(builder, stride), ir.Constant(_BYTES, None)))

    return _LANES(cells, row_bytes, types.intp, types.uint8, types.uint8), generate


@intrinsic
def set_lanes(_typing: Any, out: Any, lanes: Any) -> _Typed:
    """Set an array, uint8 [LANES]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(
            arguments[1], _place(context, builder, signature.args[0], arguments[0], _LONG(0), _BYTES), align=1
        )
        return context.get_dummy_value()

    return types.void(out, lanes), generate


@intrinsic
def fetch_line(_typing: Any, values: Any, at: Any) -> _Typed:
    """Begin to read `values[at]`, which is wanted soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, at = arguments
        place = _place(context, builder, signature.args[0], values, builder.mul(at, _LONG(LINE)), ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [place.type, _INT, _INT, _INT])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(prefetch, [place, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(values, types.intp), generate


@intrinsic
def add_lines(
    _typing: Any, total: Any, first: Any, slots: Any, line: Any, values: Any, values_at: Any, cells: Any
) -> _Typed:
    """Add to `total` [slot, row], for LINE rows from `first` on, the LINE values of each row's cell.

    The k-th value of a cell is for the slot `slots[line, k]`; a row's cell is `values[values_at + cells[row]]`. Eight
    lines are read, made eight columns, and each column is added in one step: rows lie side by side in `total`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, first, slots, line, values, values_at, cells = arguments
        kinds = dict(zip(("total", "first", "slots", "line", "values", "at", "cells"), signature.args, strict=True))
        width = builder.extract_value(make_array(kinds["total"])(context, builder, total).shape, 1)
        rows = []
        for row in range(LINE):
            place = _place(context, builder, kinds["cells"], cells, builder.add(first, _LONG(row)), ir.IntType(8))
            cell = builder.zext(builder.load(place), _LONG)
            at = builder.mul(builder.add(values_at, cell), _LONG(LINE))
            rows.append(builder.load(_place(context, builder, kinds["values"], values, at, _DOUBLES), align=8))
        for number, column in enumerate(_transposed(builder, rows)):
            at = builder.add(builder.mul(line, _LONG(LINE)), _LONG(number))
            slot = builder.zext(
                builder.load(_place(context, builder, kinds["slots"], slots, at, ir.IntType(16))), _LONG
            )
            at = builder.add(builder.mul(slot, width), first)
            place = _place(context, builder, kinds["total"], total, at, _DOUBLES)
            builder.store(builder.fadd(builder.load(place, align=8), column), place, align=8)
        return context.get_dummy_value()

    return types.void(total, types.intp, slots, types.intp, values, types.intp, cells), generate


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any, vector: Any) -> Any:
    """Return where a contiguous array's element `at` is, as the place of a vector."""
    return builder.bitcast(builder.gep(make_array(kind)(context, builder, array).data, [at]), vector.as_pointer())


def _in_all(builder: Any, value: Any) -> Any:
    """Return a vector with the value in every lane."""
    vector = ir.VectorType(value.type, LANES)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT, LANES), None))


def _transposed(builder: Any, rows: Sequence[Any]) -> Sequence[Any]:
    """Return the columns of LINE vectors: blocks beside a diagonal change place, ever larger ones."""
    step = 1
    while step < LINE:
        turned = list(rows)
        for row in (row for row in range(LINE) if not row & step):
            for to, half in ((row, 0), (row | step, step)):
                picked = [(lane & ~step | half) + (LINE if lane & step else 0) for lane in range(LINE)]
                mask = ir.Constant(ir.VectorType(_INT, LINE), picked)
                turned[to] = builder.shuffle_vector(rows[row], rows[row | step], mask)
        rows, step = turned, 2 * step
    return rows
