"""How a history is cut so that it fits into memory, and what room it needs on disk meanwhile."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import click

from features.schema import FEATURE_NAMES
from history.spill.place import PIECE, Buckets

if TYPE_CHECKING:
    from pathlib import Path

    from files.source import Source

GB: Final = 1_000_000_000
DEFAULT_MEMORY: Final = 4 * GB
LEAST_MEMORY: Final = 2 * GB
"""Below that there is no room for the processes themselves."""

PROCESS: Final = 450_000_000
"""Bytes of a process that holds nothing yet but the libraries and one piece of a file."""

IN_MEMORY: Final = 1_000 + 8 * len(FEATURE_NAMES)
"""Bytes of a payment that is measured in memory: its ids, its columns, its records in three logs, its vector, twice."""

PARTIES: Final = 330
DEVICES: Final = 260
"""Bytes of a payment in all buckets of a sort: its records, and its share of the entities and of their tables."""
IDS: Final = 200
"""Bytes of an id while its bucket is sorted."""

SPILLED: Final = 300
"""Bytes on disk of a payment before it is measured, at most: measured 193 of simulated ones."""
MEASURED: Final = 60 + 2 * len(FEATURE_NAMES)
"""Bytes on disk of a payment that was measured, half of its features' bytes: measured a quarter to a third."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a history of about so many rows is measured."""

    rows: int
    """As far as can be told before it is read."""
    memory: int
    """Bytes that all processes may have together."""
    workers: int

    @property
    def fits_in_memory(self) -> bool:
        """Whether it needs no disk."""
        return self.rows * IN_MEMORY + PROCESS <= self.memory

    @property
    def buckets(self) -> Buckets:
        """Into how many buckets it is cut, so that each worker may hold one."""
        room = max(self.memory - (self.workers + 1) * PROCESS, 100_000_000) // self.workers

        def count(bytes_: int) -> int:
            return max(ceil(self.rows * bytes_ / room), 2 * self.workers)

        return Buckets(ids=count(IDS), parties=count(PARTIES), devices=count(DEVICES))

    @property
    def disk(self) -> int:
        """Bytes that the spilled history takes, at most."""
        return self.rows * (SPILLED + MEASURED)

    def check(self, directory: Path, output: Path, output_bytes: int) -> str:
        """Return what room the work needs; raises ClickException where it is not there.

        output: the directory of what is written in the end, which has so many bytes of each payment, at most. It may be
        on the same disk, and then there must be room for both.
        """
        result = self.rows * output_bytes
        said = f"{self.rows:,} payments need about {self.disk / GB:.1f} GB in {directory} while they are measured"
        together = directory.stat().st_dev == output.stat().st_dev
        _expect(directory, self.disk + together * result, f"{said}, and {result / GB:.1f} GB for the result")
        if not together:
            _expect(output, result, f"{self.rows:,} payments need about that much for the result")
        return said


def _expect(directory: Path, needed: int, why: str) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise click.ClickException(
            f"{directory}: expected {needed / GB:.1f} GB of free disk, got {free / GB:.1f} GB: {why}. Make room, or "
            "name another disk with --spill."
        )


def estimated_rows(source: Source) -> int:
    """Return how many rows the files have; those of text are not counted but guessed, from the first ones."""
    count = len(source)
    if count:
        return count
    # Enough rows that what is read ahead, and in packed files is many rows, weighs little.
    for batch in source.batches(PIECE):
        return ceil(source.size() / max(source.position(), 1) * len(batch))
    return 0
