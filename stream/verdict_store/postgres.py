"""The verdict store in PostgreSQL, as a worker uses it: one session for claims, one for verdicts and outcomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from stream.verdict_store import binary, housekeeping, scans, statements
from stream.verdict_store.claims import NOTHING_KNOWN, Claimants, Known, contest, decide
from stream.verdict_store.connector import ANSWER_SECONDS, Cells, Session
from stream.verdict_store.copy_rows import copy_buffer
from stream.verdict_store.errors import ContendedError, DayMissingError, KeyTakenError, ModelChangedError
from stream.verdict_store.open_holds import open_holds
from stream.verdict_store.outcomes import standing
from stream.verdict_store.records import Inserted, Model, OutcomeRow, PaymentRef, StoredVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stream.verdict_store.columns import VerdictRows
    from stream.verdict_store.records import Provenance, Report, VerdictRecord

_ATTEMPTS: Final = 5
_DAY_MS: Final = 86_400_000

_SETTINGS: Final = {
    # Every claim and every COPY sees what others committed before it; nothing here needs more.
    "default_transaction_isolation": "read committed",
    # A plan made while a table was small must not scan it once it is large.
    "enable_seqscan": "off",
    "jit": "off",
}
_DURABLE: Final = {"synchronous_commit": "on"}

Key = tuple[bytes, int]


class VerdictStore:
    """Claims, verdicts and outcomes in PostgreSQL; what a method returned is on the disk.

    `claim` is for one lane, all else for another: each has its own session. A method that raised RetryableError may
    be called again with the same arguments; it then opens a new connection if the old one broke.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        settings = _SETTINGS | _DURABLE
        self._claims = Session(url, name="claims", settings=settings, answer_seconds=answer_seconds)
        self._verdicts = Session(url, name="verdicts", settings=settings, answer_seconds=answer_seconds)

    def close(self) -> None:
        """Close both sessions."""
        self._claims.close()
        self._verdicts.close()

    @property
    def server_pids(self) -> tuple[int, int]:
        """The server's processes for claims and for verdicts, to measure them by."""
        return self._claims.server_pid, self._verdicts.server_pid

    # Claimants -------------------------------------------------------------------------------------------------------

    def claim(
        self,
        ids: NDArray[np.uint64],
        fingerprints: NDArray[np.int64],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        day: int,
    ) -> NDArray[np.uint8]:
        """Return a `Claim` a record, durable: an id belongs to the record that got FRESH, whoever else claims it.

        ids uint64 [n, 2] in delivery order; day counts from 1970-01-01 UTC. ids must be distinct for distinct
        transaction_ids, or strangers share a claim: 128 keyed bits are.
        """
        if not len(ids):
            return np.empty(0, dtype=np.uint8)
        claims = Claimants(ids, fingerprints, partitions, offsets)
        contested = contest(claims)
        for attempt in range(_ATTEMPTS):
            is_contended = binary.boolean(attempt > 0)
            try:
                found = self._claims.call(statements.CLAIM, *contested.arrays, binary.int4(day), is_contended)
            except ContendedError as error:
                contention = error
            else:
                return decide(claims, contested, _known(found))
        raise contention

    def claimed(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of some ids, uint64 [n, 2], have a claim, bool[n]; claims nothing."""
        known = np.zeros(len(ids), dtype=np.bool_)
        if len(ids):
            found = self._claims.call(statements.CLAIMED, binary.uuid_array(ids))
            known[[binary.to_int(cast("bytes", place)) - 1 for (place,) in found]] = True
        return known

    def forget_ids(self, before: int) -> int:
        """Forget ids claimed before a day (from 1970-01-01 UTC) and return how many; on a connection of its own."""
        return housekeeping.forget_ids(self._url, before)

    # Verdicts -----------------------------------------------------------------------------------------------------

    def insert(self, rows: VerdictRows, *, replays: NDArray[np.bool_] | None = None) -> Inserted:
        """Store verdicts, all that are new in one transaction; return those that were there, and outcomes that waited.

        `replays` marks rows that are probably there (`Claim.REPLAY`): they are looked up first, so that the COPY need
        not fail because of them. A row whose payment occurs twice in `rows` is stored once, as first delivered. The
        outcomes are looked for when all of the rows are committed. Raises RefusedRowsError for texts that Postgres
        cannot hold.
        """
        before: dict[int, StoredVerdict] = {}
        if not len(rows):
            return Inserted(before, [])
        pending: Sequence[int] = range(len(rows))
        repeated: list[int] = []
        few = len(rows) // 4 + 1  # as many ids are cheaper to fetch than all of the rows' to look up
        if replays is not None and np.count_nonzero(replays):
            before.update(self._stored(rows, np.flatnonzero(replays)))
        for _ in range(_ATTEMPTS):
            if before:
                pending = [row for row in pending if row not in before]
            try:
                new = rows if len(pending) == len(rows) else rows.take(np.array(pending, dtype=np.intp))
                some = self._store(new, few)
            except KeyTakenError as error:
                contention: ContendedError = error
                pending, again = _distinct(rows, pending)
                repeated += again
                before.update(self._stored(rows, np.array(pending)))
            except DayMissingError as error:
                contention = error
                self._make_days(rows)
            except ContendedError as error:
                contention = error
            else:
                if repeated:
                    before.update(self._stored(rows, np.array(repeated)))
                return Inserted(before, self._waiting(rows, some, few))
        raise contention

    def _store(self, rows: VerdictRows, few: int) -> set[bytes]:
        """Store rows that are new, and commit; then return the ids of some outcomes that wait, whomever they are of.

        Looking takes no exchange of its own where there are rows to store.
        """
        if len(rows):
            found = self._verdicts.copy_in(
                statements.COPY_VERDICTS, copy_buffer(rows).data, open_holds(rows), after=(statements.SOME_WAITING, few)
            )
        else:
            found = self._verdicts.call(statements.SOME_WAITING, binary.int4(few))
        return {cast("bytes", row[0]) for row in found}

    def stored(self, keys: Sequence[Key]) -> dict[Key, StoredVerdict]:
        """Return those of the payments (transaction_id, event_time) that have a verdict, with it."""
        if not keys:
            return {}
        wanted, times = set(keys), [event_time for _, event_time in keys]
        found = self._verdicts.call(
            statements.STORED,
            binary.text_array([transaction_id for transaction_id, _ in keys]),
            binary.timestamptz(min(times)),
            binary.timestamptz(max(times)),
        )
        by_key = {}
        for row in found:
            transaction_id, event_time, verdict, score = cast("tuple[bytes, ...]", row[:4])
            key = (transaction_id, binary.to_epoch_ms(event_time))
            if key in wanted:
                by_key[key] = StoredVerdict(binary.to_int(verdict), binary.to_float(score), row[4])
        return by_key

    def model_key(self, model: Model) -> int:
        """Return the number that stands for a model in verdict rows, registering it if it is new.

        Raises ModelChangedError if its id stands for another model.
        """
        name = model.model_id.encode()
        found = self._verdicts.call(statements.FIND_MODEL, name)
        if not found:
            self._verdicts.call(
                statements.ADD_MODEL,
                name,
                model.schema_hash.encode(),
                binary.float8(model.base_value),
                binary.text_array([feature.encode() for feature in model.features]),
                json.dumps(dict(model.thresholds)).encode(),
            )
            found = self._verdicts.call(statements.FIND_MODEL, name)
        key, schema_hash, base_value, features, thresholds = cast("tuple[bytes, ...]", found[0])
        there = Model(
            model.model_id,
            schema_hash.decode(),
            binary.to_float(base_value),
            tuple(json.loads(features)),
            json.loads(thresholds),
        )
        check_same_model(there, model)
        return binary.to_int(key)

    def _stored(self, rows: VerdictRows, wanted: NDArray[np.intp]) -> dict[int, StoredVerdict]:
        keys = {row: (rows.transaction_id[row], int(rows.event_time[row])) for row in wanted.tolist()}
        found = self.stored(list(keys.values()))
        return {row: found[key] for row, key in keys.items() if key in found}

    def _make_days(self, rows: VerdictRows) -> None:
        for day in np.unique(rows.event_time // _DAY_MS).tolist():
            self._verdicts.call(statements.MAKE_DAY, binary.int4(day))

    # Outcomes -----------------------------------------------------------------------------------------------------

    def put_outcomes(self, outcomes: Sequence[OutcomeRow]) -> list[PaymentRef]:
        """Store outcomes, commit, then return those whose payment has a verdict, each with the outcome that stands.

        The others wait for their payment. Every one returned waits too, until `settle` is told that entity risk has
        it: so neither a crash nor the verdict's coming at the same moment loses one.
        """
        rows = standing(outcomes)
        if not rows:
            return []
        ids = binary.text_array([row.transaction_id for row in rows])
        self._verdicts.call(
            statements.PUT_OUTCOMES,
            ids,
            binary.text_array([b"FRAUD" if row.is_fraud else b"GENUINE" for row in rows]),
            binary.timestamptz_array(np.array([row.reported_at for row in rows], dtype=np.int64)),
            binary.text_array([_text(row.typology) for row in rows]),
            binary.text_array([_text(row.source) for row in rows]),
            binary.int4_array(np.array([row.source_partition for row in rows])),
            binary.int8_array(np.array([row.source_offset for row in rows])),
        )
        return self._with_verdict(ids)

    def settle(self, refs: Sequence[PaymentRef]) -> None:
        """Note that entity risk has these outcomes, in this order; one that another has replaced goes on waiting."""
        if not refs:
            return
        places = sorted(range(len(refs)), key=lambda place: refs[place].transaction_id)
        outcomes = [refs[place].outcome for place in places]
        self._verdicts.call(
            statements.SETTLE,
            binary.text_array([outcome.transaction_id for outcome in outcomes]),
            binary.timestamptz_array(np.array([outcome.reported_at for outcome in outcomes], dtype=np.int64)),
            binary.int4_array(np.array([outcome.source_partition for outcome in outcomes])),
            binary.int8_array(np.array([outcome.source_offset for outcome in outcomes])),
            binary.boolean_array([outcome.is_fraud for outcome in outcomes]),
            binary.int4_array(np.array(places)),
        )

    def _waiting(self, rows: VerdictRows, some: set[bytes], few: int) -> list[PaymentRef]:
        """Return the outcomes that wait for these verdicts, which are stored; `some` were found when they were."""
        if not some:  # nearly always
            return []
        if len(some) < few:  # these are all that wait
            waiting: list[bytes | None] = [*sorted(some.intersection(rows.transaction_id))]
        else:
            ids = binary.text_array(rows.transaction_id)
            waiting = [row[0] for row in self._verdicts.call(statements.WAITING, ids)]
        return self._with_verdict(binary.text_array(waiting)) if waiting else []

    def _with_verdict(self, ids: bytes) -> list[PaymentRef]:
        payments = self._verdicts.call(statements.LATEST_PAYMENTS, ids)
        if not payments:
            return []
        found = self._verdicts.call(statements.OUTCOMES, binary.text_array([row[0] for row in payments]))
        outcomes = {outcome.transaction_id: outcome for outcome in map(_outcome_row, found)}
        return [
            PaymentRef(outcomes[transaction_id], binary.to_epoch_ms(event_time), provenance, binary.to_int(verdict))
            for transaction_id, event_time, provenance, verdict in cast("list[tuple[bytes, ...]]", payments)
        ]

    # Reading, each on a connection of its own ---------------------------------------------------------------------

    def get(self, transaction_id: str) -> VerdictRecord | None:
        """Return a payment's verdict; of several under a reused id, the one of the latest event_time."""
        return scans.get(self._url, transaction_id)

    def verdicts(self, since: int | None = None, until: int | None = None) -> Iterator[list[VerdictRecord]]:
        """Yield the verdicts with since <= event_time < until (epoch ms), by event_time and id, in lists."""
        return scans.verdicts(self._url, since, until)

    def provenance(self, since: int | None = None, until: int | None = None) -> Iterator[list[Provenance]]:
        """Yield what the entity logs got, with since <= event_time < until, by event_time and id, in lists."""
        return scans.provenance(self._url, since, until)

    def outcomes(self) -> Iterator[list[PaymentRef]]:
        """Yield the outcome that stands for every payment with a verdict, by id, in lists."""
        return scans.outcomes(self._url)

    def reports(self) -> Iterator[list[Report]]:
        """Yield what the entity logs were given of outcomes, in that order, in lists."""
        return scans.reports(self._url)


def check_same_model(there: Model, given: Model) -> None:
    """Raise ModelChangedError unless both are the same model."""
    for name in ("schema_hash", "base_value", "features", "thresholds"):
        if getattr(there, name) != getattr(given, name):
            raise ModelChangedError(
                f"Model {given.model_id!r} has another {name} in the verdict store: expected {getattr(there, name)!r}, "
                f"got {getattr(given, name)!r}. Verdicts must stay auditable: publish the new model under its own id."
            )


def _known(found: Sequence[Cells]) -> Known:
    if not found:
        return NOTHING_KNOWN
    cells = np.array([[binary.to_int(cast("bytes", cell)) for cell in row] for row in found], dtype=np.int64)
    place, fingerprints, partitions, offsets = cells.reshape(-1, 4).T
    return Known(place.astype(np.intp), fingerprints, partitions.astype(np.int32), offsets)


def _distinct(rows: VerdictRows, among: Sequence[int]) -> tuple[list[int], list[int]]:
    """Split rows into the first of each payment and those that repeat it."""
    seen: set[Key] = set()
    first: list[int] = []
    again: list[int] = []
    for row in among:
        key = (rows.transaction_id[row], int(rows.event_time[row]))
        (again if key in seen else first).append(row)
        seen.add(key)
    return first, again


def _text(value: str | None) -> bytes | None:
    """Return UTF-8 that PostgreSQL can hold: a case system's odd character must not cost the outcome."""
    return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace")


def _outcome_row(row: Cells) -> OutcomeRow:
    transaction_id, outcome, reported_at, typology, source, partition, offset = row
    return OutcomeRow(
        transaction_id=cast("bytes", transaction_id),
        is_fraud=outcome == b"FRAUD",
        reported_at=binary.to_epoch_ms(cast("bytes", reported_at)),
        typology=None if typology is None else typology.decode(),
        source=None if source is None else source.decode(),
        source_partition=binary.to_int(cast("bytes", partition)),
        source_offset=binary.to_int(cast("bytes", offset)),
    )
