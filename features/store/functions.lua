#!lua name=@LIBRARY@
-- Entity logs: docs/specs/online_store.md. Everything here is one atomic step; arithmetic on payments never runs here.

local OFFSETS = '@OFFSETS@'  -- the names of partitions; each has a key of its own behind it
local BY_PARTITION = '@BY_PARTITION@'
local EXPIRY = '@EXPIRY@'
local NOBODY = '\0\0\0\0\0\0\0\0'
local RECORD = 32
local NOTHING = NOBODY .. NOBODY .. NOBODY .. NOBODY  -- a record that is not there
local SAME = 24        -- of a record: what is the same wherever and however often the payment is delivered
local ID = 16          -- where the id of the payment stands in it
local PAID_OUT = 24    -- where a record of others' logs says how many records the payee's own log as a payer had
local SAYS_SO = 2147483648  -- the bit of the kind of payment, behind that, which says that it does
local MOST_READ = 1048576
local PREFIX = 16      -- magic, header length, records folded away
local REPORT_TAIL = @REPORT_TAIL@
local TOGETHER = 32    -- keys of one command
local FEW = 8          -- keys that are looked at one by one if one of them is there
local UNKNOWN = 4294967295  -- a length that no log has: the worker expects nothing, or nothing was kept
local KEY = { @KEYS@ }     -- what keys begin with, by kind
local REPORTS = { @REPORTS@ }
local KINDS = { @KINDS@ }  -- the same of the payer, the payee, and others that a payment may have
-- An entry: the identities of all kinds, the payer's record, that of the others, origin, offset.
local SENT = 8 * #KINDS
local GOT = SENT + RECORD
local ORIGIN = GOT + RECORD
local ENTRY = ORIGIN + 10
local ENDS = '@ENDS@'    -- four bytes for each kind, for what was received, and for what was paid out

-- Length of a log's header and the records folded away; a log whose length is 16 beyond a multiple of 32 has one.
local function header(key, length)
  if length % RECORD ~= PREFIX then return 0, 0 end
  local _, size, low, high = struct.unpack('<I4I4I4I4', redis.call('GETRANGE', key, 0, PREFIX - 1))
  return size, high * 4294967296 + low
end

-- How many records were ever appended to a log of this length.
local function records(key, length)
  local size, base = header(key, length)
  return base + (length - size) / RECORD
end

-- Finds records by their first 24 bytes (time, amount, counterparty, id), which are the keys of `wanted`; the value of one
-- that is there becomes the byte just after it. One pass a log, however many are wanted of it: two bytes of the id say of
-- most records that they are not. What is delivered again is mostly recent, so the pass begins at the end of the log, and
-- ends when all are found.
local function locate(key, wanted, left)
  local stop, step, sub, byte = redis.call('STRLEN', key), 128 * RECORD, string.sub, string.byte
  local maybe = {}
  for prefix in pairs(wanted) do
    local low, high = byte(prefix, ID + 1, ID + 2)
    maybe[low + 256 * high] = true
  end
  local start = header(key, stop)
  while left > 0 and stop > start do
    local first = math.max(start, stop - step)
    local part = redis.call('GETRANGE', key, first, stop - 1)
    for at = #part - RECORD + 1, 1, -RECORD do
      local low, high = byte(part, at + ID, at + ID + 1)
      if maybe[low + 256 * high] then
        local prefix = sub(part, at, at + SAME - 1)
        if wanted[prefix] == 0 then
          wanted[prefix] = first + at - 1 + RECORD
          left = left - 1
        end
      end
    end
    stop, step = first, math.min(4 * step, MOST_READ)
  end
end

-- Fills in the keys of an entry's logs, by kind; false where it has none.
local function keys_of(entries, at, keys)
  local sub = string.sub
  for n = 1, #KINDS do
    local identity = sub(entries, at + 8 * n - 8, at + 8 * n - 1)
    keys[n] = identity ~= NOBODY and KINDS[n] .. identity
  end
  return keys
end

