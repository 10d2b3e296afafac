"""What the dashboards have in common: choices above the panels, links among them, firing alerts over every panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.models import dashboard

from deploy.grafana.panels import SOURCE, Panel
from deploy.grafana.runbooks import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG: Final = "upi-fraud-stream"
WATCHED: Final = "process_start_time_seconds"
"""Every worker has it from its first scrape on."""


@dataclass(frozen=True)
class Section:
    """A row of panels under a heading."""

    title: str
    panels: Sequence[Panel]


def board(uid: str, title: str, about: str, sections: Sequence[Section]) -> dashboard.Dashboard:
    """Return a dashboard; links of its tag lead to the others."""
    made = (
        Dashboard(f"UPI fraud stream / {title}")
        .uid(f"upifraud-{uid}")
        .description(about)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .variables([_sources(), _job(), _environments(), _workers(), _runbooks()])
        .link(_others())
    )
    for section in sections:
        made.with_row(Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    built = made.build()
    built.annotations = dashboard.AnnotationContainer(list_val=[_firing()])
    for number, placed in enumerate(built.panels or [], 1):
        placed.id_val = number  # or Grafana would give them, and links to a panel would not last
    return built


def _sources() -> DatasourceVariable:
    return DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _choice(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )


def _some_or_all(name: str, label: str, query: str) -> QueryVariable:
    every = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    return _choice(name, label, query).multi(True).include_all(True).all_value(".*").current(every)


def _job() -> QueryVariable:
    ours = dashboard.VariableOption(selected=True, text=TAG, value=TAG)
    return _choice("job", "job", f"label_values({WATCHED}, job)").current(ours)


def _environments() -> QueryVariable:
    return _some_or_all("namespace", "environment", f'label_values({WATCHED}{{job=~"$job"}}, namespace)')


def _workers() -> QueryVariable:
    chosen = f'{WATCHED}{{job=~"$job", namespace=~"$namespace"}}'
    return _some_or_all("instance", "worker", f"label_values({chosen}, instance)")


def _runbooks() -> TextBoxVariable:
    return (
        TextBoxVariable(VARIABLE)
        .label("runbooks at")
        .default_value("docs/runbooks")
        .hide(dashboard.VariableHide.HIDE_VARIABLE)
    )


class _Alerts(dashboard.AnnotationQuery):
    """An annotation from Prometheus, with what its data source reads beside the fields that the SDK knows."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {
            "titleFormat": "{{alertname}}",
            "textFormat": "{{severity}} {{topic}} {{partition}} {{server}}",
            "tagKeys": "severity",
            "step": "30s",
        }


def _firing() -> dashboard.AnnotationQuery:
    expression = 'ALERTS{alertstate="firing", alertname=~"UpiFraud.+", namespace=~"$namespace|"}'
    return _Alerts(name="Firing alerts", datasource=SOURCE, enable=True, icon_color="red", expr=expression)


def _others() -> DashboardLink:
    return (
        DashboardLink("UPI fraud stream")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(True)
        .include_vars(True)
    )
