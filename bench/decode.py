"""Microseconds of CPU a payment from record values to columns, hashes and fingerprints: `python bench/decode.py`.

Runs in one process on payments like the simulator's, in micro-batches of several sizes, and on payments that must be
read alone (escapes in strings). Prints the median of the rounds; `json.loads` alone is the yardstick beside them.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from statistics import median
from typing import TYPE_CHECKING

from features.identity import Identities
from stream.decode import decode_payments
from stream.wire import utc_time

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_MS = 1_764_000_000_000


def payments(
    count: int, seed: int, *, times: str, ascii_only: bool = True, now_ms: int = NOW_MS, payees: int = 10**5
) -> list[bytes]:
    """Make record values as a switch would publish them in the hour before `now_ms`, every optional field in them."""
    draw = random.Random(seed)
    values = []
    for number in range(count):
        at = now_ms - draw.randrange(3_600_000)
        payer = f"{draw.choice(['asha', 'ravi', 'meena', 'Imran', 'kabir'])}{draw.randrange(10**6)}"
        payment = {
            "transaction_id": f"AXB{draw.getrandbits(124):031x}",
            "event_time": at if times == "epoch" else utc_time(at),
            "payer_vpa": f"{payer}@ok{draw.choice(['axis', 'hdfcbank', 'icici', 'sbi'])}",
            "payee_vpa": f"shop{draw.randrange(payees)}@ybl",
            "amount_paise": int(draw.lognormvariate(10.5, 1.2)) + 1,
            "rrn": f"{draw.randrange(10**12):012d}",
            "flow": draw.choice(["P2P", "P2M"]),
            "type": draw.choice(["PAY", "COLLECT"]),
            "initiation": draw.choice(["QR", "INTENT", "VPA", "CONTACT"]),
            "status": draw.choice(["SUCCESS", "SUCCESS", "DECLINED"]),
            "mcc": draw.choice(["5411", "5812", None]),
            "device_id": f"{draw.getrandbits(64):016x}",
            "device_bound_at": at - draw.randrange(10**10),
            "sim_changed_at": None,
            "payer_bank": draw.choice(["HDFC", "ICIC", "SBIN"]),
            "payee_bank": draw.choice(["HDFC", "ICIC", "SBIN"]),
            "latitude": round(draw.uniform(8, 33), 4),
            "longitude": round(draw.uniform(68, 97), 4),
            "payer_app": draw.choice(["gpay", "phonepe", "bhim"]),
            "remarks_hash": f"{draw.getrandbits(64):016x}",
        }
        if not ascii_only:
            payment["payer_bank"] = f"bank \\ {number}"
        values.append(json.dumps(payment, separators=(",", ":")).encode())
    return values


def microseconds(run: Callable[[], object], payments_a_run: int, rounds: int) -> float:
    """Return the median CPU time of a run, in microseconds a payment."""
    run()
    figures = []
    for _ in range(rounds):
        started = time.process_time_ns()
        run()
        figures.append((time.process_time_ns() - started) / 1000 / payments_a_run)
    return median(figures)


def main() -> None:
    """Print a line per kind of payment and size of micro-batch."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--payments", type=int, default=20_000, help="payments a round (default 20000)")
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    identities = Identities(bytes(range(16)))

    def decode(values: list[bytes], size: int) -> None:
        for start in range(0, len(values), size):
            decoded = decode_payments(values[start : start + size], NOW_MS, identities)
            assert not decoded.rejections

    kinds = {
        "epoch ms": payments(given.payments, 1, times="epoch"),
        "RFC 3339": payments(given.payments, 2, times="rfc3339"),
    }
    for kind, values in kinds.items():
        bytes_each = sum(map(len, values)) / len(values)
        for size in (1, 20, 200, 2000):
            some = values[: min(len(values), size * 500)]
            figure = microseconds(lambda some=some, size=size: decode(some, size), len(some), given.rounds)
            print(f"{kind:10s} {bytes_each:4.0f} bytes  micro-batch {size:5d}  {figure:7.2f} us a payment")
    escaped = payments(given.payments // 10, 3, times="epoch", ascii_only=False)
    figure = microseconds(lambda: decode(escaped, 2000), len(escaped), given.rounds)
    print(f"read alone {'':11s} micro-batch  2000  {figure:7.2f} us a payment")
    some = kinds["epoch ms"]
    figure = microseconds(lambda: [json.loads(value) for value in some], len(some), given.rounds)
    print(f"yardstick: json.loads alone                    {figure:7.2f} us a payment")


if __name__ == "__main__":
    main()
