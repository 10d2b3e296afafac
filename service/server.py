"""uvicorn with our bounds: one process, or several that share the port."""

from __future__ import annotations

import contextlib
import logging
import signal
from typing import TYPE_CHECKING

import uvicorn

from service.door.connections import BoundedProtocol
from service.process import ApiProcess
from stream.running.listening import listen

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from stream.settings import Settings

DRAIN_SECONDS = 20
"""How long requests that were begun may take to end: twice the longest deadline."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the NGINX Ingress keeps an idle connection (60 s), so that it never sends into a closed one."""
BACKLOG = 2048

log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Ends at a signal with exit code 0, instead of raising the signal again once all is done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        names = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
        before = {name: signal.getsignal(name) for name in names}
        for name in names:
            if before[name] != signal.SIG_IGN:  # nohup is heeded
                signal.signal(name, self.handle_exit)
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def listen_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens and that forked processes share; raises PortTakenError where it cannot."""
    listening = listen(
        host,
        port,
        BACKLOG,
        what="The API's port",
        advice="Set UPIFRAUD_API_PORT to another one, or to 0 for any free one.",
    )
    listening.set_inheritable(True)
    return listening


def serve(settings: Settings, listening: socket.socket) -> int:
    """Serve until a signal; return the exit code."""
    process = ApiProcess(settings)
    config = uvicorn.Config(
        process.app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config)
    server.run(sockets=[listening])
    return 0 if server.started else 1
