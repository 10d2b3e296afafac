"""A public file's shape enlarged: cards and merchants as in the Sparkov set, with frauds that come again.

Two kinds of fraud, as in the sets that teams try first. A merchant is compromised for days, and a part of what is paid
there is fraud, in ordinary amounts. A customer is robbed for days, and pays sums that are large for this customer.
Each row has a label, which is known a week later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DAY_MS: Final = 86_400_000
START_MS: Final = 1_767_205_800_000
LABEL_DELAY_MS: Final = 7 * DAY_MS
MERCHANT: Final = "compromised_merchant"
CUSTOMER: Final = "robbed_customer"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a file is."""

    customers: int = 1_200
    merchants: int = 500
    a_day: float = 2.0
    """Payments of a customer a day."""
    days: int = 45


def write_shape(seed: int, size: Size, directory: Path) -> None:
    """Write payments.parquet, outcomes.parquet and truth.parquet, as the simulator does, in order of time."""
    rng = np.random.default_rng([seed, 91])
    customer, merchant, event_time, rupees = _payments(rng, size)
    day = (event_time - START_MS) // DAY_MS
    kind = np.zeros(len(event_time), dtype=np.int64)
    campaign = np.zeros(len(event_time), dtype=np.int64)
    robbed = _episodes(rng, size.customers, size.days, a_day=1.5, longest=10)
    used = _episodes(rng, size.merchants, size.days, a_day=0.5, longest=28)
    luck = rng.random(len(event_time))
    stolen = (robbed[customer, day] > 0) & (luck < 0.4)
    rupees = np.where(stolen, rupees * rng.uniform(3.0, 8.0, len(rupees)), rupees)
    kind[stolen], campaign[stolen] = 2, robbed[customer, day][stolen]
    misused = (used[merchant, day] > 0) & ~stolen & (luck > 0.4)
    kind[misused], campaign[misused] = 1, 1_000_000 + used[merchant, day][misused]
    _write(directory, customer, merchant, event_time, rupees, kind, campaign)


def _payments(
    rng: np.random.Generator, size: Size
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    count = int(size.customers * size.a_day * size.days)
    often, popular = rng.lognormal(0, 0.7, size.customers), rng.lognormal(0, 0.8, size.merchants)
    customer = rng.choice(size.customers, count, p=often / often.sum())
    near = rng.choice(size.merchants, (size.customers, 12), p=popular / popular.sum())
    merchant = np.where(
        rng.random(count) < 0.8,
        near[customer, rng.integers(0, 12, count)],
        rng.choice(size.merchants, count, p=popular / popular.sum()),
    )
    hours = np.clip(rng.normal(15, 4, count), 0, 23.99)
    event_time = START_MS + rng.integers(0, size.days, count) * DAY_MS + (hours * 3_600_000).astype(np.int64)
    level = rng.lognormal(0, 0.5, size.customers)
    rupees = level[customer] * rng.lognormal(6.5, 0.7, count)
    order = np.argsort(event_time, kind="stable")
    return customer[order], merchant[order], event_time[order], rupees[order]


def _episodes(rng: np.random.Generator, parties: int, days: int, *, a_day: float, longest: int) -> NDArray[np.int64]:
    """Return int64[parties, days]: the number of the episode that a party is in on a day, 0 for none."""
    within = np.zeros((parties, days), dtype=np.int64)
    for number in range(1, int(a_day * days) + 1):
        first = int(rng.integers(0, days))
        within[rng.integers(0, parties), first : first + int(rng.integers(3, longest + 1))] = number
    return within


def _write(  # the columns of one file
    directory: Path,
    customer: NDArray[np.int64],
    merchant: NDArray[np.int64],
    event_time: NDArray[np.int64],
    rupees: NDArray[np.float64],
    kind: NDArray[np.int64],
    campaign: NDArray[np.int64],
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    ids = pa.array([f"T{number:09d}" for number in range(len(event_time))])
    paise = np.maximum(np.rint(rupees * 100).astype(np.int64), 100)
    payments = {
        "transaction_id": ids,
        "event_time": pa.array(event_time),
        "payer_vpa": pa.array([f"{number:012d}@card" for number in customer.tolist()]),
        "payee_vpa": pa.array([f"m{number}@shop" for number in merchant.tolist()]),
        "amount_paise": pa.array(paise),
    }
    outcomes = {
        "transaction_id": ids,
        "outcome": pa.array(np.where(kind > 0, "FRAUD", "GENUINE").tolist()),
        "reported_at": pa.array(event_time + LABEL_DELAY_MS),
    }
    truth = {
        "transaction_id": ids,
        "typology": pa.array(np.array(["", MERCHANT, CUSTOMER])[kind].tolist()),
        "campaign": pa.array(campaign),
    }
    for name, columns in (("payments", payments), ("outcomes", outcomes), ("truth", truth)):
        pq.write_table(pa.table(columns), directory / f"{name}.parquet")
