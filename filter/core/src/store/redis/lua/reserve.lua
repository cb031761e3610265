-- Reserves the first alternative whose hard limits all hold.
-- KEYS: the reservation's record, the open reservations, then counters. ARGV: the reservation's id, its lease in microseconds, how many
-- alternatives; for each how many debits; for each the counter's index in KEYS, its kind, the amount, the limit, 1 when it is hard.
-- Answers `G alternative (used window reset held)…`, or `R (debit used window reset retry)…`; `S` when the reservation is settled.
-- The record is that answer and a line for each debit: kind, amount, window, level after it, key.
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

-- Microseconds until a debit fits that does not now; -1 when it never will by waiting.
local function retry(debit, used, left)
  if debit.amount > debit.limit or debit.kind == 'T' then return -1 end
  if debit.kind == 'C' then return RETRY end
  if debit.kind == 'm' then return drained((used + debit.amount - debit.limit) * 1000000, debit.limit) end
  return left
end

local function apply(debit)
  local after = debit.used + debit.amount
  local level, held = 0, 0
  if debit.kind == 'C' then
    if debit.amount > 0 then
      redis.call('ZADD', debit.key, integer(now + lease), id)
      local kept = math.ceil(lease / 1000) + 1000
      if redis.call('PTTL', debit.key) < kept then redis.call('PEXPIRE', debit.key, kept) end
    end
  elseif debit.kind == 'm' then
    level = math.floor(after * 1000000 + 0.5)
    fill(debit.key, level, debit.limit)
    debit.left = drained(level, debit.limit)
  else
    after = count(debit.key, debit.kind, debit.window, debit.amount)
    held = hold(debit.key, debit.window, debit.amount)
  end
  local shown = integer(math.ceil(math.max(0, after))) .. ' ' .. integer(debit.window) .. ' ' .. integer(debit.left)
  shown = shown .. ' ' .. integer(held)
  local line = debit.kind .. ' ' .. integer(debit.amount) .. ' ' .. integer(debit.window) .. ' ' .. integer(level)
  return shown, line .. ' ' .. debit.key
end

local function grant(alternative, debits)
  local answer, lines, leased = { 'G', alternative }, {}, false
  for index, debit in ipairs(debits) do
    answer[index + 2], lines[index] = apply(debit)
    leased = leased or (debit.amount > 0 and debit.kind ~= 'm' and debit.kind ~= 'C')
  end
  answer = table.concat(answer, ' ')
  local record = answer .. '\n' .. table.concat(lines, '\n')
  if leased then
    -- The record has no TTL: without requests, its lease may be found expired only much later.
    redis.call('SET', KEYS[1], record)
    redis.call('ZADD', KEYS[2], integer(now + lease), KEYS[1])
  else
    redis.call('SET', KEYS[1], record, 'EX', RECORD_TTL)
  end
  return answer
end

local refusal = { 'R' }
for alternative = 0, tonumber(argument()) - 1 do
  local debits, obstacle = {}, nil
  for index = 0, tonumber(argument()) - 1 do
    local key, kind = KEYS[tonumber(argument())], argument()
    local debit = { key = key, kind = kind, amount = tonumber(argument()), limit = tonumber(argument()) }
    local hard = argument() == '1'
    if not obstacle then
      debit.used, debit.window, debit.left = reading(key, kind, debit.limit)
      if hard and debit.used + debit.amount > debit.limit then
        local shown = integer(math.ceil(debit.used)) .. ' ' .. integer(debit.window) .. ' ' .. integer(debit.left)
        obstacle = index .. ' ' .. shown .. ' ' .. integer(retry(debit, debit.used, debit.left))
      end
      debits[index + 1] = debit
    end
  end
  if not obstacle then return grant(alternative, debits) end
  refusal[alternative + 2] = obstacle
end
return table.concat(refusal, ' ')
