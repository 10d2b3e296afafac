"""A proposed map tried on all rows of a file: what the first become, and how many would be refused and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from files.column_map import map_of
from files.errors import SourceError
from files.source import Source
from history.message_fields import OUTCOME, PAYMENT
from history.reading import read_payments, refusals_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from history.refusals import Refusals
    from upifraud.proposal.proposal import Toml
    from upifraud.trial.history import Step

FIRST: Final = 5
"""Rows that are shown as what they would become."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What a map makes of a file."""

    first: list[dict[str, Any]]
    """The first payments as messages, with `outcome` where the map says it."""
    payments: Refusals | None
    """None where the file could not be read to its end."""
    outcomes: Refusals | None
    """None where the map says nothing of outcomes."""
    span_ms: int | None
    """Between the first and the last payment; None where there is none."""
    error: str | None
    """Why the file could not be read to its end."""


def first_look(path: Path, tables: dict[str, Toml], step: Step) -> FirstLook:
    """Return what a map, as TOML has it, makes of the rows of a file."""
    first: list[dict[str, Any]] = []
    try:
        columns = map_of(dict(tables), "the map", PAYMENT, OUTCOME)
        source = Source(path, PAYMENT, columns)
        labels = Source(path, OUTCOME, columns) if "outcome" in tables else None
        first = _first(source, labels)
        payments, span_ms = _counted(source, step("bytes read", source.size()))
        outcomes = None if labels is None else refusals_of(labels)
    except SourceError as error:
        return FirstLook(first, None, None, None, str(error))
    except click.ClickException as error:
        return FirstLook(first, None, None, None, error.message)
    return FirstLook(first, payments, outcomes, span_ms, None)


def _first(source: Source, labels: Source | None) -> list[dict[str, Any]]:
    """Return the first payments; what is no object is passed over."""
    rows = {message.row: _object(message.value) for message in islice(source.messages(), FIRST)}
    for message in islice(labels.messages(), FIRST) if labels is not None else ():
        if message.row in rows:
            rows[message.row]["outcome"] = _object(message.value).get("outcome")
    return [row for row in rows.values() if row]


def _object(value: bytes) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _counted(source: Source, progress: Callable[[int], None]) -> tuple[Refusals, int | None]:
    try:
        history = read_payments(source, lambda _rows: progress(source.position()))
    except click.ClickException:
        # Not one row is a payment, or the file is damaged: then this raises too, and says where.
        return refusals_of(source), None
    times = history.event_time
    return history.refusals, int(times.max() - times.min())
