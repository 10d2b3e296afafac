"""Connections: bounded in number, in the size of a head, and in how long a request may take to come.

uvicorn's own limit refuses requests while too many connections are open, so whoever opens some and says nothing shuts
everybody out. Here one more costs the one that has been idle for longest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.door.problems import MEDIA_TYPE

if TYPE_CHECKING:
    import asyncio

CONNECTIONS: Final = 2000
"""Open at a time in a process."""
HEAD_BYTES: Final = 16 * 1024
"""Longest head of a request."""
REQUEST_SECONDS: Final = 10.0
"""From the first byte of a request to its last."""

_REFUSALS: Final = {
    400: (b"Bad Request", b"bad-request", b"Expected an HTTP/1.1 request."),
    408: (b"Request Timeout", b"too-slow", b"Expected the whole request within 10 s."),
    431: (b"Request Header Fields Too Large", b"too-large", b"Expected a head of at most 16 KiB."),
}


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn and httptools, with the bounds of this module."""

    idle: dict[BoundedProtocol, None] = {}  # noqa: RUF012 - shared by all connections of the process, oldest first

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._in_head = self._in_request = self._refused = False
        self._slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in; beyond the bound the oldest idle one goes."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            oldest = next(iter(self.idle), self)
            self.idle.pop(oldest, None)
            oldest.transport.abort()
            if oldest is self:
                return
        self.idle[self] = None
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.idle.pop(self, None)
        self._unset_slow()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, for as long as the bounds allow."""
        if self._refused:
            return
        self._head += len(data)
        super().data_received(data)
        if self._in_request:
            if self._in_head and self._head > HEAD_BYTES:
                self._refuse(431)
            elif self._slow is None:
                self._slow = self.loop.call_later(REQUEST_SECONDS, self._too_slow)
        else:
            self._unset_slow()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.idle.pop(self, None)
        self._in_head = self._in_request = True
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request over, unless its head is too long."""
        self._in_head = False
        length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if length > HEAD_BYTES:
            self._refuse(431)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._in_request = False
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note that the connection is idle again."""
        super().on_response_complete()
        if not self._in_request and not self.transport.is_closing():
            self.idle[self] = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words, as text
        """Say that what came is no HTTP."""
        self._refuse(400)

    def _too_slow(self) -> None:
        self._slow = None
        if self.cycle is None or self._in_head or not self.cycle.response_started:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        phrase, reason, detail = _REFUSALS[status]
        body = b'{"title":"%b","status":%d,"reason":"%b","detail":"%b"}' % (phrase, status, reason, detail)
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, phrase, MEDIA_TYPE.encode(), len(body), body)
        )
        self.transport.close()

    def _unset_slow(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
