"""One choice and its alternatives, measured side by side."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do it."""

    name: str
    us: float
    """CPU microseconds a payment of all processes that work for it, waiting left out."""
    note: str = ""
    more: dict[str, float] = field(default_factory=dict)
    """What else was measured, for the raw results."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A choice: the first way is the one that was chosen."""

    choice: str
    ways: list[Way]

    def lines(self) -> list[str]:
        """Return a line of the table for each way."""
        chosen = self.ways[0]
        head = f"{self.choice}:"
        return [
            head,
            *(f"  {way.name:58} {way.us:10.2f} {way.us / chosen.us:9.1f}x  {way.note}".rstrip() for way in self.ways),
        ]
