"""The separator of a CSV file, found in its first lines."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import Final

_CANDIDATES: Final = (",", ";", "\t", "|")
_ROWS: Final = 200
_SAID: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def said_in(line: str) -> str | None:
    """Return the separator that a first line of `sep=;` names, as Excel writes it; None for any other line."""
    match = _SAID.fullmatch(line)
    return match[1] if match else None


def separator_of(sample: str) -> str:
    """Return the separator by which most rows have as many cells as the header, and the header most; else a comma.

    `sample` is whole lines from the beginning of the file.
    """
    best, chosen = (0.0, 0), ","
    for candidate in _CANDIDATES:
        agreement = _agreement(sample, candidate)
        if agreement > best:
            best, chosen = agreement, candidate
    return chosen


def _agreement(sample: str, separator: str) -> tuple[float, int]:
    """Return which share of the rows has as many cells as the header, and how many that are; nothing for one cell."""
    try:
        rows = [row for row in islice(csv.reader(io.StringIO(sample, newline=""), delimiter=separator), _ROWS) if row]
    except csv.Error:
        return 0.0, 0
    if not rows or len(rows[0]) < 2:
        return 0.0, 0
    header, *others = rows
    like_header = sum(len(row) == len(header) for row in others)
    # A header alone counts for something, and rows that never fit it for more than a header that has no such character.
    return (like_header + 1) / (len(others) + 1), len(header)
