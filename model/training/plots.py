"""The curves of an evaluation as PNG; the same figures give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from model.training.evaluation import Scores

POINTS = 2_000
"""More points of a curve than this are not seen."""


def draw(scores: Scores, figures: dict[str, Any]) -> dict[str, bytes]:
    """Return plots by file name: precision against recall, recall against alerts, calibration, recall by typology."""
    plots = {"calibration.png": _png(_calibration(figures))}
    if figures["frauds"]:
        order = np.argsort(-scores.probability, kind="stable")
        caught = np.cumsum(scores.fraud[order], dtype=np.int64)
        at = _spread(np.flatnonzero(scores.fraud[order]))
        plots["precision_recall.png"] = _png(_precision_recall(caught, at, figures))
        plots["recall_by_alerts.png"] = _png(_recall_by_alerts(caught, at, figures))
    if figures.get("by_typology"):
        plots["recall_by_typology.png"] = _png(_typologies(figures))
    return plots


def _spread(at: NDArray[np.intp]) -> NDArray[np.intp]:
    return at[:: max(1, len(at) // POINTS)]


def _figure(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _precision_recall(caught: NDArray[np.int64], at: NDArray[np.intp], figures: dict[str, Any]) -> Figure:
    title = f"Average precision {figures['average_precision']:.3f}"
    figure, axes = _figure(title, "recall: share of frauds alerted on", "precision: share of alerts that are fraud")
    axes.plot(caught[at] / figures["frauds"], caught[at] / (at + 1))
    axes.axhline(figures["fraud_share"], color="grey", linestyle=":", label="share of fraud")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()
    return figure


def _recall_by_alerts(caught: NDArray[np.int64], at: NDArray[np.intp], figures: dict[str, Any]) -> Figure:
    title = f"{figures['recall_at_budget']:.0%} of frauds within {figures['alert_budget']:.2%} of payments"
    figure, axes = _figure(title, "share of payments alerted on", "recall: share of frauds alerted on")
    axes.plot((at + 1) / figures["payments"], caught[at] / figures["frauds"])
    axes.axvline(figures["alert_budget"], color="grey", linestyle=":", label="alert budget")
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.legend()
    return figure


def _calibration(figures: dict[str, Any]) -> Figure:
    curve = figures["calibration"]
    figure, axes = _figure("Calibration", "mean score", "share of fraud")
    axes.plot([point["mean_probability"] for point in curve], [point["fraud_share"] for point in curve], marker="o")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    # Linear near zero, so that bins without any fraud are seen too.
    axes.set_xscale("symlog", linthresh=1e-4)
    axes.set_yscale("symlog", linthresh=1e-4)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    return figure


def _typologies(figures: dict[str, Any]) -> Figure:
    rows = sorted(figures["by_typology"].items(), key=lambda item: (item[1]["recall_at_budget"], item[0]))
    figure, axes = _figure("Recall by typology", f"recall within {figures['alert_budget']:.2%} of payments", "")
    axes.barh([f"{name} ({row['frauds']})" for name, row in rows], [row["recall_at_budget"] for _, row in rows])
    axes.set(xlim=(0, 1))
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
