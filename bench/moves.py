"""How long partitions stand still when a worker joins and when it leaves by SIGTERM: `python -m bench.moves`.

Two workers on a whole stack of their own, with the switch at a steady rate. Each verdict says when it was decided and
which partition it came from, so the longest time without a verdict is known for every partition: of those that moved,
and of those that stayed where they were; beside them the longest such time in a stretch without a move, for a
partition's gap cannot be less than the time between two of its micro-batches, and a starting worker takes its CPU.
"""

from __future__ import annotations

import argparse
import time
import urllib.request
from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from bench import machine
from bench.whole import fresh
from upifraud.local_stack import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Collection

WARM_UP = 12.0
"""Seconds of traffic before anything is measured."""

QUIET = 10.0
"""Seconds without a move that the others are held against."""

AROUND = 6.0
"""Seconds after a move in which its gaps are looked for; librdkafka asks for the new assignment within three."""


def partitions_of(port: int) -> set[int]:
    """Return the partitions of `transactions` that a worker has, from its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == "consumer_lag_records"]
    return {int(sample.labels["partition"]) for sample in samples if sample.labels["topic"] == "transactions"}


def gaps(url: str, began: float, ended: float) -> dict[int, float]:
    """Return each partition's longest time without a verdict, in seconds, between two moments of the clock."""
    times: dict[int, list[float]] = {}
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT source_partition, extract(epoch FROM decided_at)::float8 FROM verdicts_by_day "
            "WHERE decided_at BETWEEN to_timestamp(%s) AND to_timestamp(%s) ORDER BY decided_at",
            (began, ended),
        )
        for partition, decided_at in rows:
            times.setdefault(partition, [began]).append(decided_at)
    return {partition: max(b - a for a, b in pairwise([*decided, ended])) for partition, decided in times.items()}


def told(name: str, found: dict[int, float], moved: Collection[int]) -> str:
    """Return one line about a move."""
    of_moved = [gap for partition, gap in found.items() if partition in moved]
    of_rest = [gap for partition, gap in found.items() if partition not in moved]
    parts = [f"{len(of_moved)} partitions moved, longest gap {max(of_moved):.2f} s"] if of_moved else []
    parts += [f"{len(of_rest)} stayed, longest gap {max(of_rest):.2f} s"] if of_rest else []
    return f"{name}: {'; '.join(parts)}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.moves", description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=1_200, help="payments/s (default 1200)")
    options = parser.parse_args()
    print(f"machine-speed index {machine.index():.2f} s, {options.rate} payments/s over {PARTITIONS} partitions")
    with fresh(2_000, PARTITIONS) as bench:
        bench.start_worker()
        switch = bench.switch(options.rate * 60, options.rate)
        time.sleep(WARM_UP)
        quiet = time.time()
        time.sleep(QUIET)
        steady = gaps(bench.postgres.url, quiet, time.time() - 1)
        began = time.time()
        second, port = bench.second_worker()
        joined = time.time()
        while not partitions_of(port):
            time.sleep(0.05)
        time.sleep(AROUND)
        moved = partitions_of(port)
        joining = gaps(bench.postgres.url, began, time.time() - 1)
        time.sleep(4)
        left = time.time()
        second.terminate()
        code = second.wait(30)
        gone = time.time()
        time.sleep(AROUND)
        leaving = gaps(bench.postgres.url, left - 1, time.time() - 1)
        switch.finish(120)
        print(f"nobody joins or leaves: longest gap {max(steady.values()):.2f} s")
        print(told(f"a worker joins (ready after {joined - began:.1f} s)", joining, moved))
        print(told(f"it leaves by SIGTERM (exit code {code} after {gone - left:.1f} s)", leaving, moved))


if __name__ == "__main__":
    main()
