"""Windows in the online store: entity logs and a kernel, sorted sets, or bucket hashes."""

from __future__ import annotations

import contextlib
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import redis

from bench import online_features as bench
from bench.ablations.ablation import Ablation, Way
from features.online import OnlineFeatures
from features.rebuild import rebuilt_logs
from features.schema import FEATURE_NAMES
from features.store.contract import Origin
from features.store.messages import Claims
from features.store.redis_store import RedisEntityStore
from features.windows import WINDOWS

if TYPE_CHECKING:
    from features.columns import PaymentColumns


BUCKETS = """#!lua name=buckets
local HOUR, DAY = 3600000, 86400000
-- Name, length, how many buckets are kept, expiry, and how many buckets each window of this size is read from.
local SIZES = {
  { 'm', 60000, 60, 2 * HOUR, { 1, 5, 60 } },
  { 'h', HOUR, 168, 8 * DAY, { 24, 168 } },
  { 'd', DAY, 30, 31 * DAY, { 30 } },
}

local function add(now, id, amount, other, distinct)
  for s = 1, 3 do
    local size, key = SIZES[s], SIZES[s][1] .. id
    local bucket = math.floor(now / size[2])
    redis.call('HINCRBY', key, bucket, 1)
    redis.call('PEXPIRE', key, size[4])
    if amount then
      redis.call('HINCRBY', '+' .. key, bucket, amount)
      redis.call('PEXPIRE', '+' .. key, size[4])
    end
    if distinct then
      local seen = key .. ':' .. bucket
      if redis.call('PFADD', seen, other) == 1 then redis.call('PEXPIRE', seen, size[4]) end
    end
  end
end

-- Adds up to the windows of one size; ascending, so each bucket goes to the smallest that holds it.
local function sums(now, key, size, seen)
  local found, windows, totals, old = redis.call('HGETALL', key), size[5], {}, {}
  for w = 1, #windows do totals[w] = 0 end
  local latest = math.floor(now / size[2])
  for at = 1, #found, 2 do
    local age = latest - tonumber(found[at])
    if age >= size[3] then
      old[#old + 1] = found[at]
    elseif age >= 0 then
      local w = 1
      while age >= windows[w] do w = w + 1 end
      totals[w] = totals[w] + tonumber(found[at + 1])
      if seen then
        for wider = w, #windows do seen[wider][#seen[wider] + 1] = key .. ':' .. found[at] end
      end
    end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  for w = 2, #windows do totals[w] = totals[w] + totals[w - 1] end
  return totals
end

local function read(now, id, amount, distinct, reply)
  for s = 1, 3 do
    local size, seen = SIZES[s], nil
    if distinct then seen = { {}, {}, {} } end
    local count = sums(now, size[1] .. id, size, seen)
    local sum = amount and sums(now, '+' .. size[1] .. id, size)
    for w = 1, #count do
      reply[#reply + 1] = count[w]
      if sum then reply[#reply + 1] = sum[w] end
      if seen then reply[#reply + 1] = redis.call('PFCOUNT', unpack(seen[w])) end
    end
  end
end

local function apply(_, args)
  local distinct, reading, reply = args[1] == '1', args[2] == '1', {}
  local kinds = distinct and { 'P:', 'M:', 'D:' } or { 'p:', 'm:', 'd:' }
  for at = 3, #args, 6 do
    local now, amount = tonumber(args[at]), args[at + 1]
    local others = { args[at + 4], args[at + 3], args[at + 3] }
    for entity = 1, 3 do
      local id = kinds[entity] .. args[at + 2 + entity]
      add(now, id, entity == 1 and amount, others[entity], distinct)
      if reading then read(now, id, entity == 1, distinct, reply) end
    end
  end
  return reply
end
redis.register_function('buckets_apply', apply)
"""


BATCH = 512
WARM = 24
"""Micro-batches of the history that are applied to the logs, not loaded."""


class Logs:
    """Entity logs, measured by the kernel."""

    def __init__(self, url: str, columns: PaymentColumns) -> None:
        self._store, self._columns = RedisEntityStore(url, timeout=60), columns
        self._features = OnlineFeatures(self._store)

    def fill(self, history: int) -> None:
        """Load most of the history as a rebuild would, apply the rest, so that replicas are as in a worker at work."""
        loaded = history - min(WARM * BATCH, history)
        past = self._columns.take(slice(0, loaded))
        self._store.load(rebuilt_logs(bench.provenance(past)), {bench.PARTITION: loaded})
        for at in range(loaded, history, BATCH):
            self.apply(at, min(at + BATCH, history))

    def apply(self, start: int, end: int) -> None:
        """Add payments and measure them."""
        n = end - start
        claims = Claims(np.zeros(n, dtype=np.uint16), np.arange(start, end))
        origin = Origin(bench.PARTITION, start, end, start)
        self._features.process(self._columns.take(slice(start, end)), claims, [origin])