-- Locates the payments below their partition's next offset. Returns, by entry, where they are in their logs (by kind; 0:
-- nowhere among the records that are kept), and nothing for payments that are new.
local function locate_old(entries, applied)
  local sub, wanted, count, old = string.sub, {}, {}, {}
  local function want(key, prefix)
    wanted[key], count[key] = wanted[key] or {}, (count[key] or 0) + 1
    wanted[key][prefix] = 0
  end
  for at = 1, #entries, ENTRY do
    local origin, low, high = struct.unpack('<I2I4I4', entries, at + ORIGIN)
    if high * 4294967296 + low < applied[origin + 1] then
      local keys = keys_of(entries, at, {})
      local sent, got = sub(entries, at + SENT, at + SENT + SAME - 1), sub(entries, at + GOT, at + GOT + SAME - 1)
      old[at] = { keys = keys, sent = sent, got = got }
      for n = 1, #KINDS do
        if keys[n] then want(keys[n], n == 1 and sent or got) end
      end
    end
  end
  for key, prefixes in pairs(wanted) do locate(key, prefixes, count[key]) end
  for at, one in pairs(old) do
    local ends = {}
    for n = 1, #KINDS do
      local key = one.keys[n]
      ends[n] = key and wanted[key][n == 1 and one.sent or one.got] or 0
      -- Plain commands give a new log its expiry with the next micro-batch, and their worker may have died before that.
      if ends[n] == RECORD then redis.call('PEXPIRE', key, EXPIRY) end
    end
    old[at] = ends
  end
  return old
end

local function append(key, record)
  local length = redis.call('APPEND', key, record)
  if length == RECORD then redis.call('PEXPIRE', key, EXPIRY) end
  return length
end

-- Where the last record known lies, in bytes, and whether the log has a header. 0 where that record was folded away, or
-- was never there: the log is read whole then.
local function last_known(key, known, length)
  local size, base = header(key, length)
  if known - 1 < base or size + (known - base) * RECORD > length then return 0, false end
  return size + (known - 1 - base) * RECORD, size > 0
end

-- Reads a log from a byte on; the header's first 16 bytes precede that, if it has one.
local function read_on(key, start, folded)
  local tail = redis.call('GETRANGE', key, start, -1)
  if folded then tail = redis.call('GETRANGE', key, 0, PREFIX - 1) .. tail end
  return tail
end

-- A log that cannot be read (-1) is degraded, not fatal: outcome risk stands beside the windows.
local function read_reports(key)
  local tail = redis.pcall('GETRANGE', key, -REPORT_TAIL, -1)
  if type(tail) ~= 'string' then return -1, '' end
  if #tail < REPORT_TAIL then return #tail, tail end
  return redis.call('STRLEN', key), tail
end

-- Fills in the lengths of logs that the worker takes to be not there (9 bytes each: kind, identity); returns their keys.
-- A call of a command costs more than what the command does, and nearly all of them are not there: payees that never
-- pay. So whether any of several is there is one question.
local function look_for(absent, lengths)
  local keys, sub, call, count = {}, string.sub, redis.call, 0
  for at = 1, #absent, 9 do
    count = count + 1
    keys[count] = KEY[sub(absent, at, at)] .. sub(absent, at + 1, at + 8)
  end
  for first = 1, count, FEW do
    local last = math.min(first + FEW - 1, count)
    local there = call('EXISTS', unpack(keys, first, last)) > 0
    for n = first, last do lengths[keys[n]] = there and call('STRLEN', keys[n]) or 0 end
  end
  return keys
end

