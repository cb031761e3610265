-- Reads counters. KEYS: the open reservations, then the counters. ARGV: their kinds. Answers `used window reset` for each.
give_back(KEYS[1])
local shown = {}
for index, kind in ipairs(ARGV) do
  local used, window, left = reading(KEYS[index + 1], kind)
  shown[index] = integer(math.ceil(used)) .. ' ' .. integer(window) .. ' ' .. integer(left)
end
return table.concat(shown, ' ')
