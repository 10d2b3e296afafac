"""Raw results as PNG, in the style of the model's plots; the same results give the same bytes."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

SECTION = {"ramp.png": "ramp", "latency.png": "latency", "sustain.png": "sustain", "growth.png": "growth",
           "ablations.png": "ablations", "peers.png": "peers", "histories.png": "histories"}  # fmt: skip
"""Which section a plot belongs to."""

STACKED = ("worker", "redis", "postgres", "kafka", "switch", "others")


def draw(parts: Mapping[str, Any]) -> dict[str, tuple[str, bytes]]:
    """Return plots by file name, each with the text for who does not see it."""
    ways: dict[str, tuple[str, Callable[[Any], Figure]]] = {
        "ramp.png": ("Cores in use by process as the rate rises", _ramp),
        "latency.png": ("Latency by percentile, from the scheduled publish time", _latency),
        "sustain.png": ("Records that waited over the long run, and latency by ten seconds", _waiting),
        "growth.png": ("CPU microseconds a payment as one thing grows", _growth),
        "ablations.png": ("What was not chosen, in times of what was", _ablations),
        "histories.png": ("Time and memory of `features` and `train` as the history grows", _histories),
        "peers.png": ("CPU of peers, in times of the worker's", _peers),
    }
    return {file: (alt, _png(way(parts[SECTION[file]]))) for file, (alt, way) in ways.items() if SECTION[file] in parts}


def _figure(width: float = 6.4, height: float = 4.4, **texts: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set(**texts)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _ramp(found: Mapping[str, Any]) -> Figure:
    runs = found["runs"]
    knee = found["knee"]
    figure, axes = _figure(title="Cores in use by process", xlabel="payments/s, scheduled", ylabel="cores")
    rates = [run["wanted"] for run in runs]
    axes.stackplot(
        rates, [[run["cores"].get(name, 0.0) for run in runs] for name in STACKED], labels=STACKED, alpha=0.8
    )
    if knee["failed"] is not None:
        axes.axvline(knee["failed"], color="grey", linestyle=":", label="not kept up")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left")
    return figure


def _waiting(run: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    waiting, late = figure.subplots(2, 1, sharex=True)
    waiting.plot([second for second, _ in run["lags"]], [lag for _, lag in run["lags"]])
    waiting.axhline(run["wanted"], color="grey", linestyle=":", label="those of one second")
    waiting.set(title=f"{run['wanted']:,.0f} payments/s", ylabel="records published and not done")
    for label in ("p50", "p99"):
        points = [(one["second"], one["latency_ms"][label]) for one in run.get("slices", [])]
        late.plot([second for second, _ in points], [ms for _, ms in points], label=f"{label} of ten seconds")
    late.set(xlabel="seconds", ylabel="ms, by the worker's histogram")
    for axes in (waiting, late):
        axes.grid(visible=True, alpha=0.3)
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure


def _latency(run: Mapping[str, Any]) -> Figure:
    figure, axes = _figure(
        title=f"{run['wanted']:,.0f} payments/s", xlabel="percentile", ylabel="ms from the scheduled publish time"
    )
    nines = 1.0
    for name in ("verdict durable", "alert readable"):
        points = [(share, ms) for share, ms in run["observed"][name]["points"] if share < 100]
        if points:
            axes.plot([_nines(share) for share, _ in points], [ms for _, ms in points], label=f"{name}, observed")
            nines = max(nines, _nines(points[-1][0]))
    own = [(_nines(float(label[1:])), ms) for label, ms in run["latency_ms"].items()]
    axes.plot([x for x, _ in own], [ms for _, ms in own], "x", color="grey", label="the worker's own histogram")
    ticks = [0.0, _nines(50), *range(1, math.ceil(nines) + 1)]
    axes.set_xticks(ticks, [f"{100 * (1 - 10**-tick):.6g}" for tick in ticks])
    axes.set_yscale("log")
    axes.legend()
    return figure


def _nines(share: float) -> float:
    """Return where a percentile is drawn: 90 at 1, 99 at 2, 99.9 at 3."""
    return -math.log10(1 - share / 100)


def _growth(curves: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.6 * math.ceil(len(curves) / 2)), layout="constrained")
    grid = figure.subplots(math.ceil(len(curves) / 2), 2, squeeze=False).ravel()
    for axes, curve in zip(grid, curves, strict=False):
        for name in dict.fromkeys(name for point in curve["points"] for name in point["us"]):
            shown = [(point["x"], point["us"][name]) for point in curve["points"] if name in point["us"]]
            axes.plot([x for x, _ in shown], [us for _, us in shown], marker="o", label=name)
        axes.set(xlabel=curve["x"], ylabel="CPU us a payment")
        if curve["logarithmic"]:
            axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    for axes in grid[len(curves) :]:
        axes.set_visible(False)
    return figure


def _histories(found: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for command in dict.fromkeys(one["command"] for one in found):
        points = sorted((one for one in found if one["command"] == command), key=lambda one: one["payments"])
        x = [one["payments"] / 1e6 for one in points]
        time.plot(x, [1e6 * one["seconds"] / one["payments"] for one in points], marker="o", label=command)
        memory.plot(x, [one["memory_bytes"] / 1e9 for one in points], marker="o", label=command)
    for axes, ylabel in ((time, "elapsed us a payment"), (memory, "memory at most, GB")):
        axes.set(xlabel="million payments", ylabel=ylabel, xscale="log")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    return figure


def _ablations(found: Sequence[Mapping[str, Any]]) -> Figure:
    rows = [(way["name"], way["us"] / ablation["ways"][0]["us"]) for ablation in found for way in ablation["ways"][1:]]
    return _bars("What was not chosen", "CPU, in times of the chosen way's", rows)


def _peers(found: Sequence[Mapping[str, Any]]) -> Figure:
    worker = next((one for one in found if one["name"] == "worker"), found[0])
    total = sum(worker["us"].values())
    rows = [(one["name"], sum(one["us"].values()) / total) for one in found]
    return _bars("The same job", "CPU of all processes, in times of the worker's", rows)


def _bars(title: str, xlabel: str, rows: Sequence[tuple[str, float]]) -> Figure:
    figure, axes = _figure(8.0, 1.2 + 0.4 * len(rows), title=title, xlabel=xlabel)
    bars = axes.barh([name for name, _ in reversed(rows)], [ratio for _, ratio in reversed(rows)])
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.axvline(1, color="grey", linestyle=":")
    axes.set_xscale("log")
    axes.margins(x=0.15)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
