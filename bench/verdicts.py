"""Microseconds a payment to claim an id and to store a verdict in PostgreSQL: `python bench/verdicts.py`.

Starts the embedded PostgreSQL with its production settings (fsync on), or measures the one of `--url`, in a database
of its own. CPU of this process and of the server process that serves it (/proc/PID/schedstat) are told apart; wall
time includes the disk. Rounds of the batch sizes are interleaved and the median round is printed.
`python bench/verdict_alternatives.py` measures what was not chosen.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from bench import machine
from local.postgres import PostgresServer, drop_database, make_database
from stream.verdict_store import Model, OutcomeRow, VerdictRows, VerdictStore, migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (64, 512, 2048)
FEATURES, PROVENANCE = 72, 80
ALERT_SHARE = 0.01
TODAY = int(time.time()) // 86_400


@dataclass
class Cost:
    """Microseconds a row: of this process, of the server process, and of the wall clock."""

    rounds: list[tuple[float, float, float]] = field(default_factory=list)

    def measure(self, run: Callable[[], None], rows: int, server_pid: int) -> None:
        """Run once and note what a row cost."""
        server, client, wall = server_ns(server_pid), time.thread_time_ns(), time.perf_counter_ns()
        run()
        wall, client = time.perf_counter_ns() - wall, time.thread_time_ns() - client
        self.rounds.append((client / rows / 1e3, (server_ns(server_pid) - server) / rows / 1e3, wall / rows / 1e3))

    def line(self, name: str, size: int) -> str:
        """Return the medians as a line of the table."""
        client, server, wall = (median(column) for column in zip(*self.rounds, strict=True))
        return f"{name:<44} {size:>6} {client:>8.2f} {server:>8.2f} {wall:>8.2f}"


def server_ns(pid: int) -> int:
    """Nanoseconds on a CPU so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


