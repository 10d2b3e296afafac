"""A trial as one page of HTML with its plots in it: it can be sent to somebody and needs nothing beside it."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Any, Final

from upifraud.trial import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;"
    "text-align:right}td:first-child,th:first-child{text-align:left}img{max-width:100%;height:auto}"
    "figure{display:inline-block;margin:.5rem;max-width:28rem}figcaption{color:#555;font-size:.9rem}li{margin:.4rem 0}"
    ".never{color:#777}"
)
_CAPTIONS: Final = {
    "precision_recall.png": "Precision against recall: how clean the list is, as more of the frauds are found.",
    "recall_by_alerts.png": "How many of the frauds are found, by how many payments are looked at.",
    "precision_by_alerts_a_day.png": "How clean the list is, by how many payments are looked at a day.",
    "gains.png": "How many rupees of fraud are found, by how many payments are looked at.",
    "calibration.png": "Whether a score of 10 % means that one in ten is fraud.",
    "by_typology.png": "Which kinds of fraud are found.",
    "importance.png": "What the scores depend on.",
    "contributions.png": "What the model looks at, payment by payment.",
}
_KINDS: Final = (
    ("frauds_found", "Frauds that were found"),
    ("false_alerts", "False alerts"),
    ("frauds_missed", "Frauds that were missed"),
)


def page_of(report: Mapping[str, Any], plots: Mapping[str, bytes]) -> bytes:
    """Return the page, UTF-8."""
    body = "".join(
        [
            *_head(report),
            *_findings(report),
            *_reasons(report),
            *_plots(plots),
            *_counts(report),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Trial of {escape(report['file'])}</title><style>{_STYLE}</style></head><body>\n{body}</body></html>\n"
    ).encode()


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h1>Trial of {escape(report['file'])}</h1>\n"
    metrics = report["metrics"]
    yield (
        "<p>A model was trained on the earlier part of the payments and judged on the later part, of which it has seen "
        f"nothing. Its average precision there is <b>{tables.number(metrics['average_precision'])}</b>, its ROC AUC "
        f"{tables.number(metrics['roc_auc'])}.</p>\n"
    )
    for title, rows in (
        ("The two parts", tables.parts(report)),
        ("If so many payments are looked at", tables.budgets(report)),
        ("At the model's own verdicts", tables.verdicts(report)),
        ("Beside others, on the same later part", tables.beside(report)),
    ):
        if len(rows) > 1:
            yield f"<h2>{escape(title)}</h2>\n{_table(rows)}"


def _findings(report: Mapping[str, Any]) -> Iterator[str]:
    if report["findings"]:
        yield "<h2>What is to be said of this data</h2>\n<ul>"
        yield from (f"<li>{escape(finding['text'])}</li>\n" for finding in report["findings"])
        yield "</ul>\n"


def _reasons(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Reasons</h2>\n"
    for kind, what in _KINDS:
        told = report["reasons"][kind]
        if not told["payments"]:
            continue
        yield f"<h3>{what} ({told['payments']:,})</h3>\n"
        codes = [[one["code"], f"{one['payments']:,}"] for one in told["codes"]]
        yield _table([["among the three strongest", "payments"], *codes])
        for example in told["examples"]:
            sentences = " ".join(reason["text"] for reason in example["reasons"])
            yield f"<p>For example, with a score of {example['score']:.3f}: {escape(sentences)}</p>\n"


def _plots(plots: Mapping[str, bytes]) -> Iterator[str]:
    yield "<h2>Plots</h2>\n"
    for name, png in plots.items():
        caption = _CAPTIONS.get(name, name.removesuffix(".png").replace("_", " "))
        source = base64.b64encode(png).decode()
        yield f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{source}">'
        yield f"<figcaption>{escape(caption)}</figcaption></figure>\n"


def _counts(report: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Rows</h2>\n"
    rows = [["", "rows", "accepted", "duplicates", "refused"]]
    for what, one in (("payments", report), ("outcomes", report["outcomes"])):
        refused = ", ".join(f"{count:,} {reason}" for reason, count in one["rejected"].items()) or "none"
        rows.append([what, f"{one['rows']:,}", f"{one['accepted']:,}", f"{one['duplicates']:,}", refused])
    yield _table(rows)
    yield f"<p>Model {escape(report['model']['model_id'])}, features {escape(report['model']['schema_hash'])}.</p>\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in body)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>\n{lines}</tbody></table>\n"
