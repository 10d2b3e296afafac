"""Bucket hashes: counters by minute, hour and day, which is how windows are often kept in Redis. Approximate.

A window is the sum of the buckets that it touches, so its far edge moves in steps of a bucket: of a minute for windows
up to an hour, of an hour up to 7 days, of a day for 30. A maximum or a standard deviation cannot be had from counters
that are only added to. Distinct counterparties need a HyperLogLog a bucket, so there are two forms: without and with
them. One hash an entity and bucket size, one server function, one call a micro-batch, as for the other ways; buckets
that have left every window are dropped as they are met. A payment that is delivered again counts twice.
"""

from __future__ import annotations

LIBRARY = """#!lua name=buckets
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
