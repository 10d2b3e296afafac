"""`python -m bench quick`: rate, latency and cost of the whole job beside its yardsticks, in one run."""

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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("form", choices=["quick"], help="quick: under two minutes on a quiet machine")
    parser.add_argument("--payments", type=int, default=60_000, help="payments of the backlog")
    parser.add_argument("--payers", type=int, default=4_000)
    parser.add_argument("--rate", type=float, help="payments/s of the open loop; default: half of the backlog's rate")
    parser.add_argument("--seconds", type=float, default=12.0, help="of the open loop")
    parser.add_argument("--json", type=Path, help="write the raw results there")
    options = parser.parse_args()

    index, load = machine.index(), os.getloadavg()[0]
    print(
        f"machine-speed index {index:.2f} s for 3 million loop steps (a current laptop: 0.2), load average {load:.1f}"
    )
    with whole.fresh(options.payers) as bench:
        bench.start_worker()
        runs = [whole.drain(bench, options.payments)]
        show(runs[0])
        runs.append(whole.open_loop(bench, options.rate or round(runs[0].rate / 2, -2), options.seconds))
        show(runs[1])
        memory = bench.memory()
        print("  resident MB: " + ", ".join(f"{name} {size / 2**20:.0f}" for name, size in memory.items()))
    print("\nyardsticks in the same run")
    stock = stock_faust()
    score = against_shap(ROOT / "model/artifacts/default")
    ours = min(us for name, us in score.items() if name.startswith("score"))
    print(f"whole job, servers included / stock Faust's empty agent: {runs[0].rate / stock:.2f} ({stock:,.0f}/s)")
    print(
        f"shap.TreeExplainer / score and reasons: {score['shap'] / ours:.0f} ({score['shap']:.0f} us / {ours:.1f} us)"
    )
    if options.json:
        facts = {
            "index": index, "load": load, "python": platform.python_version(), "machine": platform.machine(),
            "cores": os.cpu_count(), "packages": {name: version(name) for name in PACKAGES},
            "commit": _commit(),
            "runs": [asdict(run) for run in runs], "memory": memory, "stock_faust": stock, "score": score,
        }  # fmt: skip
        options.json.write_text(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
