-- Reads meters: KEYS are theirs, ARGV their gauges. Answers `used window reset` for each.
local shown = {}
for index, key in ipairs(KEYS) do
  local used, window, left = reading(key, ARGV[index])
  shown[index] = integer(math.ceil(used)) .. ' ' .. integer(window) .. ' ' .. integer(left)
end
return table.concat(shown, ' ')
