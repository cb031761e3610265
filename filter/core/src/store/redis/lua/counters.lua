-- What every script begins with: the time, which is Redis' own, and how counters are kept.
--
-- D(ay), M(onth), T(otal): a hash, the window's number to what is used in it, and the number behind an `h` to how much of that is
--   reserved and not settled.
-- m(inute): a leaky bucket, the same thing as the generic cell rate algorithm: a hash of its level in millionths (l), the
--   moment of it in microseconds (t) and how much drains in a minute (r). All of it integers below 2^53.
-- C(oncurrent): a sorted set of requests by the end of their lease.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- What stands in place of a reservation's record when it is settled.
local TOMBSTONE = 'S'
local DAY = 86400000000
local KEPT = { D = 40, M = 13 }
local TTL = { D = 40 * 86400, M = 400 * 86400 }

local function integer(number)
  return string.format('%.0f', number)
end

-- The month since January 1970 of a day since 1970, and the day on which a month begins (proleptic Gregorian calendar).
local function month_of(day)
  local z = day + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local shifted = math.floor((5 * doy + 2) / 153)
  return (yoe + era * 400 - 1970) * 12 + shifted + 2
end

local function first_day(month)
  local shifted = month - 2
  local year = 1970 + math.floor(shifted / 12)
  local m = shifted - math.floor(shifted / 12) * 12
  local era = math.floor(year / 400)
  local yoe = year - era * 400
  local doy = math.floor((153 * m + 2) / 5)
  return era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
end

local today = math.floor(now / DAY)

-- The window that a kind counts in now, and microseconds to its end.
local function window_of(kind)
  if kind == 'D' then return today, (today + 1) * DAY - now end
  if kind == 'M' then
    local month = month_of(today)
    return month, first_day(month + 1) * DAY - now
  end
  return 0, 0
end

-- Adds to a calendar window or a total; a new window makes the old ones go.
local function count(key, kind, window, amount)
  local used = redis.call('HINCRBY', key, integer(window), integer(amount))
  if TTL[kind] and used == amount then
    for _, old in ipairs(redis.call('HKEYS', key)) do
      if tonumber(string.match(old, '%d+')) < window - KEPT[kind] then redis.call('HDEL', key, old) end
    end
    redis.call('EXPIRE', key, TTL[kind])
  end
  return used
end

-- Notes that so much more, or less, of a window is reserved: how much is now.
local function hold(key, window, amount)
  local field = 'h' .. integer(window)
  local held = redis.call('HINCRBY', key, field, integer(amount))
  -- What was reserved before this was noted is given back all the same.
  if held <= 0 then redis.call('HDEL', key, field) end
  return math.max(0, held)
end

-- A bucket's level now, and what drains in a minute: as given, or as it was last.
local function level_of(key, rate)
  local bucket = redis.call('HMGET', key, 'l', 't', 'r')
  rate = rate or tonumber(bucket[3] or 0)
  local level = tonumber(bucket[1] or 0)
  local elapsed = now - tonumber(bucket[2] or now)
  if elapsed < 0 then
    -- The clock was set back: from now on it drains as before.
    redis.call('HSET', key, 't', integer(now))
    elapsed = 0
  end
  return math.max(0, level - math.floor(elapsed * rate / 60)), rate
end

local function fill(key, level, rate)
  redis.call('HSET', key, 'l', integer(level), 't', integer(now), 'r', integer(rate))
  local seconds = rate > 0 and math.ceil(level / rate * 60 / 1000000) or 0
  redis.call('EXPIRE', key, 60 + math.min(seconds, 86400))
end

-- Microseconds until so many millionths have drained.
local function drained(millionths, rate)
  return rate > 0 and math.ceil(millionths * 60 / rate) or 0
end

-- The requests in flight of all Envoys in relaxed mode but one: a hash of their number and its end, by Envoy.
local function present(key, except)
  local sum, all = 0, redis.call('HGETALL', key)
  for index = 1, #all, 2 do
    local here, ends = string.match(all[index + 1], '^(-?%d+) (%d+)$')
    if tonumber(ends) <= now then
      redis.call('HDEL', key, all[index])
    elseif all[index] ~= except then
      sum = sum + tonumber(here)
    end
  end
  return sum
end

-- What a counter shows: used, window, microseconds to its end.
local function reading(key, kind, rate)
  if kind == 's' then
    return present(key), 0, 0
  elseif kind == 'C' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', integer(now))
    return redis.call('ZCARD', key), 0, 0
  elseif kind == 'm' then
    local level, drain = level_of(key, rate)
    return level / 1000000, now, drained(level, drain)
  end
  local window, left = window_of(kind)
  return math.max(0, tonumber(redis.call('HGET', key, integer(window)) or 0)), window, left
end

