"""The meters of the API, on the page of all others; no label is taken from what a caller sends."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from stream.metrics import REGISTRY

_SECONDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip

REQUEST_SECONDS: Final = Histogram(
    "http_request_duration_seconds",
    "Time from a request's head to its answer.",
    ("route", "method", "status"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
PAYMENTS: Final = Counter(
    "api_payments", "Payments that were posted, by the status of each one's answer.", ("status",), registry=REGISTRY
)
PROVISIONAL: Final = Counter(
    "api_provisional",
    "Provisional answers by what was missing: the row (pending) or the broker's confirmation (unconfirmed).",
    ("cause",),
    registry=REGISTRY,
)
PROVISIONAL_COMPARED: Final = Counter(
    "api_provisional_compared",
    "Provisional verdicts of payments that were posted again here, by whether the stream gave the same.",
    ("same",),
    registry=REGISTRY,
)
WAITING: Final = Gauge("api_waiting_payments", "Payments whose rows are waited for.", registry=REGISTRY)
LOOKS: Final = Counter("api_looks", "Looks at Postgres for the rows of waiting payments.", registry=REGISTRY)
REFUSED_KEYS: Final = Counter(
    "api_refused_keys", "Requests without a key that opens, by reason.", ("reason",), registry=REGISTRY
)
ACCESS_LINES_LOST: Final = Counter(
    "api_access_lines_lost", "Lines of what-ifs that the access log had no room for.", registry=REGISTRY
)

_by_request: dict[tuple[str, str, int], Histogram] = {}


def observe(route: str, method: str, status: int, seconds: float) -> None:
    """Put one request on the meter."""
    key = (route, method, status)
    meter = _by_request.get(key)
    if meter is None:
        meter = _by_request[key] = REQUEST_SECONDS.labels(route, method, str(status))
    meter.observe(seconds)


def begin_series() -> None:
    """Make the series whose labels are known beforehand, at zero."""
    for status in (200, 202, 409, 422, 503):
        PAYMENTS.labels(str(status))
    for cause in ("pending", "unconfirmed"):
        PROVISIONAL.labels(cause)
    for same in ("true", "false"):
        PROVISIONAL_COMPARED.labels(same)
    for reason in ("key-missing", "key-invalid", "scope-missing", "too-many-requests", "server-gone"):
        REFUSED_KEYS.labels(reason)
