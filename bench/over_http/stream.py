"""The API beside the stream: calls on schedule while the topic has its own load, and a crowd in a closed loop."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from bench.over_http import posts
from bench.over_http.payments import bodies
from bench.whole import UPIFRAUD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.over_http.stack import ApiStack, Served

CALLS, STREAM = 100.0, 1_000.0
"""A second."""
CALLERS, CALLER_SECONDS = 100, 10.0
WARM_UP = 4.0
WARM_SECONDS = 6.0
"""Of the stream's load before anything is measured, for the broker's compilers."""
LONG_MS = 1_000
UNASKED = -1
LOADS: dict[str, int | None] = {
    "stream alone": UNASKED,
    f"deadline_ms={LONG_MS}": LONG_MS,
    "the default deadline": None,
    "stream alone again": UNASKED,
}
"""What is asked of the API beside the stream: the deadline of its calls."""
SEED = 3


class StreamLoad:
    """`upifraud load` beside: it publishes payments as they are made, and reads the workers' own histogram."""

    def __init__(self, stack: ApiStack, seconds: float, payers: int) -> None:
        command = [
            str(UPIFRAUD), "load", "--rate", f"{STREAM:g}", "--seconds", f"{seconds:g}", "--warm-up", f"{WARM_UP:g}",
            "--payers", str(payers), "--seed", str(SEED), "--json",
        ]  # fmt: skip
        for url in stack.bench.metrics_urls:
            command += ["--metrics", url]
        self._process = subprocess.Popen(
            command, env=stack.bench.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self) -> dict[str, Any]:
        """Return what it measured; it has the calls of the API among what was done, so its checks are not asked."""
        said, errors = self._process.communicate(timeout=180)
        try:
            found: dict[str, Any] = json.loads(said)["measured"]
        except (ValueError, KeyError) as error:
            raise RuntimeError(f"Expected `upifraud load` to say what it measured: {errors[-1000:]}") from error
        wanted = ("rate", "published", "p50_ms", "p99_ms", "lag", "late_p99_ms")
        return {name: found[name] for name in wanted}


def measure(
    stack: ApiStack, pool: Sequence[dict[str, Any]], seconds: float, payers: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure the stream alone, beside calls with a long deadline, beside calls with the default one, and alone."""
    found: dict[str, Any] = {}
    with stack.api() as served:
        StreamLoad(stack, WARM_SECONDS, payers).finish()
        for name, deadline in LOADS.items():
            load = StreamLoad(stack, seconds, payers)
            # From the beginning of its warm-up to behind its end, so that the stream is never without them.
            calls = None if deadline is UNASKED else _posted(stack, served, pool, seconds + 2, deadline)
            found[name] = {"calls": calls, "stream": load.finish()}
            told = "" if calls is None else f"{_calls(calls)}; the stream's own: "
            say(f"{name}: {told}{_stream(found[name]['stream'])}")
    return found


def crowd(
    stack: ApiStack, pool: Sequence[dict[str, Any]], seconds: float, say: Callable[[str], None], workers: int = 2
) -> dict[str, Any]:
    """Measure callers that each wait for their answer, against so many processes of the API; the topic has no load."""
    with stack.api(workers) as served:
        plan = posts.Plan(
            f"{served.url}/v1/payments",
            callers=CALLERS,
            seconds=seconds,
            warm_up=3.0,
            deadline_ms=LONG_MS,
            key=stack.key,
        )
        found = _told(posts.run(plan, bodies(pool, 1), served.cpu))
    say(f"{CALLERS} callers, {workers} processes: {found['rate']:,.0f} posts/s; {_calls(found)}")
    return {"callers": CALLERS, "workers": workers, **found}


def _posted(
    stack: ApiStack, served: Served, pool: Sequence[dict[str, Any]], seconds: float, deadline: int | None
) -> dict[str, Any]:
    plan = posts.Plan(
        f"{served.url}/v1/payments",
        rate=CALLS,
        seconds=seconds,
        warm_up=WARM_UP,
        deadline_ms=deadline,
        key=stack.key,
    )
    return _told(posts.run(plan, bodies(pool, 1), served.cpu))


def _told(posted: posts.Posted) -> dict[str, Any]:
    return {
        "calls": posted.calls,
        "rate": posted.rate,
        "statuses": posted.statuses,
        "final_share": posted.final_share,
        "ms": posted.ms,
        "final_ms": posted.final_ms,
        "late_p99_ms": posted.late_p99_ms,
        "us": posted.us,
        "cores": posted.cores,
    }


def _calls(found: dict[str, Any]) -> str:
    ms = ", ".join(f"{name} {value:.0f}" for name, value in found["final_ms"].items())
    cores = ", ".join(f"{name} {value:.2f}" for name, value in found["cores"].items())
    return (
        f"{100 * found['final_share']:.1f} % final 200 of {found['calls']}, ms {ms}; {found['statuses']}; cores {cores}"
    )


def _stream(found: dict[str, Any]) -> str:
    p50, p99 = (f"{found[name]:.0f}" if found[name] is not None else "none" for name in ("p50_ms", "p99_ms"))
    return f"{found['rate']:.0f}/s, p50 {p50} ms, p99 {p99} ms, switch late by {found['late_p99_ms']:.0f} ms"
