"""Raw results as Markdown tables; pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.load import Punctuality
from bench.report import goal_tables, http_tables
from bench.report.format import table, us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PROCESSES = ("worker", "redis", "postgres", "kafka", "switch", "observer")
OPEN_LOOPS = ("latency", "sustain")


def all_of(results: Mapping[str, Any]) -> dict[str, str]:
    """Return the table of every section that there are results of."""
    parts = results["parts"]
    found = {"machine": machines(results["machines"])} if parts else {}
    for name, written in TABLES.items():
        if name in parts:
            found[name] = written(parts[name])
    if "rates" in parts:
        found["rates"] = goal_tables.by_rate({"now": parts})
    return found


def machines(of_parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what was measured where; parts of one run share a line."""
    runs: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for part, facts in of_parts.items():
        runs.setdefault(facts["measured_at"], (facts, []))[1].append(part)
    head = (
        "parts",
        "measured at",
        "machine-speed index, s",
        "load before",
        "cores",
        "memory, GB",
        "Redis's allocator",
        "settings of the environment",
        "Python",
        "commit",
    )
    rows = []
    for at, (facts, parts) in runs.items():
        cores, memory = f"{facts['cores']} of {facts['cpu']}", f"{facts['memory_bytes'] / 2**30:.0f}"
        speed = f"{facts['index']:.2f}", f"{facts['load']:.1f}"
        allocator = Path(facts.get("redis_allocator", "not noted")).name
        given = "not noted"
        if "settings" in facts:
            given = ", ".join(f"`{name}={value}`" for name, value in facts["settings"].items()) or "none"
        program = facts["python"], facts["commit"][:10]
        rows.append((", ".join(_folded(parts)), at, *speed, cores, memory, allocator, given, *program))
    return table(head, rows)


def _folded(parts: Sequence[str]) -> list[str]:
    """Name a part once that was measured in pieces."""
    return list(dict.fromkeys(part.partition(", ")[0] for part in parts))


def stages(found: Sequence[Mapping[str, Any]]) -> str:
    """Stages alone, CPU us a payment."""
    names = [name for name in PROCESSES if any(name in stage["us"] for stage in found)]
    rows = [(stage["name"], *(us(stage["us"].get(name)) for name in names), stage["note"]) for stage in found]
    total = ["**sum**", *(f"**{sum(stage['us'].get(name, 0) for stage in found):.1f}**" for name in names), ""]
    return table(("stage alone, CPU us a payment", *names, ""), [*rows, total])


def ablations(found: Sequence[Mapping[str, Any]]) -> str:
    """Choices and what was not chosen, with ratios."""
    rows = []
    for ablation in found:
        chosen = ablation["ways"][0]["us"]
        for number, way in enumerate(ablation["ways"]):
            choice = ablation["choice"] if number == 0 else ""
            ratio = "1 (chosen)" if number == 0 else f"{way['us'] / chosen:,.1f}"
            rows.append((choice, way["name"], f"{way['us']:.2f}", ratio, way["note"]))
    return table(("choice", "way", "CPU us", "times the chosen", ""), rows)


def peers(found: Sequence[Mapping[str, Any]]) -> str:
    """Peers, with ratios to the worker."""
    worker = next((one for one in found if one["name"] == "worker"), found[0])
    total = sum(worker["us"].values())
    names = [name for name in ("own", "redis", "postgres", "kafka") if name in worker["us"]]
    rows = [
        (one["name"], f"{one['rate']:,.0f}", f"{worker['rate'] / one['rate']:.2f}",
         *(us(one["us"][name]) for name in names), us(sum(one["us"].values())),
         f"{sum(one['us'].values()) / total:.2f}")
        for one in found
    ]  # fmt: skip
    head = (
        "who",
        "payments/s",
        "the worker is faster by",
        *(f"CPU us, {name}" for name in names),
        "all",
        "times the worker's",
    )
    return table(head, rows)


def backlog(run: Mapping[str, Any]) -> str:
    """One run, by process."""
    return _run(run) + "\n\n" + _worker_stages(run)


def _run(run: Mapping[str, Any]) -> str:
    rows = [
        (name, us(run["us"][name]), f"{run['cores'][name]:.2f}", f"{run['busiest'].get(name, 0):.2f}",
         f"{run['memory'][name] / 2**20:,.0f}" if name in run["memory"] else "",
         f"{run['stored'][name]:,.0f}" if name in run["stored"] else "")
        for name in PROCESSES if name in run["us"]
    ]  # fmt: skip
    head = ("process", "CPU us a payment", "cores in use", "its busiest thread", "resident MB", "bytes a payment")
    log = run["stored"].get("write-ahead log")
    more = f"; write-ahead log of Postgres {log:,.0f} bytes a payment" if log is not None else ""
    taken = f"; cores taken by others {run['cores'].get('others', 0):.2f}, by the host {run['stolen']:.2f}"
    return (
        f"{run['name']}: {run['rate']:,.0f} payments/s over {run['seconds']:.0f} s{more}{taken}.\n\n{table(head, rows)}"
    )


def _worker_stages(run: Mapping[str, Any]) -> str:
    stages = ", ".join(f"{name} {us:.1f}" for name, us in run["stage_us"].items())
    return f"Of the worker's, in its own threads' CPU us a payment: {stages}."


