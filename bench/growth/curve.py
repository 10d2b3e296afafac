"""One curve: what a payment costs as one thing grows and all else stays."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Point:
    """What a payment costs where the thing that grows is at x."""

    x: float
    us: dict[str, float]
    """CPU microseconds a payment, by process or part."""
    more: dict[str, float] = field(default_factory=dict)
    """What else was measured, by its name with the unit: bytes, payments/s, MB."""

    def line(self) -> str:
        """Return a line for a reader."""
        costs = ", ".join(f"{name} {us:.2f}" for name, us in self.us.items())
        more = ", ".join(f"{name} {value:,.4g}" for name, value in self.more.items())
        return f"    {self.x:12,.0f}  us: {costs}" + (f"  ({more})" if more else "")


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve; `x` says what grows."""

    name: str
    x: str
    points: list[Point]
    about: str = ""
    logarithmic: bool = True
    """Whether x spans orders of magnitude."""
