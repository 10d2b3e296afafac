"""What facts, an RRN and its index cost a payment, side by side: `python bench/verdict_facts.py`.

The same measurement as bench/verdicts.py. All ways take turns, each on a table of its own that is filled before, so
ratios hold on a machine whose speed changes. Then looks at the door are timed, and indexes of a closed day are built.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import psycopg
from verdicts import Cost, Payments, measured_store, parser_of, server_ns

from stream.verdict_store import statements
from stream.verdict_store.connector import Session, Statement
from stream.verdict_store.copy_rows import copy_buffer
from stream.verdict_store.door import Door, Period, Wanted, day_indexes

if TYPE_CHECKING:
    from stream.verdict_store import VerdictStore

FACTS: Final = (
    b'{"pb":"HDFC","yb":"YESB","ap":"com.phonepe.app","mc":"5411","pa":"%016x:0012","qa":"%016x:3456",'
    b'"pm":"fcde2b2edba56bf4:9876","qm":"baa5a0964d3320fb:5432","pi":"HDFC0001234","yi":"YESB0004321","pt":"PERSON",'
    b'"yt":"ENTITY","at":"SAVINGS","im":"01","pu":"00","d":"d7a8fbb307d78094:beef","do":"ANDROID","oc":false,"ss":false}'
)
SIZES: Final = (64, 512)
FILLED: Final = 50_000
BATCH: Final = 2_000


class Way(NamedTuple):
    """What a payment has, and how it is found."""

    index: str
    """Of its table, behind CREATE INDEX ON."""
    has_rrn: bool = True
    facts: bytes | None = None


B_TREE: Final = "(rrn) WHERE rrn IS NOT NULL"
WAYS: Final = {
    "neither facts nor RRN, no index": Way("", has_rrn=False),
    "neither facts nor RRN": Way(B_TREE, has_rrn=False),
    "an RRN, no index": Way(""),
    "an RRN": Way(B_TREE),
    "an RRN, a hash index": Way("USING hash (rrn) WHERE rrn IS NOT NULL"),
    f"an RRN and facts of {len(FACTS % (1, 2))} bytes": Way(B_TREE, facts=FACTS),
}


def measure_ways(url: str, rounds: int) -> None:
    """Print what storing costs in each way."""
    session = Session(url, name="compare", settings={"synchronous_commit": "on"})
    makers, into = {}, {}
    with psycopg.connect(url, autocommit=True) as connection:
        for number, (name, way) in enumerate(WAYS.items()):
            connection.execute(f"CREATE TABLE way{number} (LIKE verdicts_by_day INCLUDING ALL)")
            if way.index:
                connection.execute(f"CREATE INDEX ON way{number} {way.index}")
            makers[name] = Payments(1, number, facts=way.facts, has_rrn=way.has_rrn)
            into[name] = Statement(name, statements.COPY_VERDICTS.sql.replace("verdicts_by_day", f"way{number}"))
            for _ in range(0, FILLED, BATCH):
                session.copy_in(into[name], copy_buffer(makers[name].rows(BATCH)).data)
        connection.execute("CHECKPOINT")
        costs = {(name, size): Cost() for name in WAYS for size in SIZES}
        for size in SIZES * rounds:
            for name in WAYS:
                rows = [makers[name].rows(size) for _ in range(BATCH // size)]
                costs[name, size].measure(
                    lambda n=name, r=rows: [session.copy_in(into[n], copy_buffer(one).data) for one in r],
                    len(rows) * size,
                    session.server_pid,
                )
        for (name, size), cost in costs.items():
            print(cost.line(name, size))
        for number, name in enumerate(WAYS):
            size_of = "pg_relation_size('way{0}'), pg_indexes_size('way{0}'), (SELECT count(*) FROM way{0})"
            heap, index, count = connection.execute(f"SELECT {size_of.format(number)}").fetchone() or (0, 0, 1)
            print(f"{name:<44} {heap / count:.0f} bytes a row and {index / count:.0f} of indexes")
    session.close()


def measure_door(url: str, store: VerdictStore, rounds: int) -> None:
    """Print what a look costs by the number of ids that are waited for, and what the indexes of a closed day take."""
    today = int(time.time()) // 86_400
    payments = Payments(1, 99, facts=FACTS, has_rrn=True)
    all_rows = [payments.rows(BATCH) for _ in range(0, 4 * FILLED, BATCH)]
    for rows in all_rows:
        rows.event_time[:] -= 86_400_000
        store.insert(rows)
    door = Door(url)
    rows = all_rows[-1]
    keys = list(zip(rows.transaction_id, rows.event_time.tolist(), strict=True))
    ids = np.random.default_rng(3).integers(0, 2**63, size=(100, 2), dtype=np.uint64)
    door.stored(keys[:1])
    for size in (1, 10, 100):
        for name, look in (
            ("a look for rows that are there", lambda n=size: door.stored(keys[:n])),
            ("a look for rows that are not", lambda n=size: door.stored([(b"x%d" % i, keys[0][1]) for i in range(n)])),
            ("a look at claims", lambda n=size: door.claims(ids[:n])),
        ):
            cost = Cost()
            for _ in range(rounds):
                cost.measure(lambda f=look: [f() for _ in range(50)], 50, door.server_pid)
            print(cost.line(name, size))
    before = server_ns(door.server_pid)
    began = time.perf_counter()
    found = door.search(Wanted("payer_vpa", rows.payer_vpa[7]), Period(0, (today + 1) * 86_400_000))
    took = time.perf_counter() - began
    print(f"a scan of {len(all_rows) * BATCH} rows: {took:.2f} s, {len(found.records)} found, partial {found.partial}")
    with psycopg.connect(url, autocommit=True) as connection:
        for name in day_indexes.build(url, today):
            (size,) = connection.execute("SELECT pg_relation_size(%s::regclass)", (name,)).fetchone() or (0,)
            if "early" not in name:
                print(f"{name:<44} {size / (len(all_rows) * BATCH):.1f} bytes a row")
    for wanted in (Wanted("payer_vpa", rows.payer_vpa[7]), Wanted("rrn", int(rows.rrn[7]))):
        cost = Cost()
        for _ in range(rounds):
            cost.measure(lambda w=wanted: door.search(w, Period(0, (today + 1) * 86_400_000)), 1, door.server_pid)
        print(cost.line(f"a search by {wanted.kind}", 1))
    print(f"({(server_ns(door.server_pid) - before) / 1e9:.1f} s of the server)")
    door.close()


def main() -> None:
    """Print the figures."""
    arguments = parser_of((__doc__ or "").splitlines()[0]).parse_args()
    with measured_store(arguments) as (url, store, _):
        measure_ways(url, arguments.rounds)
        measure_door(url, store, arguments.rounds)


if __name__ == "__main__":
    main()
