"""uvicorn with our bounds: one process, or several that share the port."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from service.door.connections import BoundedProtocol
from service.process import ApiProcess
from stream.errors import PortTakenError

if TYPE_CHECKING:
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


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises PortTakenError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise PortTakenError(
            f"The API's port {host}:{port} cannot be opened ({error.strerror}). Set UPIFRAUD_API_PORT to another one, "
            "or to 0 for any free one."
        ) from error
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
