"""The forms of a measured whole job: a backlog, a ramp to the knee, a latency run, a long one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench import knee
from bench.loops import drain, open_loop
from bench.whole import LONG_LINGER_MS
from stream.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.run import Run
    from bench.whole import Bench

OBSERVED = ("verdict durable", "alert readable")


def lines(run: Run) -> Iterator[str]:
    """Yield what is to be said of a run."""
    yield f"{run.name}: {run.rate:,.0f} payments/s over {run.seconds:.1f} s"
    yield "  CPU us a payment: " + ", ".join(f"{name} {us:.1f}" for name, us in sorted(run.us.items()))
    stages = dict.fromkeys([*Step, *run.stage_us])
    yield "  of the worker's:  " + ", ".join(f"{name} {run.stage_us.get(name, 0):.1f}" for name in stages)
    yield "  cores in use:     " + ", ".join(
        f"{name} {used:.2f}" + (f" (one thread {run.busiest[name]:.2f})" if name in run.busiest else "")
        for name, used in sorted(run.cores.items())
    )
    yield "  bytes a payment:  " + ", ".join(f"{name} {size:,.0f}" for name, size in run.stored.items())
    yield "  resident MB:      " + ", ".join(f"{name} {size / 2**20:.0f}" for name, size in run.memory.items())
    if run.wanted is None:
        return
    if run.punctuality is not None:
        yield f"  load:             {run.punctuality.told()}"
    own = ", ".join(f"{label} {value:.1f}" for label, value in run.latency_ms.items())
    yield f"  end to end, ms:   {own} by the worker's own histogram"
    for name in OBSERVED:
        if name in run.observed:
            seen = run.observed[name]
            quantiles = ", ".join(f"{label} {value:.1f}" for label, value in seen["ms"].items())
            lost = f", {seen['never seen']} NEVER SEEN" if seen["never seen"] else ""
            lost += f"; {seen['overlooked']} overlooked" if seen.get("overlooked") else ""
            yield f"                    {quantiles} by the observer, {name} ({seen['count']:,}{lost})"
    if run.observed:
        apart = ", ".join(f"{label} {value:.1f}" for label, value in run.observed["looks apart"].items())
        yield f"                    its looks were apart by {apart} ms: a verdict's time is late by so much at most"


def show(run: Run, say: Callable[[str], None]) -> None:
    """Say everything of a run."""
    for line in lines(run):
        say(line)


def ramp(
    bench: Bench,
    rates: Sequence[float],
    seconds: float,
    *,
    cores: int,
    say: Callable[[str], None],
    observed: bool = False,
) -> dict[str, Any]:
    """Run open loops at rising rates until one is not kept up with; return them and the knee."""
    runs: list[Run] = []
    for rate in rates:
        runs.append(open_loop(bench, rate, seconds, observed=observed, linger_ms=LONG_LINGER_MS))
        show(runs[-1], say)
        if not knee.kept_up(runs[-1]):
            break
    found = knee.find(runs, cores)
    say(told(found))
    return {"runs": runs, "knee": asdict(found)}


def told(found: knee.Knee) -> str:
    """Return a line about the knee."""
    if found.failed is None:
        return f"knee: not reached, {found.kept or 0:,.0f}/s kept up"
    kept = f"{found.kept:,.0f}/s kept up" if found.kept else "no rate kept up"
    return f"knee: {kept}, {found.failed:,.0f}/s not: {found.why}"


def latency(bench: Bench, rate: float, seconds: float, say: Callable[[str], None]) -> Run:
    """Measure latency at one rate from outside."""
    run = open_loop(bench, rate, seconds, observed=True, warm_up=5.0)
    show(run, say)
    return run


def sustain(bench: Bench, rate: float, seconds: float, say: Callable[[str], None]) -> Run:
    """Publish at one rate for long, and see that no lag builds up and every record has its verdict.

    Without the observer, which would take a tenth of what the whole job does: verdicts are counted afterwards.
    """
    run = open_loop(bench, rate, seconds, warm_up=5.0, patience=seconds, linger_ms=LONG_LINGER_MS)
    run.accounted = bench.accounted()
    show(run, say)
    waited = sorted(lag for _, lag in run.lags)
    say(f"  records that waited: median {waited[len(waited) // 2]:,.0f}, most {waited[-1]:,.0f}")
    say(f"  verdicts stored:     {run.accounted['verdicts']:,} of {run.accounted['records']:,} records published")
    say(f"  {'kept up' if knee.kept_up(run) else 'did not keep up'}")
    return run


def backlog(bench: Bench, payments: int, say: Callable[[str], None]) -> Run:
    """Work off a backlog."""
    run = drain(bench, payments)
    show(run, say)
    return run
