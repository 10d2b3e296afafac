"""The metrics port: /metrics for Prometheus, /healthz and /readyz for the kubelet, in threads of their own.

Own threads, so that a probe is answered, and truthfully, while the event loop is busy or stuck.
"""

from __future__ import annotations

import json
import logging
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from prometheus_client.exposition import choose_encoder

from stream import metrics
from stream.errors import PortTakenError

if TYPE_CHECKING:
    from stream.health import Health, Report

log = logging.getLogger(__name__)


class ProbeServer:
    """Serves the probes from construction until close; `port` is the real one where 0 was asked for."""

    def __init__(self, health: Health, *, host: str, port: int) -> None:
        handler = type("Handler", (_Handler,), {"health": health})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise PortTakenError(
                f"The metrics port {host}:{port} cannot be opened ({error.strerror}). Every worker on a host needs its "
                "own: set UPIFRAUD_METRICS_PORT to another one, or to 0 for any free one."
            ) from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        """Bind without asking DNS for a name of the address, which can take seconds and is not used."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        """Log what went wrong with a request; a client that hung up is no news."""
        error = sys.exception()
        if isinstance(error, ConnectionError):
            log.debug("A client of the metrics port hung up.")
        else:
            log.error("A request to the metrics port failed.", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    health: Health
    protocol_version = "HTTP/1.1"
    timeout = 10  # a client that says nothing must not hold a thread

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, encode(metrics.REGISTRY), content_type)
            case "/healthz":
                self._report(self.health.live())
            case "/readyz":
                self._report(self.health.ready())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"There are /metrics, /healthz and /readyz.\n", "text/plain")

    do_HEAD = do_GET  # noqa: N815 - the name http.server calls

    def _report(self, report: Report) -> None:
        status = HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, json.dumps(report.as_json()).encode() + b"\n", "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server uses
        """Say nothing: a probe every few seconds is no news."""
