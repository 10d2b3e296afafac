"""How long a search by RRN takes among many rows while others are stored: `python bench/rrn_search.py`.

Rows of two days are made by the server itself, without vectors, so that 20 million fit on a small disk. Meanwhile a
thread stores whole rows at --rate a second, as the stream does.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import psycopg
from verdicts import Payments, measured_store, parser_of

from stream.verdict_store.door import Door, Period, Wanted

DAY_MS = 86_400_000
BATCH = 100
MADE = 1_000_000

MAKE = """
INSERT INTO verdicts_by_day (transaction_id, event_time, decided_at, payer_vpa, payee_vpa, amount_paise, verdict, score,
    margin, feature_state, model_key, vector, provenance, source_partition, source_offset, rrn)
SELECT 'RRN' || n, t, t, 'p' || n %% 1000003 || '@okaxis', 'm' || n %% 100003 || '@ybl', 100 + n %% 1000000, 0,
    0.001, -6.9, 0, %(model)s, ''::bytea, ''::bytea, 0, n, %(first_rrn)s + n
FROM (
    SELECT n, to_timestamp((%(since)s + n * %(step)s::float8) / 1000.0) AS t
    FROM generate_series(%(low)s::bigint, %(high)s::bigint) AS n
) AS made
"""


def main() -> None:
    """Print the quantiles of a search."""
    parser = parser_of((__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--rate", type=int, default=1_000)
    arguments = parser.parse_args()
    with measured_store(arguments) as (url, store, _):
        model_key, since = 1, (int(time.time() * 1000) // DAY_MS - 1) * DAY_MS
        rows = Payments(model_key).rows(1)
        rows.event_time[:] = since
        store.insert(rows)  # makes the table of yesterday
        first_rrn, step = 600_000_000_000, (int(time.time() * 1000) - since) / arguments.rows
        with psycopg.connect(url, autocommit=True) as connection:
            for low in range(0, arguments.rows, MADE):
                high = min(low + MADE, arguments.rows) - 1
                connection.execute(
                    MAKE,
                    {
                        "model": model_key,
                        "first_rrn": first_rrn,
                        "since": since,
                        "step": step,
                        "low": low,
                        "high": high,
                    },
                )
                print(f"\r{high + 1:,} of {arguments.rows:,} rows made", end="", flush=True)
            print()
        done = threading.Event()

        def keep_storing() -> None:
            payments = Payments(model_key, 7, facts=None, has_rrn=True)
            due = time.monotonic()
            while not done.is_set():
                store.insert(payments.rows(BATCH))
                due += BATCH / arguments.rate
                time.sleep(max(0.0, due - time.monotonic()))

        storing = threading.Thread(target=keep_storing)
        storing.start()
        door, took, found = Door(url), [], 0
        for n in np.random.default_rng(1).integers(0, arguments.rows, arguments.searches).tolist():
            began = time.perf_counter()
            found += len(door.search(Wanted("rrn", first_rrn + n), Period(since - DAY_MS, since + 3 * DAY_MS)).records)
            took.append(1000 * (time.perf_counter() - began))
            time.sleep(0.01)
        done.set()
        storing.join()
        door.close()
        p50, p99, most = np.percentile(took, (50, 99, 100))
        print(
            f"{arguments.searches} searches by RRN among {arguments.rows:,} rows, {arguments.rate:,} rows/s stored "
            f"meanwhile: {found} found, ms p50 {p50:.1f}, p99 {p99:.1f}, most {most:.1f}"
        )


if __name__ == "__main__":
    main()
