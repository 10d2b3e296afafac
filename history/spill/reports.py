"""Outcome reports on their way to the buckets of the entities that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.entities import KINDS, REPORTED
from features.history import first_by_content
from features.measure.bucket import ArrivedReports
from history.spill.clock import LAST
from history.spill.tables import Opened, array_of, bucket_batches, bucket_of, write_buckets

if TYPE_CHECKING:
    from history.spill.clock import Clock
    from history.spill.place import Place

_ABOUT = {KINDS[kind].name: "devices" if KINDS[kind].optional else "parties" for kind in REPORTED}
"""The kinds of entities that have reports, and the sort of bucket that each is in."""


def arrive(bucket: int, place: Place, clock: Clock) -> None:
    """Write the reports in a bucket of ids to the buckets of their payees and devices, each once by content."""
    with Opened(place.matched(bucket)) as file:
        batch = file.batch(0)
    row, reported_at, fraud, order = (array_of(batch, name) for name in ("row", "reported_at", "fraud", "order"))
    arrived = clock.arrivals(row, reported_at)
    once = first_by_content(array_of(batch, "payment_id"), reported_at, fraud)
    once = once[arrived[once] < LAST]
    columns = {
        "arrived": arrived[once],
        "reported_at": reported_at[once],
        "fraud": fraud[once],
        "order": order[once],
        "payment_id": array_of(batch, "payment_id")[once],
    }
    columns |= {name: array_of(batch, name)[once] for name in _ABOUT}
    for name, kind in _ABOUT.items():
        has = columns[name] != 0
        buckets = place.count(kind)
        theirs = {column: values[has] for column, values in columns.items()}
        write_buckets(place.reports(kind, bucket), theirs, bucket_of(theirs[name], buckets), buckets)


def reports_of(kind: str, bucket: int, place: Place) -> ArrivedReports:
    """Return the reports on the entities of a bucket of `parties` or of `devices`."""
    paths = [place.reports(kind, ids) for ids in range(place.buckets.ids)]
    table = pa.Table.from_batches(bucket_batches(paths, bucket)).combine_chunks()
    about = [
        array_of(table, name) if _ABOUT[name] == kind else np.zeros(len(table), dtype=np.uint64)
        for name in (KINDS[at].name for at in REPORTED)
    ]
    arrived, reported_at, fraud, order, payment_id = (
        array_of(table, name) for name in ("arrived", "reported_at", "fraud", "order", "payment_id")
    )
    return ArrivedReports(arrived, reported_at, fraud, order, payment_id, np.column_stack(about))
