-- Reserves the first alternative whose hard limits all hold.
-- KEYS: the order's record, the open orders, then meters. ARGV: the order's id, its lease in microseconds, how many alternatives; for each
-- how many takes; for each the meter's index in KEYS, its gauge, the amount, the limit, 1 when it is hard.
-- Answers `G alternative (used window reset held)…`, or `R (take used window reset retry)…`; `S` when the order is settled.
-- The record is that answer and a line for each take: gauge, amount, window, level after it, key.
local RETRY = 1000000

local known = redis.call('GET', KEYS[1])
if known then return string.match(known, '^[^\n]*') end
give_back(KEYS[2])

local id, lease = ARGV[1], tonumber(ARGV[2])
local cursor = 3
local function argument()
  cursor = cursor + 1
  return ARGV[cursor - 1]
end

-- Microseconds until a take fits that does not now; -1 when it never will by waiting.
local function retry(take, used, left)
  if take.amount > take.limit or take.gauge == 'T' then return -1 end
  if take.gauge == 'C' then return RETRY end
  if take.gauge == 'm' then return drained((used + take.amount - take.limit) * 1000000, take.limit) end
  return left
end

local function apply(take)
  local after = take.used + take.amount
  local level, held = 0, 0
  if take.gauge == 'C' then
    if take.amount > 0 then
      redis.call('ZADD', take.key, integer(now + lease), id)
      local kept = math.ceil(lease / 1000) + 1000
      if redis.call('PTTL', take.key) < kept then redis.call('PEXPIRE', take.key, kept) end
    end
  elseif take.gauge == 'm' then
    level = math.floor(after * 1000000 + 0.5)
    fill(take.key, level, take.limit)
    take.left = drained(level, take.limit)
  else
    after = count(take.key, take.gauge, take.window, take.amount)
    held = hold(take.key, take.window, take.amount)
  end
  local shown = integer(math.ceil(math.max(0, after))) .. ' ' .. integer(take.window) .. ' ' .. integer(take.left)
  shown = shown .. ' ' .. integer(held)
  local line = take.gauge .. ' ' .. integer(take.amount) .. ' ' .. integer(take.window) .. ' ' .. integer(level)
  return shown, line .. ' ' .. take.key
end

local function grant(alternative, takes)
  local answer, lines, leased = { 'G', alternative }, {}, false
  for index, take in ipairs(takes) do
    answer[index + 2], lines[index] = apply(take)
    leased = leased or (take.amount > 0 and take.gauge ~= 'm' and take.gauge ~= 'C')
  end
  answer = table.concat(answer, ' ')
  local record = answer .. '\n' .. table.concat(lines, '\n')
  if leased then
    -- It is there until it is settled or given back, which may be a long time after its lease when nobody asks for anything.
    redis.call('SET', KEYS[1], record)
    redis.call('ZADD', KEYS[2], integer(now + lease), KEYS[1])
  else
    redis.call('SET', KEYS[1], record, 'EX', RECORD_TTL)
  end
  return answer
end

local refusal = { 'R' }
for alternative = 0, tonumber(argument()) - 1 do
  local takes, obstacle = {}, nil
  for index = 0, tonumber(argument()) - 1 do
    local key, gauge = KEYS[tonumber(argument())], argument()
    local take = { key = key, gauge = gauge, amount = tonumber(argument()), limit = tonumber(argument()) }
    local hard = argument() == '1'
    if not obstacle then
      take.used, take.window, take.left = reading(key, gauge, take.limit)
      if hard and take.used + take.amount > take.limit then
        local shown = integer(math.ceil(take.used)) .. ' ' .. integer(take.window) .. ' ' .. integer(take.left)
        obstacle = index .. ' ' .. shown .. ' ' .. integer(retry(take, take.used, take.left))
      end
      takes[index + 1] = take
    end
  end
  if not obstacle then return grant(alternative, takes) end
  refusal[alternative + 2] = obstacle
end
return table.concat(refusal, ' ')
