"""What each group of features costs a payment, in microseconds of CPU: `python -m bench.feature_groups`.

A simulated history with outcomes is measured in memory. Over its last chunks all contestants take turns on the very
same payments, and of each chunk the least of some turns counts. Each contestant is the kernel without one group: a
part of it is compiled to nothing, or it finds no log of that kind. The difference from the whole kernel is what the
group costs beside all others. Groups overlap: without a party's log, what is told from it is not measured either.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

from bench import machine
from features.entities import DEVICE, INBOUND, KINDS, OUTBOUND, PAYEE, PAYER
from features.measure import bucket, plain, vector
from features.measure.logs import NONE
from features.schema import FEATURE_NAMES
from history.measured import measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from features.columns import PaymentColumns
    from features.measure.logs import Logs

CHUNKS: Final = 2
"""Of 8,192 payments each, the last ones of the history: the windows of most parties are full then."""
AT_ONCE: Final = 512
TURNS: Final = 15


@dataclass
class Contestant:
    """The kernel without something."""

    name: str
    without: tuple[str, ...] = ()
    """Functions of `features.measure.plain` that are compiled to nothing."""
    logs: tuple[int, ...] = ()
    """Columns of a payment's slots in which it finds no log."""
    kernel: Callable[..., None] = field(init=False)
    seconds: float = 0.0
    features: set[int] = field(default_factory=set)
    """Which have another value than with everything."""


WHOLE: Final = "all"
CONTESTANTS: Final = (
    Contestant(WHOLE),
    Contestant("the payer's log, and all that is told from it", logs=(KINDS.index(PAYER),)),
    Contestant("the payee's log, and all that is told from it", logs=(KINDS.index(PAYEE),)),
    Contestant("the device's log, and all that is told from it", logs=(KINDS.index(DEVICE),)),
    Contestant("the payment itself", without=("_payment",)),
    Contestant("the payer's earlier payments: to this payee, to new ones, how fast", without=("_earlier",)),
    Contestant("the amount, the day's and the week's, against the payer's usual ones", without=("_usual",)),
    Contestant("the payee's income, and the payer's share of it", without=("_income",)),
    Contestant("what the payer had received", logs=(INBOUND,)),
    Contestant("what the payee had paid out", logs=(OUTBOUND,)),
    Contestant("whether the device is new to the payer", without=("_paid_before",)),
    Contestant("what was reported", without=("_risk",)),
)


@numba.njit  # noqa: TID251 - no kernel of the program's, and kept nowhere
def _nothing(*_args: Any) -> bool:
    return False


def compiled(without: tuple[str, ...]) -> Callable[..., None]:
    """Return the kernel without some functions, compiled at its first call and kept nowhere."""
    kernel, whole_plain = _anew(vector.put_vectors), vector.measure_plain
    whole = {name: getattr(plain, name) for name in without}

    def run(*args: Any) -> None:
        if kernel.signatures:
            kernel(*args)
            return
        try:
            for name in whole:
                setattr(plain, name, _nothing)
            vector.measure_plain = _anew(whole_plain)
            kernel(*args)
        finally:
            vector.measure_plain = whole_plain
            for name, function in whole.items():
                setattr(plain, name, function)

    return run


def _anew(kernel: Any) -> Any:
    return numba.njit(nogil=True)(kernel.py_func)  # noqa: TID251 - what is kept on disk must stay the program's


@dataclass
class Turns:
    """Stands in for `vectors` while a history is measured, and lets the contestants have the last chunks, too."""

    last: int
    """The first payment that counts."""
    done: int = 0
    payments: int = 0
    scratch: Any = field(default_factory=vector.scratch_of_thread)

    def vectors(
        self, logs: Logs, columns: PaymentColumns, located: Any, reports: Any
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return what `features.measure.vector.vectors` returns."""
        found = vector.vectors(logs, columns, located, reports)
        self.done += len(columns)
        if self.done > self.last:
            self.payments += len(columns)
            self._measure(logs, columns, located, reports, found[0])
        return found

    def _measure(self, logs: Logs, columns: PaymentColumns, located: Any, reports: Any, expected: Any) -> None:
        of = {one.name: located.copy() for one in CONTESTANTS}
        for one in CONTESTANTS:
            of[one.name]["slot"][:, list(one.logs)] = NONE
            out, state = np.empty_like(expected), np.zeros(len(columns), dtype=np.uint8)
            one.kernel(logs, columns.rows, of[one.name], reports, self.scratch, out, state)  # compiles, the first time
            one.features |= set(np.flatnonzero(~_same(out, expected).all(axis=0)).tolist())
        for start in range(0, len(columns), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            least = dict.fromkeys(of, np.inf)
            for _ in range(TURNS):
                for one in CONTESTANTS:
                    began = time.thread_time()
                    one.kernel(
                        logs, columns.rows[part], of[one.name][part], reports, self.scratch, out[part], state[part]
                    )
                    least[one.name] = min(least[one.name], time.thread_time() - began)
            for one in CONTESTANTS:
                one.seconds += least[one.name]


def _same(one: Any, other: Any) -> Any:
    return (one == other) | (np.isnan(one) & np.isnan(other))


@contextmanager
def history(payments: int) -> Iterator[Path]:
    """Yield a simulated history of a month."""
    with tempfile.TemporaryDirectory(prefix="bench-feature-groups-") as directory:
        arguments = ["--seed", 7, "--payments", payments, "--payers", max(250, payments // 75), "--out", directory]
        command = [sys.executable, "-m", "upifraud", "simulate", *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        yield Path(directory)


def table(payments: int) -> list[str]:
    """Return the lines of the table."""
    whole = 1e6 * CONTESTANTS[0].seconds / payments
    lines = ["| group of features | features | CPU us a payment | share |", "|---|---:|---:|---:|"]
    lines.append(f"| all, and what they share | {len(FEATURE_NAMES)} | {whole:.2f} | 100 % |")
    for one in CONTESTANTS[1:]:
        cost = whole - 1e6 * one.seconds / payments
        lines.append(f"| {one.name} | {len(one.features)} | {cost:.2f} | {cost / whole:.0%} |".replace("%", " %"))
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.feature_groups", description=__doc__)
    parser.add_argument("--payments", type=int, default=80_000)
    options = parser.parse_args()
    whole = compiled(())
    for one in CONTESTANTS:
        one.kernel = compiled(one.without) if one.without else whole
    turns = Turns(last=options.payments - CHUNKS * 8_192)
    with history(options.payments) as files:
        bucket.vectors = turns.vectors
        measure(files / "payments.parquet", files / "outcomes.parquet")
    if CONTESTANTS[0].features:
        raise RuntimeError("Expected the kernel compiled anew to measure the very same, but it does not.")
    print(f"machine-speed index {machine.index():.2f} s, {turns.payments:,} of {options.payments:,} payments\n")
    print("\n".join(table(turns.payments)))


if __name__ == "__main__":
    main()