def ramp(found: Mapping[str, Any]) -> str:
    """The steps of a ramp, and the knee."""
    names = [name for name in PROCESSES if name in found["runs"][0]["cores"]]
    rows = [
        (f"{run['wanted']:,.0f}", f"{run['rate']:,.0f}", f"{run['lags'][-1][1]:,.0f}",
         *(f"{run['cores'].get(name, 0):.2f}" for name in names), f"{run['latency_ms']['p50']:.0f}",
         f"{run['latency_ms']['p99']:.0f}")
        for run in found["runs"]
    ]  # fmt: skip
    head = ("scheduled/s", "done/s", "waiting at the end", *(f"cores, {name}" for name in names), "p50 ms", "p99 ms")
    knee = found["knee"]
    kept = f"{knee['kept']:,.0f}/s kept up" if knee["kept"] else "no rate kept up"
    if knee["failed"] is None:
        where = f"The knee was not reached: {kept}."
    else:
        where = f"The knee: {kept}, {knee['failed']:,.0f}/s not; {knee['why']}."
    return f"{where}\n\n{table(head, rows)}"


def latency(run: Mapping[str, Any]) -> str:
    """Latency from the scheduled time, and what it cost."""
    labels = list(run["observed"]["verdict durable"]["ms"])
    rows = []
    for name in ("verdict durable", "alert readable"):
        seen = run["observed"][name]
        times = [f"{seen['ms'][label]:.1f}" if label in seen["ms"] else "" for label in labels]
        rows.append((f"{name}, by the observer", *times, f"{seen['count']:,}", str(seen["never seen"])))
    own = [f"{run['latency_ms'][label]:.1f}" if label in run["latency_ms"] else "" for label in labels]
    rows.append(("effects done, by the worker's histogram", *own, f"{run['payments']:,}", ""))
    looks, apart = run["observed"]["looks apart"], ""
    if looks:
        every = f"{looks['p50']:.0f} ms (p99 {looks['p99']:.0f})"
        apart = f" The observer looked every {every}, so a verdict is seen so much late at most."
    if overlooked := run["observed"]["verdict durable"].get("overlooked"):
        apart += f" It overlooked {overlooked:,} verdicts that are stored; they are left out."
    by_label = table(("ms from the scheduled publish time", *labels, "of", "never seen"), rows)
    return f"At {run['wanted']:,.0f} payments/s.{_punctual(run)}{apart}\n\n{by_label}\n\n{_run(run)}"


def _punctual(run: Mapping[str, Any]) -> str:
    return f" {_sentence(Punctuality(**run['punctuality']).told())}." if run["punctuality"] else ""


def sustain(run: Mapping[str, Any]) -> str:
    """The long run: what waited, whether all is there, latency, cost."""
    waited, stored = sorted(lag for _, lag in run["lags"]), run["accounted"]
    told = (
        f"At {run['wanted']:,.0f} payments/s.{_punctual(run)} Records that waited: "
        f"median {waited[len(waited) // 2]:,.0f}, most {waited[-1]:,.0f}. "
        f"Verdicts stored in the end: {stored['verdicts']:,} of {stored['records']:,} records."
    )
    if "folded logs" in stored:
        outcomes = (run["punctuality"] or {}).get("outcomes", 0)
        told += f" Outcomes published: {outcomes:,}. Logs folded meanwhile: "
        told += f"{stored['folded logs'] - stored['folded before']:,}."
    if worst := [one["latency_ms"]["p99"] for one in run.get("slices", []) if "p99" in one["latency_ms"]]:
        told += f" p99 of ten seconds, by the worker's histogram: {max(worst):,.0f} ms at most."
    labels = list(run["latency_ms"])
    own = [f"{run['latency_ms'][label]:.1f}" for label in labels]
    rows = [("effects done, by the worker's histogram", *own, f"{run['payments']:,}")]
    return f"{told}\n\n{table(('ms from the scheduled publish time', *labels, 'of'), rows)}\n\n{_run(run)}"


def growth(found: Sequence[Mapping[str, Any]]) -> str:
    """One table a curve."""
    written = []
    for curve in found:
        names, more = (_names(point[kind] for point in curve["points"]) for kind in ("us", "more"))
        rows = [
            (f"{point['x']:,.0f}", *(us(point["us"].get(name)) for name in names),
             *(_figure(point["more"].get(name)) for name in more))
            for point in curve["points"]
        ]  # fmt: skip
        head = (curve["x"], *(f"CPU us, {name}" for name in names), *more)
        written.append(f"By {curve['name']}: {curve['about']}.\n\n{table(head, rows)}")
    return "\n\n".join(written)


def histories(found: Sequence[Mapping[str, Any]]) -> str:
    """What long histories took, a line a command and size."""
    head = ("command", "payments", "s", "us a payment", "CPU us a payment", "memory at most, GB", "of", "disk, GB")
    rows = [
        (
            f"`{one['command']}`",
            f"{one['payments']:,}",
            f"{one['seconds']:.0f}",
            us(1e6 * one["seconds"] / one["payments"]),
            us(1e6 * one["cpu_seconds"] / one["payments"]),
            f"{one['memory_bytes'] / 1e9:.2f}",
            one["memory"].replace("GB", " GB"),
            f"{one['disk_bytes'] / 1e9:.1f}",
        )
        for one in sorted(found, key=lambda one: (one["command"], one["payments"]))
    ]
    return table(head, rows)


def _names(of: Iterable[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for one in of for name in one))


def _figure(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.1f}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


TABLES: dict[str, Callable[[Any], str]] = {
    "rounds": goal_tables.rounds,
    "rates": lambda found: goal_tables.by_rate({"now": {"rates": found}}),
    "goals": goal_tables.goals,
    "stages": stages,
    "ablations": ablations,
    "peers": peers,
    "histories": histories,
    "backlog": backlog,
    "ramp": ramp,
    "latency": latency,
    "sustain": sustain,
    "growth": growth,
    "api-plain": http_tables.plain,
    "api-stream": http_tables.stream,
    "api-crowd": http_tables.crowd,
}
