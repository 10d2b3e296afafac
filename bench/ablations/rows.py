"""Verdict rows into PostgreSQL: one binary COPY a micro-batch, or INSERT."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from bench import verdicts
from bench.ablations.ablation import Ablation, Way
from features.schema import FEATURE_NAMES
from stream.verdict_store import Model, VerdictStore, migrate
from stream.verdict_store.copy_rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.verdict_store import VerdictRows

BATCH = 512
ALONE = 64
"""Rows of a round where each is a transaction: they wait for the disk."""
INSERT = (
    f"INSERT INTO verdicts_by_day ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
    " ON CONFLICT DO NOTHING"
)


def measure(*, rounds: int) -> Ablation:
    """Store new verdicts in every way, taking turns; CPU of the client's thread and of the server's process."""
    with verdicts.database(None) as url:
        migrate(url)
        store = VerdictStore(url)
        key = store.model_key(Model("bench", "0", 0.0, tuple(FEATURE_NAMES)))
        payments = verdicts.Payments(key)
        store.insert(payments.rows(4_096))
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.cursor()

            def by_executemany(rows: list[tuple[Any, ...]]) -> None:
                with connection.transaction():
                    cursor.executemany(INSERT, rows)

            def one_by_one(rows: list[tuple[Any, ...]]) -> None:
                for row in rows:
                    cursor.execute(INSERT, row)

            def in_one_transaction(rows: list[tuple[Any, ...]]) -> None:
                with connection.transaction():
                    one_by_one(rows)

            pid = connection.info.backend_pid
            ways: dict[str, tuple[Callable[[Any], object], int, int]] = {
                f"binary COPY, micro-batches of {BATCH}": (store.insert, BATCH, store.server_pids[1]),
                f"executemany, transactions of {BATCH}": (by_executemany, BATCH, pid),
                f"INSERT a row, transactions of {BATCH}": (in_one_transaction, BATCH, pid),
                "INSERT a row, a transaction each": (one_by_one, ALONE, pid),
            }
            costs = {name: verdicts.Cost() for name in ways}
            for _ in range(rounds):
                for name, (call, count, server) in ways.items():
                    rows = payments.rows(count)
                    given = rows if call == store.insert else tuples(rows)
                    costs[name].measure(lambda c=call, g=given: c(g), count, server)
        store.close()
    found = []
    for name, cost in costs.items():
        client, server, wall = (median(column) for column in zip(*cost.rounds, strict=True))
        more = {"client": client, "server": server, "wall": wall}
        found.append(
            Way(name, client + server, f"{client:.1f} client + {server:.1f} server; {wall:,.0f} us elapsed", more)
        )
    return Ablation("verdict rows", found)


def tuples(rows: VerdictRows) -> list[tuple[Any, ...]]:
    """Return the rows as a program that works row by row has them at hand."""

    def moments(column: Any) -> list[datetime]:
        return [datetime.fromtimestamp(at / 1000, UTC) for at in column.tolist()]

    columns = {
        "event_time": moments(rows.event_time),
        "decided_at": moments(rows.decided_at),
        "vector": [vector.tobytes() for vector in rows.vectors],
        "provenance": [one.tobytes() for one in rows.provenance],
        "alert": rows.alerts,
        "facts": rows.facts,
        "rrn": [None if rrn < 0 else rrn for rrn in rows.rrn.tolist()],
        "hold_until": [None if at < 0 else datetime.fromtimestamp(at / 1000, UTC) for at in rows.hold_until.tolist()],
    }
    for name in ("transaction_id", "payer_vpa", "payee_vpa"):
        columns[name] = [text.decode() for text in getattr(rows, name)]
    return list(
        zip(*(columns[name] if name in columns else getattr(rows, name).tolist() for name in COLUMNS), strict=True)
    )
