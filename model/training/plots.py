"""The curves of an evaluation as PNG; the same figures give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from model.training.evaluation import Scores

POINTS = 2_000
"""More points of a curve than this are not seen."""

MOST_IMPORTANT = 25
RUPEE = 100


def draw(scores: Scores, figures: dict[str, Any], others: Mapping[str, Scores] | None = None) -> dict[str, bytes]:
    """Return the plots of an evaluation as PNG by file name; those that its figures allow.

    others: by name, what other models make of the same stream; their precision and recall are drawn beside.
    """
    plots = {"calibration.png": _png(_calibration(figures))}
    if figures["frauds"]:
        ranked = _Ranked(scores)
        beside = {name.replace("_", " "): _Ranked(other) for name, other in (others or {}).items() if other.fraud.any()}
        plots["precision_recall.png"] = _png(_precision_recall(ranked, beside, figures))
        plots["recall_by_alerts.png"] = _png(_recall_by_alerts(ranked, figures))
        if figures.get("days"):
            plots["precision_by_alerts_a_day.png"] = _png(_precision_by_alerts(ranked, figures))
        if scores.amount_paise is not None and figures["fraud_amount_paise"]:
            worth = np.where(scores.fraud, np.nan_to_num(scores.amount_paise), 0.0)
            plots["gains.png"] = _png(_gains(ranked, worth[ranked.order], figures))
    if figures.get("by_typology"):
        plots["by_typology.png"] = _png(_typologies(figures))
    return plots


def importance_plot(strength: Sequence[tuple[str, float]]) -> bytes:
    """Return how much each feature moves scores as PNG; name and mean absolute contribution, strongest first."""
    rows = list(strength[:MOST_IMPORTANT])[::-1]
    figure, axes = _figure("What the scores depend on", "mean absolute contribution, log-odds", "", height=6.4)
    axes.barh([name for name, _ in rows], [value for _, value in rows])
    axes.tick_params(axis="y", labelsize=8)
    return _png(figure)


class _Ranked:
    """How many frauds are among the highest scores, at each fraud."""

    def __init__(self, scores: Scores) -> None:
        self.order = np.argsort(-scores.probability, kind="stable")
        found = scores.fraud[self.order]
        self.at = _spread(np.flatnonzero(found))
        caught = np.cumsum(found, dtype=np.int64)[self.at]
        self.alerts = self.at + 1
        self.precision = caught / self.alerts
        self.recall = caught / int(found.sum())


def _spread(at: NDArray[np.intp]) -> NDArray[np.intp]:
    return at[:: max(1, len(at) // POINTS)]


def _figure(title: str, xlabel: str, ylabel: str, height: float = 4.4) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _precision_recall(ranked: _Ranked, beside: Mapping[str, _Ranked], figures: dict[str, Any]) -> Figure:
    title = f"Average precision {figures['average_precision']:.3f}"
    figure, axes = _figure(title, "recall: share of frauds alerted on", "precision: share of alerts that are fraud")
    axes.plot(ranked.recall, ranked.precision, label="this model")
    for name, other in beside.items():
        axes.plot(other.recall, other.precision, linewidth=1, alpha=0.8, label=name)
    axes.axhline(figures["fraud_share"], color="grey", linestyle=":", label="share of fraud")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="upper right")
    return figure


def _recall_by_alerts(ranked: _Ranked, figures: dict[str, Any]) -> Figure:
    title = f"{figures['recall_at_budget']:.0%} of frauds within {figures['alert_budget']:.2%} of payments"
    figure, axes = _figure(title, "share of payments alerted on", "recall: share of frauds alerted on")
    axes.plot(ranked.alerts / figures["payments"], ranked.recall)
    axes.axvline(figures["alert_budget"], color="grey", linestyle=":", label="alert budget")
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.legend(loc="lower right")
    return figure


def _precision_by_alerts(ranked: _Ranked, figures: dict[str, Any]) -> Figure:
    budget = figures["alerts_at_budget"] / figures["days"]
    title = f"{figures['precision_at_budget']:.0%} of {budget:,.3g} alerts a day are fraud"
    figure, axes = _figure(title, "alerts a day", "precision: share of alerts that are fraud")
    axes.plot(ranked.alerts / figures["days"], ranked.precision)
    axes.axvline(budget, color="grey", linestyle=":", label="alert budget")
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.legend(loc="upper right")
    return figure


def _gains(ranked: _Ranked, paise: NDArray[np.float64], figures: dict[str, Any]) -> Figure:
    found, all_of_it = np.cumsum(paise)[ranked.at] / RUPEE, figures["fraud_amount_paise"] / RUPEE
    days = figures.get("days") or 0.0
    title = f"{figures['value_recall_at_budget']:.0%} of {all_of_it:,.0f} rupees of fraud within the alert budget"
    figure, axes = _figure(title, "alerts a day" if days else "alerts", "rupees of fraud alerted on")
    axes.plot(ranked.alerts / (days or 1.0), found)
    axes.axhline(all_of_it, color="grey", linewidth=1, label="all fraud")
    axes.axvline(figures["alerts_at_budget"] / (days or 1.0), color="grey", linestyle=":", label="alert budget")
    axes.set(xscale="log", ylim=(0, all_of_it * 1.05))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(loc="upper left")
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
    axes.legend(loc="upper left")
    return figure


def _typologies(figures: dict[str, Any]) -> Figure:
    kinds = sorted(figures["by_typology"].items(), key=lambda item: (item[1]["average_precision"], item[0]))
    budget = f"{figures['alert_budget']:.2%}"
    figure, axes = _figure("By typology", "", "", height=1.8 + 0.5 * len(kinds))
    at = np.arange(len(kinds))
    rows = [row for _, row in kinds]
    precision = np.array([row["average_precision"] for row in rows])
    spread = np.array([row["average_precision_interval"] or [row["average_precision"]] * 2 for row in rows]).T
    error = np.abs(spread - precision)
    axes.barh(at + 0.2, precision, 0.38, xerr=error, capsize=2, label="average precision, 95 %")
    axes.barh(at - 0.2, [row["recall_at_budget"] for row in rows], 0.38, label=f"recall within {budget} of payments")
    axes.set_yticks(at, [f"{name} ({row['frauds']})" for name, row in kinds])
    axes.set(xlim=(0, 1))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
