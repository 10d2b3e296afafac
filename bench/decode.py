"""Microseconds of CPU a payment from record values to columns, hashes and fingerprints: `python bench/decode.py`.

Runs in one process on payments like the simulator's, in micro-batches of several sizes, and on payments that must be
read alone (a field of another type than its own). Prints the median of the rounds; `json.loads` alone is the yardstick
beside them.

`python -m bench.decode --facts` prints what the optional fields cost: none of them, those of version 1.0, and all of
version 1.1; microseconds of CPU and bytes of packed facts a payment.

`python -m bench.decode --worst` prints instead what values of 64 KiB cost that somebody made to be slow: milliseconds a
value and nanoseconds a byte of wall clock, the best of the rounds, the slowest first, for payments and for outcomes. It
exits 1 if one takes more than 10 ms.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

from bench.hostile_values import HOSTILE
from features.identity import Identities
from stream.decode import decode_outcomes, decode_payments
from stream.wire import utc_time

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_MS = 1_764_000_000_000
WORST_MS = 10.0
"""What a value of 64 KiB may cost at most."""
BATCH = 256
"""Values of 64 KiB in 16 MiB."""


def payments(
    count: int, seed: int, *, times: str, alone: bool = False, now_ms: int = NOW_MS, payees: int = 10**5
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
        if alone:
            payment["payer_bank"] = number
        values.append(json.dumps(payment, separators=(",", ":")).encode())
    return values


def later_fields(draw: random.Random) -> dict[str, object]:
    """Make the optional fields that version 1.1 added, all of them."""
    return {
        "payer_account": f"{draw.randrange(10**14):014d}",
        "payee_account": f"{draw.randrange(10**12):012d}",
        "payer_mobile": f"+9198{draw.randrange(10**8):08d}",
        "payee_mobile": f"9198{draw.randrange(10**8):08d}",
        "payer_ifsc": f"UTIB0{draw.randrange(10**6):06d}",
        "payee_ifsc": f"YESB0{draw.randrange(10**6):06d}",
        "payer_type": "PERSON",
        "payee_type": draw.choice(["PERSON", "ENTITY"]),
        "account_type": draw.choice(["SAVINGS", "CURRENT", "CREDIT"]),
        "initiation_mode": draw.choice(["00", "01", "04"]),
        "purpose": draw.choice(["00", "14"]),
        "ref_category": "00",
        "auth_type": draw.choice(["PIN", "BIOMETRIC"]),
        "response_code": "00",
        "original_transaction_id": f"AXB{draw.getrandbits(124):031x}",
        "mandate_id": f"{draw.getrandbits(128):032x}@upi",
        "merchant_id": f"SHOP{draw.randrange(10**6)}",
        "device_type": "MOB",
        "device_os": draw.choice(["Android 15", "iOS 18.1"]),
        "ip": f"203.0.113.{draw.randrange(256)}",
        "on_call": draw.random() < 0.01,
        "screen_shared": draw.random() < 0.01,
        "payee_added_at": NOW_MS - draw.randrange(10**9),
        "payer_segment": draw.choice(["SENIOR", None]),
        "external_scores": [{"provider": "NPCI", "type": "TXNRISK", "value": draw.randrange(101)}],
    }


def facts(count: int, rounds: int, decode: Callable[[list[bytes], int], None], identities: Identities) -> None:
    """Print a line for payments without optional fields, with those of version 1.0, and with all of version 1.1."""
    older = [json.loads(value) for value in payments(count, 1, times="epoch")]
    draw = random.Random(1)
    kinds = {
        "none": [dict(list(payment.items())[:5]) for payment in older],
        "version 1.0": older,
        "all of 1.1": [payment | later_fields(draw) for payment in older],
    }
    for kind, made in kinds.items():
        values = [json.dumps(payment, separators=(",", ":")).encode() for payment in made]
        packed = decode_payments(values, NOW_MS, identities).facts
        each = sum(len(one or b"") for one in packed) / count
        for size in (20, 1000):
            figure = microseconds(lambda values=values, size=size: decode(values, size), count, rounds)
            print(
                f"{kind:12s} {sum(map(len, values)) / count:5.0f} bytes  micro-batch {size:5d}  {figure:7.2f} us  "
                f"{each:4.0f} bytes of facts"
            )


def microseconds(run: Callable[[], object], payments_a_run: int, rounds: int) -> float:
    """Return the median CPU time of a run, in microseconds a payment."""
    run()
    figures = []
    for _ in range(rounds):
        started = time.process_time_ns()
        run()
        figures.append((time.process_time_ns() - started) / 1000 / payments_a_run)
    return median(figures)


def worst(rounds: int) -> bool:
    """Print what each hostile value costs, the slowest first; return whether all are within the limit."""
    identities = Identities(bytes(range(16)))
    topics: dict[str, Callable[[list[bytes | None]], object]] = {
        "transactions": lambda values: decode_payments(values, NOW_MS, identities),
        "outcomes": decode_outcomes,
    }
    costs = []
    for kind, hostile in HOSTILE.items():
        value = hostile.largest()
        for topic, decode in topics.items():
            costs.append(
                (_milliseconds(lambda decode=decode, value=value: decode([value]), rounds), topic, kind, value)
            )
    costs.sort(key=lambda cost: -cost[0])
    print(f"{'ms':>8s} {'ns a byte':>9s}  {'topic':12s}  {'bytes':>6s}  value")
    for milliseconds, topic, kind, value in costs:
        print(f"{milliseconds:8.3f} {milliseconds * 1e6 / len(value):9.2f}  {topic:12s}  {len(value):6d}  {kind}")
    for topic, decode in topics.items():
        _, _, kind, value = next(cost for cost in costs if cost[1] == topic)
        batch = [value] * BATCH
        milliseconds, waited = _beside_another_thread(lambda decode=decode, batch=batch: decode(batch))
        print(
            f"{BATCH} of the slowest in one micro-batch of {topic}: {milliseconds:.0f} ms; another thread that wakes "
            f"every millisecond waited {waited:.1f} ms at most"
        )
    print(f"the slowest takes {costs[0][0]:.3f} ms of the {WORST_MS:g} ms that one may take")
    return costs[0][0] <= WORST_MS


def _beside_another_thread(run: Callable[[], object]) -> tuple[float, float]:
    """Return the milliseconds of a run, and the most that another thread, as the probes', had to wait meanwhile."""
    longest, ended = 0.0, threading.Event()

    def wake() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not ended.wait(0.001):
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    thread = threading.Thread(target=wake)
    thread.start()
    milliseconds = _milliseconds(run, 1)
    ended.set()
    thread.join()
    return milliseconds, longest * 1000


