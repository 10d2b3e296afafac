"""Histories: traffic written as Parquet, the message's fields as columns; the same traffic gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator import codes
from simulator.encode import transaction_ids
from simulator.legs import UNGIVEN
from simulator.outcomes import Outcomes, no_outcomes, outcomes_of
from simulator.payments import NO_MCC, NO_RRN, Payments
from simulator.places import NOWHERE, UNITS
from simulator.reference import APPS, BANKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from simulator.parties import Directory
    from simulator.span import Span
    from simulator.switch import Switch

_ROW_GROUP: Final = 65_536
_APPS: Final = tuple(app.name for app in APPS)

PAYMENTS: Final = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("event_time", pa.int64()),
        ("payer_vpa", pa.string()),
        ("payee_vpa", pa.string()),
        ("amount_paise", pa.int64()),
        ("rrn", pa.string()),
        ("flow", pa.string()),
        ("type", pa.string()),
        ("initiation", pa.string()),
        ("status", pa.string()),
        ("mcc", pa.string()),
        ("device_id", pa.string()),
        ("device_bound_at", pa.int64()),
        ("sim_changed_at", pa.int64()),
        ("payer_bank", pa.string()),
        ("payee_bank", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("payer_app", pa.string()),
        ("remarks_hash", pa.string()),
    ]
)
OUTCOMES: Final = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("outcome", pa.string()),
        ("reported_at", pa.int64()),
        ("typology", pa.string()),
        ("source", pa.string()),
    ]
)
TRUTH: Final = pa.schema(
    [
        ("transaction_id", pa.string()),
        ("typology", pa.string()),
        ("lookalike", pa.string()),
        ("campaign", pa.int64()),
    ]
)
"""`typology` is '' for honest payments, `lookalike` names the honest story, `campaign` is 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a history contains."""

    payments: int
    outcomes: int
    frauds: int
    first_event_time: int
    last_event_time: int


def write_history(
    switch: Switch, span: Span, directory: Path, progress: Callable[[int], None] = lambda _count: None
) -> Written:
    """Write payments.parquet, outcomes.parquet and truth.parquet into a directory, which is made.

    Payments are in order of event_time, outcomes in order of reported_at: all that are ever reported of these payments,
    even after the last of them. `progress` is told of every run of payments written. Memory is bounded but for the
    outcomes.
    """
    directory.mkdir(parents=True, exist_ok=True)
    parameters = switch.parameters
    count = frauds = 0
    first = last = 0
    reported: list[Outcomes] = [no_outcomes()]
    with (
        pq.ParquetWriter(directory / "payments.parquet", PAYMENTS, compression="zstd") as payments_file,
        pq.ParquetWriter(directory / "truth.parquet", TRUTH, compression="zstd") as truth_file,
    ):
        for payments in _in_row_groups(span, switch):
            payments_file.write_table(payments_table(payments, switch.directory), row_group_size=_ROW_GROUP)
            truth_file.write_table(truth_table(payments), row_group_size=_ROW_GROUP)
            reported.append(outcomes_of(payments, parameters.run_key, parameters.genuine_rate))
            first = first or int(payments.event_time[0])
            last = int(payments.event_time[-1])
            count += len(payments)
            frauds += int((payments.typology != codes.HONEST).sum())
            progress(len(payments))
    outcomes = Outcomes.joined(reported).in_order()
    with pq.ParquetWriter(directory / "outcomes.parquet", OUTCOMES, compression="zstd") as outcomes_file:
        outcomes_file.write_table(outcomes_table(outcomes), row_group_size=_ROW_GROUP)
    return Written(count, len(outcomes), frauds, first, last)


def payments_table(payments: Payments, directory: Directory) -> pa.Table:
    """Return payments as a table of the schema PAYMENTS."""
    columns = [
        _texts(transaction_ids(payments.transaction)),
        pa.array(payments.event_time),
        _texts(directory.vpas(payments.payer)),
        _texts(directory.vpas(payments.payee)),
        pa.array(payments.amount_paise),
        _written("%012d", payments.rrn, NO_RRN),
        _named(payments.flow, codes.FLOWS),
        _named(payments.type, codes.TYPES),
        _named(payments.initiation, codes.INITIATIONS),
        _named(payments.status, codes.STATUSES),
        _written("%04d", payments.mcc, NO_MCC),
        _written("%016x", payments.device, 0),
        pa.array(payments.device_bound_at, mask=payments.device_bound_at == UNGIVEN),
        pa.array(payments.sim_changed_at, mask=payments.sim_changed_at == UNGIVEN),
        _named(payments.payer_bank, BANKS),
        _named(payments.payee_bank, BANKS),
        pa.array(payments.latitude / UNITS, mask=payments.latitude == NOWHERE),
        pa.array(payments.longitude / UNITS, mask=payments.longitude == NOWHERE),
        _named(payments.app, _APPS),
        _written("%016x", payments.remarks, 0),
    ]
    return pa.Table.from_arrays(columns, schema=PAYMENTS)


def outcomes_table(outcomes: Outcomes) -> pa.Table:
    """Return outcomes as a table of the schema OUTCOMES."""
    columns = [
        _texts(transaction_ids(outcomes.transaction)),
        _named(outcomes.outcome, codes.OUTCOMES),
        pa.array(outcomes.reported_at),
        _named(outcomes.typology, codes.TYPOLOGIES),
        _named(outcomes.source, codes.SOURCES),
    ]
    return pa.Table.from_arrays(columns, schema=OUTCOMES)


def truth_table(payments: Payments) -> pa.Table:
    """Return the truth about payments as a table of the schema TRUTH."""
    columns = [
        _texts(transaction_ids(payments.transaction)),
        _named(payments.typology, codes.TYPOLOGIES, missing=False),
        _named(payments.lookalike, codes.LOOKALIKES, missing=False),
        pa.array(payments.campaign),
    ]
    return pa.Table.from_arrays(columns, schema=TRUTH)


def _in_row_groups(span: Span, switch: Switch) -> Iterator[Payments]:
    """Yield the payments of a span in runs of whole row groups, so that files do not depend on how they were made."""
    waiting: list[Payments] = []
    count = 0
    for payments in span.payments(switch):
        waiting.append(payments)
        count += len(payments)
        if count >= _ROW_GROUP:
            run = Payments.joined(waiting)
            whole = count - count % _ROW_GROUP
            yield run.take(slice(0, whole))
            waiting, count = [run.take(slice(whole, None))], count - whole
    if count:
        yield Payments.joined(waiting)


def _texts(texts: Sequence[bytes]) -> pa.Array:
    return pa.array(texts, pa.binary()).cast(pa.string())


def _written(form: str, numbers: NDArray[np.generic], missing: int) -> pa.Array:
    return pa.array([None if number == missing else form % number for number in numbers.tolist()], pa.string())


def _named(column: NDArray[np.uint8], names: Sequence[str], *, missing: bool = True) -> pa.Array:
    """Write the name of each code; null for 0 where that means missing."""
    mask = column == 0 if missing else None
    indices = pa.array(column.astype(np.int8), mask=mask)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())
