"""The knee of a ramp is where it bends, and the words for it name whose CPU is used up."""

from __future__ import annotations

from typing import Any

import pytest

from bench import knee
from bench.load import Punctuality
from bench.run import Look, Run, between, slices

PUNCTUAL = Punctuality(1000, 0, 0.1, 5.0, 20.0)
LATE = Punctuality(1000, 0, 400.0, 900.0, 1000.0)


def step(wanted: float, rate: float | None = None, **more: Any) -> Run:
    rate = wanted if rate is None else rate
    return Run(
        f"open loop {wanted}/s", int(rate * 10), 10.0, us={}, stage_us={}, wanted=wanted,
        **{"lags": [(0.0, 0.0), (10.0, (wanted - rate) * 10)], "punctuality": PUNCTUAL, **more},
    )  # fmt: skip


def test_the_knee_lies_between_the_last_rate_kept_up_and_the_first_not() -> None:
    busy = {"worker": 1.1, "redis": 0.6, "switch": 0.2}
    found = knee.find([step(1000), step(2000), step(3000, 2500, cores=busy)], cores=2)
    assert (found.kept, found.failed, found.bound) == (2000, 3000, "cores")
    assert found.why.startswith("all 2 cores are used up: worker 1.10, redis 0.60, switch 0.20")


def test_a_ramp_without_a_bend_has_its_knee_above() -> None:
    found = knee.find([step(1000), step(2000)], cores=2)
    assert (found.kept, found.failed, found.bound) == (2000, None, "")


def test_a_rate_kept_up_beyond_a_failure_is_not_the_knee() -> None:
    assert knee.find([step(1000), step(2000, 1500), step(3000)], cores=2).kept == 1000


def test_nothing_kept_up_is_said() -> None:
    assert knee.find([step(1000, 500)], cores=2).kept is None


@pytest.mark.parametrize(
    ("more", "bound"),
    [
        ({"cores": {"worker": 0.7, "redis": 0.98}, "busiest": {"worker": 0.4, "redis": 0.97}}, "redis"),
        ({"cores": {"worker": 0.3}, "busiest": {"worker": 0.2}}, "waiting"),
        ({"cores": {"worker": 0.3, "switch": 1.0}, "busiest": {"switch": 0.99}, "punctuality": LATE}, "load"),
        ({"cores": {"worker": 1.2, "switch": 0.8}, "busiest": {"worker": 0.6}, "punctuality": LATE}, "cores"),
        ({"cores": {"worker": 0.5, "others": 1.4}, "busiest": {"worker": 0.3}}, "cores"),
        ({"cores": {"worker": 0.5}, "busiest": {"worker": 0.3}, "stolen": 1.4}, "cores"),
    ],
)
def test_the_reason_names_what_is_used_up(more: dict[str, Any], bound: str) -> None:
    assert knee.reason(step(3000, 2000, **more), cores=2)[0] == bound


def test_what_others_take_is_said() -> None:
    _, why = knee.reason(step(3000, 2000, cores={"worker": 0.5, "others": 1.4}, stolen=0.1), cores=2)
    assert "1.40 are taken by others on this machine" in why
    assert "0.10 by the host" in why


def test_records_that_pile_up_are_not_kept_up_with() -> None:
    assert not knee.kept_up(step(1000, lags=[(0.0, 0.0), (10.0, 600.0)]))
    assert knee.kept_up(step(1000, lags=[(0.0, 900.0), (10.0, 100.0)]))


def test_a_backlog_has_no_schedule() -> None:
    with pytest.raises(ValueError, match="schedule"):
        knee.kept_up(Run("backlog", 1, 1.0, us={}, stage_us={}))


def look(at: float, consumed: float, worker: float, **more: Any) -> Look:
    return Look(
        at, consumed, {"score": worker / 2}, more.pop("latency", []), {"worker": worker}, 0.0,
        **{"busy": worker + 1.0 * at, **more},
    )  # fmt: skip


def test_the_difference_of_two_looks_is_a_payments_share() -> None:
    first = look(10.0, 1_000, 2.0, threads={"worker": {1: 1.5, 2: 0.5}}, stored={"redis": 1_000})
    last = look(20.0, 3_000, 8.0, threads={"worker": {1: 2.5, 2: 5.0, 3: 0.5}}, stored={"redis": 401_000})
    run = between("run", first, last)
    assert (run.payments, run.rate) == (2_000, 200.0)
    assert run.us == {"worker": 3_000.0}
    assert run.stage_us == {"score": 1_500.0}
    assert run.cores == pytest.approx({"worker": 0.6, "others": 1.0})
    assert run.busiest == pytest.approx({"worker": 0.45})
    assert run.stored == {"redis": 200.0}


def test_quantiles_of_a_histogram_lie_within_its_buckets() -> None:
    first = look(0.0, 0, 0.0, latency=[(0.01, 5.0), (0.1, 5.0), (float("inf"), 5.0)])
    last = look(1.0, 100, 1.0, latency=[(0.01, 95.0), (0.1, 104.0), (float("inf"), 105.0)])
    found = between("run", first, last).latency_ms
    assert found["p50"] == pytest.approx(5.5556, rel=1e-3)
    assert found["p99"] == pytest.approx(100.0)
    assert found["p99.9"] == pytest.approx(100.0), "beyond the last bound nothing is known"


def test_a_run_is_told_in_stretches_each_with_its_own_latency() -> None:
    quick, slow = [(0.01, 10.0), (1.0, 10.0)], [(0.01, 10.0), (1.0, 30.0)]
    looks = [
        Look(float(at), 2.0 * at, {}, latency, cpu={}, lag=float(at), rounds=at)
        for at, latency in ((0, [(0.01, 0.0), (1.0, 0.0)]), (5, quick), (10, quick), (15, slow), (20, slow), (24, slow))
    ]
    found = slices(looks, 10.0)
    assert [(one.second, one.rate, one.lag) for one in found] == [(10.0, 2.0, 10.0), (20.0, 2.0, 20.0)]
    assert found[0].latency_ms["p99"] <= 10.0 < found[1].latency_ms["p50"], "not of all that was before"
    assert between("run", looks[0], looks[-1]).rounds == 1.0
