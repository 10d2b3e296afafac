"""Up from what the release of 2026-11 left, and beside it: nothing is misread, and nothing counts twice."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from pathlib import Path

import numpy as np

from features.declared.paid_out import PAID_OUT
from features.entities import PAYER
from features.history import history_vectors
from features.rebuild import RebuildInput
from features.record import PAID_OUT_AT
from features.schema import FEATURE_NAMES
from features.store.memory_store import MemoryEntityStore
from tests.fixtures.feature_deployment import Deployment
from tests.fixtures.payment_streams import Script, Stretch
from tests.fixtures.what_ifs import Twice

LEFT = json.loads((Path(__file__).parent / "golden" / "store_of_2026_11.json").read_text())
"""What the code of commit d8df0f6 had in its store and its verdicts after the payments of a script."""

OUTBOUND = [FEATURE_NAMES.index(feature.name) for feature in PAID_OUT]


class StoreOfBefore(MemoryEntityStore):
    """Appends what the release of 2026-11 did: its records have the place, and a kind without the bit."""

    def _append(self, name: bytes, record: bytes) -> int:
        if name[:1] != PAYER.letter:
            record = record[:PAID_OUT_AT] + struct.pack("<II", 0, 2)
        return super()._append(name, record)


def left() -> tuple[Deployment, dict[bytes, bytes]]:
    """Return workers of today over the store that was left, 150 payments further on than they know, and its logs."""
    seed, *stretch = LEFT["script"]
    before, more = Script(seed, (Stretch(*stretch),)).payments(), Script(1, (Stretch(80, "days", "jitter", 5, 5, 3),))
    logs = {b64decode(name): b64decode(log) for name, log in LEFT["logs"].items()}
    deployment = Deployment(MemoryEntityStore(), before + more.payments(), seed=1, partitions=1)
    deployment.store.load(logs.items(), {b"transactions:0": len(before)})
    deployment.taken[0] = len(before)
    deployment.hold_positions(list(range(len(before))))
    return deployment, logs


def test_what_was_left_is_found_and_lacks_what_was_paid_out_alone() -> None:
    """Each delivery again says so the same way, and counts nothing; what comes new is whole."""
    deployment, logs = left()
    rows = list(range(len(LEFT["provenance"])))
    expected, states = history_vectors(deployment.columns.take(np.array(rows)))
    expected[:, OUTBOUND] = np.nan
    for worker in (0, 1, 0):
        found = deployment.call(worker, rows)
        assert found.vectors.tobytes() == expected.tobytes()
        assert found.state.tolist() == states.tolist()
        assert [row.tobytes()[8:] for row in found.provenance] == [b64decode(row) for row in LEFT["provenance"]]
        assert not found.provenance["outbound"].any()
    assert {name: bytes(log) for name, log in deployment.store._store.logs.items()} == logs
    deployment.lost = set(rows)
    while not deployment.done:
        deployment.first(deployment.random.randrange(2), deployment.next_batch(20))
    assert not np.isnan(deployment.vectors[len(rows) :, OUTBOUND[1:]]).any()
    assert (deployment.vectors[len(rows) :, OUTBOUND[-1]] > 0).any()
    deployment.assert_like_history()


def test_a_what_if_of_a_payment_that_was_left_says_what_its_delivery_again_gets() -> None:
    deployment, _ = left()
    twice = Twice(deployment.store._store, seed=1)
    twice.offset = len(LEFT["provenance"])
    for row in range(0, twice.offset, 10):
        payment = deployment.payments[row]
        said = twice.ask(payment)
        vectors, state, provenance = twice.comes_again(payment, row)
        assert said.located[0]
        assert np.isnan(said.vectors[0, OUTBOUND]).all()
        assert said.vectors.tobytes() == vectors.tobytes()
        assert said.state.tolist() == state.tolist()
        assert said.provenance.tobytes() == provenance.tobytes()


def test_the_verdicts_that_were_left_give_the_logs_that_were_left() -> None:
    """Byte for byte; so a rebuild may come before the first payment, or after it with verdicts of both releases."""
    _, logs = left()
    kept = RebuildInput()
    kept.add([b64decode(row) for row in LEFT["provenance"]])
    assert dict(log for batch in kept.batches() for log in batch) == logs


def test_a_rebuild_from_verdicts_of_both_releases_gives_what_the_store_has() -> None:
    deployment, _ = left()
    while not deployment.done:
        deployment.first(deployment.random.randrange(2), deployment.next_batch(20))
    kept = RebuildInput()
    kept.add([b64decode(row) for row in LEFT["provenance"]])
    kept.add([row.tobytes() for row in deployment.provenance.values()])
    logs = {name: bytes(log) for name, log in deployment.store._store.logs.items()}
    assert dict(log for batch in kept.batches() for log in batch) == logs


def test_workers_of_two_releases_share_a_store() -> None:
    """Each appends in its own way; both find what the other appended, and nothing counts twice."""
    payments = Script(6, (Stretch(400, "seconds", "jitter", 3, 3, 3),)).payments()
    deployment = Deployment(MemoryEntityStore(), payments, seed=5)
    store, before = deployment.store._store, StoreOfBefore()
    before.logs, before.offsets = store.logs, store.offsets
    while not deployment.done:
        batch = deployment.next_batch(20)
        worker = deployment.random.randrange(2)
        deployment.store._store = before if worker else store
        deployment.first(worker, batch)
        deployment.store._store = store
        again = deployment.call(0, batch)
        assert again.provenance["payee_at"].tolist() == [deployment.positions(row)[1] for row in batch]
        known = ~np.isnan(again.vectors[:, OUTBOUND[1:]])
        assert known.all() != bool(worker)
        assert known.any() != bool(worker)
    assert sum(map(len, store.logs.values())) == 32 * (2 * len(payments) + sum(p.device != 0 for p in payments))
    deployment.assert_like_history()
