"""Several processes that share a port: each a whole API, none knows of the others; one that ends is begun anew."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from service.server import serve

if TYPE_CHECKING:
    import socket

    from stream.settings import Settings

PAUSE_SECONDS = 1.0
"""Between the end of a process and its next beginning."""

log = logging.getLogger(__name__)


def run(settings: Settings, listening: socket.socket, workers: int) -> int:
    """Serve until a signal, in this process or in several; return the exit code."""
    if workers == 1:
        return serve(settings, listening)
    return _Supervisor(settings, listening, workers).run()


class _Supervisor:
    """Forks before anything has a thread, and passes signals on."""

    def __init__(self, settings: Settings, listening: socket.socket, workers: int) -> None:
        self._settings = settings
        self._listening = listening
        self._workers = workers
        self._running: set[int] = set()
        self._stopping = False
        self._ends_with_us, self._is_there = os.pipe()
        """Nobody writes, and no other process holds the second end: reading ends when this one has ended, however."""

    def run(self) -> int:
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(name) != signal.SIG_IGN:
                signal.signal(name, self._stop)
        for _ in range(self._workers):
            self._begin()
        worst = 0
        while self._running:
            pid, status = os.wait()
            self._running.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                worst = max(worst, abs(code))
                continue
            log.error("A process of the API ended with exit code %d; it begins anew.", code)
            time.sleep(PAUSE_SECONDS)
            if not self._stopping:
                self._begin()
        return min(worst, 1)

    def _begin(self) -> None:
        pid = os.fork()
        if pid:
            self._running.add(pid)
            return
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._is_there)
            threading.Thread(target=self._end_with_supervisor, name="supervisor", daemon=True).start()
            code = serve(self._settings, self._listening)
        finally:
            logging.shutdown()
            os._exit(code)

    def _end_with_supervisor(self) -> None:
        """Drain and end once the supervisor is dead: left alone we would keep its port, and nobody could end us."""
        os.read(self._ends_with_us, 1)
        log.error("The process that began this one is gone; it ends.")
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        for pid in list(self._running):
            os.kill(pid, signal.SIGTERM)
