-- Reservations that hold something of a day, a month or a total and are not settled: a sorted set of their records by the end of
-- their lease.
-- At that time, the Envoy that made the reservation counts as lost: the script returns the held amounts, and notes that in the record.
-- A later settlement is charged in full.
local RECORD_TTL = 2 * 86400
-- So many at a time: Redis does nothing else meanwhile.
local MOST_LOST = 64

-- What is left of a record: its answer, and what drains or has a lease of its own.
local function without_windows(record)
  local left, windows = { string.match(record, '^[^\n]*') }, {}
  for line in string.gmatch(record, '\n([^\n]+)') do
    local kind, amount, window, key = string.match(line, '^([DMT]) (%d+) (%d+) %d+ (.*)$')
    if kind then
      windows[#windows + 1] = { key = key, kind = kind, window = tonumber(window), amount = tonumber(amount) }
    else
      left[#left + 1] = line
    end
  end
  return table.concat(left, '\n'), windows
end

local function give_back(open)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', integer(now), 'LIMIT', 0, MOST_LOST)) do
    redis.call('ZREM', open, name)
    local record = redis.call('GET', name)
    if record and record ~= TOMBSTONE then
      local left, windows = without_windows(record)
      redis.call('SET', name, left, 'EX', RECORD_TTL)
      for _, held in ipairs(windows) do
        -- A counter that cannot be counted on is not the concern of the request that finds it.
        pcall(count, held.key, held.kind, held.window, -held.amount)
        pcall(hold, held.key, held.window, -held.amount)
      end
    end
  end
end
