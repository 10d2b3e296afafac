"""Compiles the feature kernels beside the worker, which begins with the others: a first start has two cores to use.

Compiled kernels are cached on disk, function by function, so whoever comes first serves the others, and later starts
find everything there. The feature kernels take half of the time.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

_COMMAND: Final = (sys.executable, "-c", "from upifraud.demo.kernels import compile_features; compile_features()")
_PAYMENTS: Final = 2


class KernelProcess:
    """Compiles in a process of its own from construction until it is done, or closed; what it finished is kept."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            _COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # whatever is wrong, the worker meets it too, and says so in its log
        )

    def close(self) -> None:
        """End it if it still runs; numba replaces files whole, so none is left by halves."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def compile_features() -> None:
    """Return when every kernel that measures payments is compiled for what a worker hands it."""
    import numpy as np

    from features.columns import PaymentColumns
    from features.online import OnlineFeatures
    from features.store.contract import Origin
    from features.store.memory_store import MemoryEntityStore
    from features.store.messages import Claims

    numbers = np.arange(1, _PAYMENTS + 1)
    identity, time = numbers.astype(np.uint64), numbers.astype(np.int64)
    columns = PaymentColumns.of(
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
    claims = Claims(np.zeros(_PAYMENTS, dtype=np.uint16), time - 1)
    OnlineFeatures(MemoryEntityStore(), 1 << 20).process(columns, claims, [Origin(b"transactions:0", 0, _PAYMENTS)])
