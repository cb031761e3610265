-- Reads meters. KEYS: the open orders, then the meters. ARGV: their gauges. Answers `used window reset` for each.
give_back(KEYS[1])
local shown = {}
for index, gauge in ipairs(ARGV) do
  local used, window, left = reading(KEYS[index + 1], gauge)
  shown[index] = integer(math.ceil(used)) .. ' ' .. integer(window) .. ' ' .. integer(left)
end
return table.concat(shown, ' ')
