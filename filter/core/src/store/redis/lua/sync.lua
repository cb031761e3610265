-- Adds what one Envoy counted by itself, once, and answers what all have counted together.
-- KEYS: where the number of the Envoy's last batch is kept, then counters. ARGV: the Envoy's id, the batch's number, then for
-- each counter its kind, the window, the amount. A number that is not above the last one's adds nothing.
-- Minute: the amount and the answer are in millionths; instead of a window there is how much drains in a minute, 0 when it
-- is as it was. Concurrent: ARGV says how many there are at this Envoy now, for ten seconds; answered is how many there are
-- at all the others.
local LAST_TTL = 7 * 86400
local COUNT_FOR = 10 * 1000000

local envoy, number = ARGV[1], tonumber(ARGV[2])
local last = tonumber(redis.call('GET', KEYS[1]) or 0)
local new = number > last
if new then redis.call('SET', KEYS[1], integer(number), 'EX', LAST_TTL) end

local function minute(key, rate, amount)
  local level, drain = level_of(key, rate > 0 and rate or nil)
  if new and amount ~= 0 then
    level = math.max(0, level + amount)
    fill(key, level, drain)
  end
  return level, now
end

local function concurrent(key, amount)
  if new then
    redis.call('HSET', key, envoy, integer(amount) .. ' ' .. integer(now + COUNT_FOR))
    redis.call('EXPIRE', key, 60)
  end
  return present(key, envoy), 0
end

local function add(key, kind, window, amount)
  if kind == 'm' then return minute(key, window, amount) end
  if kind == 'C' then return concurrent(key, amount) end
  if new and amount ~= 0 then count(key, kind, window, amount) end
  return tonumber(redis.call('HGET', key, integer(window)) or 0), window
end

local shown = {}
for index = 2, #KEYS do
  local at = (index - 2) * 3 + 3
  local used, window = add(KEYS[index], ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]))
  shown[index - 1] = integer(math.max(0, used)) .. ' ' .. integer(window)
end
return table.concat(shown, ' ')
