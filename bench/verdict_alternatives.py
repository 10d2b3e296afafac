"""Microseconds a payment of the ways to claim and to store, chosen and not: `python bench/verdict_alternatives.py`.

The same payments, server and measurement as bench/verdicts.py. All ways take turns, so that their ratios hold on a
machine whose speed changes.
"""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from msgspec.structs import replace
from verdicts import SIZES, TODAY, Cost, Payments, measured_store, parser_of

from stream.verdict_store import VerdictStore, binary, statements
from stream.verdict_store.claims import Claimants, contest
from stream.verdict_store.connector import Session, Statement
from stream.verdict_store.copy_rows import copy_buffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.verdict_store import VerdictRows

Claimed = tuple[np.ndarray, ...]

ON_CONFLICT = Statement(
    "on_conflict",
    "INSERT INTO payment_ids SELECT i, f, o, p, $5 FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::bigint[])"
    " AS t (i, f, p, o) ON CONFLICT DO NOTHING",
)
COPY_IDS = Statement("copy_ids", "COPY payment_ids FROM STDIN (FORMAT binary)")
COPY_STAGE = Statement("copy_stage", "COPY stage FROM STDIN (FORMAT binary)")
FROM_STAGE = Statement("from_stage", "INSERT INTO payment_ids SELECT * FROM stage ON CONFLICT DO NOTHING")
TABLES = """
CREATE TABLE array_vectors (LIKE verdicts_by_day INCLUDING ALL);
ALTER TABLE array_vectors ALTER vector TYPE real[] USING NULL;
CREATE TABLE one_table (LIKE verdicts_by_day INCLUDING ALL);
CREATE TABLE no_key (LIKE verdicts_by_day);
"""


def id_copy(claims: Claimed) -> bytes:
    """Return claims as a COPY in binary."""
    ids, fingerprints, partitions, offsets = claims
    kinds = [("id", ">u8", (2,)), ("f", ">i8"), ("o", ">i8"), ("p", ">i4"), ("d", ">i4")]
    columns = (ids, fingerprints, offsets, partitions, np.full(len(ids), TODAY))
    row = np.dtype([("n", ">i2")] + [part for kind in kinds for part in ((f"{kind[0]}_length", ">i4"), kind)])
    buffer = np.empty(len(ids), dtype=row)
    buffer["n"] = len(kinds)
    order = contest(Claimants(*claims)).first
    for (name, *_), column in zip(kinds, columns, strict=True):
        buffer[f"{name}_length"] = row[name].itemsize
        buffer[name] = column[order]
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + buffer.tobytes() + b"\xff\xff"


def unnest(session: Session, claims: Claimed) -> None:
    """Claim by arrays, ON CONFLICT DO NOTHING; what conflicted would have to be asked for."""
    session.call(ON_CONFLICT, *contest(Claimants(*claims)).arrays, binary.int4(TODAY))


def staged(session: Session, claims: Claimed) -> None:
    """Claim by COPY to a temporary table and INSERT .. SELECT."""
    session.call(Statement("begin", "BEGIN"))
    session.copy_in(COPY_STAGE, id_copy(claims))
    session.call(FROM_STAGE)
    session.call(Statement("commit", "COMMIT"))


def multi_values(connection: psycopg.Connection[Any], claims: Claimed) -> None:
    """Claim by one INSERT with a parameter a field."""
    ids, fingerprints, partitions, offsets = claims
    parameters: list[object] = []
    for row in range(len(ids)):
        id_ = uuid.UUID(int=(int(ids[row, 0]) << 64) | int(ids[row, 1]))
        parameters += [id_, int(fingerprints[row]), int(offsets[row]), int(partitions[row]), TODAY]
    values = ",".join(["(%s,%s,%s,%s,%s)"] * len(ids))
    connection.execute(f"INSERT INTO payment_ids VALUES {values} ON CONFLICT DO NOTHING", parameters)


def packed(rows: VerdictRows) -> memoryview:
    """Return the COPY as it is."""
    return copy_buffer(rows).data


def as_arrays(rows: VerdictRows) -> memoryview:
    """Return the COPY with vectors as real[]."""
    n, f = rows.vectors.shape
    elements = np.empty((n, f), dtype=[("length", ">i4"), ("value", ">f4")])
    elements["length"], elements["value"] = 4, rows.vectors
    head = np.frombuffer(struct.pack(">iiIii", 1, 0, 700, f, 1), dtype=np.uint8)
    arrays = np.concatenate((np.tile(head, (n, 1)), elements.view(np.uint8).reshape(n, -1)), axis=1)
    # The bytes of whatever float32 matrix it is given are copied as they are.
    return copy_buffer(replace(rows, vectors=np.ascontiguousarray(arrays).view("<f4"))).data


def compare(url: str, store: VerdictStore, payments: Payments, rounds: int) -> dict[tuple[str, int], Cost]:
    """Measure every way at every size of micro-batch."""
    session = Session(url, name="compare", settings={})
    session.call(Statement("stage", "CREATE TEMP TABLE stage (LIKE payment_ids) ON COMMIT DELETE ROWS"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        claiming: dict[str, Callable[[Claimed], object]] = {
            "claim, as chosen": lambda claims: store.claim(*claims, TODAY),
            "claim by arrays, ON CONFLICT": lambda claims: unnest(session, claims),
            "claim by COPY, fails for a duplicate": lambda claims: session.copy_in(COPY_IDS, id_copy(claims)),
            "claim by COPY to staging, ON CONFLICT": lambda claims: staged(session, claims),
            "claim by VALUES, ON CONFLICT": lambda claims: multi_values(connection, claims),
        }
        storing = {
            "insert, as chosen": ("verdicts_by_day", packed),
            "insert, vector as real[]": ("array_vectors", as_arrays),
            "insert, one table instead of days": ("one_table", packed),
            "insert, no key": ("no_key", packed),
        }
        pids = dict.fromkeys(claiming, session.server_pid) | {
            "claim, as chosen": store.server_pids[0],
            "claim by VALUES, ON CONFLICT": connection.info.backend_pid,
        }
        costs = {(name, size): Cost() for name in (*claiming, *storing) for size in SIZES}
        for size in SIZES * rounds:
            batches = SIZES[-1] // size
            for name, claim in claiming.items():
                claims = [payments.claims(size) for _ in range(batches)]
                costs[name, size].measure(lambda f=claim, c=claims: [f(one) for one in c], batches * size, pids[name])
            for name, (table, encode) in storing.items():
                rows = [payments.rows(size) for _ in range(batches)]
                into = Statement(table, statements.COPY_VERDICTS.sql.replace("verdicts_by_day", table))
                costs[name, size].measure(
                    lambda s=into, e=encode, r=rows: [session.copy_in(s, e(one)) for one in r],
                    batches * size,
                    session.server_pid,
                )
    session.close()
    return costs


def main() -> None:
    """Print the figures."""
    arguments = parser_of(__doc__.splitlines()[0]).parse_args()
    with measured_store(arguments) as (url, store, payments):
        for (name, size), cost in compare(url, store, payments, arguments.rounds).items():
            print(cost.line(name, size))


if __name__ == "__main__":
    main()
