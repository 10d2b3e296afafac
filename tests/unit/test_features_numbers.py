"""Arithmetic of the kernels against integers and fractions, far beyond what float64 can hold."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.compiled import njit
from features.feature import Aggregation
from features.measure import hll, ingest, plain, vector, wide, window
from features.measure.logs import NONE, Logs, clear_slot
from features.measure.scratch import MEASURE, Scratch, Work
from features.measure.window import STAMPS
from features.schema import PLAIN
from tests.fixtures.kernels import outer
from tests.oracle import hyperloglog, round_once

append, measure, received_within_the_hour, tell_apart = map(
    outer, (ingest.append, window.measure, plain._received, window.tell_apart)
)

BEYOND_FLOAT64 = [
    2**24 + 1,
    2**53 + 1,
    2**54 + 2**30,  # halfway between two float32, ties to even
    2**54 + 2**30 + 1,  # just above: by way of float64 it would be a tie
    2**54 + 3 * 2**30 - 1,  # just below a tie that would round up
    2**62 - 1,
]
integers = st.one_of(st.sampled_from(BEYOND_FLOAT64), st.integers(1, 2**62))


def measured(count: int, total: int, largest: int, squares: int) -> np.record:
    """One window's totals."""
    own = np.zeros(1, dtype=MEASURE)
    own[0] = count, total, largest, squares >> 64, squares & (2**64 - 1), count
    return own[0]


def windowed(own: np.record, aggregation: Aggregation, amount: int) -> np.float32:
    return np.float32(vector.aggregate(own, int(aggregation), 1, amount))


# Rounded once -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(integers, st.integers(0, 10**10))
def test_integers_are_rounded_to_float32_once(total: int, amount: int) -> None:
    own = measured(total, total, total, 0)
    assert windowed(own, Aggregation.SUM, amount) == round_once(total + amount)
    assert windowed(own, Aggregation.COUNT, amount) == round_once(total + 1)
    assert windowed(own, Aggregation.MAX, amount) == round_once(max(total, amount))


@pytest.mark.slow
@settings(deadline=None)
@given(integers)
def test_what_a_payer_received_is_rounded_once(received: int) -> None:
    logs = Logs.make(records=1, slots=1, blocks=0, supers=0, panes=0)
    clear_slot(logs.slots, 0, 0)
    append(logs, 0, 1_000, received, 5, 0)
    found = np.zeros(1, dtype=PLAIN)
    received_within_the_hour(found[0], logs, 0, 1, 2_000, 7, Scratch.make())
    assert found["payer_inbound_sum_1h"][0] == round_once(received)
    ratio = found["payer_pass_through_ratio_1h"][0]
    assert math.isclose(ratio, 7 / received, rel_tol=1e-6)


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=60))
def test_a_mean_and_a_deviation_are_within_one_float32_step(amounts: list[int]) -> None:
    *others, amount = amounts
    own = measured(len(others), sum(others), max(others, default=0), sum(a * a for a in others))
    mean = Fraction(sum(amounts), len(amounts))
    near = round_once(mean)
    assert abs(windowed(own, Aggregation.MEAN, amount) - near) <= np.spacing(near)
    variance = sum((a - mean) ** 2 for a in amounts) / len(amounts)
    near = np.float32(math.sqrt(variance))
    assert abs(windowed(own, Aggregation.STD, amount) - near) <= np.spacing(near)


@pytest.mark.parametrize("amount", [1, 3, 10**10, 10**10 - 1])
@pytest.mark.parametrize("count", [2, 3, 7, 10**6, 10**7 + 1])
def test_equal_amounts_deviate_by_exactly_nothing(amount: int, count: int) -> None:
    own = measured(count - 1, amount * (count - 1), amount, amount * amount * (count - 1))
    assert windowed(own, Aggregation.STD, amount) == 0.0


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(0, 10**10), st.integers(0, 10**10))
def test_a_deviation_of_two_amounts_many_times_over(times: int, low: int, high: int) -> None:
    """Sums of squares of up to 2 * 10^26: what floating point would lose to cancellation is kept."""
    count, total, squares = 2 * times, times * (low + high), times * (low * low + high * high)
    got = wide.deviation(count, total, np.uint64(squares >> 64), np.uint64(squares & (2**64 - 1)))
    assert math.isclose(got, abs(high - low) / 2, rel_tol=1e-15)


# 128 bits ---------------------------------------------------------------------------------------------------------

words = st.one_of(st.sampled_from((0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1)), st.integers(0, 2**64 - 1))