class Payments:
    """Makes ids and verdicts that nobody has seen before."""

    def __init__(self, model_key: int, seed: int = 1, *, facts: bytes | None = None, has_rrn: bool = False) -> None:
        self._facts, self._has_rrn = facts, has_rrn
        self._draw = np.random.default_rng(seed)
        self._model_key = model_key
        self._offset = 0

    def claims(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what `VerdictStore.claim` takes, but for the day."""
        self._offset += n
        ids = self._draw.integers(0, 2**63, size=(n, 2), dtype=np.uint64)
        fingerprints = self._draw.integers(-(2**62), 2**62, size=n)
        return ids, fingerprints, np.zeros(n, dtype=np.int32), np.arange(self._offset - n, self._offset)

    def rows(self, n: int) -> VerdictRows:
        """Return verdicts of today, a hundredth of them with an alert."""
        draw = self._draw
        times = int(time.time() * 1000) + np.arange(n) % 1000
        payers, payees = draw.integers(0, 10**6, n), draw.integers(0, 10**5, n)
        facts = self._facts
        return VerdictRows.of(
            transaction_id=[f"AXB{draw.bytes(16).hex()}".encode() for _ in range(n)],
            event_time=times,
            decided_at=times + 20,
            payer_vpa=[b"asha.rao%06d@okaxis" % number for number in payers],
            payee_vpa=[b"shop%05d@ybl" % number for number in payees],
            amount_paise=draw.integers(100, 10**7, n),
            verdict=np.zeros(n, dtype=np.int16),
            score=draw.random(n),
            margin=draw.normal(size=n),
            feature_state=np.zeros(n, dtype=np.int16),
            model_key=np.full(n, self._model_key, dtype=np.int16),
            vectors=draw.normal(size=(n, FEATURES)).astype(np.float32),
            provenance=draw.integers(0, 256, size=(n, PROVENANCE), dtype=np.uint8),
            source_partition=np.zeros(n, dtype=np.int32),
            source_offset=np.arange(n),
            alerts=[bytes(1500) if chance < ALERT_SHARE else None for chance in draw.random(n)],
            facts=[facts and facts % pair for pair in zip(payers, payees, strict=True)],
            rrn=self._rrns(times) if self._has_rrn else np.full(n, -1),
            hold_until=np.full(n, -1),
        )

    def _rrns(self, times: np.ndarray) -> np.ndarray:
        """Return numbers as switches give them: last digit of the year, day of the year, hour, and six of their own."""
        moment = times.astype("datetime64[ms]")
        year, day, hour = (moment.astype(f"datetime64[{unit}]") for unit in "YDh")
        days, hours = (
            (day - year.astype("datetime64[D]")).astype(int) + 1,
            (hour - day.astype("datetime64[h]")).astype(int),
        )
        head = (year.astype(int) % 10 * 1000 + days) * 100 + hours
        return head * 10**6 + self._draw.integers(0, 10**6, len(times))


def measure_store(store: VerdictStore, payments: Payments, rounds: int) -> None:
    """Print what a claim costs, and an insert with its look for waiting outcomes."""
    claims_pid, verdicts_pid = store.server_pids
    claiming = {size: Cost() for size in SIZES}
    inserting = {(some, size): Cost() for some in (0, 10, 10_000) for size in SIZES}
    for _ in range(rounds):
        for size in SIZES:
            batches = SIZES[-1] // size
            claims = [payments.claims(size) for _ in range(batches)]
            claiming[size].measure(lambda c=claims: [store.claim(*one, TODAY) for one in c], batches * size, claims_pid)
            rows = [payments.rows(size) for _ in range(batches)]
            inserting[0, size].measure(lambda r=rows: [store.insert(one) for one in r], batches * size, verdicts_pid)
    for (some, size), cost in inserting.items():
        store.put_outcomes([OutcomeRow(b"never%d" % i, i % 2 == 0, TODAY, None, None, 0, i) for i in range(some)])
        for _ in range(rounds if some else 0):
            rows = [payments.rows(size) for _ in range(SIZES[-1] // size)]
            cost.measure(lambda r=rows: [store.insert(one) for one in r], SIZES[-1], verdicts_pid)
    for size in SIZES:
        print(claiming[size].line("claim", size))
    for (some, size), cost in inserting.items():
        print(cost.line(f"insert, {some} outcomes wait for others", size))


def print_sizes(url: str) -> None:
    """Print how many bytes a row takes, in the table and in its index."""
    with psycopg.connect(url) as connection:
        for table in ("payment_ids", "verdicts_by_day"):
            count, heap, index = connection.execute(
                f"SELECT (SELECT count(*) FROM {table}), sum(pg_relation_size(c.oid)), sum(pg_indexes_size(c.oid))"
                " FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid"
                " WHERE c.relkind = 'r' AND %s::regclass IN (c.oid, i.inhparent)",
                (table,),
            ).fetchone()
            print(f"{table}: {count} rows, {heap / count:.0f} bytes a row and {index / count:.0f} of index")


@contextlib.contextmanager
def database(url: str | None) -> Iterator[str]:
    """Yield the URL of a database of our own, on the server given or on one started for it."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="upifraud-bench-") as directory:
        server = None if url else PostgresServer(Path(directory) / "postgres")
        if server:
            server.start()
        maintenance = url or server.database_url("postgres")
        try:
            make_database(maintenance, name)
            head, _, tail = maintenance.partition("?")
            yield f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{tail}" if tail else "")
            drop_database(maintenance, name)
        finally:
            if server:
                server.kill()


@contextlib.contextmanager
def measured_store(arguments: argparse.Namespace) -> Iterator[tuple[str, VerdictStore, Payments]]:
    """Yield a store with some ids and verdicts in it, its database's URL, and payments to measure with."""
    print(f"machine-speed index {machine.index():.2f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with database(arguments.url) as url:
        migrate(url)
        store = VerdictStore(url)
        features = tuple(f"feature_{number}" for number in range(FEATURES))
        payments = Payments(store.model_key(Model("bench", "0", 0.0, features)))
        for _ in range(0, arguments.ids, 50_000):
            store.claim(*payments.claims(50_000), TODAY)
        store.insert(payments.rows(2_048))
        print(f"{'us a payment':<44} {'batch':>6} {'client':>8} {'server':>8} {'wall':>8}")
        yield url, store, payments
        store.close()


def parser_of(description: str) -> argparse.ArgumentParser:
    """Return the options that all measurements of the store have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", help="a PostgreSQL server whose processes run on this machine")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--ids", type=int, default=500_000, help="ids that are there before")
    return parser


def main() -> None:
    """Print the figures."""
    arguments = parser_of(__doc__.splitlines()[0]).parse_args()
    with measured_store(arguments) as (url, store, payments):
        measure_store(store, payments, arguments.rounds)
        print_sizes(url)


if __name__ == "__main__":
    main()
