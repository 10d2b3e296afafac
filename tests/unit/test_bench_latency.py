"""Latency counts from the schedule, for every payment of the span, seen or not."""

from __future__ import annotations

import numpy as np
import pytest

from bench import latency
from bench.latency import Schedule, latencies

SPAN = (1_000_000, 2_000_000)
UNTIL = 9_000_000


def schedule(*due_us: int) -> Schedule:
    """One partition, offsets from 0 on."""
    return Schedule(np.full(len(due_us), 3), np.arange(len(due_us)), np.array(due_us))


def keys(*offsets: int) -> np.ndarray:
    return latency.keys(np.full(len(offsets), 3), np.array(offsets, dtype=np.int64))


def test_latency_is_from_the_scheduled_time_and_warm_up_is_left_out() -> None:
    #            warm-up   measured            behind the span
    found, unseen = latencies(
        schedule(500_000, 1_000_000, 1_500_000, 2_000_000),
        keys(0, 1, 2, 3),
        np.array([4_000_000, 1_020_000, 1_530_000, 4_000_000]),
        span_us=SPAN,
        until_us=UNTIL,
    )
    assert found.tolist() == [20_000, 30_000]
    assert unseen == 0


def test_an_alert_is_behind_its_row_by_a_time_between_two_looks() -> None:
    looks = np.array([0, 10_000, 20_000, 30_000])
    found = latency.behind(
        (keys(1, 2, 3), np.array([20_000, 20_000, 30_000])), (keys(2, 1, 9), np.array([21_000, 13_000, 5])), looks
    )
    assert found["count"] == 2, "one alert has no row, one row no alert"
    assert found["at most"]["p50"] == pytest.approx((11 + 3) / 2), "from the look before the one that saw the row"
    assert found["at least"]["p50"] == pytest.approx((1 - 7) / 2)
    assert (found["within 5 ms, at most"], found["within 5 ms, at least"]) == (0.5, 1.0)


def test_a_stall_counts_for_every_payment_scheduled_in_it() -> None:
    """One look after a second without any: all that was scheduled meanwhile waited, each for its own time."""
    due = np.arange(1_000_000, 2_000_000, 1_000)
    found, _ = latencies(
        schedule(*due.tolist()), keys(*range(1_000)), np.full(1_000, 2_000_000), span_us=SPAN, until_us=UNTIL
    )
    assert np.percentile(found, 50) == pytest.approx(500_000, rel=0.01)


def test_what_was_never_seen_counts_to_the_end_of_the_observation() -> None:
    found, unseen = latencies(
        schedule(1_000_000, 1_100_000), keys(1), np.array([1_105_000]), span_us=SPAN, until_us=UNTIL
    )
    assert sorted(found.tolist()) == [5_000, 8_000_000]
    assert unseen == 1


def test_what_was_not_seen_in_the_span_can_be_told_and_left_out() -> None:
    #               warm-up  seen       not seen   behind the span
    every = schedule(500_000, 1_000_000, 1_500_000, 2_000_000)
    unseen = every.unseen(keys(1), SPAN)
    assert unseen.keys().tolist() == keys(2).tolist()
    found, lost = latencies(every.without(unseen.keys()), keys(1), np.array([1_005_000]), span_us=SPAN, until_us=UNTIL)
    assert (found.tolist(), lost) == ([5_000], 0)


def test_nothing_seen_at_all_is_no_good_latency() -> None:
    nothing = np.array([], dtype=np.int64)
    found, unseen = latencies(schedule(1_000_000), nothing, nothing, span_us=SPAN, until_us=UNTIL)
    assert found.tolist() == [8_000_000]
    assert unseen == 1


def test_the_first_sight_counts() -> None:
    found, _ = latencies(
        schedule(1_000_000), keys(0, 0), np.array([1_900_000, 1_010_000]), span_us=SPAN, until_us=UNTIL
    )
    assert found.tolist() == [10_000]


def test_keys_of_partitions_do_not_meet() -> None:
    some = latency.keys(np.array([0, 0, 1, 11]), np.array([0, 2**40, 0, 5]))
    assert len(set(some.tolist())) == 4
    assert some[3] == latency.key(11, 5)


def test_alerts_of_unknown_payments_are_left_out() -> None:
    found, seen_us = latency.keyed({"a": 7, "b": 9}, ["b", "x", "a"], np.array([1, 2, 3]))
    assert (found.tolist(), seen_us.tolist()) == ([9, 7], [1, 3])
    assert latency.keyed({}, [], np.array([], dtype=np.int64))[0].tolist() == []


def test_quantiles_of_the_histogram_are_those_of_the_values() -> None:
    pytest.importorskip("hdrh", reason="only the benchmarks need it: run `make install-bench`")
    values = np.random.default_rng(1).lognormal(9.5, 0.5, 20_000).astype(np.int64)
    found = latency.histogram(values)
    assert found["count"] == 20_000
    for label, share in latency.QUANTILES.items():
        exact = np.sort(values)[int(share / 100 * len(values) + 0.5) - 1] / 1e3
        assert found["ms"][label] == pytest.approx(exact, rel=2e-3), label
    shares = [share for share, _ in found["points"]]
    assert shares == sorted(shares)
    assert shares[-1] == 100.0


def test_no_alerts_make_an_empty_histogram() -> None:
    pytest.importorskip("hdrh", reason="only the benchmarks need it: run `make install-bench`")
    assert latency.histogram(np.array([], dtype=np.int64))["ms"] == {}


def test_the_resolution_is_how_far_looks_are_apart() -> None:
    assert latency.resolution_ms(np.array([0, 5_000, 10_000, 50_000]))["max"] == 40.0
    assert latency.resolution_ms(np.array([0])) == {}