@settings(deadline=None)
@given(words, words)
def test_products_are_exact_to_128_bits(a: int, b: int) -> None:
    high, low = wide.multiply(np.uint64(a), np.uint64(b))
    assert int(high) << 64 | int(low) == a * b


@settings(deadline=None)
@given(words, words, words, words)
def test_sums_are_exact_modulo_128_bits(a: int, b: int, c: int, d: int) -> None:
    high, low = wide.add(np.uint64(a), np.uint64(b), np.uint64(c), np.uint64(d))
    assert int(high) << 64 | int(low) == ((a << 64 | b) + (c << 64 | d)) % 2**128


# Distinct counts --------------------------------------------------------------------------------------------------


def registers_of(counterparties: list[int]) -> np.ndarray:
    registers = np.zeros(hll.REGISTERS, dtype=np.uint8)
    for counterparty in counterparties:
        hll.observe(registers, np.int64(counterparty))
    return registers


@settings(deadline=None)
@given(st.lists(st.one_of(st.integers(0, 2**40 - 1), st.integers(0, 2**8 - 1), st.just(0)), max_size=60))
def test_registers_are_those_of_the_rule(counterparties: list[int]) -> None:
    assert math.isclose(hll.estimate(registers_of(counterparties)), hyperloglog(set(counterparties)), rel_tol=1e-12)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**40 - 1), max_size=40), st.lists(st.integers(0, 2**40 - 1), max_size=40))
def test_merging_is_seeing_both_in_any_order(some: list[int], others: list[int]) -> None:
    merged = registers_of(some)
    hll.merge(merged, registers_of(others))
    assert merged.tobytes() == registers_of(others + some).tobytes()


@pytest.mark.parametrize("distinct", [10, 100, 300, 600, 1_000, 5_000])
def test_the_error_is_what_256_registers_promise(distinct: int) -> None:
    """Standard error 1.04 / sqrt(256) = 6.5 %: over 60 draws the mean is within 4 of its own standard errors."""
    draw = random.Random(distinct)
    errors = []
    for _ in range(60):
        estimate = hll.estimate(registers_of([draw.getrandbits(40) for _ in range(distinct)]))
        errors.append(estimate / distinct - 1)
    assert abs(sum(errors) / 60) < 4 * 0.065 / math.sqrt(60)
    assert math.sqrt(sum(error**2 for error in errors) / 60) < 1.4 * 0.065


def test_few_are_counted_almost_exactly() -> None:
    assert hll.estimate(np.zeros(hll.REGISTERS, dtype=np.uint8)) == 0.0
    assert round(hll.estimate(registers_of([7]))) == 1


@settings(deadline=None)
@given(st.lists(st.sampled_from((0, 1, 5, 5 + (1 << 12), 2**40 - 1)), max_size=255), st.integers(0, 255))
def test_first_and_last_records_of_each_counterparty(others: list[int], start: int) -> None:
    """Some of them share a cell. What is before `start` is as if it were not there."""
    start, work = min(start, len(others)), Work.make()
    for own in (5, 7, NONE):
        work.recent["stop"] = len(others)
        own_at = tell_apart(np.array(others, dtype=np.int64), np.int64(start), np.int64(own), work)
        there = others[start:]
        recent, n = work.recent[0], len(there)
        assert recent["first"][:n].tolist() == [one not in there[:at] for at, one in enumerate(there)]
        assert recent["last"][:n].tolist() == [one not in there[at + 1 :] for at, one in enumerate(there)]
        assert recent["told_from"] == start
        lasts = [at for at, one in enumerate(others) if one == own and at >= start]
        assert own_at == (len(others) if own == NONE else max(lasts, default=start - 1))


@pytest.mark.slow
def test_cells_are_emptied_where_stamps_run_out() -> None:
    logs = Logs.make(records=3, slots=1, blocks=0, supers=0, panes=0)
    clear_slot(logs.slots, 0, 0)
    for counterparty in (5, 6, 5):
        append(logs, 0, 1_000, 100, counterparty, 0)
    windows = vector.WINDOW_LENGTHS
    totals, work = np.zeros(len(windows), dtype=MEASURE), Work.make()
    work.stamp[0] = STAMPS - 3
    for _ in range(5):
        _measured(logs, windows, totals, work)
        assert totals["distinct"].tolist() == [3.0] * len(windows)
        assert totals["payments"].tolist() == [3] * len(windows)


@njit()
def _measured(logs: Logs, windows: object, totals: np.ndarray, work: Work) -> None:
    measure(logs, 0, 3, 3, 1_500, 7, windows, totals, work)
