"""Answers of a Prometheus to the queries of panels, with Grafana's variables filled in for all workers."""

from __future__ import annotations

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final, TypeAlias

Series: TypeAlias = "tuple[dict[str, str], list[float], list[float]]"

POINTS: Final = 200


class QueryRefusedError(Exception):
    """Prometheus refused a query or cannot be reached."""


class Source:
    """Asks one Prometheus about one span of time."""

    def __init__(self, url: str, since: float, until: float) -> None:
        self._url = url.rstrip("/")
        self._since, self._until = since, until
        self._filled = {
            "__rate_interval": f"{max(15, math.ceil((until - since) / 40))}s",
            "__range": f"{math.ceil(until - since)}s",
            "job": ".*",
            "namespace": ".*",
            "instance": ".*",
        }

    def range(self, expression: str) -> list[Series]:
        """Return what a query gives over the span: labels, epoch seconds and values of every series."""
        step = (self._until - self._since) / POINTS
        found = self._ask("query_range", expression, start=self._since, end=self._until, step=step)
        return [
            (one["metric"], [float(at) for at, _ in one["values"]], [float(value) for _, value in one["values"]])
            for one in found
        ]

    def now(self, expression: str) -> list[Series]:
        """Return what a query gives at the end of the span, each series with one value."""
        found = self._ask("query", expression, time=self._until)
        return [(one["metric"], [float(one["value"][0])], [float(one["value"][1])]) for one in found]

    def _ask(self, path: str, expression: str, **moments: float) -> list[Any]:
        query = re.sub(r"\$\{?(\w+)\}?", lambda match: self._filled[match[1]], expression)
        parameters = urllib.parse.urlencode({"query": query, **moments})
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{parameters}", timeout=60) as answer:  # noqa: S310 - an operator's own Prometheus
                result: list[Any] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise QueryRefusedError(f"Prometheus refused {query}: {error.read().decode(errors='replace')}") from error
        except OSError as error:
            raise QueryRefusedError(
                f"No Prometheus answers at {self._url} ({error}); is it the right --prometheus?"
            ) from error
        return result
