"""Compiles the feature kernels beside the worker, which begins with the others: a first start has two cores to use.

Compiled kernels are cached on disk, function by function, so whoever comes first serves the others, and later starts
find everything there. The feature kernels take two thirds of the time; those that measure the windows of one log are
compiled by one process more, while the first compiles what fills the logs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Final

_COMMAND: Final = (sys.executable, "-c", "from upifraud.demo.kernels import compile_features; compile_features()")
_WINDOWS: Final = (sys.executable, "-c", "from upifraud.demo.kernels import compile_windows; compile_windows()")
_PAYMENTS: Final = 2


class KernelProcess:
    """Compiles in a process of its own from construction until it is done, or closed; what it finished is kept."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            _COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whatever is wrong, the worker meets it too, and says so in its log
            start_new_session=True,
        )

    def close(self) -> None:
        """End it and what it started, if they still run; numba replaces files whole, so none is left by halves."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def compile_features() -> None:
    """Return when every kernel that measures payments is compiled for what a worker hands it."""
    import numpy as np

    from features.columns import PaymentColumns
    from features.ingest import append_raw, open_short
    from features.logs import Logs
    from features.memory_store import MemoryEntityStore
    from features.online import Claims, OnlineFeatures
    from features.store import Origin

    windows = subprocess.Popen(_WINDOWS)  # noqa: S603 - ourselves
    logs, nothing = Logs.make(records=1, slots=1, blocks=1, supers=1, panes=1), np.zeros(0, dtype=np.int64)
    open_short(logs, 0, 0, nothing, nothing)
    append_raw(logs, nothing, nothing, nothing, np.frombuffer(b"", dtype="<u8"))
    windows.wait()

    numbers = np.arange(1, _PAYMENTS + 1)
    identity, time = numbers.astype(np.uint64), numbers.astype(np.int64)
    columns = PaymentColumns(
        payment_id=identity,
        event_time=time,
        amount_paise=time,
        payer=identity,
        payee=identity + np.uint64(_PAYMENTS),
        device=identity,
        place=numbers.astype(np.uint32),
        kind=numbers.astype(np.uint32),
        mcc=numbers.astype(np.int32),
        device_bound_at=time,
        sim_changed_at=time,
        same_bank=numbers.astype(np.int8),
    )
    claims = Claims(np.zeros(_PAYMENTS, dtype=np.bool_), np.zeros(_PAYMENTS, dtype=np.uint16), time - 1)
    OnlineFeatures(MemoryEntityStore(), 1 << 20).process(columns, claims, [Origin(b"transactions:0", 0, _PAYMENTS)])


def compile_windows() -> None:
    """Return when the kernels that measure the windows of one log are compiled for what `vectors` hands them."""
    import numpy as np

    from features.dense import measure_dense
    from features.logs import NEVER, SUMMARY, Logs
    from features.measure import Measures, scan
    from features.schema import window_lengths

    windows = window_lengths()
    logs, out = Logs.make(records=1, slots=1, blocks=1, supers=1, panes=1), Measures.make(len(windows))
    measure_dense(logs, 0, 0, int(NEVER), 0, 0, windows, out, np.zeros(1, dtype=SUMMARY))
    scan(logs.event_time, logs.amount, logs.counterparty, 0, 0, 0, 0, windows, out)
