"""Microseconds a payment to claim an id and to store a verdict in PostgreSQL: `python bench/verdicts.py`.

Starts the embedded PostgreSQL with its production settings (fsync on), or measures the one of `--url`, in a database
of its own. CPU of this process and of the server process that serves it (/proc/PID/schedstat) are told apart; wall
time includes the disk. Rounds of the batch sizes are interleaved and the median round is printed. `--compare` also
measures what was not chosen, on tables of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import struct
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import psycopg

from local.postgres import PostgresServer, drop_database, make_database
from stream.verdict_store import Model, VerdictRows, VerdictStore, migrate
from stream.verdict_store import binary, statements
from stream.verdict_store.claims import contest
from stream.verdict_store.connector import Session, Statement
from stream.verdict_store.copy_rows import copy_buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (64, 512, 2048)
FEATURES, PROVENANCE = 72, 48
ALERT_SHARE = 0.01
DAY_MS = 86_400_000


@dataclass
class Cost:
    """Microseconds a row: of this process, of the server process, and of the wall clock."""

    rounds: list[tuple[float, float, float]] = field(default_factory=list)

    def measure(self, run: Callable[[], None], rows: int, server_pid: int) -> None:
        """Run once and note what a row cost."""
        server, client, wall = server_ns(server_pid), time.thread_time_ns(), time.perf_counter_ns()
        run()
        wall, client = time.perf_counter_ns() - wall, time.thread_time_ns() - client
        self.rounds.append(
            (client / rows / 1e3, (server_ns(server_pid) - server) / rows / 1e3, wall / rows / 1e3)
        )

    def line(self, name: str, size: int) -> str:
        client, server, wall = (median(column) for column in zip(*self.rounds, strict=True))
        return f"{name:<44} {size:>6} {client:>8.2f} {server:>8.2f} {wall:>8.2f}"


def server_ns(pid: int) -> int:
    """Nanoseconds on a CPU so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


