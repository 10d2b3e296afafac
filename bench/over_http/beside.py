"""The API beside the plain handler: the same payments, one a call and a hundred a call, and what all processes use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.over_http import posts
from bench.over_http.payments import bodies
from bench.over_http.stack import API, PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.over_http.posts import Posted
    from bench.over_http.stack import ApiStack, Served

HUNDRED = 100
DEADLINE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    rates: tuple[float, ...] = (50.0, 150.0)
    """Calls of one payment a second."""
    hundreds: float = 2.0
    """Calls of a hundred payments a second: the plain handler cannot do three."""
    seconds: float = 8.0
    warm_up: float = 2.0
    idle: float = 4.0
    """Seconds in which nothing is asked for, to see what servers use then."""
    rounds: int = 1


def measure(
    stack: ApiStack, pool: Sequence[dict[str, Any]], sizes: Sizes, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measure both in turn, the one that is measured alone running; return a row a handler, size and round."""
    rows = []
    for number in range(sizes.rounds):
        order = (PLAIN, API) if number % 2 == 0 else (API, PLAIN)
        for name in order:
            if name == PLAIN:
                stack.bench.stop_worker()
                with stack.plain() as served:
                    rows += _of(served, stack, pool, sizes, say)
            else:
                if not stack.bench.has_workers:
                    stack.bench.start_worker()
                with stack.api() as served:
                    rows += _of(served, stack, pool, sizes, say)
    return rows


def _of(
    served: Served, stack: ApiStack, pool: Sequence[dict[str, Any]], sizes: Sizes, say: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    idle = idle_cores(served, sizes.idle)
    for size, rate in (*((1, rate) for rate in sizes.rates), (HUNDRED, sizes.hundreds)):
        plan = posts.Plan(
            url=f"{served.url}/v1/payments" + ("/many" if size > 1 and served.name == PLAIN else ""),
            size=size,
            rate=rate,
            seconds=sizes.seconds,
            warm_up=sizes.warm_up,
            deadline_ms=DEADLINE_MS if served.name == API else None,
            key=stack.key if served.name == API else None,
        )
        row = row_of(served.name, plan, posts.run(plan, bodies(pool, size), served.cpu), idle)
        say(line(row))
        yield row


def idle_cores(served: Served, seconds: float) -> dict[str, float]:
    """Return the cores that each process uses while nobody asks for anything."""
    time.sleep(1.0)
    began, first = time.perf_counter(), served.cpu()
    time.sleep(seconds)
    last, lasted = served.cpu(), time.perf_counter() - began
    return {name: (cpu - first[name]) / lasted for name, cpu in last.items()}


def row_of(name: str, plan: posts.Plan, posted: Posted, idle: dict[str, float]) -> dict[str, Any]:
    """Return what goes into the raw results; `us` are of a call, `net_us` without what is used while idle."""
    a_call = posted.seconds / max(1, posted.calls)
    return {
        "who": name,
        "size": plan.size,
        "calls a second": plan.rate,
        "calls": posted.calls,
        "payments": posted.payments,
        "statuses": posted.statuses,
        "ms": posted.ms,
        "final_ms": posted.final_ms,
        "final_share": posted.final_share,
        "late_p99_ms": posted.late_p99_ms,
        "us": posted.us,
        "net_us": {one: us - idle.get(one, 0.0) * 1e6 * a_call for one, us in posted.us.items()},
        "idle_cores": idle,
        "cores": posted.cores,
    }


def line(row: dict[str, Any]) -> str:
    """Say a row in a line."""
    size = row["size"]
    us = ", ".join(f"{name} {value / size:,.0f}" for name, value in row["us"].items())
    ms = ", ".join(f"{name} {value:.0f}" for name, value in row["ms"].items())
    total, net = sum(row["us"].values()) / size, sum(row["net_us"].values()) / size
    return (
        f"{row['who']}, {size} a call, {row['calls a second']:g} calls/s: CPU us a payment {total:,.0f} ({net:,.0f} "
        f"without idling): {us}; ms {ms}; {row['statuses']}"
    )


def medians(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the rounds of each handler and load together: medians of what they cost and took, sums of what they did."""
    from statistics import median

    kinds = dict.fromkeys((row["who"], row["size"], row["calls a second"]) for row in rows)
    found = []
    for who, size, rate in kinds:
        some = [row for row in rows if (row["who"], row["size"], row["calls a second"]) == (who, size, rate)]
        statuses: dict[str, int] = {}
        for row in some:
            for status, count in row["statuses"].items():
                statuses[status] = statuses.get(status, 0) + count
        one = {"who": who, "size": size, "calls a second": rate, "statuses": statuses}
        for part in ("us", "net_us", "ms", "idle_cores"):
            one[part] = {name: median(row[part][name] for row in some) for name in some[0][part]}
        found.append(one)
    return found
