-- Closes reservations, each once, and adds them to the accounts.
-- KEYS: the open reservations, then whatever ARGV points to. ARGV: how many settlements; for each its record's index in KEYS, its id, how
-- many parts; for each part the counter's index, its kind, the window, what was used; then the entry's six sums, how many accounts;
-- for each account the indexes of its hash and of the two rankings, and its name there; then how many notes; for each its index, its
-- text, and for how many seconds it is kept.
-- What was reserved is what the record says: without one Redis was not asked, and all that was used is added.
-- What was used is less than zero where a settlement corrects an earlier one, which left no record.
-- The counters of a record are reached by the names in it: a settlement need not know all that was reserved.
-- Answers how many were new.
local TOMBSTONE_TTL = 2 * 86400
local ACCOUNT_TTL = 400 * 86400

local cursor = 0
local function argument()
  cursor = cursor + 1
  return ARGV[cursor]
end

-- What was reserved of a counter becomes what was used.
local function correct(id, debit, used)
  if debit.kind == 'C' then
    redis.call('ZREM', debit.key, id)
  elseif debit.kind == 'm' then
    local level, rate = level_of(debit.key)
    local more = (used - debit.amount) * 1000000
    if more < 0 then
      -- Of what was reserved too much, some has drained away since: no more goes back than is surely still there.
      local left = debit.level - math.floor((now - debit.window) * rate / 60)
      more = -math.max(0, math.min(-more, left, level))
    end
    if more ~= 0 then fill(debit.key, level + more, rate) end
  else
    if used ~= debit.amount then count(debit.key, debit.kind, debit.window, used - debit.amount) end
    if debit.amount > 0 then hold(debit.key, debit.window, -debit.amount) end
  end
end

local function charge(part)
  if part.kind == 'm' then
    local level, rate = level_of(part.key)
    if part.used > 0 then fill(part.key, level + part.used * 1000000, rate) end
  elseif part.kind ~= 'C' and part.used > 0 then
    count(part.key, part.kind, part.window, part.used)
  elseif part.kind ~= 'C' and part.used < 0 then
    -- A window that is forgotten stays so, and none has less than nothing.
    local there = tonumber(redis.call('HGET', part.key, integer(part.window)) or 0)
    if there > 0 then count(part.key, part.kind, part.window, -math.min(there, -part.used)) end
  end
end

local function close(record, id, parts)
  for line in string.gmatch(record or '', '\n([^\n]+)') do
    local kind, amount, window, level, key = string.match(line, '^(%a) (%d+) (%d+) (%d+) (.*)$')
    local debit = { kind = kind, amount = tonumber(amount), window = tonumber(window), level = tonumber(level), key = key }
    correct(id, debit, parts[key] and parts[key].used or 0)
    parts[key] = nil
  end
  for _, part in pairs(parts) do charge(part) end
end

local function enter(sums, hash, rankings, name)
  for index, field in ipairs({ 'requests', 'input', 'output', 'cost', 'estimated_tokens', 'estimated_cost' }) do
    -- Most requests were counted: their accounts have no estimates.
    if index <= 4 or sums[index] ~= '0' then
      local sum = redis.call('HINCRBY', hash, field, sums[index])
      if index == 1 and sum == tonumber(sums[1]) then redis.call('EXPIRE', hash, ACCOUNT_TTL) end
    end
  end
  for _, ranking in ipairs(rankings) do
    local score = redis.call('ZINCRBY', ranking, sums[4], name)
    if tonumber(score) == tonumber(sums[4]) then redis.call('EXPIRE', ranking, ACCOUNT_TTL) end
  end
end

local fresh = 0
for _ = 1, tonumber(argument()) do
  local record_key, id = KEYS[tonumber(argument())], argument()
  local record = redis.call('GET', record_key)
  local new = record ~= TOMBSTONE
  local parts = {}
  for _ = 1, tonumber(argument()) do
    local key, kind = KEYS[tonumber(argument())], argument()
    parts[key] = { key = key, kind = kind, window = tonumber(argument()), used = tonumber(argument()) }
  end
  if new then
    -- This comes first. An error in a counter ends the script, and the settlement is sent again: it must not change the other counters
    -- twice.
    redis.call('SET', record_key, TOMBSTONE, 'EX', TOMBSTONE_TTL)
    if record then redis.call('ZREM', KEYS[1], record_key) end
    close(record or nil, id, parts)
    fresh = fresh + 1
  end
  local sums = { argument(), argument(), argument(), argument(), argument(), argument() }
  for _ = 1, tonumber(argument()) do
    local hash, day, month = KEYS[tonumber(argument())], KEYS[tonumber(argument())], KEYS[tonumber(argument())]
    local name = argument()
    if new then enter(sums, hash, { day, month }, name) end
  end
  for _ = 1, tonumber(argument()) do
    local note, text, seconds = KEYS[tonumber(argument())], argument(), argument()
    -- What is settled stays so.
    if new and redis.call('GET', note) ~= '"settled"' then redis.call('SET', note, text, 'EX', seconds) end
  end
end
return fresh
