-- Puts the source offsets back into one hash, as releases before 2026-12 read them. Stop all workers and APIs first:
--     redis-cli -u "$UPIFRAUD_REDIS_URL" --scan --pattern 'upifraud:*:offsets'
--     redis-cli -u "$UPIFRAUD_REDIS_URL" --eval deploy/redis/offsets_in_a_hash.lua upifraud:TAG:offsets
-- The first line tells what TAG is. Logs are the same in both forms. A worker of this release moves the offsets again.

local offsets = KEYS[1]
if redis.call('TYPE', offsets).ok ~= 'set' then
  return redis.error_reply('expected a set at ' .. offsets .. ': there is nothing to put back')
end
local held, topics = {}, {}
for _, name in ipairs(redis.call('SMEMBERS', offsets)) do
  local topic = string.match(name, '^(.*):[^:]*$')
  if topic then
    held[#held + 1], topics[topic] = name, true
  end
end
for topic in pairs(topics) do held[#held + 1] = topic .. ':id' end
redis.call('DEL', offsets)
for _, name in ipairs(held) do
  local value = redis.call('GET', offsets .. ':' .. name)
  if value then
    redis.call('HSET', offsets, name, value)
    redis.call('DEL', offsets .. ':' .. name)
  end
end
return #held
