"""What bench/rounds.py prints is read back, whatever stages it has."""

from __future__ import annotations

import pytest

from bench import round_cost, rounds

PRINTED = """machine-speed index 0.29 s; microseconds of CPU a micro-batch
              fixed  a payment        n=1      n=8
decode          345       2.10        347      361
outside all     -12       0.50         10       11
all            2330      23.40       2353     2517
"""


def test_every_row_is_read() -> None:
    costs = round_cost.read(PRINTED)
    assert [(one.stage, one.fixed, one.marginal) for one in costs] == [
        ("decode", 345.0, 2.1),
        ("outside all", -12.0, 0.5),
        ("all", 2330.0, 23.4),
    ]
    assert round_cost.whole_of(costs).by_size == {1: 2353.0, 8: 2517.0}


def test_what_is_printed_can_be_read() -> None:
    measured = rounds.Rounds(0.0)
    for size, costs in measured.cost.items():
        costs.append(2_000.0 + 20 * size)
        measured.stages[size]["decode"].append(300.0 + 2 * size)
    costs = round_cost.read("\n".join(rounds.report(measured)))
    assert [one.stage for one in costs] == ["decode", "all"]
    assert round_cost.whole_of(costs).fixed == pytest.approx(2_000)
    assert set(round_cost.whole_of(costs).by_size) == set(rounds.SIZES)


def test_anything_else_is_an_error() -> None:
    with pytest.raises(ValueError, match="no numba"):
        round_cost.read("no numba")
