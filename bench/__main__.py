"""What this program costs on this machine, and what bounds it.

all: everything in one run, in half an hour on a quiet machine; `make bench`.
goals: rounds, a backlog, rates and the knee over grown stores as one table, another checkout's beside it on demand.
quick: a backlog, an open loop and rounds beside the yardsticks, in under two minutes on a quiet machine.
ramp: open loops at rising rates, to the first that the worker does not keep up with.
latency: one open loop with an observer beside the worker.
sustain: one rate for ten minutes over grown stores, with the records that waited and p99 over time.
api: the HTTP API beside the plain handler that people write, and beside the stream, in three minutes.
report: the tables and plots of docs/benchmarks.md from raw results; the parts of later files stand in for earlier ones.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import forms, goals, loops, results, suite
from bench.over_http import NAMES as HTTP_NAMES
from bench.parts import Part, measure, say
from bench.peers.environment import ROOT
from bench.report import goal_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.whole import Bench


LONG_RUN = {"UPIFRAUD_REPLICA_CACHE_BYTES": str(2 * 2**30)}
"""Millions of payments of 200,000 payers make 600,000 logs, and one worker has all of them: more than the default has
room for. `feature_store_cache_misses` tells an operator so."""
PARTITIONS = ("partitions", "alert_partitions")
"""Options by the same name."""
QUICK_WARM_SECONDS = 40.0
"""Instead of a minute: the broker's compilers still use a little of it."""


def everything(options: argparse.Namespace) -> int:
    """Measure all parts, or some."""
    sizes = suite.TINY if options.tiny else suite.Sizes(latency_rate=options.rate, full=options.full)
    with suite.Suite(sizes, say) as whole:
        return measure(whole.parts(options.only), options.json)


def goal_table(options: argparse.Namespace) -> int:
    """Measure what the goals are about and print it as a table, with another checkout's figures beside it."""
    sizes = suite.TINY if options.tiny else suite.Sizes(days=options.days)
    sizes = replace(
        sizes,
        cache=options.cache,
        variants={**sizes.variants, **dict(options.variant)},
        partitions={name: getattr(options, name) for name in PARTITIONS if getattr(options, name)},
    )
    if options.rates:
        sizes = replace(sizes, rates=options.rates)
    if options.seconds:
        sizes = replace(sizes, rates_seconds=options.seconds)
    found: dict[str, Any] = {}
    ours: dict[str, Any] = {}

    parts = options.only or suite.GOALS

    def before() -> None:
        found["before"] = goals.other(options.against, parts, _passed_on(options), say)

    def table() -> Any:
        found["after" if found else "now"] = goals.as_read(ours)
        say(goal_tables.goals(found))
        return found

    with ExitStack() as stack:
        if options.against and options.cache is None:
            options.cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="upifraud-bench-cache-")))
            sizes = replace(sizes, cache=options.cache)
        whole = stack.enter_context(suite.Suite(sizes, say))
        wanted = [_kept(part, ours) for part in whole.parts(parts)]
        if options.against:
            wanted.insert(0, Part("before", f"the same of {options.against}", before))
        return measure([*wanted, Part("goals", "the table", table)], options.json)


def one_form(options: argparse.Namespace, run: Callable[[Bench], Any], settings: Mapping[str, str] = {}) -> int:
    """Measure one form of the whole job on a stack of its own, with these settings of the worker."""
    from bench.whole import fresh

    def part() -> Any:
        with fresh(options.payers) as bench:
            bench.environment |= settings
            if options.days:
                bench.fill(options.days, say, options.cache)
            bench.start_worker()
            forms.backlog(bench, options.payments, say)
            loops.warm(bench, options.warm)
            return run(bench)

    return measure([Part(options.form, "the whole job", part)], options.json)


def quick(options: argparse.Namespace) -> int:
    """Work off a backlog, keep up with half that rate, and measure the yardsticks beside."""
    from bench.ablations.suite import yardsticks

    small = suite.Sizes(
        payers=options.payers,
        days=options.days,
        backlog=options.payments,
        latency_rate=options.rate,
        latency_seconds=options.seconds or 12,
        warm_seconds=options.warm,
        quick=True,
    )
    with suite.Suite(small, say) as whole:
        wanted = whole.parts(["rounds", "backlog", "latency"])
        wanted.append(Part("yardsticks", "stock Faust and shap", lambda: yardsticks(say)))
        return measure(wanted, options.json)


