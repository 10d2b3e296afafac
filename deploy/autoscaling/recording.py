"""What happened to replicas, load and lag in a run on a real control plane, second by second, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the run."""

    second: float
    produced: int
    """Payments in the topic."""
    committed: int
    """Payments whose effects are done and whose offsets are committed."""
    behind: float
    """Seconds behind, as Prometheus tells KEDA."""
    replicas: int
    """As the autoscaler has set them."""
    pods: int
    """That run a process, those that drain included."""
    ready: int


@dataclass(slots=True)
class Recording:
    """A run: what it was set to, what was seen, and what was found when it was over."""

    setting: dict[str, Any] = field(default_factory=dict)
    """The ScaledObject's spec, and what else decides the course: partitions, periods."""
    moments: list[Moment] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a recording."""
        whole = json.loads(path.read_text())
        columns = whole.pop("moments")
        moments = [Moment(*row) for row in zip(*columns.values(), strict=True)]
        return cls(moments=moments, **whole)

    def save(self, path: Path) -> None:
        """Write it, one column a line."""
        columns = {name: [asdict(moment)[name] for moment in self.moments] for name in Moment.__slots__}
        lines = [f'    "{name}": {json.dumps(column)}' for name, column in columns.items()]
        setting, result = (json.dumps(one, indent=2, sort_keys=True) for one in (self.setting, self.result))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'{{\n"setting": {setting},\n"result": {result},\n"moments": {{\n' + ",\n".join(lines) + "\n}\n}\n"
        )

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one number a moment."""
        return np.array([getattr(moment, name) for moment in self.moments], dtype=np.float64)

    def rate(self, name: str, window: float = 5.0) -> NDArray[np.float64]:
        """Return how fast a count grows, a second, over the last seconds."""
        seconds, count = self.column("second"), self.column(name)
        since = np.maximum(seconds - window, seconds[0])
        passed = np.maximum(seconds - since, 1e-9)
        return np.asarray((count - np.interp(since, seconds, count)) / passed, dtype=np.float64)