def _milliseconds(run: Callable[[], object], rounds: int) -> float:
    run()
    best = math.inf
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best * 1000


def main() -> None:
    """Print a line per kind of payment and size of micro-batch, or with --worst a line per hostile value."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--payments", type=int, default=20_000, help="payments a round (default 20000)")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--worst", action="store_true", help="hostile values of 64 KiB instead of payments")
    arguments.add_argument("--facts", action="store_true", help="what none, some and all of the optional fields cost")
    given = arguments.parse_args()
    if given.worst:
        sys.exit(0 if worst(given.rounds) else 1)
    identities = Identities(bytes(range(16)))

    def decode(values: list[bytes], size: int) -> None:
        for start in range(0, len(values), size):
            decoded = decode_payments(values[start : start + size], NOW_MS, identities)
            assert not decoded.rejections

    if given.facts:
        facts(given.payments, given.rounds, decode, identities)
        return
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
    odd = payments(given.payments // 10, 3, times="epoch", alone=True)
    figure = microseconds(lambda: decode(odd, 2000), len(odd), given.rounds)
    print(f"read alone {'':11s} micro-batch  2000  {figure:7.2f} us a payment")
    some = kinds["epoch ms"]
    figure = microseconds(lambda: [json.loads(value) for value in some], len(some), given.rounds)
    print(f"yardstick: json.loads alone                    {figure:7.2f} us a payment")


if __name__ == "__main__":
    main()
