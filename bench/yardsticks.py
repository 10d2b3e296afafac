"""What a quick run is held against, on the same machine at the same time: stock Faust's transport, and shap."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bench.ablations import suite

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure the two ablations that take seconds."""
    found = []
    say(suite.HEAD)
    for ablation in suite.run(("transport", "scoring"), rounds=1, records=200_000, stock_records=20_000):
        say("\n".join(ablation.lines()))
        found.append(asdict(ablation))
    return found
