"""A rehearsal before a worker joins its group: micro-batches through every kernel of its own, on nobody's data.

Kernels are loaded from disk, or compiled, at their first call. The first micro-batch of a worker that joined without
rehearsing took as long as that, while the partitions that it had taken over stood still.

`python -m stream.rehearsal` does the same as a worker, and ends. The image gets its kernels so, and the demo begins
with it while the servers start. Where nothing is compiled yet two processes share the work: `stream.first_rehearsal`.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from features.columns import PaymentColumns
from features.entities import KINDS, PAYER
from features.measure.located import LOCATED
from features.measure.logs import NONE, Logs
from features.measure.risk import FRAUD, pack_report
from features.measure.vector import vectors
from features.online import OnlineFeatures
from features.record import RECORD_BYTES
from features.replica.fold import fewest_to_fold
from features.replica.replicas import Replicas
from features.store.contract import ApplyRequest, Origin
from features.store.layout import IDENTITY_BYTES
from features.store.memory_store import MemoryEntityStore
from features.store.messages import Claims, Reply, Request, entries_of
from features.store.plain import Planner
from features.what_if.what_if import WhatIf
from features.windows import BLOCK
from model.reasons import Explainer
from stream.decode import decode_payments
from stream.first_rehearsal import HELP, end_with_parent, shared_rehearsal
from stream.kafka.arrivals import Arrivals
from stream.schemas.examples import PAYMENT
from stream.stages.claimed import Claimed
from stream.stages.judge import AlertRules, Judge
from stream.verdict_store import Claim
from stream.verdict_store.binary import text_array
from stream.verdict_store.claims import Claimants, contest
from stream.verdict_store.copy_rows import copy_buffer
from stream.wire import MAX_NESTING

if TYPE_CHECKING:
    from features.identity import Identities
    from model.artifact import Artifact

PAYMENTS: Final = 3 * BLOCK // 4
"""Of one payer to one payee: their logs grow over a block, and are known from the second micro-batch on."""

_ODD: Final[list[bytes | None]] = [b"[" * (MAX_NESTING + 1), rb'"\ud800"']
"""Values that are read by kernels of their own: brackets beyond count, half a surrogate pair."""

NO_ALLOW: Final = "--no-alerts-of-allow"

_REPLICA_BYTES: Final = 1 << 22
_HOUR_MS: Final = 3_600_000


def rehearse(artifact: Artifact, identities: Identities, *, alert_all: bool = True) -> None:
    """Decode, measure, judge, explain and lay out payments that nobody made; no server and no meter hears of them.

    alert_all: whether ALLOWs have alerts, which takes kernels of its own.
    """
    with shared_rehearsal() as helper_ended:
        text_array((b"as Postgres gets it", None))
        identities.fingerprint()
        now_ms = int(time.time() * 1000)
        batches = [_decoded(first, now_ms, identities) for first in (0, PAYMENTS)]
        rehearse_reading()
        helper_ended()
        rehearse_vectors()
        rehearse_scores(artifact)
        judge = Judge(artifact, model_key=0, rules=AlertRules(include_allow=alert_all))
        features = OnlineFeatures(MemoryEntityStore(), _REPLICA_BYTES)
        for arrivals, claimed in batches:
            claims = Claims(claimed.slice_of, claimed.offset)
            measured = features.process(claimed.payments, claims, arrivals.origins({}))
            copy_buffer(judge.judge(claimed, measured, decided_at=now_ms).rows)
        rehearse_measuring()


def _decoded(first: int, now_ms: int, identities: Identities) -> tuple[Arrivals, Claimed]:
    """Decode a micro-batch; the one after it begins at offset `first` + PAYMENTS."""
    decode_payments(_ODD, now_ms, identities)
    offset = np.arange(first, first + PAYMENTS, dtype=np.int64)
    values: list[bytes | None] = [
        msgspec.json.encode(msgspec.structs.replace(PAYMENT, transaction_id=f"rehearsal-{number}")) for number in offset
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
    contest(Claimants(decoded.ids128, decoded.fingerprint, arrivals.partition, arrivals.offset))
    return arrivals, Claimed.of(arrivals, decoded, np.full(PAYMENTS, Claim.FRESH, dtype=np.uint8))


def rehearse_vectors() -> None:
    """Measure a payment without logs: the kernels of the vectors, and no others."""
    located = np.zeros(1, dtype=LOCATED)
    located["slot"] = NONE
    logs = Logs.make(records=0, slots=0, blocks=0, supers=0, panes=0)
    vectors(logs, _columns(0, 1), located, np.frombuffer(b"", dtype=np.uint8))


def rehearse_scores(artifact: Artifact) -> None:
    """Score some vectors, and find their strongest reasons."""
    vectors = np.zeros((PAYMENTS, len(artifact.feature_names)), dtype=np.float32)
    Explainer(artifact).strongest_codes(vectors, artifact.scorer.score(vectors).contributions)


def rehearse_reading() -> None:
    """Ask for the logs of a micro-batch and take them in: the kernels between the store and the vectors."""
    columns, replicas = _columns(0, 2), Replicas(_REPLICA_BYTES)
    claims = Claims(np.zeros(2, dtype=np.uint16), columns.event_time)
    request = Request.of_columns(columns)
    replicas.expect(request, 1, 0)
    entries = ApplyRequest(entries_of(columns, claims), *request.packed(), b"", [Origin(b"rehearsal:0", 0, 2)])
    plan = Planner().plan(entries, b"")
    assert plan is not None  # noqa: S101 - no log is asked for twice
    strlens, appends, _, _, wholes, *_ = plan.counts.tolist()
    plan.take([*strlens * [0], *appends * [RECORD_BYTES], wholes * [None], 0])
    plan.found()
    store = MemoryEntityStore()
    reply = Reply.of(store.apply(entries), request, len(columns))
    replicas.note(request)
    replicas.begin(1)
    replicas.bring(request, reply, columns, np.ones(request.logs, dtype=np.bool_), store.fetch)
    replicas.locate(request, reply, columns, slice(0, 2), 0)
    replicas.clear()  # as after an error: a worker that begins anew must not have to compile as well


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
    """Compile every kernel there is, on two cores if there are two; with `--vectors` a half of them, as a helper.

    With `--no-alerts-of-allow` those are left out that only a worker needs which sends every verdict back.
    """
    from features.identity import Identities
    from features.schema import SCHEMA_HASH
    from model.artifact import DEFAULT_DIR, load

    began = time.monotonic()
    artifact = load(DEFAULT_DIR, schema_hash=SCHEMA_HASH)
    if sys.argv[1:] == [HELP]:
        end_with_parent()
        rehearse_vectors()
        rehearse_scores(artifact)
        return
    rehearse(artifact, Identities(bytes(16)), alert_all=NO_ALLOW not in sys.argv)
    rehearse_what_if()
    sys.stdout.write(f"all kernels are there, after {time.monotonic() - began:.1f} s\n")


if __name__ == "__main__":
    main()
