-- Adds what one Envoy counted by itself, once, and answers what all have counted together.
-- KEYS: the batch's name, then meters. ARGV: the Envoy's id, then for each meter its gauge, the window, the amount.
-- A minute is kept as two whole minutes' sums, of which the older counts as far as it is within the last 60 seconds: the
-- rate is each Envoy's own business here. Concurrent: ARGV says how many there are at this Envoy now, for ten seconds;
-- answered is how many there are at all the others.
local BATCH_TTL = 86400
local COUNT_FOR = 10 * 1000000
local MINUTE = 60 * 1000000

local new = redis.call('SET', KEYS[1], '', 'NX', 'EX', BATCH_TTL)
local envoy = ARGV[1]

local function minute(key, amount)
  local current = math.floor(now / MINUTE)
  if new and amount ~= 0 then
    redis.call('HINCRBY', key, integer(current), integer(amount))
    redis.call('EXPIRE', key, 180)
  end
  for _, old in ipairs(redis.call('HKEYS', key)) do
    if tonumber(old) < current - 1 then redis.call('HDEL', key, old) end
  end
  local sums = redis.call('HMGET', key, integer(current - 1), integer(current))
  local within = 1 - (now - current * MINUTE) / MINUTE
  return math.ceil(tonumber(sums[1] or 0) * within + tonumber(sums[2] or 0)), now
end

local function concurrent(key, amount)
  if new then
    redis.call('HSET', key, envoy, integer(amount) .. ' ' .. integer(now + COUNT_FOR))
    redis.call('EXPIRE', key, 60)
  end
  local others = 0
  local all = redis.call('HGETALL', key)
  for index = 1, #all, 2 do
    local present, ends = string.match(all[index + 1], '^(-?%d+) (%d+)$')
    if tonumber(ends) <= now then
      redis.call('HDEL', key, all[index])
    elseif all[index] ~= envoy then
      others = others + tonumber(present)
    end
  end
  return others, 0
end

local function add(key, gauge, window, amount)
  if gauge == 'm' then return minute(key, amount) end
  if gauge == 'C' then return concurrent(key, amount) end
  if new and amount ~= 0 then count(key, gauge, window, amount) end
  return tonumber(redis.call('HGET', key, integer(window)) or 0), window
end

local shown = {}
for index = 2, #KEYS do
  local at = (index - 2) * 3 + 2
  local used, window = add(KEYS[index], ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]))
  shown[index - 1] = integer(math.max(0, used)) .. ' ' .. integer(window)
end
return table.concat(shown, ' ')
