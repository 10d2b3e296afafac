"""What the API costs beside the plain handler, and what it does beside the stream, as Markdown tables; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report.format import table, us

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLAIN = "plain handler"
SERVERS = ("worker", "redis", "postgres", "kafka")


def plain(found: Mapping[str, Any]) -> str:
    """The API and the plain handler, CPU us a payment of every process, with the ratio of their sums."""
    rows = []
    for row in found["medians"]:
        size = row["size"]
        total, net = (sum(row[part].values()) / size for part in ("us", "net_us"))
        rows.append(
            (
                f"{row['who']}, {size} a call, {row['calls a second']:g} calls/s",
                us(row["us"][row["who"]] / size),
                *(us(row["us"][name] / size) if name in row["us"] else "" for name in SERVERS),
                us(total),
                us(net),
                _times(total, found["medians"], row),
                *(f"{row['ms'][name]:.0f}" if name in row["ms"] else "" for name in ("p50", "p95", "p99")),
                _statuses(row["statuses"]),
            )
        )
    head = ("who", "CPU us a payment, own", *SERVERS, "all", "all, without idling", "times the plain one's", "p50 ms",
            "p95 ms", "p99 ms", "payments by status")  # fmt: skip
    return table(head, rows)


def _times(total: float, rows: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> str:
    alike = [
        one for one in rows
        if one["who"] == PLAIN and (one["size"], one["calls a second"]) == (row["size"], row["calls a second"])
    ]  # fmt: skip
    return f"{total / (sum(alike[0]['us'].values()) / row['size']):.2f}" if alike else ""


def stream(found: Mapping[str, Any]) -> str:
    """Calls beside the stream's own load, and the stream's own latency with and without them."""
    rows = []
    for name, one in found.items():
        calls, own = one["calls"], one["stream"]
        of_calls = [""] * 6
        if calls is not None:
            times = [f"{calls['final_ms'][label]:.0f}" if calls["final_ms"] else "" for label in ("p50", "p95", "p99")]
            share = f"{100 * calls['final_share']:.1f} %"
            of_calls = [*times, share, _statuses(calls["statuses"]), us(calls["us"]["api"])]
        rows.append((name, *of_calls, *(_ms(own[label]) for label in ("p50_ms", "p99_ms"))))
    head = ("load", "p50 ms of final 200s", "p95", "p99", "final", "by status", "API's CPU us a call",
            "the stream's own p50 ms", "p99")  # fmt: skip
    return table(head, rows)


def crowd(found: Mapping[str, Any]) -> str:
    """Callers that each wait for their answer."""
    times = [f"{found['ms'][name]:.0f}" if name in found["ms"] else "" for name in ("p50", "p95", "p99")]
    cores = ", ".join(f"{name} {value:.2f}" for name, value in found["cores"].items())
    who = f"{found['callers']} callers, {found['workers']} processes of the API, nothing on the topic"
    row = (who, f"{found['rate']:,.0f}", *times, _statuses(found["statuses"]), cores)
    return table(("closed loop", "posts/s", "p50 ms", "p95", "p99", "by status", "cores in use"), [row])


def _ms(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.0f}"


def _statuses(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in found.items())
