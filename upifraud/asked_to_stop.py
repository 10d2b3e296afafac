"""Heeds signals from the first moment of the program, before anything that takes time is imported.

The kernel discards a signal for process 1 that has no handler, and process 1 is what a container runs: a worker that
was told to stop while it was still starting would never hear of it. Importing takes seconds, so this comes first.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

PROGRAM = "upifraud"


def runs_until_told(arguments: Sequence[str]) -> bool:
    """Tell whether being told to stop is how a command ends, and no failure."""
    follows = arguments[:1] == ["alerts"] or arguments[:2] == ["holds", "expire"]
    return arguments[:1] in (["worker"], ["api"]) or (follows and "--follow" in arguments)


def heed_signals(arguments: Sequence[str]) -> None:
    """End at a signal until the command has handlers of its own; nothing that must be finished has begun by then.

    A command that runs until told ends with 0. The others end as they would without us, by the signal; as process 1
    they cannot, and end with the exit code that a shell would tell.
    """
    clean = runs_until_told(arguments)
    if clean or os.getpid() == 1:
        names = [*([signal.SIGINT] if clean else []), signal.SIGHUP, signal.SIGTERM]
        for name in names:
            # `nohup`, and a shell that starts something in the background, ask for these to be ignored.
            if signal.getsignal(name) != signal.SIG_IGN:
                signal.signal(name, _end_clean if clean else _end_by_signal)


def _end_clean(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"Stopping before anything was begun: asked to.\n")
    os._exit(0)  # an exception could be lost in whatever is being imported or compiled


def _end_by_signal(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)
