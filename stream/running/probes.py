"""The metrics port: /metrics for Prometheus, /healthz and /readyz for the kubelet, in one thread of its own.

Its own, so that a probe is answered, and truthfully, while the worker's event loop is busy or stuck. One, whoever
connects: a client that says nothing, or a byte every few seconds, takes no thread and keeps nobody out. It is cut off
after `CLIENT_SECONDS`, and before that where `CLIENTS` are open and another one comes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, cast

from prometheus_client.exposition import choose_encoder

from stream import metrics
from stream.running.listening import listen

if TYPE_CHECKING:
    from stream.running.health import Health, Report

CLIENTS = 128
"""Connections that are open at a time; one more costs the oldest."""
CLIENT_SECONDS = 5.0
"""How long a connection may last in all, from the first byte asked for to the last one taken."""
BACKLOG = 128
"""Connections that wait to be taken while the thread is busy."""
_MAX_HEAD = 16 * 1024

log = logging.getLogger(__name__)


class ProbeServer:
    """Serves the probes from construction until close; `port` is the real one where 0 was asked for."""

    def __init__(self, health: Health, *, host: str, port: int) -> None:
        self._health = health
        self._clients: dict[asyncio.Task[Any], None] = {}
        """Oldest first; belongs to the thread."""
        listening = listen(
            host,
            port,
            BACKLOG,
            what="The metrics port",
            advice="Every worker on a host needs its own: set UPIFRAUD_METRICS_PORT to another one, or to 0 for any "
            "free one.",
        )
        self.port: int = listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_say)
        self._thread = threading.Thread(target=self._loop.run_forever, name="probes", daemon=True)
        self._thread.start()
        starting = asyncio.start_server(self._serve, sock=listening, limit=_MAX_HEAD, backlog=BACKLOG)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()

    def close(self) -> None:
        """Stop serving and give the port back."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    async def _stop(self) -> None:
        self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = cast("asyncio.Task[Any]", asyncio.current_task())
        if len(self._clients) == CLIENTS:
            self._clients.pop(oldest := next(iter(self._clients)))
            oldest.cancel()
        self._clients[client] = None
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` waits until all is taken
        try:
            async with asyncio.timeout(CLIENT_SECONDS):
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug(
                "A client of the metrics port said too little, or too much, or hung up: %s.", type(error).__name__
            )
        except asyncio.CancelledError:
            log.debug("A client of the metrics port was cut off.")
        finally:
            writer.transport.abort()
            self._clients.pop(client, None)

    def _answer(self, head: bytes) -> bytes:
        """Return the whole answer to a request's head."""
        request, *fields = head.decode("latin-1").split("\r\n")
        words = request.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _written(HTTPStatus.BAD_REQUEST, b"Expected an HTTP/1.1 request.\n", "text/plain")
        method, target, _version = words
        if method not in ("GET", "HEAD"):
            return _written(HTTPStatus.METHOD_NOT_ALLOWED, b"Expected GET or HEAD.\n", "text/plain", "Allow: GET, HEAD")
        answer = self._get(target.partition("?")[0], fields)
        return answer if method == "GET" else answer[: answer.index(b"\r\n\r\n") + 4]

    def _get(self, path: str, fields: list[str]) -> bytes:
        match path:
            case "/metrics":
                encode, content_type = choose_encoder(_field("accept", fields))
                return _written(HTTPStatus.OK, encode(metrics.REGISTRY), content_type)
            case "/healthz":
                return _report(self._health.live())
            case "/readyz":
                return _report(self._health.ready())
            case _:
                return _written(HTTPStatus.NOT_FOUND, b"There are /metrics, /healthz and /readyz.\n", "text/plain")


def _say(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("A request to the metrics port failed: %s", context["message"], exc_info=context.get("exception"))


def _field(name: str, fields: list[str]) -> str:
    split = (field.partition(":") for field in fields)
    return ",".join(value.strip() for key, _, value in split if key.lower() == name)


def _report(report: Report) -> bytes:
    status = HTTPStatus.OK if report.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return _written(status, json.dumps(report.as_json()).encode() + b"\n", "application/json")


def _written(status: HTTPStatus, body: bytes, content_type: str, *fields: str) -> bytes:
    """Write an answer after which the connection ends; no field names the software, which strangers need not know."""
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *fields,
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body
