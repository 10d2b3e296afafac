"""A process beside the worker that sees when an alert can be read and when a verdict is durable.

It belongs to nobody that it measures. Alerts come as to any reader of the topic. New verdicts are looked for in
Postgres every few milliseconds behind where the last look ended (a TID range scan of each day's partition): a row that
another session sees has had its commit flushed. So a time is late by up to the time between two looks, never early.
The times are held against the schedule afterwards (bench/latency.py), which costs nothing while it runs.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time
import uuid
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from confluent_kafka import Consumer
from psycopg import sql
from psycopg.pq import ExecStatus

from stream.wire import ALERTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
REREAD_PAGES = 64
"""Pages before the last one that are read again: PostgreSQL extends a table by up to so many and fills them later."""

_ARRAY_HEADER = 20
_INT8_ITEM = np.dtype([("length", ">i4"), ("value", ">i8")])
"""An item of an array of int8 in PostgreSQL's binary format, which begin behind the dimensions."""

NEXT_DAYS_EVERY = 4
"""Looks after which the days beside the active one are looked at too: rows move on to one of them at midnight."""

ALL_DAYS_EVERY = 20
"""Looks after which days are looked at too that no row was expected in."""


class Verdicts:
    """Rows of the verdict store as they become visible, each once, with the moment at which it was first seen."""

    def __init__(self, url: str, days: Sequence[str], partitions: int) -> None:
        # One session that only reads, each look a transaction of its own with a snapshot of its own.
        self._connection = psycopg.connect(url, autocommit=True)
        self.server_pid = self._connection.info.backend_pid
        self._connection.execute("SET plan_cache_mode = force_generic_plan")  # planning costs more than looking
        self._days, self._pages = list(days), [self._size(name) for name in days]
        newest = self._last_offsets(partitions)
        self._newest = [newest.copy() for _ in days]
        self._known: set[tuple[int, ...]] = set()
        self._active: int | None = None
        """The day in which rows appeared lately; None before the first."""
        self.partitions, self.offsets, self.seen_us = array("i"), array("q"), array("q")
        self.looks_us = array("q")

    def _size(self, name: str) -> int:
        row = self._connection.execute(
            "SELECT pg_relation_size(%s::text::regclass) / current_setting('block_size')::int", (name,)
        ).fetchone()
        return int(row[0]) if row else 0

    def _last_offsets(self, partitions: int) -> list[int]:
        rows = self._connection.execute(
            "SELECT source_partition, max(source_offset) FROM verdicts_by_day GROUP BY source_partition"
        ).fetchall()
        known: dict[int, int] = dict(rows)
        return [known.get(partition, -1) for partition in range(partitions)]

    def look(self) -> None:
        """Note what is new in the day where rows appear, now and then beside it, and seldom in all days.

        Postgres takes a quarter of a millisecond for each day, which the worker must do without.
        """
        number, watched = len(self.looks_us), tuple(range(len(self._days)))
        if self._active is not None and number % ALL_DAYS_EVERY:
            beside = 0 if number % NEXT_DAYS_EVERY else 1
            watched = watched[max(0, self._active - beside) : self._active + beside + 1]
        given: list[bytes] = []
        for day in watched:
            newest = b",".join(b"%d" % offset for offset in self._newest[day])
            given += b"{%s}" % newest, b"(%d,0)" % max(0, self._pages[day] - REREAD_PAGES)
        # libpq itself: what psycopg does around it costs several times as much, and would be the worker's loss.
        found = self._connection.pgconn.exec_prepared(self._prepared(watched), given, result_format=1)
        now = time.time_ns() // 1000
        if found.status != ExecStatus.TUPLES_OK:
            raise RuntimeError(f"The observer's look failed: {found.error_message.decode(errors='replace')}")
        self.looks_us.append(now)
        for row in range(found.ntuples):
            day, partition, page = (
                int.from_bytes(found.get_value(row, column) or b"", "big", signed=True) for column in range(3)
            )
            offsets = np.frombuffer(found.get_value(row, 3) or b"", dtype=_INT8_ITEM, offset=_ARRAY_HEADER)["value"]
            self.partitions.extend([partition] * len(offsets))
            self.offsets.frombytes(offsets.astype(np.int64).tobytes())
            self.seen_us.extend([now] * len(offsets))
            self._newest[day][partition] = max(self._newest[day][partition], int(offsets.max()))
            self._pages[day] = max(self._pages[day], page >> 16)  # the low half is the position in the page
            self._active = day

    def _prepared(self, watched: tuple[int, ...]) -> bytes:
        name = b"look" + b"_".join(b"%d" % day for day in watched)
        if watched not in self._known:
            # Within a partition of the topic the rows of a day are stored in order of their offsets: what is behind the
            # newest one is new. Of each day's own rows: a day that is seldom looked at is behind the others.
            parts = [
                sql.SQL(
                    "SELECT {day}::int4, source_partition, max(ctid), array_agg(source_offset) FROM {table}"
                    " WHERE ctid >= {begin}::tid AND source_offset > ({newest}::int8[])[source_partition + 1]"
                    " GROUP BY source_partition"
                ).format(
                    day=day,
                    table=sql.Identifier(self._days[day]),
                    newest=sql.SQL(f"${2 * index + 1}"),
                    begin=sql.SQL(f"${2 * index + 2}"),
                )
                for index, day in enumerate(watched)
            ]
            query = sql.SQL(" UNION ALL ").join(parts).as_bytes(self._connection)
            self._connection.pgconn.prepare(name, query)
            self._known.add(watched)
        return name

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


