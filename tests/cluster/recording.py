"""What happened to replicas, load and lag in a run on a real control plane, second by second, as JSON."""

from __future__ import annotations

import io
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

    def pod_rate(self) -> float:
        """Return the payments/s that a pod did where all of them had more to do than they could.

        From the moments with a backlog worth several seconds and no pod coming or going for as long as the rate is
        taken; raises ValueError where there are none.
        """
        window = 10.0
        seconds, ready = self.column("second"), self.column("ready")
        done = self.rate("committed", window)
        lag = self.column("produced") - self.column("committed")
        full = []
        for at, now in enumerate(seconds):
            recent = (seconds >= now - window - 5) & (seconds <= now)
            if now - seconds[0] > window and np.ptp(ready[recent]) == 0 and lag[recent].min() > 3 * done[at]:
                full.append(done[at] / ready[at])
        if not full:
            raise ValueError("the recording: expected 15 s of backlog with as many pods all the time, found none.")
        return round(float(np.median(full)), 1)

    def plot(self) -> bytes:
        """Return payments/s, lag, seconds behind and pods over the run as PNG; the same figures give the same bytes."""
        from matplotlib.figure import Figure

        seconds = self.column("second")
        figure = Figure(figsize=(9, 8), layout="constrained")
        load, lag, behind, pods = figure.subplots(4, 1, sharex=True)
        figure.suptitle("Recorded on a real control plane")
        load.plot(seconds, self.rate("produced"), label="published")
        load.plot(seconds, self.rate("committed"), label="done", alpha=0.7)
        lag.plot(seconds, self.column("produced") - self.column("committed"), label="recorded")
        behind.plot(seconds, self.column("behind"), label="recorded")
        pods.step(seconds, self.column("replicas"), where="post", label="replicas")
        pods.step(seconds, self.column("ready"), where="post", label="ready", alpha=0.7)
        pods.set_xlabel("seconds")
        names = ("payments/s", "lag, records", "seconds behind", "pods")
        for axis, name in zip((load, lag, behind, pods), names, strict=True):
            axis.set_ylabel(name)
            axis.grid(visible=True, alpha=0.3)
            axis.set_ylim(bottom=0)
            axis.legend(loc="upper left", fontsize="small")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
        return buffer.getvalue()
