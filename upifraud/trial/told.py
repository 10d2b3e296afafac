"""A trial in lines of text: what a person wants to know first, in that order."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from upifraud.trial.findings import interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 100
_VERDICTS: Final = (
    ("REVIEW_or_stricter", "REVIEW or stricter"),
    ("HOLD_or_stricter", "HOLD or stricter"),
    ("BLOCK", "BLOCK"),
)
_KINDS: Final = (
    ("frauds_found", "of the frauds that were found"),
    ("false_alerts", "of false alerts"),
    ("frauds_missed", "of the frauds that were missed"),
)


def lines_of(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report of a trial."""
    yield from _parts(report)
    yield ""
    yield from _figures(report)
    yield ""
    yield from _verdicts(report)
    yield from _beside(report)
    yield from _reasons(report)
    yield from _findings(report)


def moment(milliseconds: int) -> str:
    """Return a time as a report writes it."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def percent(share: float | None) -> str:
    """Return a share as a report writes it."""
    return "none" if share is None else f"{share:.1%}"


def number(figure: float | None) -> str:
    """Return a figure as a report writes it."""
    return "none" if figure is None else f"{figure:.3f}"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows in columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _parts(report: dict[str, Any]) -> Iterator[str]:
    rows = [["", "payments", "frauds", "share", "from", "until"]]
    for name, what in (("train", "trained on"), ("test", "judged on")):
        part = report[name]
        share = part["frauds"] / part["payments"]
        rows.append([what, f"{part['payments']:,}", f"{part['frauds']:,}", f"{share:.3%}", moment(part["since"]), moment(part["until"])])  # fmt: skip
    yield from table(rows)


def _figures(report: dict[str, Any]) -> Iterator[str]:
    metrics = report["metrics"]
    frauds = metrics["frauds"]
    yield f"average precision  {number(metrics['average_precision'])}     ROC AUC  {number(metrics['roc_auc'])}"
    yield ""
    rows = [["looked at", "alerts", "precision", "recall", "recall, 95 % interval"]]
    for at in metrics["at_budgets"]:
        low, high = interval((at["recall"] or 0) * frauds, frauds)
        rows.append(
            [f"{at['alert_budget']:.2%} of payments", f"{at['alerts']:,}", percent(at["precision"]), percent(at["recall"]), f"{low:.0%} to {high:.0%}"]
        )  # fmt: skip
    yield from table(rows)


def _verdicts(report: dict[str, Any]) -> Iterator[str]:
    by_verdict = report["metrics"].get("by_verdict", {})
    rows = [["verdict", "share of payments", "precision", "recall"]]
    rows += [
        [what, f"{by_verdict[name]['share']:.3%}", percent(by_verdict[name]["precision"]), percent(by_verdict[name]["recall"])]
        for name, what in _VERDICTS
        if name in by_verdict
    ]  # fmt: skip
    yield from table(rows)


def _beside(report: dict[str, Any]) -> Iterator[str]:
    """Yield other ways to the same later part: simple models, and what nobody can have."""
    metrics, never = report["metrics"], report["not_attainable"]
    others = {"this model": metrics, **(metrics.get("baselines") or {})}
    if never is not None:
        others["without label delay: not attainable"] = never
    if len(others) == 1:
        return
    yield ""
    budget = f"recall at {metrics['alert_budget']:.2%}"
    rows = [["on the later part", "average precision", "ROC AUC", budget]]
    rows += [
        [name.replace("_", " "), number(one["average_precision"]), number(one["roc_auc"]), percent(one["recall_at_budget"])]
        for name, one in others.items()
    ]  # fmt: skip
    yield from table(rows)


def _reasons(report: dict[str, Any]) -> Iterator[str]:
    for kind, what in _KINDS:
        told = report["reasons"][kind]
        if not told["payments"]:
            continue
        yield ""
        yield f"Strongest reasons {what} ({told['payments']:,}):"
        codes = ", ".join(f"{one['code']} {one['payments']:,}" for one in told["codes"][:6])
        yield from _wrapped(codes)
        for example in told["examples"][:1]:
            sentences = " ".join(reason["text"] for reason in example["reasons"])
            yield from _wrapped(f"For example (score {example['score']:.3f}): {sentences}")


def _findings(report: dict[str, Any]) -> Iterator[str]:
    if report["findings"]:
        yield ""
        yield "What is to be said of this data:"
        for finding in report["findings"]:
            yield from _wrapped(finding["text"], "- ")


def _wrapped(text: str, first: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent="  ")
