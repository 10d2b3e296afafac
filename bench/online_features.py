"""Microseconds of CPU and bytes a payment for the online features: `python bench/online_features.py`.

Starts embedded Valkeys with their production settings (append-only file on), one for each way, or measures those of
`--url`, which it empties: give it twice. Payers of 0 to 200 payments, devices of 0 to 60, payees by a power law of
exponent 1.1 whose first has 2 % of the traffic: the mix of the design. As many as `--people` says go to payees who pay
themselves, drawn evenly from the payers; merchants never pay. The history is put there as a rebuild would; then
micro-batches of several sizes are applied, read and measured, interleaved, by plain commands and by the server function
alone. CPU of this process, of its window kernel and of the server are told apart. The allocator is named, as the
C library's doubles the figures.

The yardstick, in the same run on the same payments, is the textbook way: one sorted set an entity and windows summed in
a server function, one call a micro-batch too.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import redis

from features import online
from features.columns import UNKNOWN_TIME, PaymentColumns
from features.online import OnlineFeatures
from features.rebuild import rebuilt_logs
from features.record import pack_records
from features.schema import FEATURE_NAMES
from features.store.contract import Origin
from features.store.messages import Claims
from features.store.provenance import PROVENANCE
from features.store.redis_store import RedisEntityStore
from features.windows import DAY, WINDOWS
from local import valkey
from local.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIZES = (34, 512)
START = 1_790_000_000_000
PARTITION = b"transactions:0"

TEXTBOOK = """#!lua name=textbook
-- Each payment is counted in the smallest window that holds it, and each counterparty where it was seen last; the sums
-- over smaller windows come at the end.
local function window(now, key, windows, amounts)
  local found = redis.call('ZRANGEBYSCORE', key, '(' .. (now - windows[#windows]), now, 'WITHSCORES')
  local count, sum, most, distinct, seen = {}, {}, {}, {}, {}
  for w = 1, #windows do count[w], sum[w], most[w], distinct[w] = 0, 0, 0, 0 end
  for at = 1, #found, 2 do
    local member = found[at]
    local age, colon = now - tonumber(found[at + 1]), string.find(member, ':', 1, true)
    local w = 1
    while age >= windows[w] do w = w + 1 end
    count[w] = count[w] + 1
    if amounts then
      local amount = tonumber(string.sub(member, 1, colon - 1))
      sum[w] = sum[w] + amount
      if amount > most[w] then most[w] = amount end
    end
    seen[string.sub(member, colon + 1, string.find(member, ':', colon + 1, true))] = w  -- ascending in time
  end
  for _, w in pairs(seen) do distinct[w] = distinct[w] + 1 end
  local reply = {}
  for w = 1, #windows do
    if w > 1 then
      count[w], sum[w], distinct[w] = count[w] + count[w - 1], sum[w] + sum[w - 1], distinct[w] + distinct[w - 1]
      most[w] = math.max(most[w], most[w - 1])
    end
    reply[w] = table.concat({ count[w], sum[w], most[w], distinct[w] }, ' ')
  end
  return reply
end

local function apply(_, args)
  local windows, reply = cjson.decode(args[1]), {}
  for at = 2, #args, 6 do
    local now, amount, id = tonumber(args[at]), args[at + 1], args[at + 2]
    local others = { args[at + 4], args[at + 3], args[at + 3] }
    for entity = 1, 3 do
      local key = ({ 'zp:', 'zm:', 'zd:' })[entity] .. args[at + 2 + entity]
      redis.call('ZADD', key, now, amount .. ':' .. others[entity] .. ':' .. id)
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now - windows[#windows])
      redis.call('PEXPIRE', key, windows[#windows])
      reply[#reply + 1] = window(now, key, windows, entity == 1)
    end
  end
  return reply
end
redis.register_function('textbook_apply', apply)
"""


PEOPLE = 0.36
"""Share of the simulator's payments that go to people, who pay too."""


@dataclass
class Cost:
    """Microseconds a payment: of this process, of its window kernel, of the server, and of the wall clock."""

    rounds: list[tuple[float, ...]] = field(default_factory=list)

    def line(self, name: str, size: int) -> str:
        """Return the medians as a line of the table."""
        figures = (f"{median(column):>9.2f}" for column in zip(*self.rounds, strict=True))
        return f"{name:<24} {size:>6} {''.join(figures)}"


class Kernel:
    """Counts the CPU time of the window kernel inside of `OnlineFeatures`."""

    def __init__(self) -> None:
        self.nanoseconds = 0
        self._vectors = online.vectors

    def __call__(self, *args: Any) -> Any:
        """Measure as before, and count."""
        started = time.thread_time_ns()
        found = self._vectors(*args)
        self.nanoseconds += time.thread_time_ns() - started
        return found


@contextlib.contextmanager
def counted_kernel() -> Iterator[Kernel]:
    """Let the window kernel be counted for a while."""
    kernel, plain = Kernel(), online.vectors
    online.vectors = kernel  # type: ignore[assignment]
    try:
        yield kernel
    finally:
        online.vectors = plain


def payments(history: int, count: int, rate: int, seed: int, people: float = PEOPLE) -> PaymentColumns:
    """Draw a month of history in order of time, and payments at a rate behind it; people: the share paid to payers."""
    draw = np.random.default_rng(seed)
    total = history + count
    payers, devices, payees = max(1, history // 100), max(1, history // 30), max(10, history // 20)

    def spread(entities: int) -> np.ndarray:
        """Activity from none to twice the mean, evenly."""
        weight = draw.uniform(0, 2, entities)
        return draw.choice(entities, total, p=weight / weight.sum()) + 1

    popularity = (np.arange(payees) + 7.0) ** -1.1
    popularity *= 0.02 / (popularity[0] / popularity.sum()) / popularity.sum()
    popularity[1:] *= (1 - popularity[0]) / popularity[1:].sum()
    merchant = payers + draw.choice(payees, total, p=popularity) + 1
    person = draw.integers(1, payers + 1, total)
    past = np.sort(draw.integers(START - 30 * DAY, START, history))
    return PaymentColumns.of(
        payment_id=draw.integers(1, 2**63, total).astype(np.uint64),
        event_time=np.concatenate((past, START + np.arange(count) * 1_000 // rate)),
        amount_paise=np.exp(draw.normal(10.5, 1.2, total)).astype(np.int64) + 1,
        payer=mixed(spread(payers)),
        payee=mixed(np.where(draw.random(total) < people, person, merchant)),
        device=mixed(spread(devices)),
        place=draw.integers(1 << 16, 2**32, total).astype(np.uint32),
        kind=np.full(total, 0x01010101, dtype=np.uint32),
        mcc=np.full(total, -1, dtype=np.int32),
        device_bound_at=np.full(total, UNKNOWN_TIME),
        sim_changed_at=np.full(total, UNKNOWN_TIME),
        same_bank=np.ones(total, dtype=np.int8),
    )


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Return well-mixed 64-bit identities."""
    return numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(0xD1B54A32D192ED03)


def provenance(columns: PaymentColumns) -> np.ndarray:
    """Return what verdicts would keep of a history in order."""
    rows = np.zeros(len(columns), dtype=PROVENANCE)
    rows["record"] = pack_records(columns, columns.payee)
    for name in ("payer", "payee", "device"):
        rows[name] = getattr(columns, name)
        rows[f"{name}_at"] = np.arange(len(columns))
    return rows


def server_ns(pid: int) -> int:
    """Nanoseconds on a CPU so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


@contextlib.contextmanager
def server(url: str | None) -> Iterator[str]:
    """Start a server of our own, unless there is an address."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as directory:
        own = ValkeyServer(Path(directory))
        own.start()
        try:
            yield own.url
        finally:
            own.stop()


def measured(run: Callable[[], object], count: int, pid: int, kernel: Kernel) -> tuple[float, ...]:
    """Run once; return the costs a payment in microseconds."""
    in_kernel, of_server, client, wall = (
        kernel.nanoseconds,
        server_ns(pid),
        time.thread_time_ns(),
        time.perf_counter_ns(),
    )
    run()
    wall, client = time.perf_counter_ns() - wall, time.thread_time_ns() - client
    costs = client, kernel.nanoseconds - in_kernel, server_ns(pid) - of_server, wall
    return tuple(cost / count / 1e3 for cost in costs)


def textbook_arguments(columns: PaymentColumns) -> list[Any]:
    """Return the arguments of one textbook call: six a payment."""
    table = (columns.event_time, columns.amount_paise, columns.payment_id, columns.payer, columns.payee, columns.device)
    return [value for row in zip(*(column.tolist() for column in table), strict=True) for value in row]


class FunctionStore(RedisEntityStore):
    """Lets the server function decide every micro-batch, as if all were in doubt."""

    def _guards(self, origins: Sequence[Origin]) -> bool:  # noqa: ARG002 - as the other one
        return False


WAYS = {"plain commands": RedisEntityStore, "server function": FunctionStore}


class AtWork:
    """A way on a server of its own, with the history in it."""

    def __init__(self, url: str, way: type[RedisEntityStore], columns: PaymentColumns, history: int) -> None:
        self.url, self.client = url, redis.Redis.from_url(url, socket_timeout=None)
        self.client.flushall()
        self.pid = self.client.info("server")["process_id"]
        self.empty = self.used()
        store = way(url, timeout=60)
        store.load(rebuilt_logs(provenance(columns.take(slice(0, history)))), {PARTITION: history})
        self._features, self._columns, self.at = OnlineFeatures(store), columns, history
        self.costs = {size: Cost() for size in SIZES}

    def used(self) -> int:
        """Return the bytes that the server uses."""
        return int(self.client.info("memory")["used_memory"])

    def run(self, count: int, size: int) -> None:
        """Apply and measure so many payments."""
        for start in range(self.at, self.at + count, size):
            rows = np.arange(start, min(start + size, self.at + count))
            n = len(rows)
            claims = Claims(np.zeros(n, dtype=np.uint16), rows)
            self._features.process(self._columns.take(rows), claims, [Origin(PARTITION, start, start + n, start)])
        self.at += count

    def measure(self, count: int, size: int, kernel: Kernel) -> None:
        """Do that, and note what it cost."""
        self.costs[size].rounds.append(measured(lambda: self.run(count, size), count, self.pid, kernel))


def main() -> None:
    """Print a line per way and size of micro-batch, and what a payment takes in the server's memory."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--history", type=int, default=400_000, help="payments of the month before (default 400000)")
    arguments.add_argument("--payments", type=int, default=4_096, help="payments a round and size (default 4096)")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--rate", type=int, default=2_000, help="payments a second of event time (default 2000)")
    share = f"share of payments to people, who pay too (default {PEOPLE}, the simulator's)"
    arguments.add_argument("--people", type=float, default=PEOPLE, help=share)
    arguments.add_argument("--textbook", type=int, default=512, help="payments a round of the yardstick (default 512)")
    arguments.add_argument("--url", action="append", help="servers to empty and measure, instead of our own")
    given = arguments.parse_args()

    warm = 4 * given.payments
    count = warm + len(SIZES) * given.rounds * given.payments + given.rounds * given.textbook
    columns = payments(given.history, count, given.rate, 1, given.people)
    with contextlib.ExitStack() as servers:
        urls = [servers.enter_context(server(url)) for url in given.url or len(WAYS) * [None]]
        ways = dict(
            zip(
                WAYS,
                (AtWork(*one, columns, given.history) for one in zip(urls, WAYS.values(), strict=True)),
                strict=True,
            )
        )
        kernel = online.vectors = Kernel()  # type: ignore[assignment]
        for size in (*SIZES, *SIZES):
            for way in ways.values():
                way.run(warm // 4, size)
        for _ in range(given.rounds):
            for size in SIZES:
                for way in ways.values():
                    way.measure(given.payments, size, kernel)
        first, client = ways["plain commands"], ways["plain commands"].client
        memory = valkey.memory_of(first.url)
        print(f"{len(FEATURE_NAMES)} features, {first.at} payments; Redis takes its memory from {memory}")
        print(f"{'us a payment':<24} {'batch':>6} {'client':>9}{'kernel':>9}{'server':>9}{'wall':>9}")
        for name, way in ways.items():
            for size in SIZES:
                print(way.costs[size].line(name, size))
        used = (first.used() - first.empty) / first.at

        textbook(client, columns.take(slice(0, first.at)), given.history // 20)
        in_sets = (first.used() - first.empty) / first.at - used
        cost, at = Cost(), first.at
        for _ in range(given.rounds):
            rows = columns.take(slice(at, at + given.textbook))
            call = "FCALL", "textbook_apply", 0, f"[{','.join(map(str, WINDOWS.values()))}]", *textbook_arguments(rows)
            cost.rounds.append(measured(lambda call=call: client.execute_command(*call), len(rows), first.pid, kernel))
            at += given.textbook
        print(cost.line("sorted sets, in Lua", given.textbook))
        print(f"bytes a payment: {used:.0f} in entity logs, {in_sets:.0f} in sorted sets")


def textbook(client: redis.Redis, columns: PaymentColumns, batch: int) -> None:
    """Give the sorted sets the same history."""
    client.function_load(TEXTBOOK, replace=True)
    for start in range(0, len(columns), batch):
        with client.pipeline(transaction=False) as pipeline:
            arguments = textbook_arguments(columns.take(slice(start, start + batch)))
            for at in range(0, len(arguments), 6):
                now, amount, payment_id, payer, payee, device = arguments[at : at + 6]
                for key, other in ((f"zp:{payer}", payee), (f"zm:{payee}", payer), (f"zd:{device}", payer)):
                    pipeline.zadd(key, {f"{amount}:{other}:{payment_id}": now})
            pipeline.execute()


if __name__ == "__main__":
    main()
