"""The forms of a measured whole job: a backlog, a ramp to the knee, a latency run, a long one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench import grown, knee
from bench.loops import drain, open_loop, settle
from bench.whole import LONG_LINGER_MS
from stream.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.run import Run
    from bench.whole import Bench

OBSERVED = ("verdict durable", "alert readable")
EVERY_VERDICT = {"UPIFRAUD_ALERTS_INCLUDE_ALLOW": "true"}
VARIANTS: dict[str, dict[str, str]] = {"by default": {}, "every verdict sent back": EVERY_VERDICT}
"""The worker's settings of each variant."""
CLOSE_LOOK_SECONDS = 0.005
"""Between two looks of the observer where every verdict has an alert, to see which came when."""


def lines(run: Run) -> Iterator[str]:
    """Yield what is to be said of a run."""
    yield f"{run.name}: {run.rate:,.0f} payments/s over {run.seconds:.1f} s"
    yield "  CPU us a payment: " + ", ".join(f"{name} {us:.1f}" for name, us in sorted(run.us.items()))
    stages = dict.fromkeys([*Step, *run.stage_us])
    yield "  of the worker's:  " + ", ".join(f"{name} {run.stage_us.get(name, 0):.1f}" for name in stages)
    if run.rounds:
        yield f"  micro-batches:    {run.rounds:.0f} a second, of {run.rate / run.rounds:.1f} payments"
    if run.threads:
        kinds = sorted(run.threads.items(), key=lambda one: -one[1])
        yield "  worker's threads: " + ", ".join(f"{kind} {us:.1f} us" for kind, us in kinds)
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
    if (behind := run.observed.get("alert behind its row")) and behind["count"]:
        bounds = " to ".join(f"{behind[name]['p99']:.1f}" for name in ("at least", "at most"))
        yield f"                    p99 of an alert behind its row: {bounds} ms ({behind['count']:,})"
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


def rates(
    bench: Bench,
    wanted: Sequence[float],
    seconds: float,
    say: Callable[[str], None],
    *,
    variants: Mapping[str, Mapping[str, str]] = VARIANTS,
    settled: int = 100_000,
) -> list[dict[str, Any]]:
    """Measure latency and cost at several rates by each variant of the worker's settings, seen from outside.

    Each variant's worker begins with a backlog of `settled` payments. Where it does not keep up with a rate, the higher
    ones are left out.
    """
    found = []
    for variant, settings in variants.items():
        bench.stop_worker()
        bench.start_worker(settings=settings)
        settle(bench, settled)
        every = settings.get("UPIFRAUD_ALERTS_INCLUDE_ALLOW") == "true"
        look = {"look_seconds": CLOSE_LOOK_SECONDS} if every else {}
        for rate in wanted:
            run = open_loop(bench, rate, seconds, observed=True, warm_up=5.0, patience=600.0, **look)
            say(f"  {variant}:")
            show(run, say)
            kept = knee.kept_up(run)
            found.append({"variant": variant, "settings": dict(settings), "rate": rate, "kept": kept, "run": run})
            if not kept:
                say(f"  {variant}: {rate:,.0f}/s were not kept up with")
                break
    bench.stop_worker()
    return found


def sustain(
    bench: Bench, rate: float, seconds: float, say: Callable[[str], None], *, options: Sequence[str] = ()
) -> Run:
    """Publish at one rate for long, and see that no lag builds up and every record has its verdict.

    Without the observer, which would take a tenth of what the whole job does: verdicts are counted afterwards.
    `options`: more of `upifraud simulate`, as a busy payee or more outcomes.
    """
    folded = grown.folded_logs(bench.redis.url)
    run = open_loop(bench, rate, seconds, warm_up=5.0, patience=seconds, linger_ms=LONG_LINGER_MS, options=options)
    run.accounted = bench.accounted() | {"folded logs": grown.folded_logs(bench.redis.url), "folded before": folded}
    show(run, say)
    waited = sorted(lag for _, lag in run.lags)
    say(f"  records that waited: median {waited[len(waited) // 2]:,.0f}, most {waited[-1]:,.0f}")
    say(f"  verdicts stored:     {run.accounted['verdicts']:,} of {run.accounted['records']:,} records published")
    say(f"  outcomes published:  {run.punctuality.outcomes if run.punctuality else 0:,}")
    say(f"  logs that are folded: {run.accounted['folded logs']:,}, {folded:,} of them before")
    worst = max((one.latency_ms.get("p99", 0.0) for one in run.slices), default=0.0)
    say(f"  p99 of ten seconds:  {worst:,.0f} ms at most, by the worker's own histogram")
    say(f"  {'kept up' if knee.kept_up(run) else 'did not keep up'}")
    return run


def backlog(bench: Bench, payments: int, say: Callable[[str], None]) -> Run:
    """Work off a backlog."""
    run = drain(bench, payments)
    show(run, say)
    return run
