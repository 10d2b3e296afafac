"""Load, lag, seconds behind and replicas over time as PNG; the same figures give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from deploy.autoscaling.recording import Recording
    from deploy.autoscaling.simulation import Course

_ROWS = ("payments/s", "lag, records", "seconds behind", "pods")


def run(recording: Recording, played: Course | None = None) -> bytes:
    """Return the plot of a recorded run, with what the model makes of the same load beside it."""
    seconds = recording.column("second")
    figure, (load, lag, behind, pods) = _rows("Recorded on a real control plane", "seconds")
    load.plot(seconds, recording.rate("produced"), label="published")
    load.plot(seconds, recording.rate("committed"), label="done", alpha=0.7)
    lag.plot(seconds, recording.column("produced") - recording.column("committed"), label="recorded")
    behind.plot(seconds, recording.column("behind"), label="recorded")
    pods.step(seconds, recording.column("replicas"), where="post", label="replicas")
    pods.step(seconds, recording.column("ready"), where="post", label="ready", alpha=0.7)
    if played is not None:
        style: dict[str, Any] = {"color": "grey", "linestyle": "--", "label": "model"}
        lag.plot(played.seconds, played.lag, **style)
        behind.plot(played.seconds, played.behind, **style)
        pods.step(played.seconds, played.replicas, where="post", **style)
    return _png(figure)


def days(title: str, courses: Mapping[str, Course], *, unit_seconds: float = 3600, unit: str = "hours") -> bytes:
    """Return the plot of one load under several settings."""
    figure, (load, lag, behind, pods) = _rows(title, unit)
    for index, (name, course) in enumerate(courses.items()):
        at = course.seconds / unit_seconds
        if index == 0:
            load.plot(at, course.load, color="black", label="published")
        lag.plot(at, course.lag, label=name, alpha=0.8)
        behind.plot(at, course.behind, label=name, alpha=0.8)
        pods.step(at, course.replicas, where="post", label=name, alpha=0.8)
    return _png(figure)


def _rows(title: str, unit: str) -> tuple[Figure, Sequence[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots(len(_ROWS), 1, sharex=True)
    figure.suptitle(title)
    for axis, name in zip(axes, _ROWS, strict=True):
        axis.set_ylabel(name)
        axis.grid(visible=True, alpha=0.3)
    axes[-1].set_xlabel(unit)
    return figure, axes


def _png(figure: Figure) -> bytes:
    for axis in figure.axes:
        axis.set_ylim(bottom=0)
        axis.legend(loc="upper left", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
