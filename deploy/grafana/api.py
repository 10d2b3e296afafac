"""API: what a caller over HTTP sees. Is it answered in time and finally, by whom, and who is refused?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.board import Section, board
from deploy.grafana.panels import BAD, GOOD, WARN, heat, lines, number
from deploy.grafana.queries import ENVIRONMENT, RATE, Query

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

PROCESSES = f'job=~".+-api.*", {ENVIRONMENT}'
"""Not the job that is chosen above: the links from the other dashboards bring theirs along."""

SECONDS = "http_request_duration_seconds"
PAYMENTS = 'route="/v1/payments"'
FAILED = 'status=~"5.."'


def api() -> dashboard.Dashboard:
    """Return the dashboard of the API."""
    return board(
        "api",
        "API",
        "What callers over HTTP see, over all processes of the API. Of the stream behind it: Lag and flow.",
        [_now(), _payments(), _calls(), _processes()],
    )


def of(metric: str, labels: str = "") -> str:
    """Return the series of a metric over the API's processes."""
    return f"{metric}{{{PROCESSES}{', ' + labels if labels else ''}}}"


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """Return how much a counter grows in a second, summed over processes."""
    return f"sum{f' by ({by})' if by else ''} (rate({of(metric, labels)}[{RATE}]))"


def quantile(q: float, by: str = "", labels: str = "") -> str:
    """Return a quantile of the time of requests, over all processes together."""
    return f"histogram_quantile({q}, {rate(f'{SECONDS}_bucket', f'le, {by}' if by else 'le', labels)})"


def _now() -> Section:
    return Section(
        "Now",
        [
            number(
                "Processes up",
                "Processes of the API that answered the last scrape.",
                "short",
                Query(f"sum({of('up')})", "up"),
                alerts=("UpiFraudApiDown",),
            ),
            number(
                "Requests",
                "Requests a second of all routes. A pod more is asked for at 100 a second a pod.",
                "reqps",
                Query(rate(f"{SECONDS}_count"), "requests"),
            ),
            number(
                "Payments, p95",
                "From a post's head to its answer, arrays included. The default deadline is 80 ms.",
                "s",
                Query(quantile(0.95, labels=PAYMENTS), "p95"),
                steps=((None, GOOD), (0.08, WARN), (0.1, BAD)),
                alerts=("UpiFraudApiLatencyP95High",),
            ),
            number(
                "Failed",
                "Share of answers with a status of 500 or more. UNCONFIRMED is one of them.",
                "percentunit",
                Query(
                    f"({rate(f'{SECONDS}_count', labels=FAILED)} or vector(0)) / {rate(f'{SECONDS}_count')}", "failed"
                ),
                steps=((None, GOOD), (0.01, WARN), (0.1, BAD)),
                alerts=("UpiFraudApiErrors",),
            ),
            number(
                "Provisional",
                "Share of posted payments without a stored verdict before their deadline.",
                "percentunit",
                Query(f"{rate('api_provisional_total')} / {rate('api_payments_total')}", "provisional"),
                steps=((None, GOOD), (0.05, WARN), (0.25, BAD)),
                alerts=("UpiFraudApiProvisional",),
            ),
            number(
                "Waiting",
                "Payments whose rows are waited for; beyond UPIFRAUD_API_WAITING a process answers 503.",
                "short",
                Query(f"sum({of('api_waiting_payments')})", "waiting"),
            ),
        ],
    )


def _payments() -> Section:
    return Section(
        "Payments",
        [
            lines(
                "Time of a post",
                "From a post's head to its answer. Callers choose their deadline, so look at p50 first: it should be "
                "far below the default of 80 ms.",
                "s",
                *(Query(quantile(q, labels=PAYMENTS), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
                limit=0.1,
                alerts=("UpiFraudApiLatencyP95High",),
            ),
            heat(
                "Times of posts",
                "How many posts took how long. Two bands are those that found their row and those whose deadline came.",
                "s",
                Query(rate(f"{SECONDS}_bucket", "le", PAYMENTS), "{{le}}"),
            ),
            lines(
                "Payments by answer",
                "200: the stored verdict. 202: provisional. 409 and 422: refused, as on the topic. 503: not confirmed.",
                "cps",
                Query(rate("api_payments_total", "status"), "{{status}}"),
                stacked=True,
            ),
            lines(
                "Provisional answers",
                "pending waited for the stream, unconfirmed for Kafka. Differs: the stored verdict came out otherwise, "
                "of those that were asked for again.",
                "cps",
                Query(rate("api_provisional_total", "cause"), "{{cause}}"),
                Query(rate("api_provisional_compared_total", labels='same="false"'), "differs"),
                alerts=("UpiFraudApiProvisional",),
            ),
        ],
    )


def _calls() -> Section:
    return Section(
        "Calls",
        [
            lines(
                "Requests by route",
                "What is asked for; (none) are paths that there are not.",
                "reqps",
                Query(rate(f"{SECONDS}_count", "route"), "{{route}}"),
                stacked=True,
            ),
            lines(
                "Time by route, p95",
                "Searches may take 2 s, and what-ifs of a hundred payments some tenths.",
                "s",
                Query(quantile(0.95, "route"), "{{route}}"),
                log=True,
            ),
            lines(
                "Answers by status",
                "401 and 403 are keys that do not open, 429 callers beyond their rate, 5xx our own failures.",
                "reqps",
                Query(rate(f"{SECONDS}_count", "status"), "{{status}}"),
                stacked=True,
                alerts=("UpiFraudApiErrors",),
            ),
            lines(
                "Refused keys",
                "Requests without a key that opens, by reason. Many of key-invalid: somebody guesses.",
                "reqps",
                Query(rate("api_refused_keys_total", "reason"), "{{reason}}"),
            ),
        ],
    )


def _processes() -> Section:
    return Section(
        "Processes",
        [
            lines(
                "CPU",
                "Cores that each process uses. Its event loop is one thread, so more than one core is other threads.",
                "short",
                Query(f"sum by (instance) (rate({of('process_cpu_seconds_total')}[{RATE}]))", "{{instance}}"),
            ),
            lines(
                "Memory",
                "Resident memory of each process; a process with full caches has 350 MB, and its limit is 1 GiB.",
                "bytes",
                Query(of("process_resident_memory_bytes"), "{{instance}}"),
                limit=2**30,
            ),
            lines(
                "Looks for rows",
                "Looks at Postgres a second for the rows of waiting payments: 250 while somebody waits, else none.",
                "cps",
                Query(rate("api_looks_total", "instance"), "{{instance}}"),
            ),
            lines(
                "Access lines lost",
                "Lines of what-ifs that the access log had no room for while Postgres could not be written. It should "
                "stay at 0.",
                "short",
                Query(f"sum(increase({of('api_access_lines_lost_total')}[{RATE}]))", "lost"),
            ),
        ],
    )
