"""What came of the messages of several files: counted by reason with the first place; and when that is too much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Account:
    """Counts of one conversion."""

    messages: int = 0
    payments: int = 0
    """Written."""
    answered: int = 0
    """Payments whose RespPay was there too."""
    repeated: int = 0
    """Further messages of a payment that was written."""
    refused: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    passed: Counter[str] = field(default_factory=Counter)
    """Messages that are no payments, by kind."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Optional values that could not be read, by field."""

    def refuse(self, path: Path, line: int, reason: str, detail: str) -> None:
        """Count a message, or one payee of it, of which no payment could be made."""
        self.refused[reason] += 1
        self.first.setdefault(reason, f"{path}:{line}: {detail}")

    def check(self, limit: float) -> None:
        """Return if no more than this share was refused, and not all; raises ClickException otherwise."""
        refused = self.refused.total()
        taken = self.payments + self.repeated
        if not refused and not taken:
            raise click.ClickException("Expected UPI's ReqPay or RespPay messages, but the files hold none.")
        if not refused or (taken and refused <= limit * (taken + refused)):
            return
        raise click.ClickException(
            f"Expected --max-rejected-payments of {100 * limit:.4g} % to be enough, but {refused:,} of "
            f"{taken + refused:,} were refused: {self.by_reason()}. Nothing was written; correct them, or allow more."
        )

    def by_reason(self) -> str:
        """Say what was refused, the most frequent reason first, each with its first place."""
        return "; ".join(
            f"{count:,} {reason} ({'first ' if count > 1 else ''}{self.first[reason]})"
            for reason, count in self.refused.most_common()
        )

    def lines(self) -> Iterator[str]:
        """Yield what to tell at the end."""
        yield (
            f"{self.messages:,} messages: {self.payments:,} payments ({self.answered:,} with their response), "
            f"{self.repeated:,} repeated, {self.refused.total():,} refused"
        )
        if self.refused:
            yield f"refused: {self.by_reason()}"
        if self.passed:
            yield f"passed over, no payments: {_counts(self.passed)}"
        if self.unknown:
            yield f"could not be read and count as unknown: {_counts(self.unknown)}"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counted.most_common())
