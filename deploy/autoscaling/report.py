"""The figures of the days as Markdown, and the settings that they hold for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deploy.autoscaling.settings import candidates, production

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN = "<!-- written by python -m deploy.autoscaling: begin -->"
END = "<!-- end -->"
_TITLES = {
    "day": "A day of UPI",
    "salary": "A salary day with two surges",
    "outage": "Three hours of an evening, ten minutes of them an outage",
}
_HEAD = (
    "| {title} | pod-hours | most pods | changes | most seconds behind | payments late by over 5 s |\n"
    "|---|---|---|---|---|---|\n"
)


def settings() -> dict[str, Any]:
    """Return what the figures hold for: where this has changed since, they have to be made anew."""
    return {
        "candidates": {name: asdict(scaled) for name, scaled in candidates().items()},
        "cluster": asdict(production()),
    }


def tables(days: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return one table a day, one row for each of the settings."""
    return "\n".join(
        _HEAD.format(title=_TITLES[day]) + "".join(_row(name, of) for name, of in accounts.items())
        for day, accounts in days.items()
    )


def _row(name: str, of: Mapping[str, Any]) -> str:
    bold = f"**{name}**" if name == "shipped" else name
    return (
        f"| {bold} | {of['pod_hours']:.1f} | {of['most_pods']} | {of['changes']} | {of['most_seconds_behind']:.1f} "
        f"| {of['late_share']:.3%} |\n"
    )


def put_in(page: str, text: str) -> str:
    """Return a page with the text between its two marks."""
    before, begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page: expected the lines {BEGIN!r} and {END!r}, found none to write between.")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"