class Payments:
    """Makes ids and verdicts that nobody has seen before."""

    def __init__(self, model_key: int, seed: int = 1) -> None:
        self._draw = np.random.default_rng(seed)
        self._model_key = model_key
        self._offset = 0

    def claims(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        self._offset += n
        ids = self._draw.integers(0, 2**63, size=(n, 2), dtype=np.uint64)
        fingerprints = self._draw.integers(-(2**62), 2**62, size=n)
        return ids, fingerprints, np.zeros(n, dtype=np.int32), np.arange(self._offset - n, self._offset)

    def rows(self, n: int) -> VerdictRows:
        draw = self._draw
        times = int(time.time() * 1000) + np.arange(n) % 1000
        return VerdictRows(
            transaction_id=[f"AXB{draw.bytes(16).hex()}".encode() for _ in range(n)],
            event_time=times,
            decided_at=times + 20,
            payer_vpa=[b"asha.rao%06d@okaxis" % number for number in draw.integers(0, 10**6, n)],
            payee_vpa=[b"shop%05d@ybl" % number for number in draw.integers(0, 10**5, n)],
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
        )


def sessions(store: VerdictStore) -> tuple[int, int]:
    """Return the server processes of the claims and of the verdicts session."""
    return store._claims.server_pid, store._verdicts.server_pid


def main_figures(url: str, store: VerdictStore, payments: Payments, rounds: int) -> None:
    claims_pid, verdicts_pid = sessions(store)
    claiming = {size: Cost() for size in SIZES}
    inserting = {size: Cost() for size in SIZES}
    waiting = {size: Cost() for size in SIZES}
    for _ in range(rounds):
        for size in SIZES:
            batches = max(1, SIZES[-1] // size)
            claims = [payments.claims(size) for _ in range(batches)]
            claiming[size].measure(lambda c=claims: [store.claim(*one, 20_000) for one in c], batches * size, claims_pid)
            rows = [payments.rows(size) for _ in range(batches)]
            inserting[size].measure(lambda r=rows: [store.insert(one) for one in r], batches * size, verdicts_pid)
            waiting[size].measure(
                lambda r=rows: [store.waiting_outcomes(one) for one in r], batches * size, verdicts_pid
            )
    for name, costs in (("claim", claiming), ("insert", inserting), ("waiting_outcomes, none waits", waiting)):
        for size in SIZES:
            print(costs[size].line(name, size))


def bytes_per_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        for table, parts in (("payment_ids", "payment_ids"), ("verdicts_by_day", "verdicts_by_day")):
            count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            heap, index = connection.execute(
                "SELECT sum(pg_relation_size(relid)), sum(pg_indexes_size(relid)) FROM pg_partition_tree(%s::regclass)"
                " WHERE isleaf UNION ALL SELECT pg_relation_size(%s::regclass), pg_indexes_size(%s::regclass)"
                " ORDER BY 1 DESC NULLS LAST LIMIT 1",
                (parts, parts, parts),
            ).fetchone()
            print(f"{table}: {count} rows, {heap / count:.0f} bytes a row and {index / count:.0f} of index")


# What was not chosen ----------------------------------------------------------------------------------------------

COMPARED = """
CREATE TABLE ids_compared (LIKE payment_ids INCLUDING ALL);
CREATE UNLOGGED TABLE nothing (x int);
"""
ON_CONFLICT = Statement(
    "on_conflict",
    "INSERT INTO payment_ids SELECT i, f, o, p, $5 FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::bigint[])"
    " AS t (i, f, p, o) ON CONFLICT DO NOTHING",
)
COPY_IDS = Statement("copy_ids", "COPY payment_ids FROM STDIN (FORMAT binary)")
COPY_STAGE = Statement("copy_stage", "COPY stage FROM STDIN (FORMAT binary)")
FROM_STAGE = Statement("from_stage", "INSERT INTO payment_ids SELECT * FROM stage ON CONFLICT DO NOTHING")


def id_copy(claims: tuple[np.ndarray, ...]) -> bytes:
    ids, fingerprints, partitions, offsets = claims
    kinds = [("id", ">u8", (2,)), ("f", ">i8"), ("o", ">i8"), ("p", ">i4"), ("d", ">i4")]
    columns = (ids, fingerprints, offsets, partitions, np.full(len(ids), 20_000))
    row = np.dtype([("n", ">i2")] + [part for kind in kinds for part in ((f"{kind[0]}_length", ">i4"), kind)])
    buffer = np.empty(len(ids), dtype=row)
    buffer["n"] = 5
    order = contest(ids).first
    for (name, *_), column in zip(kinds, columns, strict=True):
        buffer[f"{name}_length"] = row[name].itemsize
        buffer[name] = column[order]
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + buffer.tobytes() + b"\xff\xff"


def unnest(session: Session, claims: tuple[np.ndarray, ...]) -> None:
    ids, fingerprints, partitions, offsets = claims
    first = contest(ids).first
    session.call(
        ON_CONFLICT,
        binary.uuid_array(ids[first]),
        binary.int8_array(fingerprints[first]),
        binary.int4_array(partitions[first]),
        binary.int8_array(offsets[first]),
        binary.int4(20_000),
    )


def staged(session: Session, claims: tuple[np.ndarray, ...]) -> None:
    # A transaction around both costs two statements more; this is the cheapest form it can have.
    session.call(Statement("begin", "BEGIN"))
    session.copy_in(COPY_STAGE, id_copy(claims))
    session.call(FROM_STAGE)
    session.call(Statement("commit", "COMMIT"))


def multi_values(connection: psycopg.Connection, claims: tuple[np.ndarray, ...]) -> None:
    ids, fingerprints, partitions, offsets = claims
    rows = []
    for row in range(len(ids)):
        id_ = uuid.UUID(int=(int(ids[row, 0]) << 64) | int(ids[row, 1]))
        rows += [id_, int(fingerprints[row]), int(offsets[row]), int(partitions[row]), 20_000]
    values = ",".join(["(%s,%s,%s,%s,%s)"] * len(ids))
    connection.execute(f"INSERT INTO payment_ids VALUES {values} ON CONFLICT DO NOTHING", rows)


def array_copy(rows: VerdictRows) -> bytes:
    """Return the same COPY with the vector as real[]."""
    packed = rows.vectors
    n, f = packed.shape
    elements = np.empty((n, f), dtype=[("length", ">i4"), ("value", ">f4")])
    elements["length"], elements["value"] = 4, packed
    head = np.frombuffer(struct.pack(">iiIii", 1, 0, 700, f, 1), dtype=np.uint8)
    arrays = np.concatenate((np.tile(head, (n, 1)), elements.view(np.uint8).reshape(n, -1)), axis=1)
    # copy_buffer copies the bytes of whatever float32 matrix it is given.
    fake = np.ascontiguousarray(arrays).view("<f4")
    changed = {name: getattr(rows, name) for name in VerdictRows.__dataclass_fields__} | {"vectors": fake}
    return copy_buffer(VerdictRows(**changed)).data


def compare(url: str, payments: Payments, rounds: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE array_vectors (LIKE verdicts_by_day INCLUDING ALL)")
        connection.execute("ALTER TABLE array_vectors ALTER vector TYPE real[] USING NULL")
        connection.execute("CREATE TABLE one_table (LIKE verdicts_by_day INCLUDING ALL)")
        connection.execute("CREATE TABLE no_key (LIKE verdicts_by_day)")
        session = Session(url, name="compare", settings={})
        session.call(Statement("stage", "CREATE TEMP TABLE stage (LIKE payment_ids) ON COMMIT DELETE ROWS"))
        pid, plain_pid = session.server_pid, connection.info.backend_pid
        ways: dict[str, Callable[[object], None]] = {
            "claim by unnest, ON CONFLICT": lambda c: unnest(session, c),
            "claim by COPY (fails for a duplicate)": lambda c: session.copy_in(COPY_IDS, id_copy(c)),
            "claim by COPY to staging, ON CONFLICT": lambda c: staged(session, c),
            "claim by multi-row VALUES, ON CONFLICT": lambda c: multi_values(connection, c),
        }
        tables = {
            "insert, vector as real[]": ("array_vectors", array_copy),
            "insert, one table instead of days": ("one_table", lambda r: copy_buffer(r).data),
            "insert, no key": ("no_key", lambda r: copy_buffer(r).data),
        }
        costs = {(name, size): Cost() for name in (*ways, *tables) for size in SIZES}
        for _ in range(rounds):
            for size in SIZES:
                batches = max(1, SIZES[-1] // size)
                for name, way in ways.items():
                    claims = [payments.claims(size) for _ in range(batches)]
                    server = plain_pid if "VALUES" in name else pid
                    costs[name, size].measure(lambda c=claims, w=way: [w(one) for one in c], batches * size, server)
                for name, (table, encode) in tables.items():
                    rows = [payments.rows(size) for _ in range(batches)]
                    into = Statement(table, statements.COPY_VERDICTS.sql.replace("verdicts_by_day", table))
                    costs[name, size].measure(
                        lambda r=rows, s=into, e=encode: [session.copy_in(s, e(one)) for one in r], batches * size, pid
                    )
        session.close()
    for (name, size), cost in costs.items():
        print(cost.line(name, size))


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


def machine_index() -> float:
    """Seconds of three million loop steps: the figures of two machines compare by it."""
    start, total = time.process_time(), 0
    for i in range(3_000_000):
        total += i * i
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="a PostgreSQL server whose backends run on this machine")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--ids", type=int, default=500_000, help="ids that are there before")
    parser.add_argument("--compare", action="store_true", help="also measure what was not chosen")
    arguments = parser.parse_args()
    print(f"machine-speed index {machine_index():.2f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with database(arguments.url) as url:
        migrate(url)
        store = VerdictStore(url)
        features = tuple(f"feature_{i}" for i in range(FEATURES))
        payments = Payments(store.model_key(Model("bench", "0", 0.0, features)))
        for _ in range(0, arguments.ids, 50_000):
            store.claim(*payments.claims(50_000), 20_000)
        store.insert(payments.rows(2_048))
        print(f"{'us a payment':<44} {'batch':>6} {'client':>8} {'server':>8} {'wall':>8}")
        main_figures(url, store, payments, arguments.rounds)
        bytes_per_row(url)
        if arguments.compare:
            compare(url, payments, arguments.rounds)
        store.close()


if __name__ == "__main__":
    main()
