"""What was refused of a file, by reason, and what was passed over for another cause; and when that is too much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Refusals:
    """Counts the rows of one file that are no payments, or no outcomes."""

    path: Path
    what: str
    """payments or outcomes."""
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    """The first row of each reason, and what was expected of it."""
    duplicates: int = 0
    unmatched: int = 0
    """Outcomes of payments that are not there."""

    @property
    def refused(self) -> int:
        """How many rows were refused: duplicates and unmatched outcomes are not."""
        return self.reasons.total()

    def add(self, row: int, reason: str, detail: str) -> None:
        """Count a row that was refused."""
        self.reasons[reason] += 1
        self.details.setdefault(reason, f"row {row}: {detail}")

    def by_reason(self) -> str:
        """Say what was refused, the most frequent reason first, each with its first row."""
        return "; ".join(
            f"{count:,} {reason} ({'first ' if count > 1 else ''}{self.details[reason]})"
            for reason, count in self.reasons.most_common()
        )

    def __str__(self) -> str:
        said = f"{self.path}: {self.rows:,} rows, {self.refused:,} refused"
        if self.refused:
            said += f": {self.by_reason()}"
        if self.duplicates:
            said += f"; {self.duplicates:,} duplicates"
        if self.unmatched:
            said += f"; {self.unmatched:,} of payments that are not there"
        return said

    def check(self, limit: float) -> None:
        """Return if no more than this share of the rows was refused, and not all; raises ClickException otherwise."""
        if not self.refused or (self.refused <= limit * self.rows and self.refused < self.rows):
            return
        option = f"--max-rejected-{self.what}"
        if self.refused == self.rows:
            raise click.ClickException(
                f"{self.path}: expected {self.what}, but all {self.rows:,} rows were refused: {self.by_reason()}. "
                "Nothing was written; correct the file."
            )
        raise click.ClickException(
            f"{self.path}: expected {option} of {100 * limit:.4g} % to be enough, but {self.refused:,} rows of "
            f"{self.rows:,} were refused: {self.by_reason()}. Nothing was written; correct them, or allow more."
        )
