"""Histories to rank: made by seed, measured by a checkout, and cut in time into what trains and what is ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from bench.ranking.shape import DAY_MS, START_MS, Size, write_shape
from model.training.labels import label

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TODAY: Final = "today"
REUSED: Final = "reused"
MANY: Final = "many"
SHAPE: Final = "shape"
KINDS: Final = {
    TODAY: "the simulator as it was (`--reused-payees 0`)",
    REUSED: "the simulator with reused payees",
    MANY: "the simulator with reused payees in three times as many frauds (`--reused-payees 0.45`)",
    SHAPE: "an enlarged shape: cards and merchants",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large histories are, and where they are cut; days count from the beginning."""

    payers: int = 6_000
    days: int = 40
    since: int = 4
    """Payments before only warm the windows."""
    until: int = 28
    """The first day that trains nothing."""
    known: int = 31
    """What was reported before this day labels what trains; payments from then on are ranked."""


class Report(NamedTuple):
    """One outcome, as `label` asks for it."""

    transaction_id: bytes
    is_fraud: bool
    reported_at: int
    typology: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Which rows train and which are ranked, with what is known of each."""

    fit: NDArray[np.intp]
    fraud: NDArray[np.bool_]
    """Labels of the rows that fit, as known at the cut."""
    event_time: NDArray[np.int64]
    """Of the rows that fit."""
    later: NDArray[np.intp]
    typology: NDArray[np.str_]
    """The truth of the later rows, '' for genuine."""
    campaign: NDArray[np.int64]
    """Of the later rows."""


def write(kind: str, seed: int, sizes: Sizes, directory: Path) -> None:
    """Write the payments, outcomes and truth of a history into a directory."""
    if kind == SHAPE:
        write_shape(seed, Size(days=sizes.days, customers=sizes.payers // 5, merchants=sizes.payers // 12), directory)
        return
    from simulator.history import write_history
    from simulator.parameters import Parameters
    from simulator.span import between
    from simulator.switch import Switch

    usual = Parameters().reused_payees
    share = {TODAY: 0.0, REUSED: usual, MANY: 3 * usual}[kind]
    parameters = Parameters(seed=seed, payers=sizes.payers, reused_payees=share)
    write_history(Switch(parameters), between(START_MS, START_MS + sizes.days * DAY_MS), directory)


def cut(directory: Path, sizes: Sizes) -> Cut:
    """Cut a history that was written."""
    payments = pq.read_table(directory / "payments.parquet", columns=["transaction_id", "event_time"])
    truth = pq.read_table(directory / "truth.parquet", columns=["transaction_id", "typology", "campaign"])
    if not payments["transaction_id"].equals(truth["transaction_id"]):
        raise ValueError(f"{directory}: expected the truth in the order of payments.")
    event_time = payments["event_time"].to_numpy()
    since, until, known = (START_MS + day * DAY_MS for day in (sizes.since, sizes.until, sizes.known))
    fit = np.flatnonzero((event_time >= since) & (event_time < until))
    later = np.flatnonzero(event_time >= known)
    ids = [one.encode() for one in payments["transaction_id"].take(fit).to_pylist()]
    return Cut(
        fit=fit,
        fraud=label(ids, _reports(directory), known).fraud,
        event_time=event_time[fit],
        later=later,
        typology=np.array(truth["typology"].to_pylist())[later],
        campaign=truth["campaign"].to_numpy()[later],
    )


def read_vectors(path: Path, out: Path) -> list[str]:
    """Turn a file of vectors into a .npy of float32[n, f], and return the features' names."""
    table = pq.read_table(path)
    names = [name for name in table.column_names if name != "transaction_id"]
    vectors = np.empty((len(table), len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        vectors[:, at] = table[name].to_numpy()
    np.save(out, vectors)
    return names


def _reports(directory: Path) -> list[Report]:
    table = pq.read_table(directory / "outcomes.parquet", columns=["transaction_id", "outcome", "reported_at"])
    columns = (table[name].to_pylist() for name in table.column_names)
    return [Report(name.encode(), outcome == "FRAUD", at, None) for name, outcome, at in zip(*columns, strict=True)]
