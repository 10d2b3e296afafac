"""The yardsticks of the ablations do what they say: a wrong one would flatter or shame what was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
import redis

from bench import online_features
from bench.ablations import rows, state
from bench.verdicts import Payments
from features.windows import DAY, HOUR, MINUTE
from stream.verdict_store import Model, VerdictStore, migrate

if TYPE_CHECKING:
    from features.columns import PaymentColumns

pytestmark = pytest.mark.servers

WINDOWS = [(MINUTE, 1), (MINUTE, 5), (MINUTE, 60), (HOUR, 24), (HOUR, 168), (DAY, 30)]
"""How long a bucket is, and how many make up a window, the current one included."""


def expected_payer(past: PaymentColumns, row: int, *, distinct: bool) -> list[int]:
    """What the payer's buckets must add up to at a payment, it included."""
    found = []
    now = past.event_time[row] // 1
    own = np.flatnonzero(past.payer[: row + 1] == past.payer[row])
    for length, count in WINDOWS:
        members = own[now // length - past.event_time[own] // length < count]
        found += [len(members), int(past.amount_paise[members].sum())]
        if distinct:
            found.append(len(set(past.payee[members].tolist())))
    return found


@pytest.mark.parametrize("distinct", [False, True])
def test_buckets_add_up_to_their_windows(redis_url: str, *, distinct: bool) -> None:
    columns = online_features.payments(2_000, 40, 2_000, 1)
    width = 6 * (3 if distinct else 2)
    with redis.Redis.from_url(redis_url) as client:
        client.function_load(state.BUCKETS, replace=True)
        for reading, chosen in (("0", slice(0, 2_000)), ("1", slice(2_000, 2_040))):
            arguments = online_features.textbook_arguments(columns.take(chosen))
            reply = client.execute_command("FCALL", "buckets_apply", 0, "1" if distinct else "0", reading, *arguments)
    others = 6 * (2 if distinct else 1)  # of payee and device, which have no sums
    replies = np.array(reply).reshape(40, width + 2 * others)[:, :width]
    want = np.array([expected_payer(columns, 2_000 + row, distinct=distinct) for row in range(40)])
    if distinct:
        sketched = np.arange(2, width, 3)
        # HyperLogLogs of so few are all but exact.
        assert np.abs(replies[:, sketched] - want[:, sketched]).max() <= 1 + want[:, sketched].max() * 0.05
        replies, want = np.delete(replies, sketched, axis=1), np.delete(want, sketched, axis=1)
    assert replies.tolist() == want.tolist()
    assert want[:, -2].max() > 3, "histories must matter"


def test_rows_inserted_one_by_one_are_those_that_a_copy_writes(postgres_url: str) -> None:
    migrate(postgres_url)
    store = VerdictStore(postgres_url)
    verdicts = Payments(store.model_key(Model("bench", "0", 0.0, ("a", "b")))).rows(50)
    store.insert(verdicts)
    store.close()
    with psycopg.connect(postgres_url) as connection:
        ask = "SELECT * FROM verdicts_by_day ORDER BY transaction_id"
        copied = connection.execute(ask).fetchall()
        connection.execute("DELETE FROM verdicts_by_day")
        for row in rows.tuples(verdicts):
            connection.execute(rows.INSERT, row)
        assert connection.execute(ask).fetchall() == copied
    assert len(copied) == 50
