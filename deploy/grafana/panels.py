"""The kinds of panels that the dashboards are made of; each says what it shows, in which unit, and what to do about it.

A panel's `alerts` are the alerts that watch the same thing: their runbooks become its links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    ScaleDistributionConfig,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.runbooks import runbook_links

if TYPE_CHECKING:
    from deploy.grafana.queries import Query

Panel: TypeAlias = "timeseries.Panel | stat.Panel | heatmap.Panel | bargauge.Panel | statetimeline.Panel"

SOURCE: Final = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
P = TypeVar("P", timeseries.Panel, stat.Panel, heatmap.Panel, bargauge.Panel, statetimeline.Panel)
GOOD, WARN, BAD = "green", "orange", "red"
Steps: TypeAlias = "tuple[tuple[float | None, str], ...]"
PLAIN: Final[Steps] = ((None, "text"),)

VERDICT_COLOURS: Final = {"ALLOW": "green", "REVIEW": "yellow", "HOLD": "orange", "BLOCK": "red"}
_HEIGHT, _STAT_HEIGHT = 8, 4


def lines(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    stacked: bool = False,
    signed: bool = False,
    log: bool = False,
    limit: float | None = None,
    most: float | None = None,
    alerts: tuple[str, ...] = (),
) -> timeseries.Panel:
    """Return a time series; `limit` draws a line where it becomes alarming, `signed` leaves room below 0."""
    panel = _common(timeseries.Panel(), title, about, unit, queries, alerts).span(width).height(_HEIGHT)
    legend = VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.TABLE)
    panel.legend(
        legend.placement(common.LegendPlacement.RIGHT).calcs(["lastNotNull", "max"]).sort_by("Max").sort_desc(True)
    )
    panel.tooltip(VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    panel.fill_opacity(60 if stacked else 8).line_width(1).show_points(common.VisibilityMode.NEVER)
    if log:
        panel.scale_distribution(ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10))
    elif not signed:
        panel.min(0)
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if limit is not None:
        panel.thresholds(_steps(((None, "transparent"), (limit, BAD))))
        panel.thresholds_style(GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    for name, colour in VERDICT_COLOURS.items():
        if any("{{verdict}}" in query.legend for query in queries):
            fixed = {"mode": "fixed", "fixedColor": colour}
            panel.override_by_name(name, [dashboard.DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def number(
    title: str,
    about: str,
    unit: str,
    query: Query,
    *,
    steps: Steps = PLAIN,
    width: int = 4,
    alerts: tuple[str, ...] = (),
) -> stat.Panel:
    """Return one figure, as it is now, coloured by the steps that it has passed."""
    panel = _common(stat.Panel(), title, about, unit, (query,), alerts).span(width).height(_STAT_HEIGHT)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    panel.graph_mode(common.BigValueGraphMode.NONE if query.instant else common.BigValueGraphMode.AREA)
    panel.color_mode(common.BigValueColorMode.VALUE).thresholds(_steps(steps))
    return panel.color_scheme(FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))


def bars(
    title: str, about: str, unit: str, query: Query, *, width: int = 12, most: float | None = None,
    alerts: tuple[str, ...] = (),
) -> bargauge.Panel:  # fmt: skip
    """Return a bar for each series, over the range that is shown."""
    panel = _common(bargauge.Panel(), title, about, unit, (query,), alerts).span(width).height(_HEIGHT).min(0)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).orientation(common.VizOrientation.HORIZONTAL)
    panel.display_mode(common.BarGaugeDisplayMode.BASIC).value_mode(common.BarGaugeValueMode.TEXT)
    panel.legend(VizLegendOptions().show_legend(False))  # each bar has its name beside it
    if most is not None:
        panel.max(most)
    return panel.color_scheme(FieldColor().mode(dashboard.FieldColorModeId.CONTINUOUS_BL_PU))


def heat(
    title: str, about: str, unit: str, query: Query, *, width: int = 12, alerts: tuple[str, ...] = ()
) -> heatmap.Panel:
    """Return a histogram over time: the darker, the more fell into the bucket."""
    panel = _common(heatmap.Panel(), title, about, unit, (query,), alerts, form=PromQueryFormat.HEATMAP)
    panel.span(width).height(_HEIGHT).y_axis(YAxisConfig().unit(unit)).cell_gap(0).show_legend()
    return panel.color(HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(64).exponent(0.5))


def states(
    title: str, about: str, query: Query, names: dict[int, tuple[str, str]], *, width: int = 12,
    alerts: tuple[str, ...] = (),
) -> statetimeline.Panel:  # fmt: skip
    """Return a band for each series, coloured by its state: value, then name and colour."""
    panel = _common(statetimeline.Panel(), title, about, "none", (query,), alerts).span(width).height(_HEIGHT)
    results = {
        str(value): dashboard.ValueMappingResult(text=text, color=colour, index=at)
        for at, (value, (text, colour)) in enumerate(names.items())
    }
    panel.mappings([dashboard.ValueMap(options=results)])
    return panel.legend(VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM))


def _common(
    panel: P,
    title: str,
    about: str,
    unit: str,
    queries: tuple[Query, ...],
    alerts: tuple[str, ...],
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> P:
    panel.title(title).description(about).unit(unit).datasource(SOURCE)
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        target = Dataquery().expr(query.expression).legend_format(query.legend).ref_id(letter).format(form)
        panel.with_target(target.instant() if query.instant else target.range())
    if alerts:
        panel.links(runbook_links(alerts))
    return panel


def _steps(steps: Steps) -> ThresholdsConfig:
    return (
        ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=colour) for value, colour in steps])
    )
