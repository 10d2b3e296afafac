"""All ablations, one after the other; and the two that take seconds, as yardsticks of a quick run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.ablations import rows, scoring, state, transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.ablations.ablation import Ablation


KINDS = ("transport", "state", "scoring", "rows")
HEAD = f"{'':60} {'CPU us':>10} {'ratio':>10}"


def run(
    kinds: Sequence[str] = KINDS,
    *,
    rounds: int = 7,
    records: int = 400_000,
    stock_records: int = 30_000,
    history: int = 100_000,
) -> Iterator[Ablation]:
    """Yield each ablation as soon as it is measured, on servers started for it.

    records: that our transport drains, and `stock_records` that stock Faust drains, in at most 3 rounds; history:
    payments in Redis before windows are measured.
    """
    measuring: dict[str, Callable[[], Ablation]] = {
        "transport": lambda: transport.measure(rounds=min(rounds, 3), records=records, stock_records=stock_records),
        "state": lambda: state.measure(rounds=rounds, history=history),
        "scoring": lambda: scoring.measure(rounds=rounds),
        "rows": lambda: rows.measure(rounds=rounds),
    }
    for kind in kinds:
        yield measuring[kind]()


def yardsticks(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure the two ablations that take seconds."""
    found = []
    say(HEAD)
    for ablation in run(("transport", "scoring"), rounds=1, records=200_000, stock_records=20_000):
        say("\n".join(ablation.lines()))
        found.append(asdict(ablation))
    return found
