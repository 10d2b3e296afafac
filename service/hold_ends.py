"""The ends of holds: one thread that expires them and publishes resolutions, if no other process is at it."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stream.holds import Outbox

AGAIN_SECONDS: Final = 5.0
"""Pause after a failure that somebody must mend; it shows in the log, and in how many resolutions wait."""

log = logging.getLogger(__name__)


class HoldEnds:
    """Follows the outbox from `begin` to `close`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="ends of holds", daemon=True)

    def begin(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the step that it is at; what is left another process does, or the next one."""
        self._stop.set()
        self._thread.join(timeout=AGAIN_SECONDS)

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._outbox.follow(self._stop, lambda: int(time.time() * 1000))
            except Exception:  # calls go on; and once it is mended, ends of holds do
                log.exception("Holds do not end")
                self._stop.wait(AGAIN_SECONDS)
