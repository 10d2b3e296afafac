"""Where a ramp of rates bends, and whose CPU is used up there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run import Run

USED_UP = 0.92
"""Share of all cores, or of one core by one thread, from which on there is nothing left."""
NOTICED = 0.05
"""Cores taken by others that are worth a word."""


@dataclass(frozen=True, slots=True)
class Knee:
    """The highest rate that was kept up, the first that was not, and the reason in words."""

    kept: float | None
    failed: float | None
    bound: str
    """A process, `cores`, `load` or `waiting`; empty where every rate was kept up."""
    why: str


def kept_up(run: Run) -> bool:
    """Return whether the worker was as fast as the switch, and half a second's records waited at most in the end."""
    if run.wanted is None:
        raise ValueError(f"{run.name} has no schedule to keep up with.")
    return run.rate > 0.985 * run.wanted and (not run.lags or run.lags[-1][1] < run.wanted / 2)


def find(runs: Sequence[Run], cores: int) -> Knee:
    """Find the knee in runs of rising rates."""
    good = [run for run in runs if kept_up(run)]
    bad = next((run for run in runs if not kept_up(run)), None)
    before = [run.wanted for run in good if run.wanted is not None and (bad is None or run.wanted < (bad.wanted or 0))]
    kept = max(before, default=None)
    if bad is None:
        return Knee(kept, None, "", "every rate was kept up; the knee is above")
    bound, why = reason(bad, cores)
    return Knee(kept, bad.wanted, bound, why)


def reason(run: Run, cores: int) -> tuple[str, str]:
    """Return what bounds a run, and that in words: all cores, the load itself, one thread, or nobody's CPU."""
    jobs = {name: used for name, used in run.cores.items() if name != "others"}
    others = run.cores.get("others", 0.0)
    used = sum(jobs.values()) + others + run.stolen
    thread, share = max(run.busiest.items(), key=lambda one: one[1], default=("", 0.0))
    told = ", ".join(f"{name} {some:.2f}" for name, some in sorted(jobs.items(), key=lambda one: -one[1]))
    told += f"; the busiest thread, of {thread}, has {share:.2f} of a core" if thread else ""
    told += f"; {others:.2f} are taken by others on this machine" if others > NOTICED else ""
    told += f"; {run.stolen:.2f} by the host" if run.stolen > NOTICED else ""
    late = run.punctuality is not None and not run.punctuality.kept
    if used >= USED_UP * cores:
        beside = f"; the switch with them: {run.punctuality.told()}" if late and run.punctuality else ""
        return "cores", f"all {cores} cores are used up: {told}{beside}"
    if late and run.punctuality:
        return "load", f"{run.punctuality.told()}; cores in use: {told}"
    if share >= USED_UP:
        return thread, f"one thread of {thread} can have no more; cores in use: {told}"
    return "waiting", f"nobody's CPU is used up ({used:.2f} of {cores} cores), so it waits: {told}"
