"""A rehearsal before a worker joins its group: micro-batches through every kernel of its own, on nobody's data.

Kernels are loaded from their cache, or compiled, at their first call. The first micro-batch of a worker that joined
without rehearsing took as long as that, while the partitions that it had taken over stood still.

Compiled kernels are cached on disk, one by one, so whoever comes first serves the others. Where nothing is cached yet a
second process can begin with the half that measures: `python -m stream.rehearsal --measuring`. The demo does so, and so
does `python -m stream.rehearsal`, by which the image gets its kernels.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from features.columns import PaymentColumns
from features.entities import KINDS, PAYER
from features.measure.risk import FRAUD, pack_report
from features.online import OnlineFeatures
from features.replica.fold import fewest_to_fold
from features.store.contract import Origin
from features.store.layout import IDENTITY_BYTES
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims
from features.what_if.what_if import WhatIf
from features.windows import BLOCK
from stream.decode import decode_payments
from stream.kafka.arrivals import Arrivals
from stream.schemas.examples import PAYMENT
from stream.stages.claimed import Claimed
from stream.stages.judge import AlertRules, Judge
from stream.verdict_store import Claim
from stream.verdict_store.binary import text_array
from stream.verdict_store.copy_rows import copy_buffer
from stream.wire import MAX_NESTING

if TYPE_CHECKING:
    from features.identity import Identities
    from model.artifact import Artifact

PAYMENTS: Final = 3 * BLOCK // 4
"""Of one payer to one payee: their logs grow over a block, and are known from the second micro-batch on."""

_ODD: Final[list[bytes | None]] = [b"[" * (MAX_NESTING + 1), rb'"\ud800"']
"""Values that are read by kernels of their own: brackets beyond count, half a surrogate pair."""

_REPLICA_BYTES: Final = 1 << 22
_HOUR_MS: Final = 3_600_000


def rehearse(artifact: Artifact, identities: Identities) -> None:
    """Decode, measure, judge, explain and lay out payments that nobody made; no server and no meter hears of them."""
    text_array((b"as Postgres gets it", None))
    judge = Judge(artifact, model_key=0, rules=AlertRules(include_allow=True, allow_reasons="full"))
    features = OnlineFeatures(MemoryEntityStore(), _REPLICA_BYTES)
    now_ms = int(time.time() * 1000)
    decode_payments(_ODD, now_ms, identities)
    for first in (0, PAYMENTS):
        offset = np.arange(first, first + PAYMENTS, dtype=np.int64)
        values: list[bytes | None] = [
            msgspec.json.encode(msgspec.structs.replace(PAYMENT, transaction_id=f"rehearsal-{number}"))
            for number in offset
        ]
        arrivals = Arrivals(
            topic="rehearsal",
            records=[],
            values=values,
            partition=np.zeros(PAYMENTS, dtype=np.int32),
            offset=offset,
            slice_of=np.zeros(PAYMENTS, dtype=np.uint16),
            spans=[(0, first, first + PAYMENTS)],
        )
        decoded = decode_payments(values, now_ms, identities)
        claimed = Claimed.of(arrivals, decoded, np.full(PAYMENTS, Claim.FRESH, dtype=np.uint8))
        claims = Claims(claimed.slice_of, claimed.offset)
        measured = features.process(claimed.payments, claims, arrivals.origins({}))
        copy_buffer(judge.judge(claimed, measured, decided_at=now_ms).rows)
    artifact.scorer.score(measured.vectors[:1])
    rehearse_measuring()


def rehearse_measuring() -> None:
    """Measure payments of one payer to one payee, in every way in which a log can reach a worker.

    Their logs grow until they are folded, and are read again; they are reported as fraud; and a second worker comes,
    who reads the logs whole and then what the first one has appended.
    """
    entities = MemoryEntityStore()
    first, second = (OnlineFeatures(entities, _REPLICA_BYTES) for _ in range(2))
    # In an order in which each finds something new: hours apart, so that the oldest can be folded away.
    runs = ((first, 2 * fewest_to_fold()), (first, 2), (second, 2), (first, 2), (second, 2))
    at = 0
    for online, payments in runs:
        columns = _columns(at, payments)
        claims = Claims(np.zeros(payments, dtype=np.uint16), columns.event_time)
        online.process(columns, claims, [Origin(b"rehearsal:0", at, at + payments)])
        report = pack_report(int(columns.event_time[-1]), FRAUD, at + 1)
        entities.report([(kind + (1).to_bytes(IDENTITY_BYTES, "little"), report) for kind in _REPORTED])
        at += payments


def rehearse_what_if() -> None:
    """Ask what payments of one payer to one payee would get, in every way in which that can be asked; for the API.

    Unknown, with logs that grow and are folded, and when they came already; alone, in sequence and again; and what the
    windows of an entity are.
    """
    entities = MemoryEntityStore()
    worker, what_if = OnlineFeatures(entities, _REPLICA_BYTES), WhatIf(entities, _REPLICA_BYTES)
    at = 0
    for payments in (1, BLOCK, 2 * fewest_to_fold(), 1, 1):
        columns = _columns(at, payments)
        what_if.measure(columns.take(slice(0, 1)))
        what_if.measure(columns.take(slice(0, 2)), sequence=True)
        claims = Claims(np.zeros(payments, dtype=np.uint16), columns.event_time)
        worker.process(columns, claims, [Origin(b"rehearsal:0", at, at + payments)])
        what_if.measure(columns.take(slice(payments - 1, payments)))
        what_if.windows(PAYER, 1, int(columns.event_time[-1]))
        at += payments


_REPORTED: Final = tuple(kind.reports for kind in KINDS if kind.reports)


def _columns(at: int, payments: int) -> PaymentColumns:
    """Return payments from the `at`-th on, an hour apart."""
    number = np.arange(at + 1, at + 1 + payments)
    time, one = number * _HOUR_MS, np.ones(payments, dtype=np.int64)
    return PaymentColumns.of(
        payment_id=number,
        event_time=time,
        amount_paise=number,
        **{kind.name: one for kind in KINDS},
        place=number,
        kind=number,
        mcc=one,
        device_bound_at=time,
        sim_changed_at=time,
        same_bank=one,
    )


def main() -> None:
    """Compile every kernel there is, on two cores if there are two; with `--measuring` only those that measure."""
    if sys.argv[1:] == ["--measuring"]:
        rehearse_measuring()
        rehearse_what_if()
        return
    from features.identity import Identities
    from features.schema import SCHEMA_HASH
    from model.artifact import DEFAULT_DIR, load

    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "stream.rehearsal", "--measuring"]):
        rehearse(load(DEFAULT_DIR, schema_hash=SCHEMA_HASH), Identities(bytes(16)))
    sys.stdout.write(f"all kernels are there, after {time.monotonic() - began:.1f} s\n")


if __name__ == "__main__":
    main()
