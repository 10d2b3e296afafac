"""Every well-formed payment gets one verdict, every malformed record a dead letter, whatever the traffic is like.

UPIFRAUD_TEST_PAYMENTS sets the size; 300000 is the full run.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.store.provenance import read_provenance
from tests.fixtures.deployment import Deployment, sha256

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

PAYMENTS = int(os.environ.get("UPIFRAUD_TEST_PAYMENTS", "12000"))
MALFORMED, CONFLICTS = 200, 60
WINDOWS = {"1m": 60, "5m": 300, "1h": 3600, "24h": 86400, "7d": 7 * 86400, "30d": 30 * 86400}
DENSE = 128
CONFLICT = "conflicting-duplicate"
VERDICTS = """
SELECT transaction_id, source_partition, source_offset, round(extract(epoch FROM event_time) * 1000)::bigint,
       payer_vpa, payee_vpa, amount_paise
FROM verdicts_by_day
"""


@pytest.fixture
def run(deployment: Deployment):
    """One run with every kind of dirt, drained by one worker."""
    manifest = deployment.directory / "manifest.jsonl"
    deployment.start_worker()
    deployment.upifraud(
        "simulate", "--seed", "11", "--payments", str(PAYMENTS), "--rate", "3000",
        "--payers", str(max(500, PAYMENTS // 60)),
        "--duplicates", "0.005", "--late", "0.01", "--untidy", "0.02", "--hot-payee", "0.2", "--status-updates", "0.01",
        "--malformed", str(MALFORMED), "--conflicts", str(CONFLICTS), "--manifest", str(manifest), seconds=900,
    )  # fmt: skip
    deployment.drain(900)
    notes = [json.loads(line) for line in manifest.read_text().splitlines()]
    return deployment, notes


def test_every_record_gets_exactly_what_it_deserves(run):
    deployment, notes = run
    records = deployment.records("transactions")
    letters = deployment.records("transactions.dead-letter")

    # Dead letters: the original bytes, key and origin, and a detail without personal data.
    origin = {(one.partition, one.offset): one for one in records}
    reasons = {}
    for letter in letters:
        assert letter.headers["source-topic"] == b"transactions"
        source = int(letter.headers["source-partition"]), int(letter.headers["source-offset"])
        assert source not in reasons, "one record, two dead letters"
        reasons[source] = letter.headers["reason"].decode()
        assert (letter.key, letter.value) == (origin[source].key, origin[source].value)
        assert not re.search(rb"\S@\S", letter.headers["detail"]), "personal data in a header"

    # Malformed records: just those of the manifest, for the reasons that it expects.
    deserved = Counter((note["sha256"], note["reason"]) for note in notes if note["reason"] not in ("", CONFLICT))
    malformed = {source: reason for source, reason in reasons.items() if reason != CONFLICT}
    assert Counter((sha256(origin[source].value), reason) for source, reason in malformed.items()) == deserved
    assert len({note["kind"] for note in notes if note["reason"]}) >= 12

    # Ids: the first delivered has the verdict, what differs from it is a conflict, what does not is a duplicate.
    by_id = defaultdict(list)
    for source, record in origin.items():
        if source not in malformed:
            by_id[json.loads(record.value)["transaction_id"]].append((source, record))
    stored = {row[0]: row[1:] for row in deployment.query(VERDICTS)}
    assert deployment.verdicts() == len(stored), "a payment has two verdicts"
    assert set(stored) == set(by_id)
    accepted, duplicates, conflicts = [], 0, 0
    for transaction_id, delivered in by_id.items():
        partition, offset, *payment = stored[transaction_id]
        for source, record in delivered:
            if source == (partition, offset):
                accepted.append(record)
                assert source not in reasons
                assert facts(record) == tuple(payment)
            elif facts(record) == tuple(payment):
                duplicates += 1
                assert source not in reasons
            else:
                conflicts += 1
                assert reasons[source] == CONFLICT
            if source[0] == partition:
                assert source[1] >= offset, "not the first delivered"
    assert duplicates > PAYMENTS // 200
    assert conflicts >= CONFLICTS
    accepted.sort(key=lambda record: (record.partition, record.offset))

    # Alerts: every verdict but ALLOW, once in this undisturbed run.
    flagged = {row[0] for row in deployment.query("SELECT transaction_id FROM verdicts_by_day WHERE verdict > 0")}
    alerts = [json.loads(one.value) for one in deployment.records("alerts")]
    assert flagged
    assert Counter(alert["transaction_id"] for alert in alerts) == Counter(flagged)

    _contributions_add_up(deployment)
    _windows_are_exact(deployment, accepted)


def _exported(deployment: Deployment):
    out = deployment.directory / "verdicts.parquet"
    deployment.upifraud("export", "verdicts", "--out", str(out))
    table = pq.read_table(out)
    return table, json.loads(table.schema.metadata[b"features"])


def _contributions_add_up(deployment: Deployment) -> None:
    table, names = _exported(deployment)
    contributions = np.array(table["contributions"].to_pylist())
    assert contributions.shape == (len(table), len(names))
    margins = contributions.sum(axis=1) + table["base_value"].to_numpy()
    assert np.abs(margins - table["margin"].to_numpy()).max() < 1e-6


def _windows_are_exact(deployment: Deployment, accepted) -> None:
    """Count every window of every payer that is not dense, one payment at a time, in the order of delivery."""
    table, names = _exported(deployment)
    vectors = dict(zip(table["transaction_id"].to_pylist(), table["vector"].to_pylist(), strict=True))
    payers: dict[str, list[dict]] = {}
    for record in accepted:  # by partition and offset
        payment = json.loads(record.value)
        payers.setdefault(payment["payer_vpa"].lower(), []).append(payment)
    provenance = dict(deployment.query("SELECT transaction_id, provenance FROM verdicts_by_day"))
    checked = 0
    for history in payers.values():
        # A payer written in capitals may have payments in two partitions; the log then has decided on their order.
        kept = read_provenance([provenance[one["transaction_id"]] for one in history])
        in_log = kept["payer_at"].tolist()
        assert sorted(in_log) == list(range(len(history)))
        history = [history[index] for index in np.argsort(in_log)]
        for index, payment in enumerate(history):
            now, earlier = epoch_ms(payment), history[: index + 1]
            for window, seconds in WINDOWS.items():
                inside = [one for one in earlier if now - seconds * 1000 < epoch_ms(one) <= now]
                if len(inside) > DENSE:
                    continue
                amounts = [one["amount_paise"] for one in inside]
                vector = vectors[payment["transaction_id"]]
                expected = {
                    "count": len(inside),
                    "sum": sum(amounts),
                    "mean": sum(amounts) / len(amounts),
                    "max": max(amounts),
                    "distinct_payee": len({one["payee_vpa"].lower() for one in inside}),
                }
                for what, value in expected.items():
                    got = vector[names.index(f"payer_{what}_{window}")]
                    assert np.float32(got) == np.float32(value), (payment["transaction_id"], what, window)
                    checked += 1
    assert checked > 20 * len(vectors)


def facts(record) -> tuple[int, str, str, int]:
    """Return what makes two payments the same: time, parties and amount."""
    payment = json.loads(record.value)
    return epoch_ms(payment), payment["payer_vpa"].lower(), payment["payee_vpa"].lower(), payment["amount_paise"]


def epoch_ms(payment: dict) -> int:
    time = payment["event_time"]
    if isinstance(time, int):
        return time
    moment = datetime.fromisoformat(time.upper())
    return int(np.datetime64(moment.replace(tzinfo=None), "ms").astype(int)) - int(
        moment.utcoffset().total_seconds() * 1000
    )


def test_epoch_ms_cuts_to_milliseconds():
    times = [epoch_ms({"event_time": f"2026-01-01T05:30:00.00{digit}9+05:30"}) for digit in range(3)]
    assert [later - earlier for earlier, later in pairwise(times)] == [1, 1]
