"""Everything in one run, in order: rounds and stages alone, ablations, peers, the whole job, growth."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from bench import forms, loops, round_cost
from bench.parts import Part, PartlyFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.ablations.ablation import Ablation
    from bench.growth.curve import Curve
    from bench.run import Run
    from bench.whole import Bench

NAMES = ("rounds", "stages", "ablations", "peers", "backlog", "rates", "latency", "ramp", "growth")
GOALS = ("rounds", "backlog", "rates", "ramp")
"""The parts that the table of goals is made of."""
STEPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.05)
"""Rates of the ramp, in shares of the rate at which a backlog was worked off: small micro-batches cost more each."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; by default what fits into half an hour on two slow cores."""

    rounds: int = 5
    payers: int = 200_000
    days: float = 27.0
    """Of these payers' payments that Redis has before; 0: all stores are empty. The backlog makes them thirty."""
    backlog: int = 1_500_000
    """Payments: those of three days, for which ids are kept."""
    peers_payers: int = 20_000
    rates: Sequence[float] = (1_000.0, 5_000.0, 15_000.0)
    rates_seconds: float = 40.0
    settled: int = 100_000
    """Payments that a worker works off before its rates are measured."""
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: dict(forms.VARIANTS))
    """The worker's settings, by what they are called in the table."""
    warm_seconds: float = loops.WARM_SECONDS
    partitions: Mapping[str, int] = field(default_factory=dict)
    """`partitions` and `alert_partitions` of the stack, where they are others than usual."""
    cache: Path | None = None
    """Where the history of the payers is kept for another run."""
    quick: bool = False
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
            Part("rounds", "a micro-batch alone, fixed and marginal", self.round_cost),
            Part("stages", "each stage alone, CPU us a payment", self.stages),
            *self.ablations(),
            Part("peers", "others doing the same job on the same servers", self.peers),
            Part("backlog", "the whole job as fast as it can", self.backlog),
            Part("rates", "the whole job at several rates, with every verdict sent back and without", self.rates),
            Part("latency", "the whole job at one rate, seen from outside", self.latency),
            Part("ramp", "the whole job at rising rates, to the knee", self.ramp),
            *self.growth(),
        ]
        return [part for part in every if only is None or part.name.partition(", ")[0] in only]

    def round_cost(self) -> Any:
        """Measure what a micro-batch costs, with an alert of every verdict and without."""
        quick = self.sizes.quick or self.sizes.tiny
        found = {"by default": round_cost.measure(self.say, quick=quick)}
        if not quick:
            found["every verdict sent back"] = round_cost.measure(self.say, include_allow=True)
        return found

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
                backlog=compare.Backlog(backlog, self.sizes.peers_payers),
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

    def rates(self) -> Any:
        """Measure latency and cost at several rates, over all that was stored before."""
        sizes = self.sizes
        with self._whole() as bench:
            self._warm(bench)
            return forms.rates(
                bench, sizes.rates, sizes.rates_seconds, self.say, variants=sizes.variants, settled=sizes.settled
            )

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

            self._bench = self._open.enter_context(fresh(self.sizes.payers, **self.sizes.partitions))
            if self.sizes.days:
                self._bench.fill(self.sizes.days, self.say, self.sizes.cache)
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
            self.say(f"  the broker warms up for {self.sizes.warm_seconds:.0f} s")
            loops.warm(bench, self.sizes.warm_seconds)
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


TINY = Sizes(
    rounds=1,
    payers=500,
    days=4.0,
    backlog=12_000,
    peers_payers=500,
    rates=(200.0,),
    rates_seconds=3.0,
    settled=2_000,
    step_seconds=2.0,
    latency_seconds=3.0,
    latency_rate=200.0,
    tiny=True,
)
