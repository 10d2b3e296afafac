"""A trial in lines of text: what a person wants to know first, in that order."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from upifraud.trial import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 100
_CODES: Final = 6
_KINDS: Final = (
    ("frauds_found", "of the frauds that were found"),
    ("false_alerts", "of false alerts"),
    ("frauds_missed", "of the frauds that were missed"),
)


def lines_of(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report of a trial."""
    metrics = report["metrics"]
    yield from table(tables.parts(report))
    yield ""
    yield (
        f"On the later part: average precision {tables.number(metrics['average_precision'])}, ROC AUC "
        f"{tables.number(metrics['roc_auc'])}"
    )
    for rows in (tables.budgets(report), tables.verdicts(report), tables.beside(report)):
        if len(rows) > 1:
            yield ""
            yield from table(rows)
    yield from _reasons(report)
    yield from _findings(report)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows in columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def wrapped(text: str, first: str = "  ") -> list[str]:
    """Return a text in lines, all but the first one indented by two."""
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent="  ")


def _reasons(report: dict[str, Any]) -> Iterator[str]:
    for kind, what in _KINDS:
        told = report["reasons"][kind]
        if not told["payments"]:
            continue
        yield ""
        yield f"Strongest reasons {what} ({told['payments']:,}):"
        yield from wrapped(", ".join(f"{one['code']} {one['payments']:,}" for one in told["codes"][:_CODES]))
        for example in told["examples"][:1]:
            sentences = " ".join(reason["text"] for reason in example["reasons"])
            yield from wrapped(f"For example (score {example['score']:.3f}): {sentences}")


def _findings(report: dict[str, Any]) -> Iterator[str]:
    if report["findings"]:
        yield ""
        yield "What is to be said of this data:"
        for finding in report["findings"]:
            yield from wrapped(finding["text"], "- ")
