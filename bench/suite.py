"""Everything in one run, in order: stages alone, ablations, peers, the whole job, growth."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from bench import forms, loops
from bench.parts import Part, PartlyFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.ablations.ablation import Ablation
    from bench.growth.curve import Curve
    from bench.run import Run
    from bench.whole import Bench

NAMES = ("stages", "ablations", "peers", "backlog", "ramp", "latency", "growth")
STEPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.05)
"""Rates of the ramp, in shares of the rate at which a backlog was worked off: small micro-batches cost more each."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; by default what fits into a quarter of an hour on two slow cores."""

    rounds: int = 5
    payers: int = 20_000
    backlog: int = 100_000
    step_seconds: float = 15.0
    latency_rate: float | None = None
    """Payments/s; by default half of what a backlog was worked off at, and 5,000 at most."""
    latency_seconds: float = 40.0
    tiny: bool = False
    full: bool = False


@dataclass(slots=True)
class Suite:
    """The parts; those of the whole job share one stack, which is started by the first of them that runs."""

    sizes: Sizes
    say: Callable[[str], None]
    _open: ExitStack = field(default_factory=ExitStack)
    _bench: Bench | None = None
    _warmed: Bench | None = None
    _rate: float | None = None
    """At which a backlog was worked off."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def parts(self, only: list[str] | None = None) -> list[Part]:
        """Return the parts that are wanted, in the order of NAMES; `ablations` and `growth` are several."""
        every = [
            Part("stages", "each stage alone, CPU us a payment", self.stages),
            *self.ablations(),
            Part("peers", "others doing the same job on the same servers", self.peers),
            Part("backlog", "the whole job as fast as it can", self.backlog),
            Part("ramp", "the whole job at rising rates, to the knee", self.ramp),
            Part("latency", "the whole job at one rate, seen from outside", self.latency),
            *self.growth(),
        ]
        return [part for part in every if only is None or part.name.partition(", ")[0] in only]

    def stages(self) -> Any:
        """Measure every stage alone."""
        from bench import stages

        sizes = stages.Sizes(rounds=self.sizes.rounds)
        if self.sizes.tiny:
            sizes = stages.Sizes(rounds=1, payments=stages.BATCH, history=4_000, records=20_000, ids=0)
        found = stages.measure(sizes, self.say)
        total = sum(stage.us["worker"] for stage in found)
        self.say(f"  {'sum of the worker':28} {total:.2f}")
        return found

    def ablations(self) -> list[Part]:
        """Return a part for each choice."""
        from bench.ablations import suite

        small = {"rounds": 1, "records": 20_000, "stock_records": 2_000, "history": 4_000}
        usual = {"rounds": self.sizes.rounds, "records": 200_000, "stock_records": 20_000, "history": 50_000}

        def measured(kind: str) -> Ablation:
            (found,) = suite.run((kind,), **(small if self.sizes.tiny else usual))
            self.say("\n".join([suite.HEAD, *found.lines()]))
            return found

        return [
            Part(f"ablations, {kind}", "what was chosen beside what was not", partial(measured, kind))
            for kind in suite.KINDS
        ]

    def peers(self) -> Any:
        """Compare with the peers that are installed."""
        from bench.peers import compare
        from bench.peers.contestant import PEERS, WORKER
        from bench.peers.environment import QUIX_PYTHON

        here = [name for name in PEERS if not name.startswith("quix") or QUIX_PYTHON.exists()]
        if len(here) < len(PEERS):
            self.say("  Quix Streams is left out: it has an environment of its own, run `make install-bench`")
        names, backlog, seconds, warm_up = [WORKER, *here], 400_000, 6.0, 3.0
        if self.sizes.tiny:
            names, backlog, seconds, warm_up = [WORKER, "plain"], 30_000, 1.0, 0.1
        failed: dict[str, str] = {}
        with compare.own_servers() as servers:
            found = compare.run(
                servers,
                names,
                backlog=compare.Backlog(backlog, self.sizes.payers),
                seconds=seconds,
                warm_up=warm_up,
                rounds=1 if self.sizes.tiny else 2,
                say=lambda line: self.say(f"  {line}"),
                failed=failed,
            )
        if found:
            self.say(compare.table(found))
        if failed:
            messages = "; ".join(f"{name}: {message.splitlines()[0]}" for name, message in failed.items())
            raise PartlyFailedError(messages, compare.as_json(found) or None)
        return compare.as_json(found)

    def backlog(self) -> Run:
        """Work off a backlog."""
        with self._whole() as bench:
            run = forms.backlog(bench, self.sizes.backlog, self.say)
        self._rate = run.rate
        return run

    def ramp(self) -> Any:
        """Raise the rate to the knee."""
        rate = self._measured_rate()
        rates = [round(rate * step, -2) or 100.0 for step in ((0.3, 2.0) if self.sizes.tiny else STEPS)]
        with self._whole() as bench:
            self._warm(bench)
            return forms.ramp(bench, rates, self.sizes.step_seconds, cores=os.cpu_count() or 1, say=self.say)

    def latency(self) -> Run:
        """Measure latency from outside."""
        rate = self.sizes.latency_rate
        if rate is None or not self.sizes.tiny:
            most = round(self._measured_rate() / 2, -2) or 100.0
            rate = rate or min(5_000.0, most)
        with self._whole() as bench:
            self._warm(bench)
            return forms.latency(bench, rate, self.sizes.latency_seconds, self.say)

    def growth(self) -> list[Part]:
        """Return a part for each curve of growth, on servers of its own."""
        from bench.growth import suite

        sizes = suite.FULL if self.sizes.full else suite.TINY if self.sizes.tiny else suite.Sizes()

        def measured(curve: Callable[[], Curve]) -> Curve:
            self._close_whole()
            return curve()

        return [
            Part(f"growth, {kind}", "what a payment costs as one thing grows", partial(measured, curve))
            for kind, curve in suite.curves(sizes, self.say).items()
        ]

    @contextmanager
    def _whole(self) -> Iterator[Bench]:
        """Yield the stack of the whole job, with a worker at work; after a failure the next one gets a new one."""
        if self._bench is None:
            from bench.whole import fresh

            self._bench = self._open.enter_context(fresh(self.sizes.payers))
        try:
            if not self._bench.has_workers:
                self._bench.start_worker()
            yield self._bench
        except BaseException:
            self._close_whole()
            raise

    def _warm(self, bench: Bench) -> None:
        """Warm a stack once, before its first open loop."""
        if self._warmed is not bench and not self.sizes.tiny:
            self.say(f"  the broker warms up for {loops.WARM_SECONDS:.0f} s")
            loops.warm(bench)
            self._warmed = bench

    def _measured_rate(self) -> float:
        """Return the rate of a backlog, measured now if that part was left out or failed."""
        if self._rate is None:
            self.backlog()
        assert self._rate is not None
        return self._rate

    def _close_whole(self) -> None:
        self._bench = None
        self._open.close()


TINY = Sizes(rounds=1, payers=500, backlog=12_000, step_seconds=2.0, latency_seconds=3.0, latency_rate=200.0, tiny=True)