def ramp(options: argparse.Namespace) -> int:
    """Raise the rate until the worker does not keep up."""
    first = options.rate or 2_000.0
    rates = [first * options.step**number for number in range(40)]
    seconds = options.seconds or 15.0
    return one_form(options, lambda bench: forms.ramp(bench, rates, seconds, cores=os.cpu_count() or 1, say=say))


def latency(options: argparse.Namespace) -> int:
    """See latency from outside."""
    return one_form(options, lambda bench: forms.latency(bench, options.rate or 5_000.0, options.seconds or 60.0, say))


def sustain(options: argparse.Namespace) -> int:
    """Hold one rate for long."""
    rate, seconds = options.rate or 5_000.0, options.seconds or 600.0
    more = ["--genuine-rate", str(options.outcomes)] if options.outcomes is not None else []
    if options.hot_payee:
        more += ["--hot-payee", str(min(1.0, options.hot_payee / rate))]
    return one_form(options, lambda bench: forms.sustain(bench, rate, seconds, say, options=more), LONG_RUN)


def api(options: argparse.Namespace) -> int:
    """Measure the API beside the plain handler that people write, and beside the stream."""
    from bench.over_http.run import QUICK, ApiBench, Sizes

    sizes = QUICK if options.quick else Sizes()
    if options.seconds:
        sizes = replace(sizes, stream_seconds=options.seconds)
    if options.rate:
        sizes = replace(sizes, beside=replace(sizes.beside, rates=(options.rate,)))
    if options.rounds:
        sizes = replace(sizes, beside=replace(sizes.beside, rounds=options.rounds))
    with ApiBench(sizes, say) as whole:
        return measure(whole.parts(options.only), options.json)


