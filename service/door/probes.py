"""What probes and Prometheus ask, without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from stream.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from service.servers import Servers

JSON = "application/json"


class Probes:
    """Answers /health, /healthz, /readyz and /metrics.

    An API process whose servers are gone stays ready: it still answers, with provisional verdicts, and to take it out
    of the Service would leave callers without even these. Both probes name the servers that it waits for.
    """

    def __init__(self, servers: Servers, is_looking: Callable[[], bool]) -> None:
        self._servers = servers
        self._is_looking = is_looking
        self.is_draining = False

    async def health(self, _request: Request) -> Response:
        """Say for people whether all is well."""
        waiting_for = self._servers.waiting_for()
        status = "draining" if self.is_draining else "degraded" if waiting_for else "ok"
        return self._said(status, [], waiting_for, 200)

    async def live(self, _request: Request) -> Response:
        """Say whether the process should be left running."""
        reasons = [] if self._is_looking() else ["the thread that looks for rows has ended"]
        return self._said("failing" if reasons else "ok", reasons, self._servers.waiting_for(), 503 if reasons else 200)

    async def ready(self, _request: Request) -> Response:
        """Say whether calls should come here."""
        waiting_for = self._servers.waiting_for()
        reasons = ["draining, about to stop"] if self.is_draining else []
        reasons += [] if self._is_looking() else ["the thread that looks for rows has ended"]
        status = 503 if reasons else 200
        return self._said(
            "failing" if reasons else "ok",
            reasons + [f"waiting for {name}" for name in waiting_for],
            waiting_for,
            status,
        )

    async def metrics(self, request: Request) -> Response:
        """Return the page of meters."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(REGISTRY), headers={"Content-Type": content_type})

    @staticmethod
    def _said(status: str, reasons: list[str], waiting_for: dict[str, float], code: int) -> Response:
        body = {"status": status, "reasons": reasons, "waiting_for": waiting_for}
        return Response(msgspec.json.encode(body), code, media_type=JSON)
