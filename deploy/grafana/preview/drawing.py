"""One dashboard as a picture: panels in their places, each drawn by its kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import dates as matplotlib_dates
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, MaxNLocator

if TYPE_CHECKING:
    from pathlib import Path

dates: Any = matplotlib_dates  # it publishes no types
Series: TypeAlias = "tuple[str, list[float], list[float]]"

UNIT_INCHES: Final = 0.42, 0.33
"""Width and height of one cell of Grafana's grid."""
SHOWN: Final = 8
"""Series named in a legend; Grafana scrolls."""


class Drawing:
    """A figure that panels are added to."""

    def __init__(self, board: dict[str, Any], label: str, since: float, until: float) -> None:
        self._span = dates.date2num(_times([since, until]))
        self._rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 2
        self._figure = plt.figure(figsize=(24 * UNIT_INCHES[0] * 1.5, self._rows * UNIT_INCHES[1] * 1.2), dpi=70)
        self._figure.text(0.01, 1 - 0.7 / self._rows, board["title"], fontsize=15, weight="bold")
        self._figure.text(0.99, 1 - 0.7 / self._rows, label, fontsize=9, ha="right", style="italic", color="firebrick")

    def add(self, panel: dict[str, Any], series: list[list[Series]]) -> None:
        """Draw a panel with the series of each of its queries."""
        place = panel["gridPos"]
        left, top = place["x"] / 24, 1 - (place["y"] + 1.6) / self._rows
        if panel["type"] == "row":
            self._figure.text(0.01, top - 0.6 / self._rows, panel["title"], fontsize=12, weight="bold", color="navy")
            return
        width, height = place["w"] / 24, place["h"] / self._rows
        axes = self._figure.add_axes(
            (left + 0.045, top - height + 1.1 / self._rows, width - 0.06, height - 2.2 / self._rows)
        )
        axes.set_title(panel["title"], fontsize=9, loc="left")
        axes.tick_params(labelsize=7)
        found = [one for answered in series for one in answered]
        if not found:
            axes.text(0.5, 0.5, "no data", ha="center", va="center", color="grey", transform=axes.transAxes)
            axes.set_axis_off()
            return
        _KINDS[panel["type"]](axes, panel, found)
        if panel["type"] in _OVER_TIME:
            axes.set_xlim(*self._span)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))

    def save(self, path: Path) -> None:
        """Write the picture."""
        self._figure.savefig(path)
        plt.close(self._figure)


def _lines(axes: Any, panel: dict[str, Any], found: list[Series]) -> None:
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    log = custom.get("scaleDistribution", {}).get("type") == "log" and any(_most(values) > 0 for _, _, values in found)
    found = sorted(found, key=lambda one: -_most(one[2]))
    if custom.get("stacking", {}).get("mode") == "normal":
        moments = sorted({at for _, times, _ in found for at in times})
        heights = [
            np.nan_to_num(np.interp(moments, times, values, left=0, right=0), posinf=0) for _, times, values in found
        ]
        axes.stackplot(dates.date2num(_times(moments)), heights, labels=[name for name, _, _ in found], alpha=0.7)
    else:
        for name, times, values in found:
            axes.plot(_times(times), _drawable(values, log), linewidth=1, label=name)
    if log:
        axes.set_yscale("log")
    elif panel["fieldConfig"]["defaults"].get("min") == 0:
        axes.set_ylim(bottom=0)
    if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
        axes.axhline(
            panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"],
            color="red",
            linestyle="--",
            linewidth=0.8,
        )
    _unit(axes.yaxis, panel)
    handles, names = axes.get_legend_handles_labels()
    more = [f"... {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    axes.legend(
        handles[:SHOWN] + handles[SHOWN : SHOWN + len(more)], names[:SHOWN] + more, fontsize=6, loc="upper left"
    )


def _number(axes: Any, panel: dict[str, Any], found: list[Series]) -> None:
    value = found[0][2][-1]
    colour = "black"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = {"text": "black"}.get(step["color"], step["color"])
    text = _in_unit(value, panel["fieldConfig"]["defaults"]["unit"])
    axes.text(0.5, 0.45, text, fontsize=20, ha="center", va="center", color=colour, transform=axes.transAxes)
    axes.set_axis_off()


def _bars(axes: Any, panel: dict[str, Any], found: list[Series]) -> None:
    found = sorted((one for one in found if math.isfinite(one[2][-1])), key=lambda one: one[2][-1])
    axes.barh([name for name, _, _ in found], [values[-1] for _, _, values in found], color="slateblue")
    _unit(axes.xaxis, panel)
    axes.tick_params(axis="y", labelsize=6)


def _heat(axes: Any, panel: dict[str, Any], found: list[Series]) -> None:
    found = sorted(found, key=lambda one: float(one[0]))
    moments = sorted({at for _, times, _ in found for at in times})
    below = np.array([np.interp(moments, times, values) for _, times, values in found])
    within = np.clip(np.diff(below, axis=0, prepend=0), 0, None)
    axes.pcolormesh(_times(moments), np.arange(len(found) + 1)[:-1], np.sqrt(within), cmap="Blues", shading="nearest")
    unit = panel["fieldConfig"]["defaults"]["unit"]
    every = max(1, len(found) // 8)
    axes.set_yticks(range(0, len(found), every), [_in_unit(float(name), unit) for name, _, _ in found[::every]])


def _states(axes: Any, panel: dict[str, Any], found: list[Series]) -> None:
    names = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    for row, (_, times, values) in enumerate(found):
        step = (times[-1] - times[0]) / max(1, len(times) - 1)
        for at, value in zip(times, values, strict=True):
            state = names.get(str(int(value)), {"color": "grey"})
            axes.broken_barh(
                [(dates.date2num(_times([at]))[0], step / 86_400)], (row - 0.4, 0.8), facecolors=state["color"]
            )
    axes.set_yticks(range(len(found)), [name for name, _, _ in found])


_OVER_TIME: Final = {"timeseries", "heatmap", "state-timeline"}
_KINDS: Final = {"timeseries": _lines, "stat": _number, "bargauge": _bars, "heatmap": _heat, "state-timeline": _states}


def _most(values: list[float]) -> float:
    return max((value for value in values if math.isfinite(value)), default=0.0)


def _drawable(values: list[float], log: bool) -> Any:
    """Return the values with gaps where an axis has no place for them."""
    line = np.array(values)
    return np.where(np.isfinite(line) & ((line > 0) | (not log)), line, np.nan)


def _times(seconds: list[float]) -> Any:
    return (np.array(seconds) * 1000).astype("datetime64[ms]")


def _unit(axis: Any, panel: dict[str, Any]) -> None:
    axis.set_major_formatter(
        FuncFormatter(lambda value, _at: _in_unit(value, panel["fieldConfig"]["defaults"]["unit"]))
    )


def _in_unit(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "∞" if value > 0 else "no value"
    match unit:
        case "s" if value:
            for least, factor, name in ((60, 1 / 60, "min"), (1, 1, "s"), (1e-3, 1e3, "ms"), (0, 1e6, "us")):
                if abs(value) >= least:
                    return f"{value * factor:.3g} {name}"
        case "bytes":
            for least, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
                if abs(value) >= least:
                    return f"{value / least:.3g} {name}"
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "cps":
            return f"{value:.3g}/s"
    return f"{value:.4g}"
