"""The goals for rounds, rates and latency as tables, a column a rate; of several versions side by side. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.report.format import table, us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Parts = Mapping[str, Any]
    """The parts of raw results by name, as JSON gives them back."""

DEFAULT: Final = "by default"
ALL: Final = "all"
"""Of a round's stages: the whole process."""
PROCESSES: Final = ("worker", "redis", "postgres", "kafka")


def goals(found: Mapping[str, Parts]) -> str:
    """Return everything; `found`: parts by the version that they are of, as `before` and `after`."""
    whole = [row for row in _whole(found) if any(row[1:])]
    tables = [table(("", *found), whole)] if whole else []
    return "\n\n".join([*tables, *([by_rate(found)] if any("rates" in parts for parts in found.values()) else [])])


def by_rate(found: Mapping[str, Parts]) -> str:
    """Return what was found at each rate, by each variant of the worker's settings."""
    measured = [one for parts in found.values() for one in parts.get("rates", [])]
    rates, variants = (list(dict.fromkeys(one[name] for one in measured)) for name in ("rate", "variant"))
    head = ("payments a second", *(_head(rate, which, found) for rate in rates for which in found))
    return table(head, [row for variant in variants for row in _of_variant(variant, rates, found)])


def rounds(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return what a micro-batch costs by stages: fixed, a payment in it, and of each size."""
    written = []
    for variant, costs in found.items():
        sizes = list(costs[0]["by_size"])
        head = (f"{variant}, CPU us", "fixed", "a payment", *(f"{size} payments" for size in sizes))
        rows = [
            (
                f"**{one['stage']}**" if one["stage"] == ALL else one["stage"],
                f"{one['fixed']:,.0f}",
                us(one["marginal"]),
                *(f"{one['by_size'][size]:,.0f}" for size in sizes),
            )
            for one in costs
        ]
        written.append(table(head, rows))
    return "\n\n".join(written)


def _head(rate: float, which: str, found: Mapping[str, Parts]) -> str:
    return f"{rate:,.0f}, {which}" if len(found) > 1 else f"{rate:,.0f}"


def _whole(found: Mapping[str, Parts]) -> Iterator[list[str]]:
    """Yield what has no rate: rounds alone, a backlog, the knee."""
    every = list(found.values())
    for variant in dict.fromkeys(name for parts in every for name in parts.get("rounds", {})):
        costs = [_round(parts, variant) for parts in every]
        yield [f"round alone, {variant}: fixed, ms", *(f"{c['fixed'] / 1e3:.2f}" if c else "" for c in costs)]
        yield [f"round alone, {variant}: a payment, us", *(us(c["marginal"]) if c else "" for c in costs)]
    backlogs = [parts.get("backlog") for parts in every]
    yield ["backlog, payments/s", *(f"{run['rate']:,.0f}" if run else "" for run in backlogs)]
    for name in PROCESSES:
        yield [f"backlog, CPU us a payment, {name}", *(us(run["us"].get(name)) if run else "" for run in backlogs)]
    knees = [parts["ramp"]["knee"] if "ramp" in parts else {} for parts in every]
    yield ["knee: kept up, payments/s", *(f"{knee['kept']:,.0f}" if knee.get("kept") else "" for knee in knees)]
    yield ["not kept up", *(f"{knee['failed']:,.0f}" if knee.get("failed") else "" for knee in knees)]
    yield ["bound by", *(knee.get("bound", "") for knee in knees)]


def _of_variant(variant: str, rates: Sequence[float], found: Mapping[str, Parts]) -> Iterator[list[str]]:
    """Yield the rows of one variant of the worker's settings."""
    cells = [(parts, _run(parts, variant, rate)) for rate in rates for parts in found.values()]

    def row(name: str, figure: Callable[[Parts, Mapping[str, Any]], str]) -> list[str]:
        return [f"{variant}: {name}", *(figure(parts, run) if run else "" for parts, run in cells)]

    yield row("kept up", lambda _, run: "yes" if run["kept"] else f"no, {run['rate']:,.0f}/s")
    for name in PROCESSES:
        yield row(f"CPU us a payment, {name}", lambda _, run, name=name: us(run["us"].get(name)))  # type: ignore[misc]
    for name in dict.fromkeys(name for _, run in cells if run for name in run["threads"]):
        yield row(f"of the worker's: {name}", lambda _, run, name=name: us(run["threads"].get(name)))  # type: ignore[misc]
    if variant != DEFAULT:
        yield row("worker, us a payment more than by default", lambda parts, run: us(_more(parts, run)))
    yield row("rounds/s of payments", lambda _, run: f"{run['rounds']:.0f} of {run['rate'] / run['rounds']:.1f}")
    yield row("CPU a round beside its payments, ms", lambda parts, run: us(_fixed_ms(parts, run)))
    for seen, name in (("verdict durable", "durable"), ("alert readable", "alert readable")):
        yield row(f"{name} p50 / p99, ms", lambda _, run, seen=seen: _p50_p99(run["observed"][seen]["ms"]))  # type: ignore[misc]
    yield row("alert behind its row p50 / p99, at most, ms", lambda _, run: _p50_p99(_behind(run).get("at most", {})))
    yield row("alert behind its row p50 / p99, at least, ms", lambda _, run: _p50_p99(_behind(run).get("at least", {})))
    yield row("never seen", lambda _, run: str(run["observed"]["verdict durable"]["never seen"]))


def _run(parts: Parts, variant: str, rate: float) -> Mapping[str, Any] | None:
    for one in parts.get("rates", []):
        if one["variant"] == variant and one["rate"] == rate:
            return {**one["run"], "variant": variant, "wanted": rate, "kept": one["kept"]}
    return None


def _round(parts: Parts, variant: str) -> Mapping[str, Any] | None:
    costs = parts.get("rounds", {}).get(variant, [])
    return next((one for one in costs if one["stage"] == ALL), None)


def _fixed_ms(parts: Parts, run: Mapping[str, Any]) -> float | None:
    """Return the CPU of a round but for what a payment more in it costs, by the fit of rounds alone."""
    alone = _round(parts, run["variant"]) or _round(parts, DEFAULT)
    if alone is None or not run["rounds"]:
        return None
    return float((run["us"]["worker"] - alone["marginal"]) * run["rate"] / run["rounds"] / 1e3)


def _more(parts: Parts, run: Mapping[str, Any]) -> float | None:
    usual = _run(parts, DEFAULT, run["wanted"])
    return None if usual is None else float(run["us"]["worker"] - usual["us"]["worker"])


def _behind(run: Mapping[str, Any]) -> Mapping[str, Any]:
    return run["observed"].get("alert behind its row", {})  # type: ignore[no-any-return]


def _p50_p99(ms: Mapping[str, float]) -> str:
    return f"{ms['p50']:.1f} / {ms['p99']:.1f}" if ms else ""