-- Tells, behind what the reply has, of every log asked for that is not as the worker expects it (17 bytes each), and of
-- those that are there although it takes them to be not (keys): which one it is, its length and its bytes. Logs to be read
-- whole are read together, and few entities have outcome reports: whether any of several has is one question.
-- most: bytes of entity logs that may be told of; of one that does not fit only the length is told. None: all is told of.
local function read_all(reads, absent, lengths, reply, most)
  local sub, unpack_numbers = string.sub, struct.unpack
  local whole, whole_at, reports, reports_at, out, which = {}, {}, {}, {}, #reply, 0
  local function tell(read, length, bytes)
    reply[out + 1], reply[out + 2], reply[out + 3] = read, length, bytes
    out = out + 3
  end
  local function read(key, known, length)
    local start, folded = 0, false
    if known > 0 then start, folded = last_known(key, known, length) end
    if most and length - start > most then
      tell(which, length, '')
    else
      if most then most = most - (length - start) end
      if known == 0 then
        whole[#whole + 1], whole_at[#whole_at + 1] = key, which
      else
        tell(which, length, read_on(key, start, folded))
      end
    end
  end
  for at = 1, #reads, 17 do
    local kind = sub(reads, at, at)
    local key = KEY[kind] .. sub(reads, at + 1, at + 8)
    if REPORTS[kind] then
      reports[#reports + 1], reports_at[#reports_at + 1] = key, which
    else
      local known, expected = unpack_numbers('<I4I4', reads, at + 9)
      local length = lengths[key]
      if not length and (most or expected ~= UNKNOWN or known > 0) then length = redis.call('STRLEN', key) end
      if length ~= expected or length % RECORD ~= 0 then read(key, known, length) end
    end
    which = which + 1
  end
  for n = 1, #absent do
    if lengths[absent[n]] > 0 then read(absent[n], 0, lengths[absent[n]]) end
    which = which + 1
  end
  for first = 1, #whole, TOGETHER do
    local logs = redis.call('MGET', unpack(whole, first, math.min(first + TOGETHER - 1, #whole)))
    local missing = {}
    for n = 1, #logs do
      local log = logs[n]
      tell(whole_at[first + n - 1], log and #log or 0, log or '')
      if not log then missing[#missing + 1] = whole[first + n - 1] end
    end
    -- MGET passes over what is no string, and nobody may take that for an empty log.
    if #missing > 0 and redis.call('EXISTS', unpack(missing)) > 0 then
      for n = 1, #missing do redis.call('STRLEN', missing[n]) end
    end
  end
  for first = 1, #reports, TOGETHER do
    local last = math.min(first + TOGETHER - 1, #reports)
    if redis.call('EXISTS', unpack(reports, first, last)) > 0 then
      for n = first, last do
        local length, bytes = read_reports(reports[n])
        if length ~= 0 then tell(reports_at[n], length, bytes) end
      end
    end
  end
end

-- Releases before 2026-12 kept offsets and topic ids in one hash: moves them to keys of their own. The set that takes its
-- place makes the server refuse whatever workers of such a release still do.
local function by_partition()
  local kind = redis.call('TYPE', OFFSETS).ok
  if kind == 'set' then return end
  local held = kind == 'hash' and redis.call('HGETALL', OFFSETS) or {}
  redis.call('DEL', OFFSETS)
  redis.call('SADD', OFFSETS, BY_PARTITION)
  for at = 1, #held, 2 do
    redis.call('SET', OFFSETS .. ':' .. held[at], held[at + 1])
    if string.sub(held[at], -3) ~= ':id' then redis.call('SADD', OFFSETS, held[at]) end
  end
end

-- Where the source offsets stand: four arguments an origin from `first` on (partition, first offset, next offset,
-- expected). Returns them, whether any payment may have been applied before, and an error if the store was rolled back.
local function standing(args, first)
  local applied, again = {}, false
  by_partition()
  for at = first, #args, 4 do
    local stands = tonumber(redis.call('GET', OFFSETS .. ':' .. args[at]) or '0')
    if stands < tonumber(args[at + 3]) then
      local message = 'ROLLEDBACK %s: applied up to %d, expected %s'
      return nil, false, redis.error_reply(string.format(message, args[at], stands, args[at + 3]))
    end
    applied[#applied + 1] = stands
    if stands > tonumber(args[at + 1]) then again = true end
  end
  return applied, again
end

-- Moves the source offsets, after what they stand for.
local function advance(args, first, applied)
  for at = first, #args, 4 do
    local stands = applied[(at - first) / 4 + 1]
    if tonumber(args[at + 2]) > stands then
      redis.call('SET', OFFSETS .. ':' .. args[at], args[at + 2])
      if stands == 0 then redis.call('SADD', OFFSETS, args[at]) end
    end
  end
end

-- args: a topic that is taken for another than before, or nothing; its id, or nothing; partitions and next offsets in turn
-- The offsets of the topic's partitions give way to these, and its id to this. Other offsets are set, wherever they stood.
local function stand(_, args)
  by_partition()
  local topic, id = args[1], args[2]
  if topic ~= '' then
    redis.call('DEL', OFFSETS .. ':' .. topic .. ':id')
    for _, name in ipairs(redis.call('SMEMBERS', OFFSETS)) do
      if string.match(name, '^(.*):[^:]*$') == topic then
        redis.call('SREM', OFFSETS, name)
        redis.call('DEL', OFFSETS .. ':' .. name)
      end
    end
  end
  if id ~= '' then redis.call('SET', OFFSETS .. ':' .. topic .. ':id', id) end
  for at = 3, #args, 2 do
    redis.call('SET', OFFSETS .. ':' .. args[at], args[at + 1])
    redis.call('SADD', OFFSETS, args[at])
  end
  return redis.status_reply('OK')
end

-- All source offsets, a line each name and each value, whichever form they are in; writes nothing.
local function all_offsets()
  local lines = {}
  local function tell(name, value)
    if value and string.find(name, ':', 1, true) and string.sub(name, -3) ~= ':id' then
      lines[#lines + 1], lines[#lines + 2] = name, value
    end
  end
  if redis.call('TYPE', OFFSETS).ok == 'hash' then
    local held = redis.call('HGETALL', OFFSETS)
    for at = 1, #held, 2 do tell(held[at], held[at + 1]) end
  else
    for _, name in ipairs(redis.call('SMEMBERS', OFFSETS)) do tell(name, redis.call('GET', OFFSETS .. ':' .. name)) end
  end
  return table.concat(lines, '\n')
end

-- args: entries (each: the identities of all kinds; the payer's record, that of the others; origin, offset),
--       reads (17 bytes each: kind, identity, records known, length expected), logs that should not be there and keys to
--       refresh (9 bytes each: kind, identity), then the origins
-- reply: in one string, for each payment the byte length of its log of each kind after it, and the records that the
--        payer's own inbound log and the payee's own outbound log had at that moment; then for each read that is not as
--        expected which it is, its total length and its bytes
local function apply(_, args)
  local entries, reads, refresh = args[1], args[2], args[4]
  local positions, count, lengths = {}, 0, {}
  local sub, pack = string.sub, struct.pack
  local applied, again, rolled_back = standing(args, 5)
  if rolled_back then return rolled_back end

  local absent, old = look_for(args[3], lengths), again and locate_old(entries, applied) or {}
  local keys, new, kinds = {}, {}, #KINDS  -- the same tables for every entry: making new ones is what costs
  local payers, payees = KINDS[1], KINDS[2]
  for at = 1, #entries, ENTRY do
    keys_of(entries, at, keys)
    local ends, received, paid_out = old[at] or new, nil, nil
    local payer, inbound, outbound = keys[1], payees .. sub(entries, at, at + 7), payers .. sub(entries, at + 8, at + 15)
    if ends ~= new then
      if ends[1] > 0 then
        received = struct.unpack('<I4', redis.call('GETRANGE', payer, ends[1] - 4, ends[1] - 1))
      else
        received = records(inbound, redis.call('STRLEN', inbound))
      end
      if ends[2] > 0 then
        local says
        paid_out, says = struct.unpack('<I4I4', redis.call('GETRANGE', keys[2], ends[2] - 8, ends[2] - 1))
        if says < SAYS_SO then paid_out = UNKNOWN end
      else
        paid_out = records(outbound, redis.call('STRLEN', outbound))
      end
    else
      local record = sub(entries, at + GOT, at + GOT + RECORD - 1)
      paid_out = lengths[outbound]
      if not paid_out then
        paid_out = redis.call('STRLEN', outbound)
        lengths[outbound] = paid_out
      end
      if paid_out > 0 then  -- of nearly all it is not, and the record says so already
        paid_out = records(outbound, paid_out)
        record = sub(record, 1, PAID_OUT) .. pack('<I4', paid_out) .. sub(record, PAID_OUT + 5)
      end
      for n = 2, kinds do
        local key, length = keys[n], 0
        if key then
          length = append(key, record)
          lengths[key] = length
        end
        ends[n] = length
      end
      local length = lengths[inbound]
      if not length then
        length = redis.call('STRLEN', inbound)
        lengths[inbound] = length
      end
      received = records(inbound, length)
      ends[1] = append(payer, sub(entries, at + SENT, at + GOT - 5) .. pack('<I4', received))
      lengths[payer] = ends[1]
    end
    ends[kinds + 1], ends[kinds + 2] = received, paid_out
    count = count + 1
    positions[count] = pack(ENDS, unpack(ends, 1, kinds + 2))
  end
  advance(args, 5, applied)

  local reply = { table.concat(positions) }
  read_all(reads, absent, lengths, reply)

  for at = 1, #refresh, 9 do
    redis.call('PEXPIRE', KEY[sub(refresh, at, at)] .. sub(refresh, at + 1, at + 8), EXPIRY)
  end
  return reply
end

-- args: numbers to be put right in records that plain commands appended (42 bytes each: kind, identity, the byte just behind
--       the record, its first 24 bytes, where in it the number stands, the number)
-- The log may have been folded since; then the record is looked for.
local function correct(_, args)
  local fixes, sub = args[1], string.sub
  for at = 1, #fixes, 42 do
    local key, same = KEY[sub(fixes, at, at)] .. sub(fixes, at + 1, at + 8), sub(fixes, at + 13, at + 36)
    local stop = struct.unpack('<I4', sub(fixes, at + 9, at + 12))
    if redis.call('GETRANGE', key, stop - RECORD, stop - RECORD + SAME - 1) ~= same then
      local wanted = { [same] = 0 }
      locate(key, wanted, 1)
      stop = wanted[same]
    end
    if stop > 0 then
      redis.call('SETRANGE', key, stop - RECORD + string.byte(fixes, at + 37), sub(fixes, at + 38, at + 41))
    end
  end
  return redis.status_reply('OK')
end

-- args: single records (13 bytes each: kind, identity, position), reads and logs that should not be there as above, bytes
--       of logs that may be told of
-- reply: the records, zeros for one that is not there or was folded away; the source offsets, fields and values in turn, a
--        line each; then of reads as above
-- Appends nothing and moves nothing: a server that is read-only may do it.
local function peek(_, args)
  local wanted, found, sub = args[1], {}, string.sub
  for at = 1, #wanted, 13 do
    local key = KEY[sub(wanted, at, at)] .. sub(wanted, at + 1, at + 8)
    local size, base = header(key, redis.call('STRLEN', key))
    local start = size + (struct.unpack('<I4', sub(wanted, at + 9, at + 12)) - base) * RECORD
    local record = start >= size and redis.call('GETRANGE', key, start, start + RECORD - 1) or ''
    found[#found + 1] = #record == RECORD and record or NOTHING
  end
  local reply = { table.concat(found), all_offsets() }
  local lengths = {}
  read_all(args[2], look_for(args[3], lengths), lengths, reply, tonumber(args[4]))
  return reply
end

-- args: kind and identity, records folded away so far, new header (its length included), records to keep from
-- Swaps the header in and cuts the folded records off; 0 if another worker folded first.
local function fold(_, args)
  local key = KEY[string.sub(args[1], 1, 1)] .. string.sub(args[1], 2, 9)
  local length = redis.call('STRLEN', key)
  local size, base = header(key, length)
  local expected, keep = tonumber(args[2]), tonumber(args[4])
  if base ~= expected or size + (keep - base) * RECORD > length then return 0 end
  local rest = redis.call('GETRANGE', key, size + (keep - base) * RECORD, -1)
  redis.call('SET', key, args[3] .. rest, 'KEEPTTL')
  return 1
end

-- args: reports (25 bytes each: kind, identity, report), then the origins
-- Set by content; replies the number of reports that were new.
local function report(_, args)
  local reports, added, sub = args[1], 0, string.sub
  local applied, _, rolled_back = standing(args, 2)
  if rolled_back then return rolled_back end
  for at = 1, #reports, 25 do
    local key = KEY[sub(reports, at, at)] .. sub(reports, at + 1, at + 8)
    local record = sub(reports, at + 9, at + 24)
    local log, found, from = redis.call('GET', key) or '', false, 1
    while not found do
      local start = string.find(log, record, from, true)
      if not start then break end
      found = (start - 1) % 16 == 0
      from = start + 1
    end
    if not found then
      redis.call('APPEND', key, record)
      redis.call('PEXPIRE', key, EXPIRY)
      added = added + 1
    end
  end
  advance(args, 2, applied)
  return added
end

redis.register_function('@LIBRARY@_apply', apply)
redis.register_function{ function_name = '@LIBRARY@_correct', callback = correct, flags = { 'allow-oom' } }
redis.register_function('@LIBRARY@_fold', fold)
redis.register_function('@LIBRARY@_report', report)
redis.register_function('@LIBRARY@_stand', stand)
redis.register_function{ function_name = '@LIBRARY@_peek', callback = peek, flags = { 'no-writes' } }