def report(options: argparse.Namespace) -> int:
    """Write tables and plots."""
    from bench.report import write

    for path in write(results.merged([results.read(path) for path in options.files]), options.page, options.images):
        say(f"wrote {path}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    found = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = found.add_subparsers(dest="form", required=True)
    whole = commands.add_parser("all", help="everything in one run")
    whole.add_argument(
        "--only", type=_names, metavar="PART,...", help=f"some parts of {', '.join(suite.NAMES)}; the order stays"
    )
    whole.add_argument("--rate", type=float, help="payments/s of the latency run (default: half the rate of a backlog)")
    size = whole.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="growth to the end of every scale: a quarter of an hour more")
    size.add_argument("--tiny", action="store_true", help="only to see that everything works; the figures mean nothing")
    whole.set_defaults(run=everything)
    table = commands.add_parser("goals", help="rounds, backlog, rates and knee as one table")
    table.add_argument("--only", type=_names, metavar="PART,...", help=f"some of {', '.join(suite.GOALS)}")
    table.add_argument(
        "--against", type=Path, metavar="DIR", help="another checkout, which is measured before this one"
    )
    table.add_argument("--rates", type=_rates, metavar="RATE,...", help="payments/s (default 1000,5000,15000)")
    table.add_argument("--seconds", type=float, help="of each rate (default 40)")
    table.add_argument(
        "--variant", type=_variant, action="append", default=[], metavar="NAME:SETTING=VALUE,...",
        help="more settings of this checkout's worker to measure the rates with, beside the default and every verdict",
    )  # fmt: skip
    table.add_argument(
        "--days", type=float, default=suite.Sizes().days, help="before the backlog (default %(default)s)"
    )
    table.add_argument("--cache", type=Path, help="a directory that keeps the history of the payers for another run")
    table.add_argument(
        "--tiny", action="store_true", help="only to see that everything works; the figures mean nothing"
    )
    table.add_argument("--partitions", type=int, help="of every topic (default 4)")
    table.add_argument("--alert-partitions", type=int, help="of the topic of alerts (default: as many as the others)")
    table.set_defaults(run=goal_table)
    for name, run in (("quick", quick), ("ramp", ramp), ("latency", latency), ("sustain", sustain)):
        form = commands.add_parser(name, help=(run.__doc__ or "").partition(".")[0].lower())
        form.add_argument("--payments", type=int, default=60_000, help="payments of the backlog (default 60000)")
        # Payments spread over the days that so many payers take for them: ten minutes of a few payers would be months.
        payers = 200_000 if name == "sustain" else 20_000
        form.add_argument("--payers", type=int, default=payers, help="payers of the population (default %(default)s)")
        days = 30.0 if name == "sustain" else 0.0
        form.add_argument(
            "--days", type=float, default=days, help="of their payments that Redis has before (default %(default)s)"
        )
        form.add_argument("--cache", type=Path, help="a directory that keeps these payments for another run")
        warm = QUICK_WARM_SECONDS if name == "quick" else loops.WARM_SECONDS
        form.add_argument(
            "--warm", type=float, default=warm, help="seconds for the broker to warm up (default %(default)s)"
        )
        form.add_argument("--rate", type=float, help="payments/s of the open loop; of the first one, in a ramp")
        form.add_argument("--seconds", type=float, help="of an open loop: 12, ramp 15, latency 60, sustain 600")
        if name == "sustain":
            form.add_argument("--hot-payee", type=float, default=0.0, help="payments/s of them all to one merchant")
            form.add_argument("--outcomes", type=float, help="share of payments found GENUINE (default 0.004)")
        if name == "ramp":
            form.add_argument("--step", type=float, default=1.25, help="from one rate to the next (default 1.25)")
        form.set_defaults(run=run)
    http = commands.add_parser("api", help="the API beside the plain handler, and beside the stream")
    http.add_argument("--only", type=_http_names, metavar="PART,...", help=f"some parts of {', '.join(HTTP_NAMES)}")
    http.add_argument("--quick", action="store_true", help="in under a minute; the figures say little")
    http.add_argument(
        "--rate", type=float, help="calls/s of one payment each beside the plain handler (default 50 and 150)"
    )
    http.add_argument("--rounds", type=int, help="turns that both handlers take (default 1)")
    http.add_argument("--seconds", type=float, help="of each load beside the stream (default 15)")
    http.set_defaults(run=api)
    for form in commands.choices.values():
        form.add_argument("--json", type=Path, help="write the raw results there, part by part")
    writing = commands.add_parser("report", help="tables and plots from raw results")
    writing.add_argument("files", type=Path, nargs="+")
    writing.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    writing.add_argument("--images", type=Path, default=ROOT / "docs" / "images" / "benchmarks")
    writing.set_defaults(run=report)
    return found


def _kept(part: Part, found: dict[str, Any]) -> Part:
    """Return a part whose result is found by its name afterwards."""

    def run() -> Any:
        found[part.name] = part.run()
        return found[part.name]

    return Part(part.name, part.about, run)


def _passed_on(options: argparse.Namespace) -> list[str]:
    """Return the options with which another checkout is measured alike."""
    passed = ["--days", str(options.days), *(["--tiny"] if options.tiny else [])]
    passed += ["--cache", str(options.cache.resolve())]
    for name in PARTITIONS:
        passed += [f"--{name.replace('_', '-')}", str(getattr(options, name))] if getattr(options, name) else []
    passed += ["--rates", ",".join(map(str, options.rates))] if options.rates else []
    return passed + (["--seconds", str(options.seconds)] if options.seconds else [])


def _rates(text: str) -> list[float]:
    return sorted(float(rate) for rate in text.split(","))


def _variant(text: str) -> tuple[str, dict[str, str]]:
    """Read a name and the settings that it stands for."""
    name, colon, settings = text.partition(":")
    pairs = [setting.partition("=")[::2] for setting in settings.split(",")]
    if not colon or not all(key and value for key, value in pairs):
        raise argparse.ArgumentTypeError(f"expected NAME:SETTING=VALUE,..., got {text!r}")
    return name, dict(pairs)


def _names(text: str) -> list[str]:
    return _some(text, suite.NAMES)


def _http_names(text: str) -> list[str]:
    return _some(text, HTTP_NAMES)


def _some(text: str, known: Sequence[str]) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}, got {name!r}")
    return names


def main() -> None:
    """Measure and print, or report."""
    options = parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped, as by SIGINT
    sys.exit(options.run(options))


if __name__ == "__main__":
    main()
