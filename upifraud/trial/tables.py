"""The tables of a trial's report, for a terminal and for a page alike: the first row is the head."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Table = list[list[str]]


def moment(milliseconds: int) -> str:
    """Return a time as a report writes it."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def percent(share: float | None) -> str:
    """Return a share as a report writes it."""
    return "none" if share is None else f"{share:.1%}"


def number(figure: float | None) -> str:
    """Return a figure as a report writes it."""
    return "none" if figure is None else f"{figure:.3f}"


def interval(hits: float, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's score."""
    if not of:
        return 0.0, 1.0
    z, share = 1.96, hits / of
    centre, spread = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (centre - spread) / (1 + z * z / of)), min(1.0, (centre + spread) / (1 + z * z / of))


def parts(report: Mapping[str, Any]) -> Table:
    """Return what was trained on, and what was judged on."""
    rows = [["", "payments", "frauds", "share", "from", "until"]]
    for name, what in (("train", "trained on"), ("test", "judged on")):
        part = report[name]
        share = f"{part['frauds'] / part['payments']:.3%}"
        times = [moment(part["since"]), moment(part["until"])]
        rows.append([what, f"{part['payments']:,}", f"{part['frauds']:,}", share, *times])
    return rows


def budgets(report: Mapping[str, Any]) -> Table:
    """Return precision and recall by how many payments are looked at."""
    rows = [["looked at", "alerts", "precision", "recall", "recall, 95 % interval"]]
    frauds = report["metrics"]["frauds"]
    for at in report["metrics"]["at_budgets"]:
        low, high = interval((at["recall"] or 0) * frauds, frauds)
        shares = [percent(at["precision"]), percent(at["recall"])]
        rows.append([f"{at['alert_budget']:.2%} of payments", f"{at['alerts']:,}", *shares, f"{low:.0%} to {high:.0%}"])
    return rows


def verdicts(report: Mapping[str, Any]) -> Table:
    """Return precision and recall at the model's own thresholds."""
    rows = [["verdict", "share of payments", "precision", "recall"]]
    for name, one in (report["metrics"].get("by_verdict") or {}).items():
        shares = [percent(one["precision"]), percent(one["recall"])]
        rows.append([name.replace("_", " "), f"{one['share']:.3%}", *shares])
    return rows


def beside(report: Mapping[str, Any]) -> Table:
    """Return other ways to judge the same later part: simple models, and what nobody can have."""
    metrics, never = report["metrics"], report["not_attainable"]
    rows = [["on the later part", "average precision", "ROC AUC", f"recall at {metrics['alert_budget']:.2%}"]]
    others = {"this model": metrics, **(metrics.get("baselines") or {})}
    if never is not None:
        others["with every fraud known at once: not attainable"] = never
    for name, one in others.items():
        figures = [number(one["average_precision"]), number(one["roc_auc"]), percent(one["recall_at_budget"])]
        rows.append([name.replace("_", " "), *figures])
    return rows
