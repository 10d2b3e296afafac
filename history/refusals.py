"""What was refused of a file, by reason, and what was passed over for another cause; and when that is too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from files.source import Refused

if TYPE_CHECKING:
    from pathlib import Path

Note = Callable[[str, Refused], None]
"""Takes payments or outcomes, and a row that is none of these."""


def ignored(_what: str, _refused: Refused) -> None:
    """Take no note of a refused row."""


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
    within: bool = False
    """Whether these are outcomes in the payments' own files."""
    note: Note = ignored
    """Is told of every row that is refused."""

    @property
    def refused(self) -> int:
        """How many rows were refused: duplicates and unmatched outcomes are not."""
        return self.reasons.total()

    def add(self, refused: Refused) -> None:
        """Count a row that was refused."""
        self.reasons[refused.reason] += 1
        self.details.setdefault(refused.reason, f"row {refused.row}: {refused.detail}")
        self.note(self.what, refused)

    def by_reason(self) -> str:
        """Say what was refused, the most frequent reason first, each with its first row."""
        return "; ".join(
            f"{count:,} {reason} ({'first ' if count > 1 else ''}{self.details[reason]})"
            for reason, count in self.reasons.most_common()
        )

    def __str__(self) -> str:
        said = f"{self.path}{' (outcomes)' if self.within else ''}: {self.rows:,} rows, {self.refused:,} refused"
        if self.refused:
            said += f": {self.by_reason()}"
        if self.duplicates:
            said += f"; {self.duplicates:,} duplicates"
        if self.unmatched:
            said += f"; {self.unmatched:,} of payments that are not there"
        return said

    def expect_a_match(self, outcomes: int, payments: Path | str) -> None:
        """Return if some of so many outcomes is of one of the payments, or there are none; raises ClickException."""
        if outcomes and self.unmatched == outcomes:
            raise click.ClickException(
                f"{self.path}: expected outcomes of the payments in {payments}, but none of its "
                f"{outcomes:,} outcomes is of one of them; transaction_id must be the same text in both files."
            )

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
