"""Rate, latency and cost of the whole job on this machine.

quick: a backlog and an open loop beside the yardsticks, in under two minutes on a quiet machine.
ramp: open loops at rising rates, to the first that the worker does not keep up with.
sustain: one open loop at `--rate` for `--seconds`, with the records that waited over time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import machine, whole

ROOT = Path(__file__).parents[1]
PACKAGES = ("faust-streaming", "confluent-kafka", "numba", "numpy", "scikit-learn", "shap", "redis", "psycopg")


def stock_faust() -> float:
    """Return the records/s that stock Faust drains with an empty agent, from bench/transport.py."""
    out = _output("bench/transport.py", "--records", "200000", "--stock-records", "20000", "--rounds", "1")
    found = re.search(r"^stock Faust.*?\s([\d,]*\d)\s", out, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"bench/transport.py printed no figure for stock Faust:\n{out}")
    print(out)
    return float(found[1].replace(",", ""))


def against_shap(artifact: Path) -> dict[str, float]:
    """Return CPU us a row of our scorer and of shap.TreeExplainer on the default artifact, from bench/score.py."""
    out = _output("bench/score.py", "--artifact", str(artifact), "--rounds", "5", "--json")
    results: dict[str, dict[str, float]] = json.loads(out)["us_cpu_a_row"]
    return next(iter(results.values()))


def _output(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def show(run: whole.Run) -> None:
    """Print one run."""
    quantiles = ", ".join(f"{label} {value:.1f} ms" for label, value in run.latency_ms.items())
    print(f"\n{run.name}: {run.rate:,.0f} payments/s over {run.seconds:.1f} s")
    if run.name != "backlog":
        print(f"  end to end (scheduled publish to durable verdict, confirmed alert): {quantiles}")
    print("  CPU us a payment: " + ", ".join(f"{name} {us:.1f}" for name, us in sorted(run.us.items())))
    print("  of the worker's:  " + ", ".join(f"{name} {run.stage_us.get(name, 0):.1f}" for name in whole.STAGES))


def kept_up(run: whole.Run, rate: float) -> bool:
    """Return whether the worker was as fast as the switch, and half a second's records waited at most in the end."""
    return run.rate > 0.99 * rate and (not run.lags or run.lags[-1][1] < rate / 2)


def quick(bench: whole.Bench, options: argparse.Namespace) -> list[whole.Run]:
    """Work off a backlog, then keep up with half that rate."""
    runs = [whole.drain(bench, options.payments)]
    show(runs[0])
    runs.append(whole.open_loop(bench, options.rate or round(runs[0].rate / 2, -2), options.seconds or 12.0))
    show(runs[1])
    return runs


def ramp(bench: whole.Bench, options: argparse.Namespace) -> list[whole.Run]:
    """Raise the rate until the worker does not keep up; what bounds it then is whoever's CPU is used up."""
    whole.drain(bench, options.payments)  # warms the broker's and the worker's compilers
    runs: list[whole.Run] = []
    rate = options.rate or 2_000.0
    while True:
        runs.append(whole.open_loop(bench, rate, options.seconds or 15.0))
        show(runs[-1])
        if not kept_up(runs[-1], rate):
            print(f"  {rate:,.0f}/s is too much: {runs[-1].lags[-1][1]:,.0f} records waited in the end")
            return runs
        rate *= options.step


def sustain(bench: whole.Bench, options: argparse.Namespace) -> list[whole.Run]:
    """Publish at one rate for long, and see that no lag builds up."""
    whole.drain(bench, options.payments)
    rate = options.rate or 5_000.0
    run = whole.open_loop(bench, rate, options.seconds or 600.0)
    show(run)
    waited = sorted(lag for _, lag in run.lags)
    print(f"  records that waited: median {waited[len(waited) // 2]:,.0f}, most {waited[-1]:,.0f}")
    print(f"  {'kept up' if kept_up(run, rate) else 'did not keep up'}")
    return [run]


def yardsticks(backlog: whole.Run) -> dict[str, Any]:
    """Measure what the whole job is held against, on the same machine at the same time."""
    print("\nyardsticks in the same run")
    stock = stock_faust()
    score = against_shap(ROOT / "model/artifacts/default")
    ours = min(us for name, us in score.items() if name.startswith("score"))
    print(f"whole job, servers included / stock Faust's empty agent: {backlog.rate / stock:.2f} ({stock:,.0f}/s)")
    print(
        f"shap.TreeExplainer / score and reasons: {score['shap'] / ours:.0f} ({score['shap']:.0f} us / {ours:.1f} us)"
    )
    return {"stock_faust": stock, "score": score}


FORMS = {"quick": quick, "ramp": ramp, "sustain": sustain}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("form", choices=list(FORMS))
    parser.add_argument("--payments", type=int, default=60_000, help="payments of the backlog (default 60000)")
    parser.add_argument("--payers", type=int, default=4_000, help="payers of the population (default 4000)")
    parser.add_argument("--rate", type=float, help="payments/s of the open loop; of the first one, in a ramp")
    parser.add_argument("--step", type=float, default=1.25, help="from one rate of a ramp to the next (default 1.25)")
    parser.add_argument("--seconds", type=float, help="of an open loop: 12, in a ramp 15, 600 to sustain")
    parser.add_argument("--json", type=Path, help="write the raw results there")
    options = parser.parse_args()

    index, load = machine.index(), os.getloadavg()[0]
    print(
        f"machine-speed index {index:.2f} s for 3 million loop steps (a current laptop: 0.2), load average {load:.1f}"
    )
    with whole.fresh(options.payers) as bench:
        bench.start_worker()
        runs = FORMS[options.form](bench, options)
        memory = bench.memory()
        print("  resident MB: " + ", ".join(f"{name} {size / 2**20:.0f}" for name, size in memory.items()))
    beside = yardsticks(runs[0]) if options.form == "quick" else {}
    if options.json:
        facts = {
            "index": index, "load": load, "python": platform.python_version(), "machine": platform.machine(),
            "cores": os.cpu_count(), "packages": {name: version(name) for name in PACKAGES},
            "commit": _commit(), "payers": options.payers,
            "runs": [asdict(run) for run in runs], "memory": memory, **beside,
        }  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