class Sets:
    """Sorted sets, one call a micro-batch."""

    def __init__(self, url: str, columns: PaymentColumns) -> None:
        self._client, self._columns = redis.Redis.from_url(url, socket_timeout=None), columns
        self._windows = f"[{','.join(map(str, WINDOWS.values()))}]"

    def fill(self, history: int) -> None:
        """Put the history there."""
        bench.textbook(self._client, self._columns.take(slice(0, history)), BATCH)

    def apply(self, start: int, end: int) -> None:
        """Add payments and read their windows."""
        payments = bench.textbook_arguments(self._columns.take(slice(start, end)))
        self._client.execute_command("FCALL", "textbook_apply", 0, self._windows, *payments)


class Buckets:
    """Bucket hashes, one call a micro-batch."""

    distinct = "0"

    def __init__(self, url: str, columns: PaymentColumns) -> None:
        self._client, self._columns = redis.Redis.from_url(url, socket_timeout=None), columns
        self._client.function_load(BUCKETS, replace=True)

    def fill(self, history: int) -> None:
        """Put the history there, without reading."""
        for at in range(0, history, BATCH):
            self._call("0", at, min(at + BATCH, history))

    def apply(self, start: int, end: int) -> None:
        """Add payments and read their windows."""
        self._call("1", start, end)

    def _call(self, reading: str, start: int, end: int) -> None:
        payments = bench.textbook_arguments(self._columns.take(slice(start, end)))
        self._client.execute_command("FCALL", "buckets_apply", 0, self.distinct, reading, *payments)


class Sketches(Buckets):
    """Bucket hashes with a HyperLogLog a bucket."""

    distinct = "1"


WAYS: dict[str, type[Logs | Sets | Buckets]] = {
    f"entity logs, windows by the kernel ({len(FEATURE_NAMES)} features)": Logs,
    "sorted sets, windows summed in a server function": Sets,
    "bucket hashes: counts and sums only, approximate": Buckets,
    "bucket hashes and HyperLogLogs, approximate": Sketches,
}


def measure(*, rounds: int, history: int) -> Ablation:
    """Add payments to the same history and read their windows back; CPU of client and server, taking turns.

    Each way has a server of its own. Bytes are what the history takes, a payment.
    """
    columns = bench.payments(history, (1 + rounds) * BATCH, 2_000, 1)
    kernel, found = bench.Kernel(), []
    with contextlib.ExitStack() as servers:
        at_work = {name: _Measured(servers, way, columns, history) for name, way in WAYS.items()}
        for number in range(1 + rounds):  # the first is for whatever is not warm yet
            start = history + number * BATCH
            for one in at_work.values():
                one.measure(start, start + BATCH, kernel)
    for name, one in at_work.items():
        client, _, server, wall = (median(column) for column in zip(*one.costs[1:], strict=True))
        more = {"client": client, "server": server, "wall": wall, "bytes": one.bytes}
        found.append(
            Way(name, client + server, f"{client:.1f} client + {server:.1f} server; {one.bytes:,.0f} bytes", more)
        )
    return Ablation(f"windows in Redis, micro-batches of {BATCH}", found)


class _Measured:
    """A way on a server of its own, with the history in it."""

    def __init__(self, servers: contextlib.ExitStack, way: type[Any], columns: PaymentColumns, history: int) -> None:
        url = servers.enter_context(bench.server(None))
        client = servers.enter_context(redis.Redis.from_url(url, socket_timeout=None))
        client.config_set("auto-aof-rewrite-percentage", 0)  # its fork would cost whoever's turn it is
        self._pid = client.info("server")["process_id"]
        self._way = way(url, columns)
        before = client.info("memory")["used_memory"]
        self._way.fill(history)
        self.bytes = (client.info("memory")["used_memory"] - before) / history
        self.costs: list[tuple[float, ...]] = []

    def measure(self, start: int, end: int, kernel: bench.Kernel) -> None:
        """Apply some payments and note what it cost."""
        self.costs.append(bench.measured(lambda: self._way.apply(start, end), end - start, self._pid, kernel))