class Alerts(threading.Thread):
    """Reads the alerts topic from its end on, in a thread of its own that waits most of the time."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(name="alerts", daemon=True)
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": f"bench-{uuid.uuid4().hex}", "auto.offset.reset": "latest",
             "enable.auto.commit": False, "fetch.wait.max.ms": 500}
        )  # fmt: skip
        self.ids: list[str] = []
        self.seen_us = array("q")
        self.ready, self._stop_reading = threading.Event(), threading.Event()
        self._consumer.subscribe([topic], on_assign=lambda *_: self.ready.set())

    def run(self) -> None:
        """Read until told to stop."""
        while not self._stop_reading.is_set():
            record = self._consumer.poll(0.1)
            if record is not None and record.error() is None:
                self.seen_us.append(time.time_ns() // 1000)
                self.ids.append(transaction_id(record.value() or b""))
        self._consumer.close()

    def stop(self) -> None:
        """Return when nothing reads any more."""
        self._stop_reading.set()
        self.join(20)


_FIELD = b'"transaction_id":"'


def transaction_id(alert: bytes) -> str:
    """Return whose alert this is: of 15,000 a second only the ids are kept, and reading all of it would be too much."""
    begin = alert.index(_FIELD) + len(_FIELD)
    return alert[begin : alert.index(b'"', begin)].decode()


class Observer:
    """The observer as its parent sees it: started and ready, stopped and read."""

    def __init__(
        self, environment: Mapping[str, str], directory: Path, *, days: Sequence[str], partitions: int, every: float
    ) -> None:
        """`days`: tables to watch; `partitions`: of `transactions`; `every`: seconds between two looks."""
        self._out = directory / f"observed-{uuid.uuid4().hex[:8]}.npz"
        command = [
            sys.executable, "-m", "bench.observer", "--out", str(self._out), "--every", str(every),
            "--bootstrap", environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"],
            "--postgres", environment["UPIFRAUD_POSTGRES_URL"],
            "--alerts", environment.get("UPIFRAUD_TOPIC_ALERTS", ALERTS), "--partitions", str(partitions),
            "--days", *days,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        if line[:1] != ["ready"]:
            self.kill()
            raise RuntimeError(f"The observer was expected to be ready, and said {' '.join(line)!r}.")
        self.server_pid = int(line[1])
        """The process of Postgres that serves it: what it uses is the observer's."""

    def finish(self) -> dict[str, Any]:
        """Stop it and return its arrays."""
        self.process.terminate()
        if code := self.process.wait(60):
            raise RuntimeError(f"The observer ended with code {code}.")
        with np.load(self._out) as found:
            return dict(found)

    def kill(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def main() -> None:
    """Observe until SIGTERM, then write the times down."""
    parser = argparse.ArgumentParser(prog="python -m bench.observer", description=__doc__.partition("\n")[0])
    for name in ("bootstrap", "postgres", "alerts"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--days", nargs="+", required=True, help="tables of the verdict store to watch")
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--every", type=float, default=0.01, help="seconds between two looks (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    alerts = Alerts(options.bootstrap, options.alerts)
    alerts.start()
    if not alerts.ready.wait(60):
        sys.exit("The alerts topic gave no partition within 60 s.")
    verdicts = Verdicts(options.postgres, options.days, options.partitions)
    print("ready", verdicts.server_pid, flush=True)
    due = time.perf_counter()
    while not stopping.is_set():
        verdicts.look()
        due = max(due + options.every, time.perf_counter())
        stopping.wait(max(0.0, due - time.perf_counter()))
    verdicts.look()
    alerts.stop()
    verdicts.close()
    with options.out.open("wb") as out:
        np.savez(
            out,
            partition=np.array(verdicts.partitions),
            offset=np.array(verdicts.offsets),
            seen_us=np.array(verdicts.seen_us),
            looks_us=np.array(verdicts.looks_us),
            alert_id=np.array(alerts.ids, dtype="U64"),
            alert_seen_us=np.array(alerts.seen_us),
        )


if __name__ == "__main__":
    main()
